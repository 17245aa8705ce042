// SPDX-License-Identifier: GPL-2.0

//! Timers on a given CPU.
//!
//! `add_timer_on()` and its kin change the timer's flags without a lock, so nothing else may be
//! done to the timer meanwhile. Their counterparts ask for `Pin<&mut Timer>`: nobody but the
//! callback can use the timer then, and that is waited for. Several timers on one state have other
//! callbacks, which can; so these are not for them.

use crate::{
    bindings,
    time::{
        jiffies::Jiffies,
        timer::Timer, //
    }, //
};
use kernel::{
    cpu::CpuId,
    prelude::*, //
};

impl<T> Timer<T> {
    /// Cancels the timer [synchronously](Self::cancel_sync), and arms it to expire on the given
    /// CPU; from now on it is pinned to those that arm it.
    ///
    /// Gives `ENXIO`, and leaves the timer alone, if the CPU is not online. A CPU that goes offline
    /// hands its timers over to another, but one that is armed for it after that waits until it
    /// comes back. A timer that is shut down stays so. The same restrictions hold as for
    /// [dropping](Self#dropping) a timer.
    ///
    /// The C function is `add_timer_on()`.
    pub fn arm_on(self: Pin<&mut Self>, cpu: CpuId, expires: Jiffies) -> Result {
        // SAFETY: It only looks at whether the CPU, whose number is in range, is online.
        if !unsafe { bindings::cpu_online(cpu.as_u32()) } {
            return Err(ENXIO);
        }
        let timer = self.idle(expires);
        // SAFETY: The timer is initialised, and by the contract of `idle` nobody else uses it. The
        // CPU is, or just was, online, so it has a timer wheel.
        unsafe { bindings::add_timer_on(timer, cpu.into()) };
        Ok(())
    }

    /// Cancels the timer [synchronously](Self::cancel_sync), and arms it to expire on this CPU;
    /// from now on it is pinned to those that arm it.
    ///
    /// A timer that is shut down stays so. The same restrictions hold as for
    /// [dropping](Self#dropping) a timer.
    ///
    /// The C function is `add_timer_local()`.
    pub fn arm_local(self: Pin<&mut Self>, expires: Jiffies) {
        let timer = self.idle(expires);
        // SAFETY: The timer is initialised, and by the contract of `idle` nobody else uses it.
        unsafe { bindings::add_timer_local(timer) };
    }

    /// Cancels the timer [synchronously](Self::cancel_sync), and arms it to expire on any CPU; from
    /// now on it is not pinned any more.
    ///
    /// A timer that is shut down stays so. The same restrictions hold as for
    /// [dropping](Self#dropping) a timer.
    ///
    /// The C function is `add_timer_global()`.
    pub fn arm_global(self: Pin<&mut Self>, expires: Jiffies) {
        let timer = self.idle(expires);
        // SAFETY: The timer is initialised, and by the contract of `idle` nobody else uses it.
        unsafe { bindings::add_timer_global(timer) };
    }

    /// Cancels the timer, and sets its expiry: it is neither pending nor running then, and since
    /// nobody else has it, stays so for as long as the reference that this takes is not used.
    fn idle(self: Pin<&mut Self>, expires: Jiffies) -> *mut bindings::timer_list {
        let this = self.into_ref().get_ref();
        this.cancel_sync();
        let timer = this.this();
        // SAFETY: The timer is initialised, and idle, so `expires` is nobody else's.
        unsafe { (*timer).expires = expires.as_raw() };
        timer
    }
}
