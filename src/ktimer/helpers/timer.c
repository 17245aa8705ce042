// SPDX-License-Identifier: GPL-2.0

#include <linux/sched/task_stack.h>

#include "helpers.h"

#ifdef CONFIG_DEBUG_OBJECTS_TIMERS
bool ktimer_helper_object_is_on_stack(const void *object)
{
	return object_is_on_stack(object);
}
#endif
