// SPDX-License-Identifier: GPL-2.0
//! Outside of a callback nothing proves that bottom halves are off.

use ktimer::prelude::*;

pub fn read(lock: &SpinLockBh<u32>) -> u32 {
    *lock.lock_with(&())
    //~^ E0308
}
