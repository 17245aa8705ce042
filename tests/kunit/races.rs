// SPDX-License-Identifier: GPL-2.0

//! What happens on two CPUs at once. Each of these is skipped where there is only one, and tries
//! until what it is about has been seen to happen.

use super::*;
use ktimer::{
    extra::global_timer::GlobalTimer,
    time::timer::{
        TimerCallbacks,
        TimerFn,
        Timers, //
    }, //
};

#[kunit_tests(ktimer_races)]
mod tests {
    use super::*;

    /// What is seen of a callback that goes on until it is released, or for a while.
    struct Progress {
        started: Atomic<bool>,
        /// Somebody waits for it.
        waiting: Atomic<bool>,
        released: Atomic<bool>,
        /// It went on until then.
        overlapped: Atomic<bool>,
        /// Its arming of a timer, the last thing that it did, had no effect.
        refused: Atomic<bool>,
        ended: Atomic<bool>,
        /// The state was dropped, before or after that.
        dropped_early: Atomic<bool>,
        dropped: Atomic<bool>,
    }

    impl Progress {
        fn new() -> Result<Arc<Self>> {
            let this = Self {
                started: Atomic::new(false),
                waiting: Atomic::new(false),
                released: Atomic::new(false),
                overlapped: Atomic::new(false),
                refused: Atomic::new(false),
                ended: Atomic::new(false),
                dropped_early: Atomic::new(false),
                dropped: Atomic::new(false),
            };
            Ok(Arc::new(this, GFP_KERNEL)?)
        }

        /// Goes on in the callback; arms a timer in the end.
        fn go_on(&self, arm: impl FnOnce() -> bool) {
            self.started.store(true, Relaxed);
            let give_up = Jiffies::now() + JiffiesDelta::from_millis(500);
            while !self.released.load(Relaxed) && !Jiffies::now().is_after(give_up) {
                core::hint::spin_loop();
            }
            self.overlapped.store(self.released.load(Relaxed), Relaxed);
            self.refused.store(arm(), Relaxed);
            self.ended.store(true, Relaxed);
        }

        fn drop_state(&self) {
            let early = !self.ended.load(Relaxed);
            self.dropped_early.store(early, Relaxed);
            self.dropped.store(true, Relaxed);
        }

        /// Calls what waits for the callback, which, once it has started, is released when that has
        /// been at it for whole ticks. Returns whether it was so; fails if it did not wait.
        fn is_waited_for(self: &Arc<Self>, wait: impl FnOnce()) -> Result<bool> {
            let releaser = Releaser {
                progress: self.clone(),
                seen: Atomic::new(0),
            };
            let releaser = KBox::pin_init(new_timer!(releaser), GFP_KERNEL)?;
            releaser.arm(Jiffies::now());
            self.waiting.store(true, Relaxed);
            wait();
            if self.ended.load(Relaxed) {
                Ok(self.overlapped.load(Relaxed))
            } else {
                Err(EINVAL)
            }
        }
    }

    /// Releases a callback.
    struct Releaser {
        progress: Arc<Progress>,
        /// How often it has seen that somebody waits.
        seen: Atomic<usize>,
    }

    impl TimerCallback for Releaser {
        fn run(&self, context: TimerContext<'_, Self>) {
            let progress = &self.progress;
            let waited_for = progress.waiting.load(Relaxed) && progress.started.load(Relaxed);
            if waited_for && self.seen.fetch_add(1, Relaxed) >= 2 {
                progress.released.store(true, Relaxed);
            } else {
                context.rearm(JiffiesDelta::TICK);
            }
        }
    }

    /// Its callback goes on until it is released, and then arms its timer again.
    struct Spinner(Arc<Progress>);

    impl TimerCallback for Spinner {
        fn run(&self, context: TimerContext<'_, Self>) {
            self.0.go_on(|| context.arm(far()).is_shut_down());
        }
    }

    impl Drop for Spinner {
        fn drop(&mut self) {
            self.0.drop_state();
        }
    }

    /// A timer whose callback has started on another CPU by the time that it is initialised.
    fn started<T: TimerCallback>(
        timer: impl PinInit<Timer<T>, Error>,
        progress: Arc<Progress>,
    ) -> impl PinInit<Timer<T>, Error> {
        timer.pin_chain(move |mut timer| {
            if !arm_elsewhere(timer.as_mut(), Jiffies::now()) {
                return Err(ENXIO);
            }
            until(|| progress.started.load(Relaxed))
        })
    }

    /// A spinner that has started on another CPU.
    fn spinning() -> Result<Pin<KBox<Timer<Spinner>>>> {
        let progress = Progress::new()?;
        let timer = new_timer!(Ok::<_, Error>(Spinner(progress.clone())));
        KBox::pin_init(started(timer, progress), GFP_KERNEL)
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
        if alone()? {
            return Ok(());
        }
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

    /// What does not wait for a callback that runs elsewhere returns while that goes on; if it has
    /// shut the timer down, the callback can't arm it any more.
    #[test]
    fn cancelled_or_shut_down_while_running_elsewhere_it_goes_on() -> Result {
        if alone()? {
            return Ok(());
        }
        for refused in [false, true] {
            eventually(|| {
                let timer = spinning()?;
                let progress = &timer.0;
                let found = match refused {
                    false => timer.cancel(),
                    true => timer.shutdown(),
                };
                let ended = progress.ended.load(Relaxed);
                progress.released.store(true, Relaxed);
                until(|| progress.ended.load(Relaxed))?;
                if ended {
                    return Ok(false);
                }
                assert!(!found);
                assert_eq!(progress.refused.load(Relaxed), refused);
                assert_eq!(timer.is_pending(), !refused);
                Ok(true)
            })?;
        }
        Ok(())
    }

    /// Waits for a callback that runs on another CPU, and is let go only after that has begun.
    fn waits_for_a_callback_elsewhere(wait: impl Fn(Pin<KBox<Timer<Spinner>>>)) -> Result {
        if alone()? {
            return Ok(());
        }
        eventually(|| {
            let timer = spinning()?;
            let progress = timer.0.clone();
            let overlapped = progress.is_waited_for(|| wait(timer))?;
            assert!(progress.dropped.load(Relaxed));
            assert!(!progress.dropped_early.load(Relaxed));
            Ok(overlapped)
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
            assert!(!timer.arm(far()).is_shut_down());
        })
    }

    #[test]
    fn shutting_down_waits_for_a_callback_elsewhere() -> Result {
        waits_for_a_callback_elsewhere(|timer| {
            // Likewise; and after that nobody can.
            assert!(timer.shutdown_sync());
            assert!(timer.0.ended.load(Relaxed));
            assert!(!timer.is_pending());
            assert!(timer.arm(far()).is_shut_down());
        })
    }

    /// It may change the timer's flags.
    #[test]
    fn arming_on_a_cpu_waits_for_a_callback_elsewhere() -> Result {
        type Arm = fn(Pin<&mut Timer<Spinner>>, Jiffies);

        let local: Arm = Timer::arm_local;
        let here: Arm = |timer, expires| {
            // This CPU is online.
            assert_eq!(timer.arm_on(CpuId::current(), expires), Ok(()));
        };
        for arm in [local, Timer::arm_global, here] {
            waits_for_a_callback_elsewhere(|mut timer| {
                arm(timer.as_mut(), far());
                assert!(timer.0.ended.load(Relaxed));
                assert!(timer.is_pending());
            })?;
        }
        Ok(())
    }

    /// The same in a static, whose state is not dropped: what it has is to be taken from it.
    #[pin_data]
    struct Kept {
        #[pin]
        progress: SpinLockBh<Option<Arc<Progress>>>,
    }

    impl TimerCallback for Kept {
        fn run(&self, context: TimerContext<'_, Self>) {
            let progress = self.progress.lock_with(&context).clone();
            if let Some(progress) = progress {
                progress.go_on(|| context.arm(far()).is_shut_down());
            }
        }
    }

    #[test]
    fn the_end_of_a_static_waits_for_a_callback_elsewhere() -> Result {
        // One for each time that it is tried: none can be initialised again.
        static TIMERS: [GlobalTimer<Kept>; 64] = [const { GlobalTimer::new() }; 64];

        if alone()? {
            return Ok(());
        }
        let mut unused = TIMERS.iter().filter(|timer| timer.get().is_none());
        eventually(|| {
            let timer = unused.next().ok_or(ENOSPC)?;
            let progress = Progress::new()?;
            let its = progress.clone();
            let state = try_pin_init!(Kept {
                progress <- new_spinlock_bh!(Some(its)),
            }? Error);
            let guard = timer.init(started(new_timer!(state), progress.clone()))?;
            let overlapped = progress.is_waited_for(|| drop(guard));
            let timer = timer.get().ok_or(EINVAL)?;
            // It was armed by the callback, before that ended.
            assert!(!timer.is_pending());
            drop(timer.progress.lock().take());
            overlapped
        })
    }

    /// Two timers: the callback of the second goes on until it is released, and then arms the
    /// first.
    struct Rear(Arc<Progress>);

    impl TimerCallbacks<2> for Rear {
        const CALLBACKS: [TimerFn<Self, 2>; 2] = [Self::first, Self::second];
    }

    impl Rear {
        fn first(&self, _context: TimerContext<'_, Self, 2>) {}

        fn second(&self, context: TimerContext<'_, Self, 2>) {
            let first = context.timer::<0>();
            self.0.go_on(|| first.arm(far()).is_shut_down());
        }
    }

    impl Drop for Rear {
        fn drop(&mut self) {
            self.0.drop_state();
        }
    }

    /// Arms the second of them on the CPU that it expires on.
    struct Launcher(Arc<Timers<Rear, 2>>);

    impl TimerCallback for Launcher {
        fn run(&self, _context: TimerContext<'_, Self>) {
            self.0.timer::<1>().arm(Jiffies::now());
        }
    }

    /// Shuts both down while the second's callback runs on another CPU. What that arms then is shut
    /// down already, and stays so.
    fn shuts_both_down(shut_down: impl Fn(Arc<Timers<Rear, 2>>)) -> Result {
        if alone()? {
            return Ok(());
        }
        eventually(|| {
            let progress = Progress::new()?;
            let its = progress.clone();
            let rear: Arc<Timers<Rear, 2>> =
                Arc::pin_init(new_timer!(Rear(its), "first", "second"), GFP_KERNEL)?;
            let mut launcher = KBox::pin_init(new_timer!(Launcher(rear.clone())), GFP_KERNEL)?;
            if !arm_elsewhere(launcher.as_mut(), Jiffies::now()) {
                return Err(ENXIO);
            }
            until(|| progress.started.load(Relaxed))?;
            // And its reference: there is one left.
            drop(launcher);
            let overlapped = progress.is_waited_for(|| shut_down(rear))?;
            assert!(progress.dropped.load(Relaxed));
            assert!(!progress.dropped_early.load(Relaxed));
            Ok(overlapped && progress.refused.load(Relaxed))
        })
    }

    #[test]
    fn dropping_several_waits_for_each_with_the_others_shut_down() -> Result {
        shuts_both_down(drop)
    }

    #[test]
    fn shutting_down_several_waits_for_each_with_the_others_shut_down() -> Result {
        shuts_both_down(|rear| {
            rear.shutdown_sync_all();
            assert!(rear.0.ended.load(Relaxed));
            assert!(!rear.timer::<0>().is_pending());
            assert!(rear.timer::<1>().arm(far()).is_shut_down());
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
    fn shut_down_while_armed_from_elsewhere_it_stays_so() -> Result {
        if alone()? {
            return Ok(());
        }
        let timer = Arc::pin_init(new_timer!(Tally(Atomic::new(0))), GFP_KERNEL)?;
        let its = timer.clone();
        let arming = beside(move |_| {
            its.arm(Jiffies::now());
            1
        })?;
        until(|| timer.0.load(Relaxed) > 0)?;
        timer.shutdown_sync();
        let expired = timer.0.load(Relaxed);
        // That goes on.
        let armed = arming.did.load(Relaxed);
        until(|| arming.did.load(Relaxed) > armed + 1000)?;
        expired_by(Jiffies::now())?;
        let pending = timer.is_pending();
        arming.goes_on.store(false, Relaxed);
        until(|| arming.ended.load(Relaxed))?;
        assert!(!pending);
        assert_eq!(timer.0.load(Relaxed), expired);
        Ok(())
    }

    #[test]
    fn arming_here_and_cancelling_there_lose_nothing() -> Result {
        const INTERLEAVED: usize = 1000;

        if alone()? {
            return Ok(());
        }
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
        if alone()? {
            return Ok(());
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
        if alone()? {
            return Ok(());
        }
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
