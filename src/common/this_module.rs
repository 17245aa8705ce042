// SPDX-License-Identifier: GPL-2.0

//! The module that this code is linked into.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use crate::bindings;
use kernel::prelude::*;

/// C's `THIS_MODULE`.
fn this_module() -> *mut bindings::module {
    (&raw const bindings::__this_module).cast_mut()
}

/// Whether the module is neither being loaded nor unloaded. Loading can fail yet, and then nobody
/// who has a reference is waited for.
pub(crate) fn is_loaded() -> bool {
    // SAFETY: It is the module that is running this.
    unsafe { bindings::module_is_loaded(this_module()) }
}

/// The module's name, a C string.
pub(crate) fn name() -> *const c_char {
    // SAFETY: The module is running this.
    unsafe { (&raw const (*this_module()).name).cast() }
}

/// A reference to the module, which can't be unloaded while there is one.
///
/// It is to be dropped only in a call that unloading waits for otherwise.
///
/// # Invariants
///
/// It owns a count that `try_module_get()` took.
pub(crate) struct Held(());

impl Held {
    /// Takes one; `None` if the module is being unloaded.
    pub(crate) fn get() -> Option<Self> {
        // SAFETY: It is the module that is running this.
        let taken = unsafe { bindings::try_module_get(this_module()) };
        // INVARIANT: It was taken. (Not `then_some`, which makes one, and drops it, if it was not.)
        taken.then(|| Self(()))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: By the type invariant there is a count to give back.
        unsafe { bindings::module_put(this_module()) }
    }
}
