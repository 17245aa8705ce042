// SPDX-License-Identifier: GPL-2.0
//! A timer goes to other threads only if its state may.

use core::marker::PhantomData;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use ktimer::prelude::*;

/// `Sync`, but not `Send`.
struct State(PhantomData<kernel::sync::lock::mutex::MutexGuard<'static, ()>>);

impl TimerCallback for State {
    fn run(&self, _context: TimerContext<'_, Self>) {}
}

fn send<T: Send>(_: T) {}

pub fn send_away(timer: Arc<Timer<State>>) {
    send(timer);
    //~^ E0277
}
