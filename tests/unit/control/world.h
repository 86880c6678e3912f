/* What: a small world for controller tests: a memory store, a hand-driven loop, and a node that runs pods. */
#pragma once

#include "base/map.h"
#include "control/control.h"

struct world {
	struct loop *loop;
	struct registry *registry;
	struct store *store;
	struct control *control;
	struct store_watch *watch;
	const struct kind *pod, *deployment, *replicaset, *service, *slice, *endpoints, *event,
		*node, *namespace, *configmap, *serviceaccount, *ingress, *secret, *lease;
	bool pods_start;     /* the node makes scheduled pods ready after start_us */
	int64_t start_us;    /* default 100 ms */
	int64_t stop_us;     /* pods being deleted are gone after that time; default 100 ms */
	const char *broken;  /* pods with this image never become ready; null: none */
	size_t fail_creates; /* the next so many creations of pods are refused */
	int n_issued;        /* certificates */
	struct map timers;   /* pods on their way */
	int next_ip;
	void (*each_change)(struct world *w); /* called after every committed change; may be null */
	void *arg;
};

void world_init(struct world *w); /* with namespace default and a ready node n1 (4 CPUs, 8 GiB) */
void world_fini(struct world *w);
/* Creates or replaces from JSON; apiVersion and kind in it. Fails the test on errors. */
void world_put(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Merges a JSON patch text (RFC 7386) into an object. */
void world_merge(struct world *w, const struct kind *k, const char *ns, const char *name,
                 const char *patch);
void world_delete(struct world *w, const struct kind *k, const char *ns, const char *name,
                  const char *propagation);
/* Lets time pass. */
void world_run_ms(struct world *w, int64_t ms);
const struct val *world_get(struct world *w, const struct kind *k, const char *ns,
                            const char *name);
size_t world_count(struct world *w, const struct kind *k, const char *ns);
/* Only object of a kind in a namespace (fails the test otherwise). */
const struct val *world_only(struct world *w, const struct kind *k, const char *ns);
/* n-th object in key order. */
const struct val *world_nth(struct world *w, const struct kind *k, const char *ns, size_t n);
/* Pods of a namespace by state. */
struct tally {
	size_t all, active, ready, deleting;
	size_t active_of_image; /* active ones whose first container has 'image' */
};
struct tally world_tally(struct world *w, const char *ns, const char *image);
/* Status or annotation text at a dotted path. */
const char *world_str(const struct val *object, const char *path);
/* Events with that reason. */
size_t world_events(struct world *w, const char *reason);
