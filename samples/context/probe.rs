// SPDX-License-Identifier: GPL-2.0

//! What looks around in a callback, of whatever kind, for somebody who waits for it.

use common::{
    context::Place,
    tasklet, //
};
use kernel::{
    impl_has_hr_timer,
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow,
        Completion,
        SetOnce, //
    },
    time::{
        hrtimer,
        hrtimer::HrTimerPointer,
        Delta,
        Monotonic, //
    },
    workqueue, //
};
use ktimer::{
    extra::irqsafe::{
        new_irqsafe_timer,
        IrqSafeCallback,
        IrqSafeContext, //
    },
    prelude::*, //
};
use pin_init::stack_pin_init;

/// Looks where its callback runs, whoever calls it.
#[pin_data]
struct Probe {
    seen: SetOnce<Place>,
    #[pin]
    done: Completion,
}

impl Probe {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            seen: SetOnce::new(),
            done <- Completion::new(),
        })
    }

    fn look(&self) {
        self.seen.populate(Place::here());
        self.done.complete_all();
    }

    /// Waits until it has looked.
    fn seen(&self) -> Option<Place> {
        self.done.wait_for_completion();
        self.seen.copy()
    }
}

impl TimerCallback for Probe {
    fn run(&self, _context: TimerContext<'_, Self>) {
        self.look();
    }
}

impl IrqSafeCallback for Probe {
    fn run(&self, _context: IrqSafeContext<'_, Self>) {
        self.look();
    }
}

impl tasklet::TaskletCallback for Probe {
    fn run(&self, _context: tasklet::TaskletContext<'_, Self>) {
        self.look();
    }
}

/// An `hrtimer` is a field of what its callback works on.
#[pin_data]
struct HrProbe {
    #[pin]
    hrtimer: hrtimer::HrTimer<Self>,
    #[pin]
    probe: Probe,
}

impl hrtimer::HrTimerCallback for HrProbe {
    type Pointer<'a> = Arc<Self>;

    fn run(
        this: ArcBorrow<'_, Self>,
        _context: hrtimer::HrTimerCallbackContext<'_, Self>,
    ) -> hrtimer::HrTimerRestart {
        this.probe.look();
        hrtimer::HrTimerRestart::NoRestart
    }
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for HrProbe {
        mode: hrtimer::RelativeMode<Monotonic>, field: self.hrtimer
    }
}

pub(crate) fn from_timer() -> Option<Place> {
    stack_pin_init!(let timer = new_timer!(Probe::new()));
    timer.arm(Jiffies::now());
    timer.seen()
}

pub(crate) fn from_irqsafe_timer() -> Option<Place> {
    stack_pin_init!(let timer = new_irqsafe_timer!(Probe::new()));
    timer.arm(Jiffies::now());
    timer.seen()
}

pub(crate) fn from_tasklet() -> Option<Place> {
    stack_pin_init!(let tasklet = tasklet::Tasklet::new(Probe::new()));
    tasklet.schedule(tasklet::Priority::Normal);
    tasklet.seen()
}

pub(crate) fn from_bh_work() -> Option<Place> {
    let probe = Arc::pin_init(Probe::new(), GFP_KERNEL).ok()?;
    let queue = workqueue::system_bh();
    let worker = probe.clone();
    queue.try_spawn(GFP_KERNEL, move || worker.look()).ok()?;
    probe.seen()
}

pub(crate) fn from_hrtimer() -> Option<Place> {
    let init = pin_init!(HrProbe {
        hrtimer <- hrtimer::HrTimer::new(),
        probe <- Probe::new(),
    });
    let this = Arc::pin_init(init, GFP_KERNEL).ok()?;
    let _handle = this.clone().start(Delta::from_micros(100));
    this.probe.seen()
}

pub(crate) fn under_spinlock() -> Option<Place> {
    stack_pin_init!(let lock = new_spinlock!(()));
    let _guard = lock.lock();
    Some(Place::here())
}

pub(crate) fn under_spinlock_bh() -> Option<Place> {
    stack_pin_init!(let lock = new_spinlock_bh!(()));
    let _guard = lock.lock();
    Some(Place::here())
}
