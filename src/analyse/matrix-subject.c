/* Why: the matrix knows addresses and ports; here manifests become such; see matrix-subject.h. */
#include "analyse/matrix-subject.h"

#include "analyse/group-flow.h"
#include "analyse/mesh-flow.h"
#include "base/mem.h"
#include "base/vec.h"

/* ---- workloads ---- */

struct ports workload_ports(struct arena *a, const struct workload *w)
{
	struct ports sum = ports_none();

	container_each(w->spec, c)
	{
		val_for_each (val_get(c, "ports"), p) {
			int64_t number = val_int(val_get(p, "containerPort"), 0);

			if (number > 0 && number <= UINT16_MAX) {
				sum = ports_union(a, sum,
				                  ports_of(a, proto_of(p), (unsigned)number,
				                           (unsigned)number));
			}
		}
	}
	return sum;
}

/* ---- behind the policies: the mesh, and security groups of pods ---- */

static struct slice kin_of(struct arena *a, const struct subject *s, const struct workload *w)
{
	scoped_strbuf struct strbuf b = { 0 };

	if (mesh_has_say(s)) {
		mesh_add_kin(&b, s, w);
	}
	if (group_has_say(s)) {
		group_add_kin(&b, s, w);
	}
	return (struct slice){ arena_dup(a, strbuf_str(&b), b.size), b.size };
}

struct closing {
	struct arena *a;
	const struct subject *s;
	const struct workload *from, *to; /* from null: outside */
	struct ports named, closed;
};

static bool is_closed(const struct closing *c, uint16_t port)
{
	return mesh_flow(c->s, c->from, c->to, PROTO_TCP, port).says == MESH_CLOSED;
}

static void try_port(void *arg, uint16_t port)
{
	struct closing *c = arg;
	struct ports one = ports_of(c->a, PROTO_TCP, port, port);

	c->named = ports_union(c->a, c->named, one);
	if (is_closed(c, port)) {
		c->closed = ports_union(c->a, c->closed, one);
	}
}

/* Ports that rules name are asked one by one; one of the others stands for all of them. */
static struct ports closed_by_mesh(struct arena *a, const struct subject *s,
                                   const struct workload *from, const struct workload *to)
{
	struct closing c = { a, s, from, to, ports_none(), ports_none() };
	struct ports rest;
	enum proto proto;
	uint16_t port;

	mesh_each_port(s, c.to, try_port, &c);
	rest = ports_minus(a, ports_of(a, PROTO_TCP, 1, UINT16_MAX), c.named);
	return ports_first(rest, &proto, &port) && is_closed(&c, port)
	               ? ports_union(a, c.closed, rest)
	               : c.closed;
}

static struct ports closed_behind(void *arg, struct arena *a, uint32_t from, uint32_t to)
{
	const struct subject *s = arg;
	const struct workload *x = from == UINT32_MAX ? NULL : s->workloads.at[from],
			      *y = s->workloads.at[to];
	struct ports sum = mesh_has_say(s) ? closed_by_mesh(a, s, x, y) : ports_none();

	return group_has_say(s) ? ports_union(a, sum, group_closed(a, s, x, y)) : sum;
}

/* ---- workloads as the matrix has them ---- */

static void add_workloads(struct arena *a, const struct subject *s, struct matrix_world *w)
{
	struct matrix_workload *all = ARENA_ARRAY(a, struct matrix_workload, s->workloads.n + 1);

	for (size_t i = 0; i < s->workloads.n; i++) {
		const struct workload *x = s->workloads.at[i];

		all[i] = (struct matrix_workload){
			.kind = x->object->kind,
			.ns = x->ns,
			.name = x->name,
			.ips = &x->ip,
			.n_ips = 1,
			.host_network = x->host_network,
			.declared = workload_ports(a, x),
			.origin = x,
			.kin = kin_of(a, s, x),
		};
	}
	w->workloads = all;
	w->n_workloads = s->workloads.n;
}

/* ---- ways in ---- */

typedef VEC(struct matrix_exposure) exposure_vec;

static bool annotation_is(const struct object *o, const char *key, const char *value)
{
	return slice_eq_nocase(object_annotation(o, key), slice_of(value));
}

/* A balancer that only the private network sees. */
static bool is_internal(const struct object *o)
{
	struct slice old =
		object_annotation(o, "service.beta.kubernetes.io/aws-load-balancer-internal");

	return (old.len && !slice_eq_nocase(old, SLICE("false"))) ||
	       annotation_is(o, "service.beta.kubernetes.io/aws-load-balancer-scheme",
	                     "internal") ||
	       annotation_is(o, "service.beta.kubernetes.io/azure-load-balancer-internal",
	                     "true") ||
	       annotation_is(o, "networking.gke.io/load-balancer-type", "Internal") ||
	       annotation_is(o, "cloud.google.com/load-balancer-type", "Internal");
}

static struct cidr_set sources_of(struct arena *a, const struct svc *x)
{
	struct cidr_set sum = { 0 };
	const struct val *ranges = val_get(object_spec(x->object), "loadBalancerSourceRanges");

	val_for_each (ranges, it) {
		struct prefix p;

		if (prefix_parse(slice_trim(val_str(it)), &p)) {
			sum = cidr_union(a, sum, cidr_of(a, p));
		}
	}
	return val_len(ranges) ? sum : cidr_all();
}

static void add_service(struct arena *a, const struct svc *x, exposure_vec *to)
{
	const struct val *spec = object_spec(x->object);
	bool balanced = slice_is(x->type, "LoadBalancer") && !is_internal(x->object);

	if (!balanced && !val_len(val_get(spec, "externalIPs"))) {
		return;
	}
	for (size_t i = 0; i < x->n_ports; i++) {
		for (size_t k = 0; k < x->n_pods; k++) {
			uint16_t target = svc_port_target(&x->ports[i], x->pods[k]);

			if (target && x->ports[i].proto) {
				vec_push(to,
				         ((struct matrix_exposure){
						 .via = arena_printf(
							 a, "Service " SLICE_FMT "/" SLICE_FMT,
							 SLICE_ARG(x->ns), SLICE_ARG(x->name)),
						 .workload = x->pods[k]->id,
						 .proto = x->ports[i].proto,
						 .port = target,
						 .sources = sources_of(a, x),
						 .keeps_source = slice_is(
							 val_get_str(spec, "externalTrafficPolicy"),
							 "Local"),
					 }));
			}
		}
	}
}

/* An ingress controller that the profile brings has a balancer in front of it, though nobody wrote
 * it down. */
static void add_assumed_controller(struct arena *a, const struct subject *s,
                                   const struct workload *w, exposure_vec *to)
{
	struct slice app = val_str(val_get(w->labels, "app.kubernetes.io/name"));
	bool is_controller = slice_is(app, "ingress-nginx") || slice_is(app, "traefik");

	if (!w->object->assumed || !is_controller || !s->profile->has_load_balancer ||
	    !s->n[OBJECT_INGRESS] || subject_services_of(s, w)->at.n) {
		return;
	}
	container_each(w->spec, c)
	{
		val_for_each (val_get(c, "ports"), p) {
			int64_t number = val_int(val_get(p, "containerPort"), 0);

			if (number > 0 && number <= UINT16_MAX) {
				vec_push(to,
				         ((struct matrix_exposure){
						 .via = arena_strdup(
							 a, "the ingress controller's balancer"),
						 .workload = w->id,
						 .proto = proto_of(p),
						 .port = (uint16_t)number,
						 .sources = cidr_all(),
					 }));
			}
		}
	}
}

static void add_exposures(struct arena *a, const struct subject *s, struct matrix_world *w)
{
	exposure_vec all = { 0 };

	for (size_t i = 0; i < s->services.n; i++) {
		add_service(a, s->services.at[i], &all);
	}
	for (size_t i = 0; i < s->workloads.n; i++) {
		add_assumed_controller(a, s, s->workloads.at[i], &all);
	}
	w->exposures = arena_dup(a, all.at, all.n * sizeof(*all.at));
	w->n_exposures = all.n;
	vec_fini(&all);
}

/* ---- networks ---- */

static struct cidr_set network(struct arena *a, const char *text)
{
	struct prefix p;

	return text && prefix_parse(slice_of(text), &p) ? cidr_of(a, p) : (struct cidr_set){ 0 };
}

/* Addresses of the Node objects; without any the profile's node network, if it is one of nodes
 * alone. */
static struct cidr_set node_addresses(struct arena *a, const struct subject *s,
                                      struct cidr_set pods)
{
	struct cidr_set sum = { 0 }, all = network(a, s->profile->node_cidr);

	object_each(s, OBJECT_NODE, o)
	{
		val_for_each (val_path(o->v, "status.addresses"), it) {
			struct ip ip;

			if (ip_parse(val_get_str(it, "address"), &ip)) {
				sum = cidr_union(a, sum, cidr_of_range(a, ip, ip));
			}
		}
	}
	if (sum.n || !all.n) {
		return sum;
	}
	return cidr_intersect(a, all, pods).n ? cidr_of_range(a, all.at[0].from, all.at[0].from)
	                                      : all;
}

const struct matrix_world *matrix_world_of_subject(struct arena *a, struct subject *s)
{
	struct matrix_world *w = ARENA_NEW(a, struct matrix_world);
	struct cidr_set pods = network(a, s->profile->pod_cidr),
			nodes = network(a, s->profile->node_cidr);

	w->model = subject_model(s);
	add_workloads(a, s, w);
	add_exposures(a, s, w);
	w->services = network(a, s->profile->service_cidr);
	w->nodes = node_addresses(a, s, pods);
	/* where pods live in the network of the nodes (VPC), others live there as well */
	w->pods = cidr_intersect(a, pods, nodes).n ? (struct cidr_set){ 0 } : pods;
	w->ipv6 = s->profile->ipv6;
	w->no_policies = !s->profile->enforces_policies;
	if (mesh_has_say(s) || group_has_say(s)) {
		w->closed = closed_behind;
		w->closed_arg = s;
	}
	return w;
}

/* ---- notes ---- */

typedef VEC(const char *) line_vec;

static void add_names(struct strbuf *b, const struct val *peers)
{
	val_for_each (peers, peer) {
		val_for_each (val_get(peer, "domainNames"), name) {
			strbuf_addf(b, "%s" SLICE_FMT, b->size ? ", " : "",
			            SLICE_ARG(val_str(name)));
		}
	}
}

/* What a name leads to is in files for managed hosts alone. */
static void note_names(struct arena *a, const struct subject *s, enum object_kind id, line_vec *to)
{
	object_each(s, id, o)
	{
		scoped_strbuf struct strbuf b = { 0 };

		val_for_each (val_get(object_spec(o), "egress"), rule) {
			add_names(&b, val_get(rule, "to"));
		}
		if (b.size) {
			vec_push(to,
			         arena_printf(a,
			                      "Addresses of %s are known of managed hosts alone "
			                      "(domainNames of " SLICE_FMT " " SLICE_FMT "): "
			                      "other hosts of that name count as not meant",
			                      strbuf_str(&b), SLICE_ARG(o->kind),
			                      SLICE_ARG(o->name)));
		}
	}
}

static void note_requests(struct arena *a, const struct subject *s, line_vec *to)
{
	object_each(s, OBJECT_AUTHORIZATIONPOLICY, o)
	{
		if (mesh_depends_on_requests(o)) {
			vec_push(to, arena_printf(a,
			                          "AuthorizationPolicy " SLICE_FMT "/" SLICE_FMT
			                          " depends on requests (paths, methods, hosts, "
			                          "tokens, addresses): what some requests may "
			                          "pass counts as open",
			                          SLICE_ARG(o->ns), SLICE_ARG(o->name)));
		}
	}
}

struct matrix_notes matrix_notes_of_subject(struct arena *a, const struct subject *s)
{
	size_t n_policies = s->n[OBJECT_NETWORKPOLICY] + s->n[OBJECT_ADMINPOLICY] +
	                    s->n[OBJECT_BASELINEPOLICY] + s->n[OBJECT_CLUSTERPOLICY];
	line_vec lines = { 0 };
	struct matrix_notes notes;

	if (!s->profile->enforces_policies && n_policies) {
		vec_push(
			&lines,
			arena_printf(
				a,
				"Nobody enforces network policies (profile %s): %zu have no effect",
				s->profile->name, n_policies));
	}
	note_names(a, s, OBJECT_ADMINPOLICY, &lines);
	note_names(a, s, OBJECT_CLUSTERPOLICY, &lines);
	if (group_has_say(s)) {
		vec_push(&lines, "Security groups of pods: what they admit by ranges or by groups "
		                 "of nodes counts as open");
	}
	note_requests(a, s, &lines);
	for (size_t i = 0; i < s->left_out.n; i++) {
		const struct left_out *x = &s->left_out.at[i];

		vec_push(&lines,
		         arena_printf(a, "Not considered: %zu " SLICE_FMT " (" SLICE_FMT ")", x->n,
		                      SLICE_ARG(x->kind), SLICE_ARG(x->api_version)));
	}
	notes.lines = arena_dup(a, lines.at, lines.n * sizeof(*lines.at));
	notes.n = lines.n;
	vec_fini(&lines);
	return notes;
}
