// SPDX-License-Identifier: GPL-2.0

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/coredump.h>
#if __has_include(<linux/sched/exec_state.h>)
#include <linux/sched/exec_state.h>
#endif
#include <linux/string.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "helpers.h"

/* Whether a namespace has all tasks that the current one's has: it is that, or one around it. */
static bool has_all_tasks(const struct pid_namespace *ns)
{
	const struct pid_namespace *mine = task_active_pid_ns(current);

	while (mine && mine != ns)
		mine = mine->parent;
	return mine;
}

/*
 * What has_pid_permissions() says for all tasks, of the current one that opens a file. A /proc of
 * another namespace, which any user can mount, does not have them all, and its options say nothing.
 */
bool common_helper_proc_shows_all_tasks(const struct file *file)
{
	const struct proc_fs_info *fs_info = proc_sb_info(file_inode(file)->i_sb);
	bool in_group = fs_info->hide_pid != HIDEPID_NOT_PTRACEABLE && in_group_p(fs_info->pid_gid);

	if ((fs_info->hide_pid == HIDEPID_OFF || in_group) && has_all_tasks(fs_info->pid_ns))
		return true;
	return ns_capable_noaudit(&init_user_ns, CAP_SYS_PTRACE);
}

/*
 * Who is charged for what one with these credentials takes: in a user namespace, which may have many
 * users of one who is a single one outside, that is who has made it.
 */
kuid_t common_helper_charged_user(const struct cred *cred)
{
	const struct user_namespace *ns;
	kuid_t uid = cred->euid;

	for (ns = cred->user_ns; ns != &init_user_ns; ns = ns->parent)
		uid = ns->owner;
	return uid;
}

/* What ns_capable() says to one with these credentials. */
static bool may_trace_all_of(const struct cred *viewer, const struct user_namespace *ns)
{
	for (; ns->level > viewer->user_ns->level; ns = ns->parent)
		if (ns->parent == viewer->user_ns && uid_eq(ns->owner, viewer->euid))
			return true;
	return ns == viewer->user_ns && cap_raised(viewer->cap_effective, CAP_SYS_PTRACE);
}

/*
 * What ptrace_may_access() says of the current task to one with these credentials, but for a task that
 * can't be dumped, which no capability shows (not even the viewer's own), and for what security modules
 * say. That one takes locks. Here the task is the one that this code runs in, or has interrupted, so it
 * changes nothing meanwhile.
 */
static bool current_is_visible_to(const struct cred *viewer)
{
	const struct cred *cred;
	bool visible;

	rcu_read_lock();
	cred = __task_cred(current);
	visible = may_trace_all_of(viewer, cred->user_ns) ||
		  (uid_eq(viewer->fsuid, cred->euid) && uid_eq(viewer->fsuid, cred->suid) &&
		   uid_eq(viewer->fsuid, cred->uid) && gid_eq(viewer->fsgid, cred->egid) &&
		   gid_eq(viewer->fsgid, cred->sgid) && gid_eq(viewer->fsgid, cred->gid) &&
		   viewer->user_ns == cred->user_ns &&
		   cap_issubset(cred->cap_permitted, viewer->cap_effective));
#if __has_include(<linux/sched/exec_state.h>)
	visible = visible && rcu_dereference(current->exec_state)->dumpable == TASK_DUMPABLE_OWNER;
#else
	visible = visible && (!current->mm || get_dumpable(current->mm) == SUID_DUMP_USER);
#endif
	rcu_read_unlock();
	return visible;
}

/*
 * The number of the current task, as a namespace calls it, and its name; -1 if the namespace, or one
 * who may see its own tasks only, can't see it.
 */
pid_t common_helper_current_task(struct pid_namespace *ns, const struct cred *own_only,
				 char comm[TASK_COMM_LEN])
{
	pid_t pid;

	if (own_only && !current_is_visible_to(own_only))
		return -1;
	pid = task_pid_nr_ns(current, ns);
	/* For idle tasks, and for those that the namespace can't see, that is 0. */
	if (!pid && !(is_idle_task(current) && ns == &init_pid_ns))
		return -1;
	/* get_task_comm() wants an array, and a parameter is a pointer. */
	strscpy_pad(comm, current->comm, TASK_COMM_LEN);
	return pid;
}
