// SPDX-License-Identifier: GPL-2.0

//! Beats once a second, from load to unload.

use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};
use ktimer::prelude::*;

module! {
    type: Heart,
    name: "heart",
    authors: ["You"],
    description: "Beats once a second",
    license: "GPL",
}

/// What the timer's callback works on.
struct Beat {
    count: Atomic<usize>,
}

impl TimerCallback for Beat {
    /// In softirq context, each time that the timer expires.
    fn run(&self, context: TimerContext<'_, Self>) {
        // A second after it was due, not after now: it does not drift.
        let missed = context.rearm(JiffiesDelta::SECOND);
        self.count.fetch_add(1 + missed, Relaxed);
    }
}

struct Heart {
    beat: Pin<KBox<Timer<Beat>>>,
}

impl kernel::Module for Heart {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let beat = KBox::pin_init(
            new_timer!(Beat {
                count: Atomic::new(0),
            }),
            GFP_KERNEL,
        )?;
        beat.arm(Jiffies::now() + JiffiesDelta::SECOND);
        Ok(Self { beat })
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        pr_info!("{} beats\n", self.beat.count.load(Relaxed));
        // Then `beat` is dropped: no callback runs, or will, when that is done.
    }
}
