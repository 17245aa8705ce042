// SPDX-License-Identifier: GPL-2.0

//! Indirect calls on purpose of functions that have another type, for tests/test_cfi.py to see that
//! kCFI reports them: of a Rust function by Rust and, with the parameter `c`, by C, as a callback.

use common::module_param;
use core::{
    hint::black_box,
    mem::transmute,
    ptr, //
};
use kernel::{
    bindings,
    prelude::*, //
};

module! {
    type: Cfi,
    name: "ktimer_cfi",
    authors: ["The jitimer authors"],
    description: "Wrong indirect calls, to see that the kernel reports them",
    license: "GPL",
}

module_param! {
    /// Who makes the call.
    static C: c = 0, 0..=1, "whether C makes the call";
}

fn called_by_rust(_: &usize) {}

extern "C" fn called_by_c(_: usize) {}

struct Cfi;

impl kernel::Module for Cfi {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        if C.value() == 0 {
            // SAFETY: None; but all that has to fit does, and nothing is done with the argument.
            let function: fn(usize) = unsafe { transmute(called_by_rust as fn(&usize)) };
            black_box(function)(0);
        } else {
            // SAFETY: As above.
            let function: unsafe extern "C" fn(*mut c_void) =
                unsafe { transmute(called_by_c as extern "C" fn(usize)) };
            // SAFETY: There is such a CPU, and it may be waited for here.
            unsafe { bindings::smp_call_function_single(0, Some(function), ptr::null_mut(), true) };
        }
        Ok(Self)
    }
}
