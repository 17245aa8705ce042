// SPDX-License-Identifier: GPL-2.0

#include <linux/hardirq.h>

#include "helpers.h"

bool common_helper_in_interrupt(void)
{
	return in_interrupt();
}
