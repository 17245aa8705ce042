// SPDX-License-Identifier: GPL-2.0

//! Files under `/proc`, read by way of `seq_file`.
//!
//! A type that implements [`ProcFile`] is one open file: a sequence of records, each shown as some
//! text. The records need not be there yet when the file is opened. A reader gets those that are,
//! and then waits, if [`ProcFile::wait`] says so, for the next one.
//!
//! Two kinds of files need less than that: [`Text`] shows one text at once, and [`Produced`] makes
//! each record when it is asked for.
//!
//! [`ProcEntry`] is the file's name in `/proc`. Dropping it ends all reading: it hangs up each open
//! file, waits for the readers to leave, and closes the files, whoever still holds a descriptor.
//!
//! C headers: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h),
//! [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)

mod produced;
mod text;

pub use produced::{
    Produce,
    Produced,
    Stop, //
};
pub use text::{
    Show,
    Text, //
};

use crate::{
    bindings,
    wait::PollTable, //
};
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
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    }, //
};

/// An open file under `/proc`: a sequence of records.
///
/// All methods are called in process context and may sleep, but none except [`wait`](Self::wait)
/// longer than it takes to get a lock: other users of the file wait.
pub trait ProcFile: Send + Sync + Sized + 'static {
    /// What all open files of the same entry share.
    type Data: Send + Sync + 'static;

    /// What the file is a sequence of.
    type Record: Send;

    /// Opens the file.
    fn open(data: &Self::Data) -> Result<impl PinInit<Self, Error>>;

    /// The record at `index`, counted from 0; `None` if there is none, or none yet.
    ///
    /// A reader that seeks back asks for a record again, and gets the same one; or, if that is not
    /// kept any more, the first one after it that is. What comes back with the record is its index.
    fn record(&self, index: u64) -> Option<(u64, Self::Record)>;

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

    /// Whether [`wait`](Self::wait) would return at once; if not, `table` is to be woken when that
    /// has changed (see [`Waiters::register`](crate::wait::Waiters::register)).
    fn poll(&self, index: u64, table: &PollTable<'_>) -> Result<bool> {
        let _ = (index, table);
        Ok(true)
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
    /// Held while the `seq_file` goes to a position and reads from there.
    #[pin]
    position: Mutex<()>,
    /// The record, and its index, between `start`, or `next`, and `stop`: all of them run under the
    /// lock of the `seq_file`, of which there is one for each `OpenFile`.
    current: UnsafeCell<Option<(u64, T::Record)>>,
    /// How much text the records had, from the first one to the last that was shown, since the
    /// `seq_file` last went through them from the start.
    walked: Atomic<i64>,
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
        // Not `seq_lseek()`, which goes there at once: reading does.
        proc_lseek: Some(kernel::bindings::no_seek_end_llseek),
        proc_poll: Some(Self::poll),
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
        unsafe { &*bindings::pde_data(inode).cast::<Shared<T>>() }
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
                    position <- new_mutex!(()),
                    current: UnsafeCell::new(None),
                    walked: Atomic::new(0),
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
            let position = open_file.position.lock();
            // SAFETY: `iocb` is this call's own, and nothing but the reading below, which happens
            // under the lock of `position`, changes where the `seq_file` stands.
            let seeks = unsafe { (*iocb).ki_pos != (*m).read_pos };
            // SAFETY: These are the arguments of the read operation of a file that `seq_open()`
            // opened.
            let read = unsafe { kernel::bindings::seq_read_iter(iocb, iter) };
            // SAFETY: `iter` is valid during this call.
            if read != 0 || unsafe { bindings::iov_iter_count(iter) } == 0 {
                return read;
            }
            if seeks {
                // The `seq_file` went through the records to get to the position, and takes what it
                // came to for that. If the records end before, it is past the end of the file.
                let walked = open_file.walked.load(Relaxed);
                // SAFETY: As above.
                unsafe {
                    if walked < (*iocb).ki_pos {
                        (*m).read_pos = walked;
                        return 0;
                    }
                }
            }
            // SAFETY: As above.
            let index = unsafe { (*m).index } as u64;
            drop(position);
            // There is no record, or none yet, at the index where the `seq_file` stands. No lock is
            // held while waiting, so that closing, seeking and other readers need not wait too.
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

    /// # Safety
    ///
    /// `file` must be a file that [`open`](Self::open) opened, and `table` null or a poll table.
    unsafe extern "C" fn poll(
        file: *mut kernel::bindings::file,
        table: *mut kernel::bindings::poll_table_struct,
    ) -> kernel::bindings::__poll_t {
        // SAFETY: The file is open during this call, and `open` set `private_data`. A reader may be
        // changing the fields meanwhile, and has what was there when it is done.
        let (open_file, index, left) = unsafe {
            let m: *mut kernel::bindings::seq_file = (*file).private_data.cast();
            (
                Self::open_file(m),
                (&raw const (*m).index).read_volatile() as u64,
                (&raw const (*m).count).read_volatile(),
            )
        };
        // SAFETY: Both are valid during this call.
        let table = unsafe { PollTable::from_raw(file, table) };
        match open_file.file.poll(index, &table) {
            Ok(false) if left == 0 => 0,
            Ok(_) => kernel::bindings::POLLIN | kernel::bindings::POLLRDNORM,
            Err(_) => kernel::bindings::POLLERR,
        }
    }

    /// Makes the record at `index`, or the first after it that there is, the current one.
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
        unsafe {
            if *pos == 0 {
                Self::open_file(m).walked.store(0, Relaxed);
            }
            Self::advance(m, *pos as u64)
        }
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
        // SAFETY: The lock is held, so the file is open and nobody else accesses `current`.
        let current = unsafe { &*Self::open_file(m).current.get() };
        let index = current
            .as_ref()
            .map_or(0, |(index, _)| index.wrapping_add(1));
        // SAFETY: By the requirements of this function.
        unsafe {
            *pos = index as i64;
            Self::advance(m, index)
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
        let (open_file, current, count) = unsafe {
            (
                Self::open_file(m),
                &*current.cast::<Option<(u64, T::Record)>>(),
                &raw const (*m).count,
            )
        };
        if let Some((_, record)) = current {
            // SAFETY: As above.
            let before = unsafe { *count };
            // SAFETY: As above.
            open_file.file.show(record, unsafe { SeqFile::from_raw(m) });
            // SAFETY: As above.
            let length = unsafe { *count }.wrapping_sub(before);
            let walked = open_file.walked.load(Relaxed);
            open_file
                .walked
                .store(walked.wrapping_add(length as i64), Relaxed);
        }
        0
    }
}
