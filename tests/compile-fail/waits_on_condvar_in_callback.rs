// SPDX-License-Identifier: GPL-2.0
//! A guard that was taken in a callback can't be waited with: waiting sleeps.

use kernel::{
    prelude::*,
    sync::CondVar, //
};
use ktimer::prelude::*;

#[pin_data]
struct State {
    #[pin]
    count: SpinLockBh<u32>,
    #[pin]
    changed: CondVar,
}

impl TimerCallback for State {
    fn run(&self, context: TimerContext<'_, Self>) {
        let mut count = self.count.lock_with(&context);
        self.changed.wait(&mut count);
        //~^ E0308
    }
}
