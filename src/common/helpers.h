/* SPDX-License-Identifier: GPL-2.0 */
/* C macros and inline functions that the modules' shared code calls: see helpers.c. */

#ifndef _COMMON_HELPERS_H
#define _COMMON_HELPERS_H

#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/sched.h>
#include <linux/uio.h>
#include <linux/wait.h>

bool common_helper_in_interrupt(void);
bool common_helper_in_atomic(void);
bool common_helper_in_softirq(void);
bool common_helper_in_serving_softirq(void);
bool common_helper_in_hardirq(void);
unsigned int common_helper_preempt_count(void);
bool common_helper_irqs_disabled(void);
pid_t common_helper_current_pid_in(struct pid_namespace *ns);
void common_helper_current_comm(char buf[TASK_COMM_LEN]);
void *common_helper_pde_data(const struct inode *inode);
size_t common_helper_iov_iter_count(const struct iov_iter *iter);
void common_helper_tasklet_schedule(struct tasklet_struct *t);
void common_helper_tasklet_hi_schedule(struct tasklet_struct *t);
u64 common_helper_get_jiffies_64(void);
bool common_helper_wait_queue_is_empty(struct wait_queue_head *queue);

#endif
