// SPDX-License-Identifier: GPL-2.0
//! Each timer has a name, and a lock class, of its own, and no name is for nobody.

use kernel::prelude::*;
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

pub fn make() -> Result<Pin<KBox<Timers<State, 2>>>> {
    KBox::pin_init(new_timer!(State, "first", "second", "third"), GFP_KERNEL)
    //~^ E0308
}
