// SPDX-License-Identifier: GPL-2.0

//! Files under `/proc`, read by way of `seq_file`.
//!
//! A type that implements [`ProcFile`] is one open file: a sequence of records, each shown as some
//! text. The records need not be there yet when the file is opened. A reader gets those that are,
//! and then waits, if [`ProcFile::wait`] says so, for the next one.
//!
//! [`ProcEntry`] is the file's name in `/proc`. Dropping it ends all reading: it hangs up each open
//! file, waits for the readers to leave, and closes the files, whoever still holds a descriptor.
//!
//! C headers: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h),
//! [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)

use crate::bindings;
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    new_mutex,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
    seq_file::SeqFile,
    sync::{
        Arc,
        Mutex, //
    }, //
};

/// An open file under `/proc`: a sequence of records.
///
/// All methods are called in process context and may sleep, but for [`hang_up`](Self::hang_up) and
/// [`wait`](Self::wait) no longer than it takes to get a lock: other users of the file wait.
pub trait ProcFile: Send + Sync + Sized + 'static {
    /// What all open files of the same entry share.
    type Data: Send + Sync + 'static;

    /// What the file is a sequence of.
    type Record: Send;

    /// Opens the file.
    fn open(data: &Self::Data) -> Result<impl PinInit<Self, Error>>;

    /// The record at `index`, counted from 0; `None` if there is none, or none yet.
    ///
    /// A reader that seeks back asks for a record again, and must get the same one.
    fn record(&self, index: u64) -> Option<Self::Record>;

    /// Writes out a record. If `m` has no room for it, this is called again with more room.
    fn show(&self, record: &Self::Record, m: &SeqFile);

    /// Waits until there is a record at `index`, and returns whether there is one; `false` is the
    /// end of the file.
    ///
    /// It must not wait if `nonblocking`, but return `EAGAIN`; must end at a signal, with
    /// `ERESTARTSYS`; and must return `false` after [`hang_up`](Self::hang_up), at once.
    fn wait(&self, index: u64, nonblocking: bool) -> Result<bool> {
        let _ = (index, nonblocking);
        Ok(false)
    }

    /// Ends all waiting in [`wait`](Self::wait), now and in future: the entry is going away.
    fn hang_up(&self) {}
}

/// What the callbacks get from the `proc_dir_entry`.
#[pin_data]
struct Shared<T: ProcFile> {
    data: T::Data,
    #[pin]
    open: Mutex<OpenFiles<T>>,
}

/// The open files by their address; `closing` when there must be no more.
struct OpenFiles<T: ProcFile> {
    files: RBTree<usize, Arc<OpenFile<T>>>,
    closing: bool,
}

/// An open file; the `private` of its `seq_file` owns one count of an [`Arc`] to it.
#[pin_data]
struct OpenFile<T: ProcFile> {
    #[pin]
    file: T,
    /// The record between `start`, or `next`, and `stop`: all of them run under the lock of the
    /// `seq_file`, of which there is one for each `OpenFile`.
    current: UnsafeCell<Option<T::Record>>,
}

// SAFETY: `file` may be shared by the bounds of `ProcFile`, and `current` is accessed under the
// lock of the `seq_file` only; the records are `Send`.
unsafe impl<T: ProcFile> Sync for OpenFile<T> {}

/// A file's name in `/proc`. It belongs into the module's struct: it has to be dropped before the
/// module is unloaded.
///
/// # Invariants
///
/// `entry` is registered, with a pointer to `shared` for its data.
pub struct ProcEntry<T: ProcFile> {
    entry: NonNull<kernel::bindings::proc_dir_entry>,
    shared: Pin<KBox<Shared<T>>>,
}

// SAFETY: A `proc_dir_entry` may be removed from any thread, and what it shares is `Send`.
unsafe impl<T: ProcFile> Send for ProcEntry<T> {}

// SAFETY: A shared reference gives access to nothing.
unsafe impl<T: ProcFile> Sync for ProcEntry<T> {}

impl<T: ProcFile> ProcEntry<T> {
    /// Makes `/proc/<name>`, which all may read. May sleep.
    ///
    /// Fails with `ENOMEM`, or if the name is taken or can't be one.
    ///
    /// The C function is `proc_create_data()`.
    pub fn new(name: &CStr, data: T::Data) -> Result<Self> {
        let shared = KBox::pin_init(
            pin_init!(Shared {
                data,
                open <- new_mutex!(OpenFiles {
                    files: RBTree::new(),
                    closing: false,
                }),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The name is a C string, which is copied; the operations are a static. `shared`
        // stays where it is, for as long as the entry is registered: `drop` removes the entry
        // first.
        let entry = unsafe {
            bindings::proc_create_data(
                name.as_char_ptr(),
                0o444,
                ptr::null_mut(),
                &raw const *Operations::<T>::PROC,
                ptr::from_ref(&*shared).cast_mut().cast(),
            )
        };
        // INVARIANT: It is registered now.
        Ok(Self {
            entry: NonNull::new(entry).ok_or(ENOMEM)?,
            shared,
        })
    }
}

impl<T: ProcFile> Drop for ProcEntry<T> {
    fn drop(&mut self) {
        // `proc_remove()` waits for calls in flight, so they must not wait for something else.
        let mut open = self.shared.open.lock();
        open.closing = true;
        for file in open.files.values() {
            file.file.hang_up();
        }
        drop(open);
        // SAFETY: By the type invariant the entry is registered, and it is removed just here. When
        // this returns, no operation of it is running or will run, and all files are released.
        unsafe { bindings::proc_remove(self.entry.as_ptr()) };
    }
}

/// The C functions behind a [`ProcFile`].
struct Operations<T>(PhantomData<T>);

impl<T: ProcFile> Operations<T> {
    const PROC: &'static bindings::proc_ops = &bindings::proc_ops {
        proc_open: Some(Self::open),
        proc_read_iter: Some(Self::read_iter),
        proc_lseek: Some(kernel::bindings::seq_lseek),
        proc_release: Some(Self::release),
        ..pin_init::zeroed()
    };

    const SEQ: &'static kernel::bindings::seq_operations = &kernel::bindings::seq_operations {
        start: Some(Self::start),
        next: Some(Self::next),
        stop: Some(Self::stop),
        show: Some(Self::show),
    };

    /// # Safety
    ///
    /// `inode` must be that of an entry that [`ProcEntry::new`] made, and the entry must not go
    /// away during `'a`.
    unsafe fn shared<'a>(inode: *const kernel::bindings::inode) -> &'a Shared<T> {
        // SAFETY: The entry's data is a pointer to its `Shared<T>`, which lives while it does.
        unsafe { &*bindings::ktimer_pde_data(inode).cast::<Shared<T>>() }
    }

    /// # Safety
    ///
    /// `m` must be the `seq_file` of an open file of such an entry, and not be released during
    /// `'a`.
    unsafe fn open_file<'a>(m: *mut kernel::bindings::seq_file) -> &'a OpenFile<T> {
        // SAFETY: `open` set `private` to a pointer from `Arc::into_raw`; `release` drops that
        // count.
        unsafe { &*(*m).private.cast::<OpenFile<T>>() }
    }

    /// # Safety
    ///
    /// `inode` and `file` must be those of a file of the entry that is being opened.
    unsafe extern "C" fn open(
        inode: *mut kernel::bindings::inode,
        file: *mut kernel::bindings::file,
    ) -> c_int {
        // SAFETY: The inode is one of the entry's, and `proc_remove()` waits for this call.
        let shared = unsafe { Self::shared(inode) };
        from_result(|| {
            let open_file = Arc::try_pin_init(
                try_pin_init!(OpenFile {
                    file <- T::open(&shared.data)?,
                    current: UnsafeCell::new(None),
                }? Error),
                GFP_KERNEL_ACCOUNT,
            )?;
            let address = Arc::as_ptr(&open_file).addr();
            let node = RBTreeNode::new(address, open_file.clone(), GFP_KERNEL_ACCOUNT)?;
            // SAFETY: `file` is being opened, and the operations are a static.
            to_result(unsafe { kernel::bindings::seq_open(file, Self::SEQ) })?;
            let mut open = shared.open.lock();
            if open.closing {
                drop(open);
                // SAFETY: `seq_open()` made what this releases; it is not used after.
                unsafe { kernel::bindings::seq_release(inode, file) };
                return Err(ENOENT);
            }
            open.files.insert(node);
            // SAFETY: `seq_open()` set `private_data` to the file's `seq_file`. Nobody else has it
            // before the file is open.
            unsafe {
                let m: *mut kernel::bindings::seq_file = (*file).private_data.cast();
                (*m).private = Arc::into_raw(open_file).cast_mut().cast();
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `inode` and `file` must be those of a file that [`open`](Self::open) opened, and that is
    /// being released: no other operation on it is running, nor will.
    unsafe extern "C" fn release(
        inode: *mut kernel::bindings::inode,
        file: *mut kernel::bindings::file,
    ) -> c_int {
        // SAFETY: The file is released once, and no other operation on it will run, so the count
        // that `private` owns can be taken back. `proc_remove()` waits for this call, so the entry
        // is still there.
        let (shared, open_file) = unsafe {
            let m: *mut kernel::bindings::seq_file = (*file).private_data.cast();
            let open_file = Arc::from_raw((*m).private.cast::<OpenFile<T>>().cast_const());
            (Self::shared(inode), open_file)
        };
        let address = Arc::as_ptr(&open_file).addr();
        let node = shared.open.lock().files.remove_node(&address);
        drop(node);
        drop(open_file);
        // SAFETY: `open` had the `seq_file` made by `seq_open()`.
        unsafe { kernel::bindings::seq_release(inode, file) }
    }

    /// # Safety
    ///
    /// `iocb` must be a read of a file that [`open`](Self::open) opened, and `iter` the place to
    /// read to.
    unsafe extern "C" fn read_iter(
        iocb: *mut kernel::bindings::kiocb,
        iter: *mut kernel::bindings::iov_iter,
    ) -> isize {
        // SAFETY: The file is open during this call, and `open` set `private_data`.
        let (m, flags) = unsafe {
            let file = (*iocb).ki_filp;
            let m: *mut kernel::bindings::seq_file = (*file).private_data.cast();
            (m, (*file).f_flags)
        };
        // SAFETY: `m` is the `seq_file` of a file of this entry, open during this call.
        let open_file = unsafe { Self::open_file(m) };
        loop {
            // SAFETY: These are the arguments of the read operation of a file that `seq_open()`
            // opened.
            let read = unsafe { kernel::bindings::seq_read_iter(iocb, iter) };
            // SAFETY: `iter` is valid during this call.
            if read != 0 || unsafe { bindings::ktimer_iov_iter_count(iter) } == 0 {
                return read;
            }
            // There is no record, or none yet, at the index where the `seq_file` stands. It was
            // asked for under the lock of the `seq_file`, which is not held while waiting, so that
            // closing, seeking and other readers need not wait too.
            //
            // SAFETY: `m` is valid; another reader may change the index meanwhile, which makes this
            // one ask once more.
            let index = unsafe { (&raw const (*m).index).read_volatile() } as u64;
            let nonblocking = flags & kernel::bindings::O_NONBLOCK != 0;
            match open_file.file.wait(index, nonblocking) {
                Ok(true) if kernel::current!().signal_pending() => {
                    return ERESTARTSYS.to_errno() as isize
                }
                Ok(true) => (),
                Ok(false) => return 0,
                Err(error) => return error.to_errno() as isize,
            }
        }
    }

    /// Makes the record at `index` the current one.
    ///
    /// # Safety
    ///
    /// `m` must be the `seq_file` of a file of the entry, and its lock be held.
    unsafe fn advance(m: *mut kernel::bindings::seq_file, index: u64) -> *mut c_void {
        // SAFETY: The file is not released while its lock is held.
        let open_file = unsafe { Self::open_file(m) };
        let record = open_file.file.record(index);
        let more = record.is_some();
        // SAFETY: The lock is held, so nobody else accesses `current`.
        unsafe { *open_file.current.get() = record };
        if more {
            open_file.current.get().cast()
        } else {
            ptr::null_mut()
        }
    }

    /// # Safety
    ///
    /// `m` must be the `seq_file` of a file that [`open`](Self::open) opened, with its lock held,
    /// and `pos` its index.
    unsafe extern "C" fn start(
        m: *mut kernel::bindings::seq_file,
        pos: *mut kernel::bindings::loff_t,
    ) -> *mut c_void {
        // SAFETY: By the requirements of this function.
        unsafe { Self::advance(m, *pos as u64) }
    }

    /// # Safety
    ///
    /// `m` must be the `seq_file` of a file that [`open`](Self::open) opened, with its lock held,
    /// and `pos` its index.
    unsafe extern "C" fn next(
        m: *mut kernel::bindings::seq_file,
        _current: *mut c_void,
        pos: *mut kernel::bindings::loff_t,
    ) -> *mut c_void {
        // SAFETY: By the requirements of this function.
        unsafe {
            *pos = (*pos).wrapping_add(1);
            Self::advance(m, *pos as u64)
        }
    }

    /// # Safety
    ///
    /// `m` must be the `seq_file` of a file that [`open`](Self::open) opened, with its lock held.
    unsafe extern "C" fn stop(m: *mut kernel::bindings::seq_file, _current: *mut c_void) {
        // SAFETY: The lock is held, so the file is open and nobody else accesses `current`.
        unsafe { *Self::open_file(m).current.get() = None };
    }

    /// # Safety
    ///
    /// `m` must be the `seq_file` of a file that [`open`](Self::open) opened, with its lock held,
    /// and `current` what [`start`](Self::start) or [`next`](Self::next) returned last.
    unsafe extern "C" fn show(m: *mut kernel::bindings::seq_file, current: *mut c_void) -> c_int {
        // SAFETY: The lock is held, so the file is open and nobody else accesses its `current`,
        // which is what `advance` returned a pointer to, or uses `m`.
        let (open_file, current, m) = unsafe {
            (
                Self::open_file(m),
                &*current.cast::<Option<T::Record>>(),
                SeqFile::from_raw(m),
            )
        };
        if let Some(record) = current {
            open_file.file.show(record, m);
        }
        0
    }
}
