// SPDX-License-Identifier: GPL-2.0

#include <linux/lockdep.h>

#include "helpers.h"

#ifdef CONFIG_PROVE_LOCKING
void ktimer_helper_lockdep_assert_in_softirq(void)
{
	lockdep_assert_in_softirq();
}

void ktimer_helper_lockdep_assert_irqs_enabled(void)
{
	lockdep_assert_irqs_enabled();
}
#endif
