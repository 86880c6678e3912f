/* What: objects of AWS's network controllers (ACK) as they come to life here: references, ids, conditions, finalizers.
 * cloud.c has what all kinds share; cloud-kinds.c and cloud-gateways.c what each asks for and tells, cloud-in-use.c
 * what holds it. Source: cloud-kinds.md 3, 4 */
#pragma once

#include "control/edit.h"
#include "model/vpc.h"

#define CLOUD_REGION  "us-east-1"
#define CLOUD_ACCOUNT "000000000000" /* no real account has this number */

/* One look at one object. */
struct cloud_look {
	struct work *w;
	const struct vpc *all;
	enum vpc_kind kind;
	const struct val *object; /* as stored */
	struct val *status;       /* of the copy to write */
	/* What came of it; null: nothing is wrong. */
	const char *unresolved;  /* a reference leads nowhere yet */
	const char *terminal;    /* the spec must change */
	const char *recoverable; /* something else must happen first */
	const char *advisory;    /* it is so, but not as one may think */
	bool has_references;
};

/* ---- cloud-kinds.c, cloud-gateways.c, cloud-in-use.c ---- */
/* A reference in spec: by name, or by id in the field 'literal'. */
struct cloud_ref {
	const char *ref, *literal;
	enum vpc_kind to;
	bool is_list, required;
};
const struct cloud_ref *cloud_refs(enum vpc_kind k); /* ends with a null ref */
/* References deeper in the spec (routes, rules): sets unresolved or terminal. */
void cloud_check_deep(struct cloud_look *l);
/* Checks the spec and, when nothing is wrong, writes what is particular to the kind into status. */
void cloud_fill(struct cloud_look *l);
/* Why it cannot be deleted, in the service's words; null: it can. */
const char *cloud_in_use(struct cloud_look *l);

/* ---- cloud.c ---- */
/* One name that a holder refers to: resolved, or the look says why not. */
void cloud_resolve(struct cloud_look *l, const struct val *spec, const struct cloud_ref *r);
