// SPDX-License-Identifier: GPL-2.0

//! `jit`: the rest of "just in time" of *Linux Device Drivers*, chapter 7, beside `/proc/jitimer`.
//!
//! Four ways to wait for `delay` jiffies, a line each time with `jiffies` before and after, until a
//! signal (`dd bs=20 count=5 </proc/jitbusy`): `/proc/jitbusy` keeps the CPU busy meanwhile,
//! `/proc/jitsched` gives it to others, `/proc/jitqueue` sleeps on a wait queue with a timeout,
//! `/proc/jitschedto` just sleeps. `/proc/currentime` tells `jiffies`, in 64 bits too, and real
//! time, now and as of the last tick. `/proc/jitasklet` and `/proc/jitasklethi` show what
//! `/proc/jitimer` does, driven by a tasklet that schedules itself as soon as can be.
//!
//! Read `/proc/jitbusy` in the background and `/proc/jitimer` in the foreground: the timer is on
//! time, though the CPU is busy in the kernel.

use common::{
    module_param,
    proc_fs,
    proc_fs::ProcEntry,
    tasklet::Priority,
    time, //
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
    _waits: [ProcEntry<proc_fs::Produced<Wait>>; 4],
    _currentime: ProcEntry<proc_fs::Text<CurrentTime>>,
    _tasklets: [ProcEntry<SeriesFile<tasklets::Tasks>>; 2],
}

impl kernel::Module for Jit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _waits: [
                ProcEntry::new(c"jitbusy", Wait::Busy)?,
                ProcEntry::new(c"jitsched", Wait::Sched)?,
                ProcEntry::new(c"jitqueue", Wait::Queue)?,
                ProcEntry::new(c"jitschedto", Wait::SchedTo)?,
            ],
            _currentime: ProcEntry::new(c"currentime", CurrentTime)?,
            _tasklets: [
                ProcEntry::new(c"jitasklet", Priority::Normal)?,
                ProcEntry::new(c"jitasklethi", Priority::High)?,
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

impl proc_fs::Produce for Wait {
    type Record = (Jiffies, Jiffies);

    fn produce(&self, _index: u64, stop: &proc_fs::Stop) -> Option<Self::Record> {
        let start = Jiffies::now();
        let end = start + JiffiesDelta::from_ticks(DELAY.value()).unwrap_or(JiffiesDelta::SECOND);
        while end.is_after(Jiffies::now()) && !stop.is_requested() {
            let left = end.since(Jiffies::now());
            match self {
                Self::Busy => core::hint::spin_loop(),
                Self::Sched => time::schedule(),
                Self::Queue => stop.sleep(left),
                // Only a signal wakes it, so it looks now and then whether it is to stop.
                Self::SchedTo => {
                    time::schedule_timeout_interruptible(left.min(JiffiesDelta::from_millis(250)));
                }
            }
        }
        Some((start, Jiffies::now()))
    }

    fn show(&self, (start, end): &(Jiffies, Jiffies), m: &SeqFile) {
        seq_print!(m, "{start:>9} {end:>9}\n");
    }
}

#[derive(Clone)]
struct CurrentTime;

impl proc_fs::Show for CurrentTime {
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
