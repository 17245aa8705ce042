// SPDX-License-Identifier: GPL-2.0

#include <linux/wait.h>

#include "helpers.h"

bool common_helper_wq_has_sleeper(struct wait_queue_head *wq_head)
{
	return wq_has_sleeper(wq_head);
}
