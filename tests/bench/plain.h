/* SPDX-License-Identifier: GPL-2.0 */
/* The plain C that the benchmark compares the library with: see plain.c. */

#ifndef _BENCH_PLAIN_H
#define _BENCH_PLAIN_H

#include <linux/types.h>

/* Instructions, under virtual time: that is what the time stamp counter counts there. */
u64 plain_instructions(void);
unsigned long plain_irq_save(void);
void plain_irq_restore(unsigned long flags);

/* A set of places with several timers each; there is one at a time. */
#define PLAIN_SEVERAL 3


int plain_make(unsigned long n);
void plain_set(unsigned long i, unsigned long expires);
void plain_free(void);
unsigned long plain_size(void);

/* Each does something with one of the timers of each of the first n places. */
void plain_add(unsigned int id, unsigned long n);
void plain_arm(unsigned int id, unsigned long n, unsigned long shift);
void plain_arm_at(unsigned int id, unsigned long n, unsigned long expires);
bool plain_any_pending(unsigned int id, unsigned long n);
void plain_cancel(unsigned int id, unsigned long n);
void plain_cancel_sync(unsigned int id, unsigned long n);
void plain_shutdown_sync(unsigned int id, unsigned long n);

/* Each takes and releases a lock n times. */
void plain_lock_bh(unsigned long n);
void plain_lock(unsigned long n);

/* How late timers are that arm themselves again, for 1 to 32 jiffies; there is one such set. */
u64 plain_ktime(void);
int plain_late_start(unsigned long timers, unsigned long samples, unsigned long jiffies_base,
		     u64 ktime_base);
unsigned long plain_late_taken(void);
/* A sample: jiffies in the upper half, and microseconds. */
u64 plain_late_get(unsigned long i);
void plain_late_stop(void);

#endif
