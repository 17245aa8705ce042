// SPDX-License-Identifier: GPL-2.0

//! A module that has nothing to do with this project, as a template for modules in Rust has it: to
//! see that the folder that `rust_kdir.py` makes serves any.

use kernel::prelude::*;

module! {
    type: Minimal,
    name: "minimal",
    authors: ["The jitimer authors"],
    description: "Says hello, keeps some numbers, and says goodbye",
    license: "GPL",
}

struct Minimal {
    numbers: KVec<i32>,
}

impl kernel::Module for Minimal {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("hello\n");
        let mut numbers = KVec::new();
        for number in [72, 108, 200] {
            numbers.push(number, GFP_KERNEL)?;
        }
        Ok(Self { numbers })
    }
}

impl Drop for Minimal {
    fn drop(&mut self) {
        pr_info!("my numbers are {:?}\n", self.numbers);
        pr_info!("goodbye\n");
    }
}
