// SPDX-License-Identifier: GPL-2.0

//! Kernel timers, and what a module needs around them.
//!
//! - [`time::timer`]: [`Timer<T>`](time::timer::Timer), the kernel's `struct timer_list` together
//!   with the state that its callback works on.
//! - [`time::jiffies`]: the time that kernel timers are set in.
//! - [`sync`]: a spinlock for state that a timer's callback and a process share.
//! - [`interrupt`]: proofs that something can't interrupt.
//!
//! The files have the places and names that they would have in the kernel's `rust/`.

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
        new_spinlock_bh,
        sync::{
            SpinLockBh,
            SpinLockBhExt as _, //
        },
        time::{
            jiffies::{
                Jiffies,
                JiffiesDelta, //
            },
            timer::{
                Timer,
                TimerCallback,
                TimerContext, //
            },
        },
    };
}
