// SPDX-License-Identifier: GPL-2.0
/*
 * C macros and inline functions that the modules' shared code calls. Rust can't expand them, so each
 * gets a function here, named after it.
 */

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/hardirq.h>
#include <linux/interrupt.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/pid_namespace.h>
#include <linux/preempt.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/sched/coredump.h>
#if __has_include(<linux/sched/exec_state.h>)
#include <linux/sched/exec_state.h>
#endif
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <linux/uio.h>
#include <linux/wait.h>

#include "helpers.h"

bool common_helper_in_interrupt(void)
{
	return in_interrupt();
}

bool common_helper_in_atomic(void)
{
	return in_atomic();
}

bool common_helper_in_softirq(void)
{
	return in_softirq();
}

bool common_helper_in_serving_softirq(void)
{
	return in_serving_softirq();
}

bool common_helper_in_hardirq(void)
{
	return in_hardirq();
}

unsigned int common_helper_preempt_count(void)
{
	return preempt_count();
}

bool common_helper_irqs_disabled(void)
{
	return irqs_disabled();
}

pid_t common_helper_current_pid_in(struct pid_namespace *ns)
{
	pid_t pid = task_pid_nr_ns(current, ns);

	/* For idle tasks, and for those that the namespace can't see, that is 0. */
	return pid || (is_idle_task(current) && ns == &init_pid_ns) ? pid : -1;
}

void common_helper_current_comm(char buf[TASK_COMM_LEN])
{
	/* get_task_comm() wants an array, and a parameter is a pointer. */
	strscpy_pad(buf, current->comm, TASK_COMM_LEN);
}

void *common_helper_pde_data(const struct inode *inode)
{
	return pde_data(inode);
}

void common_helper_tasklet_schedule(struct tasklet_struct *t)
{
	tasklet_schedule(t);
}

void common_helper_tasklet_hi_schedule(struct tasklet_struct *t)
{
	tasklet_hi_schedule(t);
}

u64 common_helper_get_jiffies_64(void)
{
	return get_jiffies_64();
}

bool common_helper_module_is_live(const struct module *mod)
{
	return READ_ONCE(mod->state) == MODULE_STATE_LIVE;
}

/* wait_event_interruptible_timeout() on a queue, and on another one if that is not null. */
long common_helper_wait_event_on_two(struct wait_queue_head *queue, struct wait_queue_head *other,
				     bool (*condition)(const void *data), const void *data,
				     long timeout)
{
	DECLARE_WAITQUEUE(entry, current);
	long left;

	if (other)
		add_wait_queue(other, &entry);
	left = wait_event_interruptible_timeout(*queue, condition(data), timeout);
	if (other)
		remove_wait_queue(other, &entry);
	return left;
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

/*
 * Whether procfs has that name, wherever it is mounted and whatever the caller sees of it: the name
 * is looked up in a mount of its own, as uml_mconsole does.
 */
bool common_helper_proc_exists(const char *name)
{
	struct file_system_type *type = get_fs_type("proc");
	struct vfsmount *mnt;
	struct path path;
	bool exists;

	mnt = type ? kern_mount(type) : ERR_PTR(-ENODEV);
	if (IS_ERR(mnt))
		return false;
	exists = !vfs_path_lookup(mnt->mnt_root, mnt, name, 0, &path);
	if (exists)
		path_put(&path);
	kern_unmount(mnt);
	return exists;
}

/* What has_pid_permissions() says for all tasks, of the current one that opens a file. */
bool common_helper_proc_shows_all_tasks(const struct file *file)
{
	const struct proc_fs_info *fs_info = proc_sb_info(file_inode(file)->i_sb);

	if (fs_info->hide_pid == HIDEPID_OFF)
		return true;
	if (fs_info->hide_pid != HIDEPID_NOT_PTRACEABLE && in_group_p(fs_info->pid_gid))
		return true;
	return ns_capable_noaudit(&init_user_ns, CAP_SYS_PTRACE);
}

/*
 * What ptrace_may_access() says of the current task to one with these credentials and no capability.
 * That one takes locks. Here the task is the one that this code runs in, or has interrupted, so it
 * changes nothing meanwhile.
 */
bool common_helper_current_is_visible_to(const struct cred *viewer)
{
	const struct cred *cred;
	bool visible;

	rcu_read_lock();
	cred = __task_cred(current);
	visible = uid_eq(viewer->fsuid, cred->euid) && uid_eq(viewer->fsuid, cred->suid) &&
		  uid_eq(viewer->fsuid, cred->uid) && gid_eq(viewer->fsgid, cred->egid) &&
		  gid_eq(viewer->fsgid, cred->sgid) && gid_eq(viewer->fsgid, cred->gid) &&
		  viewer->user_ns == cred->user_ns &&
		  cap_issubset(cred->cap_permitted, viewer->cap_effective);
#if __has_include(<linux/sched/exec_state.h>)
	visible = visible && rcu_dereference(current->exec_state)->dumpable == TASK_DUMPABLE_OWNER;
#else
	visible = visible && (!current->mm || get_dumpable(current->mm) == SUID_DUMP_USER);
#endif
	rcu_read_unlock();
	return visible;
}
