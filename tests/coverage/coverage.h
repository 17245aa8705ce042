/* SPDX-License-Identifier: GPL-2.0 */

#include <linux/bitmap.h>
#include <linux/module.h>

/* How much code a module may have, in bytes. */
#define KTIMER_COVERAGE_SIZE (1 << 18)

/* What was reached of a module's code: a bit for each byte of its code, and of that of its init. */
struct ktimer_coverage {
	char module[MODULE_NAME_LEN];
	DECLARE_BITMAP(text, KTIMER_COVERAGE_SIZE);
	DECLARE_BITMAP(init_text, KTIMER_COVERAGE_SIZE);
};

struct ktimer_coverage *ktimer_coverage_of(const struct module *module);
