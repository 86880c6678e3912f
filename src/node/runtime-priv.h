/* Shared by the files of the runtime: runtime.c (life of containers), runtime-exec.c (programs in
 * them). */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "loop/process.h"
#include "node/runtime.h"

struct runtime {
	struct loop *loop;
	char *run_dir, *crun_root, *exit_dir, *crun; /* owned */
	struct cgroups *cgroups;                     /* owned */
	struct map containers;                       /* id -> struct runtime_container, owned */
};

struct runtime_container {
	struct runtime *rt;
	char id[RUNTIME_ID_SIZE];
	char *dir, *log_path, *cgroup, *attach_path; /* owned */
	enum runtime_state state;
	bool tty;
	bool is_starting;  /* start was asked for and is not answered */
	bool is_announced; /* exited was called or will never be */
	bool is_failed;    /* create or start failed */
	int sync_fd;       /* what conmon says about create; -1 */
	int pid_fd;        /* of the first process; -1 */
	pid_t pid;
	struct runtime_exit exit;
	struct loop_fd *sync;
	struct strbuf said;        /* on sync */
	struct loop_child *conmon; /* its end is the container's */
	struct process *launcher;  /* conmon's first process, gone when conmon.pid is written */
	struct process *starter;   /* crun start */
	struct loop_defer tell;    /* announces what was found from inside a call */
	struct runtime_events events;
	void *arg;
	struct list execs; /* runtime_exec.in_container */
	unsigned n_execs;  /* ever: names files */
	void (*removed)(void *arg);
	void *removed_arg;
};

/* Ends the programs' accounts when their container goes: done comes with code 137. */
void runtime_exec_abandon(struct runtime_container *c);
