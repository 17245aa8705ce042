// SPDX-License-Identifier: GPL-2.0

//! Where code runs, and what it may be interrupted by.

use super::*;

#[kunit_tests(ktimer_context)]
mod tests {
    use super::*;
    use kernel::{
        new_condvar,
        sync::CondVar, //
    };

    #[test]
    fn a_process_is_in_no_interrupt() {
        assert!(!in_interrupt());
        assert!(!in_atomic());
    }

    /// Whether its callback ran in an interrupt, and in atomic context.
    #[pin_data]
    struct Witness {
        #[pin]
        seen: SpinLockBh<Option<(bool, bool)>>,
        #[pin]
        came: CondVar,
    }

    impl TimerCallback for Witness {
        fn run(&self, context: TimerContext<'_, Self>) {
            *self.seen.lock_with(&context) = Some((in_interrupt(), in_atomic()));
            self.came.notify_all();
        }
    }

    #[test]
    fn a_callback_runs_in_softirq() -> Result {
        let timer = KBox::pin_init(
            new_timer!(pin_init!(Witness {
                seen <- new_spinlock_bh!(None),
                came <- new_condvar!(),
            })),
            GFP_KERNEL,
        )?;
        timer.arm(Jiffies::now());
        let give_up = Jiffies::now() + JiffiesDelta::from_millis(60_000);
        let mut seen = timer.seen.lock();
        while seen.is_none() {
            let _ = timer.came.wait_interruptible_timeout(&mut seen, 10_000);
            // Woken with the lock.
            assert!(in_interrupt());
            if Jiffies::now().is_after(give_up) {
                return Err(ETIMEDOUT);
            }
        }
        assert_eq!(*seen, Some((true, true)));
        drop(seen);
        assert!(!in_interrupt());
        Ok(())
    }

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

    #[test]
    fn in_the_modules_own_struct() -> Result {
        let before = PULSES.load(Relaxed);
        until(|| PULSES.load(Relaxed) >= before + 3)
    }
}
