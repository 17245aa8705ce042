// SPDX-License-Identifier: GPL-2.0

//! Jiffies: the kernel's coarse clock, typed.
//!
//! The counter `jiffies` goes up by one at each tick, `HZ` times a second, and wraps around. A
//! reading of it, [`Jiffies`], and a number of ticks, [`JiffiesDelta`], are different things: a
//! point in time plus a span is a point in time, and two points in time can't be added. Points in
//! time have no total order (the counter wraps), so they are compared with
//! [`is_after`](Jiffies::is_after), which is right for points less than half the counter's range
//! apart, rather than with `<`.
//!
//! All arithmetic wraps as the C does; none of it panics.
//!
//! | C | here |
//! |---|---|
//! | `jiffies` | [`Jiffies::now`] |
//! | `jiffies + n` | [`Jiffies`] `+` [`JiffiesDelta`] |
//! | `time_after()`, `time_before()` | [`Jiffies::is_after`] |
//! | `time_after_eq()`, `time_before_eq()` | its opposite |
//! | `round_jiffies()`, `round_jiffies_up()` | [`Jiffies::round`], [`Jiffies::round_up`] |
//!
//! C headers: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h),
//! [`include/linux/timer.h`](srctree/include/linux/timer.h)

use crate::time::delta::JiffiesDelta;
use core::ops::Add;
use kernel::{
    fmt,
    prelude::*, //
};

/// A point in time: a value of the counter `jiffies`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Jiffies(c_ulong);

impl Jiffies {
    /// The present: reads the counter `jiffies`.
    ///
    /// May be called from any context.
    #[inline]
    pub fn now() -> Self {
        // SAFETY: `jiffies` is a live static of the kernel for as long as the kernel runs. C
        // declares it volatile, since the tick changes it at any time, and aligned, so that one
        // load reads it whole.
        Self(unsafe { (&raw const kernel::bindings::jiffies).read_volatile() })
    }

    /// The point in time at which the counter has this value.
    #[inline]
    pub const fn from_raw(value: c_ulong) -> Self {
        Self(value)
    }

    /// The counter's value at this point in time.
    #[inline]
    pub const fn as_raw(self) -> c_ulong {
        self.0
    }

    /// The nearest whole second, on this CPU's own offset from it: for timers that need not be
    /// exact, so that they expire together and wake the CPU once. Rounds up rather than down, and
    /// gives the point in time itself where rounding would lead into the past.
    ///
    /// The C function is `round_jiffies()`; may be called from any context.
    #[inline]
    pub fn round(self) -> Self {
        // SAFETY: It takes any number, and reads no more than `jiffies` and this CPU's number.
        Self(unsafe { kernel::bindings::round_jiffies(self.0) })
    }

    /// The same as [`round`](Self::round), but never earlier than this point in time.
    ///
    /// The C function is `round_jiffies_up()`; may be called from any context.
    #[inline]
    pub fn round_up(self) -> Self {
        // SAFETY: It takes any number, and reads no more than `jiffies` and this CPU's number.
        Self(unsafe { kernel::bindings::round_jiffies_up(self.0) })
    }

    /// Whether this point in time is later than `other`, also where the counter wrapped in between.
    ///
    /// The C macro is `time_after()`.
    #[inline]
    pub const fn is_after(self, other: Self) -> bool {
        (other.0.wrapping_sub(self.0) as c_long) < 0
    }

    /// The span from `earlier` to this point in time; zero if `earlier` is later.
    #[inline]
    pub const fn since(self, earlier: Self) -> JiffiesDelta {
        if earlier.is_after(self) {
            return JiffiesDelta::ZERO;
        }
        JiffiesDelta::saturating(self.0.wrapping_sub(earlier.0))
    }

    /// The first of the points in time that follow this one at intervals of `period` which is not
    /// past at `now`, and how many of them were. A period of no time is taken for one tick.
    ///
    /// For `hrtimer`s, C has `hrtimer_forward()`, which counts the first of them, too.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ktimer::prelude::*;
    /// # use kernel::prelude::*;
    /// let due = Jiffies::from_raw(100);
    /// let period = JiffiesDelta::from_ticks(10)?;
    /// assert!(due.next_after(Jiffies::from_raw(101), period) == (Jiffies::from_raw(110), 0));
    /// assert!(due.next_after(Jiffies::from_raw(131), period) == (Jiffies::from_raw(140), 3));
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn next_after(self, now: Self, period: JiffiesDelta) -> (Self, c_ulong) {
        let period = period.as_ticks().max(1);
        let next = self.0.wrapping_add(period);
        let missed = if now.is_after(Self(next)) {
            // It is less than half of what there is, and so is a period.
            now.0.wrapping_sub(next).wrapping_add(period - 1) / period
        } else {
            0
        };
        // The product is less than the time that has passed and another period.
        (Self(next.wrapping_add(missed.wrapping_mul(period))), missed)
    }
}

/// Moves a point in time; wraps as the counter does.
impl Add<JiffiesDelta> for Jiffies {
    type Output = Self;

    #[inline]
    fn add(self, span: JiffiesDelta) -> Self {
        Self(self.0.wrapping_add(span.as_ticks()))
    }
}

impl fmt::Display for Jiffies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
