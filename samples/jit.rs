// SPDX-License-Identifier: GPL-2.0

//! `jit`: the rest of "just in time" of *Linux Device Drivers*, chapter 7, beside `/proc/jitimer`.
//!
//! Four ways to wait for `delay` jiffies, a line each time with `jiffies` before and after, until a
//! signal (`dd bs=22 count=5 </proc/jitbusy`): `/proc/jitbusy` keeps the CPU busy meanwhile,
//! `/proc/jitsched` gives it to others, `/proc/jitqueue` sleeps on a wait queue with a timeout,
//! `/proc/jitschedto` just sleeps. `/proc/currentime` tells `jiffies`, in 64 bits too, and real
//! time, now and as of the last tick. `/proc/jitasklet` and `/proc/jitasklethi` show what
//! `/proc/jitimer` does, driven by a tasklet that schedules itself as soon as can be.
//!
//! Read `/proc/jitbusy` in the background and `/proc/jitimer` in the foreground: the timer is on
//! time, though the CPU is busy in the kernel.

use common::{
    module_param,
    proc_fs::{
        Entry,
        Records,
        Show, //
    },
    tasklet::Priority,
    time,
    viewer::Opener,
    wait::Stop, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print, //
};
use ktimer::prelude::*;
use series::SeriesFile;

#[path = "../src/jitimer/series.rs"]
mod series;

#[path = "jit/tasklets.rs"]
mod tasklets;

module! {
    type: Jit,
    name: "jit",
    authors: ["The jitimer authors"],
    description: "Ways to wait, to tell the time, and to run code later",
    license: "GPL",
}

module_param! {
    /// How long the four wait. Not so long that a busy CPU is reported.
    static DELAY: delay = JiffiesDelta::SECOND.as_ticks(), 1..=10 * JiffiesDelta::SECOND.as_ticks(),
        "jiffies to wait for each line, from 1 to those of ten seconds (default: a second)";
}

struct Jit {
    _waits: [Entry<Wait>; 4],
    _currentime: Entry<CurrentTime>,
    _tasklets: [Entry<Priority>; 2],
}

impl kernel::Module for Jit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _waits: [
                Entry::stream::<Wait>(c"jitbusy", Wait::Busy)?,
                Entry::stream::<Wait>(c"jitsched", Wait::Sched)?,
                Entry::stream::<Wait>(c"jitqueue", Wait::Queue)?,
                Entry::stream::<Wait>(c"jitschedto", Wait::SchedTo)?,
            ],
            _currentime: Entry::text(c"currentime", CurrentTime)?,
            _tasklets: [
                Entry::stream::<SeriesFile<tasklets::Tasks>>(c"jitasklet", Priority::Normal)?,
                Entry::stream::<SeriesFile<tasklets::Tasks>>(c"jitasklethi", Priority::High)?,
            ],
        })
    }
}

#[derive(Clone, Copy)]
enum Wait {
    Busy,
    Sched,
    Queue,
    SchedTo,
}

impl Records for Wait {
    type Data = Self;
    type Record = (Jiffies, Jiffies);

    fn open(this: &Self, _opener: &Opener<'_>) -> impl PinInit<Self, Error> {
        Ok(*this)
    }

    /// It waits, even if `nonblocking`: that is what it shows.
    fn next(&self, number: u64, _: bool, stop: &Stop) -> Result<Option<(u64, Self::Record)>> {
        let start = Jiffies::now();
        let end = start + JiffiesDelta::from_ticks(DELAY.value())?;
        while end.is_after(Jiffies::now()) {
            stop.check()?;
            let left = end.since(Jiffies::now());
            match self {
                Self::Busy => core::hint::spin_loop(),
                Self::Sched => time::schedule(),
                Self::Queue => stop.sleep(left)?,
                // Only a signal wakes it, so it looks now and then whether it is to stop.
                Self::SchedTo => {
                    time::schedule_timeout_interruptible(left.min(JiffiesDelta::from_millis(250)));
                }
            }
        }
        Ok(Some((number, (start, Jiffies::now()))))
    }

    fn show((start, end): &Self::Record, _before: Option<&Self::Record>, m: &SeqFile) {
        seq_print!(m, "{start:>9} {end:>9}\n");
    }
}

struct CurrentTime;

impl Show for CurrentTime {
    fn show(&self, m: &SeqFile) {
        let (jiffies, jiffies_64) = (Jiffies::now().as_raw(), time::jiffies_64());
        seq_print!(
            m,
            "{jiffies:#010x} {jiffies_64:#018x} {}\n",
            time::RealTime::now()
        );
        seq_print!(m, "{:30}{}\n", "", time::RealTime::coarse());
    }
}
