// SPDX-License-Identifier: GPL-2.0

//! Files that show one text, as it is when they are read.

use super::{
    read_pages,
    seq_read,
    Entry,
    Shared, //
};
use crate::{
    bindings,
    this_module, //
};
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
    /// Fails with `EEXIST` if the name is taken, or with `ENOMEM`. The C functions are
    /// `proc_create_data()` and `single_open()`.
    pub fn text(name: &CStr, shown: impl PinInit<T>) -> Result<Self> {
        let top = ptr::null_mut();
        // SAFETY: The operations are a static, and are given the entry's data.
        unsafe {
            Self::new(name, shown, |name, data| {
                bindings::proc_create_data(name, 0o444, top, Self::PROC, data)
            })
        }
    }

    const PROC: &'static bindings::proc_ops = &bindings::proc_ops {
        proc_open: Some(open::<T>),
        proc_read_iter: Some(read_iter),
        proc_lseek: Some(bindings::seq_lseek),
        proc_release: Some(bindings::single_release),
        ..pin_init::zeroed()
    };
}

/// # Safety
///
/// They must be those of a file that is being opened, of an entry of a `T`.
unsafe extern "C" fn open<T: Show>(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    if !this_module::is_loaded() {
        return ENOENT.to_errno();
    }
    // SAFETY: The file is being opened, and `show` is given the entry's data.
    unsafe { bindings::single_open(file, Some(show::<T>), bindings::pde_data(inode)) }
}

/// # Safety
///
/// It must be a read of a file that [`open`] opened.
unsafe extern "C" fn read_iter(iocb: *mut bindings::kiocb, iter: *mut bindings::iov_iter) -> isize {
    // SAFETY: These are the arguments of the call, of a file that `single_open()` has opened. What
    // fails with `EFAULT` has read nothing, so there is room still.
    match unsafe { read_pages(iter, |_| seq_read(iocb, iter)) } {
        Ok(read) => read as isize,
        Err(error) => error.to_errno() as isize,
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
