// SPDX-License-Identifier: GPL-2.0

//! Kernel timers: run a function once, in softirq context, after a number of jiffies.
//!
//! A [`Timer<T>`] is the kernel's `struct timer_list` together with a `T`, the state that its
//! callback works on. `T` implements [`TimerCallback`]. Both the callback and the timer's owner see
//! that state as `&T`, at the same time on different CPUs, so `T` must be [`Sync`]: atomics, or a
//! [`SpinLockBh`](crate::sync::SpinLockBh).
//!
//! # Vocabulary
//!
//! States:
//!
//! - Inactive: not in the timer wheel.
//! - Pending: in the timer wheel, to expire at the first tick after a given jiffy.
//! - Running: taken out of the wheel, executing the callback. A running timer may be pending again.
//! - Shut down: can't be armed any more, for ever.
//!
//! Operations:
//!
//! - Arm: make pending, or move the expiry of a pending timer.
//! - Cancel: make a pending timer inactive. This does not stop a running callback.
//! - Cancel synchronously: cancel, and wait for a running callback to end.
//! - Shut down: cancel synchronously, and refuse all arming from then on.
//!
//! Events:
//!
//! - Expire: the timer's time has come, and its callback is run.
//!
//! ```text
//!            arm                        expire
//! inactive -------> pending ----------------------> running
//!   ^                | ^  | arm                     |  |
//!   |     cancel     | |  | (another jiffy)         |  | arm (from the callback
//!   |<---------------+ +--+                         |  |      or elsewhere)
//!   |                  ^                            |  |
//!   |                  +----------------------------|--+
//!   |              the callback returns             |
//!   +-----------------------------------------------+
//! ```
//!
//! # Why this is sound
//!
//! The timer core holds a raw pointer to the `timer_list` while the timer is pending or running.
//!
//! - It stays valid since a [`Timer`] can only be made in place, pinned, and its destructor calls
//!   `timer_shutdown_sync()`. When that returns, the callback is not running, and arming has no
//!   effect any more, whoever tries; `timer_delete_sync()` promises that only if nobody arms.
//! - The callback gets the state as `&T` only, as does everybody else, and `T: Sync`.
//! - `T: 'static`, so what the state points to outlives even a timer that is leaked while armed.
//! - What the callback may do only while it runs, it does by way of its [`TimerContext`], which
//!   can't leave it.
//!
//! C header: [`include/linux/timer.h`](srctree/include/linux/timer.h)

use crate::{
    context::BhDisabled,
    jiffies::Jiffies, //
};
use core::{
    ops::Deref,
    panic::Location,
    ptr, //
};
use kernel::{
    bindings,
    prelude::*,
    types::Opaque, //
};

/// The state of a timer, and what is done when the timer expires.
pub trait TimerCallback: Sync + Sized + 'static {
    /// Runs each time that the timer expires.
    ///
    /// It runs in softirq context, so it must not sleep: no allocation with `GFP_KERNEL`, no mutex,
    /// no access to user space. The task that it interrupted has nothing to do with it. On
    /// PREEMPT_RT it runs in a thread, with bottom halves disabled.
    ///
    /// C's counterpart is the `function` of a `struct timer_list`.
    fn run(&self, context: TimerContext<'_, Self>);
}

/// A kernel timer and the state that its callback works on.
///
/// It is made in place, by [`new`](Self::new), in whatever place is pinned: a [`KBox`], an
/// [`Arc`](kernel::sync::Arc), the stack, a field of a pinned struct, the module's own struct.
/// Dereferencing it gives the state. Dropping it shuts it down.
///
/// # Dropping
///
/// The destructor calls `timer_shutdown_sync()`, which waits for a running callback. So a timer
/// must not be dropped
///
/// - in its own callback, nor in a hard interrupt: it would wait for ever;
/// - while a lock is held that its callback takes: likewise; lockdep reports it;
/// - in atomic context on PREEMPT_RT, where the callback is a thread to be waited for.
///
/// # Invariants
///
/// `timer` was initialised by `timer_init_key()` with [`Self::expired`] as its function, and
/// has not moved since.
///
/// # Examples
///
/// ```ignore
/// struct Beat {
///     count: Atomic<u32>,
/// }
///
/// impl TimerCallback for Beat {
///     fn run(&self, context: TimerContext<'_, Self>) {
///         self.count.fetch_add(1, Relaxed);
///         context.arm(Jiffies::now() + JiffiesDelta::SECOND);
///     }
/// }
///
/// let beat = KBox::pin_init(Timer::new(Beat { count: Atomic::new(0) }), GFP_KERNEL)?;
/// beat.arm(Jiffies::now() + JiffiesDelta::SECOND);
/// pr_info!("{} beats so far\n", beat.count.load(Relaxed));
/// ```
#[pin_data(PinnedDrop)]
#[repr(C)]
pub struct Timer<T> {
    #[pin]
    timer: Opaque<bindings::timer_list>,
    #[pin]
    state: T,
}

// The state costs its own size, and nothing else.
const _: () =
    assert!(size_of::<Timer<u64>>() == size_of::<bindings::timer_list>() + size_of::<u64>());

// SAFETY: The timer core serialises all operations on a `timer_list`, from whatever thread, and
// none of them is tied to the thread that made it. The state goes where the timer goes.
unsafe impl<T: Send> Send for Timer<T> {}

// SAFETY: As above, and all that a shared reference gives of the state is `&T`.
unsafe impl<T: Sync> Sync for Timer<T> {}

/// The name of every timer's lock class; what tells the classes apart is their key.
#[cfg(CONFIG_LOCKDEP)]
static LOCK_CLASS_NAME: &CStr = c"Timer";

impl<T: TimerCallback> Timer<T> {
    /// An initialiser of a timer that is not pending, with the given state.
    ///
    /// Each place in the source that calls this has a lock class of its own, so lockdep reports it
    /// when a timer is waited for while a lock is held that its callback takes.
    ///
    /// The C macro is `timer_setup()`; may be called from any context.
    #[track_caller]
    #[inline]
    pub fn new(state: impl PinInit<T>) -> impl PinInit<Self> {
        let caller = Location::caller();
        pin_init!(Self {
            state <- state,
            // INVARIANT: This is the initialisation, and what is pinned does not move.
            //
            // SAFETY: `slot` is valid for writes while the closure runs.
            timer <- Opaque::ffi_init(|slot| unsafe { Self::init_raw(slot, caller) }),
        })
    }

    /// # Safety
    ///
    /// `slot` must be valid for writes, and be the `timer` of a `Timer<T>`.
    #[inline]
    unsafe fn init_raw(slot: *mut bindings::timer_list, caller: &'static Location<'static>) {
        #[cfg(CONFIG_LOCKDEP)]
        let (name, key) = (
            LOCK_CLASS_NAME.as_char_ptr(),
            // Lockdep takes the address of a static key for its identity, and neither reads nor
            // writes what is there; it wants as many addresses as there are subclasses. A
            // `Location` is such an address, and there is one for each place in the source.
            ptr::from_ref(caller)
                .cast_mut()
                .cast::<bindings::lock_class_key>(),
        );
        #[cfg(not(CONFIG_LOCKDEP))]
        let (name, key) = {
            let _ = caller;
            (ptr::null(), ptr::null_mut())
        };

        // SAFETY: `slot` is valid for writes by the requirement of this function. The name and the
        // key, where they are used, are statics.
        unsafe { bindings::timer_init_key(slot, Some(Self::expired), 0, name, key) };
    }

    /// What the timer core calls when the timer expires.
    ///
    /// # Safety
    ///
    /// `timer` must be the `timer` of a live `Timer<T>`, and bottom halves must be disabled.
    unsafe extern "C" fn expired(timer: *mut bindings::timer_list) {
        // SAFETY: The timer core passes the `timer_list` that this function was set up with, which
        // is the first field of a `repr(C)` `Timer<T>`. That one is alive, and pinned: its
        // destructor waits for this function to return before anything of it goes. Nobody has an
        // exclusive reference to it, but for the destructor, which only waits.
        let timer = unsafe { &*timer.cast::<Self>() };
        let context = TimerContext {
            timer,
            // SAFETY: The timer core runs expired timers in softirq context (on PREEMPT_RT: in a
            // thread that has disabled bottom halves), and the context can't outlive this call.
            bh: unsafe { BhDisabled::assume() },
        };
        timer.state.run(context);
    }

    /// Makes the timer pending, to expire at the first tick after `expires`; moves the expiry of a
    /// timer that is pending already. A point in time that has passed means the next tick.
    ///
    /// The callback sees [`Jiffies::now`] after `expires`, and never before. For delays of 64
    /// jiffies and more the timer wheel rounds up, by at most an eighth of the delay.
    ///
    /// Returns whether the timer was pending. May be called from any context, the timer's own
    /// callback included ([`TimerContext::arm`]).
    ///
    /// The C function is `mod_timer()`.
    #[inline]
    pub fn arm(&self, expires: Jiffies) -> bool {
        // SAFETY: By the type invariant the timer is initialised.
        unsafe { bindings::mod_timer(self.timer.get(), expires.as_raw()) != 0 }
    }

    /// Makes a pending timer inactive. A callback that is running goes on.
    ///
    /// Returns whether the timer was pending. May be called from any context.
    ///
    /// The C function is `timer_delete()`.
    #[inline]
    pub fn cancel(&self) -> bool {
        // SAFETY: By the type invariant the timer is initialised.
        unsafe { bindings::timer_delete(self.timer.get()) != 0 }
    }

    /// Makes a pending timer inactive, and waits for a running callback to end. If nobody arms the
    /// timer in the meantime, the callback does not run after this.
    ///
    /// Returns whether the timer was pending. The same restrictions hold as for
    /// [dropping](Self#dropping) a timer.
    ///
    /// The C function is `timer_delete_sync()`.
    #[inline]
    pub fn cancel_sync(&self) -> bool {
        // SAFETY: By the type invariant the timer is initialised.
        unsafe { bindings::timer_delete_sync(self.timer.get()) != 0 }
    }

    /// Whether the timer is pending. That may have changed by the time that the caller looks.
    ///
    /// The C function is `timer_pending()`; may be called from any context.
    #[inline]
    pub fn is_pending(&self) -> bool {
        let timer = self.timer.get();
        // SAFETY: By the type invariant the timer is initialised, and it lives while `self` does.
        // Another CPU may change the field meanwhile: hence a volatile read of this one pointer, as
        // `hlist_unhashed_lockless()` has it.
        unsafe { !(&raw const (*timer).entry.pprev).read_volatile().is_null() }
    }
}

impl<T> Deref for Timer<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.state
    }
}

#[pinned_drop]
impl<T> PinnedDrop for Timer<T> {
    #[inline]
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant the timer is initialised. When this returns, the timer core
        // has no pointer to it any more, so that it may go, and its state with it.
        unsafe { bindings::timer_shutdown_sync(self.timer.get()) };
    }
}

/// What the callback of a timer may do while it runs.
///
/// It stands for [`BhDisabled`], so that the callback can take a
/// [`SpinLockBh`](crate::sync::SpinLockBh) at the price of a plain spinlock:
/// `lock.lock_with(&context)`.
pub struct TimerContext<'a, T> {
    timer: &'a Timer<T>,
    bh: BhDisabled,
}

impl<T: TimerCallback> TimerContext<'_, T> {
    /// Arms the timer again. See [`Timer::arm`].
    #[inline]
    pub fn arm(&self, expires: Jiffies) -> bool {
        self.timer.arm(expires)
    }

    /// The jiffy that the timer was armed for and has now expired.
    ///
    /// If somebody armed it again meanwhile, it is the one that it is armed for now.
    #[inline]
    pub fn expires(&self) -> Jiffies {
        let timer = self.timer.timer.get();
        // SAFETY: By the type invariant of `Timer` it is initialised. The field is the timer core's
        // while the timer is pending, and another CPU may be arming it: hence a volatile read.
        Jiffies::from_raw(unsafe { (&raw const (*timer).expires).read_volatile() })
    }
}

impl<T> Deref for TimerContext<'_, T> {
    type Target = BhDisabled;

    #[inline]
    fn deref(&self) -> &BhDisabled {
        &self.bh
    }
}
