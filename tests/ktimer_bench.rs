// SPDX-License-Identifier: GPL-2.0

//! What the library's operations cost, beside the same in plain C. Loading the module measures, and
//! prints a line for each operation:
//!
//! ```text
//! ktimer_bench: cost <operation> <armed timers> <how often> <library> <C>
//! ```
//!
//! An operation that ends in `/1` is that on the second of several timers on one state. The last
//! two are instructions for all of them, if the machine runs under virtual time, where an
//! instruction is a tick of the time stamp counter. With the parameter `samples` it sees how late
//! timers are, instead: see [`late`]. For scripts/bench.py.

use common::{
    module_param,
    proc_fs::Entry,
    time, //
};
use kernel::{
    alloc::KVVec,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};
use ktimer::{
    prelude::*,
    time::timer::{
        TimerCallbacks,
        TimerFn,
        Timers, //
    }, //
};

#[path = "bench/late.rs"]
mod late;
#[path = "bench/plain.rs"]
mod plain;
use plain::SEVERAL;

module! {
    type: Bench,
    name: "ktimer_bench",
    authors: ["The jitimer authors"],
    description: "What the library's operations cost, beside plain C",
    license: "GPL",
}

module_param! {
    /// How many timers are armed.
    static TIMERS: timers = BATCH, BATCH..=10_000_000, "armed timers, from 1000 (default 1000)";

    /// How often to see how late timers are.
    static SAMPLES: samples = 0, 0..=1_000_000, "how often to see how late timers are (default 0)";

    /// How many others run meanwhile.
    static LOAD: load = 0, 0..=100_000, "timers that expire at each tick meanwhile (default 0)";
}

/// Operations are measured in so many at a time.
const BATCH: usize = 1000;

/// And so often.
const ROUNDS: usize = 10;

/// Later than all that is measured.
const LONG: JiffiesDelta = match JiffiesDelta::from_ticks(1 << 20) {
    Ok(span) => span,
    Err(_) => JiffiesDelta::MAX,
};

/// A set of timers, the library's or in C. Each of the operations is on the first `n`.
trait Side: Sized {
    fn make(n: usize, expires: impl Fn(usize) -> Jiffies) -> Result<Self>;
    fn size() -> usize;
    fn add(&self, n: usize);
    /// Later than they were made for by `shift`.
    fn arm(&self, n: usize, shift: JiffiesDelta);
    fn arm_at(&self, n: usize, expires: Jiffies);
    fn any_pending(&self, n: usize) -> bool;
    fn cancel(&self, n: usize);
    fn cancel_sync(&self, n: usize);
    fn shutdown_sync(&self, n: usize);
}

/// A timer that does nothing.
struct Idle {
    expires: Jiffies,
}

impl TimerCallback for Idle {
    fn run(&self, _context: TimerContext<'_, Self>) {}
}

impl Idle {
    fn run(&self, _context: TimerContext<'_, Self, SEVERAL>) {}
}

impl TimerCallbacks<SEVERAL> for Idle {
    const CALLBACKS: [TimerFn<Self, SEVERAL>; SEVERAL] = [Self::run; SEVERAL];
}

/// What is made in a place: one timer, or several.
trait Make: Sized {
    fn make(state: Idle) -> impl PinInit<Self>;
}

impl Make for Timer<Idle> {
    fn make(state: Idle) -> impl PinInit<Self> {
        new_timer!(state)
    }
}

impl Make for Timers<Idle, SEVERAL> {
    fn make(state: Idle) -> impl PinInit<Self> {
        new_timer!(state, "first", "second", "third")
    }
}

/// Timers by the library, the one with the number `ID` in each place. No operation is inlined where
/// it is measured: neither are those in C.
struct Library<const N: usize, const OWNER: usize, const ID: usize>(
    KVVec<Pin<KBox<Timer<Idle, N, OWNER>>>>,
);

/// A timer in each place.
type One = Library<1, 0, 0>;

/// One of several timers in each place.
type OneOfSeveral<const ID: usize> = Library<SEVERAL, { usize::MAX }, ID>;

impl<const N: usize, const OWNER: usize, const ID: usize> Library<N, OWNER, ID> {
    #[inline(always)]
    fn first(&self, n: usize) -> impl Iterator<Item = &Timer<Idle, N, ID>> {
        let places = self.0.get(..n).unwrap_or(&self.0);
        places.iter().map(|place| place.timer::<ID>())
    }
}

impl<const N: usize, const OWNER: usize, const ID: usize> Side for Library<N, OWNER, ID>
where
    Timer<Idle, N, OWNER>: Make,
{
    fn make(n: usize, expires: impl Fn(usize) -> Jiffies) -> Result<Self> {
        let mut timers = KVVec::with_capacity(n, GFP_KERNEL)?;
        for i in 0..n {
            let expires = expires(i);
            timers.push(
                KBox::pin_init(Timer::make(Idle { expires }), GFP_KERNEL)?,
                GFP_KERNEL,
            )?;
        }
        Ok(Self(timers))
    }

    fn size() -> usize {
        size_of::<Timer<Idle, N, OWNER>>()
    }

    #[inline(never)]
    fn add(&self, n: usize) {
        for timer in self.first(n) {
            timer.arm(timer.expires);
        }
    }

    #[inline(never)]
    fn arm(&self, n: usize, shift: JiffiesDelta) {
        for timer in self.first(n) {
            timer.arm(timer.expires + shift);
        }
    }

    #[inline(never)]
    fn arm_at(&self, n: usize, expires: Jiffies) {
        for timer in self.first(n) {
            timer.arm(expires);
        }
    }

    #[inline(never)]
    fn any_pending(&self, n: usize) -> bool {
        for timer in self.first(n) {
            if timer.is_pending() {
                return true;
            }
        }
        false
    }

    #[inline(never)]
    fn cancel(&self, n: usize) {
        for timer in self.first(n) {
            timer.cancel();
        }
    }

    #[inline(never)]
    fn cancel_sync(&self, n: usize) {
        for timer in self.first(n) {
            timer.cancel_sync();
        }
    }

    #[inline(never)]
    fn shutdown_sync(&self, n: usize) {
        for timer in self.first(n) {
            timer.shutdown_sync();
        }
    }
}

/// Notes when its callback runs.
struct Stamp(Atomic<u64>);

impl TimerCallback for Stamp {
    fn run(&self, _context: TimerContext<'_, Self>) {
        self.0.store(plain::now(), Relaxed);
    }
}

/// How many instructions an operation takes on the first `n`, without those of beginning and ending
/// the loop.
#[inline(always)]
fn cost(n: usize, operation: impl Fn(usize)) -> u64 {
    plain::instructions(|| operation(n)).saturating_sub(plain::instructions(|| operation(0)))
}

/// Waits for a timer that sets something.
fn wait(done: impl Fn() -> bool) -> Result {
    while !done() {
        if kernel::current!().signal_pending() {
            return Err(EINTR);
        }
        time::schedule_timeout_interruptible(JiffiesDelta::TICK);
    }
    Ok(())
}

/// From the expiry of timers to the end of their callbacks. Timers that expire at once do so in the
/// reverse order of arming: between two that note the time.
fn dispatch(side: &impl Side) -> Result<u64> {
    let first = KBox::pin_init(new_timer!(Stamp(Atomic::new(0))), GFP_KERNEL)?;
    let last = KBox::pin_init(new_timer!(Stamp(Atomic::new(0))), GFP_KERNEL)?;
    let expires = Jiffies::now() + JiffiesDelta::SECOND;
    plain::instructions(|| {
        last.arm(expires);
        side.arm_at(BATCH, expires);
        first.arm(expires);
    });
    wait(|| last.0.load(Relaxed) != 0)?;
    if side.any_pending(BATCH) {
        return Err(EAGAIN);
    }
    (last.0.load(Relaxed))
        .checked_sub(first.0.load(Relaxed))
        .ok_or(EAGAIN)
}

/// What a set's operations cost.
#[derive(Default)]
struct Costs {
    arm_all: u64,
    add: u64,
    arm: u64,
    rearm: u64,
    pending: u64,
    cancel: u64,
    cancel_sync: u64,
    dispatch: u64,
    shutdown_all: u64,
}

impl Costs {
    fn of<S: Side>(n: usize) -> Result<Self> {
        let now = Jiffies::now();
        // Any delay, but the same for both: by a generator of Lehmer's.
        let state = Atomic::new(1u64);
        let side = S::make(n, |_| {
            let next = state.load(Relaxed) * 48271 % 0x7fff_ffff;
            state.store(next, Relaxed);
            now + LONG + JiffiesDelta::from_ticks(next as usize % (1 << 24)).unwrap_or(LONG)
        })?;
        let mut costs = Self {
            arm_all: cost(n, |n| side.arm(n, JiffiesDelta::ZERO)),
            ..Self::default()
        };
        for _ in 0..ROUNDS {
            costs.rearm += cost(BATCH, |n| side.arm(n, LONG));
            costs.cancel += cost(BATCH, |n| side.cancel(n));
            costs.pending += cost(BATCH, |n| {
                core::hint::black_box(side.any_pending(n));
            });
            costs.arm += cost(BATCH, |n| side.arm(n, JiffiesDelta::ZERO));
            costs.cancel_sync += cost(BATCH, |n| side.cancel_sync(n));
            costs.add += cost(BATCH, |n| side.add(n));
        }
        costs.dispatch = dispatch(&side)?;
        side.arm(n, JiffiesDelta::ZERO);
        costs.shutdown_all = cost(n, |n| side.shutdown_sync(n));
        Ok(costs)
    }
}

/// What taking and releasing a lock costs, the library's and C's.
#[pin_data]
struct Locks {
    #[pin]
    lock: SpinLockBh<usize>,
    library: Atomic<u64>,
    c: Atomic<u64>,
}

impl Locks {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- new_spinlock_bh!(0),
            library: Atomic::new(0),
            c: Atomic::new(0),
        })
    }
}

impl TimerCallback for Locks {
    fn run(&self, context: TimerContext<'_, Self>) {
        let library = plain::instructions(|| {
            for _ in 0..BATCH {
                let mut held = self.lock.lock_with(&context);
                *held = held.wrapping_add(1);
            }
        });
        self.library.store(library, Relaxed);
        self.c.store(
            plain::instructions(|| plain::lock(BATCH, &context)),
            Relaxed,
        );
    }
}

/// Prints what a set's operations cost, and those in C; `of` says which set it is.
fn print_all(of: &str, n: usize, library: &Costs, c: &Costs) {
    let times = BATCH * ROUNDS;
    for (operation, times, library, c) in [
        ("arm", times, library.arm, c.arm),
        ("re-arm", times, library.rearm, c.rearm),
        ("add", times, library.add, c.add),
        ("cancel", times, library.cancel, c.cancel),
        ("cancel-sync", times, library.cancel_sync, c.cancel_sync),
        ("pending", times, library.pending, c.pending),
        ("dispatch", BATCH, library.dispatch, c.dispatch),
        ("arm-all", n, library.arm_all, c.arm_all),
        ("shutdown-all", n, library.shutdown_all, c.shutdown_all),
    ] {
        pr_info!("cost {operation}{of} {n} {times} {library} {c}\n");
    }
}

fn operations(n: usize) -> Result {
    let c = Costs::of::<plain::Plain<0>>(n)?;
    print_all("", n, &Costs::of::<One>(n)?, &c);
    if n == BATCH {
        print_all("/0", n, &Costs::of::<OneOfSeveral<0>>(n)?, &c);
        let c = Costs::of::<plain::Plain<1>>(n)?;
        print_all("/1", n, &Costs::of::<OneOfSeveral<1>>(n)?, &c);
        let c = Costs::of::<plain::Plain<2>>(n)?;
        print_all("/2", n, &Costs::of::<OneOfSeveral<2>>(n)?, &c);
    }
    pr_info!("size {} {}\n", One::size(), plain::Plain::<0>::size());
    Ok(())
}

fn locks() -> Result {
    let locks = KBox::pin_init(new_timer!(Locks::new()), GFP_KERNEL)?;
    let library = plain::instructions(|| {
        for _ in 0..BATCH {
            let mut held = locks.lock.lock();
            *held = held.wrapping_add(1);
        }
    });
    let c = plain::instructions(|| plain::lock_bh(BATCH));
    pr_info!("cost lock-process 0 {BATCH} {library} {c}\n");
    locks.arm(Jiffies::now());
    wait(|| locks.c.load(Relaxed) != 0)?;
    let (library, c) = (locks.library.load(Relaxed), locks.c.load(Relaxed));
    pr_info!("cost lock-callback 0 {BATCH} {library} {c}\n");
    Ok(())
}

/// What the callbacks of many timers found.
struct Delivery {
    delivered: Atomic<usize>,
    early: Atomic<usize>,
}

struct Delivered {
    expires: Jiffies,
    delivery: Arc<Delivery>,
}

impl TimerCallback for Delivered {
    fn run(&self, _context: TimerContext<'_, Self>) {
        if self.expires.is_after(Jiffies::now()) {
            self.delivery.early.fetch_add(1, Relaxed);
        }
        self.delivery.delivered.fetch_add(1, Relaxed);
    }
}

/// Has timers expire at random over some seconds.
fn deliver(n: usize) -> Result {
    let delivery = Arc::new(
        Delivery {
            delivered: Atomic::new(0),
            early: Atomic::new(0),
        },
        GFP_KERNEL,
    )?;
    let mut timers = KVVec::with_capacity(n, GFP_KERNEL)?;
    let mut state = 1;
    let now = Jiffies::now() + JiffiesDelta::SECOND;
    for _ in 0..n {
        state = state * 48271 % 0x7fff_ffff;
        let timer = KBox::pin_init(
            new_timer!(Delivered {
                expires: now + JiffiesDelta::from_ticks(state % 5000)?,
                delivery: delivery.clone(),
            }),
            GFP_KERNEL,
        )?;
        timer.arm(timer.expires);
        timers.push(timer, GFP_KERNEL)?;
    }
    wait(|| timers.iter().all(|timer| !timer.is_pending()))?;
    for timer in &timers {
        timer.cancel_sync();
    }
    pr_info!(
        "delivered {} of {n}, {} early\n",
        delivery.delivered.load(Relaxed),
        delivery.early.load(Relaxed)
    );
    Ok(())
}

struct Bench {
    _late: Option<Entry<late::Samples>>,
}

impl kernel::Module for Bench {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let n = TIMERS.value();
        let late = match SAMPLES.value() {
            0 => {
                operations(n)?;
                locks()?;
                deliver(n)?;
                None
            }
            wanted => {
                let samples = late::Samples::take(wanted, LOAD.value())?;
                Some(Entry::stream::<late::Samples>(c"ktimer_late", samples)?)
            }
        };
        Ok(Self { _late: late })
    }
}
