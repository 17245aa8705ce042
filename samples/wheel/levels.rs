// SPDX-License-Identifier: GPL-2.0

//! `/proc/jitwheel`: a timer for the shortest and for the longest delay of each level of the wheel.

use common::proc_fs::{
    Produce,
    Stop, //
};
use kernel::{
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

/// A line of the file; the header is none of these.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    delay: JiffiesDelta,
    level: u32,
    due: Jiffies,
    ran: Jiffies,
}

#[derive(Clone)]
pub(crate) struct Levels;

impl Produce for Levels {
    type Record = Option<Row>;

    fn produce(&self, index: u64, stop: &Stop) -> Option<Option<Row>> {
        let Some(number) = u32::try_from(index).ok()?.checked_sub(1) else {
            return Some(None);
        };
        let level = number / 2;
        if level >= JiffiesDelta::TIMER_LEVELS {
            return None;
        }
        let ticks = match number % 2 {
            0 => shortest(level),
            _ => longest(level),
        };
        let delay = JiffiesDelta::from_ticks(ticks).ok()?;
        if ticks > super::LONGEST.value() {
            return None;
        }
        stack_pin_init!(let timer = new_timer!(Witness(SetOnce::new())));
        let due = Jiffies::now() + delay;
        timer.arm(due);
        while timer.0.as_ref().is_none() && !stop.is_requested() {
            // The timer that ends the sleep is as coarse as ours, and late by as much.
            stop.sleep(due.since(Jiffies::now()).max(JiffiesDelta::TICK));
        }
        let ran = timer.0.copy()?;
        Some(Some(Row {
            delay,
            level,
            due,
            ran,
        }))
    }

    fn show(&self, row: &Option<Row>, m: &SeqFile) {
        let Some(Row {
            delay,
            level,
            due,
            ran,
        }) = row
        else {
            seq_print!(
                m,
                "     delay level granularity        due        ran     late percent\n"
            );
            return;
        };
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
