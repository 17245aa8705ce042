// SPDX-License-Identifier: GPL-2.0

//! Files under `/proc`, whose text `seq_file` keeps.
//!
//! There are two kinds. A [text](Entry::text) is whole at once, and an ordinary file: it can be
//! sought, and read again. A [stream](Entry::stream) goes on while it is read, as `trace_pipe` and
//! `/dev/kmsg` do: it can't be sought.
//!
//! C header: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h)

mod stream;
mod text;

pub use stream::Records;
pub use text::Show;

use crate::{
    bindings,
    this_module,
    wait::Stop, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A file under `/proc`, which all may read. It belongs into the module's struct.
///
/// While its module is being loaded or unloaded, it can't be opened (`ENOENT`).
///
/// Dropping it takes the name away and ends all reading, whoever still has a descriptor: who waits
/// in `read()` gets the end of the file, and who calls it later `EIO`, from procfs.
///
/// # Invariants
///
/// `entry` is registered, with `shared` for its data.
pub struct Entry<D> {
    entry: NonNull<bindings::proc_dir_entry>,
    shared: Pin<KBox<Shared<D>>>,
}

/// What the file's operations get.
#[pin_data]
struct Shared<D> {
    #[pin]
    data: D,
    /// Requested when the file goes.
    #[pin]
    stop: Stop,
}

// SAFETY: A `proc_dir_entry` may be removed from any thread, and a `KBox` sent where its content
// may be.
unsafe impl<D: Send> Send for Entry<D> {}

// SAFETY: A shared reference gives access to no more than one to the data.
unsafe impl<D: Sync> Sync for Entry<D> {}

impl<D: Send + Sync + 'static> Entry<D> {
    /// Fails with `EEXIST`, and a line in the kernel log, if the name is taken; with `ENOMEM`, or
    /// if it can't be one. procfs itself says WARN to a name that is taken, so that is looked up
    /// before; and after, if another took it meanwhile.
    ///
    /// # Safety
    ///
    /// `register` must be one of C's `proc_create_*()`, with operations that take a pointer to a
    /// `Shared<D>` for the entry's data.
    unsafe fn new(
        name: &CStr,
        data: impl PinInit<D>,
        register: impl FnOnce(*const c_char, *mut c_void) -> *mut bindings::proc_dir_entry,
    ) -> Result<Self> {
        let shared = pin_init!(Shared { data <- data, stop <- Stop::new() });
        let shared = KBox::pin_init(shared, GFP_KERNEL)?;
        let name_ptr = name.as_char_ptr();
        // SAFETY: The name is a C string.
        let is_taken = || unsafe { bindings::proc_exists(name_ptr) };
        if !is_taken() {
            let data = ptr::from_ref(&*shared).cast_mut().cast();
            if let Some(entry) = NonNull::new(register(name_ptr, data)) {
                // INVARIANT: It is registered now; `shared` stays where it is, for as long as that.
                return Ok(Self { entry, shared });
            } else if !is_taken() {
                return Err(ENOMEM);
            }
        }
        // SAFETY: The format's arguments are two C strings.
        unsafe {
            // At the level of `KERN_ERR`.
            bindings::_printk(
                c"\x013%s: /proc/%s is there already; unload the module that has made it first\n"
                    .as_char_ptr(),
                this_module::name(),
                name_ptr,
            )
        };
        Err(EEXIST)
    }

    /// What all open files of the name share.
    pub fn data(&self) -> &D {
        &self.shared.data
    }
}

/// What `seq_read_iter()` does, but for a page to read to that is missing: then it fails with `EFAULT`,
/// and [`read_pages`] calls it again. So nobody holds `seq_file`'s lock who waits for a page.
///
/// # Safety
///
/// These must be the arguments of a read of a file that `seq_open()` has opened.
unsafe fn seq_read(iocb: *mut bindings::kiocb, iter: *mut bindings::iov_iter) -> Result<usize> {
    // SAFETY: By the requirement of this function.
    let read = unsafe { bindings::seq_read_iter_nofault(iocb, iter) };
    to_result(read.min(0) as c_int)?;
    Ok(read as usize)
}

/// Calls `read`, with how much was read so far, until there is no more to read, or to read to; after
/// it failed with `EFAULT`, when the page is there.
///
/// It fails as `read` does, if nothing was read before. `EFAULT` is for `read` to say that a copy has
/// failed.
///
/// # Safety
///
/// The iterator must be valid, and not at its end when `read` fails with `EFAULT`.
unsafe fn read_pages(
    iter: *const bindings::iov_iter,
    read: impl Fn(usize) -> Result<usize>,
) -> Result<usize> {
    let mut total: usize = 0;
    // SAFETY: By the requirement of this function.
    while unsafe { bindings::iov_iter_count(iter) } > 0 {
        let error = match read(total) {
            Ok(0) => break,
            Ok(read) => {
                total = total.wrapping_add(read);
                continue;
            }
            // SAFETY: By the requirement of this function it is valid, and not at its end.
            Err(EFAULT) => match unsafe { fault_in(iter) } {
                Ok(()) => continue,
                Err(error) => error,
            },
            Err(error) => error,
        };
        if total == 0 {
            return Err(error);
        }
        break;
    }
    Ok(total)
}

/// Has the byte there that the iterator is at, as it is when a copy to it has failed.
///
/// Who waits for a page has a reference to the module meanwhile, so unloading need not wait for one
/// that never comes. Fails with `EIO` if the module goes, and with `EFAULT` if there is no such page, or
/// the task was killed.
///
/// # Safety
///
/// The iterator must be valid, and not at its end.
unsafe fn fault_in(iter: *const bindings::iov_iter) -> Result {
    let _held = this_module::Held::get().ok_or(EIO)?;
    // SAFETY: By the requirement of this function.
    let is_there = unsafe { bindings::fault_in_next_byte(iter) };
    is_there.then_some(()).ok_or(EFAULT)
}

impl<D> Drop for Entry<D> {
    fn drop(&mut self) {
        // Removing it waits for calls in flight, so they must not wait for something else.
        self.shared.stop.request();
        // SAFETY: By the type invariant it is registered, and it is removed just here. When this
        // returns, no operation of it is running or will run, and all files are released; `shared`
        // is dropped after that.
        unsafe { bindings::proc_remove(self.entry.as_ptr()) }
    }
}
