// SPDX-License-Identifier: GPL-2.0
//! A timer that is pinned in a box can not be taken out of it.

use core::pin::Pin;
use kernel::prelude::*;
use ktimer::prelude::*;

struct State;

impl TimerCallback for State {
    fn run(&self, _context: TimerContext<'_, Self>) {}
}

pub fn unpin(timer: Pin<KBox<Timer<State>>>) -> KBox<Timer<State>> {
    Pin::into_inner(timer)
    //~^ E0277
}
