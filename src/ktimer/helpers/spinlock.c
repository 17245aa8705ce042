// SPDX-License-Identifier: GPL-2.0

#include <linux/spinlock.h>

#include "helpers.h"

#ifdef KTIMER_SPIN_HELPERS
void ktimer_helper_spin_lock(spinlock_t *lock)
{
	spin_lock(lock);
}

void ktimer_helper_spin_unlock(spinlock_t *lock)
{
	spin_unlock(lock);
}

void ktimer_helper_spin_lock_bh(spinlock_t *lock)
{
	spin_lock_bh(lock);
}

void ktimer_helper_spin_unlock_bh(spinlock_t *lock)
{
	spin_unlock_bh(lock);
}

int ktimer_helper_spin_trylock_bh(spinlock_t *lock)
{
	return spin_trylock_bh(lock);
}
#endif
