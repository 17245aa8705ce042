// SPDX-License-Identifier: GPL-2.0

//! How a timer is to be treated by the timer core.

use crate::{
    bindings,
    time::timer::{
        Timer,
        TimerCallback, //
    }, //
};
use core::ops::BitOr;
use kernel::{
    prelude::*,
    sync::LockClassKey, //
};

/// Creates the initialiser of a timer with [`Flags`], as [`new_timer!`](crate::new_timer) does that
/// of others.
///
/// The C macro is `timer_setup()`.
#[macro_export]
macro_rules! new_timer_with {
    ($flags:expr, $state:expr $(, $name:literal)? $(,)?) => {
        $crate::extra::flags::Flags::timer(
            $flags,
            $state,
            [::kernel::optional_name!($($name)?)],
            [::kernel::static_lock_class!()],
        )
    };
}
pub use new_timer_with;

/// C's `TIMER_*` flags, joined by `|`.
///
/// # Examples
///
/// ```
/// # use kernel::prelude::*;
/// # use ktimer::prelude::*;
/// use ktimer::extra::flags::{new_timer_with, Flags};
///
/// struct Idle;
///
/// impl TimerCallback for Idle {
///     fn run(&self, _context: TimerContext<'_, Self>) {}
/// }
///
/// let timer = KBox::pin_init(new_timer_with!(Flags::PINNED, Idle), GFP_KERNEL)?;
/// timer.arm(Jiffies::now());
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// On an idle CPU it waits for another timer that wakes the CPU: C's `TIMER_DEFERRABLE`.
    pub const DEFERRABLE: Self = Self(bindings::TIMER_DEFERRABLE);

    /// It expires on the CPU that armed it: C's `TIMER_PINNED`. Armed on another one it moves to
    /// that, unless it is pending for that time already, or its callback is running. It leaves a
    /// CPU that goes offline.
    pub const PINNED: Self = Self(bindings::TIMER_PINNED);

    /// The callback is called with interrupts disabled. What that takes,
    /// [`irqsafe`](super::irqsafe) sees to.
    pub(super) const IRQSAFE: Self = Self(bindings::TIMER_IRQSAFE);

    /// An initialiser of a timer that has these flags, and is not pending: what
    /// [`new_timer_with!`](crate::new_timer_with) calls.
    ///
    /// May be called from any context. Fails as the state's initialiser does.
    #[inline]
    pub fn timer<T: TimerCallback, E>(
        self,
        state: impl PinInit<T, E>,
        name: [&'static CStr; 1],
        key: [Pin<&'static LockClassKey>; 1],
    ) -> impl PinInit<Timer<T>, E> {
        Timer::with_flags(state, name, key, self.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
