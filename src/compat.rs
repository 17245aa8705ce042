// SPDX-License-Identifier: GPL-2.0

//! What supported kernels have only in part. Each item here is the kernel crate's own where it has
//! one; `ktimer.mk` finds out.

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
