// SPDX-License-Identifier: GPL-2.0
/*
 * What the compiler calls at each place of a module's code. Each module has its own, which comes
 * before the kernel's: that one is for tasks that ask for it, and so sees no callback.
 */

#include <linux/instruction_pointer.h>
#include "coverage.h"

void __sanitizer_cov_trace_pc(void);

void notrace __sanitizer_cov_trace_pc(void)
{
	static struct ktimer_coverage *coverage;
	bool init = !within_module_mem_type(_RET_IP_, THIS_MODULE, MOD_TEXT);
	void *base = THIS_MODULE->mem[init ? MOD_INIT_TEXT : MOD_TEXT].base;
	unsigned long at = _RET_IP_ - (unsigned long)base;
	unsigned long *bits;

	/* Whoever comes first; all find the same. */
	if (!READ_ONCE(coverage))
		WRITE_ONCE(coverage, ktimer_coverage_of(THIS_MODULE));
	bits = init ? coverage->init_text : coverage->text;
	BUG_ON(at >= KTIMER_COVERAGE_SIZE);
	if (!test_bit(at, bits))
		set_bit(at, bits);
}
