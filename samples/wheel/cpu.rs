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
    sync::SetOnce, //
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
struct Witness(SetOnce<u32>);

impl Witness {
    fn new() -> Self {
        Self(SetOnce::new())
    }
}

impl TimerCallback for Witness {
    fn run(&self, _context: TimerContext<'_, Self>) {
        self.0.populate(CpuId::current().as_u32());
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
            0 => see(
                "pinned",
                || new_timer_with!(Flags::PINNED, Witness::new()),
                stop,
            )?,
            1 => see("not-pinned", || new_timer!(Witness::new()), stop)?,
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

/// Makes a timer, arms it, and sees where it runs.
fn see<T: PinInit<Timer<Witness>>>(kind: &'static str, new: fn() -> T, stop: &Stop) -> Result<Row> {
    let delay = JiffiesDelta::from_ticks(super::DELAY.value())?;
    loop {
        stack_pin_init!(let timer = new());
        let (due, armed_on) = (Jiffies::now() + delay, CpuId::current());
        timer.arm(due);
        if armed_on != CpuId::current() {
            // This task was moved to another CPU meanwhile: once more, with another timer.
            continue;
        }
        let ran_on = loop {
            if let Some(ran_on) = timer.0.copy() {
                break ran_on;
            }
            stop.sleep(due.since(Jiffies::now()).max(JiffiesDelta::TICK))?;
        };
        return Ok(Row {
            kind,
            armed_on: armed_on.as_u32(),
            ran_on,
        });
    }
}
