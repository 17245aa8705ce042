// SPDX-License-Identifier: GPL-2.0

//! Each operation of a timer by itself, for tests/test_calls.py to look at the machine code.

use kernel::prelude::*;
use ktimer::{
    interrupt::BhDisabled,
    prelude::*,
    time::timer::{
        TimerCallbacks,
        TimerFn,
        Timers, //
    }, //
};

/// Its callback does nothing but call something else.
pub struct State;

impl TimerCallback for State {
    #[inline]
    fn run(&self, _context: TimerContext<'_, Self>) {
        work();
    }
}

#[no_mangle]
#[inline(never)]
pub fn work() {
    core::hint::black_box(());
}

#[no_mangle]
pub fn arm(timer: &Timer<State>, expires: Jiffies) {
    timer.arm(expires);
}

#[no_mangle]
pub fn arm_if_pending(timer: &Timer<State>, expires: Jiffies) {
    timer.arm_if_pending(expires);
}

#[no_mangle]
pub fn reduce(timer: &Timer<State>, expires: Jiffies) {
    timer.reduce(expires);
}

#[no_mangle]
pub fn cancel(timer: &Timer<State>) {
    timer.cancel();
}

#[no_mangle]
pub fn cancel_sync(timer: &Timer<State>) {
    timer.cancel_sync();
}

#[no_mangle]
pub fn try_cancel_sync(timer: &Timer<State>) {
    let _ = timer.try_cancel_sync();
}

#[no_mangle]
pub fn shutdown(timer: &Timer<State>) {
    timer.shutdown();
}

#[no_mangle]
pub fn shutdown_sync(timer: &Timer<State>) {
    timer.shutdown_sync();
}

#[no_mangle]
pub fn is_pending(timer: &Timer<State>) -> bool {
    timer.is_pending()
}

#[no_mangle]
pub fn lock(lock: &SpinLockBh<usize>) {
    *lock.lock() = 1;
}

#[no_mangle]
pub fn lock_with(lock: &SpinLockBh<usize>, context: &BhDisabled) {
    *lock.lock_with(context) = 1;
}

#[no_mangle]
pub fn drop_box(timer: Pin<KBox<Timer<State>>>) {
    drop(timer);
}

#[no_mangle]
pub fn new_box() -> Result<Pin<KBox<Timer<State>>>> {
    KBox::pin_init(new_timer!(State), GFP_KERNEL)
}

/// Two timers: each has a callback of its own.
pub struct Two;

impl TimerCallbacks<2> for Two {
    const CALLBACKS: [TimerFn<Self, 2>; 2] = [Self::first, Self::second];
}

impl Two {
    #[inline]
    fn first(&self, context: TimerContext<'_, Self, 2>) {
        context.timer::<1>().arm(Jiffies::from_raw(1));
    }

    #[inline]
    fn second(&self, context: TimerContext<'_, Self, 2>) {
        context.timer::<0>().cancel();
    }
}

#[no_mangle]
pub fn arm_second(two: &Timers<Two, 2>, expires: Jiffies) {
    two.timer::<1>().arm(expires);
}

#[no_mangle]
pub fn cancel_sync_second(two: &Timers<Two, 2>) {
    two.timer::<1>().cancel_sync();
}

#[no_mangle]
pub fn new_two() -> Result<Pin<KBox<Timers<Two, 2>>>> {
    KBox::pin_init(new_timer!(Two, "first", "second"), GFP_KERNEL)
}

#[no_mangle]
pub fn drop_two(two: Pin<KBox<Timers<Two, 2>>>) {
    drop(two);
}
