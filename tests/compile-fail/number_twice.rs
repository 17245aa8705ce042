// SPDX-License-Identifier: GPL-2.0
//! Two numbers of one name would be one, and of the wrong type for the other's conversion.

use common::seq_numbers;
use kernel::seq_file::SeqFile;

pub fn show(m: &SeqFile) {
    seq_numbers!(m, "" number: usize = 1, " " number: u32 = 2; "\n");
    //~^ E0416
}
