// SPDX-License-Identifier: GPL-2.0
//! The state of a timer is shared with its callback, so it must be `Sync`.

use core::cell::Cell;
use ktimer::prelude::*;

struct State {
    count: Cell<u32>,
}

impl TimerCallback for State {
    //~^ E0277
    fn run(&self, _context: TimerContext<'_, Self>) {
        self.count.set(self.count.get() + 1);
    }
}
