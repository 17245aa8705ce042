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
//! another every `tdelay` jiffies, five in all. Each line tells the time (`jiffies`), how many
//! jiffies after the line before that was, whether it was in an interrupt, and the task that the
//! CPU was running, or had been when the interrupt came.
//!
//! The callback only stores a sample. The reader formats it, when it gets to it. Each open file has
//! a series of its own, which starts when the file is first read.

use kernel::{
    cpu::CpuId,
    new_condvar,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::CondVar, //
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
    }, //
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
}

/// How many samples the timer takes.
const TIMER_SAMPLES: usize = 5;

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

/// Where the code runs.
#[derive(Clone, Copy)]
struct Sample {
    time: Jiffies,
    in_interrupt: bool,
    pid: i32,
    cpu: CpuId,
    command: Comm,
}

impl Sample {
    fn take() -> Self {
        Self {
            time: Jiffies::now(),
            in_interrupt: context::in_interrupt(),
            pid: current!().pid(),
            cpu: CpuId::current(),
            command: Comm::current(),
        }
    }
}

/// The samples of one open file: the reader's, then the timer's.
struct Samples {
    taken: [Option<Sample>; 1 + TIMER_SAMPLES],
    count: usize,
    hung_up: bool,
}

impl Samples {
    /// Adds a sample; returns whether there are more to be taken.
    fn add(&mut self, sample: Sample) -> bool {
        if let Some(free) = self.taken.get_mut(self.count) {
            *free = Some(sample);
            self.count += 1;
        }
        !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.count == self.taken.len()
    }

    fn get(&self, index: usize) -> Option<Sample> {
        *self.taken.get(index)?
    }

    /// The line for the sample at `index`.
    fn line(&self, index: usize) -> Option<Line> {
        let sample = self.get(index)?;
        // The first one has none before it.
        let previous = self.get(index.wrapping_sub(1)).unwrap_or(sample);
        Some(Line::Sample {
            sample,
            delta: sample.time.since(previous.time),
        })
    }
}

/// What the timer of an open file works on.
#[pin_data]
struct Series {
    #[pin]
    samples: SpinLockBh<Samples>,
    #[pin]
    changed: CondVar,
    /// What to arm the timer for: it expires at the tick after.
    delay: JiffiesDelta,
}

impl TimerCallback for Series {
    fn run(&self, context: TimerContext<'_, Self>) {
        let sample = Sample::take();
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
}

/// A line of the file.
enum Line {
    Header,
    Sample { sample: Sample, delta: JiffiesDelta },
}

impl ProcFile for Reader {
    type Data = ();
    type Record = Line;

    fn open((): &()) -> Result<impl PinInit<Self, Error>> {
        let delay = JiffiesDelta::from_ticks(TDELAY.value())?.saturating_sub(JiffiesDelta::TICK);
        Ok(try_pin_init!(Self {
            timer <- Timer::new(pin_init!(Series {
                samples <- new_spinlock_bh!(Samples {
                    taken: [None; 1 + TIMER_SAMPLES],
                    count: 0,
                    hung_up: false,
                }),
                changed <- new_condvar!(),
                delay,
            })),
        }? Error))
    }

    fn record(&self, index: u64) -> Option<Line> {
        let Some(index) = usize::try_from(index).ok()?.checked_sub(1) else {
            return Some(Line::Header);
        };
        // Taken before the lock, which disables bottom halves: that would look like an interrupt.
        let sample = Sample::take();
        let mut samples = self.timer.samples.lock();
        if samples.count == 0 && samples.add(sample) {
            self.timer.arm(sample.time + self.timer.delay);
        }
        samples.line(index)
    }

    fn show(&self, line: &Line, m: &SeqFile) {
        match line {
            Line::Header => seq_print!(m, "   time   delta  inirq    pid   cpu command\n"),
            Line::Sample { sample, delta } => seq_print!(
                m,
                "{:>9}  {:>3}     {}    {:>6}   {}   {}\n",
                sample.time,
                delta,
                u8::from(sample.in_interrupt),
                sample.pid,
                sample.cpu.as_u32(),
                sample.command,
            ),
        }
    }

    fn wait(&self, index: u64, nonblocking: bool) -> Result<bool> {
        let mut samples = self.timer.samples.lock();
        loop {
            // The line at 0 is the header, so the sample at `index` is the first one missing.
            if index <= samples.count as u64 {
                return Ok(true);
            }
            if samples.hung_up || samples.is_full() {
                return Ok(false);
            }
            if nonblocking {
                return Err(EAGAIN);
            }
            if self.timer.changed.wait_interruptible(&mut samples) {
                return Err(ERESTARTSYS);
            }
        }
    }

    fn hang_up(&self) {
        self.timer.samples.lock().hung_up = true;
        self.timer.changed.notify_all();
    }
}
