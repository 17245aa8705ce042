/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C macros and inline functions that the library calls. Rust can't expand them, so each gets a
 * function in this folder, named after it.
 */

#ifndef _KTIMER_HELPERS_H
#define _KTIMER_HELPERS_H

#include <linux/spinlock.h>
#include <linux/types.h>

/*
 * Where these macros end in a call of a function that the kernel exports, they are names for that
 * function: a helper in between would cost two instructions. What the functions take, a spinlock_t
 * begins with.
 */
#if defined(CONFIG_PREEMPT_RT) || defined(_raw_spin_lock) || defined(_raw_spin_unlock) || \
	defined(_raw_spin_lock_bh) || defined(_raw_spin_unlock_bh) || \
	defined(_raw_spin_trylock_bh)
#define KTIMER_SPIN_HELPERS
#define KTIMER_NAMES(function)
#else
#define KTIMER_NAMES(function) __asm__(#function)
#endif

void ktimer_helper_spin_lock(spinlock_t *lock) KTIMER_NAMES(_raw_spin_lock);
void ktimer_helper_spin_unlock(spinlock_t *lock) KTIMER_NAMES(_raw_spin_unlock);
void ktimer_helper_spin_lock_bh(spinlock_t *lock) KTIMER_NAMES(_raw_spin_lock_bh);
void ktimer_helper_spin_unlock_bh(spinlock_t *lock) KTIMER_NAMES(_raw_spin_unlock_bh);
int ktimer_helper_spin_trylock_bh(spinlock_t *lock) KTIMER_NAMES(_raw_spin_trylock_bh);

#ifdef CONFIG_PROVE_LOCKING
void ktimer_helper_lockdep_assert_in_softirq(void);
void ktimer_helper_lockdep_assert_irqs_enabled(void);
#endif

bool ktimer_helper_cpu_online(unsigned int cpu);

#ifdef CONFIG_DEBUG_OBJECTS_TIMERS
bool ktimer_helper_object_is_on_stack(const void *object);
#endif

#endif
