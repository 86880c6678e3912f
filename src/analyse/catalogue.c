/* Why: the families in the order of a packet's way, and what asks them; see rule.h. */
#include "analyse/limits.h"
#include "analyse/rule.h"

#define FAMILY(name) extern const struct family family_##name;
#include "analyse/families.def"
#undef FAMILY

const struct family *const rule_families[] = {
#define FAMILY(name) &family_##name,
#include "analyse/families.def"
#undef FAMILY
	NULL,
};

const char *hop_text(enum hop h)
{
	static const char *const texts[] = {
		[HOP_CONFIG] = "configuration",
		[HOP_POD] = "pod",
		[HOP_NAME] = "name",
		[HOP_SERVICE] = "service",
		[HOP_POLICY] = "network policy",
		[HOP_INGRESS] = "ingress",
		[HOP_TLS] = "certificate",
		[HOP_BALANCER] = "load balancer",
		[HOP_CDN] = "content delivery",
		[HOP_DATABASE] = "database",
		[HOP_SCALING] = "autoscaling",
		[HOP_ROLLOUT] = "rollout",
		[HOP_MESH] = "service mesh",
		[HOP_NODE] = "node",
		[HOP_METRICS] = "observability",
	};

	return texts[h];
}

const struct rule *rule_find(struct slice id)
{
	rule_each(rule)
	{
		if (slice_is(id, rule->id)) {
			return rule;
		}
	}
	return NULL;
}

void check_one(const struct rule *r, struct subject *s, struct findings *ret)
{
	struct check c = { .subject = s, .found = ret, .rule = r };

	if (r->check && (r->certainty != CERTAINTY_CONTEXT || s->profile->declared)) {
		r->check(&c);
	}
}

void check_all(struct subject *s, struct findings *ret)
{
	rule_each(rule)
	{
		check_one(rule, s, ret);
	}
}
