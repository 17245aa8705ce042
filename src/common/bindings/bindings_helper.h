/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads for the bindings of what the modules share: the declarations that those of the
 * kernel crate lack. common.mk says which names are taken.
 */

#include <linux/proc_fs.h>

#include "../helpers.h"
