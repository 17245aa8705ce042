// SPDX-License-Identifier: GPL-2.0
//! Bottom halves are off on the callback's CPU only, so its context stays there.

use ktimer::prelude::*;

fn send<T: Send>(_: T) {}

pub fn send_away<T: TimerCallback>(context: TimerContext<'_, T>) {
    send(context);
    //~^ E0277
}
