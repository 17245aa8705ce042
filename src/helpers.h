/* SPDX-License-Identifier: GPL-2.0 */
/* C macros and inline functions that the library calls: see helpers.c. */

#ifndef _KTIMER_HELPERS_H
#define _KTIMER_HELPERS_H

#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/wait.h>

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

void ktimer_spin_lock(spinlock_t *lock) KTIMER_NAMES(_raw_spin_lock);
void ktimer_spin_unlock(spinlock_t *lock) KTIMER_NAMES(_raw_spin_unlock);
void ktimer_spin_lock_bh(spinlock_t *lock) KTIMER_NAMES(_raw_spin_lock_bh);
void ktimer_spin_unlock_bh(spinlock_t *lock) KTIMER_NAMES(_raw_spin_unlock_bh);
int ktimer_spin_trylock_bh(spinlock_t *lock) KTIMER_NAMES(_raw_spin_trylock_bh);

bool ktimer_in_interrupt(void);
bool ktimer_in_atomic(void);
bool ktimer_in_softirq(void);
bool ktimer_in_serving_softirq(void);
bool ktimer_in_hardirq(void);
unsigned int ktimer_preempt_count(void);
bool ktimer_irqs_disabled(void);
bool ktimer_cpu_online(unsigned int cpu);
pid_t ktimer_current_pid_in(struct pid_namespace *ns);
void ktimer_current_comm(char buf[TASK_COMM_LEN]);

#ifdef CONFIG_DEBUG_OBJECTS_TIMERS
bool ktimer_object_is_on_stack(const void *object);
#endif

void *ktimer_pde_data(const struct inode *inode);
size_t ktimer_iov_iter_count(const struct iov_iter *iter);

void ktimer_tasklet_schedule(struct tasklet_struct *t);
void ktimer_tasklet_hi_schedule(struct tasklet_struct *t);

u64 ktimer_get_jiffies_64(void);

bool ktimer_wait_queue_is_empty(struct wait_queue_head *queue);

#endif
