/* What: the objects of one instance: held decoded in memory, written ahead to SQLite, watched.
 *
 * Revisions: one counter for everything; every change gets the next number, which becomes the
 * object's resourceVersion. Writes are applied to memory at once (so later writes of the same turn
 * see them) and are durable, visible to watchers and answerable only after the commit that ends the
 * turn: one transaction and one fsync for all writes of a turn. store_after_commit is how an answer
 * waits.
 *
 * Objects handed out are immutable and shared (doc_ref to keep). Key: kind, namespace, name.
 * Kinds that share storage (kind_storage) are stored under that kind. */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"
#include "codec/value.h"
#include "loop/loop.h"
#include "schema/kind.h"

struct store;

struct store_config {
	const char *path;              /* SQLite file, made 0600; null: memory only (tests) */
	struct registry *registry;     /* borrowed */
	int64_t (*wall_us)(void *arg); /* clock for creationTimestamp; null: clock_wall_us */
	void *clock_arg;
};
/* Opens, migrates and loads; registers the kinds of stored CRDs first. */
MUST_USE int store_open(struct loop *l, const struct store_config *c, struct store **ret,
                        struct err *err);
struct store *store_close(struct store *s);
uint64_t store_revision(const struct store *s);
int64_t store_wall_us(const struct store *s);
struct registry *store_registry(const struct store *s);

struct key {
	const struct kind *kind;
	struct slice ns; /* empty for cluster scope */
	struct slice name;
};

/* ---- reading ---- */
/* Borrowed until the object changes; null when absent. */
const struct doc *store_get(const struct store *s, struct key key);
/* Visits objects of a kind (and namespace unless empty) in key order; stops when fn returns false.
 * fn must not write. */
typedef bool store_visit_fn(void *arg, const struct doc *d);
void store_each(const struct store *s, const struct kind *k, struct slice ns, store_visit_fn *fn,
                void *arg);
/* Keeps the kind's objects by a value as well, for store_each_indexed: value_of appends it, or
 * returns false when the object has none. One index a kind. */
typedef bool store_index_fn(const struct val *object, struct strbuf *ret);
void store_index(struct store *s, const struct kind *k, store_index_fn *value_of);
/* Visits those of a namespace that have the value, in no order; store_index was called before. */
void store_each_indexed(const struct store *s, const struct kind *k, struct slice ns,
                        struct slice value, store_visit_fn *fn, void *arg);
size_t store_count(const struct store *s, const struct kind *k, struct slice ns);
/* Compact JSON of a stored object, encoded once. Borrowed like the object. */
struct slice store_json(const struct store *s, const struct doc *d);

/* ---- writing (the store fills uid, creationTimestamp, resourceVersion, generation) ----
 * They take values, not meaning: validation and defaults are done before by whoever writes. */

/* object is copied. Outcome of failure: ERR_EXISTS. generateName is honoured (up to 8 tries).
 * *ret (may be null) borrowed until the object changes. */
MUST_USE int store_create(struct store *s, const struct kind *k, const struct val *object,
                          const struct doc **ret, struct err *err);
/* Replaces. object.metadata.resourceVersion, when present, must match: ERR_CONFLICT with the
 * server's wording. An update that changes nothing but resourceVersion is no write (the old object
 * is returned). generation grows when anything outside metadata and status changed. When
 * deletionTimestamp is set and finalizers have become empty the object is removed (*ret: last
 * state). */
MUST_USE int store_update(struct store *s, const struct kind *k, const struct val *object,
                          const struct doc **ret, struct err *err);
struct store_delete_opts {
	struct slice uid, revision; /* preconditions; empty: none */
	int64_t grace_s;            /* -1: not given */
	const char *propagation;    /* "Background", "Foreground", "Orphan" or null */
};
enum store_deleted { STORE_REMOVED = 0, STORE_MARKED = 1 };
/* Removes, or marks with deletionTimestamp when finalizers stand or (pods) grace is above 0.
 * Foreground and Orphan add their finalizer. Outcomes: enum store_deleted. Failure: ERR_NOTFOUND,
 * ERR_CONFLICT. */
MUST_USE int store_delete(struct store *s, struct key key, const struct store_delete_opts *o,
                          const struct doc **ret_last, struct err *err);

/* Calls fn once the writes made so far are durable; in order. Cancel by loop-safe token. */
struct store_wait {
	void (*fn)(struct store_wait *w);
	struct list_link in_store; /* in store.waits */
};
void store_after_commit(struct store *s, struct store_wait *w);
/* Commits now instead of at the end of the turn (tests, shutdown). */
void store_commit(struct store *s);

/* ---- watching ---- */
enum store_event_type { STORE_ADDED, STORE_MODIFIED, STORE_DELETED };
struct store_event {
	enum store_event_type type;
	uint64_t revision;
	const struct kind *kind;
	const struct doc *object; /* DELETED: last state, with the revision of the deletion */
	const struct doc *old;    /* before; null on ADDED */
	struct slice json;        /* of object; encoded once */
};
struct store_watch;
typedef void store_watch_fn(void *arg, const struct store_event *e);
/* Delivers every committed change after 'from' of a kind (null: all kinds): those still in the
 * history (at least the last 10,000 changes) from a deferred call, later ones as they commit.
 * Failure: ERR_GONE when 'from' is older than the history. */
MUST_USE int store_watch(struct store *s, const struct kind *k, uint64_t from, store_watch_fn *fn,
                         void *arg, struct store_watch **ret, struct err *err);
struct store_watch *store_unwatch(struct store_watch *w); /* null-safe; no call afterwards */
/* Every change up to this committed revision has been told to it: what a bookmark may say. */
uint64_t store_watch_seen(const struct store_watch *w);
