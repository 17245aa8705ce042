// SPDX-License-Identifier: GPL-2.0
//! The state is shared with the callback: nobody gets it for himself.

use core::pin::Pin;
use ktimer::prelude::*;

struct State;

impl TimerCallback for State {
    fn run(&self, _context: TimerContext<'_, Self>) {}
}

pub fn project(timer: Pin<&mut Timer<State>>) {
    timer.project();
    //~^ E0599
}
