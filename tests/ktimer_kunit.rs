// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of the library. They run when the module is loaded, on a kernel with KUnit.

use core::pin::Pin;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Completion, //
    }, //
};
use ktimer::{
    context::{
        in_atomic,
        in_interrupt,
        irqs_disabled,
        Comm, //
    },
    prelude::*,
    timer::{
        Flags,
        TimerState, //
    }, //
};
use pin_init::stack_pin_init;

module! {
    type: KtimerKunit,
    name: "ktimer_kunit",
    authors: ["The jitimer authors"],
    description: "KUnit suites of the ktimer library",
    license: "GPL",
}

struct KtimerKunit;

impl kernel::Module for KtimerKunit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

/// A count that outlives the timer that counts.
type Count = Arc<Atomic<i32>>;

/// Counts its expiries; re-arms itself `again` times, and then tells.
#[pin_data]
struct Counter {
    count: Count,
    again: i32,
    #[pin]
    expired: Completion,
}

impl Counter {
    fn new(again: i32) -> Result<(Pin<KBox<Timer<Self>>>, Count)> {
        let count = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let its_count = count.clone();
        let timer = KBox::pin_init(
            Timer::new(pin_init!(Self {
                count: its_count,
                again,
                expired <- Completion::new(),
            })),
            GFP_KERNEL,
        )?;
        Ok((timer, count))
    }
}

impl TimerCallback for Counter {
    fn run(&self, context: TimerContext<'_, Self>) {
        let before = self.count.fetch_add(1, Relaxed);
        if before < self.again {
            context.arm(Jiffies::now());
        } else {
            self.expired.complete_all();
        }
    }
}

/// Returns when some ticks have passed.
fn let_ticks_pass() -> Result {
    let (timer, _) = Counter::new(2)?;
    timer.arm(Jiffies::now());
    timer.expired.wait_for_completion();
    Ok(())
}

/// A long time; a timer that is armed for then does not expire during a test.
fn far() -> Jiffies {
    Jiffies::now() + JiffiesDelta::TIMER_MAX
}

#[kunit_tests(ktimer_timer)]
mod timer {
    use super::*;

    /// What a callback saw of where it ran.
    #[pin_data]
    struct Witness {
        #[pin]
        seen: SpinLockBh<Option<(Jiffies, Jiffies, bool, bool)>>,
        #[pin]
        expired: Completion,
    }

    impl TimerCallback for Witness {
        fn run(&self, context: TimerContext<'_, Self>) {
            let seen = (
                Jiffies::now(),
                context.expires(),
                in_interrupt(),
                in_atomic(),
            );
            *self.seen.lock_with(&context) = Some(seen);
            self.expired.complete_all();
        }
    }

    #[test]
    fn runs_in_softirq_after_it_expired() -> Result {
        let timer = KBox::pin_init(
            Timer::new(pin_init!(Witness {
                seen <- new_spinlock_bh!(None),
                expired <- Completion::new(),
            })),
            GFP_KERNEL,
        )?;
        let expires = Jiffies::now() + JiffiesDelta::from_ticks(3)?;
        assert!(!timer.is_pending());
        assert!(!timer.arm(expires).was_pending());
        timer.expired.wait_for_completion();

        let seen = *timer.seen.lock();
        let (ran, armed_for, interrupt, atomic) = seen.ok_or(EINVAL)?;
        assert!(ran.is_after(expires));
        assert_eq!(armed_for, expires);
        assert!(interrupt);
        assert!(atomic);
        assert!(!timer.is_pending());
        Ok(())
    }

    #[test]
    fn a_time_that_has_passed_is_the_next_tick() -> Result {
        let (timer, count) = Counter::new(0)?;
        timer.arm(Jiffies::from_raw(
            Jiffies::now().as_raw().wrapping_sub(1000),
        ));
        timer.expired.wait_for_completion();
        assert_eq!(count.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn rearms_itself() -> Result {
        let (timer, count) = Counter::new(4)?;
        timer.arm(Jiffies::now());
        timer.expired.wait_for_completion();
        assert_eq!(count.load(Relaxed), 5);
        Ok(())
    }

    #[test]
    fn arming_a_pending_timer_moves_it() -> Result {
        let (timer, count) = Counter::new(0)?;
        assert!(!timer.arm(far()).was_pending());
        assert!(timer.is_pending());
        assert!(timer.arm(Jiffies::now()).was_pending());
        timer.expired.wait_for_completion();
        assert_eq!(count.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn cancelled_it_is_not_pending() -> Result {
        let (timer, count) = Counter::new(0)?;
        for cancel in [
            Timer::<Counter>::cancel,
            Timer::<Counter>::cancel_sync,
            Timer::<Counter>::try_cancel_sync,
        ] {
            assert_eq!(cancel(&timer), TimerState::Inactive);
            timer.arm(far());
            assert_eq!(cancel(&timer), TimerState::Pending);
            assert!(!timer.is_pending());
        }
        assert_eq!(count.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn only_a_pending_timer_is_armed_if_pending() -> Result {
        let (timer, count) = Counter::new(0)?;
        assert_eq!(timer.arm_if_pending(Jiffies::now()), TimerState::Inactive);
        assert!(!timer.is_pending());
        timer.arm(far());
        assert_eq!(timer.arm_if_pending(Jiffies::now()), TimerState::Pending);
        timer.expired.wait_for_completion();
        assert_eq!(count.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn reduced_it_expires_no_later() -> Result {
        let (timer, _) = Counter::new(0)?;
        let early = Jiffies::now() + JiffiesDelta::from_millis(3_600_000);
        assert!(!timer.reduce(early).was_pending());
        assert!(timer.reduce(far()).was_pending());
        // Had this not made it earlier, or the last one made it later, it would not come.
        assert!(timer
            .reduce(Jiffies::now() + JiffiesDelta::from_millis(100))
            .was_pending());
        timer.reduce(far());
        timer.expired.wait_for_completion();
        Ok(())
    }

    #[test]
    fn shut_down_it_can_not_be_armed() -> Result {
        for shut_down in [Timer::<Counter>::shutdown, Timer::<Counter>::shutdown_sync] {
            let (timer, count) = Counter::new(0)?;
            assert!(!timer.arm(far()).is_shut_down());
            assert_eq!(shut_down(&timer), TimerState::Pending);
            assert!(timer.arm(Jiffies::now()).is_shut_down());
            assert!(timer.reduce(Jiffies::now()).is_shut_down());
            assert!(!timer.is_pending());
            assert_eq!(shut_down(&timer), TimerState::Inactive);
            let_ticks_pass()?;
            assert_eq!(count.load(Relaxed), 0);
        }
        Ok(())
    }

    #[test]
    fn on_the_stack() {
        stack_pin_init!(let idle = Timer::new(Idle));
        idle.arm(far());
        assert_eq!(idle.cancel(), TimerState::Pending);
        idle.arm(far());
    }

    struct Idle;

    impl TimerCallback for Idle {
        fn run(&self, _context: TimerContext<'_, Self>) {}
    }

    /// Whether interrupts were disabled in the callback, and whether it ran.
    #[pin_data]
    struct IrqWitness {
        irqs_disabled: Atomic<bool>,
        #[pin]
        expired: Completion,
    }

    impl TimerCallback for IrqWitness {
        fn run(&self, _context: TimerContext<'_, Self>) {
            self.irqs_disabled.store(irqs_disabled(), Relaxed);
            self.expired.complete_all();
        }
    }

    #[test]
    fn flags_are_given_to_the_timer_core() -> Result {
        let pinned = Flags::PINNED | Flags::DEFERRABLE;
        for (flags, safe) in [(pinned, false), (pinned | Flags::IRQSAFE, true)] {
            let timer = KBox::pin_init(
                Timer::with_flags(
                    pin_init!(IrqWitness {
                        irqs_disabled: Atomic::new(!safe),
                        expired <- Completion::new(),
                    }),
                    flags,
                ),
                GFP_KERNEL,
            )?;
            timer.arm(Jiffies::now());
            timer.expired.wait_for_completion();
            assert_eq!(timer.irqs_disabled.load(Relaxed), safe);
        }
        Ok(())
    }

    #[test]
    fn cancelled_it_can_be_armed_again() -> Result {
        let (timer, count) = Counter::new(0)?;
        timer.arm(far());
        timer.cancel_sync();
        timer.arm(Jiffies::now());
        timer.expired.wait_for_completion();
        assert_eq!(count.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn dropped_while_pending_it_does_not_run() -> Result {
        let (timer, count) = Counter::new(0)?;
        timer.arm(far());
        drop(timer);
        assert_eq!(count.load(Relaxed), 0);
        assert!(Arc::into_unique_or_drop(count).is_some());
        Ok(())
    }

    #[test]
    fn dropped_while_it_rearms_itself_for_ever_it_stops() -> Result {
        let (timer, count) = Counter::new(i32::MAX)?;
        timer.arm(Jiffies::now());
        while count.load(Relaxed) < 3 {
            let_ticks_pass()?;
        }
        drop(timer);
        let at_drop = count.load(Relaxed);
        let_ticks_pass()?;
        assert_eq!(count.load(Relaxed), at_drop);
        Ok(())
    }

    #[test]
    fn shared_in_an_arc_the_last_owner_drops_it() -> Result {
        let count = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let its_count = count.clone();
        let timer = Arc::pin_init(
            Timer::new(pin_init!(Counter {
                count: its_count,
                again: 0,
                expired <- Completion::new(),
            })),
            GFP_KERNEL,
        )?;
        let other = timer.clone();
        timer.arm(Jiffies::now());
        drop(timer);
        other.expired.wait_for_completion();
        drop(other);
        assert_eq!(count.load(Relaxed), 1);
        Ok(())
    }
}

#[kunit_tests(ktimer_jiffies)]
mod jiffies {
    use super::*;

    const LAST: Jiffies = Jiffies::from_raw(usize::MAX);
    const FIRST: Jiffies = Jiffies::from_raw(0);

    #[test]
    fn order_survives_the_wrap() {
        assert!(FIRST.is_after(LAST));
        assert!(!LAST.is_after(FIRST));
        assert!(!FIRST.is_after(FIRST));
    }

    #[test]
    fn adding_wraps() {
        assert_eq!(LAST + JiffiesDelta::TICK, FIRST);
        assert!((LAST + JiffiesDelta::MAX).is_after(LAST));
        assert_eq!(LAST + JiffiesDelta::ZERO, LAST);
    }

    #[test]
    fn spans_between_points() {
        assert_eq!(FIRST.since(LAST), JiffiesDelta::TICK);
        assert_eq!(LAST.since(FIRST), JiffiesDelta::ZERO);
        assert_eq!(
            Jiffies::from_raw(isize::MAX as usize).since(FIRST),
            JiffiesDelta::MAX
        );
    }

    #[test]
    fn rounding_up_is_never_early() {
        let now = Jiffies::now();
        let rounded = now.round_up();
        assert!(!now.is_after(rounded));
        assert!(rounded.since(now) <= JiffiesDelta::SECOND);
        assert!(now.round().since(now) <= JiffiesDelta::SECOND);
    }

    #[test]
    fn spans_have_a_range() -> Result {
        let max = JiffiesDelta::MAX.as_ticks();
        assert_eq!(JiffiesDelta::from_ticks(max)?, JiffiesDelta::MAX);
        assert_eq!(JiffiesDelta::from_ticks(max + 1), Err(EINVAL));
        assert_eq!(JiffiesDelta::from_ticks(usize::MAX), Err(EINVAL));
        assert_eq!(
            JiffiesDelta::ZERO.saturating_sub(JiffiesDelta::TICK),
            JiffiesDelta::ZERO
        );
        Ok(())
    }

    #[test]
    fn milliseconds_round_up() {
        assert_eq!(JiffiesDelta::from_millis(0), JiffiesDelta::ZERO);
        assert_eq!(JiffiesDelta::from_millis(1), JiffiesDelta::TICK);
        assert_eq!(JiffiesDelta::from_millis(1000), JiffiesDelta::SECOND);
        assert_eq!(JiffiesDelta::from_millis(u32::MAX), JiffiesDelta::MAX);
    }

    #[test]
    fn now_goes_on() -> Result {
        let before = Jiffies::now();
        let_ticks_pass()?;
        assert!(Jiffies::now().is_after(before));
        Ok(())
    }
}

#[kunit_tests(ktimer_sync)]
mod sync {
    use super::*;
    use kernel::new_condvar;
    use kernel::sync::CondVar;

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
            Timer::new(pin_init!(Mailbox {
                letters <- new_spinlock_bh!(0),
                came <- new_condvar!(),
            })),
            GFP_KERNEL,
        )?;
        mailbox.arm(Jiffies::now());
        let mut letters = mailbox.letters.lock();
        while *letters < 3 {
            mailbox.came.wait(&mut letters);
            assert!(in_interrupt());
        }
        drop(letters);
        assert!(!in_interrupt());
        Ok(())
    }
}

#[kunit_tests(ktimer_context)]
mod context {
    use super::*;

    #[test]
    fn a_process_is_in_no_interrupt() {
        assert!(!in_interrupt());
        assert!(!in_atomic());
    }

    #[test]
    fn a_kunit_test_runs_in_a_thread_of_that_name() {
        assert!(Comm::current().as_bytes().starts_with(b"kunit"));
    }
}
