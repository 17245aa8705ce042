// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps which places of other modules' code were reached, for scripts/kcov.py, whatever task or
 * interrupt reached them, and when a module is unloaded, too: in
 * /sys/kernel/debug/ktimer_coverage, which is an array of struct ktimer_coverage.
 */

#include <linux/debugfs.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include "coverage.h"

static struct ktimer_coverage modules[16];
static DEFINE_RAW_SPINLOCK(lock);
static struct debugfs_blob_wrapper blob = { modules, sizeof(modules) };

/* Where to keep that for a module. It stays there. */
struct ktimer_coverage *ktimer_coverage_of(const struct module *module)
{
	struct ktimer_coverage *found = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	for (int i = 0; !found && i < ARRAY_SIZE(modules); i++) {
		if (!modules[i].module[0])
			strscpy(modules[i].module, module->name);
		if (!strcmp(modules[i].module, module->name))
			found = &modules[i];
	}
	raw_spin_unlock_irqrestore(&lock, flags);
	BUG_ON(!found);
	return found;
}
EXPORT_SYMBOL_GPL(ktimer_coverage_of);

static struct dentry *file;

static int __init ktimer_coverage_init(void)
{
	file = debugfs_create_blob("ktimer_coverage", 0400, NULL, &blob);
	return PTR_ERR_OR_ZERO(file);
}

static void __exit ktimer_coverage_exit(void)
{
	debugfs_remove(file);
}

module_init(ktimer_coverage_init);
module_exit(ktimer_coverage_exit);

MODULE_AUTHOR("The jitimer authors");
MODULE_DESCRIPTION("Keeps which places of other modules' code were reached");
MODULE_LICENSE("GPL");
