// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of the library. They run when the module is loaded, on a kernel with KUnit.

use common::{
    context::{
        in_atomic,
        in_interrupt,
        irqs_disabled, //
    },
    kunit::mark_skipped,
    module_param, //
};
use core::pin::Pin;
use kernel::{
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};
use ktimer::prelude::*;
use pin_init::stack_pin_init;

#[path = "kunit/context.rs"]
mod context;
#[path = "kunit/delta.rs"]
mod delta;
#[path = "kunit/extra.rs"]
mod extra;
#[path = "kunit/jiffies.rs"]
mod jiffies;
#[path = "kunit/races.rs"]
mod races;
#[path = "kunit/sync.rs"]
mod sync;
#[path = "kunit/tasklet.rs"]
mod tasklet;
#[path = "kunit/timer.rs"]
mod timer;
#[path = "kunit/timers.rs"]
mod timers;

module! {
    type: KtimerKunit,
    name: "ktimer_kunit",
    authors: ["The jitimer authors"],
    description: "KUnit suites of the ktimer library",
    license: "GPL",
}

module_param! {
    /// How often a race is tried.
    static ROUNDS: rounds = 200, 1..=1_000_000, "how often each race is tried (default 200)";
}

/// A timer in the module's own struct, which runs from load to unload.
#[pin_data]
struct KtimerKunit {
    #[pin]
    pulse: Timer<Pulse>,
}

impl kernel::InPlaceModule for KtimerKunit {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            pulse <- new_timer!(Pulse),
        }? Error)
        .pin_chain(|this| {
            this.as_ref().get_ref().pulse.arm(Jiffies::now());
            Ok(())
        })
    }
}

struct Pulse;

/// How often the timer in the module's struct has expired.
static PULSES: Atomic<usize> = Atomic::new(0);

impl TimerCallback for Pulse {
    fn run(&self, context: TimerContext<'_, Self>) {
        PULSES.fetch_add(1 + context.rearm(JiffiesDelta::TICK), Relaxed);
    }
}

/// Arms a timer on another CPU than this. Returns whether there is one.
fn arm_elsewhere<T>(mut timer: Pin<&mut Timer<T>>, expires: Jiffies) -> bool {
    let here = CpuId::current();
    (0..nr_cpu_ids())
        .filter_map(CpuId::from_u32)
        .any(|cpu| cpu != here && timer.as_mut().arm_on(cpu, expires).is_ok())
}

/// Whether there is no other CPU. Then the test is skipped.
fn alone() -> Result<bool> {
    let mut timer = Count::timer(0)?;
    let alone = !arm_elsewhere(timer.as_mut(), far());
    if alone {
        mark_skipped(c"it takes two CPUs");
    }
    Ok(alone)
}

/// Waits until something is so. Gives up after a minute: longer than a busy machine takes, and less
/// than KUnit waits.
fn until(so: impl Fn() -> bool) -> Result {
    let give_up = Jiffies::now() + JiffiesDelta::from_millis(60_000);
    while !so() {
        if Jiffies::now().is_after(give_up) {
            return Err(ETIMEDOUT);
        }
        fsleep(Delta::from_millis(1));
    }
    Ok(())
}

/// Waits until timers that were armed for this jiffy, or for an earlier one, have expired.
fn expired_by(expires: Jiffies) -> Result {
    let last = KBox::pin_init(new_timer!(Count::new(0)?), GFP_KERNEL)?;
    // On whatever CPU they were armed: after two more ticks, each has had one.
    last.arm(expires + JiffiesDelta::from_ticks(2)?);
    last.until(1)
}

/// Counts its expiries, and arms itself again that often, for the next tick. The count outlives it.
struct Count {
    count: Arc<Atomic<usize>>,
    again: usize,
}

impl Count {
    fn new(again: usize) -> Result<Self> {
        let count = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        Ok(Self { count, again })
    }

    fn timer(again: usize) -> Result<Pin<KBox<Timer<Self>>>> {
        KBox::pin_init(new_timer!(Self::new(again)?), GFP_KERNEL)
    }

    fn get(&self) -> usize {
        self.count.load(Relaxed)
    }

    fn until(&self, count: usize) -> Result {
        until(|| self.get() >= count)
    }
}

impl TimerCallback for Count {
    fn run(&self, context: TimerContext<'_, Self>) {
        if self.count.fetch_add(1, Relaxed) < self.again {
            context.arm(Jiffies::now());
        }
    }
}

/// A state whose end is watched: when it is dropped, it stays for as long as its timer, were that
/// still armed, would take to expire.
struct Watched {
    seen: Arc<Seen>,
    expires: Jiffies,
    /// It arms itself again, for ever.
    again: bool,
}

/// What is seen of it.
struct Seen {
    runs: Atomic<usize>,
    runs_before_drop: Atomic<usize>,
    drops: Atomic<usize>,
}

impl Seen {
    fn runs(&self) -> usize {
        self.runs.load(Relaxed)
    }

    /// Whether the state was dropped, once, and no callback has run since that began.
    fn ended(&self) -> bool {
        self.drops.load(Relaxed) == 1 && self.runs() == self.runs_before_drop.load(Relaxed)
    }
}

impl Watched {
    fn new(expires: Jiffies, again: bool) -> Result<(Self, Arc<Seen>)> {
        let seen = Arc::new(
            Seen {
                runs: Atomic::new(0),
                runs_before_drop: Atomic::new(0),
                drops: Atomic::new(0),
            },
            GFP_KERNEL,
        )?;
        let state = Self {
            seen: seen.clone(),
            expires,
            again,
        };
        Ok((state, seen))
    }
}

impl TimerCallback for Watched {
    fn run(&self, context: TimerContext<'_, Self>) {
        self.seen.runs.fetch_add(1, Relaxed);
        if self.again {
            context.arm(Jiffies::now());
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let seen = &self.seen;
        seen.runs_before_drop.store(seen.runs(), Relaxed);
        let now = Jiffies::now();
        let last = if self.expires.is_after(now) {
            self.expires
        } else {
            now
        };
        let stayed = expired_by(last).is_ok();
        seen.drops.fetch_add(usize::from(stayed), Relaxed);
    }
}

/// A long time; a timer that is armed for then does not expire during a test.
fn far() -> Jiffies {
    Jiffies::now() + JiffiesDelta::TIMER_MAX
}

/// Soon, but not at once.
fn soon() -> Jiffies {
    Jiffies::now() + JiffiesDelta::from_millis(20)
}
