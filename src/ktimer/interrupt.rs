// SPDX-License-Identifier: GPL-2.0

//! Proofs that something can't interrupt this CPU.

#[cfg(CONFIG_PROVE_LOCKING)]
use crate::bindings;
use kernel::types::NotThreadSafe;

/// Proof that bottom halves are disabled for what runs here, so no softirq can interrupt it.
///
/// On PREEMPT_RT a thread of a higher priority, which runs softirqs, may preempt the task on its
/// CPU: there this proves nothing about what others do meanwhile.
///
/// Whoever runs in softirq context has one: a timer's callback gets it from its
/// [`TimerContext`](crate::time::timer::TimerContext). With it,
/// [`SpinLockBh::lock_with`](crate::sync::SpinLockBhExt::lock_with) takes the lock at the price of
/// a plain `spin_lock()`.
///
/// # Invariants
///
/// Bottom halves are disabled by the task or softirq that has it, for as long as the value exists.
pub struct BhDisabled(NotThreadSafe);

impl BhDisabled {
    /// Assumes that bottom halves are disabled. Lockdep, where it is there, looks whether they are.
    ///
    /// # Safety
    ///
    /// Bottom halves must be disabled for all of `'a`, and this not be a hard interrupt.
    #[inline]
    pub unsafe fn assume_disabled<'a>() -> &'a Self {
        #[cfg(CONFIG_PROVE_LOCKING)]
        // SAFETY: It only looks at this CPU's state.
        unsafe {
            bindings::lockdep_assert_in_softirq()
        };

        // INVARIANT: By the requirement of this function.
        &Self(NotThreadSafe)
    }
}

#[cfg(ktimer_kernel_interrupt)]
pub use kernel::interrupt::LocalInterruptDisabled;

#[cfg(not(ktimer_kernel_interrupt))]
pub use interrupt::LocalInterruptDisabled;

#[cfg(not(ktimer_kernel_interrupt))]
mod interrupt {
    use kernel::types::NotThreadSafe;

    /// Proof that interrupts are disabled on this CPU.
    ///
    /// It stands for `kernel::interrupt::LocalInterruptDisabled` on kernels without that (before
    /// 7.3).
    ///
    /// # Invariants
    ///
    /// Interrupts are disabled on the CPU that runs the holder, for as long as the value exists.
    pub struct LocalInterruptDisabled(NotThreadSafe);

    impl LocalInterruptDisabled {
        /// Claims that interrupts are disabled.
        ///
        /// # Safety
        ///
        /// Interrupts must be disabled for all of `'a`.
        #[inline]
        pub unsafe fn assume_disabled<'a>() -> &'a Self {
            // INVARIANT: By the requirement of this function.
            &Self(NotThreadSafe)
        }
    }
}
