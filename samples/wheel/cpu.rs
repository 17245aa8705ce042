// SPDX-License-Identifier: GPL-2.0

//! `/proc/jitcpu`: on which CPU timers run.
//!
//! ```text
//! # taskset -c 1 cat /proc/jitcpu
//! timer       armed-on ran-on
//! pinned             1      1
//! not-pinned         1      1
//! ```
//!
//! A timer runs on the CPU that armed it. If it is not pinned and that CPU is idle, another one may
//! run it, to let the idle one sleep. If the CPU goes offline before that, its timers move to
//! another: take it away while the file waits (parameter `delay`), and see.

use common::proc_fs::{
    Produce,
    Stop, //
};
use kernel::{
    cpu::CpuId,
    seq_file::SeqFile,
    seq_print,
    sync::SetOnce, //
};
use ktimer::{
    extra::flags::Flags,
    prelude::*, //
};
use pin_init::stack_pin_init;

/// On which CPU its callback ran.
struct Witness(SetOnce<u32>);

impl TimerCallback for Witness {
    fn run(&self, _context: TimerContext<'_, Self>) {
        self.0.populate(CpuId::current().as_u32());
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Row {
    Header,
    Timer {
        kind: &'static str,
        armed_on: u32,
        ran_on: u32,
    },
}

#[derive(Clone)]
pub(crate) struct Kinds;

impl Produce for Kinds {
    type Record = Row;

    fn produce(&self, index: u64, stop: &Stop) -> Option<Row> {
        match index {
            0 => Some(Row::Header),
            1 => {
                let init = Flags::PINNED.on(new_timer!(Witness(SetOnce::new())));
                stack_pin_init!(let timer = init);
                see("pinned", &timer, stop)
            }
            2 => {
                stack_pin_init!(let timer = new_timer!(Witness(SetOnce::new())));
                see("not-pinned", &timer, stop)
            }
            _ => None,
        }
    }

    fn show(&self, row: &Row, m: &SeqFile) {
        match row {
            Row::Header => seq_print!(m, "timer       armed-on ran-on\n"),
            Row::Timer {
                kind,
                armed_on,
                ran_on,
            } => seq_print!(m, "{kind:<11} {armed_on:>8} {ran_on:>6}\n"),
        }
    }
}

/// Arms the timer, and sees where it runs.
fn see(kind: &'static str, timer: &Timer<Witness>, stop: &Stop) -> Option<Row> {
    let delay = JiffiesDelta::from_ticks(super::DELAY.value()).ok()?;
    // Not if this task is moved to another CPU meanwhile: then once more.
    let (due, armed_on) = loop {
        let (due, cpu) = (Jiffies::now() + delay, CpuId::current());
        timer.arm(due);
        if cpu == CpuId::current() {
            break (due, cpu.as_u32());
        }
    };
    while timer.0.as_ref().is_none() && !stop.is_requested() {
        stop.sleep(due.since(Jiffies::now()).max(JiffiesDelta::TICK));
    }
    let ran_on = timer.0.copy()?;
    Some(Row::Timer {
        kind,
        armed_on,
        ran_on,
    })
}
