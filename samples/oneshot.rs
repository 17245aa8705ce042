// SPDX-License-Identifier: GPL-2.0

//! `oneshot`: a line five seconds after the module is loaded, once.
//!
//! The callback does not arm the timer again, so it runs once. Unload the module earlier, and it
//! never runs: dropping the timer sees to that, which nobody had to think of.
//!
//! ```text
//! # insmod oneshot.ko; sleep 6; rmmod oneshot; dmesg
//! oneshot: Initializing a module with timer.
//! oneshot: This line is printed after 5000 ms.
//! oneshot: Goodbye, cruel world!
//! ```

use common::module_param;
use kernel::prelude::*;
use ktimer::prelude::*;

module! {
    type: OneShot,
    name: "oneshot",
    authors: ["The jitimer authors"],
    description: "Prints a line some time after it was loaded",
    license: "GPL",
}

module_param! {
    /// How long to wait.
    static DELAY_MS: delay_ms = 5000, 1..=86_400_000,
        "milliseconds from loading to the line, from 1 to 86400000 (default 5000)",
        0o444;
}

/// What to say: it is the timer's whole state.
struct Message {
    delay_ms: u32,
}

impl TimerCallback for Message {
    fn run(&self, _context: TimerContext<'_, Self>) {
        pr_alert!("This line is printed after {} ms.\n", self.delay_ms);
    }
}

/// The module's struct is where it stays, so the timer may be in there.
#[pin_data(PinnedDrop)]
struct OneShot {
    #[pin]
    timer: Timer<Message>,
}

impl kernel::InPlaceModule for OneShot {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pr_alert!("Initializing a module with timer.\n");
        let delay_ms = DELAY_MS.value() as u32;
        try_pin_init!(Self {
            timer <- new_timer!(Message { delay_ms }),
        }? Error)
        .pin_chain(move |this| {
            this.timer
                .arm(Jiffies::now() + JiffiesDelta::from_millis(delay_ms));
            Ok(())
        })
    }
}

#[pinned_drop]
impl PinnedDrop for OneShot {
    fn drop(self: Pin<&mut Self>) {
        pr_alert!("Goodbye, cruel world!\n");
    }
}
