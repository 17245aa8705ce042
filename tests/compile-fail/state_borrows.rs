// SPDX-License-Identifier: GPL-2.0
//! A timer may be leaked while it is armed, so its state must not borrow.

use ktimer::prelude::*;

struct State<'a>(&'a u32);

impl TimerCallback for State<'_> {
    //~^ E0478 E0495
    fn run(&self, _context: TimerContext<'_, Self>) {
        let _ = self.0;
    }
}
