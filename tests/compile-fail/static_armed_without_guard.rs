// SPDX-License-Identifier: GPL-2.0
//! A timer in a static can't be armed before there is a guard to shut it down.

use ktimer::{
    extra::global_timer::GlobalTimer,
    prelude::*, //
};

struct State;

impl TimerCallback for State {
    fn run(&self, _context: TimerContext<'_, Self>) {}
}

static TIMER: GlobalTimer<State> = GlobalTimer::new();

pub fn arm() {
    TIMER.arm(Jiffies::now());
    //~^ E0599
}
