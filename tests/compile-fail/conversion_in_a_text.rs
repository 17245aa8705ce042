// SPDX-License-Identifier: GPL-2.0

//! What is around the numbers is no format of its own.

use common::seq_numbers;
use kernel::seq_file::SeqFile;

pub fn show(m: &SeqFile, cpu: u32) {
    seq_numbers!(m, "task %s on CPU " cpu: u32 = cpu; "\n");
    //~^ E0080
}
