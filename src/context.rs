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
    fmt,
    pid_namespace::PidNamespace,
    str::BStr,
    types::NotThreadSafe, //
};

/// Whether this code runs in a hard or soft interrupt, or with bottom halves disabled.
///
/// The C macro is `in_interrupt()`. On PREEMPT_RT a timer's callback runs in a thread, with bottom
/// halves disabled, and this is true there too.
#[inline]
pub fn in_interrupt() -> bool {
    // SAFETY: It only reads this CPU's preemption count (on PREEMPT_RT, the task's too).
    unsafe { bindings::ktimer_in_interrupt() }
}

/// Whether this code must not sleep, as far as the preemption count tells.
///
/// The C macro is `in_atomic()`. It can't know of a spinlock held on a kernel that does not count
/// them (`CONFIG_PREEMPT_COUNT=n`), nor on PREEMPT_RT, where a spinlock may sleep.
#[inline]
pub fn in_atomic() -> bool {
    // SAFETY: It only reads this CPU's preemption count.
    unsafe { bindings::ktimer_in_atomic() }
}

/// Whether interrupts are disabled on this CPU.
///
/// The C macro is `irqs_disabled()`.
#[inline]
pub fn irqs_disabled() -> bool {
    // SAFETY: It only reads this CPU's flags.
    unsafe { bindings::ktimer_irqs_disabled() }
}

/// The number of the task that this CPU is running, or was when an interrupt came, as a namespace
/// calls it; `None` if that namespace can't see it.
///
/// Idle tasks have the number 0, and only the initial namespace sees them.
///
/// The C function is `task_pid_nr_ns()`; may be called from any context.
#[inline]
pub fn current_pid_in(namespace: &PidNamespace) -> Option<i32> {
    // SAFETY: The reference is to a namespace that is alive.
    let pid = unsafe { bindings::ktimer_current_pid_in(namespace.as_ptr()) };
    (pid >= 0).then_some(pid)
}

/// The name of a task: C's `comm`.
#[derive(Clone, Copy)]
pub struct Comm([u8; Self::LEN]);

impl Comm {
    const LEN: usize = kernel::bindings::TASK_COMM_LEN as usize;

    /// The name of the task that this CPU is running, or was when an interrupt came.
    ///
    /// The C macro is `get_task_comm()`. The name may change while it is read, and is then a
    /// mixture of both; it always ends in time.
    #[inline]
    pub fn current() -> Self {
        let mut buf = [0; Self::LEN];
        // SAFETY: `buf` has room for the `TASK_COMM_LEN` bytes that are written.
        unsafe { bindings::ktimer_current_comm(buf.as_mut_ptr().cast()) };
        Self(buf)
    }

    /// The name's bytes, without the NUL that ends it.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or(&[])
    }
}

/// A task may have any bytes for a name; those that are not printable ASCII are escaped, so that
/// a name is always a part of one line.
impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(BStr::from_bytes(self.as_bytes()), f)
    }
}

pub use crate::compat::LocalInterruptDisabled;

/// Proof that bottom halves are disabled on this CPU, so no softirq can interrupt.
///
/// Whoever runs in softirq context has one: a timer's callback gets it from its
/// [`TimerContext`](crate::timer::TimerContext). With it,
/// [`SpinLockBh::lock_with`](crate::sync::SpinLockBhExt::lock_with) takes the lock at the price of
/// a plain `spin_lock()`.
///
/// # Invariants
///
/// Bottom halves are disabled on the CPU that runs the holder, for as long as the value exists.
pub struct BhDisabled(NotThreadSafe);

impl BhDisabled {
    /// Claims that bottom halves are disabled.
    ///
    /// # Safety
    ///
    /// Bottom halves must be disabled for all of `'a`.
    #[inline]
    pub(crate) unsafe fn assume_disabled<'a>() -> &'a Self {
        // INVARIANT: By the requirement of this function.
        &Self(NotThreadSafe)
    }
}
