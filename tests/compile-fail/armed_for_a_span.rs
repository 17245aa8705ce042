// SPDX-License-Identifier: GPL-2.0
//! A timer is armed for a point in time, not for a span.

use ktimer::prelude::*;

pub fn arm<T: TimerCallback>(timer: &Timer<T>) {
    timer.arm(JiffiesDelta::SECOND);
    //~^ E0308
}
