/* What: the inside of a store, shared by the files of this room. */
#pragma once

#include "store/db.h"
#include "store/limits.h"
#include "store/table.h"
#include "store/writer.h"

/* A committed change of the recent past; its bytes are on the disk. */
struct past {
	uint64_t revision, before, id;
	const struct kind *kind; /* null: a mark, or a kind that is not known any more */
	int type;
};

struct store {
	struct loop *loop;          /* given; borrowed */
	struct store_config config; /* given; path and registry borrowed by whom they came from */
	struct db *db;              /* owned */
	struct writer *writer;      /* owned; null: batches are written by the loop's thread */
	VEC(struct table) tables;   /* by kind id */
	uint64_t revision;          /* last one given */
	/* commits */
	struct batch pending;    /* collects */
	struct batch under_way;  /* is being written, unless idle */
	bool is_writing;         /* under_way holds a batch */
	bool is_failing;         /* the last try to write it failed with under_way.why */
	bool is_telling;         /* watchers and waits are being called */
	struct loop_defer turn;  /* commits at the end of the turn */
	struct loop_timer retry; /* writes under_way again */
	/* watching */
	VEC(struct past) history;          /* committed, oldest first; never empty */
	uint64_t published;                /* last committed revision; the last of history */
	VEC(struct store_watch *) watches; /* owned by whoever made them */
};

/* ---- store.c ---- */
struct table *store_table(struct store *s, const struct kind *k); /* made when absent */
/* Plans a commit for the end of this turn. */
void store_plan_commit(struct store *s);

/* ---- watch.c ---- */
/* Tells the watchers of a batch that is on the disk. */
void watch_publish(struct store *s, const struct batch *b);
/* How far the history may be folded without taking it from under a watch; 0: not at all. */
uint64_t watch_fold_limit(const struct store *s);
/* Frees what was unwatched while watchers were told. */
void watch_sweep(struct store *s);
void watch_forget_all(struct store *s);
