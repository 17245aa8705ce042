/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C macros and inline functions that the modules' shared code calls. Rust can't expand them, so each
 * gets a function in this folder, named after it. A module links the files that it calls something
 * of, so what most modules call is apart from what few do.
 */

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
void *common_helper_pde_data(const struct inode *inode);
void common_helper_tasklet_schedule(struct tasklet_struct *t);
void common_helper_tasklet_hi_schedule(struct tasklet_struct *t);
u64 common_helper_get_jiffies_64(void);
bool common_helper_module_is_loaded(const struct module *mod);
bool common_helper_wq_has_sleeper(struct wait_queue_head *wq_head);
long common_helper_wait_event_on_two(struct wait_queue_head *queue, struct wait_queue_head *other,
				     bool (*condition)(const void *data), const void *data,
				     long timeout);
size_t common_helper_seq_room(struct seq_file *m);
size_t common_helper_iov_iter_count(const struct iov_iter *iter);
ssize_t common_helper_seq_read_iter_nofault(struct kiocb *iocb, struct iov_iter *iter);
bool common_helper_fault_in_next_byte(const struct iov_iter *iter);
bool common_helper_proc_exists(const char *name);
bool common_helper_proc_shows_all_tasks(const struct file *file);
kuid_t common_helper_charged_user(const struct cred *cred);
pid_t common_helper_current_task(struct pid_namespace *ns, const struct cred *own_only,
				 char comm[TASK_COMM_LEN]);

void common_helper_kunit_mark_skipped(const char *why);

#endif
