// SPDX-License-Identifier: GPL-2.0
//! Two points in time can not be added.

use ktimer::prelude::*;

pub fn sum(a: Jiffies, b: Jiffies) -> Jiffies {
    a + b
    //~^ E0308
}
