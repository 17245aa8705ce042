// SPDX-License-Identifier: GPL-2.0

//! How late timers are, the library's and those in C, side by side: `/proc/ktimer_late` has a line
//! for each sample, with whose it is, jiffies and microseconds after it was due.

use super::{
    plain,
    wait, //
};
use common::{
    proc_fs::Records,
    viewer::Opener,
    wait::Stop, //
};
use kernel::{
    alloc::KVVec,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};
use ktimer::prelude::*;

/// So many timers of each kind take the samples.
const TIMERS: usize = 64;

/// What the library's timers found, and when.
struct Record {
    samples: KVVec<Atomic<u64>>,
    taken: Atomic<usize>,
    base: Jiffies,
    ktime: u64,
}

/// A timer that arms itself again, for 1 to 32 jiffies.
struct Late {
    expires: Atomic<usize>,
    state: Atomic<u64>,
    record: Arc<Record>,
}

impl Late {
    fn next(&self, now: Jiffies) -> Jiffies {
        let state = self.state.load(Relaxed) * 48271 % 0x7fff_ffff;
        self.state.store(state, Relaxed);
        let expires = Jiffies::from_raw(now.as_raw().wrapping_add(1 + state as usize % 32));
        self.expires.store(expires.as_raw(), Relaxed);
        expires
    }
}

impl TimerCallback for Late {
    fn run(&self, context: TimerContext<'_, Self>) {
        let ktime = plain::ktime();
        let now = Jiffies::now();
        let expires = self.expires.load(Relaxed);
        let ticks = expires.wrapping_sub(self.record.base.as_raw()) as u64;
        let due =
            self.record.ktime + ticks * (1_000_000_000 / JiffiesDelta::SECOND.as_ticks() as u64);
        let i = self.record.taken.fetch_add(1, Relaxed);
        let Some(sample) = self.record.samples.get(i) else {
            return;
        };
        let late = now.as_raw().wrapping_sub(expires) as u64;
        sample.store(late << 32 | ktime.saturating_sub(due) / 1000, Relaxed);
        context.arm(self.next(now));
    }
}

/// The load of a timer that expires at each tick.
struct Tick;

impl TimerCallback for Tick {
    fn run(&self, context: TimerContext<'_, Self>) {
        context.rearm(JiffiesDelta::TICK);
    }
}

/// Both kinds of samples.
#[derive(Clone)]
pub(crate) struct Samples {
    library: Arc<Record>,
    c: Arc<plain::Late>,
}

impl Samples {
    /// Takes so many samples of each kind, while so many other timers run.
    pub(crate) fn take(wanted: usize, load: usize) -> Result<Self> {
        let mut samples = KVVec::with_capacity(wanted, GFP_KERNEL)?;
        for _ in 0..wanted {
            samples.push(Atomic::new(0), GFP_KERNEL)?;
        }
        // The beginning of a tick, before there is other work at ticks.
        let before = Jiffies::now();
        while Jiffies::now().since(before) == JiffiesDelta::ZERO {
            core::hint::spin_loop();
        }
        let (base, ktime) = (Jiffies::now(), plain::ktime());
        let mut ticks = KVVec::new();
        for _ in 0..load {
            let tick = KBox::pin_init(new_timer!(Tick), GFP_KERNEL)?;
            tick.arm(Jiffies::now());
            ticks.push(tick, GFP_KERNEL)?;
        }
        let record = Arc::new(
            Record {
                samples,
                taken: Atomic::new(0),
                base,
                ktime,
            },
            GFP_KERNEL,
        )?;
        let mut timers = KVVec::with_capacity(TIMERS, GFP_KERNEL)?;
        for i in 0..TIMERS {
            let timer = KBox::pin_init(
                new_timer!(Late {
                    expires: Atomic::new(0),
                    // Not the delays of the timers in C.
                    state: Atomic::new((TIMERS + i) as u64 * 7919 + 1),
                    record: record.clone(),
                }),
                GFP_KERNEL,
            )?;
            timers.push(timer, GFP_KERNEL)?;
        }
        let c = Arc::new(plain::Late::start(TIMERS, wanted, base, ktime)?, GFP_KERNEL)?;
        for timer in &timers {
            timer.arm(timer.next(Jiffies::now()));
        }
        wait(|| record.taken.load(Relaxed) >= wanted && c.is_complete())?;
        Ok(Self { library: record, c })
    }
}

impl Records for Samples {
    type Data = Self;
    type Record = (&'static str, u64);

    fn open(this: &Self, _opener: &Opener<'_>) -> impl PinInit<Self, Error> {
        Ok(this.clone())
    }

    fn next(&self, number: u64, _: bool, _: &Stop) -> Result<Option<(u64, Self::Record)>> {
        let index = number as usize;
        let sample = match self.library.samples.get(index) {
            Some(sample) => Some(("library", sample.load(Relaxed))),
            None => (self.c.get(index - self.library.samples.len())).map(|sample| ("C", sample)),
        };
        Ok(sample.map(|sample| (number, sample)))
    }

    fn show((whose, sample): &Self::Record, _before: Option<&Self::Record>, m: &SeqFile) {
        seq_print!(m, "{whose} {} {}\n", sample >> 32, sample & 0xffff_ffff);
    }
}
