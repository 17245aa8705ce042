// SPDX-License-Identifier: GPL-2.0

//! `kt`: use kernel timers in the Linux kernel.
//!
//! A count is changed by two: a worker, once, when the module is loaded, and the callback of a
//! timer, again and again until the module is unloaded. A spinlock keeps them apart. It has to keep
//! bottom halves out while the worker has it: if the timer expired on the worker's CPU just then,
//! the callback would wait for a lock that can't be released.
//!
//! Count, lock and timer live in the module's own struct, so nothing is allocated.
//!
//! ```text
//! # insmod kt.ko period_ms=1000; sleep 2.5; rmmod kt; dmesg
//! kt: Entering: kt_init
//! kt: kt_timer is started
//! kt: Before kt_do_the_work, count = 0
//! kt: After kt_do_the_work, count = 1
//! kt: Entering: timer_callback
//! kt: Entering: timer_callback
//! kt: exiting kt module
//! kt: kt_global_data.count = [3]
//! ```

use common::module_param;
use kernel::prelude::*;
use ktimer::prelude::*;

module! {
    type: Kt,
    name: "kt",
    authors: ["The jitimer authors"],
    description: "A timer and a worker share a count",
    license: "GPL",
}

module_param! {
    /// From one run of the callback to the next.
    static PERIOD_MS: period_ms = 10_000, 1..=86_400_000,
        "milliseconds between callbacks, rounded up to ticks, from 1 to 86400000 (default 10000)",
        0o444;
}

/// What the callback and the worker share.
#[pin_data]
struct GlobalData {
    #[pin]
    count: SpinLockBh<u32>,
    period: JiffiesDelta,
}

impl TimerCallback for GlobalData {
    fn run(&self, context: TimerContext<'_, Self>) {
        pr_info!("Entering: timer_callback\n");
        // In the callback, bottom halves are off already: this is a plain `spin_lock()`.
        let mut count = self.count.lock_with(&context);
        *count = count.wrapping_add(1);
        drop(count);
        // Again, a period after it was due.
        context.rearm(self.period);
    }
}

#[pin_data(PinnedDrop)]
struct Kt {
    #[pin]
    timer: Timer<GlobalData>,
}

impl kernel::InPlaceModule for Kt {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pr_info!("Entering: kt_init\n");
        let period = JiffiesDelta::from_millis(PERIOD_MS.value() as u32);
        try_pin_init!(Self {
            timer <- new_timer!(pin_init!(GlobalData {
                count <- new_spinlock_bh!(0),
                period,
            })),
        }? Error)
        .pin_chain(|kt| {
            let timer = &kt.as_ref().get_ref().timer;
            timer.arm(Jiffies::now() + timer.period);
            pr_info!("kt_timer is started\n");
            do_the_work(timer);
            Ok(())
        })
    }
}

fn do_the_work(data: &GlobalData) {
    let mut count = data.count.lock();
    pr_info!("Before kt_do_the_work, count = {}\n", *count);
    *count = count.wrapping_add(1);
    pr_info!("After kt_do_the_work, count = {}\n", *count);
}

#[pinned_drop]
impl PinnedDrop for Kt {
    fn drop(self: Pin<&mut Self>) {
        pr_info!("exiting kt module\n");
        // Dropping the timer would do this; but then it is too late to look at the count.
        self.timer.shutdown_sync();
        pr_info!("kt_global_data.count = [{}]\n", *self.timer.count.lock());
    }
}
