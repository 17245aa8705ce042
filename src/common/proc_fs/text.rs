// SPDX-License-Identifier: GPL-2.0

//! Files that show one text, as it is when they are read.

use super::{
    Entry,
    Shared, //
};
use crate::bindings;
use core::ptr;
use kernel::{
    prelude::*,
    seq_file::SeqFile, //
};
use ktimer::time::timer::Timer;

/// What such a file shows.
pub trait Show: Send + Sync + 'static {
    /// Writes it out. May sleep. If `m` has no room for it, this is called again with more room.
    fn show(&self, m: &SeqFile);
}

/// A timer shows its state.
impl<T: Show> Show for Timer<T> {
    fn show(&self, m: &SeqFile) {
        T::show(self, m);
    }
}

impl<T: Show> Entry<T> {
    /// Makes `/proc/<name>` show the whole of something, at once. May sleep.
    ///
    /// Fails with `EEXIST` if the name is taken, or with `ENOMEM`. The C function is
    /// `proc_create_single_data()`.
    pub fn text(name: &CStr, shown: impl PinInit<T>) -> Result<Self> {
        let top = ptr::null_mut();
        // SAFETY: `show` is given the entry's data.
        unsafe {
            Self::new(name, shown, |name, data| {
                bindings::proc_create_single_data(name, 0o444, top, Some(show::<T>), data)
            })
        }
    }
}

/// # Safety
///
/// `m` must be in use by this call only, and its `private` be the data of an entry of a `T`.
unsafe extern "C" fn show<T: Show>(m: *mut bindings::seq_file, _: *mut c_void) -> c_int {
    // SAFETY: The data is a `Shared<T>`, which lives while the entry does; removing that waits for
    // this call, and only this call uses `m` now.
    unsafe {
        (*(*m).private.cast::<Shared<T>>())
            .data
            .show(SeqFile::from_raw(m))
    };
    0
}
