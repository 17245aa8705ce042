// SPDX-License-Identifier: GPL-2.0

//! Files that go on while they are read: streams of records, each shown as some text. To
//! `seq_file`, the record that is being read is all that the file has, and the next one what it has
//! when it is read again from the beginning: it turns that to text, and keeps what a reader has no
//! room for.
//!
//! No lock is held while a reader waits, be it for a record or for a page to read to. So each of those
//! who share an open file can be killed at once.
//!
//! Who polls a file has an entry on the wait queue, which stays until it leaves: so the first `poll()`
//! of an open file takes a reference to the module, as one who opens a character device does, and
//! closing the file gives it back. `rmmod` says "in use" till then, and has nobody to wait for.
//!
//! C headers: [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h),
//! [`include/linux/poll.h`](srctree/include/linux/poll.h)

use super::{
    read_pages,
    seq_read,
    Entry,
    Shared, //
};
use crate::{
    bindings,
    seq_file,
    this_module,
    viewer::Opener,
    wait::{
        Stop,
        Waiters, //
    }, //
};
use core::{
    cell::Cell,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    new_mutex,
    prelude::*,
    seq_file::SeqFile,
    sync::Mutex,
    types::ForeignOwnable, //
};

/// The records of an open file, numbered from 0. All methods are called in process context.
pub trait Records: Send + Sync + Sized + 'static {
    /// What all open files of the same name share.
    type Data: Send + Sync + 'static;

    /// A record.
    type Record: Send + Unpin;

    /// What the file begins with.
    const HEADER: &'static str = "";

    /// Opens the file.
    fn open(data: &Self::Data, opener: &Opener<'_>) -> impl PinInit<Self, Error>;

    /// The file is closed; called once, if [`open`](Self::open) did not fail.
    fn close(&self, _data: &Self::Data) {}

    /// The record with the number `number`, or, if that is lost, the first after it that is not;
    /// and its number. `None` is the end of the file.
    ///
    /// If there is none yet, it waits until there is or `stop` tells to give up, and then fails; or,
    /// if `nonblocking`, with `EAGAIN`; never with `EFAULT`. Several who share the file may wait for
    /// the same record.
    fn next(
        &self,
        number: u64,
        nonblocking: bool,
        stop: &Stop,
    ) -> Result<Option<(u64, Self::Record)>>;

    /// Writes out a record that comes after the record `before`, or is the first; it has some text.
    /// If `m` has no room for it, this is called again with more room.
    fn show(record: &Self::Record, before: Option<&Self::Record>, m: &SeqFile);

    /// Who waits for the next record, if a nonblocking [`next`](Self::next) ever fails: they are
    /// notified when [`is_ready`](Self::is_ready) may have changed.
    fn waiters(&self) -> Option<&Waiters> {
        None
    }

    /// Whether a nonblocking [`next`](Self::next) would succeed; once it would, it always will.
    fn is_ready(&self, _number: u64) -> bool {
        true
    }
}

impl<D: Send + Sync + 'static> Entry<D> {
    /// Makes `/proc/<name>` a stream of records. May sleep.
    ///
    /// If a reader is slow and some records are lost, a line of its own tells so where they would
    /// have been: `# 3 lost`.
    ///
    /// Fails with `EEXIST` if the name is taken, or with `ENOMEM`. The C function is
    /// `proc_create_data()`.
    pub fn stream<R: Records<Data = D>>(name: &CStr, data: impl PinInit<D>) -> Result<Self> {
        let (top, operations) = (ptr::null_mut(), OpenFile::<R>::PROC);
        // SAFETY: The operations are a static, and are given the entry's data.
        unsafe {
            Self::new(name, data, |name, data| {
                bindings::proc_create_data(name, 0o444, top, operations, data)
            })
        }
    }
}

/// An open file. The `private` of its `seq_file` owns it.
///
/// # Invariants
///
/// `shared` is the data of the entry, which lives until the file is released: removing the entry
/// waits for that.
#[pin_data(PinnedDrop)]
struct OpenFile<R: Records> {
    #[pin]
    records: R,
    shared: NonNull<Shared<R::Data>>,
    #[pin]
    place: Mutex<Place<R::Record>>,
    /// What is in `place`, for `show`: set, and used, by who has locked it only.
    shown: Cell<*mut Place<R::Record>>,
}

/// Where its readers are.
struct Place<R> {
    /// The number of the record that is being read, or is next.
    number: u64,
    /// That record, and its number: those before are lost.
    record: Option<(u64, R)>,
    before: Option<R>,
    /// How much of its text was read, and how much there is.
    offset: i64,
    length: i64,
    /// Of who has polled the file.
    module: Option<this_module::Held>,
}

impl<R: Records> OpenFile<R> {
    fn shared(&self) -> &Shared<R::Data> {
        // SAFETY: By the type invariant it lives.
        unsafe { self.shared.as_ref() }
    }

    /// Reads some of what there is, or comes; 0 is the end of the file.
    ///
    /// # Safety
    ///
    /// This must be the read operation of the file, and the others what it was given.
    unsafe fn read(
        &self,
        iocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
        nonblocking: bool,
    ) -> Result<usize> {
        let mut place = self.place.lock();
        while place.record.is_none() {
            let number = place.number;
            drop(place);
            let found = (self.records).next(number, nonblocking, &self.shared().stop)?;
            if found.is_none() {
                return Ok(0);
            }
            place = self.place.lock();
            // Unless another reader reads it, or has read it.
            if place.number == number && place.record.is_none() {
                place.record = found;
            }
        }
        let offset = place.offset;
        self.shown.set(&mut *place);
        // SAFETY: By the requirement of this function. The offset is where the last read ended, or
        // 0 for what is to be shown anew.
        let read = unsafe {
            (*iocb).ki_pos = offset;
            seq_read(iocb, iter)?
        };
        place.offset = offset.wrapping_add(read as i64);
        if place.offset == place.length {
            if let Some((number, record)) = place.record.take() {
                place.number = number.wrapping_add(1);
                place.before = Some(record);
                place.offset = 0;
            }
        }
        Ok(read)
    }
}

/// The operations, which procfs and `seq_file` call.
impl<R: Records> OpenFile<R> {
    const PROC: &'static bindings::proc_ops = &bindings::proc_ops {
        proc_open: Some(Self::open),
        proc_read_iter: Some(Self::read_iter),
        proc_poll: Some(Self::poll),
        proc_release: Some(Self::release),
        ..pin_init::zeroed()
    };

    const SEQ: &'static bindings::seq_operations = &bindings::seq_operations {
        start: Some(start),
        next: Some(next),
        stop: Some(stop),
        show: Some(Self::show),
    };

    /// The open file with this `private_data`.
    ///
    /// # Safety
    ///
    /// [`open`](Self::open) must have set it, and the file stay open for as long as what this gives
    /// is used.
    unsafe fn from_private<'a>(m: *mut c_void) -> &'a Self {
        // SAFETY: `open` has set `private` to what `into_foreign` gave, and `release` takes it
        // back.
        unsafe { Pin::<KBox<Self>>::borrow((*m.cast::<bindings::seq_file>()).private) }.get_ref()
    }

    /// # Safety
    ///
    /// They must be those of a file of the entry that is being opened.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The file, whose inode is that of the entry, is being opened.
        let (data, opener) = unsafe { (bindings::pde_data(inode), Opener::from_raw(file)) };
        from_result(|| {
            if !this_module::is_loaded() {
                return Err(ENOENT);
            }
            let shared = NonNull::new(data.cast::<Shared<R::Data>>()).ok_or(ENOENT)?;
            let open_file = try_pin_init!(Self {
                // SAFETY: It is the entry's data, which lives until no call is in flight.
                records <- R::open(unsafe { &shared.as_ref().data }, &opener),
                // INVARIANT: As above.
                shared,
                place <- new_mutex!(Place {
                    number: 0,
                    record: None,
                    before: None,
                    offset: 0,
                    length: 0,
                    module: None,
                }),
                shown: Cell::new(ptr::null_mut()),
            }? Error);
            let open_file = KBox::pin_init(open_file, GFP_KERNEL_ACCOUNT)?;
            // SAFETY: `file` is being opened, so nobody else uses it, and the operations are a static.
            // What `seq_open()` has made is the file's `private_data` then, and its `private` the
            // caller's.
            unsafe {
                to_result(bindings::seq_open(file, Self::SEQ))?;
                bindings::stream_open(inode, file);
                if open_file.records.waiters().is_some() {
                    (*file).f_mode |= bindings::COMMON_FMODE_NOWAIT;
                }
                (*(*file).private_data.cast::<bindings::seq_file>()).private =
                    open_file.into_foreign();
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// They must be those of a file that [`open`](Self::open) opened, and that is being released:
    /// no other operation on it is running, nor will.
    unsafe extern "C" fn release(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: No other operation on the file is running, nor will; `open` has set `private`,
        // which is taken back once. If a reference to the module goes with it, unloading still
        // waits for this call: removing the entry does.
        unsafe {
            let m: *mut bindings::seq_file = (*file).private_data.cast();
            drop(Pin::<KBox<Self>>::from_foreign((*m).private));
            bindings::seq_release(inode, file)
        }
    }

    /// # Safety
    ///
    /// It must be a read of a file that [`open`](Self::open) opened.
    unsafe extern "C" fn read_iter(
        iocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: These are the arguments of the call, and the file is open.
        let (this, nonblocking) = unsafe {
            let file = (*iocb).ki_filp;
            let nonblocking = (*file).f_flags & bindings::O_NONBLOCK != 0
                || (*iocb).ki_flags & bindings::COMMON_IOCB_NOWAIT != 0;
            (Self::from_private((*file).private_data), nonblocking)
        };
        // Where a record is made as it is asked for, a read gets no more than one.
        let is_made = this.records.waiters().is_none();
        // SAFETY: As above. What fails with `EFAULT` has read nothing, so there is room still.
        match unsafe {
            read_pages(iter, |total| match total {
                1.. if is_made => Ok(0),
                _ => this.read(iocb, iter, nonblocking || total > 0),
            })
        } {
            Ok(total) => total as isize,
            // The module goes: that is the end.
            Err(error) if error == EIO || this.shared().stop.is_requested() => 0,
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// `file` must be open, opened by [`open`](Self::open), and `table` null or a poll table.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        const READABLE: bindings::__poll_t = bindings::POLLIN | bindings::POLLRDNORM;
        // SAFETY: The file is open during this call.
        let this = unsafe { Self::from_private((*file).private_data) };
        let mut place = this.place.lock();
        if let Some(waiters) = this.records.waiters() {
            if place.module.is_none() {
                place.module = this_module::Held::get();
            }
            if place.module.is_none() {
                return READABLE | bindings::POLLERR | bindings::POLLHUP;
            }
            // SAFETY: The file and the table are those of this call. The queue, which is part of
            // `records`, stays until the file is released: not before it is closed, since it has a
            // reference to the module. Whoever is on the queue has the file open.
            unsafe { bindings::poll_wait(file, waiters.as_raw(), table) };
        }
        // What is read in part is still the record with that number.
        match this.records.is_ready(place.number) {
            true => READABLE,
            false => 0,
        }
    }

    /// # Safety
    ///
    /// `m` must be that of a file that [`open`](Self::open) opened, and be in use by this call
    /// only.
    unsafe extern "C" fn show(m: *mut bindings::seq_file, _: *mut c_void) -> c_int {
        // SAFETY: The file is being read, by `read`, which has locked `place`, has set `shown` to
        // what is in there, and uses that no sooner than when this is over. Nobody else uses the
        // `seq_file` meanwhile, which has a lock.
        let (place, file) = unsafe {
            let this = Self::from_private(m.cast());
            (&mut *this.shown.get(), SeqFile::from_raw(m))
        };
        if let Some((number, record)) = &place.record {
            // SAFETY: `m` is in use by this call only.
            let room = unsafe { bindings::seq_room(m) };
            let lost = number.wrapping_sub(place.number) as usize;
            if place.before.is_none() {
                seq_file::write(file, R::HEADER.as_bytes());
            }
            if lost > 0 {
                crate::seq_numbers!(file, "# " lost: usize = lost; " lost\n");
            }
            R::show(record, place.before.as_ref(), file);
            // SAFETY: As for `room`. If there was not enough, `seq_file` makes more, and calls this
            // again.
            place.length = room.wrapping_sub(unsafe { bindings::seq_room(m) }) as i64;
        }
        0
    }
}

#[pinned_drop]
impl<R: Records> PinnedDrop for OpenFile<R> {
    fn drop(self: Pin<&mut Self>) {
        self.records.close(&self.shared().data);
    }
}

/// All that the file has is at the index 0.
///
/// # Safety
///
/// `index` must be valid for reads.
unsafe extern "C" fn start(m: *mut bindings::seq_file, index: *mut i64) -> *mut c_void {
    // SAFETY: By the requirement of this function.
    match unsafe { *index } {
        0 => m.cast(),
        _ => ptr::null_mut(),
    }
}

/// # Safety
///
/// `index` must be valid for writes.
unsafe extern "C" fn next(
    _: *mut bindings::seq_file,
    _: *mut c_void,
    index: *mut i64,
) -> *mut c_void {
    // SAFETY: By the requirement of this function.
    unsafe { *index = 1 };
    ptr::null_mut()
}

extern "C" fn stop(_: *mut bindings::seq_file, _: *mut c_void) {}
