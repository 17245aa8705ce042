// SPDX-License-Identifier: GPL-2.0

//! Spans of time, in ticks of the counter `jiffies`.
//!
//! The kernel has `Delta<Jiffy>` for this, from 7.3 on; [`JiffiesDelta`] can be made of that, and
//! the other way round, but is neither negative nor longer than C's `MAX_JIFFY_OFFSET`.
//!
//! | C | here |
//! |---|---|
//! | `HZ`, `MAX_JIFFY_OFFSET` | [`JiffiesDelta::SECOND`], [`JiffiesDelta::MAX`] |
//! | `msecs_to_jiffies()`, `usecs_to_jiffies()` | [`JiffiesDelta::from_millis`], [`JiffiesDelta::from_micros`] |
//! | `jiffies_to_nsecs()` and its kin | [`Delta::from`] |
//! | `nsecs_to_jiffies64()` | [`JiffiesDelta::try_from`] |
//! | `round_jiffies_relative()` | [`JiffiesDelta::round`] |
//! | `round_jiffies_up_relative()` | [`JiffiesDelta::round_up`] |
//! | `__round_jiffies_relative()` | [`JiffiesDelta::round_on`] |
//! | `__round_jiffies_up_relative()` | [`JiffiesDelta::round_up_on`] |
//!
//! C headers: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h),
//! [`include/linux/timer.h`](srctree/include/linux/timer.h)

use crate::bindings;
#[cfg(ktimer_kernel_jiffy)]
use kernel::time::Jiffy;
use kernel::{
    cpu::CpuId,
    fmt,
    prelude::*,
    time::Delta, //
};

/// A span of time, in ticks of the counter `jiffies`.
///
/// # Invariants
///
/// At most [`JiffiesDelta::MAX`], so that a point in time plus a span is always after it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(transparent)]
pub struct JiffiesDelta(c_ulong);

// What is computed with below takes it.
const _: () = assert!(c_ulong::BITS == 64);

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

    /// The least number of ticks that lasts `ms` milliseconds.
    ///
    /// The C function is `msecs_to_jiffies()`, which takes more than `i32::MAX` for no end.
    #[inline]
    pub const fn from_millis(ms: u32) -> Self {
        Self::saturating((ms as c_ulong * Self::SECOND.0).div_ceil(1_000))
    }

    /// The least number of ticks that lasts `us` microseconds.
    ///
    /// The C function is `usecs_to_jiffies()`, which may take large numbers for no end.
    #[inline]
    pub const fn from_micros(us: u32) -> Self {
        Self::saturating((us as c_ulong * Self::SECOND.0).div_ceil(1_000_000))
    }

    /// The span from now to a whole second, about this long: for timers that need not be exact, so
    /// that they expire together and wake the CPU once. It may come out shorter; see
    /// [`Jiffies::round`](super::jiffies::Jiffies::round).
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

    pub(super) const fn saturating(ticks: c_ulong) -> Self {
        match Self::from_ticks(ticks) {
            Ok(span) => span,
            Err(_) => Self::MAX,
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
        // Those of less than a second.
        let nanos = (ticks * NSEC_PER_SEC).div_ceil(HZ);
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Delta::from_nanos(
            seconds
                .saturating_mul(kernel::time::NSEC_PER_SEC)
                .saturating_add(nanos as i64),
        )
    }
}

/// The least number of ticks that lasts so long. Gives `EINVAL` for a span that is negative, or
/// more than [`JiffiesDelta::MAX`].
///
/// The C function is `nsecs_to_jiffies64()`, which rounds down.
impl TryFrom<Delta> for JiffiesDelta {
    type Error = Error;

    #[inline]
    fn try_from(span: Delta) -> Result<Self> {
        const HZ: u64 = JiffiesDelta::SECOND.0 as u64;
        const NSEC_PER_SEC: u64 = 1_000_000_000;

        let nanos = u64::try_from(span.as_nanos()).map_err(|_| EINVAL)?;
        let (seconds, nanos) = (nanos / NSEC_PER_SEC, nanos % NSEC_PER_SEC);
        let ticks = seconds * HZ + (nanos * HZ).div_ceil(NSEC_PER_SEC);
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
