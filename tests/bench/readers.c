// SPDX-License-Identifier: GPL-2.0
/*
 * Many readers of a file at once, for scripts/bench.py; in the guest.
 *
 *	readers FILE N SECONDS
 *
 * opens the file N times, and has a thread read each for so long, as fast as lines come. It prints
 * when that began and ended, by the time stamp counter, how many bytes of the kernel's slabs each
 * open file takes, how many lines there were, and how many were lost.
 */

#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

struct reader {
	pthread_t thread;
	int fd;
	unsigned long lines;
	unsigned long lost;
};

static pthread_barrier_t barrier;
static long seconds;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static long slab_kb(void)
{
	char line[128];
	long kb = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f) && sscanf(line, "Slab: %ld", &kb) != 1)
		;
	if (kb < 0)
		errx(2, "/proc/meminfo tells no Slab");
	fclose(f);
	return kb;
}

static void *read_lines(void *arg)
{
	struct reader *reader = arg;
	char text[4096 + 1], *line, *end;
	ssize_t got;
	double until;

	pthread_barrier_wait(&barrier);
	until = now() + seconds;
	while (now() < until) {
		got = read(reader->fd, text, sizeof(text) - 1);
		if (got <= 0)
			err(2, "read");
		text[got] = 0;
		for (line = text; (end = strchr(line, '\n')); line = end + 1) {
			if (*line == '#')
				reader->lost += strtoul(line + 2, NULL, 10);
			else
				reader->lines++;
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned long lines = 0, lost = 0;
	unsigned long long begin, end;
	struct reader *readers;
	pthread_attr_t attr;
	char text[4096];
	long n, before, after;

	if (argc != 4 || (n = atol(argv[2])) < 1 || (seconds = atol(argv[3])) < 1)
		errx(2, "usage: readers FILE N SECONDS");
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ n + 16, n + 16 });
	readers = calloc(n, sizeof(*readers));
	before = slab_kb();
	for (long i = 0; i < n; i++) {
		readers[i].fd = open(argv[1], O_RDONLY);
		/* The header and the first line. */
		if (readers[i].fd < 0 || read(readers[i].fd, text, sizeof(text)) <= 0)
			err(2, "%s", argv[1]);
	}
	after = slab_kb();
	pthread_barrier_init(&barrier, NULL, n + 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 32768);
	for (long i = 0; i < n; i++)
		if (pthread_create(&readers[i].thread, &attr, read_lines, &readers[i]))
			errx(2, "pthread_create");
	begin = __rdtsc();
	pthread_barrier_wait(&barrier);
	for (long i = 0; i < n; i++) {
		pthread_join(readers[i].thread, NULL);
		lines += readers[i].lines;
		lost += readers[i].lost;
	}
	end = __rdtsc();
	printf("readers %llu %llu %ld %lu %lu\n", begin, end, (after - before) * 1024 / n, lines, lost);
	return 0;
}
