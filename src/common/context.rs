// SPDX-License-Identifier: GPL-2.0

//! Where the running code is: in an interrupt or not, and what it interrupted.
//!
//! Each of these may be called from any context. The CPU is told by
//! [`CpuId::current`](kernel::cpu::CpuId::current), the task by [`current!`](kernel::current).
//!
//! C headers: [`include/linux/preempt.h`](srctree/include/linux/preempt.h),
//! [`include/linux/sched.h`](srctree/include/linux/sched.h)

use crate::bindings;
use kernel::{
    ffi::c_char,
    fmt, //
};

/// Whether this code runs in a hard or soft interrupt, or with bottom halves disabled.
///
/// The C macro is `in_interrupt()`. On PREEMPT_RT a timer's callback runs in a thread, with bottom
/// halves disabled, and this is true there too.
#[inline]
pub fn in_interrupt() -> bool {
    // SAFETY: It only reads this CPU's preemption count (on PREEMPT_RT, the task's too).
    unsafe { bindings::in_interrupt() }
}

/// Whether this code must not sleep, as far as the preemption count tells.
///
/// The C macro is `in_atomic()`. It can't know of a spinlock held on a kernel that does not count
/// them (`CONFIG_PREEMPT_COUNT=n`), nor on PREEMPT_RT, where a spinlock may sleep.
#[inline]
pub fn in_atomic() -> bool {
    // SAFETY: It only reads this CPU's preemption count.
    unsafe { bindings::in_atomic() }
}

/// Whether this code runs in a soft interrupt, or with bottom halves disabled.
///
/// The C macro is `in_softirq()`.
#[inline]
pub fn in_softirq() -> bool {
    // SAFETY: It only reads this CPU's preemption count (on PREEMPT_RT, the task's too).
    unsafe { bindings::in_softirq() }
}

/// Whether this code runs in a soft interrupt.
///
/// The C macro is `in_serving_softirq()`.
#[inline]
pub fn in_serving_softirq() -> bool {
    // SAFETY: It only reads this CPU's preemption count (on PREEMPT_RT, the task's too).
    unsafe { bindings::in_serving_softirq() }
}

/// Whether this code runs in a hard interrupt.
///
/// The C macro is `in_hardirq()`.
#[inline]
pub fn in_hardirq() -> bool {
    // SAFETY: It only reads this CPU's preemption count.
    unsafe { bindings::in_hardirq() }
}

/// This CPU's preemption count: 0 where it may switch to another task.
///
/// The C macro is `preempt_count()`.
#[inline]
pub fn preempt_count() -> u32 {
    // SAFETY: It only reads this CPU's preemption count.
    unsafe { bindings::preempt_count() }
}

/// What all of these say, at one place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// [`in_interrupt`].
    pub interrupt: bool,
    /// [`in_softirq`].
    pub softirq: bool,
    /// [`in_serving_softirq`].
    pub serving_softirq: bool,
    /// [`in_hardirq`].
    pub hardirq: bool,
    /// [`in_atomic`].
    pub atomic: bool,
    /// [`irqs_disabled`].
    pub irqs_disabled: bool,
    /// [`preempt_count`].
    pub preempt_count: u32,
}

impl Place {
    /// This place.
    #[inline]
    pub fn here() -> Self {
        Self {
            interrupt: in_interrupt(),
            softirq: in_softirq(),
            serving_softirq: in_serving_softirq(),
            hardirq: in_hardirq(),
            atomic: in_atomic(),
            irqs_disabled: irqs_disabled(),
            preempt_count: preempt_count(),
        }
    }
}

/// In columns: each as 0 or 1, in the order of the fields, and the count in hexadecimal.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>9}{:>8}{:>8}{:>8}{:>7}{:>9}      {:08x}",
            u8::from(self.interrupt),
            u8::from(self.softirq),
            u8::from(self.serving_softirq),
            u8::from(self.hardirq),
            u8::from(self.atomic),
            u8::from(self.irqs_disabled),
            self.preempt_count,
        )
    }
}

/// Whether interrupts are disabled on this CPU.
///
/// The C macro is `irqs_disabled()`.
#[inline]
pub fn irqs_disabled() -> bool {
    // SAFETY: It only reads this CPU's flags.
    unsafe { bindings::irqs_disabled() }
}

/// The name of a task: C's `comm`.
#[derive(Clone, Copy)]
pub struct Comm([u8; Self::LEN]);

impl Comm {
    const LEN: usize = kernel::bindings::TASK_COMM_LEN as usize;

    /// A name, of which no more is taken than a task's may have.
    pub const fn new(name: &[u8]) -> Self {
        let mut buf = [0; Self::LEN];
        let mut i = 0;
        while i < name.len() && i < Self::LEN - 1 {
            buf[i] = name[i];
            i += 1;
        }
        Self(buf)
    }

    /// Where C writes a name to: `TASK_COMM_LEN` bytes.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut c_char {
        self.0.as_mut_ptr().cast()
    }

    /// The name's bytes, without the NUL that ends it. They may be any.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: It looks at no more than the name's bytes.
        let length = unsafe { bindings::strnlen(self.0.as_ptr().cast(), Self::LEN) };
        self.0.get(..length).unwrap_or(&self.0)
    }
}
