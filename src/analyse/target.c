/* Why: every rule on addresses begins with the same question, whom is this; one answer, so that they cannot disagree.
 * Names: networking.md section 5.1; endpoints of AWS: cloud-kinds.md section 3. */
#include "analyse/target.h"

#include "analyse/address.h"
#include "analyse/edges.h"
#include "analyse/subject-priv.h"
#include "base/mem.h"

static const char default_domain[] = "cluster.local";

static struct slice domain_of(const struct subject *s)
{
	return slice_of(s->profile && s->profile->cluster_domain ? s->profile->cluster_domain
	                                                         : default_domain);
}

struct slice target_ns_of(const struct reference *r)
{
	const struct val *object = r->workload ? r->workload : r->where.object;
	struct slice ns = val_str(val_path(object, "metadata.namespace"));

	return ns.len ? ns : SLICE("default");
}

/* ---- managed databases and caches ---- */

static const struct {
	enum object_kind id;
	const char *name; /* member of spec that is the identifier in the endpoint's name */
} stores[] = {
	{ OBJECT_DBINSTANCE, "dbInstanceIdentifier" },
	{ OBJECT_DBCLUSTER, "dbClusterIdentifier" },
	{ OBJECT_CACHECLUSTER, "cacheClusterID" },
	{ OBJECT_REPLICATIONGROUP, "replicationGroupID" },
};

static bool has_endpoint(const struct object *o, struct slice host)
{
	static const char *const paths[] = { "endpoint.address", "endpoint", "readerEndpoint",
		                             "configurationEndpoint.address" };
	const struct val *status = val_get(o->v, "status");

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (slice_eq_nocase(val_str(val_path(status, paths[i])), host)) {
			return true;
		}
	}
	val_for_each (val_get(status, "cacheNodes"), it) {
		if (slice_eq_nocase(val_str(val_path(it, "endpoint.address")), host)) {
			return true;
		}
	}
	val_for_each (val_get(status, "nodeGroups"), it) {
		if (slice_eq_nocase(val_str(val_path(it, "primaryEndpoint.address")), host) ||
		    slice_eq_nocase(val_str(val_path(it, "readerEndpoint.address")), host)) {
			return true;
		}
	}
	return false;
}

/* Among the first labels: "id.hash.region.rds...", "master.id.hash...", "id-001.id.hash...". */
static bool has_label(struct slice host, struct slice id)
{
	struct slice label;

	for (int i = 0; i < 3 && slice_next(&host, '.', &label); i++) {
		if (id.len && slice_eq_nocase(label, id)) {
			return true;
		}
	}
	return false;
}

const struct object *target_store_of_host(const struct subject *s, struct slice host)
{
	bool aws = slice_has_suffix(host, SLICE(".rds.amazonaws.com")) ||
	           slice_has_suffix(host, SLICE(".cache.amazonaws.com"));

	if (!host.len) {
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(stores); i++) {
		object_each(s, stores[i].id, o)
		{
			if (has_endpoint(o, host) ||
			    (aws && has_label(host, val_get_str(object_spec(o), stores[i].name)))) {
				return o;
			}
		}
	}
	return NULL;
}

const struct object *target_of_export(const struct subject *s, const struct val *export)
{
	const struct val *from = val_path(export, "spec.from.resource");
	struct slice ns = val_str(val_path(export, "metadata.namespace"));
	scoped_free char *version =
		mem_printf(SLICE_FMT "/v1alpha1", SLICE_ARG(val_get_str(from, "group")));
	enum object_kind id = object_kind_of(slice_of(version), val_get_str(from, "kind"));

	return id == OBJECT_OTHER ? NULL
	                          : subject_find(s, id, ns.len ? ns : SLICE("default"),
	                                         val_get_str(from, "name"));
}

const char *target_store_scheme(const struct object *store)
{
	static const struct {
		struct slice begin;
		const char *scheme;
	} engines[] = {
		{ SLICE("aurora-mysql"), "mysql" },  { SLICE("mysql"), "mysql" },
		{ SLICE("mariadb"), "mysql" },       { SLICE("aurora-postgresql"), "postgres" },
		{ SLICE("postgres"), "postgres" },   { SLICE("redis"), "redis" },
		{ SLICE("valkey"), "redis" },        { SLICE("memcached"), "memcached" },
		{ SLICE("sqlserver"), "sqlserver" }, { SLICE("oracle"), "oracle" }
	};
	struct slice engine = val_get_str(object_spec(store), "engine");

	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		if (slice_has_prefix(engine, engines[i].begin)) {
			return engines[i].scheme;
		}
	}
	return store->id == OBJECT_REPLICATIONGROUP ? "redis" : "";
}

uint16_t target_store_port(const struct object *store)
{
	int64_t port = val_int(val_get(object_spec(store), "port"), 0);

	return port > 0 && port < 65536 ? (uint16_t)port
	                                : scheme_port(slice_of(target_store_scheme(store)));
}

/* ---- names of the cluster ---- */

struct cluster_name {
	struct slice service, ns, pod; /* pod empty: the Service itself */
	bool certain;                  /* nobody but the cluster's DNS could answer it */
};

static bool cut_suffix(struct slice *host, struct slice suffix)
{
	if (!slice_has_suffix(*host, suffix) || host->len <= suffix.len) {
		return false;
	}
	host->len -= suffix.len;
	return true;
}

static bool cut_domain(struct slice *host, struct slice domain)
{
	if (!slice_has_suffix(*host, domain) || host->len < domain.len + 2 ||
	    host->p[host->len - domain.len - 1] != '.') {
		return false;
	}
	host->len -= domain.len + 1;
	return true;
}

/* False: no name of a Service. */
static bool read_name(const struct subject *s, struct slice ns, struct slice host,
                      struct cluster_name *ret)
{
	struct slice head, rest, second, third;
	bool has_domain = cut_domain(&host, domain_of(s)),
	     has_svc = cut_suffix(&host, SLICE(".svc"));

	if (has_domain && !has_svc) {
		return false;
	}
	*ret = (struct cluster_name){ .service = host, .ns = ns, .certain = has_svc };
	if (!slice_cut(host, '.', &head, &rest)) {
		ret->certain = true;
		return true;
	}
	ret->service = head;
	ret->ns = rest;
	if (slice_cut(rest, '.', &second, &third)) {
		ret->pod = head;
		ret->service = second;
		ret->ns = third;
		return has_svc && slice_find(third, '.') < 0;
	}
	/* "web-0.web" is a pod of the own namespace when there is such a Service, "web.shop" a Service else */
	if (!has_svc && !subject_space(s, rest) && subject_service(s, ns, rest)) {
		ret->pod = head;
		ret->service = rest;
		ret->ns = ns;
	} else if (!has_svc && !subject_space(s, rest)) {
		return false; /* "example.com" */
	}
	return true;
}

static struct target of_service(const struct svc *x, uint16_t port, bool is_pod)
{
	return (struct target){ .kind = TARGET_SERVICE,
		                .service = x,
		                .port = port ? svc_port_numbered(x, port, 0) : NULL,
		                .object = x->object,
		                .ns = x->ns,
		                .name = x->name,
		                .is_pod = is_pod };
}

static bool is_loopback(struct slice host, struct ip ip)
{
	return slice_is(host, "localhost") || (ip.family == IP_V4 && ip.bytes[0] == 127) ||
	       slice_is(host, "::1");
}

static struct target of_address(struct subject *s, struct ip ip, uint16_t port)
{
	const struct svc *x = edge_service_at(s, ip);

	if (x) {
		return of_service(x, port, false);
	}
	return (struct target){ .kind = TARGET_OUTSIDE };
}

struct target target_of_host(struct subject *s, struct slice ns, struct slice host, uint16_t port)
{
	struct target t = { .kind = TARGET_UNKNOWN };
	struct cluster_name name;
	const struct svc *x;
	struct ip ip = { 0 };

	if (!host.len) {
		return t;
	}
	if (ip_parse(host, &ip) || is_loopback(host, ip)) {
		t.kind = TARGET_SELF;
		return is_loopback(host, ip) ? t : of_address(s, ip, port);
	}
	if (read_name(s, ns, host, &name)) {
		x = subject_service(s, name.ns, name.service);
		if (x) {
			return of_service(x, port, name.pod.len > 0);
		}
		t = (struct target){ .kind = TARGET_MISSING, .ns = name.ns, .name = name.service };
		return t;
	}
	t.object = target_store_of_host(s, host);
	t.kind = TARGET_STORE;
	if (!t.object) {
		t.object = edge_of_host(s, host);
		t.kind = t.object ? TARGET_EDGE : TARGET_OUTSIDE;
	}
	return t;
}

static struct target find_target(struct subject *s, const struct reference *r)
{
	struct slice host = slice_of(r->host);
	struct target t = { .kind = TARGET_UNKNOWN };

	if (!host.len && r->exported) {
		t.object = target_of_export(s, r->exported);
		t.kind = t.object ? TARGET_STORE : TARGET_UNKNOWN;
		return t;
	}
	if (!host.len || address_is_filled_later(host)) {
		return t;
	}
	return target_of_host(s, target_ns_of(r), host, r->port);
}

struct target target_of(struct subject *s, const struct reference *r)
{
	const struct values *v = subject_values(s);

	if (r < v->references || r >= v->references + v->n_references) {
		return find_target(s, r);
	}
	if (!s->index->targets) {
		s->index->targets = mem_alloc(v->n_references * sizeof(*s->index->targets));
		for (size_t i = 0; i < v->n_references; i++) {
			s->index->targets[i] = find_target(s, &v->references[i]);
		}
	}
	return s->index->targets[r - v->references];
}

/* ---- values for the browser that a server in the pod reads ---- */

static bool picks_pods_of(struct subject *s, const struct space *space, const struct val *peer,
                          const struct svc *x)
{
	scoped_selection struct selection found = { 0 };
	const struct val *pods = val_get(peer, "podSelector");

	if (!val_len(val_get(pods, "matchLabels")) || val_get(peer, "namespaceSelector")) {
		return false;
	}
	subject_select_object(s, space, pods, &found);
	for (size_t i = 0; i < found.at.n; i++) {
		for (size_t k = 0; k < x->n_pods; k++) {
			if (found.at.at[i] == x->pods[k]) {
				return true;
			}
		}
	}
	return false;
}

static bool policy_picks(struct subject *s, const struct object *policy, const struct workload *w)
{
	scoped_selection struct selection found = { 0 };

	subject_select_object(s, w->space, val_get(object_spec(policy), "podSelector"), &found);
	for (size_t i = 0; i < found.at.n; i++) {
		if (found.at.at[i] == w) {
			return true;
		}
	}
	return false;
}

static bool may_call(struct subject *s, const struct workload *w, const struct svc *x)
{
	for (size_t i = 0; i < w->space->policies.n; i++) {
		const struct object *policy = w->space->policies.at[i];

		if (x->space != w->space || !val_len(val_get(object_spec(policy), "egress")) ||
		    !policy_picks(s, policy, w)) {
			continue;
		}
		val_for_each (val_get(object_spec(policy), "egress"), rule) {
			val_for_each (val_get(rule, "to"), peer) {
				if (picks_pods_of(s, w->space, peer, x)) {
					return true;
				}
			}
		}
	}
	return false;
}

static bool leads_to(const struct object *ingress, struct slice url_path, const struct svc *x)
{
	val_for_each (val_get(object_spec(ingress), "rules"), rule) {
		val_for_each (val_path(rule, "http.paths"), it) {
			struct slice path = val_get_str(it, "path");

			if (path.len > 1 && slice_has_prefix(url_path, path) &&
			    slice_eq(val_str(val_path(it, "backend.service.name")), x->name) &&
			    slice_eq(ingress->ns, x->ns)) {
				return true;
			}
		}
	}
	return false;
}

bool target_is_proxied(struct subject *s, const struct reference *r, const struct target *t)
{
	const struct object *o = r->workload ? subject_object(s, r->workload) : NULL;
	const struct workload *w = o ? subject_workload(s, o) : NULL;

	if (!w || t->kind != TARGET_SERVICE || r->place != PLACE_BROWSER ||
	    !may_call(s, w, t->service)) {
		return false;
	}
	object_each(s, OBJECT_INGRESS, ingress)
	{
		if (leads_to(ingress, slice_of(r->url_path), t->service)) {
			return true;
		}
	}
	return false;
}
