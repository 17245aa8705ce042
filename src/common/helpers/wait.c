// SPDX-License-Identifier: GPL-2.0

#include <linux/wait.h>

#include "helpers.h"

/* wait_event_interruptible_timeout() on a queue, and on another one if that is not null. */
long common_helper_wait_event_on_two(struct wait_queue_head *queue, struct wait_queue_head *other,
				     bool (*condition)(const void *data), const void *data,
				     long timeout)
{
	DECLARE_WAITQUEUE(entry, current);
	long left;

	if (other)
		add_wait_queue(other, &entry);
	left = wait_event_interruptible_timeout(*queue, condition(data), timeout);
	if (other)
		remove_wait_queue(other, &entry);
	return left;
}
