/* What: an API server, a network and a clock's worth of patience for tests of pods, all in this
 * process: the node's own code above, crun and conmon below, and nothing in between.
 *
 *   test: objects in, statuses and events out
 *   world.c: client.h, model.h and dataplane.h, played from memory
 *   node: pods, containers, volumes, probes ... (the real ones)
 *   crun, conmon, mounts, cgroups (the real ones; needs root) */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/pods-priv.h"

struct world {
	struct agent agent;
	char *dir, *home, *pods_dir, *run, *group, *exe;
	struct map objects; /* "plural/ns/name" -> struct doc */
	unsigned long long revision;
	struct strbuf events; /* "Warning BackOff pod: message\n" */
	int n_status_writes;
};

/* cmocka group fixtures. */
int world_set_up(void **state);
int world_tear_down(void **state);

/* Starts and stops the node's part, leaving containers alone. */
void world_start_node(struct world *w);
void world_stop_node(struct world *w);

/* YAML or JSON of one object; creates or replaces. plural: "pods". */
void world_put(struct world *w, const char *plural, const char *text);
/* A pod named 'name' in namespace t with this spec (YAML in flow style), bound to the node. */
void world_pod(struct world *w, const char *name, const char *spec);
/* Marks a pod for deletion, as DELETE with that grace does. */
void world_delete_pod(struct world *w, const char *name, int grace_s);
/* An object vanishes. */
void world_drop(struct world *w, const char *plural, const char *ns, const char *name);
/* The pod as the API server has it, or null. */
const struct val *world_find_pod(const struct world *w, const char *name);
/* Text of a dotted path in the pod ("status.phase"); numbers and booleans as JSON; "" when absent.
 * "[0]" indexes. */
const char *world_text(const struct world *w, const char *pod, const char *path);

/* Turns the loop until the path has that text; fails after 20 s with what it had. */
void world_wait(struct world *w, const char *pod, const char *path, const char *text);
void world_wait_gone(struct world *w, const char *pod);
void world_wait_event(struct world *w, const char *part);
/* Turns the loop for so long. */
void world_pass(struct world *w, int64_t us);
/* What a command prints in a pod's first container, trimmed; fails when it fails. Caller frees. */
char *world_exec(struct world *w, const char *pod, const char *shell_line);
#define assert_exec(w, pod, line, want)                                                            \
	do {                                                                                       \
		scoped_free char *said_ = world_exec(w, pod, line);                                \
		assert_string_equal(said_, want);                                                  \
	} while (0)
