// SPDX-License-Identifier: GPL-2.0

//! Waiting for something to change.
//!
//! [`Waiters`] wait for something that may come at any time, as data in a timer's callback; a
//! [`Stop`] tells those who wait, for that or for time to pass, when to give up.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)

use crate::bindings;
use core::ptr;
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque, //
};
use ktimer::time::delta::JiffiesDelta;

/// Those who wait for something to change: C's `wait_queue_head_t`.
///
/// # Invariants
///
/// `queue` is initialised.
#[pin_data]
pub struct Waiters {
    #[pin]
    queue: Opaque<bindings::wait_queue_head>,
}

// SAFETY: A wait queue may be used from any thread.
unsafe impl Send for Waiters {}

// SAFETY: As above, and it has a lock.
unsafe impl Sync for Waiters {}

impl Waiters {
    /// Nobody yet.
    pub fn new() -> impl PinInit<Self> {
        let key = kernel::static_lock_class!();
        pin_init!(Self {
            // INVARIANT: This initialises it.
            queue <- Opaque::ffi_init(move |slot| {
                let name = c"Waiters".as_char_ptr();
                // SAFETY: `slot` is valid for writes; the name and the key are statics.
                unsafe { bindings::__init_waitqueue_head(slot, name, key.as_ptr()) }
            }),
        })
    }

    /// Wakes all of them, if there are any, to look again. May be called from any context, but for
    /// hard interrupts on PREEMPT_RT.
    ///
    /// The C macros are `wq_has_sleeper()` and `wake_up_all()`.
    #[inline]
    pub fn notify_all(&self) {
        let any = ptr::null_mut();
        // SAFETY: By the type invariant the queue is initialised; no key stands for any event.
        // `wq_has_sleeper()` has the barrier that orders what has changed before it looks.
        unsafe {
            if bindings::wq_has_sleeper(self.as_raw()) {
                bindings::__wake_up(self.as_raw(), bindings::TASK_NORMAL, 0, any);
            }
        }
    }

    pub(crate) fn as_raw(&self) -> *mut bindings::wait_queue_head {
        self.queue.get()
    }
}

/// Tells those who wait when to give up: at a signal, or when it is requested.
#[pin_data]
pub struct Stop {
    requested: Atomic<bool>,
    #[pin]
    waiters: Waiters,
}

impl Stop {
    /// Not requested yet.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            requested: Atomic::new(false),
            waiters <- Waiters::new(),
        })
    }

    /// Has all who wait give up, now and in future.
    pub fn request(&self) {
        self.requested.store(true, Relaxed);
        self.waiters.notify_all();
    }

    /// Whether it was requested. May be called from any context.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Relaxed)
    }

    /// Fails with `ENODEV` if it was requested, and with `ERESTARTSYS` if there is a signal.
    pub fn check(&self) -> Result {
        match () {
            () if self.is_requested() => Err(ENODEV),
            () if kernel::current!().signal_pending() => Err(ERESTARTSYS),
            () => Ok(()),
        }
    }

    /// Sleeps for a span of time. Fails as [`check`](Self::check) does.
    ///
    /// The C macro is `wait_event_interruptible_timeout()`.
    pub fn sleep(&self, span: JiffiesDelta) -> Result {
        self.wait(None, span.as_ticks() as c_long, || false)?;
        match self.is_requested() {
            true => Err(ENODEV),
            false => Ok(()),
        }
    }

    /// Sleeps until a condition holds, which must not sleep, or it is requested to stop: then the
    /// condition may or may not hold. It is looked at whenever `waiters` are notified. Fails with
    /// `ERESTARTSYS` at a signal, unless it holds.
    ///
    /// The C macro is `wait_event_interruptible()`.
    pub fn wait_for(&self, waiters: &Waiters, condition: impl Fn() -> bool) -> Result {
        self.wait(Some(waiters), c_long::MAX, condition)
    }

    fn wait<F: Fn() -> bool>(
        &self,
        waiters: Option<&Waiters>,
        ticks: c_long,
        condition: F,
    ) -> Result {
        /// # Safety
        ///
        /// `data` must point to a `(&Stop, F)`.
        unsafe extern "C" fn holds<F: Fn() -> bool>(data: *const c_void) -> bool {
            // SAFETY: By the requirement of this function.
            let (stop, condition) = unsafe { &*data.cast::<(&Stop, F)>() };
            stop.is_requested() || condition()
        }

        let data = (self, condition);
        // SAFETY: By their type invariants the queues are initialised. They, and the data, are
        // borrowed for longer than this call.
        match unsafe {
            bindings::wait_event_on_two(
                self.waiters.as_raw(),
                waiters.map_or(ptr::null_mut(), Waiters::as_raw),
                Some(holds::<F>),
                ptr::from_ref(&data).cast(),
                ticks,
            )
        } {
            ..0 => Err(ERESTARTSYS),
            _ => Ok(()),
        }
    }
}
