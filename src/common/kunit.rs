// SPDX-License-Identifier: GPL-2.0

//! What KUnit has beyond the `#[kunit_tests]` of the kernel crate.
//!
//! C header: [`include/kunit/test.h`](srctree/include/kunit/test.h)

use crate::bindings;
use kernel::prelude::*;

/// Has the test that this task is running, if there is one, reported as skipped, and why. The test
/// goes on; it is to return at once.
///
/// The C macro is `kunit_mark_skipped()`.
pub fn mark_skipped(why: &CStr) {
    // SAFETY: `why` is a C string, which is only read. The test that a task is running, if any,
    // lives for as long as it does.
    unsafe { bindings::kunit_mark_skipped(why.as_char_ptr()) }
}
