// SPDX-License-Identifier: GPL-2.0
//! With interrupts disabled, a lock that keeps bottom halves off is the wrong one.

use kernel::prelude::*;
use ktimer::{
    extra::irqsafe::{
        IrqSafeCallback,
        IrqSafeContext, //
    },
    prelude::*, //
};

#[pin_data]
struct State {
    #[pin]
    count: SpinLockBh<u32>,
}

impl IrqSafeCallback for State {
    fn run(&self, context: IrqSafeContext<'_, Self>) {
        *self.count.lock_with(&context) += 1;
        //~^ E0308
    }
}
