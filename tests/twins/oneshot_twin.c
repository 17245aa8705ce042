// SPDX-License-Identifier: GPL-2.0
/*
 * samples/oneshot.rs in C, as small as it gets.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/timer.h>

#include "param.h"

range_param(delay_ms, 0444, 5000, 1, 86400000);
MODULE_PARM_DESC(delay_ms, "milliseconds from loading to the line (default 5000)");

static struct timer_list timer;
static unsigned int waited_ms;

static void oneshot_expired(struct timer_list *t)
{
	pr_alert("This line is printed after %u ms.\n", waited_ms);
}

static int __init oneshot_init(void)
{
	pr_alert("Initializing a module with timer.\n");
	waited_ms = READ_ONCE(delay_ms.value);
	timer_setup(&timer, oneshot_expired, 0);
	mod_timer(&timer, jiffies + msecs_to_jiffies(waited_ms));
	return 0;
}

static void __exit oneshot_exit(void)
{
	pr_alert("Goodbye, cruel world!\n");
	timer_shutdown_sync(&timer);
}

module_init(oneshot_init);
module_exit(oneshot_exit);
MODULE_DESCRIPTION("oneshot in C, to compare it with");
MODULE_AUTHOR("The jitimer authors");
MODULE_LICENSE("GPL");
