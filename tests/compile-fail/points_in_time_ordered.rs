// SPDX-License-Identifier: GPL-2.0
//! Points in time wrap, so they have no order.

use ktimer::prelude::*;

pub fn later(a: Jiffies, b: Jiffies) -> bool {
    a > b
    //~^ E0369
}
