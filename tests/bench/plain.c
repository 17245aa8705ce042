// SPDX-License-Identifier: GPL-2.0
/* The plain C that the benchmark compares the library with, operation by operation. */

#include <linux/atomic.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

#include <asm/msr.h>

#include "plain.h"

/* What has a timer, and what has several. */
struct plain_one {
	struct timer_list timer;
	unsigned long expires;
};

struct plain_place {
	struct timer_list timers[PLAIN_SEVERAL];
	unsigned long expires;
};

static struct plain_place **places;
static unsigned long made;

/* The end is not looked up again after each call. */
#define for_each_place(p, n) \
	for (struct plain_place **p = places, **end = places + (n); p != end; p++)

/* The compiler knows which of the timers of a place it is, as in a driver. */
#define with_number(id, function, ...) ( \
	(id) == 0 ? function(0, __VA_ARGS__) : \
	(id) == 1 ? function(1, __VA_ARGS__) : function(2, __VA_ARGS__))

static DEFINE_SPINLOCK(lock);
static unsigned long locked;

u64 plain_instructions(void)
{
	return rdtsc();
}

unsigned long plain_irq_save(void)
{
	unsigned long flags;

	local_irq_save(flags);
	return flags;
}

void plain_irq_restore(unsigned long flags)
{
	local_irq_restore(flags);
}

static void empty(struct timer_list *timer)
{
}

int plain_make(unsigned long n)
{
	places = kvcalloc(n, sizeof(*places), GFP_KERNEL);
	if (!places)
		return -ENOMEM;
	for (made = 0; made < n; made++) {
		places[made] = kmalloc(sizeof(**places), GFP_KERNEL);
		if (!places[made]) {
			plain_free();
			return -ENOMEM;
		}
		for (int id = 0; id < PLAIN_SEVERAL; id++)
			timer_setup(&places[made]->timers[id], empty, 0);
	}
	return 0;
}

void plain_set(unsigned long i, unsigned long expires)
{
	places[i]->expires = expires;
}

void plain_free(void)
{
	for (unsigned long i = 0; i < made; i++) {
		for (int id = 0; id < PLAIN_SEVERAL; id++)
			timer_shutdown_sync(&places[i]->timers[id]);
		kfree(places[i]);
	}
	kvfree(places);
}

unsigned long plain_size(void)
{
	return sizeof(struct plain_one);
}

static __always_inline void add(int id, unsigned long n)
{
	for_each_place(p, n) {
		(*p)->timers[id].expires = (*p)->expires;
		add_timer(&(*p)->timers[id]);
	}
}

void plain_add(unsigned int id, unsigned long n)
{
	with_number(id, add, n);
}

static __always_inline void arm(int id, unsigned long n, unsigned long shift)
{
	for_each_place(p, n)
		mod_timer(&(*p)->timers[id], (*p)->expires + shift);
}

void plain_arm(unsigned int id, unsigned long n, unsigned long shift)
{
	with_number(id, arm, n, shift);
}

static __always_inline void arm_at(int id, unsigned long n, unsigned long expires)
{
	for_each_place(p, n)
		mod_timer(&(*p)->timers[id], expires);
}

void plain_arm_at(unsigned int id, unsigned long n, unsigned long expires)
{
	with_number(id, arm_at, n, expires);
}

static __always_inline bool any_pending(int id, unsigned long n)
{
	for_each_place(p, n)
		if (timer_pending(&(*p)->timers[id]))
			return true;
	return false;
}

bool plain_any_pending(unsigned int id, unsigned long n)
{
	return with_number(id, any_pending, n);
}

static __always_inline void cancel(int id, unsigned long n)
{
	for_each_place(p, n)
		timer_delete(&(*p)->timers[id]);
}

void plain_cancel(unsigned int id, unsigned long n)
{
	with_number(id, cancel, n);
}

static __always_inline void cancel_sync(int id, unsigned long n)
{
	for_each_place(p, n)
		timer_delete_sync(&(*p)->timers[id]);
}

void plain_cancel_sync(unsigned int id, unsigned long n)
{
	with_number(id, cancel_sync, n);
}

static __always_inline void shutdown_sync(int id, unsigned long n)
{
	for_each_place(p, n)
		timer_shutdown_sync(&(*p)->timers[id]);
}

void plain_shutdown_sync(unsigned int id, unsigned long n)
{
	with_number(id, shutdown_sync, n);
}

void plain_lock_bh(unsigned long n)
{
	while (n--) {
		spin_lock_bh(&lock);
		locked++;
		spin_unlock_bh(&lock);
	}
}

void plain_lock(unsigned long n)
{
	while (n--) {
		spin_lock(&lock);
		locked++;
		spin_unlock(&lock);
	}
}

struct late_timer {
	struct timer_list timer;
	unsigned long expires;
	u32 state;
};

static struct {
	struct late_timer *timers;
	unsigned long count;
	u64 *samples;
	unsigned long wanted;
	atomic_long_t taken;
	unsigned long jiffies_base;
	u64 ktime_base;
} late;

u64 plain_ktime(void)
{
	return ktime_get_ns();
}

static void late_arm(struct late_timer *t, unsigned long now)
{
	t->state = (u64)t->state * 48271 % 0x7fffffff;
	t->expires = now + 1 + t->state % 32;
	mod_timer(&t->timer, t->expires);
}

static void late_expired(struct timer_list *timer)
{
	struct late_timer *t = timer_container_of(t, timer, timer);
	u64 ktime = ktime_get_ns();
	unsigned long now = jiffies;
	u64 due = late.ktime_base + (t->expires - late.jiffies_base) * TICK_NSEC;
	unsigned long i = atomic_long_fetch_inc(&late.taken);

	if (i >= late.wanted)
		return;
	late.samples[i] = (u64)(now - t->expires) << 32 |
			  (u32)div_u64(ktime > due ? ktime - due : 0, NSEC_PER_USEC);
	late_arm(t, now);
}

int plain_late_start(unsigned long timers, unsigned long samples, unsigned long jiffies_base,
		     u64 ktime_base)
{
	late.timers = kvcalloc(timers, sizeof(*late.timers), GFP_KERNEL);
	late.samples = kvcalloc(samples, sizeof(*late.samples), GFP_KERNEL);
	if (!late.timers || !late.samples) {
		kvfree(late.timers);
		kvfree(late.samples);
		return -ENOMEM;
	}
	late.count = timers;
	late.wanted = samples;
	atomic_long_set(&late.taken, 0);
	late.jiffies_base = jiffies_base;
	late.ktime_base = ktime_base;
	for (unsigned long i = 0; i < timers; i++) {
		timer_setup(&late.timers[i].timer, late_expired, 0);
		late.timers[i].state = i * 7919 + 1;
		late_arm(&late.timers[i], jiffies);
	}
	return 0;
}

unsigned long plain_late_taken(void)
{
	return min_t(unsigned long, atomic_long_read(&late.taken), late.wanted);
}

u64 plain_late_get(unsigned long i)
{
	return late.samples[i];
}

void plain_late_stop(void)
{
	for (unsigned long i = 0; i < late.count; i++)
		timer_shutdown_sync(&late.timers[i].timer);
	kvfree(late.timers);
	kvfree(late.samples);
}
