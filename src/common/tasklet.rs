// SPDX-License-Identifier: GPL-2.0

//! Tasklets: run a function once, in softirq context, as soon as can be.
//!
//! A [`Tasklet<T>`] is to a `struct tasklet_struct` what a [`Timer<T>`](ktimer::time::timer::Timer)
//! is to a `struct timer_list`: it owns the state that its callback works on, and dropping it waits
//! for the callback. New code in the kernel is to use work on a bottom-half workqueue
//! ([`workqueue::system_bh`](kernel::workqueue::system_bh)) instead; tasklets are here to be looked
//! at.
//!
//! C header: [`include/linux/interrupt.h`](srctree/include/linux/interrupt.h)

use crate::bindings;
use core::ops::Deref;
use kernel::{
    prelude::*,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};
use ktimer::interrupt::BhDisabled;

/// When a tasklet gets its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Priority {
    /// After timers, and after network and block devices.
    Normal,
    /// Before all of these.
    High,
}

/// The state of a tasklet, and what is done when it runs.
pub trait TaskletCallback: Sync + Sized + 'static {
    /// Runs each time that the tasklet was scheduled, on the CPU that did so.
    ///
    /// It runs in softirq context, so it must not sleep. No two CPUs run it at once.
    ///
    /// C's counterpart is the `callback` of a `struct tasklet_struct`.
    fn run(&self, context: TaskletContext<'_, Self>);
}

/// A tasklet and the state that its callback works on.
///
/// It must not be dropped in atomic context: the destructor waits until the callback neither runs
/// nor is about to (`tasklet_kill()`).
///
/// # Invariants
///
/// `tasklet` was initialised by `tasklet_setup()` with `Self::callback` as its function, and has
/// not moved since.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub struct Tasklet<T> {
    #[pin]
    tasklet: Opaque<kernel::bindings::tasklet_struct>,
    #[pin]
    state: T,
}

// SAFETY: All operations on a `tasklet_struct` may be done from any thread. The state goes where
// the tasklet goes.
unsafe impl<T: Send> Send for Tasklet<T> {}

// SAFETY: As above, and all that a shared reference gives of the state is `&T`.
unsafe impl<T: Sync> Sync for Tasklet<T> {}

impl<T: TaskletCallback> Tasklet<T> {
    /// An initialiser of a tasklet that is not scheduled, with the given state.
    ///
    /// The C function is `tasklet_setup()`.
    pub fn new(state: impl PinInit<T>) -> impl PinInit<Self> {
        pin_init!(Self {
            state <- state,
            // INVARIANT: This is the initialisation, and what is pinned does not move.
            tasklet <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is valid for writes while the closure runs.
                unsafe { kernel::bindings::tasklet_setup(slot, Some(Self::callback)) }
            }),
        })
    }

    /// What the tasklet core calls.
    ///
    /// # Safety
    ///
    /// `tasklet` must be the `tasklet` of a live `Tasklet<T>`, and this be the core's call of it.
    unsafe extern "C" fn callback(tasklet: *mut kernel::bindings::tasklet_struct) {
        // SAFETY: It is the first field of a `repr(C)` `Tasklet<T>`, which is alive: its destructor
        // waits for this function to return. Nobody has an exclusive reference to it.
        let tasklet = unsafe { &*tasklet.cast::<Self>() };
        // INVARIANT: This is the callback, and the context can't outlive this call.
        tasklet.state.run(TaskletContext {
            tasklet,
            _not_send: NotThreadSafe,
        });
    }

    /// Has the callback run soon, once, on this CPU; does nothing if it is about to.
    ///
    /// The C functions are `tasklet_schedule()` and `tasklet_hi_schedule()`; may be called from any
    /// context.
    pub fn schedule(&self, priority: Priority) {
        let schedule = match priority {
            Priority::Normal => bindings::tasklet_schedule,
            Priority::High => bindings::tasklet_hi_schedule,
        };
        // SAFETY: By the type invariant the tasklet is initialised.
        unsafe { schedule(self.tasklet.get()) }
    }
}

impl<T> Deref for Tasklet<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.state
    }
}

#[pinned_drop]
impl<T> PinnedDrop for Tasklet<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant the tasklet is initialised. Nobody else has a reference, so
        // only the callback can schedule it, and while this waits that has no effect.
        unsafe { kernel::bindings::tasklet_kill(self.tasklet.get()) };
    }
}

/// What the callback of a tasklet may do while it runs. It stands for [`BhDisabled`].
///
/// # Invariants
///
/// The callback of `tasklet` is running on this CPU, and does so as long as this exists.
pub struct TaskletContext<'a, T> {
    tasklet: &'a Tasklet<T>,
    _not_send: NotThreadSafe,
}

impl<T: TaskletCallback> TaskletContext<'_, T> {
    /// Has the callback run again. See [`Tasklet::schedule`].
    pub fn schedule(&self, priority: Priority) {
        self.tasklet.schedule(priority);
    }
}

impl<T> Deref for TaskletContext<'_, T> {
    type Target = BhDisabled;

    fn deref(&self) -> &BhDisabled {
        // SAFETY: By the type invariant the callback is running on this CPU while `self` exists;
        // tasklets run in softirq context.
        unsafe { BhDisabled::assume_disabled() }
    }
}
