// SPDX-License-Identifier: GPL-2.0
/* What cost_rs.rs does with a timer and a lock, in C. */

#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

struct beat {
	struct timer_list timer;
	atomic_long_t count;
};

struct counter {
	spinlock_t lock;
	unsigned long count;
};

bool cost_c_arm(struct beat *beat, unsigned long expires);
bool cost_c_arm_in_a_second(struct beat *beat);
bool cost_c_reduce(struct beat *beat, unsigned long expires);
bool cost_c_cancel(struct beat *beat);
bool cost_c_cancel_sync(struct beat *beat);
bool cost_c_is_pending(struct beat *beat);
void cost_c_shutdown(struct beat *beat);
void cost_c_callback(struct timer_list *timer);
void cost_c_lock(struct counter *counter);
void cost_c_lock_with(struct counter *counter);

bool cost_c_arm(struct beat *beat, unsigned long expires)
{
	return mod_timer(&beat->timer, expires);
}

bool cost_c_arm_in_a_second(struct beat *beat)
{
	return mod_timer(&beat->timer, jiffies + HZ);
}

bool cost_c_reduce(struct beat *beat, unsigned long expires)
{
	return timer_reduce(&beat->timer, expires);
}

bool cost_c_cancel(struct beat *beat)
{
	return timer_delete(&beat->timer);
}

bool cost_c_cancel_sync(struct beat *beat)
{
	return timer_delete_sync(&beat->timer);
}

bool cost_c_is_pending(struct beat *beat)
{
	return timer_pending(&beat->timer);
}

void cost_c_shutdown(struct beat *beat)
{
	timer_shutdown_sync(&beat->timer);
}

void cost_c_callback(struct timer_list *timer)
{
	struct beat *beat = timer_container_of(beat, timer, timer);

	atomic_long_inc(&beat->count);
	mod_timer(timer, jiffies + HZ);
}

void cost_c_lock(struct counter *counter)
{
	spin_lock_bh(&counter->lock);
	counter->count++;
	spin_unlock_bh(&counter->lock);
}

void cost_c_lock_with(struct counter *counter)
{
	spin_lock(&counter->lock);
	counter->count++;
	spin_unlock(&counter->lock);
}
