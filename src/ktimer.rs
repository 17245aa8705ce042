// SPDX-License-Identifier: GPL-2.0

//! Kernel timers, and what a module needs around them.
//!
//! - [`timer`]: [`Timer<T>`](timer::Timer), the kernel's `struct timer_list` together with the
//!   state that its callback works on.
//! - [`jiffies`]: the time that kernel timers are set in.
//! - [`sync`]: a spinlock for state that a timer's callback and a process share.
//! - [`context`]: where the code that asks is running.
//! - [`tasklet`]: tasklets, to compare with.
//! - [`time`]: other clocks, and waiting.
//! - [`proc_fs`]: files under `/proc`, read by way of `seq_file`.
//! - [`series`]: samples of where code runs, taken in softirqs and shown in such a file.
//! - [`mod@module_param`]: module parameters that know their range.
//!
//! Every module of this repository compiles against this crate and links its one object.

mod compat;
pub mod context;
pub mod jiffies;
pub mod module_param;
pub mod proc_fs;
pub mod series;
pub mod sync;
pub mod tasklet;
pub mod time;
pub mod timer;

#[allow(
    clippy::all,
    improper_ctypes,
    missing_docs,
    non_upper_case_globals,
    unreachable_pub
)]
mod bindings {
    //! What the bindings of the kernel crate lack, by `bindgen` from `src/bindings_helper.h`.

    use kernel::{bindings::*, ffi};
    use pin_init::MaybeZeroable;
    include!(env!("KTIMER_BINDINGS"));
}

/// The names that most users of this crate want.
pub mod prelude {
    pub use crate::{
        jiffies::{
            Jiffies,
            JiffiesDelta, //
        },
        module_param, new_spinlock_bh,
        sync::{
            SpinLockBh,
            SpinLockBhExt as _, //
        },
        timer::{
            Timer,
            TimerCallback,
            TimerContext, //
        },
    };
}
