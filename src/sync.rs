// SPDX-License-Identifier: GPL-2.0

//! What processes and softirqs share: a spinlock for state, and waiting for a change of it.
//!
//! A timer's callback runs in softirq context, on whatever CPU, at any time that bottom halves are
//! enabled. A process that takes a plain [`SpinLock`](kernel::sync::SpinLock) and is interrupted
//! by a callback that takes the same lock leaves the callback spinning for ever. [`SpinLockBh`]
//! keeps bottom halves off while a process holds it; that is all it takes, and cheaper than
//! interrupts off.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)

use crate::{
    bindings,
    context::BhDisabled, //
};
use core::{
    marker::PhantomData,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr, //
};
use kernel::{
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        lock::{
            Backend,
            Guard,
            Lock, //
        },
        CondVar,
        Mutex,
        SetOnce, //
    },
    types::Opaque, //
};

/// Creates a [`SpinLockBh`] initialiser with the given name and a newly-created lock class.
///
/// It uses the name if one is given, otherwise it generates one based on the file name and line
/// number.
#[macro_export]
macro_rules! new_spinlock_bh {
    ($inner:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::SpinLockBh::new(
            $inner, ::kernel::optional_name!($($name)?), ::kernel::static_lock_class!())
    };
}

/// A spinlock that keeps bottom halves (softirqs, and so timers) off this CPU while it is held.
///
/// - From process context: [`lock()`](Lock::lock), which is C's `spin_lock_bh()`.
/// - From a timer's callback: [`lock_with()`](SpinLockBhExt::lock_with), which is C's
///   `spin_lock()`; the callback's context proves that bottom halves are off already.
///
/// Neither may be used in a hard interrupt. On PREEMPT_RT the lock may sleep.
///
/// # Examples
///
/// ```
/// # use kernel::prelude::*;
/// # use ktimer::prelude::*;
/// #[pin_data]
/// struct Blinker {
///     #[pin]
///     times: SpinLockBh<u32>,
/// }
///
/// impl TimerCallback for Blinker {
///     fn run(&self, context: TimerContext<'_, Self>) {
///         *self.times.lock_with(&context) += 1;
///     }
/// }
///
/// let blinker = KBox::pin_init(
///     Timer::new(pin_init!(Blinker {
///         times <- new_spinlock_bh!(0),
///     })),
///     GFP_KERNEL,
/// )?;
/// assert_eq!(*blinker.times.lock(), 0);
/// # Ok::<(), Error>(())
/// ```
pub type SpinLockBh<T> = Lock<T, SpinLockBhBackend>;

/// A [`Guard`] acquired from locking a [`SpinLockBh`].
pub type SpinLockBhGuard<'a, T> = Guard<'a, T, SpinLockBhBackend>;

/// A kernel `spinlock_t` lock backend that keeps bottom halves off.
pub struct SpinLockBhBackend;

// SAFETY: The underlying kernel `spinlock_t` object ensures mutual exclusion. `relock` uses the
// default implementation that always calls the same locking method.
unsafe impl Backend for SpinLockBhBackend {
    type State = kernel::bindings::spinlock_t;
    type GuardState = ();

    #[inline]
    unsafe fn init(
        ptr: *mut Self::State,
        name: *const c_char,
        key: *mut kernel::bindings::lock_class_key,
    ) {
        // SAFETY: The safety requirements ensure that `ptr` is valid for writes, and `name` and
        // `key` are valid for read indefinitely.
        unsafe { kernel::bindings::__spin_lock_init(ptr, name, key) }
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: The safety requirements of this function ensure that `ptr` points to valid
        // memory, and that it has been initialised before.
        unsafe { bindings::ktimer_spin_lock_bh(ptr) }
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, _guard_state: &Self::GuardState) {
        // SAFETY: The safety requirements of this function ensure that `ptr` is valid and that the
        // caller is the owner of the spinlock.
        unsafe { bindings::ktimer_spin_unlock_bh(ptr) }
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
        // SAFETY: The `ptr` pointer is guaranteed to be valid and initialized before use.
        let result = unsafe { bindings::ktimer_spin_trylock_bh(ptr) };

        (result != 0).then_some(())
    }

    #[inline]
    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // Where lockdep is not there to tell, it would be the call of an empty function.
        if cfg!(CONFIG_LOCKDEP) {
            // SAFETY: The `ptr` pointer is guaranteed to be valid and initialized before use.
            unsafe { kernel::bindings::spin_assert_is_held(ptr) }
        }
    }
}

/// The backend of the same lock where bottom halves are off already.
struct BhOffBackend;

// SAFETY: The underlying kernel `spinlock_t` object ensures mutual exclusion. `relock` uses the
// default implementation that always calls the same locking method.
unsafe impl Backend for BhOffBackend {
    type State = kernel::bindings::spinlock_t;
    type GuardState = ();

    #[inline]
    unsafe fn init(
        ptr: *mut Self::State,
        name: *const c_char,
        key: *mut kernel::bindings::lock_class_key,
    ) {
        // SAFETY: It has the requirements of this function.
        unsafe { SpinLockBhBackend::init(ptr, name, key) }
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: The safety requirements of this function ensure that `ptr` points to valid
        // memory, and that it has been initialised before.
        unsafe { bindings::ktimer_spin_lock(ptr) }
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, _guard_state: &Self::GuardState) {
        // SAFETY: The safety requirements of this function ensure that `ptr` is valid and that the
        // caller is the owner of the spinlock.
        unsafe { bindings::ktimer_spin_unlock(ptr) }
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
        // SAFETY: The `ptr` pointer is guaranteed to be valid and initialized before use.
        let result = unsafe { kernel::bindings::spin_trylock(ptr) };

        (result != 0).then_some(())
    }

    #[inline]
    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // SAFETY: It has the requirements of this function.
        unsafe { SpinLockBhBackend::assert_is_held(ptr) }
    }
}

/// What [`SpinLockBh`] can do beyond any other [`Lock`].
pub trait SpinLockBhExt<T: ?Sized> {
    /// Acquires the lock where bottom halves are disabled already, as they are in a timer's
    /// callback.
    ///
    /// The C function is `spin_lock()`.
    fn lock_with<'a>(&'a self, bh: &'a BhDisabled) -> NoWaitGuard<'a, T>;
}

/// A guard of a lock that was taken where the holder must not sleep.
///
/// It gives access to what the lock protects, and unlocks when it is dropped; but, unlike any other
/// [`Guard`], it can't be handed to [`CondVar::wait`](kernel::sync::CondVar::wait).
#[must_use = "the lock unlocks immediately when the guard is unused"]
pub struct NoWaitGuard<'a, T: ?Sized>(Guard<'a, T, BhOffBackend>);

impl<T: ?Sized> Deref for NoWaitGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized + Unpin> DerefMut for NoWaitGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: ?Sized> SpinLockBhExt<T> for SpinLockBh<T> {
    #[inline]
    fn lock_with<'a>(&'a self, _bh: &'a BhDisabled) -> NoWaitGuard<'a, T> {
        let lock: *const Self = self;
        // SAFETY: Both are `Lock`, which is `repr(C)`, with the same `T` and the same
        // `Backend::State`, so they have one layout; and both backends initialise the state the
        // same way. `spin_lock()` instead of `spin_lock_bh()` excludes the same holders; what it
        // leaves out, disabling bottom halves, `_bh` proves to be done for longer than the
        // reference, and any guard got through it, lives.
        let lock = unsafe { &*(lock as *const Lock<T, BhOffBackend>) };
        NoWaitGuard(lock.lock())
    }
}

/// Those who wait for something to change, in a call that sleeps or by `poll()`.
///
/// It is a [`CondVar`] that also serves files whose `poll()` is called. What that takes is
/// allocated by the first one who polls.
#[pin_data]
pub struct Waiters {
    #[pin]
    sleepers: CondVar,
    #[pin]
    registering: Mutex<()>,
    pollers: SetOnce<Pin<KBox<Pollers>>>,
}

impl Waiters {
    /// Nobody yet.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            sleepers <- new_condvar!("Waiters"),
            registering <- new_mutex!(()),
            pollers: SetOnce::new(),
        })
    }

    /// Releases the lock, sleeps until there is a notification or a signal, and takes the lock
    /// again.
    ///
    /// Returns whether there is a signal. It may wake up for no reason. See
    /// [`CondVar::wait_interruptible`].
    #[must_use = "wait_interruptible returns if a signal is pending, so the caller must check"]
    pub fn wait_interruptible<T: ?Sized, B: Backend>(&self, guard: &mut Guard<'_, T, B>) -> bool {
        self.sleepers.wait_interruptible(guard)
    }

    /// Has whoever polls woken by the next notification. To be called before looking, under the
    /// lock that goes with it, whether what is waited for is there already.
    ///
    /// May sleep. Fails with `ENOMEM`. The C function is `poll_wait()`.
    pub fn register(&self, table: &PollTable<'_>) -> Result {
        let one_by_one = self.registering.lock();
        if self.pollers.as_ref().is_none() {
            let new = KBox::pin_init(Pollers::new(), GFP_KERNEL_ACCOUNT)?;
            self.pollers.populate(new);
        }
        drop(one_by_one);
        let pollers = self.pollers.as_ref().ok_or(EINVAL)?;
        // SAFETY: By the type invariant of `PollTable` the file and the table are valid. The queue
        // is initialised, and does not go before whoever is put on it here has left it: the
        // destructor of `Pollers` waits for that.
        unsafe { kernel::bindings::poll_wait(table.file, pollers.queue.get(), table.table) };
        Ok(())
    }

    /// Wakes all of them. May be called from any context, but for hard interrupts on PREEMPT_RT.
    pub fn notify_all(&self) {
        self.sleepers.notify_all();
        if let Some(pollers) = self.pollers.as_ref() {
            pollers.wake(0);
        }
    }
}

/// A call of `poll()` on a file: C's `struct poll_table_struct`, and the file.
///
/// # Invariants
///
/// `file` is a file that is open during `'a`, and `table` null or a poll table, valid during `'a`.
pub struct PollTable<'a> {
    file: *mut kernel::bindings::file,
    table: *mut kernel::bindings::poll_table_struct,
    _lifetime: PhantomData<&'a ()>,
}

impl PollTable<'_> {
    /// From what C's `poll` operation gets.
    ///
    /// # Safety
    ///
    /// The invariants of the type must hold.
    pub(crate) unsafe fn from_raw(
        file: *mut kernel::bindings::file,
        table: *mut kernel::bindings::poll_table_struct,
    ) -> Self {
        // INVARIANT: By the requirement of this function.
        Self {
            file,
            table,
            _lifetime: PhantomData,
        }
    }
}

/// A wait queue for those who poll a file.
///
/// The queue of a file that is closed is empty. But the files of a `/proc` entry that is removed
/// are released while others still have them open, and poll them. `PollCondVar` of the kernel crate
/// is not made for that: it gets rid of `epoll` and its like, but not of `poll()` and `select()`,
/// whose callers leave by themselves when they are woken. This one waits until they have.
///
/// # Invariants
///
/// `queue` is initialised.
#[pin_data(PinnedDrop)]
struct Pollers {
    #[pin]
    queue: Opaque<kernel::bindings::wait_queue_head>,
}

// SAFETY: A wait queue may be used from any thread.
unsafe impl Send for Pollers {}

// SAFETY: As above, and it has a lock.
unsafe impl Sync for Pollers {}

impl Pollers {
    fn new() -> impl PinInit<Self> {
        let key = kernel::static_lock_class!();
        pin_init!(Self {
            // INVARIANT: This initialises it.
            queue <- Opaque::ffi_init(move |slot| {
                // SAFETY: `slot` is valid for writes; the name and the key are statics.
                unsafe {
                    kernel::bindings::__init_waitqueue_head(
                        slot,
                        c"Pollers".as_char_ptr(),
                        key.as_ptr(),
                    )
                }
            }),
        })
    }

    /// Wakes all of them, and tells them what for: 0 is anything.
    fn wake(&self, events: usize) {
        // SAFETY: By the type invariant the queue is initialised. The key is not a pointer that is
        // followed, but events.
        unsafe {
            kernel::bindings::__wake_up(
                self.queue.get(),
                kernel::bindings::TASK_NORMAL,
                0,
                ptr::without_provenance_mut(events),
            )
        };
    }

    fn is_empty(&self) -> bool {
        // SAFETY: By the type invariant the queue is initialised.
        unsafe { bindings::ktimer_wait_queue_is_empty(self.queue.get()) }
    }
}

#[pinned_drop]
impl PinnedDrop for Pollers {
    fn drop(self: Pin<&mut Self>) {
        if self.is_empty() {
            return;
        }
        loop {
            self.wake(bindings::KTIMER_POLL_GONE as usize);
            if self.is_empty() {
                break;
            }
            // SAFETY: A span of one tick is not negative, and a file is released where sleeping is
            // allowed.
            unsafe { kernel::bindings::schedule_timeout_uninterruptible(1) };
        }
        // SAFETY: It may be called where sleeping is allowed. Those whom `POLLFREE` removes may
        // look at the queue in an RCU read-side critical section that has begun before.
        unsafe { kernel::bindings::synchronize_rcu_expedited() };
    }
}
