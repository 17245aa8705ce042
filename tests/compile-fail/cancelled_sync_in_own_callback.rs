// SPDX-License-Identifier: GPL-2.0
//! A callback can't wait for itself to end.

use ktimer::prelude::*;

struct State;

impl TimerCallback for State {
    fn run(&self, context: TimerContext<'_, Self>) {
        context.cancel_sync();
        //~^ E0599
    }
}
