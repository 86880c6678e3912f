/* What: a store for tests: in memory or in a file of a folder of its own, on a hand-driven loop. */
#pragma once

#include "codec/json.h"
#include "store/store.h"

struct world {
	struct loop *loop;
	struct registry *registry;
	struct store *store;
	const struct kind *configmap, *pod, *deployment, *namespace;
	char *folder; /* owned; null in memory */
	char *path;   /* of the store's file; owned */
	int64_t wall_us;
};

void world_init(struct world *w);      /* in memory */
void world_init_file(struct world *w); /* in a file */
void world_fini(struct world *w);
/* Closes and opens the store again with a fresh registry. */
void world_reopen(struct world *w);
/* Opens the files as they are now, as after a crash: a copy of them. The world goes on with the
 * copy. */
void world_crash(struct world *w);
int world_open(struct world *w, struct err *err);
void world_close(struct world *w);

/* Creates from JSON; fails the test on errors. Borrowed as store_create's. */
const struct doc *world_create(struct world *w, const struct kind *k, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A ConfigMap in namespace default with data.v. */
const struct doc *world_configmap(struct world *w, const char *name, const char *v);
/* Replaces an object with a merge of the JSON into its top level; result of store_update. */
int world_update(struct world *w, const struct kind *k, const char *ns, const char *name,
                 const char *json, struct err *err);
const struct doc *world_get(struct world *w, const struct kind *k, const char *ns,
                            const char *name);
const char *world_str(const struct doc *d, const char *path);
