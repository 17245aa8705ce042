// SPDX-License-Identifier: GPL-2.0
//! A lock taken by way of the context is released in the callback.

use ktimer::prelude::*;
use ktimer::sync::lock::spinlock::NoWaitGuard;

struct State;

impl TimerCallback for State {
    fn run(&self, _context: TimerContext<'_, Self>) {}
}

pub fn take<'a>(
    lock: &'a SpinLockBh<u32>,
    context: TimerContext<'a, State>,
) -> NoWaitGuard<'a, u32> {
    lock.lock_with(&context)
    //~^ E0515
}
