/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads for the library's own bindings: the declarations that the bindings of the
 * kernel crate lack. Kbuild's rule for src/bindings_generated.rs says which names are taken.
 */

#include <linux/jiffies.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/timer.h>

#include "helpers.h"

const unsigned long KTIMER_HZ = HZ;
const unsigned long KTIMER_MAX_JIFFY_OFFSET = MAX_JIFFY_OFFSET;
const unsigned long KTIMER_NEXT_MAX_DELTA = TIMER_NEXT_MAX_DELTA;

/* What wakes those who poll something that is about to go. */
const unsigned int KTIMER_POLL_GONE = EPOLLHUP | POLLFREE;
