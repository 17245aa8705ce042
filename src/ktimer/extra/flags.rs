// SPDX-License-Identifier: GPL-2.0

//! How a timer is to be treated by the timer core.

use crate::{
    bindings,
    time::timer::Timer, //
};
use core::ops::BitOr;
use kernel::prelude::*;

/// C's `TIMER_*` flags, joined by `|`.
///
/// # Examples
///
/// ```
/// # use kernel::prelude::*;
/// # use ktimer::prelude::*;
/// use ktimer::extra::flags::Flags;
///
/// struct Idle;
///
/// impl TimerCallback for Idle {
///     fn run(&self, _context: TimerContext<'_, Self>) {}
/// }
///
/// let timer = KBox::pin_init(Flags::PINNED.on(new_timer!(Idle)), GFP_KERNEL)?;
/// timer.arm(Jiffies::now());
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// On an idle CPU it waits for another timer that wakes the CPU: C's `TIMER_DEFERRABLE`.
    pub const DEFERRABLE: Self = Self(bindings::TIMER_DEFERRABLE);

    /// It expires on the CPU that armed it: C's `TIMER_PINNED`.
    pub const PINNED: Self = Self(bindings::TIMER_PINNED);

    /// The callback is called with interrupts disabled. What that takes,
    /// [`irqsafe`](super::irqsafe) sees to.
    pub(super) const IRQSAFE: Self = Self(bindings::TIMER_IRQSAFE);

    /// An initialiser of a timer that has these flags.
    ///
    /// May be called from any context. The C macro is `timer_setup()`.
    #[inline]
    pub fn on<T, E>(self, timer: impl PinInit<Timer<T>, E>) -> impl PinInit<Timer<T>, E> {
        timer.pin_chain(move |timer| {
            let timer = timer.as_ref().get_ref().this();
            // SAFETY: The timer is initialised. Nobody but the initialiser has had it, and if that
            // armed it, this takes it back, and waits for its callback: then the flags are nobody
            // else's. Those that are set here are what `timer_init_key()` takes.
            unsafe {
                bindings::timer_delete_sync(timer);
                (*timer).flags |= self.0;
            }
            Ok(())
        })
    }
}

impl BitOr for Flags {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
