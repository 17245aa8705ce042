// SPDX-License-Identifier: GPL-2.0

//! `counter`: "a counter in a device driver which increments after every fixed interval of time".
//!
//! ```text
//! # insmod counter.ko period_ms=200; sleep 10; cat /proc/jitcounter
//! 50
//! ```
//!
//! Who arms a timer for now and a period drifts: now is a bit later than when the timer was due,
//! and these bits add up. `rearm()` arms it for a period after it was due; and if it comes so
//! late that whole periods were missed, it says how many, so that they are counted too. However
//! busy the machine is, the counter tells how many periods have passed. A period is of whole ticks:
//! 10 ms are 12, where there are 250 ticks in a second.
//!
//! The file has the timer. When nobody reads the file any more, for the module is being unloaded,
//! the timer is gone.

use common::{
    module_param,
    proc_fs::{
        Entry,
        Show, //
    },
    seq_numbers, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use ktimer::prelude::*;

module! {
    type: CounterModule,
    name: "counter",
    authors: ["The jitimer authors"],
    description: "A counter that is incremented at a fixed interval: /proc/jitcounter",
    license: "GPL",
}

module_param! {
    /// From one increment to the next.
    static PERIOD_MS: period_ms = 200, 1..=86_400_000,
        "milliseconds between increments, rounded up to ticks, from 1 to 86400000 (default 200)",
        0o444;
}

struct Counter {
    count: Atomic<usize>,
    period: JiffiesDelta,
}

impl TimerCallback for Counter {
    fn run(&self, context: TimerContext<'_, Self>) {
        let missed = context.rearm(self.period);
        self.count.fetch_add(1 + missed, Relaxed);
    }
}

impl Show for Counter {
    fn show(&self, m: &SeqFile) {
        seq_numbers!(m, "" count: usize = self.count.load(Relaxed); "\n");
    }
}

struct CounterModule {
    _file: Entry<Timer<Counter>>,
}

impl kernel::Module for CounterModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let period = JiffiesDelta::from_millis(PERIOD_MS.value() as u32);
        let timer = new_timer!(Counter {
            count: Atomic::new(0),
            period,
        });
        let file = Entry::text(c"jitcounter", timer)?;
        file.data().arm(Jiffies::now() + period);
        Ok(Self { _file: file })
    }
}
