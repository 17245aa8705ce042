// SPDX-License-Identifier: GPL-2.0

#include <linux/cpumask.h>

#include "helpers.h"

bool ktimer_helper_cpu_online(unsigned int cpu)
{
	return cpu_online(cpu);
}
