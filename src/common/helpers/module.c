// SPDX-License-Identifier: GPL-2.0

#include <linux/module.h>

#include "helpers.h"

bool common_helper_module_is_live(const struct module *mod)
{
	return READ_ONCE(mod->state) == MODULE_STATE_LIVE;
}
