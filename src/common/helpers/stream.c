// SPDX-License-Identifier: GPL-2.0

#include <linux/seq_file.h>

#include "helpers.h"

/* How much there is room for, which is nothing if something did not fit. */
size_t common_helper_seq_room(struct seq_file *m)
{
	char *buf;

	return seq_get_buf(m, &buf);
}
