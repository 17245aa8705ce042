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
//! - `add_timer_on()`, `add_timer_local()` and `add_timer_global()` change the timer's flags
//!   without a lock, so nothing else may be done to the timer meanwhile. Their counterparts ask for
//!   `Pin<&mut Timer>`, and refuse a timer that is pending or running.
//!
//! # Hard cases
//!
//! - **Dropped while the callback runs on another CPU**: the destructor waits for the callback.
//! - **Dropped in its own callback**, as the last `Arc` to it may be: the destructor waits for the
//!   callback, which waits for the destructor: that CPU is stuck for ever. This is a bug of the
//!   caller's. Memory stays safe, and lockdep reports it (`possible recursive locking detected`).
//!   A callback that may hold the last reference must have it dropped elsewhere, for example by
//!   [`Queue::try_spawn`](kernel::workqueue::Queue::try_spawn).
//! - **Dropped, or cancelled synchronously, while holding a lock that the callback takes**:
//!   likewise; lockdep reports it (`possible circular locking dependency detected`).
//! - **Armed after it was shut down**: nothing happens; the result [tells](Armed::is_shut_down).
//! - **Armed and cancelled on two CPUs at once**: one comes after the other. A timer that must stay
//!   inactive has to be shut down.
//! - **Leaked while armed** (`core::mem::forget()`): its memory and its state stay valid, and it
//!   expires. But its callback is the module's code, which goes when the module is unloaded: then
//!   the kernel calls what is not there any more. This is so for all that the kernel crate
//!   registers, and no type can prevent it. Keep timers where they are dropped; a module that has
//!   leaked one must not be unloaded before it has expired for the last time.
//! - **`jiffies` wraps around**: points in time are compared as `time_after()` does.
//! - **PREEMPT_RT**: the callback runs in a thread, with bottom halves disabled, and may be
//!   preempted. Waiting for it sleeps, so [`cancel_sync`](Timer::cancel_sync),
//!   [`shutdown_sync`](Timer::shutdown_sync) and dropping must not happen in atomic context there,
//!   but for [`IrqSafe`] timers. Spinlocks sleep too, so an [`IrqSafe`] callback must take none.
//!
//! # Where the C functions are
//!
//! | C | here |
//! |---|---|
//! | `struct timer_list` | [`Timer<T>`], together with what it is embedded in |
//! | `timer_setup()`, `timer_init_key()` | [`Timer::new`], [`Timer::with_flags`] |
//! | `timer_setup_on_stack()`, `timer_destroy_on_stack()` | the same; it finds out |
//! | `DEFINE_TIMER()` | [`GlobalTimer`] |
//! | `TIMER_DEFERRABLE`, `TIMER_PINNED` | [`Flags`] |
//! | `TIMER_IRQSAFE` | [`IrqSafe`] |
//! | the callback, `timer_container_of()` | [`TimerCallback::run`], its `&self` |
//! | `add_timer()` | [`Timer::add`] |
//! | `add_timer_on()` | [`Timer::add_on`] |
//! | `add_timer_local()`, `add_timer_global()` | [`Timer::add_local`], [`Timer::add_global`] |
//! | `mod_timer()` | [`Timer::arm`]; from the callback [`TimerContext::arm`] |
//! | `mod_timer_pending()` | [`Timer::arm_if_pending`] |
//! | `timer_reduce()` | [`Timer::reduce`] |
//! | `timer_pending()` | [`Timer::is_pending`] |
//! | `timer_delete()` | [`Timer::cancel`]; from the callback [`TimerContext::cancel`] |
//! | `timer_delete_sync()` | [`Timer::cancel_sync`] |
//! | `timer_delete_sync_try()` | [`Timer::try_cancel_sync`] |
//! | `timer_shutdown()` | [`Timer::shutdown`]; from the callback [`TimerContext::shutdown`] |
//! | `timer_shutdown_sync()` | dropping it; [`Timer::shutdown_sync`] |
//! | `round_jiffies()` and its kin | [`jiffies`](crate::time::jiffies) |
//!
//! Names that older code and books use, for what has other names today:
//!
//! | once | today | here |
//! |---|---|---|
//! | `init_timer()`, `setup_timer()` | `timer_setup()` | [`Timer::new`] |
//! | `TIMER_INITIALIZER()` | `DEFINE_TIMER()` | [`GlobalTimer`] |
//! | `timer->data`, `from_timer()` | `timer_container_of()` | [`TimerCallback::run`], its `&self` |
//! | `del_timer()` | `timer_delete()` | [`Timer::cancel`] |
//! | `del_timer_sync()` | `timer_delete_sync()` | [`Timer::cancel_sync`] |
//! | `try_to_del_timer_sync()` | `timer_delete_sync_try()` | [`Timer::try_cancel_sync`] |
//!
//! C header: [`include/linux/timer.h`](srctree/include/linux/timer.h)

mod global;

pub use global::{
    GlobalTimer,
    GlobalTimerGuard, //
};

use crate::{
    bindings::cpu_online,
    interrupt::{
        BhDisabled,
        LocalInterruptDisabled, //
    },
    time::jiffies::{
        Jiffies,
        JiffiesDelta, //
    },
};
use core::{
    marker::PhantomData,
    ops::{
        BitOr,
        Deref, //
    },
    panic::Location,
    ptr, //
};
use kernel::{
    bindings,
    cpu::CpuId,
    prelude::*,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
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

/// How the callback of a timer is called: [`Softirq`] or [`IrqSafe`].
pub trait CallbackMode: private::Sealed + 'static {
    /// What the callback's [`TimerContext`] stands for.
    type Token: 'static;

    /// What the timer core needs to know of it.
    #[doc(hidden)]
    const FLAGS: Flags;

    /// # Safety
    ///
    /// A callback that is called this way must be running on this CPU, for all of `'a`.
    #[doc(hidden)]
    unsafe fn token<'a>() -> &'a Self::Token;
}

/// The callback is called in softirq context, with interrupts enabled. This is what
/// [`TimerCallback`] and [`Timer`] mean unless they say otherwise.
pub enum Softirq {}

/// The callback is called in softirq context, with interrupts disabled: C's `TIMER_IRQSAFE`.
///
/// Such a timer may be waited for, and so dropped, with interrupts disabled and in a hard
/// interrupt. It is a special case for the core of the kernel; drivers want [`Softirq`].
pub enum IrqSafe {}

impl CallbackMode for Softirq {
    type Token = BhDisabled;

    const FLAGS: Flags = Flags::NONE;

    #[inline]
    unsafe fn token<'a>() -> &'a BhDisabled {
        // SAFETY: The timer core runs expired timers in softirq context (on PREEMPT_RT: in a thread
        // that has disabled bottom halves), and does so for all of `'a`.
        unsafe { BhDisabled::assume_disabled() }
    }
}

impl CallbackMode for IrqSafe {
    type Token = LocalInterruptDisabled;

    const FLAGS: Flags = Flags(bindings::TIMER_IRQSAFE);

    #[inline]
    unsafe fn token<'a>() -> &'a LocalInterruptDisabled {
        // SAFETY: The timer core keeps interrupts disabled while it calls the callback of a timer
        // with `TIMER_IRQSAFE`, for all of `'a`.
        unsafe { LocalInterruptDisabled::assume_disabled() }
    }
}

mod private {
    pub trait Sealed {}
    impl Sealed for super::Softirq {}
    impl Sealed for super::IrqSafe {}
}

/// The state of a timer, and what is done when the timer expires.
pub trait TimerCallback<C: CallbackMode = Softirq>: Sync + Sized + 'static {
    /// Runs each time that the timer expires.
    ///
    /// It runs in softirq context, so it must not sleep: no allocation with `GFP_KERNEL`, no mutex,
    /// no access to user space. The task that it interrupted has nothing to do with it. On
    /// PREEMPT_RT it runs in a thread, with bottom halves disabled.
    ///
    /// C's counterpart is the `function` of a `struct timer_list`.
    fn run(&self, context: TimerContext<'_, Self, C>);
}

/// A kernel timer and the state that its callback works on.
///
/// It is made in place, by [`new`](Self::new), in whatever place is pinned. Dereferencing it gives
/// the state. Dropping it shuts it down.
///
/// # Dropping
///
/// The destructor calls `timer_shutdown_sync()`, which waits for a running callback. So a timer
/// must not be dropped
///
/// - in its own callback, nor (unless it is [`IrqSafe`]) in a hard interrupt: it would wait for
///   ever;
/// - while a lock is held that its callback takes: likewise; lockdep reports it;
/// - in atomic context on PREEMPT_RT, where the callback is a thread to be waited for, unless it is
///   [`IrqSafe`].
///
/// # Invariants
///
/// `timer` was initialised by `timer_init_key()` with `Self::expired` as its function, and
/// has not moved since.
///
/// # Examples
///
/// State, and a callback that counts and comes back after a second:
///
/// ```
/// # use kernel::prelude::*;
/// # use ktimer::prelude::*;
/// use kernel::sync::atomic::{Atomic, Relaxed};
///
/// struct Beat {
///     count: Atomic<u32>,
/// }
///
/// impl TimerCallback for Beat {
///     fn run(&self, context: TimerContext<'_, Self>) {
///         let missed = context.forward(JiffiesDelta::SECOND);
///         self.count.fetch_add(1 + missed as u32, Relaxed);
///     }
/// }
///
/// // In a `KBox`.
/// let beat = KBox::pin_init(Timer::new(Beat { count: Atomic::new(0) }), GFP_KERNEL)?;
/// beat.arm(Jiffies::now() + JiffiesDelta::SECOND);
/// pr_info!("{} beats so far\n", beat.count.load(Relaxed));
/// assert!(beat.is_pending());
/// drop(beat);
///
/// // Shared by way of an `Arc`.
/// # use kernel::sync::Arc;
/// let beat = Arc::pin_init(Timer::new(Beat { count: Atomic::new(0) }), GFP_KERNEL)?;
/// let other = beat.clone();
/// other.arm(Jiffies::now() + JiffiesDelta::SECOND);
/// assert!(beat.is_pending());
///
/// // On the stack.
/// # use pin_init::stack_pin_init;
/// stack_pin_init!(let beat = Timer::new(Beat { count: Atomic::new(0) }));
/// beat.arm(Jiffies::now() + JiffiesDelta::SECOND);
/// # Ok::<(), Error>(())
/// ```
///
/// As a field of a struct; this one may be a module's own, which
/// [`InPlaceModule`](kernel::InPlaceModule) makes in place, so that the timer needs no allocation:
///
/// ```
/// # use kernel::prelude::*;
/// # use ktimer::prelude::*;
/// # struct Beat;
/// # impl TimerCallback for Beat {
/// #     fn run(&self, _context: TimerContext<'_, Self>) {}
/// # }
/// #[pin_data]
/// struct Heart {
///     #[pin]
///     beat: Timer<Beat>,
/// }
///
/// impl kernel::InPlaceModule for Heart {
///     fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
///         try_pin_init!(Self {
///             beat <- Timer::new(Beat),
///         }? Error)
///         .pin_chain(|heart| {
///             heart.as_ref().get_ref().beat.arm(Jiffies::now());
///             Ok(())
///         })
///     }
/// }
/// ```
#[pin_data(PinnedDrop)]
#[repr(C)]
pub struct Timer<T, C = Softirq> {
    #[pin]
    timer: Opaque<bindings::timer_list>,
    #[pin]
    state: T,
    _mode: PhantomData<C>,
}

// The state costs its own size, and nothing else.
const _: () =
    assert!(size_of::<Timer<u64>>() == size_of::<bindings::timer_list>() + size_of::<u64>());

// SAFETY: The timer core serialises all operations on a `timer_list`, from whatever thread, and
// none of them is tied to the thread that made it. The state goes where the timer goes.
unsafe impl<T: Send, C> Send for Timer<T, C> {}

// SAFETY: As above, and all that a shared reference gives of the state is `&T`.
unsafe impl<T: Sync, C> Sync for Timer<T, C> {}

/// Whether a timer is on the stack of the current task, which debugobjects wants to be told.
#[cfg(CONFIG_DEBUG_OBJECTS_TIMERS)]
fn is_on_stack(timer: *const bindings::timer_list) -> bool {
    // SAFETY: It only compares the address with the bounds of the current task's stack.
    unsafe { crate::bindings::object_is_on_stack(timer.cast()) }
}

/// The name of every timer's lock class; what tells the classes apart is their key.
#[cfg(CONFIG_LOCKDEP)]
static LOCK_CLASS_NAME: &CStr = c"Timer";

impl<T: TimerCallback<C>, C: CallbackMode> Timer<T, C> {
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

    /// The same as [`new`](Self::new), with flags: those of the C macro `timer_setup()`.
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
            _mode: PhantomData,
        })
    }

    /// # Safety
    ///
    /// `slot` must be valid for writes, and be the `timer` of a `Timer<T, C>`.
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
        let flags = flags | C::FLAGS;
        // SAFETY: `slot` is valid for writes by the requirement of this function. The name and the
        // key, where they are used, are statics.
        unsafe { init(slot, Some(Self::expired), flags.0, name, key) };
    }

    /// What the timer core calls when the timer expires.
    ///
    /// # Safety
    ///
    /// `timer` must be the `timer` of a live `Timer<T, C>`, and this be the timer core's call of
    /// the function that it was set up with.
    unsafe extern "C" fn expired(timer: *mut bindings::timer_list) {
        // SAFETY: The timer core passes the `timer_list` that this function was set up with, which
        // is the first field of a `repr(C)` `Timer<T, C>`. That one is alive, and pinned: its
        // destructor waits for this function to return before anything of it goes. Nobody has an
        // exclusive reference to it, but for the destructor, which only waits.
        let timer = unsafe { &*timer.cast::<Self>() };
        // INVARIANT: This is the callback, and the context can't outlive this call.
        timer.state.run(TimerContext {
            timer,
            _not_send: NotThreadSafe,
        });
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

    /// Arms a timer that is not pending. Gives `EBUSY`, and leaves the timer alone, if it is.
    ///
    /// Of two CPUs that do this at once, the second may move the expiry that the first has set, as
    /// in C; then the result tells that the timer [was pending](Armed::was_pending). May be called
    /// from any context.
    ///
    /// The C function is `add_timer()`, but for its warning.
    #[inline]
    pub fn add(&self, expires: Jiffies) -> Result<Armed<'_>> {
        if self.is_pending() {
            return Err(EBUSY);
        }
        Ok(self.arm(expires))
    }

    /// Arms a timer that is neither pending nor running, to expire on the given CPU; from now on it
    /// is [pinned](Flags::PINNED).
    ///
    /// Gives `EBUSY`, and leaves the timer alone, if it is pending or running; gives `ENXIO` if the
    /// CPU is not online. A CPU that goes offline hands its timers over to another, but one that is
    /// armed for it after that waits until it comes back. May be called from any context.
    ///
    /// The C function is `add_timer_on()`.
    pub fn add_on(self: Pin<&mut Self>, cpu: CpuId, expires: Jiffies) -> Result<Armed<'_>> {
        // SAFETY: It only looks at whether the CPU, whose number is in range, is online.
        if !unsafe { cpu_online(cpu.as_u32()) } {
            return Err(ENXIO);
        }
        // SAFETY: The CPU is, or just was, online, so it has a timer wheel. The timer is as
        // `add_timer_on()` wants it, by the contract of `add_idle`.
        self.add_idle(expires, |timer| unsafe {
            bindings::add_timer_on(timer, cpu.into())
        })
    }

    /// Arms a timer that is neither pending nor running, to expire on this CPU; from now on it is
    /// [pinned](Flags::PINNED) to those that arm it.
    ///
    /// Gives `EBUSY`, and leaves the timer alone, if it is pending or running. May be called from
    /// any context.
    ///
    /// The C function is `add_timer_local()`.
    pub fn add_local(self: Pin<&mut Self>, expires: Jiffies) -> Result<Armed<'_>> {
        // SAFETY: By the contract of `add_idle`.
        self.add_idle(expires, |timer| unsafe { bindings::add_timer_local(timer) })
    }

    /// Arms a timer that is neither pending nor running, to expire on any CPU; from now on it is
    /// not [pinned](Flags::PINNED) any more.
    ///
    /// Gives `EBUSY`, and leaves the timer alone, if it is pending or running. May be called from
    /// any context.
    ///
    /// The C function is `add_timer_global()`.
    pub fn add_global(self: Pin<&mut Self>, expires: Jiffies) -> Result<Armed<'_>> {
        // SAFETY: By the contract of `add_idle`.
        self.add_idle(expires, |timer| unsafe {
            bindings::add_timer_global(timer)
        })
    }

    /// Hands a timer that nobody else uses, with its expiry set, to a function that changes its
    /// flags without a lock: the timer is initialised, neither pending nor running, and stays so.
    fn add_idle(
        self: Pin<&mut Self>,
        expires: Jiffies,
        add: impl FnOnce(*mut bindings::timer_list),
    ) -> Result<Armed<'_>> {
        // Nobody else has a reference to the timer but its callback, if that is running.
        let this = self.into_ref().get_ref();
        if this.is_pending() {
            return Err(EBUSY);
        }
        let timer = this.timer.get();
        match this.try_cancel_sync() {
            TimerState::Inactive => (),
            TimerState::Running => return Err(EBUSY),
            TimerState::Pending => {
                // Its callback had been running, and armed it in between.
                //
                // SAFETY: The timer is initialised, and idle now, so `expires` is nobody else's.
                this.arm(Jiffies::from_raw(unsafe { (*timer).expires }));
                return Err(EBUSY);
            }
        }
        // SAFETY: As above; nobody can have armed it since.
        unsafe { (*timer).expires = expires.as_raw() };
        add(timer);
        Ok(Armed {
            timer: &this.timer,
            found: 0,
        })
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

impl<T, C> Deref for Timer<T, C> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.state
    }
}

#[pinned_drop]
impl<T, C> PinnedDrop for Timer<T, C> {
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
/// `lock.lock_with(&context)`. That of an [`IrqSafe`] timer stands for
/// [`LocalInterruptDisabled`].
///
/// A callback comes back in one of three ways:
///
/// - [`forward`](Self::forward): a period after it was due, so that it does not drift;
/// - [`arm`](Self::arm): at any other time, say `Jiffies::now()` and a delay;
/// - not at all, if it does neither.
///
/// # Invariants
///
/// The callback of `timer` is running on this CPU, and does so as long as this exists.
pub struct TimerContext<'a, T, C = Softirq> {
    timer: &'a Timer<T, C>,
    _not_send: NotThreadSafe,
}

impl<T: TimerCallback<C>, C: CallbackMode> TimerContext<'_, T, C> {
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

    /// Arms the timer again, for `period` after it [was due](Self::expires). If that has passed, it
    /// is skipped, and the next one taken that has not; returns how many were skipped.
    ///
    /// However late the callback is each time, it comes, or is told that it missed its turn, once
    /// for each period. See also [`Jiffies::forward`].
    ///
    /// C has it for `hrtimer`s only, as `hrtimer_forward_now()`.
    #[inline]
    pub fn forward(&self, period: JiffiesDelta) -> c_ulong {
        let (expires, missed) = self.expires().forward(Jiffies::now(), period);
        self.arm(expires);
        missed
    }

    /// Arms the timer again. See [`Timer::arm`].
    #[inline]
    pub fn arm(&self, expires: Jiffies) -> Armed<'_> {
        self.timer.arm(expires)
    }

    /// Makes the timer inactive, if it was armed again. See [`Timer::cancel`].
    #[inline]
    pub fn cancel(&self) -> TimerState {
        self.timer.cancel()
    }

    /// Has the timer refuse all arming from now on. See [`Timer::shutdown`].
    #[inline]
    pub fn shutdown(&self) -> TimerState {
        self.timer.shutdown()
    }
}

impl<T, C: CallbackMode> Deref for TimerContext<'_, T, C> {
    type Target = C::Token;

    #[inline]
    fn deref(&self) -> &C::Token {
        // SAFETY: By the type invariant the callback is running on this CPU while `self` exists.
        unsafe { C::token() }
    }
}
