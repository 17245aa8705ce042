// SPDX-License-Identifier: GPL-2.0

//! A spinlock for state that processes and softirqs share.
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
    interrupt::BhDisabled, //
};
use core::ops::{
    Deref,
    DerefMut, //
};
use kernel::{
    prelude::*,
    sync::lock::{
        Backend,
        Guard,
        Lock, //
    }, //
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
/// Neither may be used in a hard interrupt, nor `lock()` with interrupts disabled: to release it
/// may run softirqs, and enables interrupts for that. On PREEMPT_RT the lock may sleep, and others
/// may run softirqs on this CPU meanwhile: those that take the lock wait for it.
///
/// # Examples
///
/// ```
/// # use kernel::prelude::*;
/// # use ktimer::prelude::*;
/// use ktimer::interrupt::BhDisabled;
///
/// /// For process context.
/// fn increment(count: &SpinLockBh<u32>) -> u32 {
///     let mut guard = count.lock();
///     *guard += 1;
///     *guard
/// }
///
/// /// For softirqs, and where bottom halves are disabled.
/// fn increment_in_softirq(count: &SpinLockBh<u32>, bh: &BhDisabled) {
///     *count.lock_with(bh) += 1;
/// }
///
/// let count = KBox::pin_init(new_spinlock_bh!(0), GFP_KERNEL)?;
/// assert_eq!(increment(&count), 1);
/// # let _ = increment_in_softirq;
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
        // With interrupts disabled, unlocking would enable softirqs, and so interrupts.
        #[cfg(CONFIG_PROVE_LOCKING)]
        // SAFETY: It only looks at this CPU's state.
        unsafe {
            bindings::lockdep_assert_irqs_enabled()
        };

        // SAFETY: The safety requirements of this function ensure that `ptr` points to valid
        // memory, and that it has been initialised before.
        unsafe { bindings::spin_lock_bh(ptr) }
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, _guard_state: &Self::GuardState) {
        // SAFETY: The safety requirements of this function ensure that `ptr` is valid and that the
        // caller is the owner of the spinlock.
        unsafe { bindings::spin_unlock_bh(ptr) }
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
        // SAFETY: The `ptr` pointer is guaranteed to be valid and initialized before use.
        let result = unsafe { bindings::spin_trylock_bh(ptr) };

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
        unsafe { bindings::spin_lock(ptr) }
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, _guard_state: &Self::GuardState) {
        // SAFETY: The safety requirements of this function ensure that `ptr` is valid and that the
        // caller is the owner of the spinlock.
        unsafe { bindings::spin_unlock(ptr) }
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

    /// Tries to acquire the lock where bottom halves are disabled already.
    ///
    /// The C function is `spin_trylock()`.
    // `Option<T>` is not `#[must_use]` even if `T` is, thus the attribute is needed here.
    #[must_use = "if unused, the lock will be immediately unlocked"]
    fn try_lock_with<'a>(&'a self, bh: &'a BhDisabled) -> Option<NoWaitGuard<'a, T>>;
}

impl<T: ?Sized> SpinLockBhExt<T> for SpinLockBh<T> {
    #[inline]
    fn lock_with<'a>(&'a self, bh: &'a BhDisabled) -> NoWaitGuard<'a, T> {
        NoWaitGuard(as_lock_with_bh_off(self, bh).lock())
    }

    #[inline]
    fn try_lock_with<'a>(&'a self, bh: &'a BhDisabled) -> Option<NoWaitGuard<'a, T>> {
        as_lock_with_bh_off(self, bh).try_lock().map(NoWaitGuard)
    }
}

/// The same lock, for as long as bottom halves are off.
#[inline]
fn as_lock_with_bh_off<'a, T: ?Sized>(
    lock: &'a SpinLockBh<T>,
    _bh: &'a BhDisabled,
) -> &'a Lock<T, BhOffBackend> {
    let lock: *const SpinLockBh<T> = lock;
    // SAFETY: Both are `Lock`, which is `repr(C)`, with the same `T` and the same `Backend::State`,
    // so they have one layout; and both backends initialise the state the same way. `spin_lock()`
    // instead of `spin_lock_bh()` excludes the same holders; what it leaves out, disabling bottom
    // halves, `_bh` proves to be done for longer than the reference, and any guard got through it,
    // lives.
    unsafe { &*(lock as *const Lock<T, BhOffBackend>) }
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
