/* Why: a rule of a policy may name hosts by their domain names. Addresses are known of managed hosts
 * alone; the others a rule of that name does not open, and whoever wrote it must not find that out
 * by packets. So the policy's status says it, and an event. Source: networking.md 3.4 */
#include "base/mem.h"
#include "control/edit.h"
#include "model/model.h"

#define CONDITION "kennel.dev/DomainNamesKnown"
#define REASON    "AddressUnknown"

enum { KINDS = 2 };

/* Kinds whose rules may have names. */
static void kinds_of(const struct kinds *k, const struct kind *ret[KINDS])
{
	ret[0] = k->clusterpolicy;
	ret[1] = k->adminpolicy;
}

/* ---- what to look at again ---- */

static bool see_policy(void *arg, const struct doc *d)
{
	controller_add_object(arg, d->root);
	return true;
}

static void seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;
	const struct kind *policies[KINDS];
	bool is_host = e->kind == k->database || e->kind == k->cache;

	kinds_of(k, policies);
	for (int i = 0; i < KINDS; i++) {
		if (e->kind == policies[i]) {
			controller_add_object(c, e->object->root);
		} else if (is_host && policies[i]) {
			store_each(c->control->store, policies[i], SLICE(""), see_policy, c);
		}
	}
}

/* ---- names ---- */

static bool put_host(void *arg, const struct doc *d)
{
	model_put(arg, d);
	return true;
}

static struct model *known_hosts(const struct work *w)
{
	struct model *m = model_new();

	for (int i = 0; i < 2; i++) {
		const struct kind *k = i ? w->kinds->cache : w->kinds->database;

		if (k) {
			store_each(w->store, k, SLICE(""), put_host, m);
		}
	}
	return m;
}

/* Appends those that no known host has; returns how many names there are. */
static size_t add_unknown(const struct model *m, const struct val *policy, struct strbuf *b)
{
	size_t n = 0;

	val_for_each (val_path(policy, "spec.egress"), rule) {
		val_for_each (val_get(rule, "to"), peer) {
			val_for_each (val_get(peer, "domainNames"), name) {
				n++;
				if (!model_knows_host(m, val_str(name))) {
					strbuf_addf(b, "%s" SLICE_FMT, b->size ? ", " : "",
					            SLICE_ARG(val_str(name)));
				}
			}
		}
	}
	return n;
}

/* ---- the step ---- */

static void report(struct work *w, const struct kind *k, struct val *policy,
                   const struct strbuf *unknown)
{
	struct val *status = val_need_object(w->arena, policy, "status");
	struct condition c = { CONDITION, "True", "AllKnown",
		               "Managed hosts have these names; their addresses are enforced.",
		               false };

	if (unknown->size) {
		c.status = "False";
		c.reason = REASON;
		c.message = arena_printf(w->arena,
		                         "No managed host is known by the name %s: rules by that "
		                         "name allow nothing.",
		                         strbuf_str(unknown));
	}
	if (condition_set(w, val_need_array(w->arena, status, "conditions"), &c) && unknown->size) {
		event_say(w, k, policy, "Warning", REASON, "%s", c.message);
	}
}

static int look(struct work *w, const struct kind *k, const struct doc *d, struct err *err)
{
	scoped_strbuf struct strbuf unknown = { 0 };
	struct val *policy = work_edit(w, d);
	struct model *m = known_hosts(w);
	int r;

	if (add_unknown(m, policy, &unknown)) {
		report(w, k, policy, &unknown);
	} else {
		condition_remove(val_path(policy, "status.conditions"), CONDITION);
	}
	model_free(m);
	r = work_save_changed(w, k, d, policy, err);
	return r < 0 ? r : 0;
}

/* A key may name a policy of either kind. */
static int step(struct work *w, struct slice key, struct err *err)
{
	const struct kind *policies[KINDS];
	int r = 0;

	kinds_of(w->kinds, policies);
	for (int i = 0; i < KINDS && r == 0; i++) {
		const struct doc *d = policies[i] ? work_get(w, policies[i], key) : NULL;

		r = d && !meta_is_deleting(d->root) ? look(w, policies[i], d, err) : 0;
	}
	return r;
}

static bool can_run(const struct control *c)
{
	return c->kinds.clusterpolicy || c->kinds.adminpolicy;
}

const struct controller_type control_clusterpolicy = {
	.name = "clusterpolicy-controller",
	.can_run = can_run,
	.seen = seen,
	.step = step,
};
