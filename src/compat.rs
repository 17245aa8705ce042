// SPDX-License-Identifier: GPL-2.0

//! What supported kernels have only in part. Each item here is the kernel crate's own where it has
//! one; `ktimer.mk` finds out.

#[cfg(ktimer_kernel_interrupt)]
pub use kernel::interrupt::LocalInterruptDisabled;

#[cfg(ktimer_kernel_poll_box)]
pub(crate) use kernel::sync::poll::PollCondVarBox;

#[cfg(not(ktimer_kernel_interrupt))]
pub use interrupt::LocalInterruptDisabled;

#[cfg(not(ktimer_kernel_poll_box))]
pub(crate) use poll_box::PollCondVarBox;

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

#[cfg(not(ktimer_kernel_poll_box))]
mod poll_box {
    use core::ops::Deref;
    use kernel::{
        alloc::AllocError,
        prelude::*,
        sync::{
            poll::PollCondVar,
            LockClassKey, //
        }, //
    };

    /// A [`PollCondVar`] in a box. Before 7.3, dropping it waits for an RCU grace period.
    pub struct PollCondVarBox(Pin<KBox<PollCondVar>>);

    impl PollCondVarBox {
        pub fn new(
            name: &'static CStr,
            key: Pin<&'static LockClassKey>,
        ) -> Result<Self, AllocError> {
            let inner = KBox::pin_init(PollCondVar::new(name, key), GFP_KERNEL);
            Ok(Self(inner.map_err(|_| AllocError)?))
        }
    }

    impl Deref for PollCondVarBox {
        type Target = PollCondVar;

        fn deref(&self) -> &PollCondVar {
            &self.0
        }
    }
}
