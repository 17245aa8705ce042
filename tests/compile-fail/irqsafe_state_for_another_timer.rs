// SPDX-License-Identifier: GPL-2.0
//! State that relies on disabled interrupts is made with a timer that has them so, and not else.

use ktimer::{
    extra::irqsafe::{
        IrqSafe,
        IrqSafeCallback,
        IrqSafeContext, //
    },
    new_timer, //
};

struct State;

impl IrqSafeCallback for State {
    fn run(&self, _context: IrqSafeContext<'_, Self>) {}
}

pub fn make() {
    let _ = new_timer!(IrqSafe(State));
    //~^ E0423
}
