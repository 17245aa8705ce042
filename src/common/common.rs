// SPDX-License-Identifier: GPL-2.0

//! What the modules of this repository share, on top of the library.
//!
//! - [`proc_fs`]: files under `/proc`, whole at once or live.
//! - [`seq_file`]: text that is written often.
//! - [`viewer`]: who opens such a file, and which tasks that one may see.
//! - [`mod@module_param`]: module parameters that know their range.
//! - [`wait`]: waiting for something to change.
//! - [`tasklet`]: tasklets, to compare with timers.
//! - [`context`]: where the code that asks is running.
//! - [`time`]: other clocks than jiffies, and letting time pass.
//! - [`kunit`]: tests that skip themselves.

pub mod context;
pub mod kunit;
pub mod module_param;
pub mod proc_fs;
pub mod seq_file;
pub mod tasklet;
mod this_module;
pub mod time;
pub mod viewer;
pub mod wait;

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
    use pin_init::MaybeZeroable;
    include!(env!("KTIMER_BINDINGS"));
}
