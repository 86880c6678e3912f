/* Why: traffic that stays in its zone is cheaper and faster, but a zone must not drown in it; see
 * hints.h. */
#include "control/hints.h"

#include "base/mem.h"
#include "schema/quantity.h"

#define ZONE_LABEL          "topology.kubernetes.io/zone"
#define MODE_ANNOTATION     "service.kubernetes.io/topology-mode"
#define MODE_ANNOTATION_OLD "service.kubernetes.io/topology-aware-hints"

enum { ZONES_MAX = 64, OVERLOAD_PERCENT = 20 };

static struct slice zone_of_node(const struct val *node)
{
	return val_get_str(meta_labels(node), ZONE_LABEL);
}

static int64_t cpu_of_node(const struct val *node)
{
	struct quantity q;

	return quantity_of_val(val_path(node, "status.allocatable.cpu"), &q) ? quantity_milli(q)
	                                                                     : 0;
}

bool hints_follow_node(const struct val *old, const struct val *now)
{
	return !slice_eq(zone_of_node(old), zone_of_node(now)) ||
	       cpu_of_node(old) != cpu_of_node(now);
}

static void add_hint(struct arena *a, struct val *endpoint, const char *list, struct slice name)
{
	struct val *to = val_need_array(a, val_need_object(a, endpoint, "hints"), list);

	val_set_str(a, val_append(to, val_new_object(a)), "name", name);
}

/* ---- each stays where it is ---- */

static void hint_own_place(struct arena *a, struct val *endpoint, bool by_node)
{
	struct slice zone = val_get_str(endpoint, "zone"), node = val_get_str(endpoint, "nodeName");

	if (zone.len) {
		add_hint(a, endpoint, "forZones", zone);
	}
	if (by_node && node.len) {
		add_hint(a, endpoint, "forNodes", node);
	}
}

static void hint_own_places(struct work *w, struct slice_plan *p, bool by_node)
{
	for (struct slice_group *g = p->groups; g; g = g->next) {
		for (struct val *e = (struct val *)val_first(g->endpoints); e; e = e->next) {
			hint_own_place(w->arena, e, by_node);
		}
	}
}

/* ---- shares by what zones can do ---- */

struct zone {
	struct slice name;
	int64_t cpu_milli;
	size_t own;   /* ready endpoints in it */
	size_t least; /* that it needs */
	size_t lent;  /* of its own, to others */
};

struct zones {
	struct zone at[ZONES_MAX];
	size_t n, endpoints;
	int64_t cpu_milli;
	bool known; /* everything that counts has a zone */
};

static struct zone *zone_find(struct zones *z, struct slice name)
{
	for (size_t i = 0; i < z->n; i++) {
		if (slice_eq(z->at[i].name, name)) {
			return &z->at[i];
		}
	}
	return NULL;
}

static bool counts(void *arg, const struct val *node)
{
	(void)arg;
	return condition_is_true(val_path(node, "status.conditions"), "Ready") &&
	       !val_get(meta_labels(node), "node-role.kubernetes.io/control-plane");
}

static struct zones zones_of_nodes(struct work *w)
{
	struct docs nodes = work_list(w, w->kinds->node, SLICE(""), counts, NULL);
	struct zones z = { .known = true };

	for (size_t i = 0; i < nodes.n; i++) {
		struct slice name = zone_of_node(nodes.at[i]->root);
		int64_t cpu = cpu_of_node(nodes.at[i]->root);
		struct zone *in = zone_find(&z, name);

		if (!name.len || cpu <= 0 || (!in && z.n == ZONES_MAX)) {
			z.known = false;
			break;
		}
		if (!in) {
			in = &z.at[z.n++];
			in->name = name;
		}
		in->cpu_milli += cpu;
		z.cpu_milli += cpu;
	}
	return z;
}

static bool is_ready(const struct val *endpoint)
{
	return val_bool(val_path(endpoint, "conditions.ready"), true);
}

static void count_endpoints(struct zones *z, const struct slice_plan *p, const char *type)
{
	for (const struct slice_group *g = p->groups; g; g = g->next) {
		val_for_each (strcmp(g->address_type, type) == 0 ? g->endpoints : NULL, e) {
			struct zone *in = zone_find(z, val_get_str(e, "zone"));

			if (is_ready(e)) {
				z->known = z->known && in;
				z->endpoints++;
			}
			if (in && is_ready(e)) {
				in->own++;
			}
		}
	}
}

/* A zone needs so many that each bears at most the fifth more than with an even spread. False: there
 * are not that many. */
static bool settle_needs(struct zones *z)
{
	size_t sum = 0;

	for (size_t i = 0; i < z->n; i++) {
		int64_t share = (int64_t)z->endpoints * z->at[i].cpu_milli * 100;
		int64_t whole = z->cpu_milli * (100 + OVERLOAD_PERCENT);

		z->at[i].least = (size_t)((share + whole - 1) / whole);
		sum += z->at[i].least;
	}
	return sum <= z->endpoints;
}

static struct zone *neediest(struct zones *z, const size_t *got)
{
	struct zone *best = NULL;
	size_t most = 0;

	for (size_t i = 0; i < z->n; i++) {
		size_t missing = z->at[i].least > got[i] ? z->at[i].least - got[i] : 0;

		if (missing > most) {
			most = missing;
			best = &z->at[i];
		}
	}
	return best;
}

static void share_out(struct work *w, struct zones *z, struct slice_plan *p, const char *type)
{
	size_t got[ZONES_MAX];

	for (size_t i = 0; i < z->n; i++) {
		got[i] = z->at[i].own;
	}
	for (struct slice_group *g = p->groups; g; g = g->next) {
		struct val *e = strcmp(g->address_type, type) == 0
		                        ? (struct val *)val_first(g->endpoints)
		                        : NULL;

		for (; e; e = e->next) {
			struct zone *home = zone_find(z, val_get_str(e, "zone")), *to;

			if (!home || !is_ready(e)) {
				continue;
			}
			to = home->own - home->lent > home->least ? neediest(z, got) : NULL;
			if (to) {
				home->lent++;
				got[to - z->at]++;
				got[home - z->at]--;
			}
			add_hint(w->arena, e, "forZones", to ? to->name : home->name);
		}
	}
}

static void hint_shares(struct work *w, struct slice_plan *p, const char *type)
{
	struct zones z = zones_of_nodes(w);

	count_endpoints(&z, p, type);
	if (z.known && z.n > 1 && z.endpoints >= z.n && settle_needs(&z)) {
		share_out(w, &z, p, type);
	}
}

void hints_give(struct work *w, const struct val *service, struct slice_plan *p)
{
	struct slice mode = meta_annotation(service, MODE_ANNOTATION);
	struct slice wish = val_str(val_path(service, "spec.trafficDistribution"));

	mode = mode.len ? mode : meta_annotation(service, MODE_ANNOTATION_OLD);
	if (slice_eq_nocase(mode, SLICE("auto"))) {
		hint_shares(w, p, "IPv4");
		hint_shares(w, p, "IPv6");
	} else if (slice_is(wish, "PreferSameNode")) {
		hint_own_places(w, p, true);
	} else if (slice_is(wish, "PreferClose") || slice_is(wish, "PreferSameZone")) {
		hint_own_places(w, p, false);
	}
}
