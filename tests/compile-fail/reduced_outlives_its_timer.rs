// SPDX-License-Identifier: GPL-2.0
//! Likewise, what came of having it expire earlier.

use kernel::prelude::*;
use ktimer::prelude::*;

struct State;

impl TimerCallback for State {
    fn run(&self, _context: TimerContext<'_, Self>) {}
}

pub fn ask_too_late(timer: Pin<KBox<Timer<State>>>) -> bool {
    let armed = timer.reduce(Jiffies::now());
    drop(timer);
    //~^ E0505
    armed.is_shut_down()
}
