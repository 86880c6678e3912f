/* Why: NetworkPolicies read once into rules, so that deciding a flow and compiling the table start
 * from the same reading. What the API would refuse matches nothing here (fail closed). Source:
 * networking.md 3.2 */
#include "model/model-priv.h"

const struct selector *policy_read_selector(struct arena *a, const struct val *v)
{
	const struct selector *s = NULL;

	return selector_of_object(a, v, &s, NULL) == 0 ? s : NULL;
}

/* ---- peers ---- */

static void read_block(struct arena *a, const struct val *block, struct policy_peer *p)
{
	const struct val *except = val_get(block, "except");

	if (!prefix_parse(val_get_str(block, "cidr"), &p->cidr)) {
		return;
	}
	p->except = ARENA_ARRAY(a, struct prefix, val_len(except) + 1);
	p->except_blocks = ARENA_ARRAY(a, uint32_t, val_len(except) + 1);
	val_for_each (except, it) {
		if (!prefix_parse(val_str(it), &p->except[p->n_except++])) {
			return;
		}
	}
	p->type = PEER_BLOCK;
}

static void read_peer(struct arena *a, const struct val *v, struct policy_peer *p)
{
	const struct val *spaces = val_get(v, "namespaceSelector"),
			 *pods = val_get(v, "podSelector");
	const struct val *block = val_get(v, "ipBlock");

	*p = (struct policy_peer){ .type = PEER_NOTHING, .v = v };
	if (!val_is_null(block)) {
		read_block(a, block, p);
		return;
	}
	if (val_is_null(spaces) && val_is_null(pods)) {
		return;
	}
	p->spaces = val_is_null(spaces) ? NULL : policy_read_selector(a, spaces);
	p->pods = val_is_null(pods) ? NULL : policy_read_selector(a, pods);
	if ((val_is_null(spaces) || p->spaces) && (val_is_null(pods) || p->pods)) {
		p->type = PEER_PODS;
	}
}

/* ---- ports ---- */

static void read_port(const struct val *v, struct policy_port *p)
{
	const struct val *port = val_get(v, "port"), *end = val_get(v, "endPort");
	int64_t from = val_int(port, 0), to = val_int(end, from);

	*p = (struct policy_port){ .proto = proto_parse(val_get_str(v, "protocol")) };
	if (val_is_null(port)) {
		p->to = UINT16_MAX;
	} else if (port->type == VAL_STRING && port->s.len) {
		p->name = port->s;
	} else if (from > 0 && from <= to && to <= UINT16_MAX) {
		p->from = (uint16_t)from;
		p->to = (uint16_t)to;
	} else {
		p->proto = 0;
	}
}

/* ---- rules ---- */

static void read_rule(struct arena *a, const struct val *v, const char *peers_key,
                      struct policy_rule *r)
{
	const struct val *peers = val_get(v, peers_key), *ports = val_get(v, "ports");

	r->v = v;
	r->peers = ARENA_ARRAY(a, struct policy_peer, val_len(peers) + 1);
	r->ports = ARENA_ARRAY(a, struct policy_port, val_len(ports) + 1);
	val_for_each (peers, it) {
		read_peer(a, it, &r->peers[r->n_peers++]);
	}
	val_for_each (ports, it) {
		read_port(it, &r->ports[r->n_ports++]);
	}
}

static void read_types(struct policy *p, const struct val *spec)
{
	const struct val *types = val_get(spec, "policyTypes");

	p->isolates[POLICY_INGRESS] = !val_len(types);
	p->isolates[POLICY_EGRESS] = !val_len(types) && val_len(val_get(spec, "egress")) > 0;
	val_for_each (types, it) {
		p->isolates[POLICY_INGRESS] |= slice_is(val_str(it), "Ingress");
		p->isolates[POLICY_EGRESS] |= slice_is(val_str(it), "Egress");
	}
}

static struct policy *policy_new(struct model *m, const struct doc *d)
{
	static const char *const rules[] = {
		[POLICY_INGRESS] = "ingress", [POLICY_EGRESS] = "egress"
	};
	static const char *const peers[] = { [POLICY_INGRESS] = "from", [POLICY_EGRESS] = "to" };
	const struct val *spec = val_get(d->root, "spec"), *subject = val_get(spec, "podSelector");
	struct policy *p = NEW(struct policy);

	p->doc = doc_ref(d);
	p->tier = TIER_NAMESPACED;
	p->space = space_need(m, val_str(val_path(d->root, "metadata.namespace")));
	p->name = val_str(val_path(d->root, "metadata.name"));
	/* a required struct: absent reads as empty, which is every pod of the namespace */
	p->subject = policy_read_selector(&p->arena, subject ? subject : val_new_object(&p->arena));
	read_types(p, spec);
	for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
		const struct val *list = val_get(spec, rules[dir]);

		p->rules[dir] = ARENA_ARRAY(&p->arena, struct policy_rule, val_len(list) + 1);
		val_for_each (list, it) {
			read_rule(&p->arena, it, peers[dir], &p->rules[dir][p->n_rules[dir]++]);
		}
	}
	return p;
}

/* ---- questions ---- */

int policy_cmp(const struct policy *a, const struct policy *b)
{
	int r = (int)a->tier - (int)b->tier;

	if (r || a->priority != b->priority) {
		return r ? r : a->priority < b->priority ? -1 : 1;
	}
	r = slice_cmp(val_get_str(a->doc->root, "kind"), val_get_str(b->doc->root, "kind"));
	if (!r && a->space && b->space) {
		r = strcmp(a->space->name, b->space->name);
	}
	return r ? r : slice_cmp(a->name, b->name);
}

void policy_format(struct strbuf *out, const struct policy *p)
{
	if (p->space) {
		strbuf_addf(out, "policy %s/" SLICE_FMT, p->space->name, SLICE_ARG(p->name));
	} else {
		strbuf_addf(out, SLICE_FMT " " SLICE_FMT,
		            SLICE_ARG(val_get_str(p->doc->root, "kind")), SLICE_ARG(p->name));
	}
}

/* ---- records ---- */

void policy_free(struct policy *p)
{
	arena_fini(&p->arena);
	doc_unref(p->doc);
	free(p);
}

static void link_policy(struct policy *p)
{
	size_t i = 0;

	policy_selections_forget(p->space);
	vec_push(&p->space->policies, p);
	while (slice_cmp(p->space->policies.at[i]->name, p->name) < 0) {
		i++;
	}
	memmove(&p->space->policies.at[i + 1], &p->space->policies.at[i],
	        (p->space->policies.n - i - 1) * sizeof(struct policy *));
	p->space->policies.at[i] = p;
}

static void unlink_policy(struct policy *p)
{
	policy_selections_forget(p->space);
	for (size_t i = 0; i < p->space->policies.n; i++) {
		if (p->space->policies.at[i] == p) {
			vec_remove(&p->space->policies, i);
			return;
		}
	}
}

void policies_changed(struct model *m)
{
	model_changed(m, MODEL_POLICIES);
	policy_compiler_rules_changed(m->compiler);
}

void policy_put(struct model *m, const struct doc *d)
{
	struct policy *p = policy_new(m, d), *old;
	struct key k;

	old = map_set(&m->policies, key_make(&k, slice_of(p->space->name), p->name), p);
	if (old) {
		unlink_policy(old);
		policy_free(old);
	}
	link_policy(p);
	policies_changed(m);
}

void policy_remove(struct model *m, const struct doc *d)
{
	struct key k;
	struct policy *p = map_remove(&m->policies,
	                              key_make(&k, val_str(val_path(d->root, "metadata.namespace")),
	                                       val_str(val_path(d->root, "metadata.name"))));
	struct space *s;

	if (p) {
		s = p->space;
		unlink_policy(p);
		policy_free(p);
		space_drop_unused(m, s);
		policies_changed(m);
	}
}
