// SPDX-License-Identifier: GPL-2.0
//! The context of a callback can not leave it.

use ktimer::prelude::*;

struct State;

fn keep_for_ever<T: 'static>(_: T) {}

impl TimerCallback for State {
    fn run(&self, context: TimerContext<'_, Self>) {
        keep_for_ever(context);
        //~^ E0521
    }
}
