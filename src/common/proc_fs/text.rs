// SPDX-License-Identifier: GPL-2.0

//! Files that show one text, as it is when they are read.

use super::ProcFile;
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    sync::Arc, //
};
use ktimer::time::timer::Timer;

/// What a file shows.
pub trait Show: Send + Sync + 'static {
    /// Writes it out. May sleep. If `m` has no room for it, this is called again with more room.
    fn show(&self, m: &SeqFile);
}

impl<T: Show> Show for Arc<T> {
    fn show(&self, m: &SeqFile) {
        T::show(self, m);
    }
}

/// A timer shows its state.
impl<T: Show> Show for Timer<T> {
    fn show(&self, m: &SeqFile) {
        T::show(self, m);
    }
}

/// An open file that shows the whole of something, at once: C's `proc_create_single()`.
///
/// # Examples
///
/// ```
/// # use kernel::{prelude::*, seq_file::SeqFile, seq_print};
/// use common::proc_fs::{ProcEntry, Show, Text};
///
/// #[derive(Clone)]
/// struct Answer(u32);
///
/// impl Show for Answer {
///     fn show(&self, m: &SeqFile) {
///         seq_print!(m, "{}\n", self.0);
///     }
/// }
///
/// let entry = ProcEntry::<Text<Answer>>::new(c"answer", Answer(42))?;
/// # drop(entry);
/// # Ok::<(), Error>(())
/// ```
#[pin_data]
pub struct Text<D> {
    data: D,
}

impl<D: Show + Clone> ProcFile for Text<D> {
    type Data = D;
    type Record = ();

    fn open(data: &D) -> Result<impl PinInit<Self, Error>> {
        let data = data.clone();
        Ok(try_pin_init!(Self { data }? Error))
    }

    fn record(&self, index: u64) -> Option<(u64, ())> {
        (index == 0).then_some((0, ()))
    }

    fn show(&self, _record: &(), m: &SeqFile) {
        self.data.show(m);
    }
}
