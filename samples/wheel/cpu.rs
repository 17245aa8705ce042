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

use common::{
    proc_fs::Records,
    viewer::Opener,
    wait::Stop, //
};
use kernel::{
    cpu::CpuId,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use ktimer::{
    extra::flags::{
        new_timer_with,
        Flags, //
    },
    prelude::*, //
};
use pin_init::stack_pin_init;

/// On which CPU its callback ran.
struct Witness(Atomic<u32>);

impl Witness {
    const NONE: u32 = u32::MAX;

    fn new() -> Self {
        Self(Atomic::new(Self::NONE))
    }
}

impl TimerCallback for Witness {
    fn run(&self, _context: TimerContext<'_, Self>) {
        self.0.store(CpuId::current().as_u32(), Relaxed);
    }
}

pub(crate) struct Row {
    kind: &'static str,
    armed_on: u32,
    ran_on: u32,
}

pub(crate) struct Kinds;

impl Records for Kinds {
    type Data = ();
    type Record = Row;

    const HEADER: &'static str = "timer       armed-on ran-on\n";

    fn open((): &(), _opener: &Opener<'_>) -> impl PinInit<Self, Error> {
        Ok(Self)
    }

    fn next(&self, number: u64, _: bool, stop: &Stop) -> Result<Option<(u64, Row)>> {
        let row = match number {
            0 => {
                let init = new_timer_with!(Flags::PINNED, Witness::new());
                stack_pin_init!(let timer = init);
                see("pinned", &timer, stop)?
            }
            1 => {
                stack_pin_init!(let timer = new_timer!(Witness::new()));
                see("not-pinned", &timer, stop)?
            }
            _ => return Ok(None),
        };
        Ok(Some((number, row)))
    }

    fn show(row: &Row, _before: Option<&Row>, m: &SeqFile) {
        let Row {
            kind,
            armed_on,
            ran_on,
        } = row;
        seq_print!(m, "{kind:<11} {armed_on:>8} {ran_on:>6}\n");
    }
}

/// Arms the timer, and sees where it runs.
fn see(kind: &'static str, timer: &Timer<Witness>, stop: &Stop) -> Result<Row> {
    let delay = JiffiesDelta::from_ticks(super::DELAY.value())?;
    // Not if this task is moved to another CPU meanwhile: then once more, from the beginning.
    let (due, armed_on) = loop {
        timer.cancel_sync();
        timer.0.store(Witness::NONE, Relaxed);
        let (due, cpu) = (Jiffies::now() + delay, CpuId::current());
        timer.arm(due);
        if cpu == CpuId::current() {
            break (due, cpu.as_u32());
        }
    };
    let ran_on = loop {
        let cpu = timer.0.load(Relaxed);
        if cpu != Witness::NONE {
            break cpu;
        }
        stop.sleep(due.since(Jiffies::now()).max(JiffiesDelta::TICK))?;
    };
    Ok(Row {
        kind,
        armed_on,
        ran_on,
    })
}
