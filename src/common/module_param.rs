// SPDX-License-Identifier: GPL-2.0

//! Module parameters that know their range.
//!
//! The parameters of the kernel crate's `module!` take whatever fits their type and can't be seen
//! in sysfs. Those of [`module_param!`](crate::module_param!) are unsigned numbers from a range. A
//! value that is not in it is refused with `EINVAL`, a line in the kernel log tells the value and
//! the range, and the old value stays. A number may be written as `16`, `+16`, `0x10` or `020`, with
//! nothing around it but a newline at its end. They are in `/sys/module/MODULE/parameters`, readable
//! by all and, but for those that count at loading only, writable by root.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use crate::this_module;
use core::ops::RangeInclusive;
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// A module parameter; [`module_param!`](crate::module_param!) makes them.
#[repr(C)]
pub struct Param {
    // The first field, so that a pointer to the whole is one to the value: `param_get_uint()`
    // reads it through that.
    value: Atomic<u32>,
    min: u32,
    max: u32,
}

impl Param {
    #[doc(hidden)]
    pub const fn new(default: usize, range: RangeInclusive<usize>) -> Self {
        let (min, max) = (*range.start(), *range.end());
        assert!(min <= default && default <= max && max <= u32::MAX as usize);
        Self {
            value: Atomic::new(default as u32),
            min: min as u32,
            max: max as u32,
        }
    }

    /// The parameter's value now. Root may change it at any time.
    ///
    /// May be called from any context.
    #[inline]
    pub fn value(&self) -> usize {
        self.value.load(Relaxed) as usize
    }
}

/// What the module loader and sysfs do with a [`Param`].
#[doc(hidden)]
pub static OPS: bindings::kernel_param_ops = bindings::kernel_param_ops {
    flags: 0,
    set: Some(set),
    get: Some(bindings::param_get_uint),
    free: None,
};

/// # Safety
///
/// `text` must be a C string, and `param` a parameter made by `module_param!`.
unsafe extern "C" fn set(text: *const c_char, param: *const bindings::kernel_param) -> c_int {
    // SAFETY: The parameters that have these operations are made by `module_param!`, which sets
    // `arg` to a static `Param`.
    let this = unsafe { &*(*param).__bindgen_anon_1.arg.cast::<Param>() };
    let mut value = 0;
    // SAFETY: The operations don't have `KERNEL_PARAM_OPS_FL_NOARG`, so there is always a text,
    // and it is a C string; `value` is valid for writes.
    let error = unsafe { bindings::kstrtouint(text, 0, &mut value) };
    if error == 0 && (this.min..=this.max).contains(&value) {
        this.value.store(value, Relaxed);
        return 0;
    }
    // SAFETY: By the requirement of this function `param` is valid, and its name a C string, as the
    // module's is. `%*pE` takes a length and a text: it is that of what comes before a newline, or
    // the end of the C string. The two numbers are `unsigned int`s.
    unsafe {
        // At the level of `KERN_ERR`.
        bindings::_printk(
            c"\x013%s: %s: invalid value '%*pE': it must be a number from %u to %u\n".as_char_ptr(),
            this_module::name(),
            (*param).name,
            bindings::strcspn(text, c"\n".as_char_ptr()) as c_int,
            text,
            this.min,
            this.max,
        )
    };
    EINVAL.to_errno()
}

#[doc(hidden)]
#[repr(transparent)]
pub struct KernelParam(pub bindings::kernel_param);

// SAFETY: Nothing changes it, and what it points to is either constant or a `Param`, which is
// `Sync`.
unsafe impl Sync for KernelParam {}

/// Declares a module parameter: an unsigned number from a range. Its mode in sysfs is 0644; one that
/// counts at loading only is to be 0444.
///
/// # Examples
///
/// ```
/// # use common::module_param;
/// module_param! {
///     /// How long to wait.
///     static DELAY: delay_ms = 5000, 1..=86_400_000, "milliseconds to wait (default 5000)";
///
///     /// How many wait.
///     static WAITERS: waiters = 2, 1..=16, "how many wait (default 2)", 0o444;
/// }
///
/// assert_eq!(DELAY.value(), 5000);
/// ```
#[macro_export]
macro_rules! module_param {
    ($(
        $(#[$attr:meta])*
        static $static:ident: $name:ident = $default:expr, $range:expr, $description:literal
            $(, $mode:literal)?;
    )*) => {$(
        $(#[$attr])*
        static $static: $crate::module_param::Param =
            $crate::module_param::Param::new($default, $range);

        const _: () = {
            const fn bytes<const N: usize>(text: &str) -> [u8; N] {
                let mut bytes = [0; N];
                let mut i = 0;
                while i < N {
                    bytes[i] = text.as_bytes()[i];
                    i += 1;
                }
                bytes
            }

            const TYPE: &str = concat!("parmtype=", stringify!($name), ":uint\0");
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static MODINFO_TYPE: [u8; TYPE.len()] = bytes(TYPE);

            const DESCRIPTION: &str = concat!("parm=", stringify!($name), ":", $description, "\0");
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static MODINFO_DESCRIPTION: [u8; DESCRIPTION.len()] = bytes(DESCRIPTION);

            #[link_section = "__param"]
            #[used(compiler)]
            static PARAM: $crate::module_param::KernelParam =
                $crate::module_param::KernelParam(::kernel::bindings::kernel_param {
                    name: concat!(stringify!($name), "\0").as_ptr().cast(),
                    mod_: (&raw const ::kernel::bindings::__this_module).cast_mut(),
                    ops: &raw const $crate::module_param::OPS,
                    perm: [$($mode,)? 0o644][0],
                    level: -1,
                    flags: 0,
                    __bindgen_anon_1: ::kernel::bindings::kernel_param__bindgen_ty_1 {
                        arg: (&raw const $static).cast_mut().cast(),
                    },
                });
        };
    )*};
}
