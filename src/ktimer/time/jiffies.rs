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
//! | `HZ`, `MAX_JIFFY_OFFSET` | [`JiffiesDelta::SECOND`], [`JiffiesDelta::MAX`] |
//! | `jiffies + n` | [`Jiffies`] `+` [`JiffiesDelta`] |
//! | `time_after()`, `time_before()` | [`Jiffies::is_after`] |
//! | `time_after_eq()`, `time_before_eq()` | its opposite |
//! | `msecs_to_jiffies()`, `usecs_to_jiffies()` | [`JiffiesDelta::from_millis`], [`JiffiesDelta::from_micros`] |
//! | `jiffies_to_nsecs()` and its kin | [`Delta::from`] |
//! | `nsecs_to_jiffies64()` | [`JiffiesDelta::try_from`] |
//! | `round_jiffies()`, `round_jiffies_up()` | [`Jiffies::round`], [`Jiffies::round_up`] |
//! | `round_jiffies_relative()` | [`JiffiesDelta::round`] |
//! | `round_jiffies_up_relative()` | [`JiffiesDelta::round_up`] |
//! | `__round_jiffies_relative()` | [`JiffiesDelta::round_on`] |
//! | `__round_jiffies_up_relative()` | [`JiffiesDelta::round_up_on`] |
//!
//! C headers: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h),
//! [`include/linux/timer.h`](srctree/include/linux/timer.h)

use crate::bindings;
use core::ops::Add;
#[cfg(ktimer_kernel_jiffy)]
use kernel::time::Jiffy;
use kernel::{
    cpu::CpuId,
    fmt,
    prelude::*,
    time::Delta, //
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
    pub const fn next_after(self, now: Self, period: JiffiesDelta) -> (Self, c_ulong) {
        let period = if period.0 == 0 { 1 } else { period.0 };
        let next = self.0.wrapping_add(period);
        let missed = if now.is_after(Self(next)) {
            now.0.wrapping_sub(next).div_ceil(period)
        } else {
            0
        };
        // The product is less than the time that has passed and another period.
        (Self(next.wrapping_add(missed * period)), missed)
    }
}

/// Moves a point in time; wraps as the counter does.
impl Add<JiffiesDelta> for Jiffies {
    type Output = Self;

    #[inline]
    fn add(self, span: JiffiesDelta) -> Self {
        Self(self.0.wrapping_add(span.0))
    }
}

impl fmt::Display for Jiffies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A span of time, in ticks of the counter `jiffies`.
///
/// # Invariants
///
/// At most [`JiffiesDelta::MAX`], so that a point in time plus a span is always after it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(transparent)]
pub struct JiffiesDelta(c_ulong);

impl JiffiesDelta {
    /// No time.
    pub const ZERO: Self = Self(0);

    /// One tick, the least time that can pass.
    pub const TICK: Self = Self(1);

    /// The longest span: C's `MAX_JIFFY_OFFSET`.
    pub const MAX: Self = Self(bindings::KTIMER_MAX_JIFFY_OFFSET);

    /// A second: C's `HZ`.
    pub const SECOND: Self = Self(bindings::KTIMER_HZ);

    /// The longest delay that a timer may be armed for: the capacity of the timer wheel (C's
    /// `WHEEL_TIMEOUT_CUTOFF`, less one). It shortens longer delays, so that the timer is early.
    ///
    /// The wheel counts from the last tick that it has processed. A CPU that is behind with that
    /// takes as much off.
    pub const TIMER_MAX: Self = Self((63 << (3 * Self::TIMER_LEVELS - 3)) - 1);

    /// How many levels the timer wheel has: C's `LVL_DEPTH`.
    pub const TIMER_LEVELS: u32 = if bindings::KTIMER_HZ > 100 { 9 } else { 8 };

    /// A span of `ticks`, or `EINVAL` where that is more than [`MAX`](Self::MAX).
    #[inline]
    pub const fn from_ticks(ticks: c_ulong) -> Result<Self> {
        if ticks > Self::MAX.0 {
            return Err(EINVAL);
        }
        // INVARIANT: just checked.
        Ok(Self(ticks))
    }

    /// The least number of ticks that lasts `ms` milliseconds, at most [`MAX`](Self::MAX).
    ///
    /// The C function is `msecs_to_jiffies()`.
    #[inline]
    pub fn from_millis(ms: u32) -> Self {
        Self::saturating(kernel::time::msecs_to_jiffies(ms))
    }

    /// The least number of ticks that lasts `us` microseconds, at most [`MAX`](Self::MAX).
    ///
    /// The C function is `usecs_to_jiffies()`.
    #[inline]
    pub fn from_micros(us: u32) -> Self {
        // SAFETY: It takes any number, and only computes.
        Self::saturating(unsafe { bindings::__usecs_to_jiffies(us) })
    }

    /// The span from now to a whole second, about this long: for timers that need not be exact, so
    /// that they expire together and wake the CPU once. It may come out shorter; see
    /// [`Jiffies::round`].
    ///
    /// The C function is `round_jiffies_relative()`; may be called from any context.
    #[inline]
    pub fn round(self) -> Self {
        // SAFETY: It takes any number, and reads no more than `jiffies` and this CPU's number.
        Self::saturating(unsafe { kernel::bindings::round_jiffies_relative(self.0) })
    }

    /// The same as [`round`](Self::round), but never shorter than this span.
    ///
    /// The C function is `round_jiffies_up_relative()`; may be called from any context.
    #[inline]
    pub fn round_up(self) -> Self {
        // SAFETY: It takes any number, and reads no more than `jiffies` and this CPU's number.
        Self::saturating(unsafe { kernel::bindings::round_jiffies_up_relative(self.0) })
    }

    /// The same as [`round`](Self::round), with the offset of the CPU that the timer is going to
    /// expire on.
    ///
    /// The C function is `__round_jiffies_relative()`; may be called from any context.
    #[inline]
    pub fn round_on(self, cpu: CpuId) -> Self {
        // SAFETY: It takes any numbers, and reads no more than `jiffies`.
        Self::saturating(unsafe { kernel::bindings::__round_jiffies_relative(self.0, cpu.into()) })
    }

    /// The same as [`round_up`](Self::round_up), with the offset of the CPU that the timer is going
    /// to expire on.
    ///
    /// The C function is `__round_jiffies_up_relative()`; may be called from any context.
    #[inline]
    pub fn round_up_on(self, cpu: CpuId) -> Self {
        // SAFETY: It takes any numbers, and reads no more than `jiffies`.
        Self::saturating(unsafe {
            kernel::bindings::__round_jiffies_up_relative(self.0, cpu.into())
        })
    }

    /// The number of ticks.
    #[inline]
    pub const fn as_ticks(self) -> c_ulong {
        self.0
    }

    /// This span less `other`, or [`ZERO`](Self::ZERO) where `other` is longer.
    #[inline]
    pub const fn saturating_sub(self, other: Self) -> Self {
        // INVARIANT: no more than `self`.
        Self(self.0.saturating_sub(other.0))
    }

    const fn saturating(ticks: c_ulong) -> Self {
        // INVARIANT: the lesser of the two is at most `MAX`.
        if ticks > Self::MAX.0 {
            Self::MAX
        } else {
            Self(ticks)
        }
    }
}

/// The span in nanoseconds, to the next whole one, or the longest that there is.
///
/// C's functions are `jiffies_to_nsecs()` and its kin.
impl From<JiffiesDelta> for Delta {
    #[inline]
    fn from(span: JiffiesDelta) -> Self {
        const HZ: c_ulong = JiffiesDelta::SECOND.0;
        const NSEC_PER_SEC: c_ulong = 1_000_000_000;

        let (seconds, ticks) = (span.0 / HZ, span.0 % HZ);
        // No product of these is more than a `u32` holds: ticks are less than `HZ`.
        let nanos = ticks * (NSEC_PER_SEC / HZ) + (ticks * (NSEC_PER_SEC % HZ)).div_ceil(HZ);
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Delta::from_nanos(
            seconds
                .saturating_mul(kernel::time::NSEC_PER_SEC)
                .saturating_add(nanos as i64),
        )
    }
}

/// The least number of ticks that lasts so long. Gives `EINVAL` for a span that is negative, or more
/// than [`JiffiesDelta::MAX`].
///
/// The C function is `nsecs_to_jiffies64()`, which rounds down.
impl TryFrom<Delta> for JiffiesDelta {
    type Error = Error;

    #[inline]
    fn try_from(span: Delta) -> Result<Self> {
        const TICK: u64 = (1_000_000_000 / bindings::KTIMER_HZ) as u64;

        let nanos = u64::try_from(span.as_nanos()).map_err(|_| EINVAL)?;
        // SAFETY: It takes any number, and only computes.
        let ticks = unsafe { bindings::nsecs_to_jiffies64(nanos.saturating_add(TICK - 1)) };
        Self::from_ticks(c_ulong::try_from(ticks).map_err(|_| EINVAL)?)
    }
}

/// The span as the kernel crate has it in jiffies, too.
#[cfg(ktimer_kernel_jiffy)]
impl From<JiffiesDelta> for Delta<Jiffy> {
    #[inline]
    fn from(span: JiffiesDelta) -> Self {
        // By the type invariant it is at most `MAX`, half of what fits.
        Delta::from_jiffies(span.0 as isize)
    }
}

/// Gives `EINVAL` for a span that is negative, or more than [`JiffiesDelta::MAX`].
#[cfg(ktimer_kernel_jiffy)]
impl TryFrom<Delta<Jiffy>> for JiffiesDelta {
    type Error = Error;

    #[inline]
    fn try_from(span: Delta<Jiffy>) -> Result<Self> {
        Self::from_ticks(c_ulong::try_from(span.as_jiffies()).map_err(|_| EINVAL)?)
    }
}

impl fmt::Display for JiffiesDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
