// SPDX-License-Identifier: GPL-2.0

//! Timers whose callback is called with interrupts disabled.

use super::flags::Flags;
use crate::{
    interrupt::LocalInterruptDisabled,
    time::{
        delta::JiffiesDelta,
        jiffies::Jiffies,
        timer::{
            Armed,
            Timer,
            TimerCallback,
            TimerContext, //
        },
    }, //
};
use core::ops::Deref;
use kernel::{
    prelude::*,
    sync::LockClassKey, //
};
use pin_init::cast_pin_init;

/// Creates the initialiser of a timer with [`IrqSafe`] state, as [`new_timer!`](crate::new_timer)
/// does that of others.
#[macro_export]
macro_rules! new_irqsafe_timer {
    ($state:expr $(, $name:literal)? $(,)?) => {
        $crate::extra::irqsafe::IrqSafe::timer(
            $state, [::kernel::optional_name!($($name)?)], [::kernel::static_lock_class!()])
    };
}
pub use new_irqsafe_timer;

/// The state of an [`IrqSafe`] timer, and what is done when it expires.
pub trait IrqSafeCallback: Sync + Sized + 'static {
    /// Runs each time that the timer expires, in softirq context with interrupts disabled. On
    /// PREEMPT_RT, where spinlocks sleep, it must take none.
    /// [`SpinLockBh`](crate::sync::SpinLockBh) is not for it: releasing that would enable softirqs,
    /// and so interrupts; lockdep reports it.
    fn run(&self, context: IrqSafeContext<'_, Self>);
}

/// The state of a timer whose callback is called with interrupts disabled: C's `TIMER_IRQSAFE`.
///
/// Such a timer may be waited for, and so dropped, with interrupts disabled, in a hard interrupt,
/// and in atomic context on PREEMPT_RT. It is a special case for the core of the kernel; drivers
/// want [`TimerCallback`].
///
/// # Invariants
///
/// It is the state of a timer that has `TIMER_IRQSAFE`.
///
/// # Examples
///
/// ```
/// # use kernel::prelude::*;
/// # use ktimer::prelude::*;
/// use ktimer::{
///     extra::irqsafe::{IrqSafeCallback, IrqSafeContext},
///     interrupt::LocalInterruptDisabled,
///     new_irqsafe_timer,
/// };
///
/// struct Quiet;
///
/// impl IrqSafeCallback for Quiet {
///     fn run(&self, context: IrqSafeContext<'_, Self>) {
///         let _proof: &LocalInterruptDisabled = &context;
///     }
/// }
///
/// let timer = KBox::pin_init(new_irqsafe_timer!(Quiet), GFP_KERNEL)?;
/// timer.arm(Jiffies::now());
/// # Ok::<(), Error>(())
/// ```
#[repr(transparent)]
pub struct IrqSafe<T>(T);

impl<T: IrqSafeCallback> IrqSafe<T> {
    /// An initialiser of a timer that is not pending: what
    /// [`new_irqsafe_timer!`](crate::new_irqsafe_timer) calls.
    pub fn timer<E>(
        state: impl PinInit<T, E>,
        name: [&'static CStr; 1],
        key: [Pin<&'static LockClassKey>; 1],
    ) -> impl PinInit<Timer<Self>, E> {
        // SAFETY: An `IrqSafe` is transparent.
        //
        // INVARIANT: The timer has the flag; and this is the one place that makes an `IrqSafe`.
        Flags::IRQSAFE.timer(unsafe { cast_pin_init(state) }, name, key)
    }
}

impl<T> Deref for IrqSafe<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: IrqSafeCallback> TimerCallback for IrqSafe<T> {
    #[inline]
    fn run(&self, context: TimerContext<'_, Self>) {
        self.0.run(IrqSafeContext(context));
    }
}

/// What the callback of an [`IrqSafe`] timer may do while it runs; the counterpart of
/// [`TimerContext`]. It stands for [`LocalInterruptDisabled`].
pub struct IrqSafeContext<'a, T>(TimerContext<'a, IrqSafe<T>>);

impl<T> IrqSafeContext<'_, T> {
    /// See [`TimerContext::expires`].
    #[inline]
    pub fn expires(&self) -> Jiffies {
        self.0.expires()
    }

    /// See [`TimerContext::rearm`].
    #[inline]
    pub fn rearm(&self, period: JiffiesDelta) -> c_ulong {
        self.0.rearm(period)
    }

    /// See [`TimerContext::arm`].
    #[inline]
    pub fn arm(&self, expires: Jiffies) -> Armed<'_> {
        self.0.arm(expires)
    }

    /// See [`TimerContext::cancel`].
    #[inline]
    pub fn cancel(&self) -> bool {
        self.0.cancel()
    }

    /// See [`TimerContext::shutdown`].
    #[inline]
    pub fn shutdown(&self) -> bool {
        self.0.shutdown()
    }
}

impl<T> Deref for IrqSafeContext<'_, T> {
    type Target = LocalInterruptDisabled;

    #[inline]
    fn deref(&self) -> &LocalInterruptDisabled {
        // SAFETY: The callback of an `IrqSafe` timer is running on this CPU while this exists, and
        // the timer core keeps interrupts disabled while it calls that, since by the type invariant
        // of `IrqSafe` the timer has `TIMER_IRQSAFE`.
        unsafe { LocalInterruptDisabled::assume_disabled() }
    }
}
