/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads for the library's own bindings: the declarations that the bindings of the
 * kernel crate lack. ktimer.mk says which names are taken.
 */

#include <linux/jiffies.h>
#include <linux/timer.h>

#include "../helpers/helpers.h"

/* `bindgen` takes HZ for what user space is told. */
const unsigned long KTIMER_HZ = HZ;
const unsigned long KTIMER_MAX_JIFFY_OFFSET = MAX_JIFFY_OFFSET;
