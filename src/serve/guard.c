/* Why: somebody must start the one that starts all others; see guard.h. Straight code without a loop:
 * it waits for one process at a time. */
#include "serve/guard.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/slice.h"

static const int64_t steady_us = 10 * US_PER_S;
enum { FIRST_WAIT_MS = 10, LONGEST_WAIT_MS = 5000 };

static void wait_for(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0) {
		return; /* gone already */
	}
	while (poll(&p, 1, -1) < 0 && errno == EINTR) {
	}
	close(pidfd);
	while (waitpid(pid, NULL, WNOHANG) > 0) {
	}
}

int guard_main(int argc, char **argv)
{
	int wait_ms = FIRST_WAIT_MS;
	uint64_t pid;

	log_init("guard", LOG_INFO);
	if (argc < 4 || strcmp(argv[1], "--pid") != 0 || !slice_to_u64(slice_of(argv[2]), &pid) ||
	    strcmp(argv[3], "--") != 0) {
		log_broken("Usage: kennel guard --pid PID -- ARGUMENTS of serve");
		return 2;
	}
	for (;;) {
		int64_t since_us = clock_mono_us();
		pid_t child;

		wait_for((pid_t)pid);
		if (clock_mono_us() - since_us > steady_us) {
			wait_ms = FIRST_WAIT_MS;
		}
		log_odd("Supervisor died and is started again pid=%d", (int)pid);
		usleep((unsigned)wait_ms * 1000);
		wait_ms = wait_ms * 2 > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : wait_ms * 2;
		child = fork();
		if (child == 0) {
			setsid();
			execv("/proc/self/exe", argv + 4);
			_exit(127);
		}
		if (child < 0) {
			log_broken("Supervisor cannot be started: %s", strerror(errno));
			continue;
		}
		pid = (uint64_t)child;
	}
}
