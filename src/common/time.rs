// SPDX-License-Identifier: GPL-2.0

//! Telling the time in other ways than [jiffies](ktimer::time::jiffies), and letting it pass.
//!
//! C headers: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h),
//! [`include/linux/sched.h`](srctree/include/linux/sched.h)

use kernel::{
    bindings,
    fmt,
    prelude::*, //
};
use ktimer::time::delta::JiffiesDelta;

/// The counter `jiffies` in 64 bits, which does not wrap in the lifetime of any machine.
///
/// The C function is `get_jiffies_64()`; may be called from any context.
pub fn jiffies_64() -> u64 {
    // SAFETY: It takes nothing, and only reads the counter.
    unsafe { crate::bindings::get_jiffies_64() }
}

/// A point in real time: since 1970, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RealTime {
    /// Whole seconds.
    pub seconds: i64,
    /// And nanoseconds, less than a second.
    pub nanoseconds: i64,
}

impl RealTime {
    /// The present, to the nanosecond.
    ///
    /// The C function is `ktime_get_real_ts64()`; may be called from any context.
    pub fn now() -> Self {
        Self::read(bindings::ktime_get_real_ts64)
    }

    /// The present as of the last tick, which costs less.
    ///
    /// The C function is `ktime_get_coarse_real_ts64()`; may be called from any context.
    pub fn coarse() -> Self {
        Self::read(bindings::ktime_get_coarse_real_ts64)
    }

    fn read(clock: unsafe extern "C" fn(*mut bindings::timespec64)) -> Self {
        let mut time = bindings::timespec64::default();
        // SAFETY: Both clocks write a time to where they are told.
        unsafe { clock(&raw mut time) };
        Self {
            seconds: time.tv_sec,
            nanoseconds: time.tv_nsec as i64,
        }
    }
}

impl fmt::Display for RealTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10}.{:09}", self.seconds, self.nanoseconds)
    }
}

/// Lets other tasks run, if there are any that want to. Must be called where sleeping is allowed.
///
/// The C function is `schedule()`.
pub fn schedule() {
    // SAFETY: The task stays runnable, so it goes on in time.
    unsafe { bindings::schedule() }
}

/// Sleeps for a span of time, or until a signal comes; returns what was left of it. Must be called
/// where sleeping is allowed.
///
/// The C function is `schedule_timeout_interruptible()`.
pub fn schedule_timeout_interruptible(span: JiffiesDelta) -> JiffiesDelta {
    // A span fits: it is at most half of what is a negative number here.
    let ticks = span.as_ticks() as c_long;
    // SAFETY: The number is not negative.
    let left = unsafe { bindings::schedule_timeout_interruptible(ticks) };
    JiffiesDelta::from_ticks(left as c_ulong).unwrap_or(JiffiesDelta::ZERO)
}
