// SPDX-License-Identifier: GPL-2.0
//! Each timer has its callback, and each callback its timer.

use ktimer::{
    prelude::*,
    time::timer::{
        TimerCallbacks,
        TimerFn, //
    }, //
};

struct State;

impl TimerCallbacks<2> for State {
    const CALLBACKS: [TimerFn<Self, 2>; 2] = [Self::nothing, Self::nothing, Self::nothing];
    //~^ E0308
}

impl State {
    fn nothing(&self, _context: TimerContext<'_, Self, 2>) {}
}
