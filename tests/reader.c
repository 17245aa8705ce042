// SPDX-License-Identifier: GPL-2.0
/*
 * Reads a file in all the ways that there are, for tests/test_reader.py. It runs in the guest, which
 * has little else.
 *
 *	reader FILE OPERATION...
 *
 * does one operation after the other, and prints a line for each: its letter, what it returned or
 * the name of the error, and the text that it read, with \n for a newline. And
 *
 *	reader as UID COMMAND...
 *	reader as UID,INNER COMMAND...
 *	reader named NAME [KIND]
 *	reader early FILE
 *
 * runs a command as a user, without other groups; and as the user INNER of a user namespace that UID
 * has made, and that has a thousand more users if it is not in another one; has the CPU under a name (%0a is a newline in it), as
 * a task of user 1000, in no other groups, that differs from an ordinary one in one thing: see
 * become(); tries to open a file, over and over, and prints a line when it could.
 *
 *	rN      read() up to N bytes
 *	R       read() to the end, or an error
 *	fN      read() up to N bytes, of which all but the first are in pages that were never touched
 *	WN      preadv2() up to N bytes, with RWF_NOWAIT
 *	UN      read up to N bytes by io_uring
 *	pN,O    pread() up to N bytes at O
 *	lO      lseek() to O from the start; LO: from the end
 *	n, N    set, clear O_NONBLOCK
 *	wMS     poll() for input, for up to MS milliseconds, or for ever if that is -1
 *	sMS     select(), eMS epoll_wait(), aMS io_getevents(), uMS io_uring, likewise
 *	wMS,E   for other events, or flags; for select(): 1 reading, 2 writing, 4 exceptions
 *	FMS,E   poll() for them, and then for those of a file of FUSE, which never answers
 *	k       a thread that reads into a page that never comes, by userfaultfd; goes on when it sleeps
 *	k1      likewise, into one of a file of FUSE
 *	b, z    read() to address 1; read() no bytes
 *	v       readv() into 1024 places of a byte
 *	xN      splice() up to N bytes into a pipe, and read that
 *	X       splice() to the end, and write that to standard output, as it is
 *	y, Y    sendfile() into a pipe, into a file
 *	tN      N threads that read() to the end; all that they got, each line once
 *	c       when this thread sleeps, another one closes the descriptor, and then sends a signal
 *	oN      open the file N more times, and keep it open
 *	mN      N threads that open the file anew and read() to the end; prints a line when all of them
 *	        sleep, and ends with them
 *	iN      open, read up to 4096 bytes, again after half a second, which must give as many
 *	        lines each time, and close, N times; what each takes in instructions, under virtual time: the
 *	        medians, and how many lines there were
 *	h       have the CPU for itself, by a real-time priority, until it is killed
 *	q       wait for a signal
 */

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <grp.h>
#include <linux/aio_abi.h>
#include <linux/fuse.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

static char buf[1 << 16];
static int fd;

/* What time it is, by the clock that costs least to read. */
static unsigned long ticks(void)
{
#ifdef __x86_64__
	return __rdtsc();
#else
	unsigned long now;

	asm volatile("mrs %0, cntvct_el0" : "=r" (now));
	return now;
#endif
}

static void print(char op, ssize_t ret, ssize_t length)
{
	if (ret < 0)
		printf("%c %s ", op, strerrorname_np(errno));
	else
		printf("%c %zd ", op, ret);
	for (ssize_t i = 0; i < length; i++) {
		if (buf[i] == '\n')
			fputs("\\n", stdout);
		else
			putchar(buf[i]);
	}
	putchar('\n');
	fflush(stdout);
}

static ssize_t read_all(void)
{
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, buf + have, sizeof(buf) - have)) > 0)
		have += n;
	print('R', n, have);
	return n;
}

static void set_nonblock(int on)
{
	int flags = fcntl(fd, F_GETFL);

	if (fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK))
		err(2, "fcntl");
}

static void do_poll(int ms, int events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n = poll(&p, 1, ms);

	print('w', n > 0 ? p.revents : n, 0);
}

static void do_select(int ms, int kinds)
{
	struct timeval t = { ms / 1000, ms % 1000 * 1000 };
	fd_set sets[3];

	for (int i = 0; i < 3; i++) {
		FD_ZERO(&sets[i]);
		if (kinds & 1 << i)
			FD_SET(fd, &sets[i]);
	}
	print('s', select(fd + 1, &sets[0], &sets[1], &sets[2], ms < 0 ? NULL : &t), 0);
}

static void do_epoll(int ms, unsigned int events)
{
	static int ep = -1;
	struct epoll_event e = { .events = events };
	int n;

	if (ep < 0) {
		ep = epoll_create1(0);
		if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e))
			err(2, "epoll");
	}
	n = epoll_wait(ep, &e, 1, ms);
	print('e', n > 0 ? (ssize_t)e.events : n, 0);
}

/* The C library has no wrappers for these two. */
static void do_aio(int ms, int events)
{
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = fd, .aio_buf = events };
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	struct iocb *list = &cb;
	aio_context_t context = 0;
	struct io_event e;
	int n;

	if (syscall(SYS_io_setup, 1, &context) || syscall(SYS_io_submit, context, 1, &list) != 1)
		err(2, "aio");
	n = syscall(SYS_io_getevents, context, 1, 1, &e, ms < 0 ? NULL : &t);
	print('a', n > 0 ? (ssize_t)e.res : n, 0);
}

/* Has io_uring do one thing, for up to that time; returns what comes of it. */
static int uring(const struct io_uring_sqe *what, int ms)
{
	struct io_uring_params p = { 0 };
	struct __kernel_timespec t = { ms / 1000, ms % 1000 * 1000000 };
	struct io_uring_getevents_arg arg = { .ts = ms < 0 ? 0 : (unsigned long)&t };
	int ring = syscall(SYS_io_uring_setup, 1, &p);
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	char *sq, *cq;
	int n;

	if (ring < 0)
		err(2, "io_uring_setup");
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(int), PROT_READ | PROT_WRITE,
		  MAP_SHARED, ring, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(*cqe), PROT_READ | PROT_WRITE,
		  MAP_SHARED, ring, IORING_OFF_CQ_RING);
	sqe = mmap(NULL, p.sq_entries * sizeof(*sqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		   IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || sqe == MAP_FAILED)
		err(2, "io_uring");
	*sqe = *what;
	*(int *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((int *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	n = syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
		    &arg, sizeof(arg));
	cqe = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	/* At the end of the time it says how many it has taken. */
	if (__atomic_load_n((int *)(cq + p.cq_off.tail), __ATOMIC_ACQUIRE))
		n = cqe->res;
	else if (n > 0)
		n = 0;
	return n;
}

static void do_uring(int ms, int events)
{
	struct io_uring_sqe poll = { .opcode = IORING_OP_POLL_ADD, .fd = fd,
				     .poll32_events = events };

	print('u', uring(&poll, ms), 0);
}

static void read_by_uring(size_t n)
{
	struct io_uring_sqe read = { .opcode = IORING_OP_READ, .fd = fd, .off = -1,
				     .addr = (unsigned long)buf, .len = n };
	int got = uring(&read, -1);

	print('U', got, got);
}

/* Serves a file system of one file, "f", which can be opened, and never answers a poll() or a read. */
static void serve_fuse(int dev)
{
	static char in[1 << 17];
	struct fuse_in_header *h = (void *)in;
	struct {
		struct fuse_out_header h;
		union {
			struct fuse_init_out init;
			struct fuse_entry_out entry;
			struct fuse_attr_out attr;
			struct fuse_open_out open;
		};
	} out;

	while (read(dev, in, sizeof(in)) > 0) {
		size_t size = 0;
		struct fuse_attr attr = { .ino = h->nodeid, .nlink = 1,
			.mode = h->nodeid == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644,
			.size = 4096 };

		memset(&out, 0, sizeof(out));
		switch (h->opcode) {
		case FUSE_INIT:
			size = sizeof(out.init);
			out.init.major = FUSE_KERNEL_VERSION;
			out.init.minor = FUSE_KERNEL_MINOR_VERSION;
			break;
		case FUSE_LOOKUP:
			size = sizeof(out.entry);
			attr.ino = 2;
			attr.mode = S_IFREG | 0644;
			out.entry.nodeid = 2;
			out.entry.attr = attr;
			break;
		case FUSE_GETATTR:
			size = sizeof(out.attr);
			out.attr.attr = attr;
			break;
		case FUSE_OPEN:
			size = sizeof(out.open);
			break;
		case FUSE_POLL:
			/* Who it is that does not answer. */
			print('F', getpid(), 0);
			continue;
		case FUSE_READ:
		case FUSE_FORGET:
		case FUSE_INTERRUPT:
			continue;
		default:
			out.h.error = -ENOSYS;
		}
		out.h.unique = h->unique;
		out.h.len = sizeof(out.h) + size;
		if (write(dev, &out, out.h.len) < 0)
			err(2, "write to /dev/fuse");
	}
}

static int open_fuse(void)
{
	int dev = open("/dev/fuse", O_RDWR), f;
	char dir[] = "/tmp/fuse-XXXXXX", options[64], name[64];

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	if (dev < 0 || !mkdtemp(dir) || mount("fuse", dir, "fuse", 0, options))
		err(2, "fuse");
	/* Another process: when it is killed, the file system goes, and whoever waits for it goes on. */
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fd);
		serve_fuse(dev);
		_exit(0);
	}
	close(dev);
	snprintf(name, sizeof(name), "%s/f", dir);
	f = open(name, O_RDONLY);
	if (f < 0 || umount2(dir, MNT_DETACH))
		err(2, "%s", name);
	return f;
}

static void do_fuse(int ms, int events)
{
	struct pollfd p[2] = { { .fd = fd, .events = events },
			       { .fd = open_fuse(), .events = POLLIN } };
	int n = poll(p, 2, ms);

	print('w', n > 0 ? p[0].revents : n, 0);
}

static void read_fresh(size_t n)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *place = mmap(NULL, page + n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ssize_t got;

	if (place == MAP_FAILED)
		err(2, "mmap");
	place += page - 1;
	*place = 0;
	got = read(fd, place, n);
	if (got > 0)
		memcpy(buf, place, got);
	print('f', got, got);
}

static void do_readv(void)
{
	struct iovec places[1024];
	ssize_t got;

	for (int i = 0; i < 1024; i++)
		places[i] = (struct iovec){ buf + i, 1 };
	got = readv(fd, places, 1024);
	print('v', got, got);
}

static void do_splice(size_t n)
{
	int p[2];
	ssize_t got;

	if (pipe(p))
		err(2, "pipe");
	got = splice(fd, NULL, p[1], NULL, n, 0);
	print('x', got, got > 0 ? read(p[0], buf, got) : 0);
	close(p[0]);
	close(p[1]);
}

static void splice_all(void)
{
	int p[2];
	ssize_t got;

	if (pipe(p))
		err(2, "pipe");
	while ((got = splice(fd, NULL, p[1], NULL, 4096, 0)) > 0)
		if (read(p[0], buf, got) != got || write(1, buf, got) != got)
			err(2, "pipe");
	if (got)
		err(2, "splice");
}

static void sendfile_to_file(void)
{
	int f = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	if (f < 0)
		err(2, "/tmp");
	print('Y', sendfile(f, fd, NULL, 4096), 0);
	close(f);
}

static void do_sendfile(void)
{
	int p[2];
	ssize_t got;

	if (pipe(p))
		err(2, "pipe");
	got = sendfile(p[1], fd, NULL, 4096);
	print('y', got, got > 0 ? read(p[0], buf, got) : 0);
	close(p[0]);
	close(p[1]);
}

static void *reading_thread(void *arg)
{
	char line[256];
	ssize_t n;

	/* One line at a time, so that the lines of different threads don't mix. */
	while ((n = read(fd, line, sizeof(line) - 1)) > 0) {
		line[n] = 0;
		flockfile(stdout);
		for (char *c = line; *c; c++)
			*c == '\n' ? fputs("\\n", stdout) : putchar(*c);
		funlockfile(stdout);
	}
	return NULL;
}

static void do_threads(int n)
{
	pthread_t threads[64];

	fputs("t 0 ", stdout);
	for (int i = 0; i < n && i < 64; i++)
		if (pthread_create(&threads[i], NULL, reading_thread, NULL))
			errx(2, "pthread_create");
	for (int i = 0; i < n && i < 64; i++)
		pthread_join(threads[i], NULL);
	putchar('\n');
}

/* Whether a thread of this process is in one of these states. */
static int is_in(pid_t tid, const char *states)
{
	char name[64], text[256] = "";
	char *state;
	int f;

	snprintf(name, sizeof(name), "/proc/self/task/%d/stat", tid);
	f = open(name, O_RDONLY);
	if (f < 0 || read(f, text, sizeof(text) - 1) < 0)
		err(2, "%s", name);
	close(f);
	state = strrchr(text, ')');
	return state && strchr(states, state[2]);
}

/* Whether a thread of this process sleeps. */
static int sleeps(pid_t tid)
{
	return is_in(tid, "S");
}

static pid_t never_tid;

/* A place to read to that is never there: nobody serves its userfaultfd, or reads its file of FUSE. */
static char *never_page(int fuse)
{
	struct uffdio_api api = { .api = UFFD_API };
	int uffd = fuse ? -1 : syscall(SYS_userfaultfd, O_CLOEXEC);
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  fuse ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS,
			  fuse ? open_fuse() : -1, 0);
	struct uffdio_register range = { .range = { (unsigned long)page, 4096 },
					 .mode = UFFDIO_REGISTER_MODE_MISSING };

	if (page == MAP_FAILED || (!fuse && (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) ||
					     ioctl(uffd, UFFDIO_REGISTER, &range))))
		err(2, "%s", fuse ? "mmap" : "userfaultfd");
	return page;
}

static void *never_thread(void *page)
{
	__atomic_store_n(&never_tid, gettid(), __ATOMIC_SEQ_CST);
	print('K', read(fd, page, 4096), 0);
	return NULL;
}

static void do_never(int fuse)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, never_thread, never_page(fuse)))
		errx(2, "pthread_create");
	while (!__atomic_load_n(&never_tid, __ATOMIC_SEQ_CST) || !is_in(never_tid, "SD"))
		usleep(1000);
	print('k', 0, 0);
}

static void nothing(int signal)
{
}

static void *closing_thread(void *arg)
{
	while (!sleeps(getpid()))
		usleep(1000);
	close(fd);
	kill(getpid(), SIGUSR1);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	unsigned long long x = *(unsigned long long *)a, y = *(unsigned long long *)b;

	return (x > y) - (x < y);
}

static void do_instructions(long n, const char *name)
{
	static unsigned long long took[4][1024];
	unsigned long long at[5];
	int all = 0;

	for (long i = 0; i < n && i < 1024; i++) {
		int f, lines = 0;
		ssize_t got;

		at[0] = ticks();
		f = open(name, O_RDONLY);
		at[1] = ticks();
		got = read(f, buf, 4096);
		at[2] = ticks();
		if (f < 0 || got <= 0)
			err(2, "%s", name);
		took[0][i] = at[1] - at[0];
		took[1][i] = at[2] - at[1];
		usleep(500000);
		at[2] = ticks();
		got = read(f, buf, 4096);
		at[3] = ticks();
		close(f);
		at[4] = ticks();
		for (ssize_t j = 0; j < got; j++)
			lines += buf[j] == '\n';
		if (i > 0 && lines != all)
			errx(2, "%s: %d lines, and %d before", name, lines, all);
		all = lines;
		took[2][i] = at[3] - at[2];
		took[3][i] = at[4] - at[3];
	}
	for (int j = 0; j < 4; j++)
		qsort(took[j], n, sizeof(took[j][0]), compare);
	printf("i %d %llu %llu %llu %llu\n", all, took[0][n / 2], took[1][n / 2], took[2][n / 2],
	       took[3][n / 2]);
}

static void hog(void)
{
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 }))
		err(2, "sched_setscheduler");
	print('h', 0, 0);
	for (;;)
		;
}

static pid_t tids[256];
static const char *file_name;

static void *waiting_thread(void *arg)
{
	long number = (long)arg;
	int f = open(file_name, O_RDONLY);
	char text[4096];

	if (f < 0 || read(f, text, sizeof(text)) <= 0)
		err(2, "%s", file_name);
	__atomic_store_n(&tids[number], gettid(), __ATOMIC_SEQ_CST);
	while (read(f, text, sizeof(text)) > 0)
		;
	close(f);
	return NULL;
}

static void do_many(long n)
{
	pthread_t threads[256];

	for (long i = 0; i < n && i < 256; i++)
		if (pthread_create(&threads[i], NULL, waiting_thread, (void *)i))
			errx(2, "pthread_create");
	for (long i = 0; i < n && i < 256; i++)
		while (!__atomic_load_n(&tids[i], __ATOMIC_SEQ_CST) || !sleeps(tids[i]))
			usleep(1000);
	print('m', n, 0);
	for (long i = 0; i < n && i < 256; i++)
		pthread_join(threads[i], NULL);
}

static void set_ids(int id)
{
	if (setgroups(0, NULL) || setgid(id) || setuid(id))
		err(2, "setuid");
}

static int try_to_write(const char *name, const char *text)
{
	int f = open(name, O_WRONLY);
	ssize_t n = f < 0 ? -1 : write(f, text, strlen(text));

	close(f);
	return n < 0;
}

static void write_file(const char *name, const char *text)
{
	if (try_to_write(name, text))
		err(2, "%s", name);
}

/* Has this process be root in a user namespace of that user, with a thousand users more if there are. */
static void enter_namespace(int id)
{
	int made[2], mapped[2];
	char name[64], map[64], byte = 0;
	pid_t parent = getpid();

	if (pipe(made) || pipe(mapped))
		err(2, "pipe");
	/* As root: a user alone may map nobody but itself. */
	if (!fork()) {
		close(made[1]);
		if (read(made[0], &byte, 1) != 1)
			err(2, "pipe");
		snprintf(map, sizeof(map), "0 %d 1\n1 100000 1000\n", id);
		for (int i = 0; i < 2; i++) {
			snprintf(name, sizeof(name), "/proc/%d/%cid_map", parent, "ug"[i]);
			if (try_to_write(name, map)) {
				*strchr(map, '\n') = 0;
				write_file(name, map);
			}
		}
		if (write(mapped[1], &byte, 1) != 1)
			err(2, "pipe");
		_exit(0);
	}
	close(mapped[1]);
	if (setgid(id) || setuid(id))
		err(2, "setuid");
	/* It is not for others to look at a process that was root. */
	if (prctl(PR_SET_DUMPABLE, 1) || unshare(CLONE_NEWUSER))
		err(2, "unshare");
	if (write(made[1], &byte, 1) != 1 || read(mapped[0], &byte, 1) != 1)
		errx(2, "the namespace has no users");
}

static void run_as(char **argv)
{
	char *end;
	int id = strtol(argv[0], &end, 10);

	if (*end == ',') {
		enter_namespace(id);
		id = atoi(end + 1);
	}
	set_ids(id);
	execvp(argv[1], argv + 1);
	err(2, "%s", argv[1]);
}

/* Makes of this process, which is root's, one of user 1000; other users have the number 1001. */
static void become(const char *kind)
{
	int set = !strcmp(kind, "in another group") ? setresgid(1001, 1001, 1001) :
		  !strcmp(kind, "with another gid") ? setresgid(1001, 1000, 1000) :
		  !strcmp(kind, "with another egid") ? setresgid(1000, 1001, 1000) :
		  !strcmp(kind, "with another sgid") ? setresgid(1000, 1000, 1001) :
		  setresgid(1000, 1000, 1000);

	if (setgroups(0, NULL) || set)
		err(2, "setresgid");
	if (!strcmp(kind, "with capabilities"))
		prctl(PR_SET_KEEPCAPS, 1);
	if (!strcmp(kind, "with another uid") ? setresuid(1001, 1000, 1000) :
	    !strcmp(kind, "with another euid") ? setresuid(1000, 1001, 1000) :
	    !strcmp(kind, "with another suid") ? setresuid(1000, 1000, 1001) :
	    setresuid(1000, 1000, 1000))
		err(2, "setresuid");
	prctl(PR_SET_DUMPABLE, strcmp(kind, "not dumpable") ? 1 : 0);
}

static void open_early(const char *name)
{
	print('e', 0, 0);
	while (open(name, O_RDONLY) < 0)
		if (errno != ENOENT)
			err(2, "%s", name);
	print('o', 0, 0);
}

static void run_named(const char *text, const char *kind)
{
	char name[64], *end = name;
	unsigned int byte;

	while (*text && end < name + sizeof(name) - 1) {
		if (sscanf(text, "%%%2x", &byte) == 1) {
			*end++ = byte;
			text += 3;
		} else {
			*end++ = *text++;
		}
	}
	*end = 0;
	if (kind)
		become(kind);
	prctl(PR_SET_NAME, name);
	print('n', 0, 0);
	for (;;)
		;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		errx(2, "usage: reader FILE OPERATION...; see its source");
	if (argc > 3 && !strcmp(argv[1], "as"))
		run_as(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "early")) {
		open_early(argv[2]);
		return 0;
	}
	if ((argc == 3 || argc == 4) && !strcmp(argv[1], "named"))
		run_named(argv[2], argv[3]);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = nothing }, NULL);
	file_name = argv[1];
	fd = open(argv[1], O_RDONLY);
	if (fd < 0) {
		print('o', -1, 0);
		return 1;
	}
	for (int i = 2; i < argc; i++) {
		char op = argv[i][0], *end;
		long n = strtol(argv[i] + 1, &end, 10);
		long at = *end == ',' ? strtoul(end + 1, NULL, 0) : 0;
		long events = *end == ',' ? at : POLLIN;
		pthread_t thread;
		ssize_t got;

		switch (op) {
		case 'r':
			got = read(fd, buf, n);
			print(op, got, got);
			break;
		case 'f':
			read_fresh(n);
			break;
		case 'W':
			got = preadv2(fd, &(struct iovec){ buf, n }, 1, -1, RWF_NOWAIT);
			print(op, got, got);
			break;
		case 'R':
			read_all();
			break;
		case 'p':
			got = pread(fd, buf, n, at);
			print(op, got, got);
			break;
		case 'l':
		case 'L':
			print(op, lseek(fd, n, op == 'l' ? SEEK_SET : SEEK_END), 0);
			break;
		case 'n':
		case 'N':
			set_nonblock(op == 'n');
			break;
		case 'w':
			do_poll(n, events);
			break;
		case 's':
			do_select(n, events);
			break;
		case 'e':
			do_epoll(n, events);
			break;
		case 'a':
			do_aio(n, events);
			break;
		case 'u':
			do_uring(n, events);
			break;
		case 'U':
			read_by_uring(n);
			break;
		case 'F':
			do_fuse(n, events);
			break;
		case 'k':
			do_never(n);
			break;
		case 'b':
			print(op, syscall(SYS_read, fd, 1L, 4096L), 0);
			break;
		case 'z':
			print(op, read(fd, buf, 0), 0);
			break;
		case 'v':
			do_readv();
			break;
		case 'X':
			splice_all();
			break;
		case 'y':
			do_sendfile();
			break;
		case 'Y':
			sendfile_to_file();
			break;
		case 'x':
			do_splice(n);
			break;
		case 't':
			do_threads(n);
			break;
		case 'c':
			if (pthread_create(&thread, NULL, closing_thread, NULL))
				errx(2, "pthread_create");
			break;
		case 'm':
			do_many(n);
			break;
		case 'i':
			do_instructions(n, argv[1]);
			break;
		case 'h':
			hog();
			break;
		case 'q':
			pause();
			break;
		case 'o':
			for (got = 0; got < n && open(argv[1], O_RDONLY) >= 0; got++)
				;
			print(op, got < n ? -1 : got, 0);
			break;
		default:
			errx(2, "no operation '%s'", argv[i]);
		}
	}
	return 0;
}
