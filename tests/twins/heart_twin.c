// SPDX-License-Identifier: GPL-2.0
/*
 * samples/template in C, as small as it gets.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/module.h>

#include "rearm.h"

static struct timer_list beat;
static atomic_long_t count;

static void heart_beats(struct timer_list *t)
{
	atomic_long_add(1 + timer_rearm(t, HZ), &count);
}

static int __init heart_init(void)
{
	timer_setup(&beat, heart_beats, 0);
	mod_timer(&beat, jiffies + HZ);
	return 0;
}

static void __exit heart_exit(void)
{
	pr_info("%lu beats\n", atomic_long_read(&count));
	timer_shutdown_sync(&beat);
}

module_init(heart_init);
module_exit(heart_exit);
MODULE_DESCRIPTION("The template's heart in C, to compare it with");
MODULE_AUTHOR("The jitimer authors");
MODULE_LICENSE("GPL");
