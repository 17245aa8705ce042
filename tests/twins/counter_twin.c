// SPDX-License-Identifier: GPL-2.0
/*
 * samples/counter.rs in C, as small as it gets.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/uio.h>

#include "../../src/common/helpers/helpers.h"
#include "fault_in.h"
#include "param.h"
#include "rearm.h"

range_param(period_ms, 0444, 200, 1, 86400000);
MODULE_PARM_DESC(period_ms, "milliseconds from one increment to the next (default 200)");

static struct timer_list timer;
static unsigned long period;
static atomic_long_t count;
static struct proc_dir_entry *entry;

static void counter_expired(struct timer_list *t)
{
	atomic_long_add(1 + timer_rearm(t, period), &count);
}

static int counter_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%lu\n", atomic_long_read(&count));
	return 0;
}

static int counter_open(struct inode *inode, struct file *file)
{
	/* Loading can fail yet, and then nobody who has a reference is waited for. */
	if (!common_helper_module_is_loaded(THIS_MODULE))
		return -ENOENT;
	return single_open(file, counter_show, NULL);
}

/* Unloading waits for it, so it must not wait for a page. */
static ssize_t counter_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	ssize_t total = 0, ret;

	while (iov_iter_count(to)) {
		ret = common_helper_seq_read_iter_nofault(iocb, to);
		if (ret == -EFAULT) {
			ret = fault_in(to);
			if (!ret)
				continue;
		}
		if (ret <= 0)
			return total ? total : ret;
		total += ret;
	}
	return total;
}

static const struct proc_ops counter_proc_ops = {
	.proc_open = counter_open,
	.proc_read_iter = counter_read_iter,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static int __init counter_init(void)
{
	/* procfs itself says WARN to a name that is taken. */
	if (!common_helper_proc_exists("jitcounter")) {
		entry = proc_create("jitcounter", 0444, NULL, &counter_proc_ops);
		if (entry) {
			period = msecs_to_jiffies(READ_ONCE(period_ms.value));
			timer_setup(&timer, counter_expired, 0);
			mod_timer(&timer, jiffies + period);
			return 0;
		}
		if (!common_helper_proc_exists("jitcounter"))
			return -ENOMEM;
	}
	pr_err("/proc/jitcounter is there already; unload the module that has made it first\n");
	return -EEXIST;
}

static void __exit counter_exit(void)
{
	proc_remove(entry);
	timer_shutdown_sync(&timer);
}

module_init(counter_init);
module_exit(counter_exit);
MODULE_DESCRIPTION("counter in C, to compare it with");
MODULE_AUTHOR("The jitimer authors");
MODULE_LICENSE("GPL");
