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
//! Each open file has a series of its own, which starts when the file is first read. A reader that
//! is too slow loses samples, and the line after the gap ends in `[3 lost]`.
//!
//! All may read the file, since what it shows, all may see: `pid` is what the reader's pid
//! namespace calls the task, and a task that it can't see is shown as `0` and `-`. At most
//! `readers` files may be open at once.

use common::{
    module_param,
    proc_fs::ProcEntry, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use ktimer::prelude::*;
use series::{
    Series,
    SeriesFile,
    Source, //
};

mod series;

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
        "jiffies from one line of /proc/jitimer to the next, from 1 to 1056964607 (default 10)";

    /// How many samples the timer takes for each reader.
    static COUNT: count = 5, 0..=u32::MAX as usize,
        "lines by the timer, after the reader's own, up to 4294967295; 0: no end (default 5)";

    /// How many files may be open.
    static READERS: readers = 1024, 1..=65536,
        "readers of /proc/jitimer at once, from 1 to 65536; the next gets EBUSY (default 1024)";
}

struct JiTimer {
    _entry: ProcEntry<SeriesFile<Reader>>,
}

impl kernel::Module for JiTimer {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _entry: ProcEntry::new(c"jitimer", ())?,
        })
    }
}

/// What the timer of an open file works on.
#[pin_data]
struct Ticker {
    #[pin]
    series: Series,
    /// What to arm the timer for: it expires at the tick after.
    delay: JiffiesDelta,
}

impl TimerCallback for Ticker {
    fn run(&self, context: TimerContext<'_, Self>) {
        if let Some(time) = self.series.add(&context) {
            context.arm(time + self.delay);
        }
    }
}

/// What an open file needs.
#[pin_data]
struct Reader {
    #[pin]
    timer: Timer<Ticker>,
    _seat: Seat,
}

impl Source for Reader {
    type Data = ();

    fn open((): &()) -> Result<impl PinInit<Self, Error>> {
        let seat = Seat::take()?;
        let delay = JiffiesDelta::from_ticks(TDELAY.value())?.saturating_sub(JiffiesDelta::TICK);
        let series = Series::new(COUNT.value())?;
        Ok(try_pin_init!(Self {
            timer <- new_timer!(pin_init!(Ticker { series <- series, delay })),
            _seat: seat,
        }? Error))
    }

    fn series(&self) -> &Series {
        &self.timer.series
    }

    fn start(&self, time: Jiffies) {
        self.timer.arm(time + self.timer.delay);
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
