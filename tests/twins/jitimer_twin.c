// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/jitimer in C, as a kernel developer would write it: what jitimer is compared with. It does all
 * that jitimer does, and passes the same tests. The functions of src/common/helpers that are more than
 * a macro are C there, too, and the same ones here.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/hardirq.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pid_namespace.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/uidgid.h>
#include <linux/uio.h>
#include <linux/wait.h>

#include "../../src/common/helpers/helpers.h"
#include "fault_in.h"
#include "param.h"

/* How many samples are kept for a reader that does not fetch them. */
#define KEPT 256

/* The largest delay that the timer wheel does not shorten. */
#define TIMER_MAX ((63U << (HZ > 100 ? 24 : 21)) - 1)

range_param(tdelay, 0644, 10, 1, TIMER_MAX);
MODULE_PARM_DESC(tdelay, "jiffies between lines, rounded up by the timer wheel (default 10)");

range_param(count, 0644, 5, 0, UINT_MAX);
MODULE_PARM_DESC(count, "lines by the timer, after the reader's own; 0: no end (default 5)");

range_param(readers, 0644, 1024, 1, 65536);
MODULE_PARM_DESC(readers, "readers at once, half of them of one user (default 1024)");

struct sample {
	unsigned long time;
	/* For a task that the reader can't see, 0 and "-". */
	pid_t pid;
	char comm[TASK_COMM_LEN];
	u16 cpu;
	bool in_interrupt;
};

/* An open file. */
struct reader {
	struct timer_list timer;
	/* It expires at the tick after. */
	unsigned long delay;

	/* Who opened the file, with the credentials if it sees its own tasks only. */
	struct pid_namespace *ns;
	const struct cred *own_only;
	kuid_t uid;

	/* Protects what was taken, and the ring. */
	spinlock_t lock;
	wait_queue_head_t wait;
	u64 taken;
	u64 limit;

	/* Protects what is being read. */
	struct mutex mutex;
	u64 number;
	u64 lost;
	loff_t offset;
	loff_t length;
	bool reading;
	bool begun;
	/* Whether it has a reference to the module, for those who poll it. */
	bool held;
	unsigned long before;
	struct sample sample;

	/* The sample with the number n is at n modulo the size. */
	unsigned int size;
	struct sample ring[] __counted_by(size);
};

/* The users who have the file open. */
struct jit_user {
	kuid_t uid;
	unsigned int readers;
};

static DEFINE_MUTEX(users_lock);
static struct jit_user *users;
static unsigned int users_count, users_size, users_readers;

static bool unloading;
static DECLARE_WAIT_QUEUE_HEAD(unload_wait);

static int user_get(kuid_t uid)
{
	unsigned int most = READ_ONCE(readers.value);
	struct jit_user *user, *end;

	guard(mutex)(&users_lock);
	end = users + users_count;
	for (user = users; user < end && !uid_eq(user->uid, uid); user++)
		;
	if ((users_readers >= most || (user < end && user->readers >= max(most / 2, 1))) &&
	    !capable(CAP_SYS_RESOURCE))
		return -EBUSY;
	if (user == end) {
		if (users_count == users_size) {
			user = krealloc_array(users, users_size + 4, sizeof(*users), GFP_KERNEL);
			if (!user)
				return -ENOMEM;
			users = user;
			users_size += 4;
		}
		user = users + users_count++;
		*user = (struct jit_user){ .uid = uid };
	}
	user->readers++;
	users_readers++;
	return 0;
}

static void user_put(kuid_t uid)
{
	struct jit_user *user;

	guard(mutex)(&users_lock);
	for (user = users; !uid_eq(user->uid, uid); user++)
		;
	users_readers--;
	if (!--user->readers)
		*user = users[--users_count];
}

static void take_sample(const struct reader *r, struct sample *sample)
{
	sample->time = jiffies;
	sample->in_interrupt = in_interrupt();
	sample->cpu = raw_smp_processor_id();
	sample->pid = common_helper_current_task(r->ns, r->own_only, sample->comm);
	if (sample->pid < 0) {
		sample->pid = 0;
		strscpy_pad(sample->comm, "-");
	}
}

/* Returns whether there are more to be taken. */
static bool add_sample(struct reader *r, const struct sample *sample)
{
	r->ring[r->taken++ % r->size] = *sample;
	return r->taken < r->limit;
}

static void jitimer_expired(struct timer_list *t)
{
	struct reader *r = timer_container_of(r, t, timer);
	struct sample sample;
	bool more;

	take_sample(r, &sample);
	spin_lock(&r->lock);
	more = add_sample(r, &sample);
	spin_unlock(&r->lock);
	if (wq_has_sleeper(&r->wait))
		wake_up_all(&r->wait);
	if (more)
		mod_timer(&r->timer, sample.time + r->delay);
}

/* Whether a read would not have to wait: the first sample is taken by the reader. */
static bool is_ready(struct reader *r, u64 number)
{
	guard(spinlock_bh)(&r->lock);
	return number < r->taken || !r->taken || r->taken == r->limit;
}

struct wanted {
	struct reader *r;
	u64 number;
};

static bool is_ready_or_unloading(const void *data)
{
	const struct wanted *wanted = data;

	return READ_ONCE(unloading) || is_ready(wanted->r, wanted->number);
}

/* Waits for the sample with that number; 0 is the end, 1 that it is there. */
static int wait_for_sample(struct reader *r, u64 number, bool nonblocking)
{
	struct wanted wanted = { r, number };
	struct sample first;
	long left;

	if (!number) {
		take_sample(r, &first);
		spin_lock_bh(&r->lock);
		if (!r->taken && add_sample(r, &first))
			mod_timer(&r->timer, first.time + r->delay);
		spin_unlock_bh(&r->lock);
	}
	if (!nonblocking) {
		left = common_helper_wait_event_on_two(&unload_wait, &r->wait, is_ready_or_unloading,
						       &wanted, MAX_SCHEDULE_TIMEOUT);
		if (left < 0)
			return left;
		if (READ_ONCE(unloading) && !is_ready(r, number))
			return -ENODEV;
	}
	guard(spinlock_bh)(&r->lock);
	if (number < r->taken)
		return 1;
	return r->taken == r->limit ? 0 : -EAGAIN;
}

/* Takes the next sample out of the ring, unless another reader has. */
static void begin_sample(struct reader *r)
{
	u64 oldest;

	guard(spinlock_bh)(&r->lock);
	if (r->number >= r->taken)
		return;
	oldest = r->taken > r->size ? r->taken - r->size : 0;
	r->lost = oldest > r->number ? oldest - r->number : 0;
	r->sample = r->ring[(r->number + r->lost) % r->size];
	r->reading = true;
}

static int jitimer_show(struct seq_file *m, void *v)
{
	struct reader *r = m->private;
	struct sample *sample = &r->sample;
	size_t begin = m->count;

	if (!r->begun)
		seq_puts(m, "   time   delta  inirq    pid   cpu command\n");
	if (r->lost)
		seq_printf(m, "# %llu lost\n", r->lost);
	seq_printf(m, "%9lu  %3ld     %u    %6d   %u   ", sample->time,
		   r->begun ? sample->time - r->before : 0, sample->in_interrupt,
		   sample->pid, sample->cpu);
	seq_escape_mem(m, sample->comm, strlen(sample->comm),
		       ESCAPE_SPACE | ESCAPE_HEX | ESCAPE_NAP, NULL);
	seq_putc(m, '\n');
	r->length = m->count - begin;
	return 0;
}

/* All that the file has, to seq_file, is the sample that is being read. */
static void *jitimer_start(struct seq_file *m, loff_t *index)
{
	return *index ? NULL : m;
}

static void *jitimer_next(struct seq_file *m, void *v, loff_t *index)
{
	*index = 1;
	return NULL;
}

static void jitimer_stop(struct seq_file *m, void *v)
{
}

static const struct seq_operations jitimer_seq_ops = {
	.start = jitimer_start,
	.next = jitimer_next,
	.stop = jitimer_stop,
	.show = jitimer_show,
};

/* Reads some of what there is, or comes. */
static ssize_t read_some(struct reader *r, struct kiocb *iocb, struct iov_iter *to, bool nonblocking)
{
	ssize_t ret;
	u64 number;

	mutex_lock(&r->mutex);
	while (!r->reading) {
		number = r->number;
		mutex_unlock(&r->mutex);
		ret = wait_for_sample(r, number, nonblocking);
		if (ret <= 0)
			return ret;
		mutex_lock(&r->mutex);
		/* Unless another reader has, or reads it. */
		if (r->number == number && !r->reading)
			begin_sample(r);
	}
	/* Where the last read ended, or 0 for what is to be shown anew. */
	iocb->ki_pos = r->offset;
	ret = common_helper_seq_read_iter_nofault(iocb, to);
	if (ret > 0)
		r->offset += ret;
	if (ret >= 0 && r->offset == r->length) {
		r->number += r->lost + 1;
		r->offset = 0;
		r->before = r->sample.time;
		r->begun = true;
		r->reading = false;
	}
	mutex_unlock(&r->mutex);
	return ret;
}

static ssize_t jitimer_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *file = iocb->ki_filp;
	struct seq_file *m = file->private_data;
	bool nonblocking = file->f_flags & O_NONBLOCK || iocb->ki_flags & IOCB_NOWAIT;
	ssize_t total = 0, ret;

	while (iov_iter_count(to)) {
		ret = read_some(m->private, iocb, to, nonblocking || total);
		if (ret == -EFAULT) {
			ret = fault_in(to);
			if (!ret)
				continue;
		}
		if (ret > 0) {
			total += ret;
			continue;
		}
		/* What was read comes first, and the end when the module goes. */
		if (!ret || ret == -EIO || total || READ_ONCE(unloading))
			break;
		return ret;
	}
	return total;
}

static __poll_t jitimer_poll(struct file *file, struct poll_table_struct *table)
{
	struct seq_file *m = file->private_data;
	struct reader *r = m->private;

	guard(mutex)(&r->mutex);
	/* Whoever is on the queue keeps the file open, and that the module from now on. */
	if (!r->held)
		r->held = try_module_get(THIS_MODULE);
	if (!r->held)
		return EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLHUP;
	poll_wait(file, &r->wait, table);
	/* What is read in part is still the sample with that number. */
	return is_ready(r, r->number) ? EPOLLIN | EPOLLRDNORM : 0;
}

static int jitimer_open(struct inode *inode, struct file *file)
{
	unsigned int taken = READ_ONCE(count.value);
	u64 limit = taken ? (u64)taken + 1 : U64_MAX;
	unsigned int size = min(limit, KEPT);
	struct reader *r;
	kuid_t uid;
	int err;

	/* Loading can fail yet, and then nobody who has a reference is waited for. */
	if (!common_helper_module_is_loaded(THIS_MODULE))
		return -ENOENT;
	uid = common_helper_charged_user(file->f_cred);
	err = user_get(uid);
	if (err)
		return err;
	r = kzalloc(struct_size(r, ring, size), GFP_KERNEL_ACCOUNT);
	if (!r) {
		err = -ENOMEM;
		goto put_user;
	}
	r->size = size;
	r->limit = limit;
	r->delay = READ_ONCE(tdelay.value) - 1;
	spin_lock_init(&r->lock);
	init_waitqueue_head(&r->wait);
	mutex_init(&r->mutex);
	timer_setup(&r->timer, jitimer_expired, 0);
	err = seq_open(file, &jitimer_seq_ops);
	if (err)
		goto free;
	stream_open(inode, file);
	file->f_mode |= FMODE_NOWAIT;
	((struct seq_file *)file->private_data)->private = r;
	r->uid = uid;
	r->ns = get_pid_ns(task_active_pid_ns(current));
	if (!common_helper_proc_shows_all_tasks(file))
		r->own_only = get_cred(file->f_cred);
	return 0;

free:
	kfree(r);
put_user:
	user_put(uid);
	return err;
}

static int jitimer_release(struct inode *inode, struct file *file)
{
	struct seq_file *m = file->private_data;
	struct reader *r = m->private;

	timer_shutdown_sync(&r->timer);
	put_pid_ns(r->ns);
	put_cred(r->own_only);
	user_put(r->uid);
	if (r->held)
		module_put(THIS_MODULE);
	kfree(r);
	return seq_release(inode, file);
}

static const struct proc_ops jitimer_proc_ops = {
	.proc_open = jitimer_open,
	.proc_read_iter = jitimer_read_iter,
	.proc_poll = jitimer_poll,
	.proc_release = jitimer_release,
};

static struct proc_dir_entry *entry;

static int __init jitimer_init(void)
{
	/* procfs itself says WARN to a name that is taken. */
	if (!common_helper_proc_exists(KBUILD_MODNAME)) {
		entry = proc_create(KBUILD_MODNAME, 0444, NULL, &jitimer_proc_ops);
		if (entry)
			return 0;
		if (!common_helper_proc_exists(KBUILD_MODNAME))
			return -ENOMEM;
	}
	pr_err("/proc/%s is there already; unload the module that has made it first\n",
	       KBUILD_MODNAME);
	return -EEXIST;
}

static void __exit jitimer_exit(void)
{
	/* Removing the entry waits for calls in flight, so they must not wait for something else. */
	WRITE_ONCE(unloading, true);
	wake_up_all(&unload_wait);
	proc_remove(entry);
	kfree(users);
}

module_init(jitimer_init);
module_exit(jitimer_exit);
MODULE_DESCRIPTION("/proc/jitimer in C, to compare jitimer with");
MODULE_AUTHOR("The jitimer authors");
MODULE_LICENSE("GPL");
