/* What: starts a program without a shell and collects what it prints; on the loop. */
#pragma once

#include <sys/types.h>

#include "base/strbuf.h"
#include "loop/loop.h"

struct process_spec {
	const char *const *argv; /* null-terminated; argv[0] is the path or found in PATH */
	const char *const *env;  /* null: inherit */
	const char *cwd;         /* null: inherit */
	struct slice input;      /* written to standard input; empty: /dev/null */
	int stdin_fd, stdout_fd, stderr_fd; /* >0: given to the child instead of pipes */
	const int *pass_fds;    /* null or -1-terminated: become 3, 4, ... in the child */
	int netns_fd, mntns_fd; /* >0: entered before exec; argv[0] is looked for in there */
	uid_t uid;              /* >0: taken, with gid and no other groups, after the namespaces */
	gid_t gid;
	bool new_session;   /* setsid: apart from our terminal and its signals */
	int64_t timeout_us; /* 0: none; then SIGKILL and timed_out */
	size_t max_output;  /* bytes kept of each stream; 0: 1 MiB */
};

struct process_result {
	int status; /* as waitpid's */
	bool timed_out;
	const char *out; /* terminated; borrowed for the callback */
	size_t out_size;
	const char *err;
	size_t err_size;
};

typedef void process_done_fn(void *arg, const struct process_result *r);
struct process; /* freed by itself after done ran */

/* The program's end is waited for, not that of what it leaves behind: output written later by a
 * daemon it started is not kept. Everything in 'spec' is copied or used before the call returns;
 * descriptors stay the caller's. All signals have their default action in the program; no
 * descriptor but the named ones gets into it. */

/* Starts it; done is called exactly once, never from inside. Failure: ERR_IO, ERR_NOTFOUND. */
MUST_USE int process_start(struct loop *l, const struct process_spec *spec, process_done_fn *done,
                           void *arg, struct process **ret_p, struct err *err);
pid_t process_pid(const struct process *p);
void process_kill(struct process *p, int signum);
/* done is never called any more; the program runs on. p is not to be touched afterwards. */
void process_forget(struct process *p);

/* Blocking twin, for commands and set-up code only, on a loop of its own. out/err may be null.
 * Failure: as process_start; ERR_TIMEOUT. */
MUST_USE int process_run(const struct process_spec *spec, struct strbuf *out,
                         struct strbuf *err_out, int *ret_status, struct err *err);
