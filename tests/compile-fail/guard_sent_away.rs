// SPDX-License-Identifier: GPL-2.0
//! A lock is released on the CPU that took it.

use ktimer::sync::lock::spinlock::NoWaitGuard;

fn send<T: Send>(_: T) {}

pub fn send_away(guard: NoWaitGuard<'_, u32>) {
    send(guard);
    //~^ E0277
}
