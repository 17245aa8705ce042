// SPDX-License-Identifier: GPL-2.0

#include <linux/interrupt.h>

#include "helpers.h"

void common_helper_tasklet_schedule(struct tasklet_struct *t)
{
	tasklet_schedule(t);
}

void common_helper_tasklet_hi_schedule(struct tasklet_struct *t)
{
	tasklet_hi_schedule(t);
}
