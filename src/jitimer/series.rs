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
//! The file is a [`SeriesFile`], and what takes its samples a [`Source`]. Each open file has a
//! series of its own. The first sample is the reader's, taken when the file is first read; then the
//! source is started, and adds its own, each by one call of [`Series::add`]: that neither allocates
//! nor formats. The reader formats a sample when it gets to it.
//!
//! A series keeps its last [`KEPT`] samples. If a reader is slower than that, some are lost, and
//! the line after the gap ends in `[3 lost]`. What is kept can be read again.

use common::{
    context::{
        self,
        Comm, //
    },
    proc_fs::ProcFile,
    wait::{
        PollTable,
        Waiters, //
    }, //
};
use kernel::{
    cpu::CpuId,
    pid_namespace::PidNamespace,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::aref::ARef, //
};
use ktimer::{
    interrupt::BhDisabled,
    prelude::*, //
};

/// How many samples are kept for a reader that does not fetch them.
pub(crate) const KEPT: u64 = 256;

/// Where the code runs.
#[derive(Clone, Copy)]
struct Sample {
    time: Jiffies,
    in_interrupt: bool,
    cpu: CpuId,
    /// `None` for a task that the reader can't see.
    task: Option<(i32, Comm)>,
}

impl Sample {
    fn take(namespace: &PidNamespace) -> Self {
        Self {
            time: Jiffies::now(),
            in_interrupt: context::in_interrupt(),
            cpu: CpuId::current(),
            task: context::current_pid_in(namespace).map(|pid| (pid, Comm::current())),
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
    /// What the reader asked for last, and got.
    last: Option<Asked>,
    hung_up: bool,
}

/// What the reader asked for, and got.
#[derive(Clone, Copy)]
struct Asked {
    wanted: u64,
    number: u64,
    time: Jiffies,
    /// The time of the line before.
    before: Option<Jiffies>,
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

    /// Whether there is a line at `index`, of which 0 is the header; `None` if there is not yet.
    fn more(&self, index: u64) -> Option<bool> {
        // The first sample is taken when it is asked for.
        if index <= self.taken || self.taken == 0 {
            Some(true)
        } else if self.hung_up || self.is_complete() {
            Some(false)
        } else {
            None
        }
    }

    /// The number of the oldest sample that is kept.
    fn oldest(&self) -> u64 {
        self.taken - self.ring.len() as u64
    }

    /// Where in the ring the sample with the number `number` is, or was.
    fn place(&self, number: u64) -> usize {
        (number % self.ring.len().max(1) as u64) as usize
    }

    fn get(&self, number: u64) -> Option<Sample> {
        (self.oldest()..self.taken)
            .contains(&number)
            .then(|| self.ring.get(self.place(number)).copied())?
    }

    /// The line for the sample with the number `wanted`, or for the oldest one if that is lost; and
    /// which it is.
    fn line(&mut self, wanted: u64) -> Option<(u64, Line)> {
        let number = wanted.max(self.oldest());
        let sample = self.get(number)?;
        // The sample of the line before may not be kept any more; but usually it was the last one.
        let before = match self.last {
            Some(last) if last.wanted == wanted => last.before,
            Some(last) if last.number + 1 == wanted => Some(last.time),
            _ => wanted
                .checked_sub(1)
                .and_then(|before| self.get(before))
                .map(|sample| sample.time),
        };
        self.last = Some(Asked {
            wanted,
            number,
            time: sample.time,
            before,
        });
        Some((
            number,
            Line(Some(SampleLine {
                sample,
                delta: sample.time.since(before.unwrap_or(sample.time)),
                lost: number - wanted,
            })),
        ))
    }
}

/// A line of the file: the header, or a sample.
pub(crate) struct Line(Option<SampleLine>);

struct SampleLine {
    sample: Sample,
    /// Since the line before.
    delta: JiffiesDelta,
    /// How many samples would have come before it, and were not fetched in time.
    lost: u64,
}

impl Line {
    fn show(&self, m: &SeqFile) {
        let Some(SampleLine {
            sample,
            delta,
            lost,
        }) = &self.0
        else {
            seq_print!(m, "   time   delta  inirq    pid   cpu command\n");
            return;
        };
        seq_print!(
            m,
            "{:>9}  {:>3}     {}    {:>6}   {}   ",
            sample.time,
            delta,
            u8::from(sample.in_interrupt),
            sample.task.map_or(0, |(pid, _)| pid),
            sample.cpu.as_u32(),
        );
        match sample.task {
            Some((_, command)) => seq_print!(m, "{command}"),
            None => seq_print!(m, "-"),
        }
        match lost {
            0 => seq_print!(m, "\n"),
            lost => seq_print!(m, " [{lost} lost]\n"),
        }
    }
}

/// The samples of an open file, and those who wait for them.
#[pin_data]
pub(crate) struct Series {
    #[pin]
    samples: SpinLockBh<Samples>,
    #[pin]
    changed: Waiters,
    /// That of the task that opened the file.
    namespace: ARef<PidNamespace>,
}

impl Series {
    /// A series for a file that the current task opens: the reader's sample and `count` more, or
    /// without end if `count` is 0.
    ///
    /// May sleep. Its memory, of which there is no more for a larger `count` than [`KEPT`], is
    /// charged to the task. Fails with `ENOMEM`.
    pub(crate) fn new(count: usize) -> Result<impl PinInit<Self>> {
        let limit = (count > 0).then_some((count as u64).saturating_add(1));
        let capacity = limit.map_or(KEPT, |limit| limit.min(KEPT));
        let samples = Samples {
            ring: KVec::with_capacity(capacity as usize, GFP_KERNEL_ACCOUNT)?,
            taken: 0,
            limit,
            last: None,
            hung_up: false,
        };
        let namespace = ARef::from(kernel::current!().active_pid_ns().ok_or(ESRCH)?);
        Ok(pin_init!(Self {
            samples <- new_spinlock_bh!(samples),
            changed <- Waiters::new(),
            namespace,
        }))
    }

    /// Takes a sample, and wakes the reader. Returns when it was taken, if there are more to take.
    ///
    /// To be called in softirq context, which `bh` proves.
    pub(crate) fn add(&self, bh: &BhDisabled) -> Option<Jiffies> {
        let sample = Sample::take(&self.namespace);
        let more = self.samples.lock_with(bh).add(sample);
        self.changed.notify_all();
        more.then_some(sample.time)
    }
}

/// What takes the samples of an open file.
pub(crate) trait Source: Send + Sync + Sized + 'static {
    /// What all open files of the same entry share.
    type Data: Send + Sync + 'static;

    /// Makes it, for a file that the current task opens.
    fn open(data: &Self::Data) -> Result<impl PinInit<Self, Error>>;

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

impl<S: Source> ProcFile for SeriesFile<S> {
    type Data = S::Data;
    type Record = Line;

    fn open(data: &S::Data) -> Result<impl PinInit<Self, Error>> {
        let source = S::open(data)?;
        Ok(try_pin_init!(Self { source <- source }? Error))
    }

    fn record(&self, index: u64) -> Option<(u64, Line)> {
        let Some(wanted) = index.checked_sub(1) else {
            return Some((0, Line(None)));
        };
        let series = self.source.series();
        // Taken before the lock, which disables bottom halves: that would look like an interrupt.
        let sample = Sample::take(&series.namespace);
        let mut samples = series.samples.lock();
        if samples.taken == 0 && samples.add(sample) {
            self.source.start(sample.time);
        }
        let (number, line) = samples.line(wanted)?;
        Some((number + 1, line))
    }

    fn show(&self, line: &Line, m: &SeqFile) {
        line.show(m);
    }

    fn wait(&self, index: u64, nonblocking: bool) -> Result<bool> {
        let series = self.source.series();
        let mut samples = series.samples.lock();
        loop {
            if let Some(more) = samples.more(index) {
                return Ok(more);
            }
            if nonblocking {
                return Err(EAGAIN);
            }
            if series.changed.wait_interruptible(&mut samples) {
                return Err(ERESTARTSYS);
            }
        }
    }

    fn poll(&self, index: u64, table: &PollTable<'_>) -> Result<bool> {
        let series = self.source.series();
        series.changed.register(table)?;
        Ok(series.samples.lock().more(index).is_some())
    }

    fn hang_up(&self) {
        let series = self.source.series();
        series.samples.lock().hung_up = true;
        series.changed.notify_all();
    }
}
