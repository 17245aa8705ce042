// SPDX-License-Identifier: GPL-2.0

//! Several timers on one state.

use super::*;
use ktimer::time::timer::{
    TimerCallbacks,
    TimerFn,
    Timers, //
};

#[kunit_tests(ktimer_timers)]
mod tests {
    use super::*;

    /// Three timers: each has its own count, and arms the next one.
    struct Ring {
        counts: [Atomic<usize>; 3],
        stop_at: usize,
    }

    impl TimerCallbacks<3> for Ring {
        const CALLBACKS: [TimerFn<Self, 3>; 3] = [Self::first, Self::second, Self::third];
    }

    impl Ring {
        fn new(stop_at: usize) -> Result<Pin<KBox<Timers<Self, 3>>>> {
            let ring = Self {
                counts: [const { Atomic::new(0) }; 3],
                stop_at,
            };
            KBox::pin_init(new_timer!(ring, "first", "second", "third"), GFP_KERNEL)
        }

        fn counts(&self) -> [usize; 3] {
            [0, 1, 2].map(|id: usize| self.counts[id].load(Relaxed))
        }

        fn first(&self, context: TimerContext<'_, Self, 3>) {
            self.counts[0].fetch_add(1, Relaxed);
            context.timer::<1>().arm(Jiffies::now());
        }

        fn second(&self, context: TimerContext<'_, Self, 3>) {
            self.counts[1].fetch_add(1, Relaxed);
            context.timer::<2>().arm(Jiffies::now());
        }

        fn third(&self, context: TimerContext<'_, Self, 3>) {
            if self.counts[2].fetch_add(1, Relaxed) + 1 < self.stop_at {
                context.timer::<0>().arm(Jiffies::now());
            }
        }
    }

    #[test]
    fn each_runs_its_own_callback_and_arms_another() -> Result {
        let ring = Ring::new(3)?;
        ring.timer::<0>().arm(Jiffies::now());
        until(|| ring.counts[2].load(Relaxed) == 3)?;
        expired_by(Jiffies::now())?;
        assert_eq!(ring.counts(), [3, 3, 3]);
        Ok(())
    }

    #[test]
    fn each_is_armed_and_cancelled_by_itself() -> Result {
        let ring = Ring::new(1)?;
        ring.timer::<1>().arm(far());
        assert!(!ring.timer::<0>().is_pending());
        assert!(ring.timer::<1>().is_pending());
        assert!(!ring.timer::<2>().is_pending());
        assert!(!ring.timer::<0>().cancel());
        assert!(!ring.timer::<2>().cancel_sync());
        assert!(ring.timer::<1>().cancel());

        ring.timer::<2>().arm(Jiffies::now());
        until(|| ring.counts[2].load(Relaxed) == 1)?;
        assert_eq!(ring.counts(), [0, 0, 1]);
        Ok(())
    }

    #[test]
    fn each_is_shut_down_by_itself_or_all_are() -> Result {
        let ring = Ring::new(usize::MAX)?;
        ring.timer::<1>().shutdown_sync();
        assert!(ring.timer::<1>().arm(far()).is_shut_down());
        assert!(!ring.timer::<0>().arm(Jiffies::now()).is_shut_down());
        until(|| ring.counts[0].load(Relaxed) == 1)?;
        expired_by(Jiffies::now())?;
        assert_eq!(ring.counts(), [1, 0, 0]);

        ring.timer::<2>().arm(far());
        ring.shutdown_sync_all();
        assert!(!ring.timer::<2>().is_pending());
        assert!(ring.timer::<0>().arm(far()).is_shut_down());
        assert!(ring.timer::<2>().arm(far()).is_shut_down());
        Ok(())
    }

    /// The callback of its first timer takes a lock.
    #[pin_data]
    struct Takes {
        #[pin]
        lock: SpinLockBh<usize>,
    }

    impl TimerCallbacks<2> for Takes {
        const CALLBACKS: [TimerFn<Self, 2>; 2] = [Self::first, Self::second];
    }

    impl Takes {
        fn first(&self, context: TimerContext<'_, Self, 2>) {
            *self.lock.lock_with(&context) += 1;
        }

        fn second(&self, _context: TimerContext<'_, Self, 2>) {}
    }

    /// Lockdep would report that the one whose callback takes the lock is waited for, were both in
    /// one class.
    #[test]
    fn two_are_told_apart() -> Result {
        let timers = KBox::pin_init(
            new_timer!(
                pin_init!(Takes {
                    lock <- new_spinlock_bh!(0),
                }),
                "first",
                "second",
            ),
            GFP_KERNEL,
        )?;
        timers.timer::<0>().arm(Jiffies::now());
        until(|| *timers.lock.lock() == 1)?;
        timers.timer::<1>().arm(Jiffies::now());
        let guard = timers.lock.lock();
        timers.timer::<1>().cancel_sync();
        drop(guard);
        Ok(())
    }

    impl TimerCallbacks<8> for Watched {
        const CALLBACKS: [TimerFn<Self, 8>; 8] = [Self::again; 8];
    }

    impl Watched {
        fn again(&self, context: TimerContext<'_, Self, 8>) {
            self.seen.runs.fetch_add(1, Relaxed);
            context.arm(Jiffies::now());
        }
    }

    #[test]
    fn the_state_is_dropped_once_after_all_of_them() -> Result {
        let arm: [fn(&Timers<Watched, 8>) -> bool; 3] = [
            |all| !all.timer::<0>().arm(Jiffies::now()).is_shut_down(),
            |all| !all.timer::<3>().arm(Jiffies::now()).is_shut_down(),
            |all| !all.timer::<7>().arm(Jiffies::now()).is_shut_down(),
        ];
        for arm in arm {
            let (state, seen) = Watched::new(Jiffies::now(), true)?;
            {
                stack_pin_init!(let all = new_timer!(
                    state, "1", "2", "3", "4", "5", "6", "7", "8",
                ));
                assert!(arm(&all));
                until(|| seen.runs() >= 3)?;
            }
            assert!(seen.ended());
        }
        Ok(())
    }
}
