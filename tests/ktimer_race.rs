// SPDX-License-Identifier: GPL-2.0

//! A data race on purpose, for tests/test_race.py to see that KCSAN reports one between two pieces
//! of Rust: a count that a callback adds to with a lock, and the timer's owner without, while the
//! module is being loaded.
//!
//! That takes two references to what one of them changes, which safe Rust does not give, and there
//! is only safe Rust outside of the library. But for a fault of the compiler, known since 2015
//! (rust-lang/rust issue 25860): a function loses the bounds that its arguments' types imply when
//! its type is made more general. Should that be mended, this does not compile any more.

use kernel::{
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    prelude::*, //
};
use ktimer::prelude::*;

module! {
    type: Race,
    name: "ktimer_race",
    authors: ["The jitimer authors"],
    description: "A data race, to see that the kernel reports it",
    license: "GPL",
}

/// The same reference with another lifetime: that `'a` outlives `'b` is implied by the type of the
/// first argument.
fn longer<'a, 'b, T>(_: &'b &'a (), reference: &'a mut T) -> &'b mut T {
    reference
}

/// A second reference to what the first is to.
fn again<T>(reference: &mut T) -> &'static mut T {
    let any: fn(&'static &'static (), &mut T) -> &'static mut T = longer;
    any(&&(), reference)
}

/// Adds to a count, one by one.
fn add(count: &mut usize) {
    for _ in 0..1000 {
        let count = core::hint::black_box(&mut *count);
        *count = count.wrapping_add(1);
    }
}

/// The callback's reference to the count.
#[pin_data]
struct Adder {
    #[pin]
    count: SpinLockBh<&'static mut usize>,
}

impl TimerCallback for Adder {
    fn run(&self, context: TimerContext<'_, Self>) {
        add(&mut self.count.lock_with(&context));
        context.rearm(JiffiesDelta::TICK);
    }
}

struct Race;

impl kernel::Module for Race {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut count = KBox::new(0, GFP_KERNEL)?;
        let its = again(&mut *count);
        let mut adder = KBox::pin_init(
            new_timer!(pin_init!(Adder {
                count <- new_spinlock_bh!(its),
            })),
            GFP_KERNEL,
        )?;
        let here = CpuId::current();
        let there = (0..nr_cpu_ids())
            .filter_map(CpuId::from_u32)
            .find(|&cpu| cpu != here)
            .ok_or(ENXIO)?;
        adder.as_mut().arm_on(there, Jiffies::now())?;
        let end = Jiffies::now() + JiffiesDelta::from_millis(5000);
        while !Jiffies::now().is_after(end) {
            add(&mut count);
        }
        // It has the other reference.
        drop(adder);
        Ok(Self)
    }
}
