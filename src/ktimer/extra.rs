// SPDX-License-Identifier: GPL-2.0

//! What else C has for timers, and few need. Each file can be left out without touching the rest.
//!
//! | C | here |
//! |---|---|
//! | `TIMER_DEFERRABLE`, `TIMER_PINNED` | [`flags::Flags`] |
//! | `TIMER_IRQSAFE` | [`irqsafe::IrqSafe`] |
//! | `add_timer_on()` | [`Timer::arm_on`](crate::time::timer::Timer::arm_on) |
//! | `add_timer_local()` | [`Timer::arm_local`](crate::time::timer::Timer::arm_local) |
//! | `add_timer_global()` | [`Timer::arm_global`](crate::time::timer::Timer::arm_global) |
//! | `DEFINE_TIMER()`, once `TIMER_INITIALIZER()` | [`global_timer::GlobalTimer`] |

pub mod flags;
mod global_lock;
pub mod global_timer;
pub mod irqsafe;
mod on_cpu;
