// SPDX-License-Identifier: GPL-2.0

//! Misuse of timers that the types don't prevent, for tests/test_faults.py to see that the kernel
//! reports it. The parameter `fault` says which; a kernel that it was loaded into is spoilt.

use common::module_param;
use core::{
    convert::Infallible,
    mem::MaybeUninit, //
};
use kernel::{
    interrupt::local_interrupt_disable,
    irq,
    new_condvar,
    new_spinlock_irq,
    prelude::*,
    sync::{
        Arc,
        Completion,
        CondVar,
        SetOnce, //
    },
    types::Opaque, //
};
use ktimer::{
    extra::{
        global_timer::{
            GlobalTimer,
            GlobalTimerGuard, //
        },
        irqsafe::{
            IrqSafeCallback,
            IrqSafeContext, //
        }, //
    },
    interrupt::BhDisabled,
    new_irqsafe_timer,
    prelude::*,
    sync::SpinLockBhGuard, //
};
use pin_init::Wrapper;

module! {
    type: Faults,
    name: "ktimer_faults",
    authors: ["The jitimer authors"],
    description: "Misuse of timers, to see that the kernel reports it",
    license: "GPL",
}

module_param! {
    /// Which one.
    static FAULT: fault = 1, 1..=FAULTS.len(), "which one: a place among the faults of its source",
        0o444;
}

const FAULTS: [fn() -> Result; 12] = [
    cancel_under_lock,
    drop_in_callback,
    forget,
    forget_in_a_circle,
    forget_in_a_static,
    free_undropped::<MaybeUninit<_>>,
    disable_bh_in_irqsafe_callback,
    sleep_in_callback,
    sleep_with_interrupts_disabled,
    assume_disabled,
    assume_locked,
    free_undropped::<Opaque<_>>,
];

struct Faults;

impl kernel::Module for Faults {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        (FAULT.value().checked_sub(1))
            .and_then(|n| FAULTS.get(n))
            .ok_or(EINVAL)?()?;
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
        new_timer!(pin_init!(Locked {
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
        new_timer!(pin_init!(Owner {
            last <- new_spinlock_bh!(None),
        })),
        GFP_KERNEL,
    )?;
    *timer.last.lock() = Some(timer.clone());
    timer.arm(Jiffies::now() + JiffiesDelta::SECOND);
    Ok(())
}

/// The state of a timer that is leaked while armed; the module can be unloaded before it expires.
struct Idle;

impl TimerCallback for Idle {
    fn run(&self, _context: TimerContext<'_, Self>) {}
}

/// Leaks an armed timer.
fn forget() -> Result {
    let timer = KBox::pin_init(new_timer!(Idle), GFP_KERNEL)?;
    timer.arm(Jiffies::now() + JiffiesDelta::SECOND);
    core::mem::forget(timer);
    Ok(())
}

/// Has a reference to itself.
#[pin_data]
struct Circle {
    #[pin]
    closed: SpinLockBh<Option<Arc<Timer<Circle>>>>,
}

impl TimerCallback for Circle {
    fn run(&self, _context: TimerContext<'_, Self>) {}
}

/// The same by a circle of references.
fn forget_in_a_circle() -> Result {
    let timer = Arc::pin_init(
        new_timer!(pin_init!(Circle {
            closed <- new_spinlock_bh!(None),
        })),
        GFP_KERNEL,
    )?;
    timer.arm(Jiffies::now() + JiffiesDelta::SECOND);
    *timer.closed.lock() = Some(timer.clone());
    Ok(())
}

/// The same by a guard that is never dropped.
fn forget_in_a_static() -> Result {
    static TIMER: GlobalTimer<Idle> = GlobalTimer::new();
    static GUARD: SetOnce<GlobalTimerGuard<Idle>> = SetOnce::new();

    let guard = TIMER.init(new_timer!(Idle))?;
    guard.arm(Jiffies::now() + JiffiesDelta::SECOND);
    GUARD.populate(guard);
    Ok(())
}

/// Frees an armed timer that pin-init has wrapped into what never drops it.
fn free_undropped<W: Wrapper<Timer<Idle>>>() -> Result {
    let armed = new_timer!(Idle).pin_chain(|timer| {
        timer
            .as_ref()
            .get_ref()
            .arm(Jiffies::now() + JiffiesDelta::SECOND);
        Ok(())
    });
    let wrapped = W::pin_init::<Infallible>(armed);
    drop(KBox::pin_init(wrapped, GFP_KERNEL)?);
    Ok(())
}

/// What a callback does that it must not; its owner waits for that.
#[pin_data]
struct Misled {
    #[pin]
    lock: SpinLockBh<()>,
    #[pin]
    changed: CondVar,
    #[pin]
    done: Completion,
}

impl Misled {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- new_spinlock_bh!(()),
            changed <- kernel::new_condvar!(),
            done <- Completion::new(),
        })
    }
}

impl IrqSafeCallback for Misled {
    fn run(&self, _context: IrqSafeContext<'_, Self>) {
        drop(self.lock.lock());
        self.done.complete_all();
    }
}

impl TimerCallback for Misled {
    fn run(&self, _context: TimerContext<'_, Self>) {
        // Without a timeout: its timer would be on the stack, which is no task's, and debugobjects
        // would be the first to say so.
        let _ = self.changed.wait_interruptible(&mut self.lock.lock());
        self.done.complete_all();
    }
}

/// Enables bottom halves with interrupts disabled.
fn disable_bh_in_irqsafe_callback() -> Result {
    let timer = KBox::pin_init(new_irqsafe_timer!(Misled::new()), GFP_KERNEL)?;
    timer.arm(Jiffies::now());
    timer.done.wait_for_completion();
    Ok(())
}

/// Sleeps in softirq context.
fn sleep_in_callback() -> Result {
    let timer = KBox::pin_init(new_timer!(Misled::new()), GFP_KERNEL)?;
    timer.arm(Jiffies::now());
    timer.done.wait_for_completion();
    Ok(())
}

/// Says in a task that bottom halves are disabled, where they are not.
fn assume_disabled() -> Result {
    // SAFETY: None, which is the fault.
    let _proof = unsafe { BhDisabled::assume_disabled() };
    Ok(())
}

/// Says that a lock is held, which is not.
fn assume_locked() -> Result {
    let lock = KBox::pin_init(new_spinlock_bh!(()), GFP_KERNEL)?;
    // SAFETY: None, which is the fault.
    let guard = unsafe { SpinLockBhGuard::new(&lock, ()) };
    core::mem::forget(guard);
    Ok(())
}

/// Not of a timer: what scripts/series/reports tells the lock's maintainers.
fn sleep_with_interrupts_disabled() -> Result {
    let lock = KBox::pin_init(new_spinlock_irq!(()), GFP_KERNEL)?;
    let changed = KBox::pin_init(new_condvar!(), GFP_KERNEL)?;
    let interrupts = local_interrupt_disable();
    let _ = changed.wait_interruptible_timeout(&mut lock.lock_with(&interrupts), 1);
    Ok(())
}

/// Likewise for those of interrupts: that this compiles is the fault.
#[expect(dead_code)]
fn alias_a_handler_in_use<T: irq::Handler + 'static>(
    registration: Pin<&mut irq::Registration<'_, T>>,
) {
    let _ = registration.project();
}
