// SPDX-License-Identifier: GPL-2.0
//! Of another timer than the callback's own nobody knows that it was ever armed.

use ktimer::{
    prelude::*,
    time::timer::{
        TimerCallbacks,
        TimerFn, //
    }, //
};

struct State;

impl TimerCallbacks<2> for State {
    const CALLBACKS: [TimerFn<Self, 2>; 2] = [Self::run; 2];
}

impl State {
    fn run(&self, context: TimerContext<'_, Self, 2>) {
        context.expires();
        context.timer::<1>().arm(Jiffies::now());
        context.timer::<1>().expires();
        //~^ E0599
    }
}
