// SPDX-License-Identifier: GPL-2.0

//! `wheel`: the timer wheel at work.
//!
//! ```text
//! # cat /proc/jitwheel
//!      delay level granularity        due        ran     late percent
//!          1     0           1 4294897301 4294897302        1 100.000
//!         62     0           1 4294897364 4294897365        1   1.613
//!         64     1           8 4294897429 4294897432        3   4.688
//! ...
//! ```
//!
//! Books tell of a cascade: 256 lists for the next 256 jiffies, and four coarser tables of 64,
//! whose timers were moved to a finer one as their time came near. That cost most for timeouts that
//! never expire, as nearly all do. Since 4.8 a timer stays where it is put: each level has 64
//! lists, and is eight times coarser than the one before. The price is that a timer may be late
//! (never early) by the granularity of its level: about an eighth of its delay at most, or a tick.
//!
//! The file arms a timer for the shortest and the longest delay of each level, one after the other,
//! as long as that is no more than `longest` jiffies; with all of them it takes months. Beside it,
//! `/proc/jitcpu` shows on which CPU timers run: see [`cpu`].

use common::{
    module_param,
    proc_fs::Entry, //
};
use kernel::prelude::*;
use ktimer::prelude::*;

#[path = "wheel/cpu.rs"]
mod cpu;
#[path = "wheel/levels.rs"]
mod levels;

module! {
    type: Wheel,
    name: "wheel",
    authors: ["The jitimer authors"],
    description: "The timer wheel at work: /proc/jitwheel, /proc/jitcpu",
    license: "GPL",
}

module_param! {
    /// Where /proc/jitwheel ends.
    static LONGEST: longest = 1000, 1..=JiffiesDelta::TIMER_MAX.as_ticks(),
        "longest delay that /proc/jitwheel waits for, in jiffies, to 1056964607 (default 1000)";

    /// How long the timers of /proc/jitcpu are armed for.
    static DELAY: delay = 25, 1..=JiffiesDelta::TIMER_MAX.as_ticks(),
        "jiffies from arming to running in /proc/jitcpu, from 1 to 1056964607 (default 25)";
}

struct Wheel {
    _levels: Entry<()>,
    _cpu: Entry<()>,
}

impl kernel::Module for Wheel {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _levels: Entry::stream::<levels::Levels>(c"jitwheel", ())?,
            _cpu: Entry::stream::<cpu::Kinds>(c"jitcpu", ())?,
        })
    }
}
