// SPDX-License-Identifier: GPL-2.0

//! The plain C that the library is compared with, and what it takes to measure. The `unsafe` of the
//! benchmark is here.

use super::Side;
use kernel::{
    error::to_result,
    prelude::*,
    types::NotThreadSafe, //
};
use ktimer::prelude::*;

#[allow(clippy::all, dead_code, missing_docs, unreachable_pub)]
mod bindings {
    use kernel::{bindings::*, ffi};
    include!(env!("BENCH_BINDINGS"));
}

/// The count of instructions, under virtual time.
pub(crate) fn now() -> u64 {
    // SAFETY: It only reads a counter.
    unsafe { bindings::plain_instructions() }
}

/// How many instructions it takes to do something, with interrupts disabled.
#[inline(always)]
pub(crate) fn instructions(what: impl FnOnce()) -> u64 {
    // SAFETY: It may be called anywhere.
    let flags = unsafe { bindings::plain_irq_save() };
    let start = now();
    what();
    let end = now();
    // SAFETY: The flags are those of just before.
    unsafe { bindings::plain_irq_restore(flags) };
    end - start
}

/// How many timers there are on one state, where there are several.
pub(crate) const SEVERAL: usize = bindings::PLAIN_SEVERAL as usize;

/// Timers in C: those with the number `ID` of several in each place. There is one such set at a
/// time: nobody else makes one.
pub(crate) struct Plain<const ID: u32> {
    made: usize,
    _not_shared: NotThreadSafe,
}

impl<const ID: u32> Plain<ID> {
    fn check(&self, n: usize) -> usize {
        n.min(self.made)
    }
}

impl<const ID: u32> Side for Plain<ID> {
    fn make(n: usize, expires: impl Fn(usize) -> Jiffies) -> Result<Self> {
        // SAFETY: There is no other set.
        to_result(unsafe { bindings::plain_make(n) })?;
        for i in 0..n {
            // SAFETY: There are `n` timers.
            unsafe { bindings::plain_set(i, expires(i).as_raw()) };
        }
        Ok(Self {
            made: n,
            _not_shared: NotThreadSafe,
        })
    }

    fn size() -> usize {
        // SAFETY: It only returns a number.
        unsafe { bindings::plain_size() }
    }

    fn add(&self, n: usize) {
        // SAFETY: There are as many timers.
        unsafe { bindings::plain_add(ID, self.check(n)) }
    }

    fn arm(&self, n: usize, shift: JiffiesDelta) {
        // SAFETY: As above.
        unsafe { bindings::plain_arm(ID, self.check(n), shift.as_ticks()) }
    }

    fn arm_at(&self, n: usize, expires: Jiffies) {
        // SAFETY: As above.
        unsafe { bindings::plain_arm_at(ID, self.check(n), expires.as_raw()) }
    }

    fn any_pending(&self, n: usize) -> bool {
        // SAFETY: As above.
        unsafe { bindings::plain_any_pending(ID, self.check(n)) }
    }

    fn cancel(&self, n: usize) {
        // SAFETY: As above.
        unsafe { bindings::plain_cancel(ID, self.check(n)) }
    }

    fn cancel_sync(&self, n: usize) {
        // SAFETY: As above.
        unsafe { bindings::plain_cancel_sync(ID, self.check(n)) }
    }

    fn shutdown_sync(&self, n: usize) {
        // SAFETY: As above.
        unsafe { bindings::plain_shutdown_sync(ID, self.check(n)) }
    }
}

impl<const ID: u32> Drop for Plain<ID> {
    fn drop(&mut self) {
        // SAFETY: It is the one set, and not used any more.
        unsafe { bindings::plain_free() }
    }
}

/// Takes and releases a lock, with bottom halves disabled meanwhile.
pub(crate) fn lock_bh(n: usize) {
    // SAFETY: The lock is a static of the C code, and nobody holds it.
    unsafe { bindings::plain_lock_bh(n) }
}

/// The same where they are disabled, in a timer's callback.
pub(crate) fn lock(n: usize, _context: &ktimer::interrupt::BhDisabled) {
    // SAFETY: As above; and bottom halves are disabled.
    unsafe { bindings::plain_lock(n) }
}

/// The monotonic time, in nanoseconds.
pub(crate) fn ktime() -> u64 {
    // SAFETY: It only reads a clock.
    unsafe { bindings::plain_ktime() }
}

/// Timers in C that note how late they are. There is one such set at a time.
pub(crate) struct Late {
    wanted: usize,
}

impl Late {
    /// Starts so many timers, which take so many samples in all; at `base` jiffies it was `ktime`.
    pub(crate) fn start(timers: usize, wanted: usize, base: Jiffies, ktime: u64) -> Result<Self> {
        // SAFETY: There is no other set.
        to_result(unsafe { bindings::plain_late_start(timers, wanted, base.as_raw(), ktime) })?;
        Ok(Self { wanted })
    }

    pub(crate) fn is_complete(&self) -> bool {
        // SAFETY: The set is started.
        unsafe { bindings::plain_late_taken() >= self.wanted }
    }

    /// A sample: jiffies in the upper half, and microseconds.
    pub(crate) fn get(&self, i: usize) -> Option<u64> {
        if i >= self.wanted {
            return None;
        }
        // SAFETY: The set is started, and has so many samples.
        Some(unsafe { bindings::plain_late_get(i) })
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        // SAFETY: The set is started, and nobody has it any more.
        unsafe { bindings::plain_late_stop() }
    }
}
