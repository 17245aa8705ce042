// SPDX-License-Identifier: GPL-2.0
//! There are as many timers as there are callbacks.

use ktimer::{
    prelude::*,
    time::timer::{
        TimerCallbacks,
        TimerFn,
        Timers, //
    }, //
};

struct State;

impl TimerCallbacks<2> for State {
    const CALLBACKS: [TimerFn<Self, 2>; 2] = [Self::nothing; 2];
}

impl State {
    fn nothing(&self, _context: TimerContext<'_, Self, 2>) {}
}

pub fn arm(timers: &Timers<State, 2>) {
    timers.timer::<2>().arm(Jiffies::now());
    //~^ E0080 E0080
}
