/* What: the door to crun and conmon: containers out of bundles, their ends, programs run in them.
 *
 * Why this way: conmon holds each container (log, exit status, terminal), so that containers
 * outlive every process of ours. What is needed to find them again is on disk, one folder per
 * container:
 *
 *   RUN/c/<id>/config.json    the OCI configuration ("bundle" of crun)
 *   RUN/c/<id>/pid            the container's first process       RUN/c/<id>/conmon.pid
 *   RUN/c/<id>/attach         conmon's socket (SOCK_SEQPACKET): first byte of a packet 2 stdout,
 *                             3 stderr, rest data; what is sent goes to stdin
 *   RUN/c/<id>/ctl            fifo: "1 ROWS COLUMNS\n" resizes, "2 0 0\n" opens the log again
 *   RUN/exit/<id>             exit status as decimal, written by conmon at the end
 *   RUN/crun/                 crun's own state
 *
 *         create ok          start ok            conmon ended
 *   CREATING ------> CREATED --------> RUNNING ---------------> EXITED --- remove --> (gone)
 *       |                |                                        ^
 *       +---- failed ----+----------------------------------------+
 *
 * All calls are asynchronous on the loop; callbacks never come from inside the call. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "codec/value.h"
#include "loop/loop.h"

#define RUNTIME_ID_SIZE 33 /* 32 hex digits, terminated */

struct runtime;
struct runtime_container;

enum runtime_state { RUNTIME_CREATING, RUNTIME_CREATED, RUNTIME_RUNNING, RUNTIME_EXITED };

struct runtime_exit {
	int code; /* 0..255; 128 + signal when killed by one */
	bool oom_killed;
	bool is_unknown;    /* nobody kept the status: code is 137 */
	int64_t at_wall_us; /* when it ended */
};

struct runtime_events {
	/* create or start is done (why null) or failed (state is EXITED, exited does not come). */
	void (*created)(void *arg, const struct err *why);
	void (*started)(void *arg, const struct err *why);
	void (*exited)(void *arg,
	               const struct runtime_exit *e); /* once, after started or adoption */
};

/* run_dir: RUN above, made when absent ("/run/kennel/N"); path short enough for sockets. */
MUST_USE int runtime_new(struct loop *l, const char *run_dir, struct runtime **ret,
                         struct err *err);
/* Containers stay as they are; their callbacks never come any more. */
struct runtime *runtime_free(struct runtime *rt);
void runtime_new_id(char id[RUNTIME_ID_SIZE]);

struct runtime_spec {
	const char *id; /* runtime_new_id */
	const struct val
		*config;      /* spec_render's; written into the bundle before the call returns */
	const char *log_path; /* CRI format, appended; its folder exists */
	bool tty;             /* as config's process.terminal */
	bool stdin_open;      /* what attach sends reaches the container */
	bool stdin_once;      /* stdin ends with the first attached client */
};
/* Starts `crun create` under conmon. On success events follow; on failure nothing is left. */
MUST_USE int runtime_create(struct runtime *rt, const struct runtime_spec *s,
                            const struct runtime_events *events, void *arg,
                            struct runtime_container **ret, struct err *err);
/* Lets a CREATED one run. */
void runtime_start(struct runtime_container *c);
/* Signal to its first process; nothing when it has ended. */
void runtime_kill(struct runtime_container *c, int signum);
/* SIGKILL to everything in it. */
void runtime_kill_all(struct runtime_container *c);
/* Removes an EXITED one (or kills it first) with bundle and cgroups; done (may be null) is the last
 * callback; c is gone after it. */
void runtime_remove(struct runtime_container *c, void (*done)(void *arg), void *arg);

/* After a restart: takes up the container of that id. Its state is what it is now: RUNNING (exited
 * will come), CREATED (start or remove it), EXITED (see runtime_exit_of). Failure: ERR_NOTFOUND
 * when there is no such container (any more). */
MUST_USE int runtime_adopt(struct runtime *rt, const char *id, const struct runtime_events *events,
                           void *arg, struct runtime_container **ret, struct err *err);
/* Removes every container on disk that nobody created or adopted; call it after adoption. */
void runtime_remove_strays(struct runtime *rt);

const char *runtime_id(const struct runtime_container *c);
enum runtime_state runtime_state(const struct runtime_container *c);
const struct runtime_exit *
runtime_exit_of(const struct runtime_container *c); /* null unless EXITED */
pid_t runtime_pid(
	const struct runtime_container *c); /* first process, as the node sees it; 0: none */
bool runtime_has_tty(const struct runtime_container *c);
/* Borrowed while c lives. */
const char *runtime_attach_path(const struct runtime_container *c);
const char *runtime_log_path(const struct runtime_container *c);
const char *runtime_cgroup(const struct runtime_container *c); /* "/kennel-N/ROLE/kubepods/..." */
/* Terminal size of a container with tty. */
void runtime_resize(struct runtime_container *c, uint16_t columns, uint16_t rows);
/* Closes the log and opens log_path anew: call it after the file was renamed. */
void runtime_reopen_log(struct runtime_container *c);
struct cgroups;
struct cgroups *runtime_cgroups(const struct runtime *rt); /* host/cgroup.h; borrowed */
/* The container of that id, or null. */
struct runtime_container *runtime_find(const struct runtime *rt, const char *id);

/* ---- another program in a running container: exec, exec probes, hooks ---- */

struct runtime_exec;
struct runtime_exec_spec {
	const struct val *args;        /* array of strings */
	bool tty;                      /* then only stdout comes, and resize works */
	bool stdin_open;               /* else it reads /dev/null */
	bool stdout_open, stderr_open; /* else thrown away */
	int64_t timeout_us;            /* 0: none; then killed, timed_out */
};
struct runtime_exec_result {
	int code; /* of the program; 128 + signal */
	bool timed_out;
	const struct err *why; /* it could not be run at all (no such file, no such container) */
};
struct runtime_exec_events {
	void (*data)(void *arg, int stream,
	             struct slice bytes); /* 1 stdout, 2 stderr; may be null */
	void (*drain)(void *arg);         /* stdin takes more again; may be null */
	void (*done)(void *arg,
	             const struct runtime_exec_result *r); /* last call, after all data */
};
/* Never fails from inside: done reports it. e is gone after done. */
struct runtime_exec *runtime_exec(struct runtime_container *c, const struct runtime_exec_spec *s,
                                  const struct runtime_exec_events *events, void *arg);
void runtime_exec_write(struct runtime_exec *e, struct slice bytes); /* to stdin; queued */
bool runtime_exec_is_full(const struct runtime_exec *e); /* more than 256 KiB are queued */
void runtime_exec_eof(struct runtime_exec *e);           /* closes stdin after what is queued */
void runtime_exec_pause(struct runtime_exec *e, bool paused); /* of stdout and stderr */
void runtime_exec_resize(struct runtime_exec *e, uint16_t columns, uint16_t rows);
/* The client has gone: events never come any more; the program gets SIGHUP by its terminal or its
 * closed pipes, and lives on if it ignores that. */
void runtime_exec_drop(struct runtime_exec *e);
