// SPDX-License-Identifier: GPL-2.0
//! A timer may be leaked while it is armed, so its state must not borrow.

use ktimer::prelude::*;

struct State<'a> {
    count: &'a u32,
}

impl<'a> TimerCallback for State<'a> { //~ E0478
    fn run(&self, _context: TimerContext<'_, Self>) {
        let _ = self.count;
    }
}
