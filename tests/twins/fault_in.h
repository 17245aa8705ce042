/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the C twins have for fault_in() of src/common/proc_fs.rs.
 */

#ifndef _TWINS_FAULT_IN_H
#define _TWINS_FAULT_IN_H

#include <linux/errno.h>
#include <linux/module.h>

#include "../../src/common/helpers/helpers.h"

/*
 * Has the byte there that is to be read to next; meanwhile with a reference to the module, so that
 * unloading need not wait for a page that never comes.
 */
static int fault_in(const struct iov_iter *to)
{
	int ret;

	if (!try_module_get(THIS_MODULE))
		return -EIO;
	ret = common_helper_fault_in_next_byte(to) ? 0 : -EFAULT;
	module_put(THIS_MODULE);
	return ret;
}

#endif
