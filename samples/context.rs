// SPDX-License-Identifier: GPL-2.0

//! `context`: what the macros that tell where code runs say, from different places.
//!
//! ```text
//! # cat /proc/jitcontext
//! where         interrupt softirq serving hardirq atomic irqs-off preempt-count
//! process               0       0       0       0      0        0      00000000
//! SpinLockBh            1       1       0       0      1        0      00000201
//! timer                 1       1       1       0      1        0      00000101
//! ...
//! ```
//!
//! `in_interrupt()` is true wherever bottom halves are off, as under a `SpinLockBh`; what tells a
//! softirq from that is `in_serving_softirq()`. `in_atomic()` misses a spinlock where the kernel
//! does not count them. On PREEMPT_RT softirqs run in threads, and spinlocks sleep.

use common::{
    context::Place,
    proc_fs, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print, //
};

#[path = "context/probe.rs"]
mod probe;

module! {
    type: ContextModule,
    name: "context",
    authors: ["The jitimer authors"],
    description: "Where code runs: /proc/jitcontext",
    license: "GPL",
}

struct ContextModule {
    _file: proc_fs::Entry<Contexts>,
}

impl kernel::Module for ContextModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let _file = proc_fs::Entry::text(c"jitcontext", Contexts)?;
        Ok(Self { _file })
    }
}

/// Looks around somewhere; `None` without memory.
type Look = fn() -> Option<Place>;

struct Contexts;

impl proc_fs::Show for Contexts {
    fn show(&self, m: &SeqFile) {
        seq_print!(
            m,
            "where         interrupt softirq serving hardirq atomic irqs-off "
        );
        seq_print!(m, "preempt-count\n");
        let contexts: [(&str, Look); 8] = [
            ("process", || Some(Place::here())),
            ("SpinLock", probe::under_spinlock),
            ("SpinLockBh", probe::under_spinlock_bh),
            ("timer", probe::from_timer),
            ("timer-IRQSAFE", probe::from_irqsafe_timer),
            ("tasklet", probe::from_tasklet),
            ("BH-work", probe::from_bh_work),
            ("hrtimer", probe::from_hrtimer),
        ];
        for (name, context) in contexts {
            // Without memory, a place is not shown.
            if let Some(place) = context() {
                seq_print!(m, "{name:<14}{place}\n");
            }
        }
    }
}
