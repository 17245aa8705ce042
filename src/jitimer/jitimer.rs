// SPDX-License-Identifier: GPL-2.0

//! `/proc/jitimer`: the "just in timer" of *Linux Device Drivers*, chapter 7.
//!
//! ```text
//! # cat /proc/jitimer
//!    time   delta  inirq    pid   cpu command
//!  33565837    0     0      1269   0   cat
//!  33565847   10     1      1271   0   sh
//!  ...
//! ```
//!
//! Reading the file takes a sample of where the code runs, and starts a timer whose callback takes
//! another every `tdelay` jiffies, `count` in all (0: until the file is closed). Each line tells
//! the time (`jiffies`), how many jiffies after the line before that was, whether it was in an
//! interrupt, and the CPU and the task that it was running, or had been when the interrupt came.
//!
//! Each open file has a series of its own, which starts when the file is first read. It is a
//! stream: it can't be sought, and who wants a series again opens the file again. If a reader is
//! too slow and loses samples, a line `# 3 lost` tells so in their place.
//!
//! All may read the file, since what it shows, all may see: `pid` is what the pid namespace of the
//! task that opened the file calls the task, and one that is not in there, or that the options
//! `hidepid` and `gid` of that `/proc` hide from the opener, is shown as `0` and `-`. At most
//! `readers` files may be open at once, half of them by the same user; privileged users
//! (`CAP_SYS_RESOURCE`) are counted, but let in.
//!
//! Unloading the module ends the file for those who wait in `read()`; others get `EIO` when they
//! read it next. Who has polled an open file keeps the module in use until that is closed.

use common::{
    module_param,
    proc_fs::Entry,
    viewer::Opener, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex,
    task::Kuid, //
};
use ktimer::prelude::*;
use series::{
    Series,
    SeriesFile,
    Source, //
};

mod series;

module! {
    type: JiTimer,
    name: "jitimer",
    authors: ["The jitimer authors"],
    description: "Just in timer: /proc/jitimer shows kernel timers at work",
    license: "GPL",
}

module_param! {
    /// The time from one sample to the next.
    static TDELAY: tdelay = 10, 1..=JiffiesDelta::TIMER_MAX.as_ticks(),
        "jiffies between lines, 1 to 1056964607, rounded up by the timer wheel: 1000 gives 1024 (default 10)";

    /// How many samples the timer takes for each reader.
    static COUNT: count = 5, 0..=u32::MAX as usize,
        "lines by the timer, after the reader's own, to 4294967295; 0: no end (default 5)";

    /// How many files may be open.
    static READERS: readers = 1024, 1..=65536,
        "readers at once, 1 to 65536, half of them of one user; the next gets EBUSY (default 1024)";
}

struct JiTimer {
    _file: Entry<Seats>,
}

impl kernel::Module for JiTimer {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _file: Entry::stream::<SeriesFile<Reader>>(c"jitimer", Seats::new())?,
        })
    }
}

/// What the timer of an open file works on.
#[pin_data]
struct Ticker {
    #[pin]
    series: Series,
    /// What to arm the timer for: it expires at the tick after.
    delay: JiffiesDelta,
}

impl TimerCallback for Ticker {
    fn run(&self, context: TimerContext<'_, Self>) {
        if let Some(time) = self.series.add(&context) {
            context.arm(time + self.delay);
        }
    }
}

/// What an open file needs.
#[pin_data]
struct Reader {
    #[pin]
    timer: Timer<Ticker>,
    /// The user whose seat it has.
    uid: Kuid,
}

impl Source for Reader {
    type Data = Seats;

    fn open(seats: &Seats, opener: &Opener<'_>) -> Result<impl PinInit<Self>> {
        let delay = JiffiesDelta::from_ticks(TDELAY.value())?.saturating_sub(JiffiesDelta::TICK);
        let series = Series::new(COUNT.value(), opener)?;
        // The last that may fail.
        let uid = seats.take(opener)?;
        Ok(pin_init!(Self {
            timer <- new_timer!(pin_init!(Ticker { series <- series, delay })),
            uid,
        }))
    }

    fn close(&self, seats: &Seats) {
        seats.give_back(self.uid);
    }

    fn series(&self) -> &Series {
        &self.timer.series
    }

    fn start(&self, time: Jiffies) {
        self.timer.arm(time + self.timer.delay);
    }
}

/// The readers that there are.
#[pin_data]
struct Seats {
    #[pin]
    taken: Mutex<Taken>,
}

struct Taken {
    all: usize,
    /// How many each user has, who is there once; who has none any more makes room for another.
    users: KVec<(Kuid, usize)>,
}

impl Taken {
    fn of_user(&mut self, uid: Kuid) -> Option<&mut usize> {
        let (_, count) = self.users.iter_mut().find(|(user, _)| *user == uid)?;
        Some(count)
    }
}

impl Seats {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            taken <- new_mutex!(Taken { all: 0, users: KVec::new() }),
        })
    }

    /// Takes one for the opener, and returns the user who has it then.
    ///
    /// Fails with `EBUSY` if all are taken, or the user has its share; but privileged users are let
    /// in all the same.
    fn take(&self, opener: &Opener<'_>) -> Result<Kuid> {
        let (uid, most) = (opener.charged_user(), READERS.value());
        let mut taken = self.taken.lock();
        let all = taken.all;
        let own = taken.of_user(uid);
        let is_full = all >= most || own.as_ref().map_or(0, |count| **count) >= (most / 2).max(1);
        if is_full && !opener.is_unlimited() {
            return Err(EBUSY);
        }
        if let Some(count) = own {
            *count = count.wrapping_add(1);
        } else if let Some(free) = taken.users.iter_mut().find(|(_, count)| *count == 0) {
            *free = (uid, 1);
        } else {
            taken.users.push((uid, 1), GFP_KERNEL)?;
        }
        taken.all = all.wrapping_add(1);
        Ok(uid)
    }

    /// Gives one back that the user has.
    fn give_back(&self, uid: Kuid) {
        let mut taken = self.taken.lock();
        taken.all = taken.all.wrapping_sub(1);
        if let Some(count) = taken.of_user(uid) {
            *count = count.wrapping_sub(1);
        }
    }
}
