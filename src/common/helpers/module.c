// SPDX-License-Identifier: GPL-2.0

#include <linux/module.h>

#include "helpers.h"

/* Unlike with module_is_live(), loading must be over, too. */
bool common_helper_module_is_loaded(const struct module *mod)
{
	return READ_ONCE(mod->state) == MODULE_STATE_LIVE;
}
