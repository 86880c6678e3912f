/* Why: policies of the whole cluster, read once into the rules that NetworkPolicies are read into:
 * AdminNetworkPolicy and BaselineAdminNetworkPolicy (v1alpha1), and ClusterNetworkPolicy, which
 * took their place. Source: networking.md 3.4; the working group's API, v1alpha1 and v1alpha2.
 *
 * What the API would refuse fails closed, as the API asks of a reader who meets what it does not
 * know: an allowing rule means nobody, any other denies everything. */
#include "model/model-priv.h"

#include <ctype.h>

/* ---- peers ---- */

typedef VEC(struct policy_peer) peer_vec;

/* False: unreadable. */
static bool read_pods(struct arena *a, const struct val *spaces, const struct val *pods,
                      struct policy_peer *p)
{
	p->type = PEER_PODS;
	p->spaces = policy_read_selector(a, spaces);
	p->pods = policy_read_selector(a, pods);
	return p->spaces && p->pods;
}

/* A selector that is absent where one is demanded reads as empty: everything. */
static const struct val *or_empty(struct arena *a, const struct val *selector)
{
	return val_is_null(selector) ? val_new_object(a) : selector;
}

static bool read_networks(struct arena *a, const struct val *networks, struct policy_peer p,
                          peer_vec *out)
{
	p.type = PEER_BLOCK;
	p.except_blocks = ARENA_ARRAY(a, uint32_t, 1);
	val_for_each (networks, it) {
		if (!prefix_parse(val_str(it), &p.cidr)) {
			return false;
		}
		vec_push(out, p);
	}
	return val_len(networks) > 0;
}

/* One entry of from or to; networks make several peers. */
static bool read_peer(struct arena *a, const struct val *v, peer_vec *out)
{
	const struct val *spaces = val_get(v, "namespaces"), *pods = val_get(v, "pods"),
			 *nodes = val_get(v, "nodes"), *networks = val_get(v, "networks"),
			 *names = val_get(v, "domainNames");
	struct policy_peer p = { .v = v };
	bool ok;

	if (val_len(v) != 1) {
		return false;
	}
	if (networks) {
		return read_networks(a, networks, p, out);
	}
	if (spaces) {
		ok = read_pods(a, spaces, val_new_object(a), &p);
	} else if (pods) {
		ok = pods->type == VAL_OBJECT &&
		     read_pods(a, or_empty(a, val_get(pods, "namespaceSelector")),
		               or_empty(a, val_get(pods, "podSelector")), &p);
	} else if (nodes) {
		p.type = PEER_NODES;
		p.nodes = policy_read_selector(a, nodes);
		ok = p.nodes != NULL;
	} else {
		p.type = PEER_NAMES;
		p.names = names;
		ok = val_len(names) > 0;
	}
	vec_push(out, p);
	return ok;
}

/* ---- ports ---- */

typedef VEC(struct policy_port) port_vec;

static bool add_range(port_vec *out, enum proto proto, int64_t from, int64_t to)
{
	if (!proto || from < 1 || to > UINT16_MAX || from > to) {
		return false;
	}
	vec_push(out, ((struct policy_port){
			      .proto = proto, .from = (uint16_t)from, .to = (uint16_t)to }));
	return true;
}

/* A name stands for whatever protocol the port of that name has. */
static bool add_named(port_vec *out, const struct val *name)
{
	static const enum proto protos[] = { PROTO_TCP, PROTO_UDP, PROTO_SCTP };

	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		vec_push(out, ((struct policy_port){ .proto = protos[i], .name = val_str(name) }));
	}
	return val_str(name).len > 0;
}

/* v1alpha1: ports[] */
static bool read_port(const struct val *v, port_vec *out)
{
	const struct val *number = val_get(v, "portNumber"), *range = val_get(v, "portRange"),
			 *named = val_get(v, "namedPort");

	if (val_len(v) != 1) {
		return false;
	}
	if (number) {
		int64_t port = val_int(val_get(number, "port"), 0);

		return add_range(out, proto_parse(val_get_str(number, "protocol")), port, port);
	}
	return range ? add_range(out, proto_parse(val_get_str(range, "protocol")),
	                         val_int(val_get(range, "start"), 0),
	                         val_int(val_get(range, "end"), 0))
	             : add_named(out, named);
}

/* v1alpha2: protocols[] */
static bool read_protocol(const struct val *v, port_vec *out)
{
	static const struct {
		const char *name;
		enum proto proto;
	} protos[] = { { "tcp", PROTO_TCP }, { "udp", PROTO_UDP }, { "sctp", PROTO_SCTP } };

	for (size_t i = 0; i < ARRAY_SIZE(protos) && val_len(v) == 1; i++) {
		const struct val *is = val_get(v, protos[i].name),
				 *port = val_get(is, "destinationPort");
		int64_t number = val_int(val_get(port, "number"), 0);

		if (is && !port) {
			vec_push(out, ((struct policy_port){ .proto = protos[i].proto,
			                                     .to = UINT16_MAX }));
			return true;
		}
		if (is) {
			return val_get(port, "range")
			               ? add_range(out, protos[i].proto,
			                           val_int(val_path(port, "range.start"), 0),
			                           val_int(val_path(port, "range.end"), 0))
			               : add_range(out, protos[i].proto, number, number);
		}
	}
	return val_len(v) == 1 && add_named(out, val_get(v, "destinationNamedPort"));
}

/* ---- rules ---- */

static bool read_action(const struct val *v, enum policy_action *ret)
{
	struct slice action = val_get_str(v, "action");

	if (slice_is(action, "Allow") || slice_is(action, "Accept")) {
		*ret = POLICY_ALLOW;
	} else if (slice_is(action, "Pass")) {
		*ret = POLICY_PASS;
	} else {
		*ret = POLICY_DENY;
		return slice_is(action, "Deny");
	}
	return true;
}

/* Names may only allow: what a name leads to is known too late to deny it for sure. */
static bool has_names(const peer_vec *peers)
{
	for (size_t i = 0; i < peers->n; i++) {
		if (peers->at[i].type == PEER_NAMES) {
			return true;
		}
	}
	return false;
}

static void fail_closed(struct policy_rule *r, struct arena *a)
{
	r->n_ports = 0;
	r->n_peers = 0;
	if (r->action == POLICY_ALLOW) {
		r->peers = ARENA_ARRAY(a, struct policy_peer, 1);
		r->peers[r->n_peers++] = (struct policy_peer){ .type = PEER_NOTHING, .v = r->v };
	} else {
		r->action = POLICY_DENY;
	}
}

static void read_rule(struct policy *p, const struct val *v, const char *peers_key,
                      struct policy_rule *r)
{
	const struct val *from = val_get(v, peers_key), *ports = val_get(v, "ports"),
			 *protocols = val_get(v, "protocols");
	peer_vec peers = { 0 };
	port_vec list = { 0 };
	bool ok = read_action(v, &r->action) && val_len(from) > 0;

	r->v = v;
	val_for_each (from, it) {
		ok = read_peer(&p->arena, it, &peers) && ok;
	}
	val_for_each (ports, it) {
		ok = read_port(it, &list) && ok;
	}
	val_for_each (protocols, it) {
		ok = read_protocol(it, &list) && ok;
	}
	r->peers = arena_dup(&p->arena, peers.at, peers.n * sizeof(*peers.at));
	r->n_peers = peers.n;
	r->ports = arena_dup(&p->arena, list.at, list.n * sizeof(*list.at));
	r->n_ports = list.n;
	if (!ok || (r->action != POLICY_ALLOW && has_names(&peers))) {
		fail_closed(r, &p->arena);
	}
	vec_fini(&peers);
	vec_fini(&list);
}

/* ---- policies ---- */

static void read_subject(struct policy *p, const struct val *subject)
{
	const struct val *spaces = val_get(subject, "namespaces"), *pods = val_get(subject, "pods");
	struct policy_peer as = { 0 };
	bool ok =
		spaces ? read_pods(&p->arena, spaces, val_new_object(&p->arena), &as)
		       : pods && read_pods(&p->arena,
	                                   or_empty(&p->arena, val_get(pods, "namespaceSelector")),
	                                   or_empty(&p->arena, val_get(pods, "podSelector")), &as);

	if (ok) {
		p->subject = as.pods;
		p->subject_spaces = as.spaces;
	}
}

static enum policy_tier tier_of(const struct val *root)
{
	return slice_is(val_get_str(root, "kind"), "BaselineAdminNetworkPolicy") ||
	                       slice_is(val_str(val_path(root, "spec.tier")), "Baseline")
	               ? TIER_BASELINE
	               : TIER_ADMIN;
}

static struct policy *cluster_policy_new(const struct doc *d)
{
	static const char *const lists[] = {
		[POLICY_INGRESS] = "ingress", [POLICY_EGRESS] = "egress"
	};
	static const char *const peers[] = { [POLICY_INGRESS] = "from", [POLICY_EGRESS] = "to" };
	const struct val *spec = val_get(d->root, "spec");
	struct policy *p = NEW(struct policy);

	p->doc = doc_ref(d);
	p->tier = tier_of(d->root);
	p->priority = val_int(val_get(spec, "priority"), 0);
	p->name = val_str(val_path(d->root, "metadata.name"));
	read_subject(p, val_get(spec, "subject"));
	for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
		const struct val *list = val_get(spec, lists[dir]);

		p->rules[dir] = ARENA_ARRAY(&p->arena, struct policy_rule, val_len(list) + 1);
		val_for_each (list, it) {
			read_rule(p, it, peers[dir], &p->rules[dir][p->n_rules[dir]++]);
		}
		p->isolates[dir] = p->n_rules[dir] > 0;
	}
	return p;
}

/* ---- records ---- */

static size_t count_address_peers(const struct policy *p)
{
	size_t n = 0;

	for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
		for (size_t i = 0; i < p->n_rules[dir]; i++) {
			const struct policy_rule *r = &p->rules[dir][i];

			for (size_t k = 0; k < r->n_peers; k++) {
				n += r->peers[k].type == PEER_NODES ||
				     r->peers[k].type == PEER_NAMES;
			}
		}
	}
	return n;
}

static struct slice key_of(struct key *k, const struct val *root)
{
	return key_make(k, val_get_str(root, "kind"), val_str(val_path(root, "metadata.name")));
}

static void unlink_policy(struct model *m, struct policy *p)
{
	for (size_t i = 0; i < m->by_precedence.n; i++) {
		if (m->by_precedence.at[i] == p) {
			vec_remove(&m->by_precedence, i);
			break;
		}
	}
	m->n_address_peers -= count_address_peers(p);
	policy_free(p);
}

static void link_policy(struct model *m, struct policy *p)
{
	size_t i = 0;

	vec_push(&m->by_precedence, p);
	while (policy_cmp(m->by_precedence.at[i], p) < 0) {
		i++;
	}
	memmove(&m->by_precedence.at[i + 1], &m->by_precedence.at[i],
	        (m->by_precedence.n - i - 1) * sizeof(p));
	m->by_precedence.at[i] = p;
	m->n_address_peers += count_address_peers(p);
}

void cluster_policy_put(struct model *m, const struct doc *d)
{
	struct policy *p = cluster_policy_new(d), *old;
	struct key k;

	old = map_set(&m->cluster_policies, key_of(&k, d->root), p);
	if (old) {
		unlink_policy(m, old);
	}
	link_policy(m, p);
	policies_changed(m);
}

void cluster_policy_remove(struct model *m, const struct doc *d)
{
	struct key k;
	struct policy *p = map_remove(&m->cluster_policies, key_of(&k, d->root));

	if (p) {
		unlink_policy(m, p);
		policies_changed(m);
	}
}

/* ---- peers that are addresses of other objects ---- */

/* '*' stands for one or more labels, at the front only. */
static bool name_matches(struct slice pattern, struct slice name)
{
	scoped_free char *lower = slice_dup(pattern);
	struct slice want;

	for (char *c = lower; *c; c++) {
		*c = (char)tolower((unsigned char)*c);
	}
	want = slice_of(lower);
	if (want.len && want.p[want.len - 1] == '.') {
		want.len--;
	}
	if (want.len > 1 && want.p[0] == '*') {
		want = slice_from(want, 1);
		return name.len > want.len && slice_has_suffix(name, want);
	}
	return slice_eq(want, name);
}

bool model_knows_host(const struct model *m, struct slice name)
{
	for (struct map_iter it = { 0 }; map_next(&m->hosts, &it);) {
		const struct host *h = it.value;

		for (size_t i = 0; i < h->names.n; i++) {
			if (name_matches(name, slice_of(h->names.at[i]))) {
				return true;
			}
		}
	}
	return false;
}

static bool host_is_named(const struct host *h, const struct val *patterns)
{
	for (size_t i = 0; i < h->names.n; i++) {
		val_for_each (patterns, it) {
			if (name_matches(val_str(it), slice_of(h->names.at[i]))) {
				return true;
			}
		}
	}
	return false;
}

void policy_peer_each_address(const struct model *m, const struct policy_peer *p,
                              policy_address_fn *fn, void *arg)
{
	struct ip ip;

	for (struct map_iter it = { 0 }; p->type == PEER_NODES && map_next(&m->nodes, &it);) {
		const struct val *node = ((const struct doc *)it.value)->root;

		if (!selector_matches(p->nodes, val_path(node, "metadata.labels"))) {
			continue;
		}
		val_for_each (val_path(node, "status.addresses"), address) {
			if (ip_parse(val_get_str(address, "address"), &ip)) {
				fn(arg, ip);
			}
		}
	}
	for (struct map_iter it = { 0 }; p->type == PEER_NAMES && map_next(&m->hosts, &it);) {
		const struct host *h = it.value;

		if (h->names.n && host_is_named(h, p->names)) {
			fn(arg, h->ip);
		}
	}
}
