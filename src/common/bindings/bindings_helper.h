/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads for the bindings of what the modules share: the declarations that those of the
 * kernel crate lack. common.mk says which names are taken.
 */

#include <linux/fs.h>
#include <linux/proc_fs.h>
#include <linux/string_helpers.h>

#include "../helpers/helpers.h"

static const fmode_t COMMON_FMODE_NOWAIT = FMODE_NOWAIT;
static const int COMMON_IOCB_NOWAIT = IOCB_NOWAIT;
static const unsigned int COMMON_ESCAPE = ESCAPE_SPACE | ESCAPE_HEX | ESCAPE_NAP;
