// SPDX-License-Identifier: GPL-2.0

//! Waiting for a change, in a call that sleeps or by `poll()`.

use crate::bindings;
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        lock::{
            Backend,
            Guard, //
        },
        CondVar,
        Mutex,
        SetOnce, //
    },
    types::Opaque, //
};

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
        unsafe { bindings::wait_queue_is_empty(self.queue.get()) }
    }
}

#[pinned_drop]
impl PinnedDrop for Pollers {
    fn drop(self: Pin<&mut Self>) {
        if self.is_empty() {
            return;
        }
        loop {
            self.wake(bindings::COMMON_POLL_GONE as usize);
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
