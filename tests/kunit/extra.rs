// SPDX-License-Identifier: GPL-2.0

//! What few timers need.

use super::*;
use ktimer::{
    extra::{
        flags::{
            new_timer_with,
            Flags, //
        },
        global_timer::GlobalTimer,
        irqsafe::{
            new_irqsafe_timer,
            IrqSafeCallback,
            IrqSafeContext, //
        }, //
    },
    interrupt::LocalInterruptDisabled, //
};

#[kunit_tests(ktimer_extra)]
mod tests {
    use super::*;

    /// Whether interrupts were disabled in the callback, once it has run.
    struct IrqWitness(Atomic<u32>);

    impl IrqWitness {
        const ENABLED: u32 = 1;
        const DISABLED: u32 = 2;

        fn see(&self) {
            self.0.store(
                if irqs_disabled() {
                    Self::DISABLED
                } else {
                    Self::ENABLED
                },
                Relaxed,
            );
        }
    }

    impl TimerCallback for IrqWitness {
        fn run(&self, _context: TimerContext<'_, Self>) {
            self.see();
        }
    }

    impl IrqSafeCallback for IrqWitness {
        fn run(&self, context: IrqSafeContext<'_, Self>) {
            let _proof: &LocalInterruptDisabled = &context;
            self.see();
        }
    }

    #[test]
    fn interrupts_are_enabled_in_the_callback() -> Result {
        let timer = KBox::pin_init(
            new_timer_with!(
                Flags::PINNED | Flags::DEFERRABLE,
                IrqWitness(Atomic::new(0))
            ),
            GFP_KERNEL,
        )?;
        timer.arm(Jiffies::now());
        until(|| timer.0.load(Relaxed) != 0)?;
        assert_eq!(timer.0.load(Relaxed), IrqWitness::ENABLED);
        Ok(())
    }

    #[test]
    fn but_not_in_that_of_an_irqsafe_timer() -> Result {
        let timer = KBox::pin_init(new_irqsafe_timer!(IrqWitness(Atomic::new(0))), GFP_KERNEL)?;
        timer.arm(Jiffies::now());
        until(|| timer.0.load(Relaxed) != 0)?;
        assert_eq!(timer.0.load(Relaxed), IrqWitness::DISABLED);
        Ok(())
    }

    /// When it was due, and what came of arming, cancelling and shutting down from the callback: a
    /// bit for each, after one that tells that it has run.
    struct Undecided {
        due: Atomic<usize>,
        seen: Atomic<u32>,
    }

    impl IrqSafeCallback for Undecided {
        fn run(&self, context: IrqSafeContext<'_, Self>) {
            self.due.store(context.expires().as_raw(), Relaxed);
            let seen = [
                context.arm(far()).was_pending(),
                context.cancel(),
                context.arm(far()).was_pending(),
                context.shutdown(),
                context.arm(far()).is_shut_down(),
            ];
            let seen = seen.iter().fold(1, |seen, &one| seen << 1 | u32::from(one));
            self.seen.store(seen, Relaxed);
        }
    }

    #[test]
    fn an_irqsafe_callback_can_cancel_and_shut_down() -> Result {
        let state = Undecided {
            due: Atomic::new(0),
            seen: Atomic::new(0),
        };
        let timer = KBox::pin_init(new_irqsafe_timer!(state), GFP_KERNEL)?;
        let due = Jiffies::now();
        timer.arm(due);
        until(|| timer.seen.load(Relaxed) != 0)?;
        assert_eq!(timer.seen.load(Relaxed), 0b1_0_1_0_1_1);
        assert_eq!(timer.due.load(Relaxed), due.as_raw());
        assert!(!timer.is_pending());
        Ok(())
    }

    #[cfg(ktimer_kernel_interrupt)]
    #[test]
    fn an_irqsafe_callback_has_the_kernels_own_proof() -> Result {
        use kernel::{
            new_spinlock_irq,
            sync::SpinLockIrq, //
        };

        #[pin_data]
        struct Guarded {
            #[pin]
            count: SpinLockIrq<u32>,
        }

        impl IrqSafeCallback for Guarded {
            fn run(&self, context: IrqSafeContext<'_, Self>) {
                *self.count.lock_with(&context) += 1;
                if *self.count.lock_with(&context) == 1 {
                    context.rearm(JiffiesDelta::TICK);
                }
            }
        }

        let timer = KBox::pin_init(
            new_irqsafe_timer!(pin_init!(Guarded {
                count <- new_spinlock_irq!(0),
            })),
            GFP_KERNEL,
        )?;
        timer.arm(Jiffies::now());
        until(|| *timer.count.lock() == 2)
    }

    /// On which CPU the callback ran last.
    struct CpuWitness(Atomic<u32>);

    impl CpuWitness {
        const NONE: u32 = u32::MAX;

        fn new() -> Self {
            Self(Atomic::new(Self::NONE))
        }

        fn seen(&self) -> Result<u32> {
            until(|| self.0.load(Relaxed) != Self::NONE)?;
            Ok(self.0.load(Relaxed))
        }
    }

    impl TimerCallback for CpuWitness {
        fn run(&self, _context: TimerContext<'_, Self>) {
            self.0.store(CpuId::current().as_u32(), Relaxed);
        }
    }

    #[test]
    fn armed_on_a_cpu_it_expires_there() -> Result {
        let mut offline = 0;
        for cpu in (0..nr_cpu_ids()).filter_map(CpuId::from_u32) {
            let mut timer = KBox::pin_init(new_timer!(CpuWitness::new()), GFP_KERNEL)?;
            // It is moved there.
            timer.arm(far());
            match timer.as_mut().arm_on(cpu, Jiffies::now()) {
                Ok(()) => assert_eq!(timer.seen()?, cpu.as_u32()),
                Err(error) => {
                    assert_eq!(error, ENXIO);
                    assert!(timer.is_pending());
                    offline += 1;
                }
            }
        }
        // For tests/test_kunit.py, which takes CPUs away.
        pr_info!("CPUs that a timer can not be armed on: {offline}\n");
        Ok(())
    }

    #[test]
    fn armed_locally_or_globally_it_expires() -> Result {
        type Arm = fn(Pin<&mut Timer<CpuWitness>>, Jiffies);

        let local: Arm = Timer::arm_local;
        for arm in [local, Timer::arm_global] {
            let mut timer = KBox::pin_init(new_timer!(CpuWitness::new()), GFP_KERNEL)?;
            arm(timer.as_mut(), far());
            assert!(timer.is_pending());
            arm(timer.as_mut(), Jiffies::now());
            timer.seen()?;
            timer.shutdown_sync();
            arm(timer.as_mut(), far());
            assert!(!timer.is_pending());
        }
        Ok(())
    }

    /// For tests/test_kunit.py, which sees what flags each of these has when it is armed; it tells
    /// them apart by how long that is for.
    #[test]
    fn flags_of_armed_timers() -> Result {
        let after = |thousands: usize| -> Result<Jiffies> {
            Ok(Jiffies::now() + JiffiesDelta::from_ticks(1000 * thousands)?)
        };
        let both = Flags::PINNED | Flags::DEFERRABLE;
        // What is there already is not lost.
        let joined = [Flags::PINNED, Flags::DEFERRABLE, both, both | Flags::PINNED];
        for (thousands, flags) in (1..).zip(joined) {
            let timer = KBox::pin_init(new_timer_with!(flags, CpuWitness::new()), GFP_KERNEL)?;
            timer.arm(after(thousands)?);
        }
        let mut timer = KBox::pin_init(new_timer!(CpuWitness::new()), GFP_KERNEL)?;
        timer.arm(after(5)?);
        timer.as_mut().arm_local(after(6)?);
        timer.as_mut().arm_global(after(7)?);
        timer.as_mut().arm_on(CpuId::current(), after(8)?)?;

        let timer = KBox::pin_init(new_irqsafe_timer!(IrqWitness(Atomic::new(0))), GFP_KERNEL)?;
        timer.arm(after(9)?);
        Ok(())
    }

    /// While one thread initialises it, another can't, and nobody has it.
    #[test]
    fn in_a_static_that_is_being_initialised() -> Result {
        static TIMER: GlobalTimer<CpuWitness> = GlobalTimer::new();

        let mut meanwhile = None;
        let fails = new_timer!(Ok::<_, Error>(CpuWitness::new())).pin_chain(|_| {
            let again = TIMER.init(new_timer!(CpuWitness::new())).err();
            meanwhile = Some((again, TIMER.get().is_none()));
            Err(EDOM)
        });
        let failed = TIMER.init(fails);
        assert_eq!(failed.err(), Some(EDOM));
        assert_eq!(meanwhile, Some((Some(EBUSY), true)));
        Ok(())
    }

    #[test]
    fn in_a_static() -> Result {
        // One for each time that the suite runs: none can be initialised again.
        static TIMERS: [GlobalTimer<CpuWitness>; 8] = [const { GlobalTimer::new() }; 8];

        let Some(timer) = TIMERS.iter().find(|timer| timer.get().is_none()) else {
            mark_skipped(c"its statics are used up; load the module again");
            return Ok(());
        };
        let failed = timer.init(Err::<Timer<CpuWitness>, Error>(EDOM));
        assert_eq!(failed.err(), Some(EDOM));
        assert!(timer.get().is_none());
        let guard = timer.init(new_timer!(CpuWitness::new()))?;
        let again = || timer.init(new_timer!(CpuWitness::new())).err();
        assert_eq!(again(), Some(EBUSY));
        let timer = timer.get().ok_or(EINVAL)?;
        timer.arm(Jiffies::now());
        guard.seen()?;
        timer.arm(far());
        drop(guard);
        assert!(!timer.is_pending());
        assert!(timer.arm(far()).is_shut_down());
        assert_eq!(again(), Some(EBUSY));
        Ok(())
    }
}
