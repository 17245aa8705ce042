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
//! What this does not cover is the callback's code: a module that leaks a timer while it is armed
//! (`core::mem::forget()`) must not be unloaded before the timer has expired for the last time.
//! That is so for all that the kernel crate registers; keep timers where they are dropped.
//!
//! C header: [`include/linux/timer.h`](srctree/include/linux/timer.h)

use crate::{
    context::BhDisabled,
    jiffies::Jiffies, //
};
use core::{
    ops::{
        BitOr,
        Deref, //
    },
    panic::Location,
    ptr, //
};
use kernel::{
    bindings,
    prelude::*,
    types::Opaque, //
};

/// How a timer is to be treated by the timer core: C's `TIMER_*` flags, joined by `|`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// None of the others.
    pub const NONE: Self = Self(0);

    /// On an idle CPU it waits for another timer that wakes the CPU: C's `TIMER_DEFERRABLE`.
    pub const DEFERRABLE: Self = Self(bindings::TIMER_DEFERRABLE);

    /// It expires on the CPU that armed it: C's `TIMER_PINNED`.
    pub const PINNED: Self = Self(bindings::TIMER_PINNED);

    /// Its callback runs with interrupts disabled: C's `TIMER_IRQSAFE`.
    pub const IRQSAFE: Self = Self(bindings::TIMER_IRQSAFE);
}

impl BitOr for Flags {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The state that an operation found a timer in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerState {
    /// Neither pending nor, as far as the operation looks, running.
    Inactive,
    /// To expire.
    Pending,
    /// Executing its callback.
    Running,
}

impl TimerState {
    /// From what the C functions return.
    #[inline]
    fn from_raw(found: c_int) -> Self {
        match found {
            0 => Self::Inactive,
            1.. => Self::Pending,
            _ => Self::Running,
        }
    }
}

/// What came of arming a timer.
///
/// It costs nothing unless it is asked.
pub struct Armed<'a> {
    timer: &'a Opaque<bindings::timer_list>,
    found: c_int,
}

impl Armed<'_> {
    /// Whether the timer was pending already.
    #[inline]
    pub fn was_pending(&self) -> bool {
        self.found != 0
    }

    /// Whether the timer is shut down, so that it was not armed, or is not any more.
    #[inline]
    pub fn is_shut_down(&self) -> bool {
        let timer = self.timer.get();
        // SAFETY: The reference is to the field of a `Timer`, which is initialised. Shutting down
        // clears the function, perhaps on another CPU just now: hence a volatile read.
        unsafe { (&raw const (*timer).function).read_volatile() }.is_none()
    }
}

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

/// Whether a timer is on the stack of the current task, which debugobjects wants to be told.
#[cfg(CONFIG_DEBUG_OBJECTS_TIMERS)]
fn is_on_stack(timer: *const bindings::timer_list) -> bool {
    // SAFETY: It only compares the address with the bounds of the current task's stack.
    unsafe { crate::bindings::ktimer_object_is_on_stack(timer.cast()) }
}

/// The name of every timer's lock class; what tells the classes apart is their key.
#[cfg(CONFIG_LOCKDEP)]
static LOCK_CLASS_NAME: &CStr = c"Timer";

impl<T: TimerCallback> Timer<T> {
    /// An initialiser of a timer that is not pending, with the given state.
    ///
    /// Each place in the source that calls this has a lock class of its own, so lockdep reports it
    /// when a timer is waited for while a lock is held that its callback takes.
    ///
    /// The C macro is `timer_setup()`; on the stack, `timer_setup_on_stack()`. May be called from
    /// any context.
    #[track_caller]
    #[inline]
    pub fn new(state: impl PinInit<T>) -> impl PinInit<Self> {
        Self::with_flags(state, Flags::NONE)
    }

    /// The same as [`new`](Self::new), with flags.
    #[track_caller]
    #[inline]
    pub fn with_flags(state: impl PinInit<T>, flags: Flags) -> impl PinInit<Self> {
        let caller = Location::caller();
        pin_init!(Self {
            state <- state,
            // INVARIANT: This is the initialisation, and what is pinned does not move.
            //
            // SAFETY: `slot` is valid for writes while the closure runs.
            timer <- Opaque::ffi_init(move |slot| unsafe { Self::init_raw(slot, flags, caller) }),
        })
    }

    /// # Safety
    ///
    /// `slot` must be valid for writes, and be the `timer` of a `Timer<T>`.
    #[inline]
    unsafe fn init_raw(
        slot: *mut bindings::timer_list,
        flags: Flags,
        caller: &'static Location<'static>,
    ) {
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

        #[cfg(CONFIG_DEBUG_OBJECTS_TIMERS)]
        let init = if is_on_stack(slot) {
            bindings::timer_init_key_on_stack
        } else {
            bindings::timer_init_key
        };
        #[cfg(not(CONFIG_DEBUG_OBJECTS_TIMERS))]
        let init = bindings::timer_init_key;
        // SAFETY: `slot` is valid for writes by the requirement of this function. The name and the
        // key, where they are used, are statics.
        unsafe { init(slot, Some(Self::expired), flags.0, name, key) };
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
    /// A timer that is shut down stays so; the result can tell. May be called from any context, the
    /// timer's own callback included ([`TimerContext::arm`]).
    ///
    /// The C function is `mod_timer()`.
    #[inline]
    pub fn arm(&self, expires: Jiffies) -> Armed<'_> {
        Armed {
            timer: &self.timer,
            // SAFETY: By the type invariant the timer is initialised.
            found: unsafe { bindings::mod_timer(self.timer.get(), expires.as_raw()) },
        }
    }

    /// Moves the expiry of a pending timer; leaves one that is not pending alone.
    ///
    /// Returns whether it was pending. May be called from any context.
    ///
    /// The C function is `mod_timer_pending()`.
    #[inline]
    pub fn arm_if_pending(&self, expires: Jiffies) -> TimerState {
        // SAFETY: By the type invariant the timer is initialised.
        TimerState::from_raw(unsafe {
            bindings::mod_timer_pending(self.timer.get(), expires.as_raw())
        })
    }

    /// Arms the timer as [`arm`](Self::arm) does, unless it is pending for an earlier time already.
    ///
    /// May be called from any context.
    ///
    /// The C function is `timer_reduce()`.
    #[inline]
    pub fn reduce(&self, expires: Jiffies) -> Armed<'_> {
        Armed {
            timer: &self.timer,
            // SAFETY: By the type invariant the timer is initialised.
            found: unsafe { bindings::timer_reduce(self.timer.get(), expires.as_raw()) },
        }
    }

    /// Makes a pending timer inactive. A callback that is running goes on.
    ///
    /// Returns whether the timer was pending. May be called from any context.
    ///
    /// The C function is `timer_delete()`.
    #[inline]
    pub fn cancel(&self) -> TimerState {
        // SAFETY: By the type invariant the timer is initialised.
        TimerState::from_raw(unsafe { bindings::timer_delete(self.timer.get()) })
    }

    /// Makes a pending timer inactive, and waits for a running callback to end. If nobody arms the
    /// timer in the meantime, the callback does not run after this.
    ///
    /// Returns whether the timer was pending. The same restrictions hold as for
    /// [dropping](Self#dropping) a timer.
    ///
    /// The C function is `timer_delete_sync()`.
    #[inline]
    pub fn cancel_sync(&self) -> TimerState {
        // SAFETY: By the type invariant the timer is initialised.
        TimerState::from_raw(unsafe { bindings::timer_delete_sync(self.timer.get()) })
    }

    /// Makes a pending timer inactive, unless its callback is running: then it does nothing.
    ///
    /// Returns which of these it was. May be called from any context.
    ///
    /// The C function is `timer_delete_sync_try()`.
    #[inline]
    #[must_use = "it does nothing to a timer that is running"]
    pub fn try_cancel_sync(&self) -> TimerState {
        // SAFETY: By the type invariant the timer is initialised.
        TimerState::from_raw(unsafe { bindings::timer_delete_sync_try(self.timer.get()) })
    }

    /// Makes a pending timer inactive, and has it refuse all arming from now on. A callback that is
    /// running goes on.
    ///
    /// Returns whether the timer was pending. May be called from any context.
    ///
    /// The C function is `timer_shutdown()`.
    #[inline]
    pub fn shutdown(&self) -> TimerState {
        // SAFETY: By the type invariant the timer is initialised.
        TimerState::from_raw(unsafe { bindings::timer_shutdown(self.timer.get()) })
    }

    /// [Shuts down](Self::shutdown) the timer, and waits for a running callback to end. The
    /// callback never runs after this.
    ///
    /// Returns whether the timer was pending. The same restrictions hold as for
    /// [dropping](Self#dropping) a timer, which does this.
    ///
    /// The C function is `timer_shutdown_sync()`.
    #[inline]
    pub fn shutdown_sync(&self) -> TimerState {
        // SAFETY: By the type invariant the timer is initialised.
        TimerState::from_raw(unsafe { bindings::timer_shutdown_sync(self.timer.get()) })
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

        #[cfg(CONFIG_DEBUG_OBJECTS_TIMERS)]
        if is_on_stack(self.timer.get()) {
            // SAFETY: It is on the stack of this task, so `timer_init_key_on_stack()` made it, and
            // nobody uses it any more.
            unsafe { bindings::timer_destroy_on_stack(self.timer.get()) };
        }
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
    pub fn arm(&self, expires: Jiffies) -> Armed<'_> {
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
