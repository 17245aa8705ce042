/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the C twins of the modules have for common::module_param.
 */

#ifndef _TWINS_PARAM_H
#define _TWINS_PARAM_H

#include <linux/errno.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <linux/string_helpers.h>

/* A module parameter: a number from a range. */
struct param_range {
	unsigned int value;
	unsigned int min;
	unsigned int max;
};

static int range_set(const char *val, const struct kernel_param *kp)
{
	const struct param_range *range = kp->arg;

	if (!param_set_uint_minmax(val, kp, range->min, range->max))
		return 0;
	pr_err("%s: invalid value '%*pE': it must be a number from %u to %u\n", kp->name,
	       (int)strcspn(val, "\n"), val, range->min, range->max);
	return -EINVAL;
}

static const struct kernel_param_ops range_ops = {
	.set = range_set,
	.get = param_get_uint,
};

#define range_param(name, mode, ...)					\
	static struct param_range name = { __VA_ARGS__ };		\
	__MODULE_PARM_TYPE(name, "uint");				\
	module_param_cb(name, &range_ops, &name, mode)

#endif
