// SPDX-License-Identifier: GPL-2.0

//! What cost_c.c does with a timer and a lock, in Rust.

use kernel::{
    interrupt::BhDisabled,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        SpinLockBh, //
    },
    time::{
        jiffies::Jiffies,
        timer::{
            Timer,
            TimerCallback,
            TimerContext, //
        },
        Delta, //
    },
};

/// Its callback is what `cost_c_callback()` is.
pub struct Beat {
    count: Atomic<usize>,
}

impl TimerCallback for Beat {
    fn run(&self, context: TimerContext<'_, Self>) {
        self.count.add(1, Relaxed);
        context.arm(Jiffies::now() + Delta::SECOND);
    }
}

/// So that the callback is there.
pub fn new(beat: Beat) -> Result<Pin<KBox<Timer<Beat>>>> {
    KBox::pin_init(kernel::time::timer::new_timer!(beat), GFP_KERNEL)
}

#[no_mangle]
fn cost_rs_arm(beat: &Timer<Beat>, expires: Jiffies) -> bool {
    beat.arm(expires).was_pending()
}

#[no_mangle]
fn cost_rs_arm_in_a_second(beat: &Timer<Beat>) -> bool {
    beat.arm(Jiffies::now() + Delta::SECOND).was_pending()
}

#[no_mangle]
fn cost_rs_reduce(beat: &Timer<Beat>, expires: Jiffies) -> bool {
    beat.reduce(expires).was_pending()
}

#[no_mangle]
fn cost_rs_cancel(beat: &Timer<Beat>) -> bool {
    beat.cancel()
}

#[no_mangle]
fn cost_rs_cancel_sync(beat: &Timer<Beat>) -> bool {
    beat.cancel_sync()
}

#[no_mangle]
fn cost_rs_is_pending(beat: &Timer<Beat>) -> bool {
    beat.is_pending()
}

#[no_mangle]
fn cost_rs_shutdown(beat: &Timer<Beat>) {
    beat.shutdown_sync();
}

#[no_mangle]
fn cost_rs_lock(counter: &SpinLockBh<usize>) {
    let mut count = counter.lock();
    *count = count.wrapping_add(1);
}

#[no_mangle]
fn cost_rs_lock_with(counter: &SpinLockBh<usize>, bh: &BhDisabled) {
    let mut count = counter.lock_with(bh);
    *count = count.wrapping_add(1);
}
