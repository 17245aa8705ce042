// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/jitimer_original: the "just in timer" the way books have it, with today's names, to compare
 * jitimer with. Its faults are the point: the callback formats text, in softirq context, into the
 * seq_file of a reader that may be gone; and a reader that is interrupted forgets the timer and what
 * it allocated. Not for use.
 */

#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/timer.h>

static int loops = 5;
module_param(loops, int, 0);
MODULE_PARM_DESC(loops, "lines by the timer");

static int tdelay = 10;
module_param(tdelay, int, 0);
MODULE_PARM_DESC(tdelay, "jiffies from one line to the next");

static char *name = "jitimer_original";
module_param(name, charp, 0);
MODULE_PARM_DESC(name, "of the file in /proc");

struct jit_data {
	struct timer_list timer;
	struct seq_file *m;
	wait_queue_head_t wait;
	unsigned long prevjiffies;
	int loops;
};

static void jit_line(struct jit_data *data, unsigned long j)
{
	seq_printf(data->m, "%9li  %3li     %i    %6i   %i   %s\n", j, j - data->prevjiffies,
		   in_interrupt() ? 1 : 0, current->pid, raw_smp_processor_id(), current->comm);
}

static void jit_timer_fn(struct timer_list *t)
{
	struct jit_data *data = timer_container_of(data, t, timer);
	unsigned long j = jiffies;

	jit_line(data, j);
	if (--data->loops) {
		data->timer.expires += tdelay;
		data->prevjiffies = j;
		add_timer(&data->timer);
	} else {
		wake_up_interruptible(&data->wait);
	}
}

static int jit_timer_show(struct seq_file *m, void *v)
{
	unsigned long j = jiffies;
	struct jit_data *data = kzalloc(sizeof(*data), GFP_KERNEL);

	if (!data)
		return -ENOMEM;
	timer_setup(&data->timer, jit_timer_fn, 0);
	init_waitqueue_head(&data->wait);
	data->m = m;

	seq_puts(m, "   time   delta  inirq    pid   cpu command\n");
	data->prevjiffies = j;
	jit_line(data, j);

	data->loops = loops;
	data->timer.expires = j + tdelay;
	if (loops)
		add_timer(&data->timer);

	wait_event_interruptible(data->wait, !data->loops);
	if (signal_pending(current))
		return -ERESTARTSYS;
	kfree(data);
	return 0;
}

static int __init jit_init(void)
{
	return proc_create_single(name, 0444, NULL, jit_timer_show) ? 0 : -ENOMEM;
}

static void __exit jit_exit(void)
{
	remove_proc_entry(name, NULL);
}

module_init(jit_init);
module_exit(jit_exit);
MODULE_DESCRIPTION("The just in timer of books, with its faults, to compare jitimer with");
MODULE_AUTHOR("The jitimer authors");
MODULE_LICENSE("GPL");
