// SPDX-License-Identifier: GPL-2.0

//! Timers in statics.

use crate::time::timer::{
    Timer,
    TimerCallback, //
};
use core::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    ops::Deref, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Release, //
    }, //
};

/// A timer in a static, which all of the module may use once it is initialised.
///
/// C's macro is `DEFINE_TIMER()`. A static is never dropped, and its timer must not be armed any
/// more when the module is unloaded: so [`init`](Self::init) gives a guard, to be kept in the
/// module's struct, whose end shuts the timer down. The state is not dropped: let it own nothing
/// that has to be freed.
///
/// # Invariants
///
/// `stage` goes from `EMPTY` to `BUSY` by one thread, which alone accesses `timer` then, and goes
/// on to `READY` when `timer` is initialised, or back to `EMPTY` when that failed. Nothing else
/// changes it.
///
/// # Examples
///
/// ```
/// # use kernel::prelude::*;
/// # use ktimer::prelude::*;
/// use kernel::sync::atomic::{Atomic, Relaxed};
/// use ktimer::extra::global_timer::{GlobalTimer, GlobalTimerGuard};
///
/// struct Beat {
///     count: Atomic<u32>,
/// }
///
/// impl TimerCallback for Beat {
///     fn run(&self, _context: TimerContext<'_, Self>) {
///         self.count.fetch_add(1, Relaxed);
///     }
/// }
///
/// static BEAT: GlobalTimer<Beat> = GlobalTimer::new();
///
/// struct Heart {
///     _beat: GlobalTimerGuard<Beat>,
/// }
///
/// impl kernel::Module for Heart {
///     fn init(_module: &'static ThisModule) -> Result<Self> {
///         let beat = BEAT.init(new_timer!(Beat { count: Atomic::new(0) }))?;
///         beat.arm(Jiffies::now());
///         Ok(Self { _beat: beat })
///     }
/// }
///
/// fn beats() -> u32 {
///     BEAT.get().map_or(0, |beat| beat.count.load(Relaxed))
/// }
/// # assert_eq!(beats(), 0);
/// ```
pub struct GlobalTimer<T> {
    stage: Atomic<u32>,
    timer: UnsafeCell<MaybeUninit<Timer<T>>>,
}

// SAFETY: By the type invariant `timer` is accessed by one thread alone until it is initialised,
// and by shared references from then on, from any thread, and `Timer` is `Sync`.
unsafe impl<T: Send + Sync> Sync for GlobalTimer<T> {}

impl<T> GlobalTimer<T> {
    const EMPTY: u32 = 0;
    const BUSY: u32 = 1;
    const READY: u32 = 2;

    /// A static timer that is not initialised yet.
    #[allow(
        clippy::new_without_default,
        reason = "it is for statics, and `default()` is not `const`"
    )]
    pub const fn new() -> Self {
        // INVARIANT: It is empty.
        Self {
            stage: Atomic::new(Self::EMPTY),
            timer: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }
}

impl<T: TimerCallback> GlobalTimer<T> {
    /// Initialises the timer, with what [`new_timer!`](crate::new_timer) gives. The timer is shut
    /// down when the guard is dropped, for good.
    ///
    /// Gives `EBUSY` if that was done before, or is being done; fails as the state's initialiser
    /// does, and may then be called again. May be called from any context.
    pub fn init<E>(&'static self, timer: impl PinInit<Timer<T>, E>) -> Result<GlobalTimerGuard<T>>
    where
        Error: From<E>,
    {
        // INVARIANT: The one thread that finds it empty goes on.
        self.stage
            .cmpxchg(Self::EMPTY, Self::BUSY, Acquire)
            .map_err(|_| EBUSY)?;
        // SAFETY: By the type invariant nobody else accesses `timer`, and nobody will before it is
        // initialised. It is a static, as `self` is.
        let slot: &'static mut MaybeUninit<Timer<T>> = unsafe { &mut *self.timer.get() };
        match slot.write_pin_init(timer) {
            Ok(timer) => {
                // INVARIANT: It is initialised.
                self.stage.store(Self::READY, Release);
                Ok(GlobalTimerGuard(timer.into_ref().get_ref()))
            }
            Err(error) => {
                // INVARIANT: Nobody accesses it any more.
                self.stage.store(Self::EMPTY, Release);
                Err(error.into())
            }
        }
    }

    /// The timer, if it is initialised. If its guard is gone, it is shut down.
    ///
    /// May be called from any context.
    #[inline]
    pub fn get(&'static self) -> Option<&'static Timer<T>> {
        if self.stage.load(Acquire) != Self::READY {
            return None;
        }
        // SAFETY: By the type invariant it is initialised, and nothing but shared references to it
        // are made any more.
        Some(unsafe { &*self.timer.get().cast::<Timer<T>>() })
    }
}

/// Keeps a [`GlobalTimer`] going; dropping it shuts the timer down. What holds for
/// [dropping](Timer#dropping) a timer holds for this.
#[must_use = "the timer is shut down when the guard is dropped"]
pub struct GlobalTimerGuard<T: TimerCallback>(&'static Timer<T>);

impl<T: TimerCallback> Deref for GlobalTimerGuard<T> {
    type Target = Timer<T>;

    #[inline]
    fn deref(&self) -> &Timer<T> {
        self.0
    }
}

impl<T: TimerCallback> Drop for GlobalTimerGuard<T> {
    fn drop(&mut self) {
        self.0.shutdown_sync();
    }
}
