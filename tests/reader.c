// SPDX-License-Identifier: GPL-2.0
/*
 * Reads a file in all the ways that there are, for tests/test_reader.py. It runs in the guest, which
 * has little else.
 *
 *	reader FILE OPERATION...
 *
 * does one operation after the other, and prints a line for each: its letter, what it returned or
 * the name of the error, and the text that it read, with \n for a newline.
 *
 *	rN      read() up to N bytes
 *	R       read() to the end, or an error
 *	pN,O    pread() up to N bytes at O
 *	lO      lseek() to O from the start; LO: from the end
 *	n, N    set, clear O_NONBLOCK
 *	wMS     poll() for input, for up to MS milliseconds, or for ever if that is -1
 *	sMS     select(), eMS epoll_wait(), likewise
 *	xN      splice() up to N bytes into a pipe, and read that
 *	tN      N threads that read() to the end; all that they got, each line once
 *	c       when this thread sleeps, another one closes the descriptor, and then sends a signal
 *	oN      open the file N more times, and keep it open
 *	mN      N threads that open the file anew and read() once; then one reads to the end, the next
 *	        polls, and so on; prints a line when all of them sleep, and ends with them
 *	iN      open, read up to 4096 bytes, and close, N times; what each takes in instructions, under
 *	        virtual time: the medians
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
#include <sys/epoll.h>
#include <sys/select.h>
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

static void do_poll(int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n = poll(&p, 1, ms);

	print('w', n > 0 ? p.revents : n, 0);
}

static void do_select(int ms)
{
	struct timeval t = { ms / 1000, ms % 1000 * 1000 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	print('s', select(fd + 1, &set, NULL, NULL, ms < 0 ? NULL : &t), 0);
}

static void do_epoll(int ms)
{
	static int ep = -1;
	struct epoll_event e = { .events = EPOLLIN };
	int n;

	if (ep < 0) {
		ep = epoll_create1(0);
		if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e))
			err(2, "epoll");
	}
	n = epoll_wait(ep, &e, 1, ms);
	print('e', n > 0 ? (ssize_t)e.events : n, 0);
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

/* Whether a thread of this process sleeps. */
static int sleeps(pid_t tid)
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
	return state && state[2] == 'S';
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
	static unsigned long long took[3][1024];
	unsigned long long at[4];

	for (long i = 0; i < n && i < 1024; i++) {
		int f;
		ssize_t got;

		at[0] = ticks();
		f = open(name, O_RDONLY);
		at[1] = ticks();
		got = read(f, buf, 4096);
		at[2] = ticks();
		close(f);
		at[3] = ticks();
		if (f < 0 || got <= 0)
			err(2, "%s", name);
		for (int j = 0; j < 3; j++)
			took[j][i] = at[j + 1] - at[j];
	}
	for (int j = 0; j < 3; j++)
		qsort(took[j], n, sizeof(took[j][0]), compare);
	printf("i 0 %llu %llu %llu\n", took[0][n / 2], took[1][n / 2], took[2][n / 2]);
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
	struct pollfd p = { .fd = open(file_name, O_RDONLY), .events = POLLIN };
	char text[4096];

	if (p.fd < 0 || read(p.fd, text, sizeof(text)) <= 0)
		err(2, "%s", file_name);
	__atomic_store_n(&tids[number], gettid(), __ATOMIC_SEQ_CST);
	if (number % 2)
		poll(&p, 1, -1);
	else
		while (read(p.fd, text, sizeof(text)) > 0)
			;
	close(p.fd);
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

int main(int argc, char **argv)
{
	if (argc < 2)
		errx(2, "usage: reader FILE OPERATION...; see its source");
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
		long at = *end == ',' ? atol(end + 1) : 0;
		pthread_t thread;
		ssize_t got;

		switch (op) {
		case 'r':
			got = read(fd, buf, n);
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
			do_poll(n);
			break;
		case 's':
			do_select(n);
			break;
		case 'e':
			do_epoll(n);
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
