// SPDX-License-Identifier: GPL-2.0
//! The context of a tasklet's callback can not leave it.

use common::tasklet::{
    TaskletCallback,
    TaskletContext, //
};

struct State;

fn keep_for_ever<T: 'static>(_: T) {}

impl TaskletCallback for State {
    fn run(&self, context: TaskletContext<'_, Self>) {
        keep_for_ever(context);
        //~^ E0521
    }
}
