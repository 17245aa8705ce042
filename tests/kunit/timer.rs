// SPDX-License-Identifier: GPL-2.0

//! One timer on its state.

use super::*;

#[kunit_tests(ktimer_timer)]
mod tests {
    use super::*;

    /// When its callback ran, and for when it was armed.
    #[pin_data]
    struct Witness {
        #[pin]
        seen: SpinLockBh<Option<(Jiffies, Jiffies)>>,
    }

    impl TimerCallback for Witness {
        fn run(&self, context: TimerContext<'_, Self>) {
            *self.seen.lock_with(&context) = Some((Jiffies::now(), context.expires()));
        }
    }

    #[test]
    fn runs_after_it_expired() -> Result {
        let timer = KBox::pin_init(
            new_timer!(pin_init!(Witness {
                seen <- new_spinlock_bh!(None),
            })),
            GFP_KERNEL,
        )?;
        let expires = Jiffies::now() + JiffiesDelta::from_ticks(3)?;
        assert!(!timer.is_pending());
        assert!(!timer.arm(expires).was_pending());
        until(|| timer.seen.lock().is_some())?;

        let seen = *timer.seen.lock();
        let (ran, armed_for) = seen.ok_or(EINVAL)?;
        assert!(ran.is_after(expires));
        assert_eq!(armed_for, expires);
        assert!(!timer.is_pending());
        Ok(())
    }

    #[test]
    fn a_time_that_has_passed_is_the_next_tick() -> Result {
        let timer = Count::timer(0)?;
        timer.arm(Jiffies::from_raw(
            Jiffies::now().as_raw().wrapping_sub(1000),
        ));
        timer.until(1)
    }

    #[test]
    fn rearms_itself() -> Result {
        let timer = Count::timer(4)?;
        timer.arm(Jiffies::now());
        timer.until(5)?;
        expired_by(Jiffies::now() + JiffiesDelta::TICK)?;
        assert_eq!(timer.get(), 5);
        Ok(())
    }

    #[test]
    fn arming_a_pending_timer_moves_it() -> Result {
        let timer = Count::timer(0)?;
        assert!(!timer.arm(far()).was_pending());
        assert!(timer.is_pending());
        assert!(timer.arm(Jiffies::now()).was_pending());
        timer.until(1)
    }

    /// Does something to a timer that is pending, before it expires; sees that it does not.
    fn does_not_expire_after(what: impl Fn(&Timer<Count>)) -> Result {
        for _ in 0..100 {
            let timer = Count::timer(0)?;
            let expires = soon();
            timer.arm(expires);
            what(&timer);
            if Jiffies::now().is_after(expires) {
                // It was too late, and tells nothing.
                continue;
            }
            assert!(!timer.is_pending());
            // All is still there that it would take.
            expired_by(expires)?;
            assert_eq!(timer.get(), 0);
            return Ok(());
        }
        Err(ETIMEDOUT)
    }

    #[test]
    fn dropped_while_pending_it_does_not_run() -> Result {
        for _ in 0..100 {
            let expires = soon();
            let (state, seen) = Watched::new(expires, false)?;
            let timer = KBox::pin_init(new_timer!(state), GFP_KERNEL)?;
            timer.arm(expires);
            drop(timer);
            assert!(seen.ended());
            if seen.runs() == 0 {
                return Ok(());
            }
            // It was too late, and tells nothing.
        }
        Err(ETIMEDOUT)
    }

    #[test]
    fn its_state_is_dropped_with_it() -> Result {
        let timer = Count::timer(0)?;
        let count = timer.count.clone();
        timer.arm(far());
        drop(timer);
        assert!(Arc::into_unique_or_drop(count).is_some());
        Ok(())
    }

    #[test]
    fn cancelled_it_does_not_run() -> Result {
        let cancel: [fn(&Timer<Count>) -> bool; 5] = [
            Timer::cancel,
            Timer::cancel_sync,
            |timer| timer.try_cancel_sync() == Ok(true),
            Timer::shutdown,
            Timer::shutdown_sync,
        ];
        for cancel in cancel {
            does_not_expire_after(|timer| {
                // `false` where it had expired already.
                let _ = cancel(timer);
            })?;
        }
        Ok(())
    }

    #[test]
    fn cancelled_it_is_not_pending() -> Result {
        let timer = Count::timer(0)?;
        assert!(!timer.cancel());
        assert!(!timer.cancel_sync());
        assert_eq!(timer.try_cancel_sync(), Ok(false));
        timer.arm(far());
        assert!(timer.cancel());
        assert!(!timer.is_pending());
        timer.arm(far());
        assert!(timer.cancel_sync());
        assert!(!timer.is_pending());
        timer.arm(far());
        assert_eq!(timer.try_cancel_sync(), Ok(true));
        assert!(!timer.is_pending());
        assert_eq!(timer.get(), 0);
        Ok(())
    }

    #[test]
    fn cancelled_it_can_be_armed_again() -> Result {
        let timer = Count::timer(0)?;
        timer.arm(far());
        timer.cancel_sync();
        timer.arm(Jiffies::now());
        timer.until(1)
    }

    #[test]
    fn only_a_pending_timer_is_armed_if_pending() -> Result {
        let timer = Count::timer(0)?;
        assert!(!timer.arm_if_pending(Jiffies::now()));
        assert!(!timer.is_pending());
        timer.arm(far());
        assert!(timer.arm_if_pending(Jiffies::now()));
        timer.until(1)
    }

    #[test]
    fn reduced_it_expires_no_later() -> Result {
        let timer = Count::timer(0)?;
        let early = Jiffies::now() + JiffiesDelta::from_millis(3_600_000);
        assert!(!timer.reduce(early).was_pending());
        assert!(timer.reduce(far()).was_pending());
        // Had this not made it earlier, or the last one made it later, it would not come.
        assert!(timer.reduce(soon()).was_pending());
        timer.reduce(far());
        timer.until(1)
    }

    #[test]
    fn shut_down_it_can_not_be_armed() -> Result {
        for shut_down in [Timer::<Count>::shutdown, Timer::<Count>::shutdown_sync] {
            let timer = Count::timer(0)?;
            assert!(!timer.arm(far()).is_shut_down());
            assert!(shut_down(&timer));
            assert!(timer.arm(Jiffies::now()).is_shut_down());
            assert!(timer.reduce(Jiffies::now()).is_shut_down());
            assert!(!timer.is_pending());
            assert!(!shut_down(&timer));
            expired_by(Jiffies::now())?;
            assert_eq!(timer.get(), 0);
        }
        Ok(())
    }

    struct Idle;

    impl TimerCallback for Idle {
        fn run(&self, _context: TimerContext<'_, Self>) {}
    }

    #[test]
    fn on_the_stack() -> Result {
        let expires = soon();
        let (state, seen) = Watched::new(expires, false)?;
        {
            stack_pin_init!(let timer = new_timer!(state));
            timer.arm(far());
            assert!(timer.cancel());
            timer.arm(expires);
        }
        assert!(seen.ended());
        Ok(())
    }

    #[test]
    fn a_state_that_can_not_be_made_fails_the_timer() -> Result {
        let failed: Result<Pin<KBox<Timer<Count>>>> =
            KBox::pin_init(new_timer!(Err::<Count, Error>(EDOM)), GFP_KERNEL);
        assert_eq!(failed.err(), Some(EDOM));
        let made: Pin<KBox<Timer<Count>>> = KBox::pin_init(new_timer!(Count::new(0)), GFP_KERNEL)?;
        made.arm(Jiffies::now());
        made.until(1)
    }

    #[test]
    fn its_state_is_pinned() -> Result {
        let timer = Count::timer(0)?;
        let state: Pin<&Count> = timer.as_ref().pinned_state();
        assert!(core::ptr::eq(state.get_ref(), &**timer));
        Ok(())
    }

    #[test]
    fn rearmed_it_does_not_drift() -> Result {
        const PERIODS: usize = 20;

        /// When it was due first and last, and how many periods that were.
        #[pin_data]
        struct Clock {
            #[pin]
            seen: SpinLockBh<(Option<Jiffies>, Jiffies, usize)>,
            period: JiffiesDelta,
        }

        impl TimerCallback for Clock {
            fn run(&self, context: TimerContext<'_, Self>) {
                let mut seen = self.seen.lock_with(&context);
                let due = context.expires();
                seen.0.get_or_insert(due);
                seen.1 = due;
                if seen.2 < PERIODS {
                    seen.2 += 1 + context.rearm(self.period);
                }
            }
        }

        for ticks in [1, 2, 3] {
            let period = JiffiesDelta::from_ticks(ticks)?;
            let timer = KBox::pin_init(
                new_timer!(pin_init!(Clock {
                    seen <- new_spinlock_bh!((None, Jiffies::from_raw(0), 0)),
                    period,
                })),
                GFP_KERNEL,
            )?;
            let start = Jiffies::now() + JiffiesDelta::TICK;
            timer.arm(start);
            until(|| {
                let (_, last, periods) = *timer.seen.lock();
                periods >= PERIODS && last.since(start).as_ticks() >= periods * ticks
            })?;
            let (first, last, periods) = *timer.seen.lock();
            assert_eq!(first, Some(start));
            assert_eq!(last.since(start).as_ticks(), periods * ticks);
        }
        Ok(())
    }

    /// Its callback finds that it was armed meanwhile, the first time.
    struct Hurried {
        count: Atomic<usize>,
    }

    impl TimerCallback for Hurried {
        fn run(&self, context: TimerContext<'_, Self>) {
            if self.count.fetch_add(1, Relaxed) == 0 {
                // As somebody else might have.
                context.arm(Jiffies::now());
                context.rearm(JiffiesDelta::TIMER_MAX);
            }
        }
    }

    #[test]
    fn rearmed_it_stays_armed_for_what_is_earlier() -> Result {
        let timer = KBox::pin_init(
            new_timer!(Hurried {
                count: Atomic::new(0)
            }),
            GFP_KERNEL,
        )?;
        timer.arm(Jiffies::now());
        until(|| timer.count.load(Relaxed) == 2)
    }

    /// What came of arming, cancelling and shutting down from the callback.
    #[pin_data]
    struct Undecided {
        #[pin]
        seen: SpinLockBh<Option<[bool; 6]>>,
    }

    impl TimerCallback for Undecided {
        fn run(&self, context: TimerContext<'_, Self>) {
            let seen = [
                context.arm(far()).was_pending(),
                context.is_pending(),
                context.cancel(),
                context.is_pending(),
                context.shutdown(),
                context.arm(far()).is_shut_down(),
            ];
            *self.seen.lock_with(&context) = Some(seen);
        }
    }

    #[test]
    fn the_callback_can_cancel_and_shut_down() -> Result {
        let timer = KBox::pin_init(
            new_timer!(pin_init!(Undecided {
                seen <- new_spinlock_bh!(None),
            })),
            GFP_KERNEL,
        )?;
        timer.arm(Jiffies::now());
        until(|| timer.seen.lock().is_some())?;
        let seen = *timer.seen.lock();
        assert_eq!(seen, Some([false, true, true, false, false, true]));
        assert!(!timer.is_pending());
        Ok(())
    }

    #[test]
    fn dropped_while_it_rearms_itself_for_ever_it_stops() -> Result {
        let (state, seen) = Watched::new(Jiffies::now(), true)?;
        let timer = KBox::pin_init(new_timer!(state), GFP_KERNEL)?;
        timer.arm(Jiffies::now());
        until(|| seen.runs() >= 3)?;
        drop(timer);
        assert!(seen.ended());
        Ok(())
    }

    #[test]
    fn shared_in_an_arc_the_last_owner_drops_it() -> Result {
        let timer = Arc::pin_init(new_timer!(Count::new(0)?), GFP_KERNEL)?;
        let count = timer.count.clone();
        let other = timer.clone();
        timer.arm(Jiffies::now());
        drop(timer);
        other.until(1)?;
        drop(other);
        assert!(Arc::into_unique_or_drop(count).is_some());
        Ok(())
    }

    /// Its callback takes a lock.
    struct Takes(Arc<SpinLocked>);

    #[pin_data]
    struct SpinLocked {
        #[pin]
        lock: SpinLockBh<usize>,
    }

    impl TimerCallback for Takes {
        fn run(&self, context: TimerContext<'_, Self>) {
            *self.0.lock.lock_with(&context) += 1;
        }
    }

    /// As a driver's own macro may make them, in one place.
    macro_rules! two_timers {
        ($first:expr, $second:expr) => {
            (
                KBox::pin_init(new_timer!($first), GFP_KERNEL)?,
                KBox::pin_init(new_timer!($second), GFP_KERNEL)?,
            )
        };
    }

    /// Lockdep would report that the one whose callback takes the lock is waited for, were both in
    /// one class.
    #[test]
    fn two_in_one_macro_are_told_apart() -> Result {
        let locked = Arc::pin_init(
            pin_init!(SpinLocked {
                lock <- new_spinlock_bh!(0),
            }),
            GFP_KERNEL,
        )?;
        let (takes, idle) = two_timers!(Takes(locked.clone()), Idle);
        takes.arm(Jiffies::now());
        until(|| *locked.lock.lock() == 1)?;
        idle.arm(Jiffies::now());
        let guard = locked.lock.lock();
        idle.cancel_sync();
        drop(guard);
        Ok(())
    }

    /// For tests/test_kunit.py, which sees what the wheel makes of these.
    #[test]
    fn the_longest_delay() -> Result {
        let timer = Count::timer(0)?;
        until(|| {
            let now = Jiffies::now();
            timer.arm(now + JiffiesDelta::TIMER_MAX);
            // Into the wheel anew, and not on to another jiffy in the same bucket.
            timer.cancel();
            // The wheel may be a tick ahead.
            timer.arm(now + JiffiesDelta::TIMER_MAX + JiffiesDelta::TICK + JiffiesDelta::TICK);
            // All within a tick.
            Jiffies::now() == now
        })
    }
}
