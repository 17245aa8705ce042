// SPDX-License-Identifier: GPL-2.0

//! Misuse of timers that the types don't prevent, for tests/test_faults.py to see that the kernel
//! reports it. The parameter `fault` says which; a kernel that it was loaded into is spoilt.

use common::module_param;
use kernel::{
    prelude::*,
    sync::{
        Arc,
        Completion, //
    }, //
};
use ktimer::prelude::*;

module! {
    type: Faults,
    name: "ktimer_faults",
    authors: ["The jitimer authors"],
    description: "Misuse of timers, to see that the kernel reports it",
    license: "GPL",
}

module_param! {
    /// Which one.
    static FAULT: fault = 1, 1..=3,
        "1: cancel under a lock of the callback's; 2: drop in its own callback; 3: leak and unload";
}

struct Faults;

impl kernel::Module for Faults {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        match FAULT.value() {
            1 => cancel_under_lock()?,
            2 => drop_in_callback()?,
            _ => leak()?,
        }
        Ok(Self)
    }
}

/// Its callback takes the lock.
#[pin_data]
struct Locked {
    #[pin]
    lock: SpinLockBh<()>,
    #[pin]
    expired: Completion,
}

impl TimerCallback for Locked {
    fn run(&self, context: TimerContext<'_, Self>) {
        drop(self.lock.lock_with(&context));
        self.expired.complete_all();
    }
}

/// Waits for a timer while holding a lock that its callback takes.
fn cancel_under_lock() -> Result {
    let timer = KBox::pin_init(
        Timer::new(pin_init!(Locked {
            lock <- new_spinlock_bh!(()),
            expired <- Completion::new(),
        })),
        GFP_KERNEL,
    )?;
    timer.arm(Jiffies::now());
    timer.expired.wait_for_completion();
    let guard = timer.lock.lock();
    timer.cancel_sync();
    drop(guard);
    Ok(())
}

/// Its callback has the last reference to it.
#[pin_data]
struct Owner {
    #[pin]
    last: SpinLockBh<Option<Arc<Timer<Owner>>>>,
}

impl TimerCallback for Owner {
    fn run(&self, context: TimerContext<'_, Self>) {
        let last = self.last.lock_with(&context).take();
        drop(last);
    }
}

/// Drops a timer in its own callback.
fn drop_in_callback() -> Result {
    let timer = Arc::pin_init(
        Timer::new(pin_init!(Owner {
            last <- new_spinlock_bh!(None),
        })),
        GFP_KERNEL,
    )?;
    *timer.last.lock() = Some(timer.clone());
    timer.arm(Jiffies::now() + JiffiesDelta::SECOND);
    Ok(())
}

/// Leaks an armed timer; the module can be unloaded before it expires.
fn leak() -> Result {
    struct Idle;

    impl TimerCallback for Idle {
        fn run(&self, _context: TimerContext<'_, Self>) {}
    }

    let timer = KBox::pin_init(Timer::new(Idle), GFP_KERNEL)?;
    timer.arm(Jiffies::now() + JiffiesDelta::SECOND);
    core::mem::forget(timer);
    Ok(())
}
