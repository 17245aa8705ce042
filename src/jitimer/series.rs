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
    seq_file,
    seq_numbers,
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
    prelude::*,
    seq_file::SeqFile, //
};
use ktimer::{
    interrupt::BhDisabled,
    prelude::*, //
};

/// How many samples are kept for a reader that does not fetch them.
pub(crate) const KEPT: u64 = 256;

const _: () = assert!(KEPT.is_power_of_two());

/// How many of them a short series keeps: all, of one as long as the default of `count` makes it.
const FEW: usize = 6;

/// Where the code runs.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    time: Jiffies,
    /// For a task that the reader can't see, 0 and `-`.
    pid: i32,
    command: Comm,
    cpu: u16,
    in_interrupt: bool,
}

impl Sample {
    const NONE: Self = Self {
        time: Jiffies::from_raw(0),
        pid: 0,
        command: Comm::new(b""),
        cpu: 0,
        in_interrupt: false,
    };

    /// Takes one, in its place.
    #[inline]
    fn take(&mut self, viewer: &Viewer) {
        self.time = Jiffies::now();
        // No kernel has more CPUs than that.
        self.cpu = CpuId::current().as_u32() as u16;
        self.in_interrupt = context::in_interrupt();
        if let Some(pid) = viewer.current_task(&mut self.command) {
            self.pid = pid;
        } else {
            (self.pid, self.command) = (0, const { Comm::new(b"-") });
        }
    }
}

/// The samples of a series.
struct Samples {
    /// The ring of a series that is no longer than this, as most are: it takes no allocation.
    few: [Option<Sample>; FEW],
    /// That of others.
    many: Option<KVec<Option<Sample>>>,
    taken: u64,
    /// How many are to be taken; `u64::MAX` if there is no end.
    limit: u64,
}

impl Samples {
    /// The last ones: that with the number `n` is at `n` modulo the length.
    #[inline]
    fn ring(&mut self) -> &mut [Option<Sample>] {
        match &mut self.many {
            None => &mut self.few,
            Some(many) => many,
        }
    }

    /// Where the sample with the number `number` is, or was, or will be.
    #[inline]
    fn slot(&mut self, number: u64) -> Option<&mut Option<Sample>> {
        let ring = self.ring();
        // The number may be cut off: a series that is longer than that has a ring of `KEPT`, which
        // is a power of two.
        let index = (number as u32).checked_rem(ring.len() as u32)?;
        ring.get_mut(index as usize)
    }

    /// Adds a sample, in place of the oldest if there is no room; returns whether there are more to
    /// be taken.
    #[inline]
    fn add(&mut self, sample: &Sample) -> bool {
        let number = self.taken;
        if let Some(slot) = self.slot(number) {
            *slot = Some(*sample);
        }
        self.taken = number.wrapping_add(1);
        !self.is_complete()
    }

    fn is_complete(&self) -> bool {
        self.taken >= self.limit
    }

    /// The sample with the number `number`, which was taken, or the oldest if that is lost; and its
    /// number.
    fn get(&mut self, number: u64) -> Option<(u64, Sample)> {
        let number = number.max(self.taken.saturating_sub(self.ring().len() as u64));
        Some((number, (*self.slot(number)?)?))
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
        let limit = match count {
            0 => u64::MAX,
            _ => (count as u64).saturating_add(1),
        };
        let many = match limit.min(KEPT) as usize {
            ..=FEW => None,
            length => Some(KVec::from_elem(None, length, GFP_KERNEL_ACCOUNT)?),
        };
        let samples = init!(Samples {
            few: [None; FEW],
            many,
            taken: 0,
            limit,
        });
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
        let mut sample = Sample::NONE;
        sample.take(&self.viewer);
        let more = self.samples.lock_with(bh).add(&sample);
        self.changed.notify_all();
        more.then_some(sample.time)
    }

    /// Whether there is a sample with the number `number`, or can be none; the first is taken when
    /// it is asked for.
    ///
    /// Once in the code, though three call it.
    #[inline(never)]
    fn is_ready(&self, number: u64) -> bool {
        let samples = self.samples.lock();
        number == 0 || number < samples.taken || samples.is_complete()
    }
}

/// What takes the samples of an open file.
pub(crate) trait Source: Send + Sync + Sized + 'static {
    /// What all open files of the same name share.
    type Data: Send + Sync + 'static;

    /// Makes it, for a file that is being opened.
    fn open(data: &Self::Data, opener: &Opener<'_>) -> Result<impl PinInit<Self>>;

    /// The file is closed; called once, if [`open`](Self::open) did not fail.
    fn close(&self, _data: &Self::Data) {}

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

    const HEADER: &'static str = "   time   delta  inirq    pid   cpu command\n";

    fn open(data: &S::Data, opener: &Opener<'_>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self { source <- S::open(data, opener)? }? Error)
    }

    fn close(&self, data: &S::Data) {
        self.source.close(data);
    }

    fn next(&self, number: u64, nonblocking: bool, stop: &Stop) -> Result<Option<(u64, Sample)>> {
        let series = self.source.series();
        if number == 0 {
            let mut first = Sample::NONE;
            // Before the lock, which disables bottom halves: that would look like an interrupt.
            first.take(&series.viewer);
            let mut samples = series.samples.lock();
            if samples.taken == 0 && samples.add(&first) {
                self.source.start(first.time);
            }
        }
        if !nonblocking {
            stop.wait_for(&series.changed, || series.is_ready(number))?;
        }
        let mut samples = series.samples.lock();
        if number < samples.taken {
            Ok(samples.get(number))
        } else if samples.is_complete() {
            Ok(None)
        } else {
            Err(EAGAIN)
        }
    }

    fn show(sample: &Sample, before: Option<&Sample>, m: &SeqFile) {
        seq_numbers!(
            m,
            "" time: usize[9] = sample.time.as_raw(),
            "  " delta: usize[3] = sample.time.since(before.unwrap_or(sample).time).as_ticks(),
            "     " inirq: u32 = u32::from(sample.in_interrupt),
            "    " pid: i32[6] = sample.pid,
            "   " cpu: u32 = u32::from(sample.cpu);
            "   "
        );
        seq_file::escape(m, sample.command.as_bytes());
        seq_file::write(m, b"\n");
    }

    fn waiters(&self) -> Option<&Waiters> {
        Some(&self.source.series().changed)
    }

    fn is_ready(&self, number: u64) -> bool {
        self.source.series().is_ready(number)
    }
}
