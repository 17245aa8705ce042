// SPDX-License-Identifier: GPL-2.0

//! What [`SeqFile`] lacks for text that is written often: C's own formatting, in one call.
//!
//! C header: [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)

use crate::bindings;
use core::ptr;
use kernel::seq_file::SeqFile;

/// The C object.
#[doc(hidden)]
#[inline]
pub fn as_raw(m: &SeqFile) -> *mut bindings::seq_file {
    // CAST: `SeqFile` has the layout of C's `seq_file`, and may be changed by those who share it.
    ptr::from_ref(m).cast_mut().cast()
}

/// Writes some text.
///
/// The C function is `seq_write()`.
#[inline]
pub fn write(m: &SeqFile, text: &[u8]) {
    // SAFETY: Only this thread uses the `seq_file`, and all of the text is there. What it returns is
    // only that the text will be asked for again.
    unsafe { bindings::seq_write(as_raw(m), text.as_ptr().cast(), text.len()) };
}

/// Writes some text, with all but printable ASCII escaped, as `\n` or `\x1b`.
///
/// The C function is `seq_escape_mem()`.
#[inline]
pub fn escape(m: &SeqFile, text: &[u8]) {
    // SAFETY: Only this thread uses the `seq_file`, and all of the text is there; null stands for
    // all that the flags name.
    unsafe {
        bindings::seq_escape_mem(
            as_raw(m),
            text.as_ptr().cast(),
            text.len(),
            bindings::COMMON_ESCAPE,
            ptr::null(),
        )
    };
}

/// Writes numbers, each with a text before it and perhaps to a width, and a text after them: by one
/// call of `seq_printf()`. Each has a name, and is a `u32`, `i32`, `usize` or `isize`.
///
/// # Examples
///
/// ```
/// # use common::seq_numbers;
/// # use kernel::seq_file::SeqFile;
/// fn show(m: &SeqFile, now: usize, cpu: u32) {
///     seq_numbers!(m, "time " time: usize[9] = now, " on CPU " cpu: u32 = cpu; "\n");
/// }
/// # let _ = show;
/// ```
#[macro_export]
macro_rules! seq_numbers {
    ($m:expr, $($before:literal $name:ident: $type:ident $([$width:literal])? = $value:expr),*; $after:literal) => {{
        const FORMAT: &str = concat!(
            $($before, "%", $($width,)? $crate::seq_numbers!(@$type),)*
            $after, "\0"
        );
        $($(const _: u8 = $width;)?)*
        const { ::core::assert!($crate::seq_file::conversions(FORMAT) == [$($before),*].len()) };
        let m: &::kernel::seq_file::SeqFile = $m;
        // In one pattern, so that no name can come twice.
        let ($($name,)*): ($(::core::primitive::$type,)*) = ($($value,)*);
        // SAFETY: Only this thread uses the `seq_file`. The format ends in a NUL, and has a
        // conversion for each of the numbers, of its type, and no more.
        unsafe {
            ::kernel::bindings::seq_printf(
                $crate::seq_file::as_raw(m),
                FORMAT.as_ptr().cast(),
                $($name),*
            )
        }
    }};
    (@u32) => { "u" };
    (@i32) => { "d" };
    (@usize) => { "lu" };
    (@isize) => { "ld" };
}

/// How many conversions a format of C's has.
#[doc(hidden)]
pub const fn conversions(format: &str) -> usize {
    let (mut count, mut i) = (0, 0);
    while i < format.len() {
        count += (format.as_bytes()[i] == b'%') as usize;
        i += 1;
    }
    count
}
