// SPDX-License-Identifier: GPL-2.0
//! A timer is made in place; there is none that could be moved.

use ktimer::prelude::*;

struct State;

impl TimerCallback for State {
    fn run(&self, _context: TimerContext<'_, Self>) {}
}

pub fn make() -> Timer<State> {
    new_timer!(State)
    //~^ E0308
}
