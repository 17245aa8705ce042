// SPDX-License-Identifier: GPL-2.0
//! The context of a callback can not leave it.

use kernel::prelude::*;
use ktimer::prelude::*;

#[pin_data]
struct State {
    #[pin]
    kept: SpinLockBh<Option<TimerContext<'static, State>>>,
}

impl TimerCallback for State {
    fn run(&self, context: TimerContext<'_, Self>) {
        *self.kept.lock() = Some(context); //~ E0521
    }
}
