/* What: a class of failure as data plus one small function. Families are one file each (check-svc.c ...) that
 * ends in a table; catalogue.c lists the families. The build's tests refuse a class that is not in the catalogue's
 * page (docs/checks.md), has no example that fires or none that nearly does. */
#pragma once

#include "analyse/finding.h"

/* Where on the way from the browser to the database it breaks. */
enum hop {
	HOP_CONFIG,  /* what somebody wrote into a value */
	HOP_POD,     /* the program and its pod */
	HOP_NAME,    /* DNS */
	HOP_SERVICE, /* Service and endpoints */
	HOP_POLICY,
	HOP_INGRESS, /* ingress controller or gateway */
	HOP_TLS,
	HOP_BALANCER, /* cloud load balancer, subnets, security groups */
	HOP_CDN,
	HOP_DATABASE,
	HOP_SCALING,
	HOP_ROLLOUT,
	HOP_MESH,
	HOP_NODE,
	HOP_METRICS,
};
const char *hop_text(enum hop h); /* "network policy" */

struct rule {
	const char *id, *title;
	enum severity severity;
	enum certainty certainty;
	enum hop hop;
	const char *symptom, *cause, *evidence, *probe, *fix; /* sentences */
	const char *sources;
	/* Ids of classes ("NP002 NP004") that, found at an object this finding names too, explain it. */
	const char *after;
	/* Looks for it. Null: files cannot tell, only a look at the running system can ('probe'). Certainty context:
	 * called only with a declared profile. */
	void (*check)(struct check *c);
};

struct family {
	const char *prefix, *title;
	const struct rule *rules; /* ends with a null id */
};
extern const struct family *const rule_families[]; /* ends with null */

const struct rule *rule_find(struct slice id); /* null when there is none */
#define rule_each(it)                                                                              \
	for (const struct family *const *it##_family = rule_families; *it##_family; it##_family++) \
		for (const struct rule *it = (*it##_family)->rules; it->id; it++)

/* Asks every rule that can speak. */
void check_all(struct subject *s, struct findings *ret);
/* One rule; for tests. */
void check_one(const struct rule *r, struct subject *s, struct findings *ret);
