// SPDX-License-Identifier: GPL-2.0

//! Series of samples of where code runs: taken in softirq context, by a timer's callback for
//! example, and shown to the reader of a file under `/proc`, each as it comes.
//!
//! ```text
//!    time   delta  inirq    pid   cpu command
//!  33565837    0     0      1269   0   cat
//!  33565847   10     1      1271   0   sh
//!  ...
//! ```
//!
//! The file is a stream of a [`SeriesFile`], and what takes its samples a [`Source`]. Each open
//! file has a series of its own. The first sample is the reader's, taken when the file is first
//! read; then the source is started, and adds its own, each by one call of [`Series::add`]: that
//! neither allocates nor formats. The reader formats a sample when it gets to it.
//!
//! A series keeps its last [`KEPT`] samples. If a reader is slower than that, some are lost, and a
//! line `# 3 lost` tells so in their place; the `delta` of the line after it is that from the line
//! before it, so that all of them add up.

use common::{
    context::{
        self,
        Comm, //
    },
    proc_fs::Records,
    viewer::{
        Opener,
        Viewer, //
    },
    wait::{
        Stop,
        Waiters, //
    }, //
};
use kernel::{
    cpu::CpuId,
    fmt,
    prelude::*, //
};
use ktimer::{
    interrupt::BhDisabled,
    prelude::*, //
};

/// How many samples are kept for a reader that does not fetch them.
pub(crate) const KEPT: u64 = 256;

/// Where the code runs.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    time: Jiffies,
    in_interrupt: bool,
    cpu: CpuId,
    /// `None` for a task that the reader can't see.
    task: Option<(i32, Comm)>,
}

impl Sample {
    fn take(viewer: &Viewer) -> Self {
        Self {
            time: Jiffies::now(),
            in_interrupt: context::in_interrupt(),
            cpu: CpuId::current(),
            task: viewer.current_task(),
        }
    }
}

/// The samples of a series.
struct Samples {
    /// The last ones; that with the number `n` is at `n` modulo the capacity.
    ring: KVec<Sample>,
    taken: u64,
    /// How many are to be taken, if there is an end.
    limit: Option<u64>,
}

impl Samples {
    /// Adds a sample, in place of the oldest if there is no room; returns whether there are more to
    /// be taken.
    fn add(&mut self, sample: Sample) -> bool {
        if self.ring.push_within_capacity(sample).is_err() {
            let index = self.place(self.oldest());
            if let Some(place) = self.ring.get_mut(index) {
                *place = sample;
            }
        }
        self.taken += 1;
        !self.is_complete()
    }

    fn is_complete(&self) -> bool {
        self.limit.is_some_and(|limit| self.taken >= limit)
    }

    /// The number of the oldest sample that is kept.
    fn oldest(&self) -> u64 {
        self.taken - self.ring.len() as u64
    }

    /// Where in the ring the sample with the number `number` is, or was.
    fn place(&self, number: u64) -> usize {
        (number % self.ring.len().max(1) as u64) as usize
    }

    /// The sample with the number `number`, or the oldest if that is lost; and its number.
    fn get(&self, number: u64) -> Option<(u64, Sample)> {
        let number = number.max(self.oldest());
        let sample = self.ring.get(self.place(number))?;
        (number < self.taken).then_some((number, *sample))
    }
}

/// The samples of an open file, and those who wait for them.
#[pin_data]
pub(crate) struct Series {
    #[pin]
    samples: SpinLockBh<Samples>,
    #[pin]
    changed: Waiters,
    /// Who opened the file.
    viewer: Viewer,
}

impl Series {
    /// A series for a file that is being opened: the reader's sample and `count` more, or without
    /// end if `count` is 0.
    ///
    /// May sleep. Its memory, of which there is no more for a larger `count` than [`KEPT`], is
    /// charged to the task. Fails with `ENOMEM`.
    pub(crate) fn new(count: usize, opener: &Opener<'_>) -> Result<impl PinInit<Self>> {
        let limit = (count > 0).then_some((count as u64).saturating_add(1));
        let capacity = limit.map_or(KEPT, |limit| limit.min(KEPT));
        let samples = Samples {
            ring: KVec::with_capacity(capacity as usize, GFP_KERNEL_ACCOUNT)?,
            taken: 0,
            limit,
        };
        let viewer = opener.viewer()?;
        Ok(pin_init!(Self {
            samples <- new_spinlock_bh!(samples),
            changed <- Waiters::new(),
            viewer,
        }))
    }

    /// Takes a sample, and wakes the reader. Returns when it was taken, if there are more to take.
    ///
    /// To be called in softirq context, which `bh` proves.
    pub(crate) fn add(&self, bh: &BhDisabled) -> Option<Jiffies> {
        let sample = Sample::take(&self.viewer);
        let more = self.samples.lock_with(bh).add(sample);
        self.changed.notify_all();
        more.then_some(sample.time)
    }
}

/// What takes the samples of an open file.
pub(crate) trait Source: Send + Sync + Sized + 'static {
    /// What all open files of the same name share.
    type Data: Send + Sync + 'static;

    /// Makes it, for a file that is being opened.
    fn open(data: &Self::Data, opener: &Opener<'_>) -> Result<impl PinInit<Self, Error>>;

    /// The series that it adds to.
    fn series(&self) -> &Series;

    /// Has it begin to add samples: the reader's own, the first, was taken at `time`.
    ///
    /// It is called once, with bottom halves disabled and the series locked: it must not sleep, and
    /// not call [`Series::add`] itself.
    fn start(&self, time: Jiffies);
}

/// An open file under `/proc` that shows a series.
#[pin_data]
pub(crate) struct SeriesFile<S> {
    #[pin]
    source: S,
}

impl<S: Source> Records for SeriesFile<S> {
    type Data = S::Data;
    type Record = Sample;

    fn open(data: &S::Data, opener: &Opener<'_>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self { source <- S::open(data, opener)? }? Error)
    }

    fn next(&self, number: u64, nonblocking: bool, stop: &Stop) -> Result<Option<(u64, Sample)>> {
        let series = self.source.series();
        // Taken before the lock, which disables bottom halves: that would look like an interrupt.
        let first = (number == 0).then(|| Sample::take(&series.viewer));
        if let Some(first) = first {
            let mut samples = series.samples.lock();
            if samples.taken == 0 && samples.add(first) {
                self.source.start(first.time);
            }
        }
        if !nonblocking {
            stop.wait_for(&series.changed, &|| self.is_ready(number))?;
        }
        let samples = series.samples.lock();
        match samples.get(number) {
            None if !samples.is_complete() => Err(EAGAIN),
            found => Ok(found),
        }
    }

    fn show(sample: &Sample, before: Option<&Sample>, text: &mut dyn fmt::Write) -> fmt::Result {
        if before.is_none() {
            text.write_str("   time   delta  inirq    pid   cpu command\n")?;
        }
        text.write_fmt(fmt!(
            "{:>9}  {:>3}     {}    {:>6}   {}   ",
            sample.time,
            sample.time.since(before.unwrap_or(sample).time),
            u8::from(sample.in_interrupt),
            sample.task.map_or(0, |(pid, _)| pid),
            sample.cpu.as_u32(),
        ))?;
        match sample.task {
            Some((_, command)) => text.write_fmt(fmt!("{command}\n")),
            None => text.write_str("-\n"),
        }
    }

    fn waiters(&self) -> Option<&Waiters> {
        Some(&self.source.series().changed)
    }

    fn is_ready(&self, number: u64) -> bool {
        let samples = self.source.series().samples.lock();
        // The first sample is taken when it is asked for.
        number < samples.taken || samples.taken == 0 || samples.is_complete()
    }
}
