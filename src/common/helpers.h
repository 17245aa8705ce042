/* SPDX-License-Identifier: GPL-2.0 */
/* C macros and inline functions that the modules' shared code calls: see helpers.c. */

#ifndef _COMMON_HELPERS_H
#define _COMMON_HELPERS_H

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/module.h>
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
void common_helper_tasklet_schedule(struct tasklet_struct *t);
void common_helper_tasklet_hi_schedule(struct tasklet_struct *t);
u64 common_helper_get_jiffies_64(void);
bool common_helper_module_is_live(const struct module *mod);
long common_helper_wait_event_on_two(struct wait_queue_head *queue, struct wait_queue_head *other,
				     bool (*condition)(const void *data), const void *data,
				     long timeout);
ssize_t common_helper_seq_read_iter_nofault(struct kiocb *iocb, struct iov_iter *iter);
bool common_helper_fault_in_iov_iter_nowait(const struct iov_iter *iter);
bool common_helper_proc_exists(const char *name);
bool common_helper_proc_shows_all_tasks(const struct file *file);
bool common_helper_current_is_visible_to(const struct cred *viewer);

#endif
