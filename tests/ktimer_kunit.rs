// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of the library. They run when the module is loaded, on a kernel with KUnit.

use common::context::{
    in_atomic,
    in_interrupt,
    irqs_disabled,
    Comm, //
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
        Arc,
        Completion, //
    },
    workqueue, //
};
use ktimer::{
    interrupt::LocalInterruptDisabled,
    prelude::*,
    time::timer::{
        Armed,
        Flags,
        GlobalTimer,
        IrqSafe,
        TimerState, //
    }, //
};
use pin_init::stack_pin_init;

module! {
    type: KtimerKunit,
    name: "ktimer_kunit",
    authors: ["The jitimer authors"],
    description: "KUnit suites of the ktimer library",
    license: "GPL",
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
            pulse <- Timer::new(Pulse),
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
        PULSES.fetch_add(1 + context.forward(JiffiesDelta::TICK), Relaxed);
    }
}

/// A count that outlives the timer that counts.
type Count = Arc<Atomic<i32>>;

/// Counts its expiries; re-arms itself `again` times, and then tells.
#[pin_data]
struct Counter {
    count: Count,
    again: i32,
    #[pin]
    expired: Completion,
}

impl Counter {
    fn new(again: i32) -> Result<(Pin<KBox<Timer<Self>>>, Count)> {
        let count = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let its_count = count.clone();
        let timer = KBox::pin_init(
            Timer::new(pin_init!(Self {
                count: its_count,
                again,
                expired <- Completion::new(),
            })),
            GFP_KERNEL,
        )?;
        Ok((timer, count))
    }
}

impl TimerCallback for Counter {
    fn run(&self, context: TimerContext<'_, Self>) {
        let before = self.count.fetch_add(1, Relaxed);
        if before < self.again {
            context.arm(Jiffies::now());
        } else {
            self.expired.complete_all();
        }
    }
}

/// Returns when some ticks have passed.
fn let_ticks_pass() -> Result {
    let (timer, _) = Counter::new(2)?;
    timer.arm(Jiffies::now());
    timer.expired.wait_for_completion();
    Ok(())
}

/// A long time; a timer that is armed for then does not expire during a test.
fn far() -> Jiffies {
    Jiffies::now() + JiffiesDelta::TIMER_MAX
}

#[kunit_tests(ktimer_timer)]
mod timer {
    use super::*;

    /// What a callback saw of where it ran.
    #[pin_data]
    struct Witness {
        #[pin]
        seen: SpinLockBh<Option<(Jiffies, Jiffies, bool, bool)>>,
        #[pin]
        expired: Completion,
    }

    impl TimerCallback for Witness {
        fn run(&self, context: TimerContext<'_, Self>) {
            let seen = (
                Jiffies::now(),
                context.expires(),
                in_interrupt(),
                in_atomic(),
            );
            *self.seen.lock_with(&context) = Some(seen);
            self.expired.complete_all();
        }
    }

    #[test]
    fn runs_in_softirq_after_it_expired() -> Result {
        let timer = KBox::pin_init(
            Timer::new(pin_init!(Witness {
                seen <- new_spinlock_bh!(None),
                expired <- Completion::new(),
            })),
            GFP_KERNEL,
        )?;
        let expires = Jiffies::now() + JiffiesDelta::from_ticks(3)?;
        assert!(!timer.is_pending());
        assert!(!timer.arm(expires).was_pending());
        timer.expired.wait_for_completion();

        let seen = *timer.seen.lock();
        let (ran, armed_for, interrupt, atomic) = seen.ok_or(EINVAL)?;
        assert!(ran.is_after(expires));
        assert_eq!(armed_for, expires);
        assert!(interrupt);
        assert!(atomic);
        assert!(!timer.is_pending());
        Ok(())
    }

    #[test]
    fn a_time_that_has_passed_is_the_next_tick() -> Result {
        let (timer, count) = Counter::new(0)?;
        timer.arm(Jiffies::from_raw(
            Jiffies::now().as_raw().wrapping_sub(1000),
        ));
        timer.expired.wait_for_completion();
        assert_eq!(count.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn rearms_itself() -> Result {
        let (timer, count) = Counter::new(4)?;
        timer.arm(Jiffies::now());
        timer.expired.wait_for_completion();
        assert_eq!(count.load(Relaxed), 5);
        Ok(())
    }

    #[test]
    fn arming_a_pending_timer_moves_it() -> Result {
        let (timer, count) = Counter::new(0)?;
        assert!(!timer.arm(far()).was_pending());
        assert!(timer.is_pending());
        assert!(timer.arm(Jiffies::now()).was_pending());
        timer.expired.wait_for_completion();
        assert_eq!(count.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn cancelled_it_is_not_pending() -> Result {
        let (timer, count) = Counter::new(0)?;
        for cancel in [
            Timer::<Counter>::cancel,
            Timer::<Counter>::cancel_sync,
            Timer::<Counter>::try_cancel_sync,
        ] {
            assert_eq!(cancel(&timer), TimerState::Inactive);
            timer.arm(far());
            assert_eq!(cancel(&timer), TimerState::Pending);
            assert!(!timer.is_pending());
        }
        assert_eq!(count.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn only_a_pending_timer_is_armed_if_pending() -> Result {
        let (timer, count) = Counter::new(0)?;
        assert_eq!(timer.arm_if_pending(Jiffies::now()), TimerState::Inactive);
        assert!(!timer.is_pending());
        timer.arm(far());
        assert_eq!(timer.arm_if_pending(Jiffies::now()), TimerState::Pending);
        timer.expired.wait_for_completion();
        assert_eq!(count.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn reduced_it_expires_no_later() -> Result {
        let (timer, _) = Counter::new(0)?;
        let early = Jiffies::now() + JiffiesDelta::from_millis(3_600_000);
        assert!(!timer.reduce(early).was_pending());
        assert!(timer.reduce(far()).was_pending());
        // Had this not made it earlier, or the last one made it later, it would not come.
        assert!(timer
            .reduce(Jiffies::now() + JiffiesDelta::from_millis(100))
            .was_pending());
        timer.reduce(far());
        timer.expired.wait_for_completion();
        Ok(())
    }

    #[test]
    fn shut_down_it_can_not_be_armed() -> Result {
        for shut_down in [Timer::<Counter>::shutdown, Timer::<Counter>::shutdown_sync] {
            let (timer, count) = Counter::new(0)?;
            assert!(!timer.arm(far()).is_shut_down());
            assert_eq!(shut_down(&timer), TimerState::Pending);
            assert!(timer.arm(Jiffies::now()).is_shut_down());
            assert!(timer.reduce(Jiffies::now()).is_shut_down());
            assert!(!timer.is_pending());
            assert_eq!(shut_down(&timer), TimerState::Inactive);
            let_ticks_pass()?;
            assert_eq!(count.load(Relaxed), 0);
        }
        Ok(())
    }

    #[test]
    fn on_the_stack() {
        stack_pin_init!(let idle = Timer::new(Idle));
        idle.arm(far());
        assert_eq!(idle.cancel(), TimerState::Pending);
        idle.arm(far());
    }

    struct Idle;

    impl TimerCallback for Idle {
        fn run(&self, _context: TimerContext<'_, Self>) {}
    }

    /// Whether interrupts were disabled in the callback, and whether it ran.
    #[pin_data]
    struct IrqWitness {
        irqs_disabled: Atomic<bool>,
        #[pin]
        expired: Completion,
    }

    impl IrqWitness {
        fn new(irqs_disabled: bool) -> impl PinInit<Self> {
            pin_init!(Self {
                irqs_disabled: Atomic::new(irqs_disabled),
                expired <- Completion::new(),
            })
        }

        fn see(&self) {
            self.irqs_disabled.store(irqs_disabled(), Relaxed);
            self.expired.complete_all();
        }
    }

    impl TimerCallback for IrqWitness {
        fn run(&self, _context: TimerContext<'_, Self>) {
            self.see();
        }
    }

    impl TimerCallback<IrqSafe> for IrqWitness {
        fn run(&self, context: TimerContext<'_, Self, IrqSafe>) {
            let _proof: &LocalInterruptDisabled = &context;
            self.see();
        }
    }

    #[test]
    fn interrupts_are_enabled_in_the_callback() -> Result {
        let timer = KBox::pin_init(
            Timer::<_>::with_flags(IrqWitness::new(true), Flags::PINNED | Flags::DEFERRABLE),
            GFP_KERNEL,
        )?;
        timer.arm(Jiffies::now());
        timer.expired.wait_for_completion();
        assert!(!timer.irqs_disabled.load(Relaxed));
        Ok(())
    }

    #[test]
    fn but_not_in_that_of_an_irqsafe_timer() -> Result {
        let timer = KBox::pin_init(Timer::<_, IrqSafe>::new(IrqWitness::new(false)), GFP_KERNEL)?;
        timer.arm(Jiffies::now());
        timer.expired.wait_for_completion();
        assert!(timer.irqs_disabled.load(Relaxed));
        Ok(())
    }

    #[cfg(ktimer_kernel_interrupt)]
    #[test]
    fn an_irqsafe_callback_has_the_kernels_own_proof() -> Result {
        use kernel::{
            new_spinlock_irq,
            sync::SpinLockIrq, //
        };

        #[pin_data]
        struct Guarded {
            #[pin]
            count: SpinLockIrq<u32>,
            #[pin]
            expired: Completion,
        }

        impl TimerCallback<IrqSafe> for Guarded {
            fn run(&self, context: TimerContext<'_, Self, IrqSafe>) {
                *self.count.lock_with(&context) += 1;
                self.expired.complete_all();
            }
        }

        let timer = KBox::pin_init(
            Timer::new(pin_init!(Guarded {
                count <- new_spinlock_irq!(0),
                expired <- Completion::new(),
            })),
            GFP_KERNEL,
        )?;
        timer.arm(Jiffies::now());
        timer.expired.wait_for_completion();
        assert_eq!(*timer.count.lock(), 1);
        Ok(())
    }

    #[test]
    fn only_an_inactive_timer_is_added() -> Result {
        let (timer, count) = Counter::new(0)?;
        assert!(!timer.add(far())?.was_pending());
        assert_eq!(timer.add(Jiffies::now()).err(), Some(EBUSY));
        assert_eq!(timer.cancel(), TimerState::Pending);
        timer.add(Jiffies::now())?;
        timer.expired.wait_for_completion();
        assert_eq!(count.load(Relaxed), 1);
        timer.shutdown();
        assert!(timer.add(far())?.is_shut_down());
        Ok(())
    }

    /// On which CPU the callback ran last.
    #[pin_data]
    struct CpuWitness {
        cpu: Atomic<u32>,
        #[pin]
        expired: Completion,
    }

    impl CpuWitness {
        fn new() -> Result<Pin<KBox<Timer<Self>>>> {
            KBox::pin_init(
                Timer::new(pin_init!(CpuWitness {
                    cpu: Atomic::new(u32::MAX),
                    expired <- Completion::new(),
                })),
                GFP_KERNEL,
            )
        }
    }

    impl TimerCallback for CpuWitness {
        fn run(&self, _context: TimerContext<'_, Self>) {
            self.cpu.store(CpuId::current().as_u32(), Relaxed);
            self.expired.complete_all();
        }
    }

    #[test]
    fn added_on_a_cpu_it_expires_there() -> Result {
        let mut offline = 0;
        for cpu in (0..nr_cpu_ids()).filter_map(CpuId::from_u32) {
            let mut timer = CpuWitness::new()?;
            match timer.as_mut().add_on(cpu, Jiffies::now()) {
                Ok(armed) => {
                    assert!(!armed.was_pending());
                    assert!(!armed.is_shut_down());
                    timer.expired.wait_for_completion();
                    assert_eq!(timer.cpu.load(Relaxed), cpu.as_u32());
                }
                Err(error) => {
                    assert_eq!(error, ENXIO);
                    offline += 1;
                }
            }
        }
        // For tests/test_kunit.py, which takes CPUs away.
        pr_info!("CPUs that a timer can not be added on: {offline}\n");
        Ok(())
    }

    #[test]
    fn added_locally_or_globally_it_expires() -> Result {
        type Add = fn(Pin<&mut Timer<CpuWitness>>, Jiffies) -> Result<Armed<'_>>;
        let add: [Add; 2] = [Timer::add_local, Timer::add_global];
        for add in add {
            let mut timer = CpuWitness::new()?;
            add(timer.as_mut(), far())?;
            assert!(timer.is_pending());
            assert_eq!(add(timer.as_mut(), far()).err(), Some(EBUSY));
            assert_eq!(timer.cancel(), TimerState::Pending);
            add(timer.as_mut(), Jiffies::now())?;
            timer.expired.wait_for_completion();
            timer.shutdown_sync();
            assert!(add(timer.as_mut(), far())?.is_shut_down());
            assert!(!timer.is_pending());
        }
        Ok(())
    }

    #[test]
    fn forward_does_not_drift() -> Result {
        const PERIODS: usize = 20;

        /// When it was due first and last, and how many periods that were.
        #[pin_data]
        struct Clock {
            #[pin]
            seen: SpinLockBh<(Option<Jiffies>, Jiffies, usize)>,
            period: JiffiesDelta,
            #[pin]
            expired: Completion,
        }

        impl TimerCallback for Clock {
            fn run(&self, context: TimerContext<'_, Self>) {
                let mut seen = self.seen.lock_with(&context);
                let due = context.expires();
                seen.0.get_or_insert(due);
                seen.1 = due;
                if seen.2 < PERIODS {
                    seen.2 += 1 + context.forward(self.period);
                } else {
                    self.expired.complete_all();
                }
            }
        }

        for ticks in [1, 2, 3] {
            let period = JiffiesDelta::from_ticks(ticks)?;
            let timer = KBox::pin_init(
                Timer::new(pin_init!(Clock {
                    seen <- new_spinlock_bh!((None, Jiffies::from_raw(0), 0)),
                    period,
                    expired <- Completion::new(),
                })),
                GFP_KERNEL,
            )?;
            let start = Jiffies::now() + JiffiesDelta::TICK;
            timer.arm(start);
            timer.expired.wait_for_completion();
            let (first, last, periods) = *timer.seen.lock();
            assert_eq!(first, Some(start));
            assert!(periods >= PERIODS);
            assert_eq!(last.since(start).as_ticks(), periods * ticks);
        }
        Ok(())
    }

    /// What came of arming, cancelling and shutting down from the callback.
    #[pin_data]
    struct Undecided {
        #[pin]
        seen: SpinLockBh<Option<(bool, TimerState, TimerState, bool)>>,
        #[pin]
        expired: Completion,
    }

    impl TimerCallback for Undecided {
        fn run(&self, context: TimerContext<'_, Self>) {
            let was_pending = context.arm(far()).was_pending();
            let seen = (
                was_pending,
                context.cancel(),
                context.shutdown(),
                context.arm(far()).is_shut_down(),
            );
            *self.seen.lock_with(&context) = Some(seen);
            self.expired.complete_all();
        }
    }

    #[test]
    fn the_callback_can_cancel_and_shut_down() -> Result {
        let timer = KBox::pin_init(
            Timer::new(pin_init!(Undecided {
                seen <- new_spinlock_bh!(None),
                expired <- Completion::new(),
            })),
            GFP_KERNEL,
        )?;
        timer.arm(Jiffies::now());
        timer.expired.wait_for_completion();
        let seen = *timer.seen.lock();
        assert_eq!(
            seen,
            Some((false, TimerState::Pending, TimerState::Inactive, true))
        );
        assert!(!timer.is_pending());
        Ok(())
    }

    #[test]
    fn in_the_modules_own_struct() -> Result {
        let before = PULSES.load(Relaxed);
        while PULSES.load(Relaxed) < before + 3 {
            let_ticks_pass()?;
        }
        Ok(())
    }

    #[test]
    fn in_a_static() -> Result {
        static TIMER: GlobalTimer<CpuWitness> = GlobalTimer::new();

        fn new() -> impl PinInit<Timer<CpuWitness>> {
            Timer::new(pin_init!(CpuWitness {
                cpu: Atomic::new(u32::MAX),
                expired <- Completion::new(),
            }))
        }

        assert!(TIMER.get().is_none());
        let guard = TIMER.init(new())?;
        assert_eq!(TIMER.init(new()).err(), Some(EBUSY));
        let timer = TIMER.get().ok_or(EINVAL)?;
        timer.arm(Jiffies::now());
        guard.expired.wait_for_completion();
        timer.arm(far());
        drop(guard);
        assert!(!timer.is_pending());
        assert!(timer.arm(far()).is_shut_down());
        assert_eq!(TIMER.init(new()).err(), Some(EBUSY));
        Ok(())
    }

    #[test]
    fn cancelled_it_can_be_armed_again() -> Result {
        let (timer, count) = Counter::new(0)?;
        timer.arm(far());
        timer.cancel_sync();
        timer.arm(Jiffies::now());
        timer.expired.wait_for_completion();
        assert_eq!(count.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn dropped_while_pending_it_does_not_run() -> Result {
        let (timer, count) = Counter::new(0)?;
        timer.arm(far());
        drop(timer);
        assert_eq!(count.load(Relaxed), 0);
        assert!(Arc::into_unique_or_drop(count).is_some());
        Ok(())
    }

    #[test]
    fn dropped_while_it_rearms_itself_for_ever_it_stops() -> Result {
        let (timer, count) = Counter::new(i32::MAX)?;
        timer.arm(Jiffies::now());
        while count.load(Relaxed) < 3 {
            let_ticks_pass()?;
        }
        drop(timer);
        let at_drop = count.load(Relaxed);
        let_ticks_pass()?;
        assert_eq!(count.load(Relaxed), at_drop);
        Ok(())
    }

    #[test]
    fn shared_in_an_arc_the_last_owner_drops_it() -> Result {
        let count = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let its_count = count.clone();
        let timer = Arc::pin_init(
            Timer::new(pin_init!(Counter {
                count: its_count,
                again: 0,
                expired <- Completion::new(),
            })),
            GFP_KERNEL,
        )?;
        let other = timer.clone();
        timer.arm(Jiffies::now());
        drop(timer);
        other.expired.wait_for_completion();
        drop(other);
        assert_eq!(count.load(Relaxed), 1);
        Ok(())
    }
}

/// Each of these needs two CPUs, and tries until what it is about has happened.
#[kunit_tests(ktimer_races)]
mod races {
    use super::*;

    /// Its callback goes on until it is released, or for a while.
    #[pin_data]
    struct Spinner {
        progress: Arc<Progress>,
        #[pin]
        started: Completion,
    }

    struct Progress {
        dropping: Atomic<bool>,
        released: Atomic<bool>,
        ended: Atomic<bool>,
        /// The callback ended because it was released, and not before the drop began.
        overlapped: Atomic<bool>,
    }

    impl TimerCallback for Spinner {
        fn run(&self, _context: TimerContext<'_, Self>) {
            self.started.complete_all();
            let give_up = Jiffies::now() + JiffiesDelta::from_millis(500);
            while !self.progress.released.load(Relaxed) && !Jiffies::now().is_after(give_up) {
                core::hint::spin_loop();
            }
            let progress = &self.progress;
            if progress.released.load(Relaxed) && progress.dropping.load(Relaxed) {
                progress.overlapped.store(true, Relaxed);
            }
            progress.ended.store(true, Relaxed);
        }
    }

    /// Lets a spinner go.
    struct Releaser(Arc<Progress>);

    impl TimerCallback for Releaser {
        fn run(&self, context: TimerContext<'_, Self>) {
            if self.0.dropping.load(Relaxed) {
                self.0.released.store(true, Relaxed);
            } else {
                context.forward(JiffiesDelta::TICK);
            }
        }
    }

    /// A spinner that has started on another CPU.
    fn spinning() -> Result<Pin<KBox<Timer<Spinner>>>> {
        let progress = Arc::new(
            Progress {
                dropping: Atomic::new(false),
                released: Atomic::new(false),
                ended: Atomic::new(false),
                overlapped: Atomic::new(false),
            },
            GFP_KERNEL,
        )?;
        let mut timer = KBox::pin_init(
            Timer::new(pin_init!(Spinner {
                progress,
                started <- Completion::new(),
            })),
            GFP_KERNEL,
        )?;
        let here = CpuId::current();
        for cpu in (0..nr_cpu_ids()).filter_map(CpuId::from_u32) {
            if cpu != here && timer.as_mut().add_on(cpu, Jiffies::now()).is_ok() {
                timer.started.wait_for_completion();
                return Ok(timer);
            }
        }
        Err(ENXIO)
    }

    /// Tries something until it is true; `Ok` if there is only one CPU.
    fn eventually(mut attempt: impl FnMut() -> Result<bool>) -> Result {
        for _ in 0..100 {
            match attempt() {
                Ok(true) | Err(ENXIO) => return Ok(()),
                Ok(false) => (),
                Err(error) => return Err(error),
            }
        }
        Err(ETIMEDOUT)
    }

    #[test]
    fn running_elsewhere_it_is_neither_cancelled_nor_added() {
        assert!(eventually(|| {
            let mut timer = spinning()?;
            let progress = timer.progress.clone();
            let found = timer.try_cancel_sync();
            let added = timer.as_mut().add_local(far()).err();
            let pending = timer.is_pending();
            let ended = progress.ended.load(Relaxed);
            progress.released.store(true, Relaxed);
            drop(timer);
            if ended {
                return Ok(false);
            }
            if (found, added, pending) != (TimerState::Running, Some(EBUSY), false) {
                return Err(EINVAL);
            }
            Ok(true)
        })
        .is_ok());
    }

    #[test]
    fn dropping_waits_for_a_callback_elsewhere() {
        assert!(eventually(|| {
            let timer = spinning()?;
            let progress = timer.progress.clone();
            let releaser = KBox::pin_init(Timer::new(Releaser(progress.clone())), GFP_KERNEL)?;
            releaser.arm(Jiffies::now());
            progress.dropping.store(true, Relaxed);
            drop(timer);
            if !progress.ended.load(Relaxed) {
                return Err(EINVAL);
            }
            Ok(progress.overlapped.load(Relaxed))
        })
        .is_ok());
    }

    /// Counts its expiries.
    struct Tally(Atomic<usize>);

    impl TimerCallback for Tally {
        fn run(&self, _context: TimerContext<'_, Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn arming_here_and_cancelling_there_lose_nothing() -> Result {
        const ROUNDS: usize = 20_000;

        let timer = Arc::pin_init(Timer::new(Tally(Atomic::new(0))), GFP_KERNEL)?;
        let armed = Arc::new(Atomic::new(0usize), GFP_KERNEL)?;
        let done = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let worker = (timer.clone(), armed.clone(), done.clone());
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            let (timer, armed, done) = worker;
            for round in 0..ROUNDS {
                let expires = if round % 2 == 0 {
                    Jiffies::now()
                } else {
                    far()
                };
                armed.fetch_add(usize::from(!timer.arm(expires).was_pending()), Relaxed);
            }
            done.complete_all();
        })?;
        let mut cancelled = 0;
        for _ in 0..ROUNDS {
            cancelled += usize::from(timer.cancel_sync() == TimerState::Pending);
        }
        done.wait_for_completion();
        cancelled += usize::from(timer.shutdown_sync() == TimerState::Pending);
        // Each time that it became pending, it was either cancelled or expired.
        assert_eq!(armed.load(Relaxed), cancelled + timer.0.load(Relaxed));
        assert!(armed.load(Relaxed) > 0);
        Ok(())
    }
}

#[kunit_tests(ktimer_jiffies)]
mod jiffies {
    use super::*;

    const LAST: Jiffies = Jiffies::from_raw(usize::MAX);
    const FIRST: Jiffies = Jiffies::from_raw(0);

    #[test]
    fn order_survives_the_wrap() {
        assert!(FIRST.is_after(LAST));
        assert!(!LAST.is_after(FIRST));
        assert!(!FIRST.is_after(FIRST));
    }

    #[test]
    fn adding_wraps() {
        assert_eq!(LAST + JiffiesDelta::TICK, FIRST);
        assert!((LAST + JiffiesDelta::MAX).is_after(LAST));
        assert_eq!(LAST + JiffiesDelta::ZERO, LAST);
    }

    #[test]
    fn spans_between_points() {
        assert_eq!(FIRST.since(LAST), JiffiesDelta::TICK);
        assert_eq!(LAST.since(FIRST), JiffiesDelta::ZERO);
        assert_eq!(
            Jiffies::from_raw(isize::MAX as usize).since(FIRST),
            JiffiesDelta::MAX
        );
    }

    #[test]
    fn rounding_up_is_never_early() {
        let now = Jiffies::now();
        let rounded = now.round_up();
        assert!(!now.is_after(rounded));
        assert!(rounded.since(now) <= JiffiesDelta::SECOND);
        assert!(now.round().since(now) <= JiffiesDelta::SECOND);
    }

    #[test]
    fn spans_are_rounded_too() -> Result {
        let here = CpuId::current();
        for ticks in [0, 1, 100, 12_345] {
            let span = JiffiesDelta::from_ticks(ticks)?;
            let limit = ticks + JiffiesDelta::SECOND.as_ticks();
            for rounded in [span.round_up(), span.round_up_on(here)] {
                assert!(rounded >= span);
                assert!(rounded.as_ticks() <= limit);
            }
            for rounded in [span.round(), span.round_on(here)] {
                assert!(rounded.as_ticks() <= limit);
                assert!(rounded.as_ticks() + JiffiesDelta::SECOND.as_ticks() >= ticks);
            }
        }
        assert_eq!(JiffiesDelta::MAX.round_up(), JiffiesDelta::MAX);
        Ok(())
    }

    #[test]
    fn forward_survives_the_wrap() -> Result {
        let three = JiffiesDelta::from_ticks(3)?;
        let at = Jiffies::from_raw;
        // Not late: the next one, on the other side.
        assert_eq!(LAST.forward(LAST, three), (at(2), 0));
        assert_eq!(LAST.forward(at(2), three), (at(2), 0));
        // Late: those that are past are skipped.
        assert_eq!(LAST.forward(at(3), three), (at(5), 1));
        assert_eq!(LAST.forward(at(9), three), (at(11), 3));
        // Somebody has armed it for later meanwhile.
        assert_eq!(at(100).forward(at(50), three), (at(103), 0));
        // No time is one tick.
        assert_eq!(LAST.forward(at(3), JiffiesDelta::ZERO), (at(3), 3));
        // The longest period, and the latest callback.
        let (_, missed) = FIRST.forward(at(isize::MAX as usize), JiffiesDelta::MAX);
        assert_eq!(missed, 2);
        Ok(())
    }

    #[test]
    fn spans_have_a_range() -> Result {
        let max = JiffiesDelta::MAX.as_ticks();
        assert_eq!(JiffiesDelta::from_ticks(max)?, JiffiesDelta::MAX);
        assert_eq!(JiffiesDelta::from_ticks(max + 1), Err(EINVAL));
        assert_eq!(JiffiesDelta::from_ticks(usize::MAX), Err(EINVAL));
        assert_eq!(
            JiffiesDelta::ZERO.saturating_sub(JiffiesDelta::TICK),
            JiffiesDelta::ZERO
        );
        Ok(())
    }

    #[test]
    fn milliseconds_round_up() {
        assert_eq!(JiffiesDelta::from_millis(0), JiffiesDelta::ZERO);
        assert_eq!(JiffiesDelta::from_millis(1), JiffiesDelta::TICK);
        assert_eq!(JiffiesDelta::from_millis(1000), JiffiesDelta::SECOND);
        assert_eq!(JiffiesDelta::from_millis(u32::MAX), JiffiesDelta::MAX);
    }

    #[test]
    fn now_goes_on() -> Result {
        let before = Jiffies::now();
        let_ticks_pass()?;
        assert!(Jiffies::now().is_after(before));
        Ok(())
    }
}

#[kunit_tests(ktimer_sync)]
mod sync {
    use super::*;
    use kernel::new_condvar;
    use kernel::sync::CondVar;

    #[test]
    fn bottom_halves_are_off_while_it_is_held() -> Result {
        let lock = KBox::pin_init(new_spinlock_bh!(1), GFP_KERNEL)?;
        assert!(!in_interrupt());
        let mut guard = lock.lock();
        assert!(in_interrupt());
        *guard += 1;
        assert!(lock.try_lock().is_none());
        drop(guard);
        assert!(!in_interrupt());
        let guard = lock.try_lock().ok_or(EBUSY)?;
        assert!(in_interrupt());
        assert_eq!(*guard, 2);
        Ok(())
    }

    #[pin_data]
    struct Mailbox {
        #[pin]
        letters: SpinLockBh<i32>,
        #[pin]
        came: CondVar,
    }

    impl TimerCallback for Mailbox {
        fn run(&self, context: TimerContext<'_, Self>) {
            let mut letters = self.letters.lock_with(&context);
            *letters += 1;
            if *letters < 3 {
                context.arm(Jiffies::now());
            }
            drop(letters);
            self.came.notify_all();
        }
    }

    #[test]
    fn shared_by_callback_and_a_process_that_waits() -> Result {
        let mailbox = KBox::pin_init(
            Timer::new(pin_init!(Mailbox {
                letters <- new_spinlock_bh!(0),
                came <- new_condvar!(),
            })),
            GFP_KERNEL,
        )?;
        mailbox.arm(Jiffies::now());
        let mut letters = mailbox.letters.lock();
        while *letters < 3 {
            mailbox.came.wait(&mut letters);
            assert!(in_interrupt());
        }
        drop(letters);
        assert!(!in_interrupt());
        Ok(())
    }
}

#[kunit_tests(ktimer_context)]
mod context {
    use super::*;

    #[test]
    fn a_process_is_in_no_interrupt() {
        assert!(!in_interrupt());
        assert!(!in_atomic());
    }

    #[test]
    fn a_kunit_test_runs_in_a_thread_of_that_name() {
        assert!(Comm::current().as_bytes().starts_with(b"kunit"));
    }
}
