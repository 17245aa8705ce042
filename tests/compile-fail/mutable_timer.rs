// SPDX-License-Identifier: GPL-2.0
//! A timer is pinned: nothing gives a reference to it by which it could be moved.

use core::pin::Pin;
use ktimer::prelude::*;

struct State;

impl TimerCallback for State {
    fn run(&self, _context: TimerContext<'_, Self>) {}
}

pub fn get(timer: Pin<&mut Timer<State>>) -> &mut Timer<State> {
    timer.get_mut()
    //~^ E0277
}
