// SPDX-License-Identifier: GPL-2.0
/*
 * Does what scripts/fuzz.py has made up with /proc/jitimer, from several processes at once, in the
 * guest, and judges what came of it by a model of the stream.
 *
 *	fuzz MODULE.ko [trace] <PROGRAMS
 *
 * A program begins with a line "--- NAME" and has a call on each line:
 *
 *	ACTOR[&] CALL [ARGUMENT...]
 *
 * Actors a and b are root, c and d a user, d in a pid namespace of its own. They share their
 * descriptors. With & the next call does not wait for this one; nor does it wait for long for one
 * that may sleep. FILE is a number from 0 to 9; what is opened as that is another file each time.
 * The calls:
 *
 *	load [NAME=VALUE...], unload, param NAME VALUE
 *	open FILE [n][h]	n: O_NONBLOCK; h: in a /proc with hidepid=2
 *	close FILE, dup FILE NEW, nonblock FILE 0|1
 *	seek FILE OFFSET WHENCE, pread FILE SIZE OFFSET
 *	read FILE SIZE HOW	HOW: read, fresh (pages that are not there yet), readv, preadv2, nowait
 *				(by RWF_NOWAIT), splice, sendfile, aio, uring, bad (no page), part (SIZE
 *				bytes, then no page)
 *	drain FILE SIZE		read() without O_NONBLOCK's flag changed, until there is no more, 40 times
 *				at most
 *	poll FILE HOW MS EVENTS	HOW: poll, ppoll, select, epoll, oneshot, exclusive, et, aio, uring
 *	edge FILE		epoll with EPOLLET: waits, reads all there is, and waits again
 *	fork FILE SIZE, exec FILE SIZE	a child reads, and ends
 *	kill FILE SIZE		a child reads, and is killed
 *	signal ACTOR, restart ACTOR, stop ACTOR, cont ACTOR
 *	cpu 0|1			the second CPU goes, and comes
 *	sleep MS
 *
 * For each program it prints a line "NAME calls N events N lines N files N unsure N steps N results N",
 * of the files how many have a stream of which nobody can tell all that was read of it, and how much
 * it did that none before has done: steps in the module's code, by KCOV, and what the calls came to.
 * If something is not as the model has it, there is a line "finding KIND: what" before that, and what
 * each call did; with trace, that always.
 */

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACTORS 4
#define FILES 10
#define CALLS 400
#define EVENTS 4000
#define DATA (8 << 20)
#define FIRST_FD 100
#define LAST_FD 900
#define SHARED_FD 90
#define COVER 16384

/*
 * What is waited for, in milliseconds: for a call before the next one; for a sleep, before it is
 * interrupted; until a sleep is one that should have ended; and until all is stuck.
 */
#define PATIENCE 30
#define ENOUGH 60
#define ASLEEP 4000
#define STUCK 60000

/* This ends with it after a finding: what that has left may be in the way of the next program. */
#define FOUND 3

/* How many samples are kept for a reader. */
#define KEPT 256

#define HEADER "   time   delta  inirq    pid   cpu command\n"

/* None, where a process was killed that had just begun. */
enum kind { NONE, OPEN, CLOSE, DUP, READ, POLL, SEEK, SETFL, PARAM, LOAD, UNLOAD, CHILD, OTHER };

/* What is set by load and param. */
enum { TDELAY, COUNT, READERS, PARAMS };
static const char *const param_names[PARAMS] = { "tdelay", "count", "readers" };
static const unsigned long param_defaults[PARAMS] = { 10, 5, 1024 };
static const unsigned long param_min[PARAMS] = { 1, 0, 1 };
static const unsigned long param_max[PARAMS] = { (63UL << 24) - 1, 0xffffffff, 65536 };

/* A system call, and when it began and ended: in the order of all of those. */
struct event {
	enum kind kind;
	int actor, call;
	int fd, from_fd;
	unsigned long begin, end;
	double at, until;
	long ret;
	int err;
	size_t offset, size, wanted;
	size_t place;
	int asked, timeout;
	/* Of opening: O_NONBLOCK, hidepid. */
	int nonblock, hide;
	unsigned int handled, sent, stops;
	unsigned long values[PARAMS];
	int param;
	unsigned int bad : 1, fresh : 1, lasting : 1, unsure : 1, quiet : 1, restless : 1, ringed : 1;
	unsigned int nowait : 1;
	/* Somebody has seen it sleep. */
	int slept;
	/* Of a child: when that began to be made, with a copy of the descriptors. */
	unsigned long child;
	/* By the model. */
	int file;
};

struct call {
	char text[120];
	char *word[12];
	int words;
	int actor, async;
};

struct shared {
	unsigned long clock;
	unsigned int events;
	size_t used;
	unsigned long text_base;
	struct {
		int pid;
		int todo;
		int fd, new_fd;
		int event;
		unsigned int sent, handled, stops;
		int stopped;
	} actor[ACTORS + 1];
	unsigned int steps, results;
	struct event event[EVENTS];
	char data[DATA];
};

static struct shared *s;
static struct call calls[CALLS];
static int ncalls;
static int me = ACTORS, ringed;
static unsigned long child;
static unsigned char *seen;
static unsigned long *cover;
static char *module;
static size_t module_size;
static char name[64];
static int traces;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void nap(double ms)
{
	struct timespec t = { (long)ms / 1000, (long)(ms * 1e6) % 1000000000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

static unsigned long tick(void)
{
	return __atomic_add_fetch(&s->clock, 1, __ATOMIC_SEQ_CST);
}

/* Marks something as done; counts it if it is new. */
static void did(unsigned long what, unsigned int *count)
{
	what = (what * 0x9e3779b97f4a7c15) >> 48;
	if (!__atomic_exchange_n(&seen[what], 1, __ATOMIC_RELAXED))
		__atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
}

static void cover_begin(void)
{
	if (cover)
		__atomic_store_n(&cover[0], 0, __ATOMIC_RELAXED);
}

/* Takes each step from one place of the module's code to another. */
static void cover_end(void)
{
	unsigned long n, before = 0;

	if (!cover)
		return;
	n = __atomic_load_n(&cover[0], __ATOMIC_RELAXED);
	for (unsigned long i = 1; i <= n && i < COVER; i++) {
		unsigned long at = cover[i] - s->text_base;

		if (at < 1 << 20) {
			did(before << 20 | at, &s->steps);
			before = at;
		}
	}
	cover_begin();
}

static void cover_start(void)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR);

	if (fd < 0)
		return;
	if (ioctl(fd, _IOR('c', 1, unsigned long), COVER))
		err(2, "KCOV_INIT_TRACE");
	cover = mmap(NULL, COVER * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (cover == MAP_FAILED || ioctl(fd, _IO('c', 100), 0))
		err(2, "KCOV_ENABLE");
}

static struct event *begin(enum kind kind, int fd)
{
	unsigned int n = __atomic_fetch_add(&s->events, 1, __ATOMIC_SEQ_CST);
	struct event *e = &s->event[n];

	if (n >= EVENTS)
		errx(2, "%s: more than %d events", name, EVENTS);
	*e = (struct event){ .kind = kind, .actor = me, .fd = fd, .from_fd = -1, .child = child, .ringed = ringed,
			     .call = s->actor[me].todo - 1 };
	e->handled = __atomic_load_n(&s->actor[me].handled, __ATOMIC_SEQ_CST);
	cover_begin();
	e->at = now();
	e->begin = tick();
	__atomic_store_n(&s->actor[me].event, n, __ATOMIC_SEQ_CST);
	return e;
}

static struct event *end(struct event *e, long ret)
{
	e->err = ret < 0 ? errno : 0;
	e->ret = ret;
	__atomic_store_n(&s->actor[me].event, -1, __ATOMIC_SEQ_CST);
	e->sent = __atomic_load_n(&s->actor[me].sent, __ATOMIC_SEQ_CST);
	e->stops = __atomic_load_n(&s->actor[me].stops, __ATOMIC_SEQ_CST);
	e->end = tick();
	e->until = now();
	cover_end();
	return e;
}

static void keep(struct event *e, const char *data, size_t size)
{
	e->offset = __atomic_fetch_add(&s->used, size, __ATOMIC_SEQ_CST);
	if (e->offset + size > DATA)
		errx(2, "%s: more than %d bytes", name, DATA);
	memcpy(s->data + e->offset, data, size);
	e->size = size;
}

/* io_uring, with one operation. */
static long uring(struct io_uring_sqe what, int ms, int *done)
{
	struct io_uring_params p = { 0 };
	struct __kernel_timespec t = { ms / 1000, ms % 1000 * 1000000 };
	struct io_uring_getevents_arg arg = { .ts = ms < 0 ? 0 : (unsigned long)&t };
	int ring = syscall(SYS_io_uring_setup, 1, &p), error;
	struct io_uring_cqe *cqe;
	char *sq, *cq, *sqe;
	size_t sq_size = p.sq_off.array + p.sq_entries * sizeof(int);
	size_t cq_size = p.cq_off.cqes + p.cq_entries * sizeof(*cqe);
	double start = now();
	long n;

	*done = 0;
	ringed = 1;
	if (ring < 0)
		return -1;
	sq = mmap(NULL, sq_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	cq = mmap(NULL, cq_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	sqe = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || sqe == MAP_FAILED)
		err(2, "io_uring");
	*(struct io_uring_sqe *)sqe = what;
	*(int *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((int *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	n = syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
		    &arg, sizeof(arg));
	error = errno;
	/* At a signal, and at the end of the time, it says how many it has taken. */
	if (n > 0) {
		n = ms >= 0 && now() - start >= ms ? 0 : -1;
		error = EINTR;
	}
	cqe = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	if (__atomic_load_n((int *)(cq + p.cq_off.tail), __ATOMIC_ACQUIRE)) {
		*done = 1;
		n = cqe->res;
		if (n < 0) {
			error = -n;
			n = -1;
		}
	}
	munmap(sq, sq_size);
	munmap(cq, cq_size);
	munmap(sqe, 4096);
	close(ring);
	errno = error;
	return n;
}

/* The C library has no wrappers for these. */
static long aio(struct iocb cb, int ms, int *done)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	struct iocb *list = &cb;
	aio_context_t context = 0;
	struct io_event e;
	int error;
	long n;

	*done = 0;
	if (syscall(SYS_io_setup, 1, &context))
		return -1;
	n = syscall(SYS_io_submit, context, 1, &list);
	if (n == 1) {
		n = syscall(SYS_io_getevents, context, 1, 1, &e, ms < 0 ? NULL : &t);
		if (n == 1) {
			*done = 1;
			n = e.res;
			if (n < 0) {
				errno = -n;
				n = -1;
			}
		}
	}
	error = errno;
	syscall(SYS_io_destroy, context);
	errno = error;
	return n;
}

static struct event *do_read(int fd, size_t size, const char *how)
{
	static char buf[1 << 16] __attribute__((aligned(4096)));
	struct iovec iov[64];
	struct event *e;
	char *place = buf;
	size_t room = (size / 4096 + 3) * 4096;
	char *mapped = NULL;
	int p[2], done = 1;
	long n;

	if (size > sizeof(buf))
		size = sizeof(buf);
	if (!strcmp(how, "fresh") || !strcmp(how, "part")) {
		mapped = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (mapped == MAP_FAILED)
			err(2, "mmap");
		place = mapped + 4096 - size % 4096;
		if (*how == 'p') {
			/* Then no page. */
			place = mapped + room - 4096 - size;
			mprotect(mapped + room - 4096, 4096, PROT_NONE);
		}
	}
	if ((!strcmp(how, "splice") || !strcmp(how, "sendfile")) && pipe(p))
		err(2, "pipe");
	e = begin(READ, fd);
	e->wanted = size;
	e->place = (size_t)place % 4096;
	e->fresh = mapped || !strcmp(how, "uring");
	/* These can't be restarted. */
	e->restless = !strcmp(how, "aio") || !strcmp(how, "uring");
	e->bad = !strcmp(how, "bad") || (!strcmp(how, "part") && !size);
	if (!strcmp(how, "bad")) {
		n = syscall(SYS_read, fd, 1L, size);
	} else if (!strcmp(how, "part")) {
		n = syscall(SYS_read, fd, place, size + 2000);
	} else if (!strcmp(how, "readv") || !strcmp(how, "preadv2")) {
		size_t each = size / 64 + 1;

		for (int i = 0; i < 64; i++)
			iov[i] = (struct iovec){ buf + i * each, each };
		e->wanted = 64 * each;
		n = *how == 'r' ? readv(fd, iov, 64) : preadv2(fd, iov, 64, -1, 0);
	} else if (!strcmp(how, "nowait")) {
		e->nowait = 1;
		n = preadv2(fd, &(struct iovec){ place, size }, 1, -1, RWF_NOWAIT);
	} else if (!strcmp(how, "splice")) {
		n = splice(fd, NULL, p[1], NULL, size, 0);
	} else if (!strcmp(how, "sendfile")) {
		n = sendfile(p[1], fd, NULL, size);
	} else if (!strcmp(how, "aio")) {
		n = aio((struct iocb){ .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd,
				       .aio_buf = (unsigned long)buf, .aio_nbytes = size },
			-1, &done);
	} else if (!strcmp(how, "uring")) {
		n = uring((struct io_uring_sqe){ .opcode = IORING_OP_READ, .fd = fd, .off = -1,
						 .addr = (unsigned long)buf, .len = size },
			  -1, &done);
		e->lasting = 1;
	} else {
		n = read(fd, place, size);
	}
	/* If it was given up, nobody knows what it has read. */
	e->unsure = !done && e->lasting;
	end(e, n);
	if (!strcmp(how, "splice") || !strcmp(how, "sendfile")) {
		if (n > 0 && read(p[0], buf, n) != n)
			err(2, "pipe");
		close(p[0]);
		close(p[1]);
	}
	if (n > 0)
		keep(e, place, n);
	if (mapped)
		munmap(mapped, room);
	return e;
}

static int epoll_for(int fd, unsigned int events)
{
	struct epoll_event ev = { .events = events };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev)) {
		int error = errno;

		close(ep);
		errno = error;
		return -1;
	}
	return ep;
}

static void do_epoll(int fd, struct event *e, const char *how, int ms, int events)
{
	unsigned int flags = !strcmp(how, "oneshot") ? EPOLLONESHOT :
			     !strcmp(how, "exclusive") ? EPOLLEXCLUSIVE :
			     !strcmp(how, "et") ? EPOLLET : 0;
	struct epoll_event ev = { 0 };
	struct event *again;
	int ep = epoll_for(fd, events | flags), n;

	n = ep < 0 ? -1 : epoll_wait(ep, &ev, 1, ms);
	end(e, n > 0 ? (long)ev.events : n);
	if (ep < 0)
		return;
	/* Once more: it is readable still, but for those who are told once. */
	if (n > 0) {
		again = begin(POLL, fd);
		again->asked = flags & EPOLLET ? 0 : events;
		n = epoll_wait(ep, &ev, 1, 0);
		again->quiet = !!(flags & EPOLLONESHOT);
		if (flags & (EPOLLET | EPOLLONESHOT))
			again->asked = 0;
		end(again, n > 0 && (flags & EPOLLET) ? 0 : n > 0 ? (long)ev.events : n);
	}
	close(ep);
}

static void do_poll(int fd, const char *how, int ms, int events)
{
	struct pollfd p = { .fd = fd, .events = events };
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
	struct event *e = begin(POLL, fd);
	int done = 1;
	fd_set set;
	long n;

	e->asked = events;
	e->timeout = ms;
	if (!strcmp(how, "select")) {
		e->asked = POLLIN;
		FD_ZERO(&set);
		FD_SET(fd, &set);
		n = select(fd + 1, &set, NULL, NULL, ms < 0 ? NULL : &tv);
		end(e, n > 0 ? POLLIN : n);
	} else if (!strcmp(how, "aio")) {
		n = aio((struct iocb){ .aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = fd,
				       .aio_buf = events }, ms, &done);
		e->lasting = 1;
		end(e, n);
	} else if (!strcmp(how, "uring")) {
		n = uring((struct io_uring_sqe){ .opcode = IORING_OP_POLL_ADD, .fd = fd,
						 .poll32_events = events }, ms, &done);
		e->lasting = 1;
		if (n < 0 && errno == ETIME)
			n = 0;
		end(e, n);
	} else if (!strcmp(how, "poll")) {
		n = poll(&p, 1, ms);
		end(e, n > 0 ? p.revents : n);
	} else if (!strcmp(how, "ppoll")) {
		n = ppoll(&p, 1, ms < 0 ? NULL : &t, NULL);
		end(e, n > 0 ? p.revents : n);
	} else {
		do_epoll(fd, e, how, ms, events);
	}
}

/* Told once of what there is, it is told of what comes after all of that was read. */
static void do_edge(int fd)
{
	struct epoll_event ev = { 0 };
	/* To have it added is to poll. */
	struct event *e = begin(POLL, fd);
	int ep = epoll_for(fd, EPOLLIN | EPOLLET);

	for (int i = 0; i < 2; i++) {
		int n;

		if (i)
			e = begin(POLL, fd);
		e->asked = POLLIN;
		e->timeout = -1;
		n = ep < 0 ? -1 : epoll_wait(ep, &ev, 1, -1);
		end(e, n > 0 ? (long)ev.events : n);
		if (n <= 0)
			break;
		for (int j = 0; !i && j < 40; j++)
			if ((e = do_read(fd, 4096, "read"))->ret <= 0)
				break;
		if (!i && (e->ret >= 0 || e->err != EAGAIN))
			break;
	}
	if (ep >= 0)
		close(ep);
}

static volatile int wanted_up;

static void handler(int number)
{
	if (number == SIGUSR1)
		__atomic_add_fetch(&s->actor[me].handled, 1, __ATOMIC_SEQ_CST);
	wanted_up = 1;
}

/* A child that reads. It has all descriptors, too. */
static void do_child(const char *how, int fd, const char *size)
{
	struct event *e = begin(CHILD, -1);
	char number[2][16];
	int pid, status;

	wanted_up = 0;
	pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		child = e->begin;
		cover = NULL;
		if (strcmp(how, "exec")) {
			do_read(fd, atoi(size), "read");
			_exit(0);
		}
		snprintf(number[0], sizeof(number[0]), "%d", fd);
		snprintf(number[1], sizeof(number[1]), "%d", me);
		execl("/proc/self/exe", "fuzz", "child", number[0], number[1], size, NULL);
		err(2, "exec");
	}
	if (!strcmp(how, "kill")) {
		nap(random() % 8);
		kill(pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno == EINTR && wanted_up)
			kill(pid, SIGKILL);
	if (WIFEXITED(status) && WEXITSTATUS(status))
		errx(2, "%s: the child of '%s' exited with %d", name, how, WEXITSTATUS(status));
	end(e, 0);
}

static int was_child(int argc, char **argv)
{
	if (argc != 5 || strcmp(argv[1], "child"))
		return 0;
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
	if (s == MAP_FAILED)
		err(2, "mmap");
	me = atoi(argv[3]);
	seen = calloc(1, 1 << 16);
	child = s->event[s->actor[me].event].begin;
	do_read(atoi(argv[2]), atoi(argv[4]), "read");
	return 1;
}

static int write_text(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC), n, error;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return n < 0 ? -1 : 0;
}

static void read_base(void)
{
	char text[32] = "";
	int fd = open("/sys/module/jitimer/sections/.text", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		s->text_base = strtoul(text, NULL, 16);
	if (fd >= 0)
		close(fd);
}

static int param_of(const char *word, size_t length)
{
	for (int i = 0; i < PARAMS; i++)
		if (strlen(param_names[i]) == length && !strncmp(word, param_names[i], length))
			return i;
	errx(2, "%s: no parameter '%s'", name, word);
}

static void do_load(struct call *c)
{
	char parameters[200] = "";
	struct event *e = begin(LOAD, -1);

	memcpy(e->values, param_defaults, sizeof(e->values));
	for (int i = 1; i < c->words; i++) {
		char *equals = strchr(c->word[i], '=');

		if (!equals)
			errx(2, "%s: load %s", name, c->word[i]);
		e->values[param_of(c->word[i], equals - c->word[i])] = strtoul(equals + 1, NULL, 0);
		strcat(strcat(parameters, c->word[i]), " ");
	}
	end(e, syscall(SYS_init_module, module, module_size, parameters));
	if (!e->ret)
		read_base();
}

static void do_unload(void)
{
	struct event *e = begin(UNLOAD, -1);

	end(e, syscall(SYS_delete_module, "jitimer", O_NONBLOCK));
}

static void do_param(const char *param, const char *value)
{
	struct event *e = begin(PARAM, -1);
	char file[80], *rest;

	e->param = param_of(param, strlen(param));
	snprintf(file, sizeof(file), "/sys/module/jitimer/parameters/%s", param);
	e->values[e->param] = strtoul(value, &rest, 0);
	e->bad = *rest || *value == '-' || e->values[e->param] < param_min[e->param] ||
		 e->values[e->param] > param_max[e->param];
	end(e, write_text(file, value));
}

static void do_open(int fd, const char *flags)
{
	int nonblock = strchr(flags, 'n') ? O_NONBLOCK : 0;
	struct event *e = begin(OPEN, fd);
	int got;

	e->nonblock = !!nonblock;
	e->hide = !!strchr(flags, 'h');
	got = open(e->hide ? "/tmp/fuzz-proc/jitimer" : "/proc/jitimer", O_RDONLY | nonblock);
	if (got >= 0) {
		if (dup2(got, fd) != fd)
			err(2, "dup2");
		close(got);
		got = 0;
	}
	end(e, got);
}

static const char *word(struct call *c, int i)
{
	if (i >= c->words)
		errx(2, "%s: too few words: %s", name, c->text);
	return c->word[i];
}

/* Does a call, in an actor. */
static void do_call(struct call *c)
{
	const char *op = c->word[0];
	int fd = s->actor[me].fd, number;
	struct event *e;
	long n;

	if (!strcmp(op, "load")) {
		do_load(c);
	} else if (!strcmp(op, "unload")) {
		do_unload();
	} else if (!strcmp(op, "param")) {
		do_param(word(c, 1), word(c, 2));
	} else if (!strcmp(op, "open")) {
		do_open(fd, c->words > 2 ? c->word[2] : "");
	} else if (!strcmp(op, "close")) {
		e = begin(CLOSE, fd);
		end(e, close(fd));
	} else if (!strcmp(op, "dup")) {
		e = begin(DUP, s->actor[me].new_fd);
		e->from_fd = fd;
		end(e, dup2(fd, s->actor[me].new_fd) < 0 ? -1 : 0);
	} else if (!strcmp(op, "nonblock")) {
		e = begin(SETFL, fd);
		e->nonblock = atoi(word(c, 2));
		end(e, fcntl(fd, F_SETFL, e->nonblock ? O_NONBLOCK : 0));
	} else if (!strcmp(op, "seek")) {
		n = strtol(word(c, 2), NULL, 0);
		number = atoi(word(c, 3));
		e = begin(SEEK, fd);
		end(e, lseek(fd, n, number));
	} else if (!strcmp(op, "pread")) {
		char buf[4096];

		number = atoi(word(c, 2));
		n = strtol(word(c, 3), NULL, 0);
		e = begin(SEEK, fd);
		end(e, pread(fd, buf, number < 4096 ? number : 4096, n));
	} else if (!strcmp(op, "read")) {
		do_read(fd, atoi(word(c, 2)), word(c, 3));
	} else if (!strcmp(op, "drain")) {
		number = atoi(word(c, 2));
		for (int i = 0; i < 40; i++)
			if (do_read(fd, number, "read")->ret <= 0)
				break;
	} else if (!strcmp(op, "poll")) {
		do_poll(fd, word(c, 2), atoi(word(c, 3)), atoi(word(c, 4)));
	} else if (!strcmp(op, "edge")) {
		do_edge(fd);
	} else if (!strcmp(op, "fork") || !strcmp(op, "exec") || !strcmp(op, "kill")) {
		do_child(op, fd, word(c, 2));
	} else if (!strcmp(op, "cpu")) {
		e = begin(OTHER, -1);
		end(e, write_text("/sys/devices/system/cpu/cpu1/online", word(c, 1)));
	} else if (!strcmp(op, "sleep")) {
		nap(atoi(word(c, 1)));
	} else {
		errx(2, "%s: no call '%s'", name, c->text);
	}
}

static long futex(int *at, int op, int value, struct timespec *t)
{
	return syscall(SYS_futex, at, op, value, t, NULL, 0);
}

/* The user that an actor is. */
static int user_of(int actor)
{
	return actor == 2 ? 1000 : actor == 3 ? 1001 : 0;
}

static void act(int number)
{
	static const char *const names[ACTORS] = { "fzroot", "# 9 lost\n  1  2", "fz1000c", "fz1001d" };
	int *todo = &s->actor[number].todo, user = user_of(number), n;

	me = number;
	cover_start();
	if (user && (syscall(SYS_setgroups, 0, NULL) || setresgid(user, user, user) ||
		     setresuid(user, user, user)))
		err(2, "setuid");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, names[me]);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = handler }, NULL);
	sigaction(SIGUSR2, &(struct sigaction){ .sa_handler = handler, .sa_flags = SA_RESTART }, NULL);
	srandom(me);
	for (;;) {
		__atomic_store_n(todo, 0, __ATOMIC_SEQ_CST);
		futex(todo, FUTEX_WAKE, 1, NULL);
		while (!(n = __atomic_load_n(todo, __ATOMIC_SEQ_CST)))
			futex(todo, FUTEX_WAIT, 0, NULL);
		do_call(&calls[n - 1]);
	}
}

/* Waits until an actor has done what it was told. */
static int is_idle(int i, double ms)
{
	int *todo = &s->actor[i].todo, n;
	double until = now() + ms;

	while ((n = __atomic_load_n(todo, __ATOMIC_SEQ_CST))) {
		double left = until - now();
		struct timespec t = { (long)left / 1000, (long)(left * 1e6) % 1000000000 };

		if (left <= 0)
			return 0;
		futex(todo, FUTEX_WAIT, n, &t);
	}
	return 1;
}

static char findings[8192];

__attribute__((format(printf, 2, 3))) static void finding(const char *kind, const char *what, ...)
{
	size_t used = strlen(findings);
	va_list list;

	if (used > sizeof(findings) - 1000)
		return;
	used += snprintf(findings + used, 200, "finding %s: ", kind);
	va_start(list, what);
	used += vsnprintf(findings + used, 700, what, list);
	va_end(list);
	strcpy(findings + used, "\n");
}

/* What a call that was stopped, or a handler that restarts it, has interrupted may go on. */
static void send(int i, int number)
{
	unsigned int *count = number == SIGUSR1 ? &s->actor[i].sent : &s->actor[i].stops;

	__atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
	if (number == SIGSTOP || number == SIGCONT)
		s->actor[i].stopped = number == SIGSTOP;
	kill(s->actor[i].pid, number);
}

static char state_of(int pid)
{
	char text[256] = "", *state;
	int fd;

	snprintf(text, sizeof(text), "/proc/%d/stat", pid);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = 0;
	close(fd);
	state = strrchr(text, ')');
	return state ? state[2] : 0;
}

static int is_asleep_in(int i, int event)
{
	return state_of(s->actor[i].pid) == 'S' &&
	       __atomic_load_n(&s->actor[i].event, __ATOMIC_SEQ_CST) == event;
}

/* Whether an actor sleeps in a call although poll says that there is something to read. */
static int sleeps_wrongly(int i)
{
	int n = __atomic_load_n(&s->actor[i].event, __ATOMIC_SEQ_CST);
	struct event *e = &s->event[n], *look;
	struct pollfd p = { .events = POLLIN };

	if (n < 0 || e->child || (e->kind != READ && !(e->kind == POLL && e->asked & (POLLIN | POLLRDNORM))))
		return 0;
	p.fd = e->fd;
	look = begin(POLL, e->fd);
	look->asked = POLLIN;
	n = poll(&p, 1, 0);
	end(look, n > 0 ? p.revents : n);
	return n > 0 && p.revents & POLLIN && is_asleep_in(i, e - s->event);
}

/* Looks whether an actor sleeps in a read, which it does for nothing but what is to come. */
static void see_sleep(int i)
{
	int n = __atomic_load_n(&s->actor[i].event, __ATOMIC_SEQ_CST);
	struct event *e = &s->event[n];

	if (n >= 0 && e->kind == READ && !e->child && is_asleep_in(i, n))
		e->slept = 1;
}

/* Has an actor done with what it does: if that does not end by itself, by signals. */
static int settle(int i)
{
	double start = now(), wrong = 0;
	int times = 0;

	if (is_idle(i, ENOUGH))
		return 1;
	send(i, SIGCONT);
	while (!is_idle(i, wrong ? 100 : 20)) {
		int n = s->actor[i].event;

		if (now() - start > STUCK) {
			finding("stuck", "%c does not end: %s", 'a' + i, calls[s->actor[i].todo - 1].text);
			return 0;
		}
		see_sleep(i);
		/* Who reads is left alone for longer, since looking is polling. */
		if (n >= 0 && s->event[n].kind == READ && now() - start < ENOUGH)
			continue;
		if (sleeps_wrongly(i)) {
			wrong = wrong ? wrong : now();
			times++;
			if (now() - wrong > ASLEEP && times > 10) {
				finding("asleep", "%c sleeps although there is something to read: %s",
					'a' + i, calls[s->actor[i].todo - 1].text);
				wrong = 0;
				send(i, SIGUSR1);
			}
			continue;
		}
		wrong = times = 0;
		if (n < 0 || s->event[n].kind == POLL || s->event[n].kind == CHILD ||
		    s->event[n].kind == READ)
			send(i, SIGUSR1);
	}
	return 1;
}

/* --- The model --- */

#define events_of(e) for (struct event *(e) = s->event; (e) < s->event + s->events; (e)++)

static char *describe(const struct event *e)
{
	static char text[4][200];
	static int n;
	char *to = text[n++ % 4];

	snprintf(to, 200, "[%lu-%lu] %c: %s = %ld%s%s", e->begin, e->end, 'a' + e->actor,
		 e->call >= 0 ? calls[e->call].text : e->kind == POLL ? "(looks)" : "(end)", e->ret,
		 e->err ? " " : "", e->err ? strerrorname_np(e->err) : "");
	return to;
}

static int overlap(const struct event *a, const struct event *b)
{
	return a->begin < b->end && b->begin < a->end;
}

static int before(const struct event *a, const struct event *b)
{
	return a->end < b->begin;
}

/* Whether f, one of those that set something, may be the last one to have done so during e. */
static int may_hold(const struct event *f, const struct event *e, int (*sets)(const struct event *,
									     const void *),
		    const void *what)
{
	if (f->begin > e->end)
		return 0;
	events_of(g)
		if (sets(g, what) && before(f, g) && before(g, e))
			return 0;
	return 1;
}

static int sets_loaded(const struct event *f, const void *what)
{
	return (f->kind == LOAD || f->kind == UNLOAD) && !f->ret && f->end;
}

static int sets_param(const struct event *f, const void *what)
{
	return f->end && !f->ret && (f->kind == LOAD || (f->kind == PARAM && f->param == *(int *)what));
}

static int sets_nonblock(const struct event *f, const void *what)
{
	return f->end && !f->ret && f->file == *(int *)what && (f->kind == OPEN || f->kind == SETFL);
}

/* Whether the module may be loaded, or not, during e: bits 1 and 2. */
static int loaded(const struct event *e)
{
	int found = 0, any = 0;

	events_of(f) {
		if (!sets_loaded(f, NULL))
			continue;
		any |= before(f, e);
		if (may_hold(f, e, sets_loaded, NULL))
			found |= (f->kind == LOAD ? 1 : 2) | (overlap(f, e) ? 3 : 0);
	}
	return found | (any ? 0 : 2);
}

/* The value of a parameter during e, if that is known. */
static int value_of(int param, const struct event *e, unsigned long *value)
{
	int found = 0;

	events_of(f)
		if (sets_param(f, &param) && may_hold(f, e, sets_param, &param)) {
			if (found++ && *value != f->values[param])
				return 0;
			*value = f->values[param];
		}
	return found;
}

/* An open file. */
struct file {
	struct event *open;
	/* When its module was unloaded, if it was; it may be another one's, too. */
	struct event *load, *unload;
	int unsure_of_module;
	int unsure;
	/* Somebody was told of the end. */
	int ended;
	unsigned long tdelay, limit;
	/* All that was read of it, and what each byte ends: a record or not; how many lines are told. */
	char *text;
	char *ends;
	unsigned long *told;
	size_t length;
};

static struct file files[EVENTS];
static int nfiles;

/* What the file's fd's are. */
static int file_of_fd[LAST_FD + 1];

enum { ALIVE = 1, DEAD = 2 };

/* Whether the file's module may be there, or not, during e. */
static int life(const struct file *f, const struct event *e)
{
	if (f->unsure_of_module)
		return ALIVE | DEAD;
	if (!f->unload || e->end < f->unload->begin)
		return ALIVE;
	return f->unload->end < e->begin ? DEAD : ALIVE | DEAD;
}

static int is_closed_fd(int fd, unsigned long clock)
{
	events_of(e)
		if (e->kind == CLOSE && e->fd == fd && !e->ret && e->end && e->end < clock)
			return 1;
	return 0;
}

/* Whether a file may be open at some time of e. */
static int may_be_open(int file, const struct event *e)
{
	const struct event *o = files[file].open;

	if (o->begin > e->end)
		return 0;
	for (int fd = FIRST_FD; fd <= LAST_FD; fd++)
		if (file_of_fd[fd] == file && !is_closed_fd(fd, e->begin))
			return 1;
	/* A call that is under way has it open till it ends; io_uring and aio for longer. */
	events_of(f) {
		int runs = f->begin < e->end && (!f->end || f->end > e->begin || f->lasting);

		if (runs && f->file == file && (f->kind == READ || f->kind == POLL))
			return 1;
		/* A child has all that its parent had. */
		for (int fd = FIRST_FD; runs && f->kind == CHILD && fd <= LAST_FD; fd++)
			if (file_of_fd[fd] == file && !is_closed_fd(fd, f->begin))
				return 1;
	}
	return 0;
}

/* Whether it is open from the beginning to the end of e. */
static int is_open(int file, const struct event *e)
{
	const struct event *o = files[file].open;

	if (o->end > e->begin)
		return 0;
	for (int fd = FIRST_FD; fd <= LAST_FD; fd++) {
		int closing = 0, had = 0;

		if (file_of_fd[fd] != file)
			continue;
		events_of(f) {
			closing |= f->kind == CLOSE && f->fd == fd && f->begin < e->end;
			had |= (f->kind == OPEN || f->kind == DUP) && f->fd == fd && !f->ret &&
			       f->end && f->end < e->begin;
		}
		if (had && !closing)
			return 1;
	}
	return 0;
}

struct parse {
	size_t length;
	unsigned long lines, lost, gap, time;
	int header;
	size_t at;
};

static char problem[300];
static size_t problem_at;
static unsigned int cpus;

static int wrong(const struct parse *p, const char *what, const char *line)
{
	if (!problem[0] || p->length > problem_at)
		snprintf(problem, sizeof(problem), "%s: '%.*s'", what, (int)strcspn(line, "\n"), line);
	problem_at = p->length;
	return 0;
}

/* Whether the opener may see such a task. One that has just ended is in no namespace any more. */
static int may_see(const struct file *f, int pid, const char *command)
{
	if (!strcmp(command, "-"))
		return !pid;
	if (f->open->actor == 3)
		return !strcmp(command, "fz1001d") || !strcmp(command, "exe");
	if (f->open->actor == 2 && f->open->hide)
		return !strcmp(command, "fz1000c") || !strcmp(command, "exe");
	return 1;
}

static int parse_line(struct file *f, struct parse *p, char *line)
{
	char again[200], command[100] = "";
	unsigned long time, delta, lost;
	unsigned int in, cpu;
	int pid, at = 0;

	if (!p->header) {
		p->header = 1;
		return !strcmp(line, HEADER) || wrong(p, "no header", line);
	}
	if (*line == '#') {
		if (sscanf(line, "# %lu lost", &lost) != 1 || !lost)
			return wrong(p, "no line", line);
		snprintf(again, sizeof(again), "# %lu lost\n", lost);
		if (strcmp(line, again))
			return wrong(p, "no line", line);
		if (p->gap)
			return wrong(p, "a gap after a gap", line);
		if (f->limit && f->limit <= KEPT)
			return wrong(p, "a gap where all are kept", line);
		if (f->limit && p->lines + p->lost + lost + KEPT > f->limit)
			return wrong(p, "a gap that is larger than it has to be", line);
		p->gap = lost;
		return 1;
	}
	if (sscanf(line, "%lu %lu %u %d %u %n", &time, &delta, &in, &pid, &cpu, &at) != 5 || !at)
		return wrong(p, "no line", line);
	at = snprintf(again, sizeof(again), "%9lu  %3lu     %u    %6d   %u   ", time, delta, in, pid, cpu);
	if (strncmp(line, again, at) || strlen(line + at) > 66)
		return wrong(p, "no line", line);
	snprintf(command, sizeof(command), "%.*s", (int)strcspn(line + at, "\n"), line + at);
	for (char *c = command; *c; c++)
		if (*c < ' ' || *c > '~')
			return wrong(p, "a name that is not escaped", line);
	if (!may_see(f, pid, command))
		return wrong(p, "a task that the opener may not see", line);
	if (cpu >= cpus)
		return wrong(p, "there is no such CPU", line);
	if (in != (p->lines > 0))
		return wrong(p, "inirq is wrong", line);
	if (delta != (p->lines ? time - p->time : 0))
		return wrong(p, "deltas do not add up", line);
	if (p->lines && delta < (f->tdelay ? f->tdelay : 1) * (p->gap + 1))
		return wrong(p, "too early", line);
	p->lines++;
	p->lost += p->gap;
	p->gap = 0;
	p->time = time;
	if (f->limit && p->lines + p->lost > f->limit)
		return wrong(p, "more lines than there are to be", line);
	return 1;
}

/* Takes more text; whole lines are looked at. */
static int feed(struct file *f, struct parse *p, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		char *line = f->text + p->at;

		f->text[p->length] = text[i];
		f->ends[p->length] = 0;
		p->length++;
		if (text[i] == '\n') {
			char rest = f->text[p->length];
			int header = !p->header, fine;

			f->text[p->length] = 0;
			fine = parse_line(f, p, line);
			f->text[p->length] = rest;
			if (!fine)
				return 0;
			f->ends[p->length - 1] = !header && *line != '#';
			p->at = p->length;
		} else if (p->length - p->at > 160) {
			return wrong(p, "a line without end", line);
		}
		f->told[p->length - 1] = p->lines + p->lost;
	}
	return 1;
}

/* What each read of a file gave, and how much of that has a place in its text. */
struct piece {
	const struct event *e;
	size_t used;
};

static struct piece pieces[EVENTS];
static int npieces;
static long tries;

/* Until when the first of those that are not all used has ended; 0 if there is none. */
static unsigned long first_end(void)
{
	unsigned long found = 0;

	for (int i = 0; i < npieces; i++)
		if (pieces[i].used < pieces[i].e->size && (!found || pieces[i].e->end < found))
			found = pieces[i].e->end;
	return found;
}

static int may_come(int i, unsigned long until)
{
	return pieces[i].used < pieces[i].e->size && pieces[i].e->begin < until;
}

/* How much of a read comes in one piece: up to the end of a record, or a page that was not there. */
static size_t piece_size(const struct piece *p)
{
	const char *text = s->data + p->e->offset + p->used;
	size_t left = p->e->size - p->used, size = left, line = 0;

	for (size_t i = 0; i < left; i++) {
		if (text[i] == '\n') {
			int whole = text[line] != '#' && strncmp(text + line, HEADER, i + 1 - line);

			line = i + 1;
			if (whole) {
				size = i + 1;
				break;
			}
		}
	}
	if (p->e->fresh) {
		size_t page = 4096 - (p->e->place + p->used) % 4096;

		size = page < size ? page : size;
	}
	return size;
}

/* Is there an order of what was read at the same time in which it is a stream? */
static int in_some_order(struct file *f, struct parse p, int last)
{
	size_t saved[npieces + 1];
	unsigned long until;

	while ((until = first_end())) {
		int many = 0, only = 0;
		size_t size;

		for (int i = 0; i < npieces; i++)
			if (may_come(i, until)) {
				many++;
				only = i;
			}
		if (many > 1)
			break;
		size = piece_size(&pieces[only]);
		if (!feed(f, &p, s->data + pieces[only].e->offset + pieces[only].used, size))
			return 0;
		pieces[only].used += size;
		last = only;
	}
	if (!until) {
		f->text[p.length] = 0;
		if (f->ended && !(p.length && f->ends[p.length - 1]))
			return wrong(&p, "the end is within a line", f->text + p.at);
		f->length = p.length;
		return 1;
	}
	for (int i = 0; i < npieces; i++)
		saved[i] = pieces[i].used;
	for (int j = 0; j < npieces; j++) {
		/* Most often it is the one whose turn it was. */
		int i = j ? (j == last ? 0 : j) : last;
		struct parse next = p;
		size_t size;

		if (!may_come(i, until))
			continue;
		if (++tries > 20000)
			return 1;
		size = piece_size(&pieces[i]);
		if (feed(f, &next, s->data + pieces[i].e->offset + pieces[i].used, size)) {
			pieces[i].used += size;
			if (in_some_order(f, next, i))
				return 1;
			for (int k = 0; k < npieces; k++)
				pieces[k].used = saved[k];
		}
	}
	return 0;
}

static unsigned long all_lines;

/* Whether a read was told of the end, and not that the module goes. */
static int is_end(const struct file *f, const struct event *e)
{
	return e->end && !e->ret && e->wanted && life(f, e) == ALIVE;
}

static void judge_stream(int number)
{
	struct file *f = &files[number];
	size_t size = 0;

	npieces = 0;
	events_of(e) {
		if (e->file != number || e->kind != READ)
			continue;
		/* A child that was killed may have read, and not told what. */
		if (!e->end || e->unsure || (e->ret > 0 && e->size != (size_t)e->ret))
			f->unsure = 1;
		f->ended |= is_end(f, e);
		if (e->size) {
			pieces[npieces++] = (struct piece){ e, 0 };
			size += e->size;
		}
	}
	f->text = malloc(size + 2);
	f->ends = calloc(size + 2, 1);
	f->told = calloc(size + 2, sizeof(long));
	if (!f->text || !f->ends || !f->told)
		err(2, "malloc");
	f->length = 0;
	if (f->unsure)
		return;
	problem[0] = 0;
	tries = 0;
	if (!in_some_order(f, (struct parse){ 0 }, 0))
		finding("stream", "%s", problem);
	if (tries > 20000)
		f->unsure = 1;
	if (f->unsure)
		return;
	all_lines += f->length ? f->told[f->length - 1] : 0;
	events_of(e) {
		if (e->file != number || e->kind != READ || !is_end(f, e))
			continue;
		for (int i = 0; i < npieces; i++)
			if (before(e, pieces[i].e))
				finding("end", "%s, and then %s", describe(e), describe(pieces[i].e));
		if (f->length && f->limit && f->told[f->length - 1] != f->limit)
			finding("end", "%s, after %lu lines of %lu", describe(e), f->told[f->length - 1],
				f->limit);
		else if (f->limit == ~0UL)
			finding("end", "%s, of a series without one", describe(e));
	}
}

/*
 * Whether what was read of a file before e, so many bytes, ends within a record. Of reads that overlap
 * nobody knows which came last: the order that was found need not be the right one.
 */
static int is_in_part(int number, const struct event *e, size_t length)
{
	unsigned long latest = 0;
	int last = 0, within = 0;

	events_of(r)
		if (r->file == number && r->kind == READ && r->size && before(r, e) && r->begin > latest)
			latest = r->begin;
	events_of(r)
		if (r->file == number && r->kind == READ && r->size && before(r, e) && r->end > latest) {
			last++;
			within += s->data[r->offset + r->size - 1] != '\n';
		}
	return within == last || (last == 1 && !files[number].ends[length - 1]);
}

/* Why there must be something to read during e, if so. */
static const char *why_readable(int number, const struct event *e)
{
	struct file *f = &files[number];
	unsigned long last = 0, reads = 0;
	size_t length = 0;

	events_of(r) {
		if (r == e || r->file != number || r->kind != READ || r->begin > e->end)
			continue;
		if (!r->end || r->end > e->begin || r->unsure)
			return NULL;
		reads++;
		last = r->end > last ? r->end : last;
		length += r->size;
	}
	if (!reads)
		return "nobody has read yet";
	if (f->unsure)
		return NULL;
	events_of(r) {
		if (r->file != number || life(f, r) != ALIVE || !r->end || !before(r, e))
			continue;
		if (r->kind == READ && !r->ret && r->wanted)
			return "it is at its end";
		if (r->kind == POLL && r->ret > 0 && (r->ret & POLLIN) && r->begin > last)
			return "poll has said so";
	}
	if (length && length <= f->length && is_in_part(number, e, length))
		return "a line was read in part";
	if (f->limit && length && length <= f->length && f->told[length - 1] == f->limit)
		return "all was read";
	return NULL;
}

/*
 * Whether it may have been interrupted: by a handler; or by what goes on after that, but for calls that
 * can't. io_uring does its work in between, as if there were a signal.
 */
static int sent_during(const struct event *e)
{
	return e->sent > e->handled ||
	       ((e->stops || e->ringed) && (e->restless || e->kind == POLL));
}

static int may_nonblock(const struct event *e)
{
	if (e->nowait)
		return 1;
	events_of(f)
		if (sets_nonblock(f, &e->file) && f->nonblock &&
		    may_hold(f, e, sets_nonblock, &e->file))
			return 1;
	return 0;
}

static int must_nonblock(const struct event *e)
{
	if (e->nowait)
		return 1;
	events_of(f)
		if (sets_nonblock(f, &e->file) && !f->nonblock &&
		    may_hold(f, e, sets_nonblock, &e->file))
			return 0;
	return 1;
}

static void judge_read(struct event *e)
{
	struct file *f = &files[e->file];
	int alive = life(f, e);
	const char *why;

	/* But for those that wait for an answer, and not in the call itself. */
	if (e->slept && !e->restless) {
		why = must_nonblock(e) ? "it is not to block" :
		      alive == ALIVE ? why_readable(e->file, e) : NULL;
		if (why)
			finding("asleep", "%s has slept, but %s", describe(e), why);
	}
	if (e->ret > 0) {
		if (alive == DEAD)
			finding("errno", "%s, after unloading", describe(e));
		if (e->bad)
			finding("errno", "%s, without a place for it", describe(e));
		if ((size_t)e->ret > e->wanted)
			finding("errno", "%s, of %zu bytes", describe(e), e->wanted);
		return;
	}
	if (!e->ret) {
		if (alive == DEAD && e->wanted)
			finding("errno", "%s, after unloading", describe(e));
		return;
	}
	switch (e->err) {
	case EAGAIN:
		if (alive == DEAD)
			break;
		if (!may_nonblock(e))
			break;
		why = alive == ALIVE ? why_readable(e->file, e) : NULL;
		if (why)
			finding("eagain", "%s, but %s", describe(e), why);
		return;
	case EINTR:
		if (alive == DEAD || !sent_during(e) || (must_nonblock(e) && !e->restless))
			break;
		why = alive == ALIVE && !e->restless ? why_readable(e->file, e) : NULL;
		if (why)
			finding("eintr", "%s, but %s", describe(e), why);
		return;
	case ECANCELED:
		if (!e->unsure)
			break;
		return;
	case EFAULT:
		if (!e->bad || alive == DEAD)
			break;
		return;
	case EIO:
		if (alive == ALIVE)
			break;
		return;
	}
	finding("errno", "%s%s", describe(e), alive == DEAD ? ", after unloading" :
		alive == ALIVE ? "" : ", while unloading");
}

static void judge_poll(struct event *e)
{
	struct file *f = &files[e->file];
	int alive = life(f, e);
	const char *why;

	if (e->ret < 0) {
		if (e->err == EINTR && sent_during(e))
			return;
		/* What aio says of a file that has no queue to wait on. */
		if (e->err == EINVAL && e->lasting && alive != ALIVE)
			return;
		finding("errno", "%s", describe(e));
		return;
	}
	if (alive != ALIVE)
		return;
	if (e->ret & ~e->asked)
		finding("poll", "%s: not what was asked for", describe(e));
	if (e->ret & ~(POLLIN | POLLRDNORM))
		finding("poll", "%s: what is never there", describe(e));
	if (e->quiet && e->ret)
		finding("poll", "%s, the second time", describe(e));
	if (!e->ret && e->timeout < 0)
		finding("poll", "%s, without a timeout", describe(e));
	if (!e->ret && e->timeout > 0 && e->until - e->at < e->timeout - 1)
		finding("poll", "%s, after %.1f ms", describe(e), e->until - e->at);
	/* epoll forgets what is closed. */
	why = !e->ret && (e->asked & (POLLIN | POLLRDNORM)) && is_open(e->file, e) ?
		      why_readable(e->file, e) : NULL;
	if (why)
		finding("poll", "%s, but %s", describe(e), why);
}

static void judge_open(struct event *e)
{
	int is_there = loaded(e), sure[2] = { 0 }, maybe[2] = { 0 };
	int user = user_of(e->actor);
	unsigned long most = 0;

	if (!e->ret && is_there == 2)
		finding("errno", "%s, without a module", describe(e));
	if (e->ret && e->err == ENOENT && is_there != 1)
		return;
	if (!value_of(READERS, e, &most) || is_there != 1) {
		if (e->ret && (e->err != EBUSY || !user || is_there == 2))
			finding("errno", "%s", describe(e));
		return;
	}
	for (int i = 0; i < nfiles; i++) {
		int same = user_of(files[i].open->actor) == user;

		if (files[i].open == e)
			continue;
		if (is_open(i, e) && life(&files[i], e) == ALIVE) {
			sure[0]++;
			sure[1] += same;
		}
		if (may_be_open(i, e) && life(&files[i], e) != DEAD) {
			maybe[0]++;
			maybe[1] += same;
		}
	}
	/* Others that are being opened, and don't come to be, have a place for a moment. */
	events_of(f)
		if (f->kind == OPEN && f != e && overlap(f, e)) {
			maybe[0]++;
			maybe[1] += user_of(f->actor) == user;
		}
	unsigned long share = most / 2 ? most / 2 : 1;

	if (!e->ret && user && ((unsigned long)sure[0] >= most || (unsigned long)sure[1] >= share))
		finding("readers", "%s, the %d. of its user, %d. of all, with readers=%lu", describe(e),
			sure[1] + 1, sure[0] + 1, most);
	if (e->ret && (e->err != EBUSY || !user))
		finding("errno", "%s", describe(e));
	else if (e->ret && (unsigned long)maybe[0] < most && (unsigned long)maybe[1] < share)
		finding("readers", "%s, with %d of its user, %d of all, readers=%lu", describe(e),
			maybe[1], maybe[0], most);
}

static void judge_unload(struct event *e)
{
	int is_there = loaded(e), used = 0, must = 0;

	if (e->actor > 1 && e->actor < ACTORS) {
		if (!e->ret || e->err != EPERM)
			finding("errno", "%s, by a user", describe(e));
		return;
	}
	if (!e->ret && e->until - e->at > STUCK / 2)
		finding("unload", "%s, in %.1f s", describe(e), (e->until - e->at) / 1e3);
	events_of(p) {
		struct file *f;

		if (p->file < 0 || (p->kind != POLL && p->kind != READ) || p->begin > e->end)
			continue;
		f = &files[p->file];
		if (p->kind == READ) {
			/* Who waits for a page has it in use. io_uring's reads poll. */
			used |= overlap(p, e) || !p->end || p->lasting;
			continue;
		}
		if (life(f, p) & ALIVE)
			used |= may_be_open(p->file, e);
		if (p->end && p->end < e->begin && p->ret >= 0 && life(f, p) == ALIVE &&
		    !f->unsure_of_module && is_open(p->file, e) && f->load && f->unload == e)
			must = 1;
	}
	if (!e->ret && must)
		finding("unload", "%s, while somebody has polled", describe(e));
	if (e->ret && e->err == EAGAIN && !used && is_there == 1)
		finding("unload", "%s, but nobody has polled", describe(e));
	if (e->ret && e->err == EAGAIN && is_there != 2)
		return;
	if (e->ret && e->err == EINTR && sent_during(e))
		return;
	if (e->ret && e->err == ENOENT && is_there != 1)
		return;
	/* Another one loads or unloads it. */
	if (e->ret && e->err == EBUSY && is_there == 3)
		return;
	if (e->ret)
		finding("errno", "%s", describe(e));
}

static void judge_event(struct event *e)
{
	switch (e->kind) {
	case LOAD:
		if (e->actor > 1 ? e->ret && e->err == EPERM :
		    !e->ret || (e->err == EINTR && sent_during(e)) ||
		    ((e->err == EEXIST || e->err == EBUSY) && loaded(e) != 2))
			return;
		break;
	case PARAM:
		if (e->actor > 1 && e->ret && (e->err == EACCES || e->err == ENOENT))
			return;
		if (loaded(e) == 3 || (loaded(e) == 2 && e->ret && e->err == ENOENT))
			return;
		if (loaded(e) == 1 && (e->bad ? e->ret && e->err == EINVAL : !e->ret))
			return;
		break;
	case NONE:
	case CHILD:
	case OTHER:
		return;
	case SEEK:
		if (e->ret && e->err == ESPIPE)
			return;
		break;
	case SETFL:
	case DUP:
	case CLOSE:
		if (!e->ret)
			return;
		break;
	case READ:
		judge_read(e);
		return;
	case POLL:
		judge_poll(e);
		return;
	case OPEN:
		judge_open(e);
		return;
	case UNLOAD:
		judge_unload(e);
		return;
	}
	finding("errno", "%s", describe(e));
}

/* Whether a descriptor may be none yet, or no more. */
static int may_be_no_fd(const struct event *e, int fd)
{
	unsigned long since = e->child ? e->child : e->begin;
	int there = 0;

	events_of(f) {
		if (f->fd != fd || !f->end || f->ret)
			continue;
		if ((f->kind == OPEN || f->kind == DUP) && f != e && f->end < since)
			there = 1;
		if (f->kind == CLOSE && f != e && f->begin < e->end)
			return 1;
	}
	return !there;
}

/* Whether there was none. */
static int is_no_fd(const struct event *e)
{
	return e->ret < 0 ? e->err == EBADF : e->kind == POLL && e->ret & POLLNVAL;
}

static void judge(void)
{
	nfiles = 0;
	for (int i = 0; i <= LAST_FD; i++)
		file_of_fd[i] = -1;
	events_of(e) {
		e->file = -1;
		if (e->kind == OPEN && !e->ret && e->end) {
			files[nfiles] = (struct file){ .open = e };
			file_of_fd[e->fd] = nfiles++;
		}
	}
	/* In the order of the calls, since a descriptor is copied after it was made. */
	for (int again = 0; again < FILES; again++)
		events_of(e)
			if (e->kind == DUP && !e->ret && e->end && file_of_fd[e->fd] < 0)
				file_of_fd[e->fd] = file_of_fd[e->from_fd];
	events_of(e)
		if (e->fd >= FIRST_FD && !is_no_fd(e))
			e->file = file_of_fd[e->fd];
	for (int i = 0; i < nfiles; i++) {
		struct file *f = &files[i];
		unsigned long count;
		int loads = 0;

		events_of(e) {
			if (e->kind != LOAD || e->ret || !e->end || e->begin > f->open->end ||
			    !may_hold(e, f->open, sets_loaded, NULL))
				continue;
			loads++;
			f->load = e;
		}
		f->unsure_of_module = loads != 1;
		/* The first unloading after that. */
		events_of(e)
			if (e->kind == UNLOAD && !e->ret && e->end && f->load && before(f->load, e) &&
			    (!f->unload || e->begin < f->unload->begin))
				f->unload = e;
		if (f->unload && overlap(f->unload, f->open))
			f->unsure_of_module = 1;
		if (!value_of(TDELAY, f->open, &f->tdelay))
			f->tdelay = 0;
		f->limit = value_of(COUNT, f->open, &count) ? (count ? count + 1 : ~0UL) : 0;
		judge_stream(i);
	}
	events_of(e) {
		if (!e->end)
			continue;
		did(e->kind << 20 | (e->ret < 0 ? e->err : e->ret > 0 ? 200 : 201) << 8 |
		    (e->file >= 0 ? life(&files[e->file], e) : 4) | e->bad << 4 | e->fresh << 5 |
		    (e->actor > 1) << 6 | (unsigned long)loaded(e) << 30, &s->results);
		if (e->fd >= FIRST_FD && e->kind != OPEN) {
			int fd = e->kind == DUP ? e->from_fd : e->fd;

			if (e->file < 0) {
				if (!may_be_no_fd(e, fd))
					finding("errno", "%s", describe(e));
				continue;
			}
		}
		judge_event(e);
	}
}

static void trace(void)
{
	const struct event *looked = NULL;

	events_of(e) {
		/* Whether a sleep is one that should have ended is looked at often. */
		if (e->kind == POLL && e->actor == ACTORS) {
			if (looked && looked->fd == e->fd && looked->ret == e->ret)
				continue;
			looked = e;
		}
		printf("  %7.1f %s", e->at - s->event[0].at, describe(e));
		if (e->file >= 0)
			printf(" (file %d)", e->file);
		if (e->size) {
			printf(" '");
			for (size_t i = 0; i < e->size; i++) {
				char c = s->data[e->offset + i];

				if (e->size > 400 && i == 150) {
					printf(" ... ");
					i = e->size - 150;
				}
				if (c == '\n')
					printf("\\n");
				else
					putchar(c);
			}
			putchar('\'');
		}
		putchar('\n');
	}
}

/* --- Programs --- */

static int slot(struct call *c, int i)
{
	int n = atoi(word(c, i));

	if (n < 0 || n >= FILES)
		errx(2, "%s: no file %d: %s", name, n, c->text);
	return n;
}

static int is_of_file(const char *op)
{
	static const char *const ops[] = { "open", "close", "dup", "nonblock", "seek", "pread", "read",
					   "drain", "poll", "edge", "fork", "exec", "kill" };

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (!strcmp(op, ops[i]))
			return 1;
	return 0;
}

/* Whether a call may sleep until there is something to read. */
static int may_sleep(const char *op)
{
	static const char *const ops[] = { "read", "drain", "poll", "edge", "fork", "exec", "kill" };

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (!strcmp(op, ops[i]))
			return 1;
	return 0;
}

static void start_actors(void)
{
	for (int i = 0; i < ACTORS; i++) {
		/* All have the same descriptors. */
		int flags = CLONE_FILES | SIGCHLD | (i == 3 ? CLONE_NEWPID : 0);
		int pid;

		s->actor[i].todo = 1;
		s->actor[i].event = -1;
		pid = syscall(SYS_clone, flags, NULL, NULL, NULL, 0);
		if (pid < 0)
			err(2, "clone");
		if (!pid)
			act(i);
		s->actor[i].pid = pid;
	}
	s->actor[ACTORS].event = -1;
	for (int i = 0; i < ACTORS; i++)
		if (!is_idle(i, STUCK))
			errx(2, "%s: %c does not begin", name, 'a' + i);
}

/* Does the calls; returns whether all has ended. */
static int dispatch(void)
{
	int fds[FILES] = { 0 }, next = FIRST_FD;

	for (int i = 0; i < FILES; i++)
		fds[i] = LAST_FD;
	for (int i = 0; i < ncalls; i++) {
		struct call *c = &calls[i];
		const char *op = c->word[0];
		int who = c->actor;

		if (!strcmp(op, "signal") || !strcmp(op, "restart") || !strcmp(op, "stop") ||
		    !strcmp(op, "cont")) {
			int other = *word(c, 1) - 'a';

			if (other < 0 || other >= ACTORS)
				errx(2, "%s: no actor: %s", name, c->text);
			send(other, *op == 'r' ? SIGUSR2 : !strcmp(op, "signal") ? SIGUSR1 :
			     *op == 's' ? SIGSTOP : SIGCONT);
			continue;
		}
		if (!settle(who))
			return 0;
		/* What else there may be is for another time. */
		if (findings[0])
			break;
		if (is_of_file(op)) {
			int n = slot(c, 1);

			if (!strcmp(op, "open") && next < LAST_FD)
				fds[n] = next++;
			s->actor[who].fd = fds[n];
			if (!strcmp(op, "dup")) {
				if (next >= LAST_FD)
					continue;
				s->actor[who].new_fd = next;
				fds[slot(c, 2)] = next++;
			}
		}
		__atomic_store_n(&s->actor[who].todo, i + 1, __ATOMIC_SEQ_CST);
		futex(&s->actor[who].todo, FUTEX_WAKE, 1, NULL);
		if (!c->async)
			is_idle(who, may_sleep(op) || s->actor[who].stopped ? PATIENCE : STUCK);
	}
	for (int i = 0; i < ACTORS; i++)
		if (!settle(i))
			return 0;
	/* Whatever they had is closed now. */
	for (int fd = FIRST_FD; fd < next; fd++) {
		struct event *e;

		if (fcntl(fd, F_GETFD) < 0)
			continue;
		e = begin(CLOSE, fd);
		end(e, close(fd));
	}
	return 1;
}

/* Unloads it, which nobody has in use, though io_uring may for some time yet. */
static void unload_at_last(void)
{
	double start = now();
	struct event *e = NULL;

	for (;;) {
		unsigned int n = s->events;

		e = begin(UNLOAD, -1);
		end(e, syscall(SYS_delete_module, "jitimer", O_NONBLOCK));
		if (!e->ret || e->err != EAGAIN)
			return;
		s->events = n;
		if (now() - start > STUCK / 2) {
			finding("held", "nobody has the file open, but it is in use still");
			return;
		}
		nap(5);
	}
}

static void run(void)
{
	int unsure = 0;

	if (!access("/sys/module/jitimer", F_OK) && syscall(SYS_delete_module, "jitimer", O_NONBLOCK))
		err(2, "%s: the module is loaded already, and does not go", name);
	start_actors();
	if (dispatch())
		unload_at_last();
	write_text("/sys/devices/system/cpu/cpu1/online", "1");
	judge();
	for (int i = 0; i < ACTORS; i++)
		kill(s->actor[i].pid, SIGKILL);
	for (int i = 0; i < ACTORS; i++)
		waitpid(s->actor[i].pid, NULL, 0);
	fputs(findings, stdout);
	if (findings[0] || traces)
		trace();
	for (int i = 0; i < nfiles; i++)
		unsure += files[i].unsure;
	printf("%s calls %d events %u lines %lu files %d unsure %d steps %u results %u\n", name, ncalls,
	       s->events, all_lines, nfiles, unsure, s->steps, s->results);
	fflush(stdout);
	_exit(findings[0] ? FOUND : 0);
}

static void run_program(void)
{
	char text[100];
	int pid, status;
	double start = now();

	if (!name[0])
		return;
	/* So that the kernel's log tells whose a report is. */
	snprintf(text, sizeof(text), "fuzz: begin %s\n", name);
	write_text("/dev/kmsg", text);
	/* With the events of the program before. */
	memset(s->event, 0, s->events * sizeof(*s->event));
	memset(s, 0, offsetof(struct shared, event));
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run();
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		if (now() - start > 10 * STUCK) {
			printf("finding stuck: it does not end\n"
			       "%s calls %d events %u lines 0 files 0 unsure 0 steps 0 results 0\n",
			       name, ncalls, s->events);
			fflush(stdout);
			_exit(FOUND);
		}
		nap(5);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == FOUND)
		_exit(FOUND);
	if (status)
		errx(2, "%s: ended with status %#x", name, status);
}

static void add_call(char *line)
{
	struct call *c = &calls[ncalls];
	char *save = NULL, *text;

	if (ncalls == CALLS)
		errx(2, "%s: more than %d calls", name, CALLS);
	*c = (struct call){ 0 };
	if (strlen(line) >= sizeof(c->text))
		errx(2, "%s: too long: %s", name, line);
	strcpy(c->text, line);
	text = strdup(line);
	c->actor = *text - 'a';
	c->async = text[1] == '&';
	if (c->actor < 0 || c->actor >= ACTORS || !strchr(" &", text[1]))
		errx(2, "%s: no actor: %s", name, line);
	for (char *w = strtok_r(text + 1 + c->async, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		if (c->words == 12)
			errx(2, "%s: too many words: %s", name, line);
		c->word[c->words++] = w;
	}
	if (!c->words)
		errx(2, "%s: no call: %s", name, line);
	ncalls++;
}

static void read_module(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	module = malloc(1 << 24);
	while (fd >= 0 && module && (n = read(fd, module + module_size, (1 << 24) - module_size)) > 0)
		module_size += n;
	if (fd < 0 || n < 0)
		err(2, "%s", file);
	close(fd);
}

/* What is shared between processes; and, of what was done, between runs of this. */
static void *share(size_t size, int fd, int number)
{
	void *to;

	if (fd < 0 || ftruncate(fd, size))
		err(2, "memory to share");
	if (number >= 0 && dup2(fd, number) < 0)
		err(2, "dup2");
	to = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (to == MAP_FAILED)
		err(2, "mmap");
	close(fd);
	return to;
}

int main(int argc, char **argv)
{
	char line[200];

	if (was_child(argc, argv))
		return 0;
	if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "trace")))
		errx(2, "usage: fuzz MODULE.ko [trace] <PROGRAMS; see its source");
	traces = argc == 3;
	cpus = get_nprocs_conf();
	read_module(argv[1]);
	s = share(sizeof(*s), memfd_create("fuzz", 0), SHARED_FD);
	seen = share(1 << 16, open("/tmp/fuzz-seen", O_RDWR | O_CREAT | O_CLOEXEC, 0600), -1);
	if (mkdir("/tmp/fuzz-proc", 0755) ? errno != EEXIST :
	    mount("proc", "/tmp/fuzz-proc", "proc", 0, "hidepid=2"))
		err(2, "/tmp/fuzz-proc");
	prctl(PR_SET_NAME, "fzroot");
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "--- ", 4)) {
			run_program();
			snprintf(name, sizeof(name), "%.60s", line + 4);
			ncalls = 0;
		} else if (*line && *line != '#') {
			add_call(line);
		}
	}
	run_program();
	return 0;
}
