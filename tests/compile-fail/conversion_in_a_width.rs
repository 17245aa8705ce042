// SPDX-License-Identifier: GPL-2.0

//! A width is a number, so it can't turn one conversion into another.

use common::seq_numbers;
use kernel::seq_file::SeqFile;

pub fn show(m: &SeqFile, cpu: u32) {
    seq_numbers!(m, "CPU " cpu: u32["9s"] = cpu; "\n");
    //~^ E0308
}
