// SPDX-License-Identifier: GPL-2.0

//! `/proc/jitwheel`: a timer for the shortest and for the longest delay of each level of the wheel.

use common::{
    proc_fs::Records,
    viewer::Opener,
    wait::Stop, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::SetOnce, //
};
use ktimer::prelude::*;
use pin_init::stack_pin_init;

/// The shortest delay that is for a level: C's `LVL_START()`, and one more since the wheel may have
/// begun with the next tick already.
fn shortest(level: u32) -> usize {
    match level {
        0 => 1,
        _ => longest(level - 1) + 2,
    }
}

/// The longest one.
fn longest(level: u32) -> usize {
    (63 << (3 * level)) - 1
}

/// When its callback ran.
struct Witness(SetOnce<Jiffies>);

impl TimerCallback for Witness {
    fn run(&self, _context: TimerContext<'_, Self>) {
        self.0.populate(Jiffies::now());
    }
}

/// A line of the file.
pub(crate) struct Row {
    delay: JiffiesDelta,
    level: u32,
    due: Jiffies,
    ran: Jiffies,
}

pub(crate) struct Levels;

impl Records for Levels {
    type Data = ();
    type Record = Row;

    const HEADER: &'static str =
        "     delay level granularity        due        ran     late percent\n";

    fn open((): &(), _opener: &Opener<'_>) -> impl PinInit<Self, Error> {
        Ok(Self)
    }

    fn next(&self, number: u64, _: bool, stop: &Stop) -> Result<Option<(u64, Row)>> {
        let level = (number / 2) as u32;
        if level >= JiffiesDelta::TIMER_LEVELS {
            return Ok(None);
        }
        let ticks = match number % 2 {
            0 => shortest(level),
            _ => longest(level),
        };
        if ticks > super::LONGEST.value() {
            return Ok(None);
        }
        let delay = JiffiesDelta::from_ticks(ticks)?;
        stack_pin_init!(let timer = new_timer!(Witness(SetOnce::new())));
        let due = Jiffies::now() + delay;
        timer.arm(due);
        let ran = loop {
            if let Some(ran) = timer.0.copy() {
                break ran;
            }
            // The timer that ends the sleep is as coarse as ours, and late by as much.
            stop.sleep(due.since(Jiffies::now()).max(JiffiesDelta::TICK))?;
        };
        let row = Row {
            delay,
            level,
            due,
            ran,
        };
        Ok(Some((number, row)))
    }

    fn show(row: &Row, _before: Option<&Row>, m: &SeqFile) {
        let Row {
            delay,
            level,
            due,
            ran,
        } = row;
        let late = ran.since(*due).as_ticks();
        let thousandths = late.saturating_mul(100_000) / delay.as_ticks().max(1);
        let granularity = 1u64 << (3 * level);
        seq_print!(
            m,
            "{delay:>10} {level:>5} {granularity:>11} {due:>10} {ran:>10} {late:>8}"
        );
        seq_print!(m, " {:>3}.{:03}\n", thousandths / 1000, thousandths % 1000);
    }
}
