// SPDX-License-Identifier: GPL-2.0

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "helpers.h"

/* How much there is room for, which is nothing if something did not fit. */
size_t common_helper_seq_room(struct seq_file *m)
{
	char *buf;

	return seq_get_buf(m, &buf);
}

ssize_t common_helper_seq_read_iter_nofault(struct kiocb *iocb, struct iov_iter *iter)
{
	ssize_t ret;

	pagefault_disable();
	ret = seq_read_iter(iocb, iter);
	pagefault_enable();
	return ret;
}

/* As fault_in_iov_iter_writeable() of the next byte, but false if that takes waiting, or fails. */
bool common_helper_fault_in_iov_iter_nowait(const struct iov_iter *iter)
{
	struct page *page;

	if (!user_backed_iter(iter) ||
	    get_user_pages_unlocked((unsigned long)iter_iov_addr(iter), 1, &page,
				    FOLL_WRITE | FOLL_NOWAIT) != 1)
		return false;
	put_page(page);
	return true;
}
