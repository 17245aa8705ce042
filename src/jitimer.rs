// SPDX-License-Identifier: GPL-2.0

//! `/proc/jitimer`: the "just in timer" of *Linux Device Drivers*, chapter 7.
//!
//! ```text
//! # cat /proc/jitimer
//!    time   delta  inirq    pid   cpu command
//!  33565837    0     0      1269   0   cat
//!  33565847   10     1      1271   0   sh
//!  ...
//! ```
//!
//! Reading the file takes a sample of where the code runs, and starts a timer whose callback takes
//! another every `tdelay` jiffies, `count` in all (0: until the file is closed). Each line tells
//! the time (`jiffies`), how many jiffies after the line before that was, whether it was in an
//! interrupt, and the CPU and the task that it was running, or had been when the interrupt came.
//!
//! The callback only stores a sample. The reader formats it, when it gets to it. Each open file has
//! a series of its own, which starts when the file is first read. It keeps the last [`KEPT`]
//! samples; if a reader is slower than that, some are lost, and the line after the gap ends in
//! `[3 lost]`.
//!
//! All may read the file, since what it shows, all may see: `pid` is what the reader's pid
//! namespace calls the task, and a task that it can't see is shown as `0` and `-`. At most
//! `readers` files may be open at once.

use kernel::{
    cpu::CpuId,
    fs::File,
    pid_namespace::PidNamespace,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        poll::PollTable, //
    }, //
};
use ktimer::{
    context::{
        self,
        Comm, //
    },
    prelude::*,
    proc_fs::{
        ProcEntry,
        ProcFile, //
    },
    sync::Waiters, //
};

module! {
    type: JiTimer,
    name: "jitimer",
    authors: ["The jitimer authors"],
    description: "Just in timer: /proc/jitimer shows kernel timers at work",
    license: "GPL",
}

module_param! {
    /// The time from one sample to the next.
    static TDELAY: tdelay = 10, 1..=JiffiesDelta::TIMER_MAX.as_ticks(),
        "jiffies from one line of /proc/jitimer to the next, from 1 to 1073741823 (default 10)";

    /// How many samples the timer takes for each reader.
    static COUNT: count = 5, 0..=u32::MAX as usize,
        "lines by the timer, after the reader's own, up to 4294967295; 0: no end (default 5)";

    /// How many files may be open.
    static READERS: readers = 1024, 1..=65536,
        "readers of /proc/jitimer at once, from 1 to 65536; the next gets EBUSY (default 1024)";
}

/// How many samples are kept for a reader that does not fetch them.
const KEPT: u64 = 256;

struct JiTimer {
    _entry: ProcEntry<Reader>,
}

impl kernel::Module for JiTimer {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _entry: ProcEntry::new(c"jitimer", ())?,
        })
    }
}

/// One of the readers that there may be at once.
struct Seat;

/// How many there are.
static TAKEN: Atomic<usize> = Atomic::new(0);

impl Seat {
    fn take() -> Result<Self> {
        let seat = Self;
        if TAKEN.fetch_add(1, Relaxed) >= READERS.value() {
            return Err(EBUSY);
        }
        Ok(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Relaxed);
    }
}

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

/// The samples of one open file: the reader's, then the timer's.
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
    fn new(count: usize) -> Result<Self> {
        let limit = (count > 0).then_some(1 + count as u64);
        let capacity = limit.map_or(KEPT, |limit| limit.min(KEPT));
        Ok(Self {
            ring: KVec::with_capacity(capacity as usize, GFP_KERNEL_ACCOUNT)?,
            taken: 0,
            limit,
            last: None,
            hung_up: false,
        })
    }

    /// Adds a sample, in place of the oldest if there is no room; returns whether there are more to
    /// be taken.
    fn add(&mut self, sample: Sample) -> bool {
        if self.ring.push_within_capacity(sample).is_err() {
            let oldest = self.taken - self.ring.len() as u64;
            let index = self.place(oldest);
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

    /// Where in the ring the sample with the number `number` is, or was.
    fn place(&self, number: u64) -> usize {
        (number % self.ring.len().max(1) as u64) as usize
    }

    fn get(&self, number: u64) -> Option<Sample> {
        let oldest = self.taken - self.ring.len() as u64;
        (oldest..self.taken)
            .contains(&number)
            .then(|| self.ring.get(self.place(number)).copied())?
    }

    /// The line for the sample with the number `wanted`, or for the oldest one if that is lost; and
    /// which it is.
    fn line(&mut self, wanted: u64) -> Option<(u64, Line)> {
        let number = wanted.max(self.taken - self.ring.len() as u64);
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
            Line::Sample {
                sample,
                delta: sample.time.since(before.unwrap_or(sample.time)),
                lost: number - wanted,
            },
        ))
    }
}

/// What the timer of an open file works on.
#[pin_data]
struct Series {
    #[pin]
    samples: SpinLockBh<Samples>,
    #[pin]
    changed: Waiters,
    /// What to arm the timer for: it expires at the tick after.
    delay: JiffiesDelta,
    /// That of the task that opened the file.
    namespace: ARef<PidNamespace>,
}

impl TimerCallback for Series {
    fn run(&self, context: TimerContext<'_, Self>) {
        let sample = Sample::take(&self.namespace);
        if self.samples.lock_with(&context).add(sample) {
            context.arm(sample.time + self.delay);
        }
        self.changed.notify_all();
    }
}

/// An open `/proc/jitimer`.
#[pin_data]
struct Reader {
    #[pin]
    timer: Timer<Series>,
    _seat: Seat,
}

/// A line of the file.
enum Line {
    Header,
    Sample {
        sample: Sample,
        /// Since the line before.
        delta: JiffiesDelta,
        /// How many samples would have come before it, and were not fetched in time.
        lost: u64,
    },
}

impl ProcFile for Reader {
    type Data = ();
    type Record = Line;

    fn open((): &()) -> Result<impl PinInit<Self, Error>> {
        let seat = Seat::take()?;
        let delay = JiffiesDelta::from_ticks(TDELAY.value())?.saturating_sub(JiffiesDelta::TICK);
        let samples = Samples::new(COUNT.value())?;
        let namespace = ARef::from(current!().active_pid_ns().ok_or(ESRCH)?);
        Ok(try_pin_init!(Self {
            timer <- Timer::new(pin_init!(Series {
                samples <- new_spinlock_bh!(samples),
                changed <- Waiters::new(),
                delay,
                namespace,
            })),
            _seat: seat,
        }? Error))
    }

    fn record(&self, index: u64) -> Option<(u64, Line)> {
        let Some(wanted) = index.checked_sub(1) else {
            return Some((0, Line::Header));
        };
        // Taken before the lock, which disables bottom halves: that would look like an interrupt.
        let sample = Sample::take(&self.timer.namespace);
        let mut samples = self.timer.samples.lock();
        if samples.taken == 0 && samples.add(sample) {
            self.timer.arm(sample.time + self.timer.delay);
        }
        let (number, line) = samples.line(wanted)?;
        Some((number + 1, line))
    }

    fn show(&self, line: &Line, m: &SeqFile) {
        let Line::Sample {
            sample,
            delta,
            lost,
        } = line
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

    fn wait(&self, index: u64, nonblocking: bool) -> Result<bool> {
        let mut samples = self.timer.samples.lock();
        loop {
            if let Some(more) = samples.more(index) {
                return Ok(more);
            }
            if nonblocking {
                return Err(EAGAIN);
            }
            if self.timer.changed.wait_interruptible(&mut samples) {
                return Err(ERESTARTSYS);
            }
        }
    }

    fn poll(&self, index: u64, file: &File, table: &PollTable<'_>) -> Result<bool> {
        self.timer.changed.register(file, table)?;
        Ok(self.timer.samples.lock().more(index).is_some())
    }

    fn hang_up(&self) {
        self.timer.samples.lock().hung_up = true;
        self.timer.changed.notify_all();
    }
}
