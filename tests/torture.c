// SPDX-License-Identifier: GPL-2.0
/*
 * What tests/test_torture.py does many times over, in the guest: as a program, since there starting
 * one takes longer than what is to be done.
 *
 *	torture kill FILE ROUNDS US SEED
 *			four readers, killed at random moments of the first US microseconds
 *	torture load MODULE.ko PARAMETERS FILE ROUNDS US SEED
 *			loads a module, starts four readers, and unloads it at a random moment
 *	torture unload MODULE
 *			tries until nobody has it in use
 *	torture fail FILE
 *			fails the first, second, ... allocation of opening, polling and reading the
 *			file, until there are no more
 *	torture fail-load MODULE.ko STEP
 *			likewise of loading a module, each STEPth, and then each of the last ones, which
 *			are the module's own; it is unloaded when it loaded all the same
 */

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define READERS 4
#define LAST 60

/* Starts readers, each of which reads the file to its end, and exits with 1 if there is none. */
static void start_readers(const char *file, pid_t pids[READERS])
{
	static char text[4096];
	ssize_t n;
	int f;

	for (int i = 0; i < READERS; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			err(2, "fork");
		if (pids[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		f = open(file, O_RDONLY);
		if (f < 0)
			_exit(1);
		while ((n = read(f, text, sizeof(text))) > 0)
			;
		_exit(n < 0);
	}
}

/* Waits for them; returns how many were killed. */
static int wait_readers(pid_t pids[READERS])
{
	int status, killed = 0;

	for (int i = 0; i < READERS; i++) {
		if (waitpid(pids[i], &status, 0) < 0)
			err(2, "waitpid");
		killed += WIFSIGNALED(status);
	}
	return killed;
}

static int kill_readers(const char *file, int rounds, int us)
{
	pid_t pids[READERS];
	int killed = 0;

	for (int round = 0; round < rounds; round++) {
		start_readers(file, pids);
		for (int i = 0; i < READERS; i++) {
			usleep(random() % us / READERS);
			kill(pids[i], SIGKILL);
		}
		killed += wait_readers(pids);
	}
	printf("%d readers, %d killed\n", rounds * READERS, killed);
	return 0;
}

/* Opened before anything fails, since opening it takes memory. */
static int fail_fd;

static void set_fail_nth(int n)
{
	char text[16];

	if (pwrite(fail_fd, text, snprintf(text, sizeof(text), "%d", n), 0) < 0)
		err(2, "setting fail-nth");
}

/* Whether the n-th allocation was reached, and so failed. */
static int failed_nth(void)
{
	char text[16] = "";

	if (pread(fail_fd, text, sizeof(text) - 1, 0) < 0)
		err(2, "reading fail-nth");
	return atoi(text) == 0;
}

/* All that one does with a file, but for waiting. */
static int use(const char *name)
{
	static char text[1 << 16];
	struct pollfd p = { .events = POLLIN };
	ssize_t n = 0;

	p.fd = open(name, O_RDONLY);
	if (p.fd < 0)
		return -1;
	/* Some of the header, then the rest, and the first line perhaps. */
	if (poll(&p, 1, 0) < 0 || (p.revents & POLLERR) || (n = read(p.fd, text, 10)) <= 0 ||
	    (n = read(p.fd, text, sizeof(text))) <= 0) {
		if (n == 0)
			errx(1, "it ends before its end");
		n = -1;
	}
	close(p.fd);
	return n < 0 ? -1 : 0;
}

/* What to load, read before anything fails. */
static char module[1 << 22];
static size_t module_size;

static void read_module(const char *name)
{
	int f = open(name, O_RDONLY);
	ssize_t n;

	while (f >= 0 && (n = read(f, module + module_size, sizeof(module) - module_size)) > 0)
		module_size += n;
	if (f < 0 || n < 0 || module_size == sizeof(module))
		err(2, "%s", name);
	close(f);
}

static int load(const char *parameters)
{
	return syscall(SYS_init_module, module, module_size, parameters);
}

static int unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK);
}

/* Somebody may have it in use for now. */
static void unload_at_last(const char *name)
{
	while (unload(name)) {
		if (errno != EWOULDBLOCK)
			err(1, "unloading %s", name);
		usleep(100);
	}
}

static int fail_nth(int (*what)(const char *), const char *argument, const char *loaded, int step)
{
	int n = 1, failed = 0, refused = 0;

	fail_fd = open("/proc/thread-self/fail-nth", O_RDWR);
	if (fail_fd < 0)
		err(2, "fail-nth");
	for (;;) {
		int ret, error, reached;

		set_fail_nth(n);
		ret = what(argument);
		error = errno;
		reached = failed_nth();
		set_fail_nth(0);
		if (ret && !reached) {
			errno = error;
			err(1, "failed without a failed allocation");
		}
		if (ret && error != ENOMEM) {
			errno = error;
			err(1, "allocation %d failed, with another error", n);
		}
		refused += !!ret;
		if (!ret && loaded && unload(loaded))
			err(1, "unloading %s", loaded);
		if (reached) {
			failed++;
			n += step;
		} else if (step > 1) {
			n = n > step + LAST ? n - step - LAST : 1;
			step = 1;
		} else {
			break;
		}
	}
	printf("%d allocations failed, %d calls\n", failed, refused);
	return !refused;
}

/* What a module is called that is in a file of this name. */
static const char *module_name(char *file)
{
	char *end = strstr(file, ".ko");

	if (end)
		*end = 0;
	return file;
}

static int load_and_unload(char *file_of_module, const char *parameters, const char *file,
			   int rounds, int us)
{
	const char *name;
	pid_t pids[READERS];

	read_module(file_of_module);
	name = module_name(file_of_module);
	for (int round = 0; round < rounds; round++) {
		if (load(parameters))
			err(1, "loading %s", name);
		start_readers(file, pids);
		usleep(random() % us);
		/* A reader that waits for a page, as for its first one, has it in use so long. */
		unload_at_last(name);
		wait_readers(pids);
	}
	printf("%d times loaded and unloaded\n", rounds);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "kill") && argc == 6) {
		srandom(atoi(argv[5]));
		return kill_readers(argv[2], atoi(argv[3]), atoi(argv[4]));
	}
	if (!strcmp(what, "load") && argc == 8) {
		srandom(atoi(argv[7]));
		return load_and_unload(argv[2], argv[3], argv[4], atoi(argv[5]), atoi(argv[6]));
	}
	if (!strcmp(what, "unload") && argc == 3) {
		unload_at_last(argv[2]);
		return 0;
	}
	if (!strcmp(what, "fail") && argc == 3)
		return fail_nth(use, argv[2], NULL, 1);
	if (!strcmp(what, "fail-load") && argc == 4) {
		read_module(argv[2]);
		return fail_nth(load, "", module_name(argv[2]), atoi(argv[3]));
	}
	errx(2, "usage: see the source of torture");
}
