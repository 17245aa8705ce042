// SPDX-License-Identifier: GPL-2.0

#include <kunit/test-bug.h>
#include <kunit/test.h>

#include "helpers.h"

/* Only where there is KUnit is there something that calls it. */
#if IS_ENABLED(CONFIG_KUNIT)
void common_helper_kunit_mark_skipped(const char *why)
{
	struct kunit *test = kunit_get_current_test();

	if (test)
		kunit_mark_skipped(test, "%s", why);
}
#endif
