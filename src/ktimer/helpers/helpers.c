// SPDX-License-Identifier: GPL-2.0
/*
 * C macros and inline functions that the library calls. Rust can't expand them, so each gets a
 * function, named after it.
 */

#include "helpers.h"

#include "cpu.c"
#include "lockdep.c"
#include "spinlock.c"
#include "timer.c"
