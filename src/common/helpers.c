// SPDX-License-Identifier: GPL-2.0
/*
 * C macros and inline functions that the modules' shared code calls. Rust can't expand them, so each
 * gets a function here, named after it.
 */

#include <linux/hardirq.h>
#include <linux/interrupt.h>
#include <linux/irqflags.h>
#include <linux/pid_namespace.h>
#include <linux/preempt.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/uio.h>
#include <linux/wait.h>

#include "helpers.h"

bool common_helper_in_interrupt(void)
{
	return in_interrupt();
}

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

pid_t common_helper_current_pid_in(struct pid_namespace *ns)
{
	pid_t pid = task_pid_nr_ns(current, ns);

	/* For idle tasks, and for those that the namespace can't see, that is 0. */
	return pid || (is_idle_task(current) && ns == &init_pid_ns) ? pid : -1;
}

void common_helper_current_comm(char buf[TASK_COMM_LEN])
{
	/* get_task_comm() wants an array, and a parameter is a pointer. */
	strscpy_pad(buf, current->comm, TASK_COMM_LEN);
}

void *common_helper_pde_data(const struct inode *inode)
{
	return pde_data(inode);
}

size_t common_helper_iov_iter_count(const struct iov_iter *iter)
{
	return iov_iter_count(iter);
}

void common_helper_tasklet_schedule(struct tasklet_struct *t)
{
	tasklet_schedule(t);
}

void common_helper_tasklet_hi_schedule(struct tasklet_struct *t)
{
	tasklet_hi_schedule(t);
}

u64 common_helper_get_jiffies_64(void)
{
	return get_jiffies_64();
}

bool common_helper_wait_queue_is_empty(struct wait_queue_head *queue)
{
	unsigned long flags;
	bool empty;

	/* With the lock, so that whoever has just left is done with the queue. */
	spin_lock_irqsave(&queue->lock, flags);
	empty = !waitqueue_active(queue);
	spin_unlock_irqrestore(&queue->lock, flags);
	return empty;
}
