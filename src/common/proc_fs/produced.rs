// SPDX-License-Identifier: GPL-2.0

//! Files each of whose records takes its time to make.

use super::ProcFile;
use kernel::{
    new_condvar,
    new_mutex,
    prelude::*,
    seq_file::SeqFile,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        CondVar,
        Mutex, //
    }, //
};
use ktimer::time::jiffies::JiffiesDelta;

/// Makes the records of a file, one after the other.
pub trait Produce: Clone + Send + Sync + 'static {
    /// What it makes.
    type Record: Copy + Send + Unpin;

    /// Makes the record at `index`, counted from 0; `None` is the end of the file. It may take its
    /// time, and is to end soon when `stop` is requested: then what it made is thrown away.
    fn produce(&self, index: u64, stop: &Stop) -> Option<Self::Record>;

    /// Writes out a record.
    fn show(&self, record: &Self::Record, m: &SeqFile);
}

/// Tells whoever [produces](Produce::produce) when to stop: at a signal, or when the file goes away.
#[pin_data]
pub struct Stop {
    hung_up: Atomic<bool>,
    /// Held while `hung_up` is set, and from looking at it to falling asleep.
    #[pin]
    lock: Mutex<()>,
    #[pin]
    hang_up: CondVar,
}

impl Stop {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            hung_up: Atomic::new(false),
            lock <- new_mutex!(()),
            hang_up <- new_condvar!("Stop"),
        })
    }

    /// Whether to stop now. May be called from any context.
    pub fn is_requested(&self) -> bool {
        self.hung_up.load(Relaxed) || kernel::current!().signal_pending()
    }

    /// Sleeps for a span of time, or until it is time to stop.
    ///
    /// The C function is `wait_event_interruptible_timeout()`.
    pub fn sleep(&self, span: JiffiesDelta) {
        let mut guard = self.lock.lock();
        if !self.hung_up.load(Relaxed) {
            // Whatever wakes it, the caller looks what there is.
            let _ = self
                .hang_up
                .wait_interruptible_timeout(&mut guard, span.as_ticks());
        }
    }

    fn request(&self) {
        let guard = self.lock.lock();
        self.hung_up.store(true, Relaxed);
        drop(guard);
        self.hang_up.notify_all();
    }
}

/// An open file whose records are made when they are asked for. A signal ends the wait. It keeps
/// the last record only.
#[pin_data]
pub struct Produced<P: Produce> {
    producer: P,
    /// The last record and its index.
    #[pin]
    last: Mutex<Option<(u64, P::Record)>>,
    #[pin]
    stop: Stop,
}

impl<P: Produce> ProcFile for Produced<P> {
    type Data = P;
    type Record = P::Record;

    fn open(producer: &P) -> Result<impl PinInit<Self, Error>> {
        let producer = producer.clone();
        Ok(try_pin_init!(Self {
            producer,
            last <- new_mutex!(None),
            stop <- Stop::new(),
        }? Error))
    }

    fn record(&self, index: u64) -> Option<(u64, P::Record)> {
        self.last.lock().filter(|(last, _)| index <= *last)
    }

    fn show(&self, record: &P::Record, m: &SeqFile) {
        self.producer.show(record, m);
    }

    fn wait(&self, index: u64, nonblocking: bool) -> Result<bool> {
        if self.record(index).is_some() {
            return Ok(true);
        }
        if nonblocking {
            return Err(EAGAIN);
        }
        let record = self.producer.produce(index, &self.stop);
        if self.stop.hung_up.load(Relaxed) {
            return Ok(false);
        }
        if kernel::current!().signal_pending() {
            return Err(ERESTARTSYS);
        }
        let Some(record) = record else {
            return Ok(false);
        };
        *self.last.lock() = Some((index, record));
        Ok(true)
    }

    fn hang_up(&self) {
        self.stop.request();
    }
}
