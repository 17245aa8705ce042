// SPDX-License-Identifier: GPL-2.0

//! Files each of whose records takes its time to make.

use super::ProcFile;
use kernel::{
    new_mutex,
    prelude::*,
    seq_file::SeqFile,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Mutex, //
    }, //
};

/// Makes the records of a file, one after the other.
pub trait Produce: Clone + Send + Sync + 'static {
    /// What it makes.
    type Record: Copy + Send + Unpin;

    /// Makes the record at `index`, counted from 0; `None` is the end of the file. It may take its
    /// time, and is to end soon when `stop()` is true: then what it made is thrown away.
    fn produce(&self, index: u64, stop: &dyn Fn() -> bool) -> Option<Self::Record>;

    /// Writes out a record.
    fn show(&self, record: &Self::Record, m: &SeqFile);
}

/// An open file whose records are made when they are asked for. A signal ends the wait. It keeps
/// the last record only.
#[pin_data]
pub struct Produced<P: Produce> {
    producer: P,
    /// The last record and its index.
    #[pin]
    last: Mutex<Option<(u64, P::Record)>>,
    hung_up: Atomic<bool>,
}

impl<P: Produce> ProcFile for Produced<P> {
    type Data = P;
    type Record = P::Record;

    fn open(producer: &P) -> Result<impl PinInit<Self, Error>> {
        let producer = producer.clone();
        Ok(try_pin_init!(Self {
            producer,
            last <- new_mutex!(None),
            hung_up: Atomic::new(false),
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
        let signal = || kernel::current!().signal_pending();
        let stop = || signal() || self.hung_up.load(Relaxed);
        let record = self.producer.produce(index, &stop);
        if self.hung_up.load(Relaxed) {
            return Ok(false);
        }
        if signal() {
            return Err(ERESTARTSYS);
        }
        let Some(record) = record else {
            return Ok(false);
        };
        *self.last.lock() = Some((index, record));
        Ok(true)
    }

    fn hang_up(&self) {
        self.hung_up.store(true, Relaxed);
    }
}
