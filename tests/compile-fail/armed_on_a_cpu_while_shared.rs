// SPDX-License-Identifier: GPL-2.0
//! A timer that others may use at the same time can't be put on another CPU.

use kernel::{
    cpu::CpuId,
    prelude::*,
    sync::Arc, //
};
use ktimer::prelude::*;

struct State;

impl TimerCallback for State {
    fn run(&self, _context: TimerContext<'_, Self>) {}
}

pub fn arm(timer: &Arc<Timer<State>>, cpu: CpuId) -> Result {
    timer.arm_on(cpu, Jiffies::now())?;
    //~^ E0599
    Ok(())
}
