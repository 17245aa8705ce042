// SPDX-License-Identifier: GPL-2.0

#include <linux/jiffies.h>

#include "helpers.h"

u64 common_helper_get_jiffies_64(void)
{
	return get_jiffies_64();
}
