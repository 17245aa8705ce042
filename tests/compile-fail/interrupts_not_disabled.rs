// SPDX-License-Identifier: GPL-2.0
//! The callback of a timer that is not IRQSAFE has no proof that interrupts are disabled.

use ktimer::{
    interrupt::LocalInterruptDisabled,
    prelude::*, //
};

fn needs_interrupts_disabled(_proof: &LocalInterruptDisabled) {}

struct State;

impl TimerCallback for State {
    fn run(&self, context: TimerContext<'_, Self>) {
        needs_interrupts_disabled(&context);
        //~^ E0308
    }
}
