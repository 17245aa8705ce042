// SPDX-License-Identifier: GPL-2.0

#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "helpers.h"

ssize_t common_helper_seq_read_iter_nofault(struct kiocb *iocb, struct iov_iter *iter)
{
	ssize_t ret;

	pagefault_disable();
	ret = seq_read_iter(iocb, iter);
	pagefault_enable();
	return ret;
}

/*
 * Has the byte there at which a copy with page faults disabled has just failed, by writing it: after
 * that the copy succeeds, whatever the architecture leaves to a fault (dirty bits, tags). False if it
 * can't be written, or the task is to die.
 */
bool common_helper_fault_in_next_byte(const struct iov_iter *iter)
{
	return !fatal_signal_pending(current) && user_backed_iter(iter) &&
	       !fault_in_subpage_writeable(iter_iov_addr(iter), 1);
}
