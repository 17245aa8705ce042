/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the C twins of the modules have for TimerContext::rearm().
 */

#ifndef _TWINS_REARM_H
#define _TWINS_REARM_H

#include <linux/jiffies.h>
#include <linux/math.h>
#include <linux/timer.h>

/* Arms a timer again, for a period after it was due; returns how many whole periods it skipped. */
static inline unsigned long timer_rearm(struct timer_list *timer, unsigned long period)
{
	unsigned long now = jiffies, next = timer->expires + period, missed = 0;

	if (time_after(now, next)) {
		missed = DIV_ROUND_UP(now - next, period);
		next += missed * period;
	}
	mod_timer(timer, next);
	return missed;
}

#endif
