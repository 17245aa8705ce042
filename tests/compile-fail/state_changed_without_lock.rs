// SPDX-License-Identifier: GPL-2.0
//! The state is shared with the callback, so its owner can't just change it.

use kernel::prelude::*;
use ktimer::prelude::*;

struct State {
    count: u32,
}

impl TimerCallback for State {
    fn run(&self, _context: TimerContext<'_, Self>) {}
}

pub fn reset(timer: &mut Pin<KBox<Timer<State>>>) {
    timer.count = 0;
    //~^ E0594
}
