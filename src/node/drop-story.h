/* What: a dropped flow with names: whose policies, which pods, in words. Pure. */
#pragma once

#include "base/strbuf.h"
#include "dataplane/dataplane.h"
#include "model/policy-table.h"

struct drop_story { /* everything borrowed from the model, until its next change */
	const struct dropped *drop;
	const struct val *src, *dst; /* who has the addresses; null: nobody known */
	/* Whom it is told to: the pod whose policies drop; of other reasons the pod that sent, else whom
	 * it was meant for: pod, Service, host outside the cluster. Null: nobody. */
	const struct val *subject;
	bool is_egress; /* seen from the subject: it sent */
	/* Of policies: the one whose rule denied it, and that rule ... */
	const struct val *denied_by, *rule;
	/* ... or, without one, those that isolate the subject in that direction and do not admit it. */
	const struct val *const *policies;
	size_t n_policies;
};
void drop_story_make(const struct model *m, const struct dropped *d, struct drop_story *ret);

/* "ingress from pod shop/web (10.244.0.5) to TCP port 3306 was dropped: ...", without the subject's name. */
void drop_story_tell(const struct drop_story *s, struct strbuf *out);
/* The reason of an Event: "NetworkPolicyDrop"; null: nothing to tell anybody. */
const char *drop_story_event(const struct drop_story *s);
/* {"reason", "direction", "protocol", "subject": {"kind", "namespace", "name"}, "source": {"ip", "kind", "namespace", "name"}, "destination": {..., "port"},
 * "policies": [{"kind", "namespace", "name", "rule"}], "packets", "ageMs", "message"} */
struct val *drop_story_value(const struct drop_story *s, struct arena *a);
