// SPDX-License-Identifier: GPL-2.0

//! Tasklets.

use super::*;
use common::tasklet::{
    Priority,
    Tasklet,
    TaskletCallback,
    TaskletContext, //
};

#[kunit_tests(ktimer_tasklet)]
mod tests {
    use super::*;

    /// What was seen of a [`Counted`].
    struct Runs {
        scheduled: Atomic<bool>,
        runs: Atomic<usize>,
        runs_at_drop: Atomic<usize>,
        dropped: Atomic<bool>,
    }

    impl Runs {
        fn new() -> Result<Arc<Self>> {
            let this = Self {
                scheduled: Atomic::new(false),
                runs: Atomic::new(0),
                runs_at_drop: Atomic::new(0),
                dropped: Atomic::new(false),
            };
            Ok(Arc::new(this, GFP_KERNEL)?)
        }
    }

    /// Counts its runs; it is scheduled again as long as there are fewer than `last`.
    struct Counted {
        seen: Arc<Runs>,
        last: usize,
    }

    impl TaskletCallback for Counted {
        fn run(&self, context: TaskletContext<'_, Self>) {
            if self.seen.runs.fetch_add(1, Relaxed) + 1 < self.last {
                context.schedule(Priority::Normal);
            }
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            let runs = self.seen.runs.load(Relaxed);
            self.seen.runs_at_drop.store(runs, Relaxed);
            self.seen.dropped.store(true, Relaxed);
        }
    }

    #[test]
    fn it_runs_as_often_as_it_is_scheduled() -> Result {
        for priority in [Priority::Normal, Priority::High] {
            let seen = Runs::new()?;
            let state = Counted {
                seen: seen.clone(),
                last: 3,
            };
            let tasklet = KBox::pin_init(Tasklet::new(state), GFP_KERNEL)?;
            assert_eq!(seen.runs.load(Relaxed), 0);
            tasklet.schedule(priority);
            until(|| seen.runs.load(Relaxed) == 3)?;
            drop(tasklet);
            assert!(seen.dropped.load(Relaxed));
            assert_eq!(seen.runs.load(Relaxed), 3);
        }
        Ok(())
    }

    /// One whose turn has not come is waited for: another process keeps softirqs off its CPU.
    #[test]
    fn dropped_while_scheduled_it_runs_before() -> Result {
        if alone()? {
            return Ok(());
        }
        for _ in 0..100 {
            let seen = Runs::new()?;
            let state = Counted {
                seen: seen.clone(),
                last: 1,
            };
            let tasklet = Arc::pin_init(Tasklet::new(state), GFP_KERNEL)?;
            let (its, its_seen) = (tasklet.clone(), seen.clone());
            workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
                let Ok(lock) = KBox::pin_init(new_spinlock_bh!(()), GFP_KERNEL) else {
                    return;
                };
                let guard = lock.lock();
                its.schedule(Priority::Normal);
                drop(its);
                its_seen.scheduled.store(true, Relaxed);
                let end = Jiffies::now() + JiffiesDelta::from_millis(20);
                while !Jiffies::now().is_after(end) {
                    core::hint::spin_loop();
                }
                drop(guard);
            })?;
            until(|| seen.scheduled.load(Relaxed))?;
            let waited = seen.runs.load(Relaxed) == 0;
            drop(tasklet);
            assert!(seen.dropped.load(Relaxed));
            assert_eq!(seen.runs_at_drop.load(Relaxed), 1);
            if waited {
                return Ok(());
            }
            // It was too late, and tells nothing.
        }
        Err(ETIMEDOUT)
    }
}
