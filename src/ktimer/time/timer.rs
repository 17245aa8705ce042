// SPDX-License-Identifier: GPL-2.0

//! Kernel timers: run a function once, in softirq context, after a number of jiffies.
//!
//! A [`Timer<T>`] is the kernel's `struct timer_list` together with a `T`, the state that its
//! callback works on. `T` implements [`TimerCallback`]. Both the callback and the timer's owner see
//! that state as `&T`, at the same time on different CPUs, so `T` must be [`Sync`]: atomics, or a
//! [`SpinLockBh`](crate::sync::SpinLockBh). A [`Timers<T, N>`] is `N` timers on one state.
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
//! - Shut down: cancel, and refuse all arming from then on; synchronously: wait for the callback,
//!   too.
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
//! # How late
//!
//! A timer that is armed for jiffy `e` expires at the first multiple of the granularity after `e`.
//! The granularity is 1 for delays of less than 63 jiffies, and `8^n` for those from `63 * 8^(n-1)`
//! to less than `63 * 8^n`: at most 8/63 of the delay. A delay of more than
//! [`JiffiesDelta::TIMER_MAX`] is cut, so that the timer is early: that is the one such case.
//!
//! # What is ordered
//!
//! - What happens before arming is seen by the callback only as far as the state's own locks and
//!   atomics see to that: where a pending timer is armed for the jiffy that it is pending for
//!   already, the timer core takes no lock, and arming orders nothing.
//! - All that a callback did happens before [`cancel_sync`](Timer::cancel_sync),
//!   [`shutdown_sync`](Timer::shutdown_sync) and dropping return, if they waited for it.
//! - Of arming and cancelling at once, one comes after the other, in an order that nobody knows. A
//!   timer that must stay inactive has to be shut down: whatever arms it then has no effect.
//!
//! # Why this is sound
//!
//! The timer core holds a raw pointer to the `timer_list` while the timer is pending or running.
//!
//! - It stays valid since a [`Timer`] can only be made in place, pinned, and its destructor calls
//!   `timer_shutdown_sync()`. When that returns, the callback is not running, and arming has no
//!   effect any more, whoever tries; `timer_delete_sync()` promises that only if nobody arms. Where
//!   one state has several timers, all of them are shut down before any of it goes: what one
//!   callback arms meanwhile is shut down already, or will be.
//! - The pointer has the provenance of the whole [`Timer`]: each operation derives it from a
//!   reference to that, so that the callback may go from it to the state.
//! - The callback gets the state as `&T` only, as does everybody else, and `T: Sync`. A destructor
//!   gets a `&mut Timer`, while the callback may still have its `&T`; that is allowed since a
//!   [`Timer`] is not [`Unpin`], and nothing is read or written through that reference before the
//!   callback has ended. No method gives a `&mut` to anything inside.
//! - `T: 'static`, so what the state points to outlives even a timer that is leaked while armed.
//! - What the callback may do only while it runs, it does by way of its [`TimerContext`], which
//!   can't leave it.
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
//! - **Leaked while armed**, by `core::mem::forget()`, in a cycle of `Arc`s, or as part of what a
//!   static holds: its memory and its state stay valid, and it expires. But its callback is the
//!   module's code, which goes when the module is unloaded: then the kernel calls what is not there
//!   any more. This is so for all that the kernel crate registers, and no type can prevent it. Keep
//!   timers where they are dropped; a module that has leaked one must not be unloaded before it has
//!   expired for the last time.
//! - **Made in a `MaybeUninit` or an `Opaque`**: [`pin_init::Wrapper`] makes a timer in one, which
//!   never drops it, and so frees memory that is pinned. If an initialiser has armed the timer
//!   meanwhile, by [`pin_chain`](pin_init::PinInit::pin_chain), the timer core has a pointer to
//!   what is freed. This is a hole of pin-init's, for whatever it pins; don't wrap timers so.
//! - **Sleeping in the callback**, by `CondVar::wait()` and a guard of
//!   [`lock()`](kernel::sync::lock::Lock::lock), say: it compiles, and is a bug. The guard of
//!   `lock_with()`, which a callback is to use, can't be waited with.
//! - **`jiffies` wraps around**: points in time are compared as `time_after()` does.
//! - **PREEMPT_RT**: the callback runs in a thread, with bottom halves disabled, and may be
//!   preempted. Waiting for it sleeps, so [`cancel_sync`](Timer::cancel_sync),
//!   [`shutdown_sync`](Timer::shutdown_sync) and dropping must not happen in atomic context there.
//!
//! # Where the C functions are
//!
//! | C | here |
//! |---|---|
//! | `struct timer_list` | [`Timer<T>`], together with what it is embedded in |
//! | `timer_setup()`, `timer_init_key()` | [`new_timer!`](crate::new_timer) |
//! | `timer_setup_on_stack()`, `timer_destroy_on_stack()` | the same; it finds out |
//! | the callback, `timer_container_of()` | [`TimerCallback::run`], its `&self` |
//! | `add_timer()`, `mod_timer()` | [`Timer::arm`]; from the callback [`TimerContext::arm`] |
//! | `mod_timer_pending()` | [`Timer::arm_if_pending`] |
//! | `timer_reduce()` | [`Timer::reduce`]; from the callback [`TimerContext::rearm`] |
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
//! | `init_timer()`, `setup_timer()` | `timer_setup()` | [`new_timer!`](crate::new_timer) |
//! | `timer->data`, `from_timer()` | `timer_container_of()` | [`TimerCallback::run`], its `&self` |
//! | `del_timer()` | `timer_delete()` | [`Timer::cancel`] |
//! | `del_timer_sync()` | `timer_delete_sync()` | [`Timer::cancel_sync`] |
//! | `try_to_del_timer_sync()` | `timer_delete_sync_try()` | [`Timer::try_cancel_sync`] |
//!
//! C header: [`include/linux/timer.h`](srctree/include/linux/timer.h)

use crate::{
    bindings,
    interrupt::BhDisabled,
    time::{
        delta::JiffiesDelta,
        jiffies::Jiffies, //
    }, //
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr, //
};
use kernel::{
    prelude::*,
    sync::LockClassKey,
    types::Opaque, //
};
use pin_init::{
    cast_pin_init,
    pin_init_from_closure, //
};

/// Creates a [`Timer`], or [`Timers`], initialiser with the given state and a newly-created lock
/// class for each timer.
///
/// A timer's lock class has the given name, otherwise one that is generated from the file name and
/// line number. Several timers on one state have to be named; their names tell how many there are.
///
/// The C macro is `timer_setup()`; on the stack, `timer_setup_on_stack()`.
#[macro_export]
macro_rules! new_timer {
    ($state:expr $(, $name:literal)? $(,)?) => {
        <$crate::time::timer::Timer<_>>::new(
            $state, [::kernel::optional_name!($($name)?)], [::kernel::static_lock_class!()])
    };
    ($state:expr $(, $name:literal)+ $(,)?) => {
        <$crate::time::timer::Timers<_, _>>::new_all(
            $state,
            [$(::kernel::optional_name!($name)),+],
            [$($crate::new_timer!(@class $name)),+],
        )
    };
    (@class $name:literal) => { ::kernel::static_lock_class!() };
}
pub use new_timer;

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

/// A callback of one of `N` timers on a `T`. What holds for [`TimerCallback::run`] holds for it.
pub type TimerFn<T, const N: usize> = fn(&T, TimerContext<'_, T, N>);

/// The state of `N` timers, and what is done when each of them expires. See [`Timers`].
pub trait TimerCallbacks<const N: usize>: Sync + Sized + 'static {
    /// Their callbacks: a timer's number is its place here.
    const CALLBACKS: [TimerFn<Self, N>; N];
}

impl<T: TimerCallback> TimerCallbacks<1> for T {
    const CALLBACKS: [TimerFn<Self, 1>; 1] = [T::run];
}

/// A kernel timer and the state that its callback works on.
///
/// It is made in place, by [`new_timer!`](crate::new_timer), in whatever place is pinned.
/// Dereferencing it gives the state. Dropping it shuts it down.
///
/// (`N` and `ID` are for [`Timers`]: this is the timer with the number `ID` of `N`.)
///
/// # Dropping
///
/// The destructor calls `timer_shutdown_sync()`, which waits for a running callback. So a timer
/// must not be dropped
///
/// - in its own callback, nor in a hard interrupt: it would wait for ever;
/// - while a lock is held that its callback takes: likewise; lockdep reports it;
/// - while a lock is held that a hard interrupt takes, which may have interrupted the callback;
/// - in atomic context on PREEMPT_RT, where the callback is a thread to be waited for.
///
/// # Invariants
///
/// All of the `timers` were initialised by `timer_init_key()`, each with `expired` of its number as
/// its function, and have not moved since.
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
///     count: Atomic<usize>,
/// }
///
/// impl TimerCallback for Beat {
///     fn run(&self, context: TimerContext<'_, Self>) {
///         let missed = context.rearm(JiffiesDelta::SECOND);
///         self.count.fetch_add(1 + missed, Relaxed);
///     }
/// }
///
/// // In a `KBox`.
/// let beat = KBox::pin_init(new_timer!(Beat { count: Atomic::new(0) }), GFP_KERNEL)?;
/// beat.arm(Jiffies::now() + JiffiesDelta::SECOND);
/// pr_info!("{} beats so far\n", beat.count.load(Relaxed));
/// assert!(beat.is_pending());
/// drop(beat);
///
/// // Shared by way of an `Arc`.
/// # use kernel::sync::Arc;
/// let beat = Arc::pin_init(new_timer!(Beat { count: Atomic::new(0) }), GFP_KERNEL)?;
/// let other = beat.clone();
/// other.arm(Jiffies::now() + JiffiesDelta::SECOND);
/// assert!(beat.is_pending());
///
/// // On the stack.
/// # use pin_init::stack_pin_init;
/// stack_pin_init!(let beat = new_timer!(Beat { count: Atomic::new(0) }));
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
///             beat <- new_timer!(Beat),
///         }? Error)
///         .pin_chain(|heart| {
///             heart.as_ref().get_ref().beat.arm(Jiffies::now());
///             Ok(())
///         })
///     }
/// }
/// ```
///
/// A timer and a work item that arm each other. Whoever ends this breaks the circle first: from
/// then on the timer refuses to be armed, also by work that is under way, and what the work holds
/// of the device goes with the work. (Without shutting down, the work may arm a timer that its
/// owner has deleted already, and is about to free.)
///
/// ```
/// # use kernel::prelude::*;
/// # use ktimer::prelude::*;
/// use kernel::{
///     sync::Arc,
///     workqueue::{self, impl_has_work, new_work, Work, WorkItem},
/// };
///
/// /// Polled at intervals, by a work item, since that takes sleeping.
/// #[pin_data]
/// struct Device {
///     #[pin]
///     poll: Timer<Poll>,
///     #[pin]
///     work: Work<Device>,
/// }
///
/// /// The timer's state: what to queue.
/// #[pin_data]
/// struct Poll {
///     #[pin]
///     device: SpinLockBh<Option<Arc<Device>>>,
/// }
///
/// impl_has_work! {
///     impl HasWork<Self> for Device { self.work }
/// }
///
/// impl TimerCallback for Poll {
///     fn run(&self, context: TimerContext<'_, Self>) {
///         // Under the lock, so that the reference that is dropped here is not the last one.
///         if let Some(device) = &*self.device.lock_with(&context) {
///             let _ = workqueue::system().enqueue(device.clone());
///         }
///     }
/// }
///
/// impl WorkItem for Device {
///     type Pointer = Arc<Self>;
///
///     fn run(this: Arc<Self>) {
///         // Here it may sleep. Then comes the next poll.
///         this.poll.arm(Jiffies::now() + JiffiesDelta::SECOND);
///     }
/// }
///
/// impl Device {
///     fn start() -> Result<Arc<Self>> {
///         let device = Arc::pin_init(
///             pin_init!(Self {
///                 poll <- new_timer!(pin_init!(Poll { device <- new_spinlock_bh!(None) })),
///                 work <- new_work!("Device::work"),
///             }),
///             GFP_KERNEL,
///         )?;
///         *device.poll.device.lock() = Some(device.clone());
///         device.poll.arm(Jiffies::now());
///         Ok(device)
///     }
///
///     fn stop(&self) {
///         self.poll.shutdown_sync();
///         let circle = self.poll.device.lock().take();
///         // Not under the lock.
///         drop(circle);
///     }
/// }
///
/// let device = Device::start()?;
/// device.stop();
/// assert!(device.poll.arm(Jiffies::now()).is_shut_down());
/// # Ok::<(), Error>(())
/// ```
#[repr(transparent)]
pub struct Timer<T, const N: usize = 1, const ID: usize = 0>(Inner<T, N>);

/// What a [`Timer`] is made of; by itself it is never dropped.
#[pin_data]
#[repr(C)]
struct Inner<T, const N: usize> {
    #[pin]
    timers: [Opaque<bindings::timer_list>; N],
    #[pin]
    state: T,
}

/// `N` kernel timers, up to eight, on one state, each with a callback of its own.
///
/// The timers are numbered. [`timer::<ID>()`](Timer::timer) is the one with the number `ID`, for
/// all that a [`Timer`] can do; a callback reaches them by
/// [`TimerContext::timer`]. A number that there is not does not compile. Dropping it shuts all of
/// them down, and then drops the state.
///
/// # Examples
///
/// A connection sends again what was not answered, and has something to say when there is
/// nothing to send. Each of the two timers arms the other:
///
/// ```
/// # use kernel::prelude::*;
/// # use ktimer::prelude::*;
/// use kernel::sync::atomic::{Atomic, Relaxed};
/// use ktimer::time::timer::{TimerCallbacks, TimerFn, Timers};
///
/// struct Connection {
///     unanswered: Atomic<usize>,
/// }
///
/// const RETRANSMIT: usize = 0;
/// const KEEP_ALIVE: usize = 1;
///
/// impl TimerCallbacks<2> for Connection {
///     const CALLBACKS: [TimerFn<Self, 2>; 2] = [Self::retransmit, Self::keep_alive];
/// }
///
/// impl Connection {
///     /// The time for an answer is over.
///     fn retransmit(&self, context: TimerContext<'_, Self, 2>) {
///         if self.unanswered.load(Relaxed) > 0 {
///             context.arm(Jiffies::now() + JiffiesDelta::SECOND);
///         } else {
///             context.timer::<KEEP_ALIVE>().arm(Jiffies::now() + JiffiesDelta::SECOND);
///         }
///     }
///
///     /// Nothing was sent for long.
///     fn keep_alive(&self, context: TimerContext<'_, Self, 2>) {
///         self.unanswered.fetch_add(1, Relaxed);
///         context.timer::<RETRANSMIT>().arm(Jiffies::now() + JiffiesDelta::SECOND);
///     }
/// }
///
/// let connection: Pin<KBox<Timers<Connection, 2>>> = KBox::pin_init(
///     new_timer!(Connection { unanswered: Atomic::new(0) }, "retransmit", "keep_alive"),
///     GFP_KERNEL,
/// )?;
/// connection.timer::<KEEP_ALIVE>().arm(Jiffies::now() + JiffiesDelta::SECOND);
/// assert!(!connection.timer::<RETRANSMIT>().is_pending());
/// connection.timer::<KEEP_ALIVE>().cancel_sync();
/// # Ok::<(), Error>(())
/// ```
pub type Timers<T, const N: usize> = Timer<T, N, { usize::MAX }>;

// The state costs its own size, and nothing else.
const _: () = {
    const TIMER: usize = size_of::<bindings::timer_list>();
    assert!(size_of::<Timer<()>>() == TIMER);
    const STATE: usize = size_of::<usize>();
    assert!(size_of::<Timer<usize>>() == TIMER + STATE);
    assert!(size_of::<Timers<usize, 2>>() == 2 * TIMER + STATE);
    assert!(size_of::<Timers<usize, 8>>() == 8 * TIMER + STATE);
};

// SAFETY: The timer core serialises all operations on a `timer_list`, from whatever thread, and
// none of them is tied to the thread that made it. The state goes where the timer goes.
unsafe impl<T: Send, const N: usize, const ID: usize> Send for Timer<T, N, ID> {}

// SAFETY: As above, and all that a shared reference gives of the state is `&T`.
unsafe impl<T: Sync, const N: usize, const ID: usize> Sync for Timer<T, N, ID> {}

/// Whether a timer is on the stack of the current task, which debugobjects wants to be told.
#[cfg(CONFIG_DEBUG_OBJECTS_TIMERS)]
fn is_on_stack(timer: *const bindings::timer_list) -> bool {
    // SAFETY: It only compares the address with the bounds of the current task's stack.
    unsafe { bindings::object_is_on_stack(timer.cast()) }
}

impl<T: TimerCallback> Timer<T> {
    /// An initialiser of a timer that is not pending, with the given state, and with the name and
    /// key of its lock class: what [`new_timer!`](crate::new_timer) calls.
    ///
    /// May be called from any context. Fails as the state's initialiser does.
    #[inline]
    pub fn new<E>(
        state: impl PinInit<T, E>,
        name: [&'static CStr; 1],
        key: [Pin<&'static LockClassKey>; 1],
    ) -> impl PinInit<Self, E> {
        // SAFETY: A `Timer` is transparent.
        unsafe { cast_pin_init(Inner::new(state, name, key, 0)) }
    }

    /// The same for a timer with these of C's `TIMER_*` flags: none but what `timer_init_key()`
    /// takes.
    #[inline]
    pub(crate) fn with_flags<E>(
        state: impl PinInit<T, E>,
        name: [&'static CStr; 1],
        key: [Pin<&'static LockClassKey>; 1],
        flags: u32,
    ) -> impl PinInit<Self, E> {
        // SAFETY: A `Timer` is transparent.
        unsafe { cast_pin_init(Inner::new(state, name, key, flags)) }
    }
}

impl<T: TimerCallbacks<N>, const N: usize> Timers<T, N> {
    /// An initialiser of timers that are not pending, with the given state, and with the names and
    /// keys of their lock classes: what [`new_timer!`](crate::new_timer) calls.
    ///
    /// May be called from any context. Fails as the state's initialiser does.
    #[inline]
    pub fn new_all<E>(
        state: impl PinInit<T, E>,
        names: [&'static CStr; N],
        keys: [Pin<&'static LockClassKey>; N],
    ) -> impl PinInit<Self, E> {
        // SAFETY: A `Timer` is transparent.
        unsafe { cast_pin_init(Inner::new(state, names, keys, 0)) }
    }
}

impl<T, const N: usize> Timers<T, N> {
    /// [Shuts down](Timer::shutdown_sync) all of the timers. None of the callbacks runs after this.
    ///
    /// What holds for [dropping](Timer#dropping) them holds for this.
    ///
    /// The C function is `timer_shutdown_sync()`, for each.
    #[inline]
    pub fn shutdown_sync_all(&self) {
        for id in 0..N {
            // SAFETY: By the type invariant each of the timers is initialised.
            unsafe { bindings::timer_shutdown_sync(self.raw(id)) };
        }
    }
}

impl<T: TimerCallbacks<N>, const N: usize> Inner<T, N> {
    /// What the timer core calls when each of the timers expires.
    const EXPIRED: [unsafe extern "C" fn(*mut bindings::timer_list); N] = {
        let mut expired = [Self::expired::<0> as unsafe extern "C" fn(*mut _); N];
        let mut id = 1;
        while id < N {
            expired[id] = match id {
                1 => Self::expired::<1>,
                2 => Self::expired::<2>,
                3 => Self::expired::<3>,
                4 => Self::expired::<4>,
                5 => Self::expired::<5>,
                6 => Self::expired::<6>,
                7 => Self::expired::<7>,
                _ => panic!("there are at most eight timers on one state"),
            };
            id += 1;
        }
        expired
    };

    #[inline]
    fn new<E>(
        state: impl PinInit<T, E>,
        names: [&'static CStr; N],
        keys: [Pin<&'static LockClassKey>; N],
        flags: u32,
    ) -> impl PinInit<Self, E> {
        let timers = move |slot: *mut [Opaque<bindings::timer_list>; N]| {
            let first = slot.cast::<bindings::timer_list>();
            for id in 0..N {
                let (timer, expired) = (first.wrapping_add(id), Self::EXPIRED[id]);
                // Without lockdep, C passes neither.
                let (name, key) = if cfg!(CONFIG_LOCKDEP) {
                    (names[id].as_char_ptr(), keys[id].as_ptr())
                } else {
                    (ptr::null(), ptr::null_mut())
                };
                // Neither by a pointer: to kCFI the bindings' type of a function need not be C's.
                #[cfg(CONFIG_DEBUG_OBJECTS_TIMERS)]
                if is_on_stack(timer) {
                    // SAFETY: `slot`, of whose `N` timers this is one, is valid for writes; it is on
                    // this stack, and stays there. The name and the key are statics, or null.
                    unsafe {
                        bindings::timer_init_key_on_stack(timer, Some(expired), flags, name, key)
                    };
                    continue;
                }
                // SAFETY: `slot` is valid for writes and stays where it is, as all that is
                // initialised pinned; it has `N` timers, of which this is one; an `Opaque` is
                // transparent. The name and the key are statics, or null where they are not used.
                unsafe { bindings::timer_init_key(timer, Some(expired), flags, name, key) };
            }
            Ok::<(), E>(())
        };
        try_pin_init!(Self {
            // It may fail; then there are no timers yet.
            state <- state,
            // SAFETY: All of them are initialised, each by one call of `timer_init_key()`.
            timers <- unsafe { pin_init_from_closure(timers) },
        }? E)
    }

    /// What the timer core calls when the timer with the number `ID` expires.
    ///
    /// # Safety
    ///
    /// This must be the timer core's call, for a `timer_list` that this function was set up with:
    /// in a `Timer` with this `T` and `N`, the one with the number `ID`.
    unsafe extern "C" fn expired<const ID: usize>(timer: *mut bindings::timer_list) {
        let first = timer.wrapping_sub(ID);
        // SAFETY: The timers are the first field of a `repr(C)` `Inner`, and so of the `Timer` that
        // this is one of. That is alive: its destructor waits for this function to return before
        // anything of it goes. The pointer is what it was armed with, which `Timer::raw` derived
        // from a reference to the whole `Timer`. Nobody uses an exclusive reference to it
        // meanwhile, which is not `Unpin`: the destructor, and exclusive operations, wait for this
        // function.
        let owner = unsafe { &*first.cast::<Timers<T, N>>() };
        let callback = const { T::CALLBACKS[ID] };
        // INVARIANT: This is the timer's callback, and the context can't outlive this call.
        callback(owner, TimerContext { timer, owner });
    }
}

impl<T, const N: usize, const ID: usize> Timer<T, N, ID> {
    /// The number of this timer. (Used in each operation, so that the compiler's message names the
    /// place where that is asked of all of them.)
    const NUMBER: usize = {
        assert!(ID < N, "which one of the timers? take it by timer::<ID>()");
        ID
    };

    /// The `timer_list` with a number less than `N`.
    #[inline]
    fn raw(&self, id: usize) -> *mut bindings::timer_list {
        // The timers are the first field of a `repr(C)` struct, an array of what is transparent.
        // The pointer is good for all of the `Timer`: the timers, which are `Opaque`, may be
        // written to.
        ptr::from_ref(self)
            .cast_mut()
            .cast::<bindings::timer_list>()
            .wrapping_add(id)
    }

    /// That of this timer.
    #[inline]
    pub(crate) fn this(&self) -> *mut bindings::timer_list {
        self.raw(Self::NUMBER)
    }

    /// The timer with the number `OTHER`, of those on the same state.
    #[inline]
    pub fn timer<const OTHER: usize>(&self) -> &Timer<T, N, OTHER> {
        const { assert!(OTHER < N, "there is no timer of that number") };
        // SAFETY: Both are the same but for the number, which is not there when this runs.
        unsafe { &*ptr::from_ref(self).cast() }
    }

    /// The state, pinned.
    #[inline]
    pub fn pinned_state(self: Pin<&Self>) -> Pin<&T> {
        // SAFETY: The state is pinned as the timer is: it moves with the timer only, of which
        // nothing gives a `&mut`, and it is dropped where it is.
        unsafe { self.map_unchecked(|timer| &timer.0.state) }
    }

    /// Makes the timer pending, to expire at the first tick after `expires`; moves the expiry of a
    /// timer that is pending already. A point in time that has passed means the next tick.
    ///
    /// The callback sees [`Jiffies::now`] after `expires`, and never before, unless that is more
    /// than [`JiffiesDelta::TIMER_MAX`] away. [How late](self#how-late) it may be, and
    /// [what is ordered](self#what-is-ordered), the module tells.
    ///
    /// A timer that is shut down stays so; the result can tell. May be called from any context, the
    /// timer's own callback included ([`TimerContext::arm`]).
    ///
    /// The C functions are `mod_timer()` and, for a timer that is not pending, `add_timer()`.
    #[inline]
    pub fn arm(&self, expires: Jiffies) -> Armed<'_> {
        // SAFETY: By the type invariant the timer is initialised.
        let found = unsafe { bindings::mod_timer(self.raw(Self::NUMBER), expires.as_raw()) };
        Armed::new(self.raw(Self::NUMBER), found)
    }

    /// Moves the expiry of a pending timer; leaves one that is not pending alone.
    ///
    /// Returns whether it was pending. May be called from any context.
    ///
    /// The C function is `mod_timer_pending()`.
    #[inline]
    pub fn arm_if_pending(&self, expires: Jiffies) -> bool {
        // SAFETY: By the type invariant the timer is initialised.
        unsafe { bindings::mod_timer_pending(self.raw(Self::NUMBER), expires.as_raw()) != 0 }
    }

    /// Arms the timer as [`arm`](Self::arm) does, unless it is pending for an earlier time already.
    /// Of two who arm one at once that is not pending, this may come last, and move it: the timer
    /// core looks for an earlier time only if the timer was pending to begin with.
    ///
    /// May be called from any context.
    ///
    /// The C function is `timer_reduce()`.
    #[inline]
    pub fn reduce(&self, expires: Jiffies) -> Armed<'_> {
        // SAFETY: By the type invariant the timer is initialised.
        let found = unsafe { bindings::timer_reduce(self.raw(Self::NUMBER), expires.as_raw()) };
        Armed::new(self.raw(Self::NUMBER), found)
    }

    /// Makes a pending timer inactive. A callback that is running goes on.
    ///
    /// Returns whether the timer was pending. May be called from any context.
    ///
    /// The C function is `timer_delete()`.
    #[inline]
    pub fn cancel(&self) -> bool {
        // SAFETY: By the type invariant the timer is initialised.
        unsafe { bindings::timer_delete(self.raw(Self::NUMBER)) != 0 }
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
        unsafe { bindings::timer_delete_sync(self.raw(Self::NUMBER)) != 0 }
    }

    /// Makes a pending timer inactive, unless its callback is running: then it does nothing, and
    /// fails with `EBUSY`.
    ///
    /// Returns whether the timer was pending. May be called from any context.
    ///
    /// The C function is `timer_delete_sync_try()`.
    #[inline]
    pub fn try_cancel_sync(&self) -> Result<bool> {
        // SAFETY: By the type invariant the timer is initialised.
        match unsafe { bindings::timer_delete_sync_try(self.raw(Self::NUMBER)) } {
            found @ 0.. => Ok(found != 0),
            _ => Err(EBUSY),
        }
    }

    /// Makes a pending timer inactive, and has it refuse all arming from now on. A callback that is
    /// running goes on.
    ///
    /// Returns whether the timer was pending. May be called from any context.
    ///
    /// The C function is `timer_shutdown()`.
    #[inline]
    pub fn shutdown(&self) -> bool {
        // SAFETY: By the type invariant the timer is initialised.
        unsafe { bindings::timer_shutdown(self.raw(Self::NUMBER)) != 0 }
    }

    /// [Shuts down](Self::shutdown) the timer, and waits for a running callback to end. The
    /// callback never runs after this.
    ///
    /// Returns whether the timer was pending. The same restrictions hold as for
    /// [dropping](Self#dropping) a timer, which does this.
    ///
    /// The C function is `timer_shutdown_sync()`.
    #[inline]
    pub fn shutdown_sync(&self) -> bool {
        // SAFETY: By the type invariant the timer is initialised.
        unsafe { bindings::timer_shutdown_sync(self.raw(Self::NUMBER)) != 0 }
    }

    /// Whether the timer is pending. That may have changed by the time that the caller looks.
    ///
    /// The C function is `timer_pending()`; may be called from any context.
    #[inline]
    pub fn is_pending(&self) -> bool {
        // SAFETY: By the type invariant the timer is initialised, and it lives while `self` does.
        unsafe { is_pending(self.raw(Self::NUMBER)) }
    }
}

/// # Safety
///
/// `timer` must be initialised.
#[inline]
unsafe fn is_pending(timer: *mut bindings::timer_list) -> bool {
    // SAFETY: The timer is initialised. Another CPU may change the field meanwhile: hence a
    // volatile read of this one pointer, as `hlist_unhashed_lockless()` has it.
    unsafe { !(&raw const (*timer).entry.pprev).read_volatile().is_null() }
}

impl<T, const N: usize, const ID: usize> Deref for Timer<T, N, ID> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.state
    }
}

impl<T, const N: usize, const ID: usize> Drop for Timer<T, N, ID> {
    #[inline]
    fn drop(&mut self) {
        for id in 0..N {
            // SAFETY: By the type invariant each of the timers is initialised. When all of this is
            // done, the timer core has no pointer to any of them any more, so that they may go, and
            // their state with them.
            unsafe { bindings::timer_shutdown_sync(self.raw(id)) };
        }
        #[cfg(CONFIG_DEBUG_OBJECTS_TIMERS)]
        for id in 0..N {
            if is_on_stack(self.raw(id)) {
                // SAFETY: It is on the stack of this task, so `timer_init_key_on_stack()` made it,
                // and nobody uses it any more.
                unsafe { bindings::timer_destroy_on_stack(self.raw(id)) };
            }
        }
    }
}

/// What came of arming a timer.
///
/// It costs nothing unless it is asked.
///
/// # Invariants
///
/// `timer` is initialised, and lives for all of `'a`.
pub struct Armed<'a> {
    timer: *mut bindings::timer_list,
    found: c_int,
    _lifetime: PhantomData<&'a ()>,
}

impl Armed<'_> {
    /// For a timer that the caller has a reference to, for as long.
    #[inline]
    fn new(timer: *mut bindings::timer_list, found: c_int) -> Self {
        Self {
            timer,
            found,
            _lifetime: PhantomData,
        }
    }

    /// Whether the timer was pending already.
    #[inline]
    pub fn was_pending(&self) -> bool {
        self.found != 0
    }

    /// Whether the timer is shut down, so that it was not armed, or is not any more.
    #[inline]
    pub fn is_shut_down(&self) -> bool {
        // SAFETY: By the type invariant the timer is initialised. Shutting down clears the
        // function, perhaps on another CPU just now: hence a volatile read.
        unsafe { (&raw const (*self.timer).function).read_volatile() }.is_none()
    }
}

/// What the callback of a timer may do while it runs.
///
/// It stands for [`BhDisabled`], so that the callback can take a
/// [`SpinLockBh`](crate::sync::SpinLockBh) at the price of a plain spinlock:
/// `lock.lock_with(&context)`.
///
/// A callback comes back in one of three ways:
///
/// - [`rearm`](Self::rearm): a period after it was due, so that it does not drift;
/// - [`arm`](Self::arm): at any other time, say `Jiffies::now()` and a delay;
/// - not at all, if it does neither.
///
/// (`OWN` is whether it is for the callback's own timer, and not for [another](Self::timer).)
///
/// # Invariants
///
/// The callback of one of `owner`'s timers is running on this CPU, and does so as long as this
/// exists. `timer` is one of those timers, and that one if `OWN`; being a pointer, it keeps this
/// from being sent to another thread.
pub struct TimerContext<'a, T, const N: usize = 1, const OWN: bool = true> {
    timer: *mut bindings::timer_list,
    owner: &'a Timers<T, N>,
}

impl<T, const N: usize> TimerContext<'_, T, N> {
    /// The jiffy that the timer was armed for and has now expired.
    ///
    /// If somebody armed it again meanwhile, it is the one that it is armed for now.
    #[inline]
    pub fn expires(&self) -> Jiffies {
        // SAFETY: By the type invariants the timer is initialised, lives while this does, and is
        // the one whose callback is running: so it was armed, which writes the field. That is the
        // timer core's while the timer is pending, and another CPU may be arming it: hence a
        // volatile read.
        Jiffies::from_raw(unsafe { (&raw const (*self.timer).expires).read_volatile() })
    }

    /// Arms the timer again, for `period` after it [was due](Self::expires). If that has passed, it
    /// is skipped, and the next one taken that has not; returns how many were skipped.
    ///
    /// However late the callback is each time, it comes, or is told that it missed its turn, once
    /// for each period, if that is at most [`JiffiesDelta::TIMER_MAX`]: of a longer one it comes
    /// early, and so more often. See also [`Jiffies::next_after`]. If somebody armed the timer
    /// meanwhile for an earlier time, it stays at that, but for what [`Timer::reduce`] says of two
    /// at once.
    ///
    /// `hrtimer`s have `hrtimer_forward_now()`, which counts the period that is not skipped, too.
    /// The C function is `timer_reduce()`.
    #[inline]
    pub fn rearm(&self, period: JiffiesDelta) -> c_ulong {
        let (expires, missed) = self.expires().next_after(Jiffies::now(), period);
        // SAFETY: By the type invariants the timer is initialised.
        unsafe { bindings::timer_reduce(self.timer, expires.as_raw()) };
        missed
    }
}

impl<T, const N: usize, const OWN: bool> TimerContext<'_, T, N, OWN> {
    /// The same for the timer with the number `OTHER`, of those on the same state, but for what
    /// tells when it was due: it need not have been armed yet.
    #[inline]
    pub fn timer<const OTHER: usize>(&self) -> TimerContext<'_, T, N, false> {
        const { assert!(OTHER < N, "there is no timer of that number") };
        // INVARIANT: This context exists for as long as that one; and with `OWN` false, its timer may
        // be any of the owner's.
        TimerContext {
            timer: self.owner.raw(OTHER),
            owner: self.owner,
        }
    }

    /// Arms the timer. See [`Timer::arm`].
    #[inline]
    pub fn arm(&self, expires: Jiffies) -> Armed<'_> {
        // SAFETY: By the type invariants the timer is initialised.
        let found = unsafe { bindings::mod_timer(self.timer, expires.as_raw()) };
        Armed::new(self.timer, found)
    }

    /// Makes the timer inactive, if it is armed. See [`Timer::cancel`].
    #[inline]
    pub fn cancel(&self) -> bool {
        // SAFETY: By the type invariants the timer is initialised.
        unsafe { bindings::timer_delete(self.timer) != 0 }
    }

    /// Has the timer refuse all arming from now on. See [`Timer::shutdown`].
    #[inline]
    pub fn shutdown(&self) -> bool {
        // SAFETY: By the type invariants the timer is initialised.
        unsafe { bindings::timer_shutdown(self.timer) != 0 }
    }

    /// Whether the timer is pending. See [`Timer::is_pending`].
    #[inline]
    pub fn is_pending(&self) -> bool {
        // SAFETY: By the type invariants the timer is initialised, and lives while this does.
        unsafe { is_pending(self.timer) }
    }
}

impl<T, const N: usize, const OWN: bool> Deref for TimerContext<'_, T, N, OWN> {
    type Target = BhDisabled;

    #[inline]
    fn deref(&self) -> &BhDisabled {
        // SAFETY: By the type invariant the callback is running on this CPU while `self` exists,
        // and the timer core runs expired timers in softirq context (on PREEMPT_RT: in a thread
        // that has disabled bottom halves).
        unsafe { BhDisabled::assume_disabled() }
    }
}
