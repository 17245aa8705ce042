// SPDX-License-Identifier: GPL-2.0

//! The spinlock that keeps bottom halves out.

use super::*;

#[kunit_tests(ktimer_sync)]
mod tests {
    use super::*;
    use kernel::new_condvar;
    use kernel::sync::CondVar;

    #[test]
    fn one_holds_it() -> Result {
        let lock = KBox::pin_init(new_spinlock_bh!(1), GFP_KERNEL)?;
        let mut guard = lock.lock();
        *guard += 1;
        assert!(lock.try_lock().is_none());
        drop(guard);
        let guard = lock.try_lock().ok_or(EBUSY)?;
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
            new_timer!(pin_init!(Mailbox {
                letters <- new_spinlock_bh!(0),
                came <- new_condvar!(),
            })),
            GFP_KERNEL,
        )?;
        let give_up = Jiffies::now() + JiffiesDelta::from_millis(60_000);
        mailbox.arm(Jiffies::now());
        let mut letters = mailbox.letters.lock();
        while *letters < 3 {
            let _ = mailbox
                .came
                .wait_interruptible_timeout(&mut letters, 10_000);
            if Jiffies::now().is_after(give_up) {
                return Err(ETIMEDOUT);
            }
        }
        Ok(())
    }

    /// What trying to take a lock came to in a callback, and once more while it has it.
    #[pin_data]
    struct Trier {
        #[pin]
        lock: SpinLockBh<u32>,
        tried: Atomic<u32>,
    }

    impl Trier {
        const IN_VAIN: u32 = 1;
        const ONCE: u32 = 2;
        const TWICE: u32 = 3;
    }

    impl TimerCallback for Trier {
        fn run(&self, context: TimerContext<'_, Self>) {
            let tried = match self.lock.try_lock_with(&context) {
                Some(mut guard) => {
                    *guard += 1;
                    match self.lock.try_lock_with(&context) {
                        Some(_) => Self::TWICE,
                        None => Self::ONCE,
                    }
                }
                None => Self::IN_VAIN,
            };
            self.tried.store(tried, Relaxed);
        }
    }

    #[test]
    fn tried_in_a_callback() -> Result {
        let trier = KBox::pin_init(
            new_timer!(pin_init!(Trier {
                lock <- new_spinlock_bh!(0),
                tried: Atomic::new(0),
            })),
            GFP_KERNEL,
        )?;
        trier.arm(Jiffies::now());
        until(|| trier.tried.load(Relaxed) != 0)?;
        assert_eq!(trier.tried.load(Relaxed), Trier::ONCE);
        assert_eq!(*trier.lock.lock(), 1);
        // It was released.
        assert!(trier.lock.try_lock().is_some());
        Ok(())
    }
}
