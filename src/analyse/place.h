/* What: a place as a person names it in an expectation or an option, made into ends of a matrix.
 *
 *   shop/web             a workload; when there is none of that name, the Service of that name (its
 * pods) deployment shop/web  the same when several kinds share a name; "service shop/web" for a
 * Service web                  the same in the only namespace that has it a star for the name every
 * workload of the namespace internet, private networks, node, outside, every workload, everything;
 * the first two also without some addresses: "internet but 203.0.113.0/24" 10.0.2.0/24, 10.0.2.7
 * addresses: the part of the world that overlaps them {namespace: shop, labels: {app: web}} pods by
 * labels; namespace may be left out: any {namespaceLabels: {team: a}, labels: {app: web}} a list of
 * such
 *
 * Members: a place is kept by workload and by end outside, because two workloads of one end may be
 * named apart. */
#pragma once

#include "analyse/matrix-subject.h"

struct place_member {
	uint32_t workload; /* UINT32_MAX: an end outside */
	uint32_t end;
	const struct svc *service; /* it was named by this Service; or null */
};
struct place {
	struct place_member *at; /* ascending by workload, then end; each once */
	size_t n;
	const char *text; /* as the reader wrote it, for messages */
};

/* Failure: ERR_SYNTAX for what is no place, ERR_NOTFOUND with what is near for a name that is not
 * there; *ret_at (may be null) then is the node to blame. Everything is in 'a'. */
MUST_USE int place_of_val(struct arena *a, struct subject *s, const struct matrix *m,
                          const struct val *v, struct place *ret, const struct val **ret_at,
                          struct err *err);
MUST_USE int place_of_text(struct arena *a, struct subject *s, const struct matrix *m,
                           struct slice text, struct place *ret, struct err *err);
/* The ends its members are in. */
struct ends place_ends(struct arena *a, const struct place *p);
