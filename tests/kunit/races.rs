// SPDX-License-Identifier: GPL-2.0

//! What happens on two CPUs at once. Each of these fails with `ENXIO` where there is only one, and
//! tries until what it is about has been seen to happen.

use super::*;
use ktimer::time::timer::{
    TimerCallbacks,
    TimerFn,
    Timers, //
};

#[kunit_tests(ktimer_races)]
mod tests {
    use super::*;

    /// Its callback goes on until it is released, or for a while.
    struct Spinner(Arc<Progress>);

    struct Progress {
        started: Atomic<bool>,
        waiting: Atomic<bool>,
        released: Atomic<bool>,
        ended: Atomic<bool>,
        /// The callback ended because it was released, and not before the waiting began.
        overlapped: Atomic<bool>,
    }

    impl TimerCallback for Spinner {
        fn run(&self, context: TimerContext<'_, Self>) {
            let progress = &self.0;
            progress.started.store(true, Relaxed);
            let give_up = Jiffies::now() + JiffiesDelta::from_millis(500);
            while !progress.released.load(Relaxed) && !Jiffies::now().is_after(give_up) {
                core::hint::spin_loop();
            }
            if progress.released.load(Relaxed) && progress.waiting.load(Relaxed) {
                progress.overlapped.store(true, Relaxed);
            }
            // Under way when it is shut down.
            context.arm(far());
            progress.ended.store(true, Relaxed);
        }
    }

    /// Lets a spinner go.
    struct Releaser(Arc<Progress>);

    impl TimerCallback for Releaser {
        fn run(&self, context: TimerContext<'_, Self>) {
            if self.0.waiting.load(Relaxed) {
                self.0.released.store(true, Relaxed);
            } else {
                context.rearm(JiffiesDelta::TICK);
            }
        }
    }

    /// A spinner that has started on another CPU.
    fn spinning() -> Result<Pin<KBox<Timer<Spinner>>>> {
        let progress = Arc::new(
            Progress {
                started: Atomic::new(false),
                waiting: Atomic::new(false),
                released: Atomic::new(false),
                ended: Atomic::new(false),
                overlapped: Atomic::new(false),
            },
            GFP_KERNEL,
        )?;
        let mut timer = KBox::pin_init(new_timer!(Spinner(progress)), GFP_KERNEL)?;
        let here = CpuId::current();
        for cpu in (0..nr_cpu_ids()).filter_map(CpuId::from_u32) {
            if cpu != here && timer.as_mut().arm_on(cpu, Jiffies::now()).is_ok() {
                until(|| timer.0.started.load(Relaxed))?;
                return Ok(timer);
            }
        }
        Err(ENXIO)
    }

    /// Tries something until it is true.
    fn eventually(mut attempt: impl FnMut() -> Result<bool>) -> Result {
        for _ in 0..100 {
            if attempt()? {
                return Ok(());
            }
        }
        Err(ETIMEDOUT)
    }

    #[test]
    fn running_elsewhere_it_is_not_cancelled() -> Result {
        eventually(|| {
            let timer = spinning()?;
            let found = timer.try_cancel_sync();
            let ended = timer.0.ended.load(Relaxed);
            timer.0.released.store(true, Relaxed);
            drop(timer);
            if !ended && found != Err(EBUSY) {
                return Err(EINVAL);
            }
            Ok(!ended)
        })
    }

    /// Waits for a callback that runs on another CPU, and is let go only after that has begun.
    fn waits_for_a_callback_elsewhere(wait: impl Fn(Pin<KBox<Timer<Spinner>>>)) -> Result {
        eventually(|| {
            let timer = spinning()?;
            let progress = timer.0.clone();
            let releaser = KBox::pin_init(new_timer!(Releaser(progress.clone())), GFP_KERNEL)?;
            releaser.arm(Jiffies::now());
            progress.waiting.store(true, Relaxed);
            wait(timer);
            if !progress.ended.load(Relaxed) {
                return Err(EINVAL);
            }
            Ok(progress.overlapped.load(Relaxed))
        })
    }

    #[test]
    fn dropping_waits_for_a_callback_elsewhere() -> Result {
        waits_for_a_callback_elsewhere(drop)
    }

    #[test]
    fn cancelling_waits_for_a_callback_elsewhere() -> Result {
        waits_for_a_callback_elsewhere(|timer| {
            // It was armed by the callback, before that ended.
            assert!(timer.cancel_sync());
            assert!(timer.0.ended.load(Relaxed));
            assert!(!timer.is_pending());
        })
    }

    #[test]
    fn shutting_down_waits_for_a_callback_elsewhere() -> Result {
        waits_for_a_callback_elsewhere(|timer| {
            // What the callback did meanwhile had no effect.
            timer.shutdown_sync();
            assert!(timer.0.ended.load(Relaxed));
            assert!(!timer.is_pending());
        })
    }

    /// Counts its expiries.
    struct Tally(Atomic<usize>);

    impl TimerCallback for Tally {
        fn run(&self, _context: TimerContext<'_, Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    /// What a process that runs beside another one has done.
    struct Beside {
        goes_on: Atomic<bool>,
        did: Atomic<usize>,
        ended: Atomic<bool>,
    }

    /// Runs something again and again, on another CPU if there is one, until it is to end; it
    /// counts what it was told that it did.
    fn beside(what: impl Fn(usize) -> usize + Send + 'static) -> Result<Arc<Beside>> {
        let this = Arc::new(
            Beside {
                goes_on: Atomic::new(true),
                did: Atomic::new(0),
                ended: Atomic::new(false),
            },
            GFP_KERNEL,
        )?;
        let its = this.clone();
        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            let mut round = 0;
            while its.goes_on.load(Relaxed) {
                its.did.fetch_add(what(round), Relaxed);
                round += 1;
            }
            drop(what);
            its.ended.store(true, Relaxed);
        })?;
        Ok(this)
    }

    #[test]
    fn arming_here_and_cancelling_there_lose_nothing() -> Result {
        const INTERLEAVED: usize = 1000;

        let timer = Arc::pin_init(new_timer!(Tally(Atomic::new(0))), GFP_KERNEL)?;
        let its = timer.clone();
        let armed = beside(move |round| {
            let expires = if round % 2 == 0 {
                Jiffies::now()
            } else {
                far()
            };
            usize::from(!its.arm(expires).was_pending())
        })?;
        // So often both have done something between two steps of the other.
        let (mut cancelled, mut interleaved) = (0, 0);
        until(|| armed.did.load(Relaxed) > 0)?;
        let give_up = Jiffies::now() + JiffiesDelta::from_millis(60_000);
        while interleaved < INTERLEAVED && !Jiffies::now().is_after(give_up) {
            let before = armed.did.load(Relaxed);
            cancelled += usize::from(timer.cancel_sync());
            interleaved += usize::from(armed.did.load(Relaxed) != before);
        }
        armed.goes_on.store(false, Relaxed);
        until(|| armed.ended.load(Relaxed))?;
        cancelled += usize::from(timer.shutdown_sync());
        // Each time that it became pending, it was either cancelled or expired.
        assert_eq!(armed.did.load(Relaxed), cancelled + timer.0.load(Relaxed));
        assert_eq!(interleaved, INTERLEAVED);
        Ok(())
    }

    /// Two timers that arm each other for as long as they can. What they count outlives them.
    struct Pair {
        counts: Arc<[Atomic<usize>; 2]>,
    }

    impl TimerCallbacks<2> for Pair {
        const CALLBACKS: [TimerFn<Self, 2>; 2] = [Self::first, Self::second];
    }

    impl Pair {
        fn first(&self, context: TimerContext<'_, Self, 2>) {
            self.counts[0].fetch_add(1, Relaxed);
            context.arm(Jiffies::now());
            // After itself, so that it comes first: of timers that expire at once, that which was
            // armed last does.
            context.timer::<1>().arm(Jiffies::now());
        }

        fn second(&self, context: TimerContext<'_, Self, 2>) {
            self.counts[1].fetch_add(1, Relaxed);
            context.arm(Jiffies::now());
            context.timer::<0>().arm(Jiffies::now());
        }
    }

    /// Again and again: both run, others arm them from another CPU, and their owner drops them.
    #[test]
    fn dropped_while_each_arms_the_other_both_stop() -> Result {
        if nr_cpu_ids() < 2 {
            return Err(ENXIO);
        }
        for round in 0..ROUNDS.value() {
            let counts = Arc::new([Atomic::new(0usize), Atomic::new(0)], GFP_KERNEL)?;
            let its_counts = counts.clone();
            let pair: Pin<KBox<Timers<Pair, 2>>> = KBox::pin_init(
                new_timer!(Pair { counts: its_counts }, "first", "second"),
                GFP_KERNEL,
            )?;
            pair.timer::<0>().arm(Jiffies::now());
            pair.timer::<1>().arm(Jiffies::now());
            // At any phase of theirs.
            let spin = round * 7919 % 4096;
            if round % 4 == 0 {
                until(|| counts[0].load(Relaxed) > 0 && counts[1].load(Relaxed) > 0)?;
            }
            for _ in 0..spin {
                core::hint::spin_loop();
            }
            drop(pair);
            let at_drop = [counts[0].load(Relaxed), counts[1].load(Relaxed)];
            if round % 64 == 0 {
                expired_by(Jiffies::now())?;
            }
            assert_eq!([counts[0].load(Relaxed), counts[1].load(Relaxed)], at_drop);
            assert!(Arc::into_unique_or_drop(counts).is_some());
        }
        Ok(())
    }

    /// The same, shared with a process on another CPU that arms both, too, and has the last
    /// reference as often as not.
    #[test]
    fn armed_from_elsewhere_meanwhile_they_stop_with_the_last_reference() -> Result {
        for _ in 0..ROUNDS.value() / 8 + 1 {
            let counts = Arc::new([Atomic::new(0usize), Atomic::new(0)], GFP_KERNEL)?;
            let its_counts = counts.clone();
            let pair: Arc<Timers<Pair, 2>> = Arc::pin_init(
                new_timer!(Pair { counts: its_counts }, "first", "second"),
                GFP_KERNEL,
            )?;
            let its = pair.clone();
            let arming = beside(move |_| {
                its.timer::<0>().arm(Jiffies::now());
                its.timer::<1>().arm(Jiffies::now());
                1
            })?;
            until(|| arming.did.load(Relaxed) > 0 && counts[1].load(Relaxed) > 0)?;
            arming.goes_on.store(false, Relaxed);
            drop(pair);
            until(|| arming.ended.load(Relaxed))?;
            assert!(Arc::into_unique_or_drop(counts).is_some());
        }
        Ok(())
    }
}
