/* What: what is on the disk, and the only file that speaks SQLite.
 *
 *   change   every change of the recent past, one row a revision, with the object's bytes after it;
 *            and a mark at every start of the store
 *   object   the objects as they were before the oldest change that is kept
 *
 * The present is 'object' with 'change' on top. A write only appends to 'change'; now and then the
 * oldest changes are folded into 'object' in the same transaction. So an object is written once,
 * and a watch can go back in time also after a restart.
 *
 * Crash: one batch is one transaction of a write-ahead log with synchronous=FULL; after a crash it
 * is there or not there as a whole. Revisions that were given out and then lost may have been seen
 * by readers, so every start skips REVISION_GAP of them and none means two things.
 *
 * Threads: db_write may run on another thread than the rest (it has a connection of its own); one
 * call at a time. A store without a file has one connection, and must be written on the thread that
 * reads. */
#pragma once

#include "base/err.h"
#include "base/list.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "store/store.h"
#include "store/stored.h"

enum { CHANGE_MARK = 3 }; /* beside enum store_event_type: the store was started */

struct change {
	int type; /* enum store_event_type or CHANGE_MARK */
	uint64_t revision;
	uint64_t before;                /* revision of the state before; 0: none */
	const struct stored *now, *old; /* a share of each; null on marks; old null on ADDED */
};

/* What one commit writes. */
struct batch {
	VEC(struct change) changes; /* owned */
	struct list waits;          /* store_wait.in_store */
	uint64_t fold_to;           /* 0: fold nothing */
	int result;                 /* of db_write */
	struct err why;
};

struct db;
/* Opens or makes the file (mode 0600) and takes its lock; path null: in memory. Failure:
 * ERR_UNAVAILABLE when another process has it, ERR_SYNTAX when it is no store, from the future, or
 * damaged, ERR_IO. */
MUST_USE int db_open(const char *path, struct db **ret, struct err *err);
struct db *db_close(struct db *db); /* accepts null */
bool db_is_in_memory(const struct db *db);
/* One durable transaction. Failure: ERR_IO; nothing is written then. */
MUST_USE int db_write(struct db *db, const struct batch *b, struct err *err);

struct db_object {
	uint64_t id, revision;
	struct slice kind; /* "Deployment.apps", "Pod" */
	struct slice json;
};
typedef int db_object_fn(void *arg, const struct db_object *o, struct err *err);
/* Every present object, or only the CustomResourceDefinitions; a failure of fn ends it. */
MUST_USE int db_each_object(struct db *db, bool only_definitions, db_object_fn *fn, void *arg,
                            struct err *err);
struct db_change {
	int type;
	uint64_t revision, before, id;
	struct slice kind;
};
typedef int db_change_fn(void *arg, const struct db_change *c, struct err *err);
/* Every kept change, oldest first. */
MUST_USE int db_each_change(struct db *db, db_change_fn *fn, void *arg, struct err *err);
/* The bytes of the object id as of one revision: a kept change or the folded state. Failure:
 * ERR_NOTFOUND. */
MUST_USE int db_read(struct db *db, uint64_t id, uint64_t revision, struct strbuf *json,
                     struct err *err);
