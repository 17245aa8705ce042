// SPDX-License-Identifier: GPL-2.0

#include <linux/irqflags.h>
#include <linux/preempt.h>

#include "helpers.h"

bool common_helper_in_atomic(void)
{
	return in_atomic();
}

bool common_helper_in_softirq(void)
{
	return in_softirq();
}

bool common_helper_in_serving_softirq(void)
{
	return in_serving_softirq();
}

bool common_helper_in_hardirq(void)
{
	return in_hardirq();
}

unsigned int common_helper_preempt_count(void)
{
	return preempt_count();
}

bool common_helper_irqs_disabled(void)
{
	return irqs_disabled();
}
