/* Shared by the files of managed services: managed.c (what there is), managed-item.c (one server's
 * life), managed-prepare.c (what it has on the host), managed-write.c (what is written to its
 * object). */
#pragma once

#include "base/backoff.h"
#include "base/list.h"
#include "loop/process.h"
#include "node/managed-call.h"
#include "node/managed-settings.h"
#include "node/managed-status.h"
#include "node/managed-step.h"
#include "node/managed-wish.h"
#include "node/managed.h"

struct managed;

struct managed_watch { /* one object that an item refers to, by a replica of its own */
	struct managed *m;
	struct replica *replica;    /* owned */
	char *ns, *name, *selector; /* owned */
};

struct managed {
	struct agent *agent;                    /* borrowed */
	struct replica *objects[MANAGED_KINDS]; /* owned */
	struct replica *maps;                   /* ConfigMaps named rds-ca; owned */
	struct list items;                      /* of struct managed_item */
};

struct managed_pending {           /* work whose end comes whether or not its item still is there */
	struct managed_item *item; /* null: freed meanwhile */
	char *dir, *keep;          /* removal: what goes, and where data is kept; owned */
};

struct managed_item {
	struct list_link in_managed; /* in managed.items */
	struct managed *m;
	enum managed_kind kind;
	char *ns, *name; /* owned */
	char *dir;       /* H/managed/KIND/NS/NAME; owned */
	char *pins;      /* RUN/managed/ID: its namespace; owned */
	char id[24];     /* short, for host names, links and control groups */
	uint32_t uid;    /* that it runs as */

	/* the wish */
	struct doc *doc; /* as last seen; null: not seen yet, or gone */
	struct arena arena;
	struct managed_wish wish;             /* of doc, or of the last one */
	bool was_deleted;                     /* its deletion was seen: its data may go */
	struct managed_watch *secret, *group; /* null: none needed */
	char password[MANAGED_HASH_SIZE];     /* wanted; empty: not known */
	struct doc *group_doc;                /* the parameter group; null: none */
	const struct val *overrides;          /* in group_doc; null: none */
	const char *waits_for;                /* sentence; null: every reference is there */
	bool is_looking_up; /* it waits for the first answer only: nothing to report */

	/* the host */
	struct ip ip;   /* family 0: none yet */
	char *endpoint; /* owned; null without address */
	int64_t cert_not_after;
	bool prepared, busy, removed, failed;
	struct process *bootstrap;           /* owned by itself; null: none runs */
	struct managed_pending *pending;     /* what 'busy' stands for; owned by itself */
	struct runtime_container *container; /* null: none */
	char container_id[RUNTIME_ID_SIZE];
	uint64_t settings;               /* hash of what it was started with */
	char applied[MANAGED_HASH_SIZE]; /* password that the data knows; empty: no data */
	bool answers, was_available, is_incompatible;
	struct managed_call *call; /* null: none */

	/* life */
	enum managed_state state;
	int64_t since_us;
	struct backoff backoff;
	struct loop_timer rest, poll, grace, stable;
	bool rested;
	char trouble[232]; /* why it rests; empty: it does not */
	struct loop_defer look;

	/* the object */
	struct client_call *write, *status_write, *ca_write; /* null: none under way */
	struct loop_timer write_again;
	bool write_failed, status_failed, ca_failed; /* tried again by write_again */
};

/* ---- managed-item.c ---- */
struct managed_item *item_new(struct managed *m, enum managed_kind kind, struct slice ns,
                              struct slice name);
void item_free(struct managed_item *i); /* leaves everything on the host */
/* The object is now this (null: gone). */
void item_set_object(struct managed_item *i, const struct doc *d);
/* Looks at the facts again at the end of this turn. */
void item_look(struct managed_item *i);
/* Something of PREPARING or STARTING went wrong. */
void item_fail(struct managed_item *i, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
extern const struct runtime_events item_container_events;

/* ---- managed-prepare.c ---- */
/* Makes everything up to a startable container; ends with prepared or item_fail. */
void item_prepare(struct managed_item *i);
void item_start(struct managed_item *i); /* creates the container */
void item_admit(
	struct managed_item *i); /* writes whom its security groups admit, as they are now */
void item_remove(struct managed_item *i); /* ends with removed */
/* Sees to it that first data is on the disk; in the background. */
void item_sync(const struct managed_item *i);
/* Writes state.json. */
void item_save(const struct managed_item *i);
/* Reads it back: takes up a container that is still there. */
void item_load(struct managed_item *i);
/* Hash of the settings that are wanted now; failure as managed_settings. */
MUST_USE int item_settings(struct managed_item *i, struct strbuf *text, uint64_t *ret_hash,
                           struct err *err);

/* ---- managed-write.c ---- */
bool item_is_claimed(const struct managed_item *i);
bool item_is_released(const struct managed_item *i);
/* Writes address and finalizer; they arrive with the object. */
void item_claim(struct managed_item *i);
void item_release(struct managed_item *i); /* takes the finalizer off */
/* Writes status where it differs. */
void item_report(struct managed_item *i);
void item_event(struct managed_item *i, const char *type, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Makes the ConfigMap with the CA in the object's namespace unless one is there. */
void item_offer_ca(struct managed_item *i);

/* ---- managed.c ---- */
bool managed_is_synced(const struct managed *m);                /* every object is known */
struct managed_watch *managed_unwatch(struct managed_watch *w); /* accepts null */
/* The password's hash and the overrides as they are now, or the sentence what is missing. */
void item_refresh(struct managed_item *i);
/* ---- managed-address.c ---- */
/* Null, or why there is no subnet for it. */
const char *managed_no_place(const struct managed_item *i);
/* The address that the object carries if it is free, else the lowest free one of the subnets it may be in; family 0 when
 * there is none. */
struct ip managed_address(const struct managed *m, const struct managed_item *i);
/* Another object of this kind that has the same identifier and came first. */
bool managed_is_taken(const struct managed *m, const struct managed_item *i);
void managed_forget(struct managed *m, struct managed_item *i); /* it is GONE: frees it */
