// SPDX-License-Identifier: GPL-2.0

//! Kernel timers: run a function once, in softirq context, after a number of jiffies.
//!
//! A [`Timer<T>`](time::timer::Timer) is the kernel's `struct timer_list` together with a `T`, the
//! state that its callback works on. This is its life:
//!
//! - [`new_timer!`] makes it, in a place that is pinned: a `KBox`, an `Arc`, a field of a struct,
//!   the stack.
//! - [`arm`](time::timer::Timer::arm) has it expire at a point in time, and moves that if the timer
//!   is pending already.
//! - When it expires, [`TimerCallback::run`](time::timer::TimerCallback::run) gets the state, and a
//!   [`TimerContext`](time::timer::TimerContext), by which it can
//!   [arm the timer again](time::timer::TimerContext::rearm).
//! - [`cancel`](time::timer::Timer::cancel) takes it back;
//!   [`cancel_sync`](time::timer::Timer::cancel_sync) also waits for a callback that is running.
//! - Dropping it cancels it, waits for the callback, and refuses all arming from then on, whoever
//!   tries; then the state goes.
//!
//! This module counts seconds and says every tenth. What the callback and others both change is
//! under a lock that keeps softirqs, and so the callback, off the CPU of who holds it:
//!
//! ```
//! # mod heart {
//! # use kernel::prelude::*;
//! use ktimer::prelude::*;
//!
//! #[pin_data]
//! struct Beat {
//!     #[pin]
//!     count: SpinLockBh<usize>,
//! }
//!
//! impl TimerCallback for Beat {
//!     fn run(&self, context: TimerContext<'_, Self>) {
//!         // A second after it was due, not after now: it does not drift.
//!         let missed = context.rearm(JiffiesDelta::SECOND);
//!
//!         let mut count = self.count.lock_with(&context);
//!         *count += 1 + missed;
//!         if *count % 10 == 0 {
//!             pr_info!("{} seconds\n", *count);
//!         }
//!     }
//! }
//!
//! struct Heart {
//!     beat: Pin<KBox<Timer<Beat>>>,
//! }
//!
//! impl kernel::Module for Heart {
//!     fn init(_module: &'static ThisModule) -> Result<Self> {
//!         let beat = new_timer!(pin_init!(Beat { count <- new_spinlock_bh!(0) }));
//!         let beat = KBox::pin_init(beat, GFP_KERNEL)?;
//!         beat.arm(Jiffies::now() + JiffiesDelta::SECOND);
//!         Ok(Self { beat })
//!     }
//! }
//!
//! impl Drop for Heart {
//!     fn drop(&mut self) {
//!         pr_info!("{} seconds in all\n", *self.beat.count.lock());
//!         // Then `beat` is dropped.
//!     }
//! }
//! # }
//! ```
//!
//! Where to read on:
//!
//! - [`time::timer`]: all that a timer can do, several timers on one state, how late a timer may
//!   be, why this is sound, the hard cases, and a table of the C functions.
//! - [`time::jiffies`]: points in time; [`time::delta`]: spans.
//! - [`sync`]: the lock.
//! - [`interrupt`]: proofs that something can't interrupt, as the lock asks for.
//! - [`extra`]: what else C has for timers, and few need.
//!
//! The files have the places and names that they would have in the kernel's `rust/`.

#[cfg(not(CONFIG_SMP))]
compile_error!(
    "ktimer needs a kernel with CONFIG_SMP: without it spinlocks exclude nobody, so that who locks one \
     twice gets a second exclusive reference to what it guards"
);

pub mod extra;
pub mod interrupt;

pub mod sync {
    //! A spinlock for state that processes and softirqs share.

    pub mod lock {
        //! Backends of [`Lock`](kernel::sync::lock::Lock).

        pub mod spinlock;
    }

    pub use lock::spinlock::{
        SpinLockBh,
        SpinLockBhBackend,
        SpinLockBhExt,
        SpinLockBhGuard, //
    };
}

pub mod time {
    //! Timers, and the time that they are set in.

    pub mod delta;
    pub mod jiffies;
    pub mod timer;
}

#[allow(
    clippy::all,
    improper_ctypes,
    missing_docs,
    non_upper_case_globals,
    unreachable_pub
)]
mod bindings {
    //! The bindings of the kernel crate, and what they lack, by `bindgen` from
    //! `bindings/bindings_helper.h`.

    pub(crate) use kernel::bindings::*;

    use kernel::ffi;
    include!(env!("KTIMER_BINDINGS"));
}

/// The names that most users of this crate want.
pub mod prelude {
    pub use crate::{
        new_spinlock_bh, new_timer,
        sync::{
            SpinLockBh,
            SpinLockBhExt as _, //
        },
        time::{
            delta::JiffiesDelta,
            jiffies::Jiffies,
            timer::{
                Timer,
                TimerCallback,
                TimerContext, //
            },
        },
    };
}
