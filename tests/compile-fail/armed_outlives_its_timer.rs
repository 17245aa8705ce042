// SPDX-License-Identifier: GPL-2.0
//! What came of arming a timer, which looks at the timer, is used while that is there.

use kernel::prelude::*;
use ktimer::prelude::*;

struct State;

impl TimerCallback for State {
    fn run(&self, _context: TimerContext<'_, Self>) {}
}

pub fn ask_too_late(timer: Pin<KBox<Timer<State>>>) -> bool {
    let armed = timer.arm(Jiffies::now());
    drop(timer);
    //~^ E0505
    armed.is_shut_down()
}
