// SPDX-License-Identifier: GPL-2.0

//! `/proc/jitasklet` and `/proc/jitasklethi`: samples by a tasklet that schedules itself, so that
//! they are as close together as can be; one of high priority runs before timers do.

use crate::series::{
    Series,
    Source, //
};
use common::{
    tasklet::{
        Priority,
        Tasklet,
        TaskletCallback,
        TaskletContext, //
    },
    viewer::Opener, //
};
use kernel::prelude::*;
use ktimer::prelude::*;

/// How many samples the tasklet takes.
const SAMPLES: usize = 5;

/// What the tasklet of an open file works on.
#[pin_data]
struct Tick {
    #[pin]
    series: Series,
    priority: Priority,
}

impl TaskletCallback for Tick {
    fn run(&self, context: TaskletContext<'_, Self>) {
        if self.series.add(&context).is_some() {
            context.schedule(self.priority);
        }
    }
}

/// What an open file needs.
#[pin_data]
pub(crate) struct Tasks {
    #[pin]
    tasklet: Tasklet<Tick>,
}

impl Source for Tasks {
    type Data = Priority;

    fn open(&priority: &Priority, opener: &Opener<'_>) -> Result<impl PinInit<Self>> {
        let series = Series::new(SAMPLES, opener)?;
        Ok(pin_init!(Self {
            tasklet <- Tasklet::new(pin_init!(Tick { series <- series, priority })),
        }))
    }

    fn series(&self) -> &Series {
        &self.tasklet.series
    }

    fn start(&self, _time: Jiffies) {
        self.tasklet.schedule(self.tasklet.priority);
    }
}
