/* Why: ING: Ingresses. Here: whether a request finds its way to a Service's port; check-ing-settings.c: what
 * annotations and the controller's configuration do to it. The table of the family is at the end. */
#include <stdlib.h>
#include <string.h>

#include "analyse/check-ing-priv.h"
#include "analyse/nearest.h"
#include "analyse/nginx-location.h"
#include "analyse/value.h"
#include "base/mem.h"

bool ingress_is_nginx(const struct subject *s, const struct object *o)
{
	return slice_is(ingress_controller(s, ingress_class(s, o, NULL)), "k8s.io/ingress-nginx");
}

const struct val *nginx_annotation(const struct object *o, const char *name)
{
	scoped_free char *key = mem_printf(NGINX_PREFIX "%s", name);

	return object_annotation_at(o, key);
}

#define route_each(c, it)                                                                          \
	for (size_t it##_i = 0; it##_i < subject_routes((c)->subject)->at.n; it##_i++)             \
		for (const struct route *it = &subject_routes((c)->subject)->at.at[it##_i]; it;    \
		     it = NULL)

/* "shop.example.org/api" */
static void route_text(struct strbuf *out, const struct route *r)
{
	strbuf_addf(out, SLICE_FMT SLICE_FMT,
	            SLICE_ARG(r->host.len ? r->host : SLICE("every host")),
	            SLICE_ARG(r->rule ? r->at : SLICE(" (default)")));
}

/* ---- ING001, ING002, ING003: the back end ---- */

static bool names_missing_service(const struct route *r)
{
	return r->service.len && !r->svc && !r->ingress->assumed;
}

static void ing001(struct check *c)
{
	route_each(c, r)
	{
		const struct object *near;
		scoped_strbuf struct strbuf b = { 0 };
		struct finding *f;

		if (!names_missing_service(r) ||
		    subject_find_elsewhere(c->subject, OBJECT_SERVICE, r->ingress->ns,
		                           r->service)) {
			continue;
		}
		route_text(&b, r);
		near = nearest_object(c->subject, OBJECT_SERVICE, r->ingress->ns, r->service);
		f = check_found(c, r->ingress, r->service_at,
		                "Ingress " SLICE_FMT " sends %s to Service " SLICE_FMT
		                ", and there is none in namespace " SLICE_FMT ".",
		                SLICE_ARG(r->ingress->name), strbuf_str(&b), SLICE_ARG(r->service),
		                SLICE_ARG(r->ingress->ns));
		if (near) {
			finding_shows(c, f, near, val_path(near->v, "metadata.name"),
			              "has a similar name.");
			finding_repair(c, f, "Name Service " SLICE_FMT ".", SLICE_ARG(near->name));
			finding_replace(c, f, r->ingress, r->service_at, SLICE_FMT,
			                SLICE_ARG(near->name));
		}
	}
}

static const struct svc_port *port_by_target(const struct svc *x, const struct val *port)
{
	for (size_t i = 0; i < x->n_ports; i++) {
		for (size_t j = 0; j < x->n_pods; j++) {
			uint16_t target = svc_port_target(&x->ports[i], x->pods[j]);

			if ((target && val_int(port, 0) == target) ||
			    (val_str(port).len &&
			     slice_eq(x->ports[i].target_name, val_str(port)))) {
				return &x->ports[i];
			}
		}
	}
	return x->n_ports == 1 ? &x->ports[0] : NULL;
}

static void ing002(struct check *c)
{
	route_each(c, r)
	{
		const struct svc_port *meant;
		scoped_strbuf struct strbuf b = { 0 };
		struct finding *f;

		if (!r->svc || r->port || r->ingress->assumed ||
		    (r->svc->external && !r->svc->n_ports)) {
			continue;
		}
		meant = port_by_target(r->svc, r->port_at);
		route_text(&b, r);
		if (!r->port_at) {
			f = check_found(c, r->ingress, r->service_at,
			                "Ingress " SLICE_FMT " names no port of Service " SLICE_FMT
			                " for %s.",
			                SLICE_ARG(r->ingress->name), SLICE_ARG(r->service),
			                strbuf_str(&b));
		} else {
			f = check_found(c, r->ingress, r->port_at,
			                "Ingress " SLICE_FMT " sends %s to port " SLICE_FMT
			                " of Service " SLICE_FMT ", which has no such port.",
			                SLICE_ARG(r->ingress->name), strbuf_str(&b),
			                SLICE_ARG(val_text(r->port_at)), SLICE_ARG(r->service));
		}
		for (size_t i = 0; i < r->svc->n_ports; i++) {
			finding_shows(c, f, r->svc->object, val_get(r->svc->ports[i].v, "port"),
			              "has port %u%s" SLICE_FMT ".", r->svc->ports[i].port,
			              r->svc->ports[i].name.len ? " named " : "",
			              SLICE_ARG(r->svc->ports[i].name));
		}
		if (meant && r->port_at) {
			bool by_name = r->port_at->type == VAL_STRING;

			if (by_name && !meant->name.len) {
				finding_repair(c, f, "Write number: %u.", meant->port);
			} else {
				finding_repair(c, f, "Write the Service's port: %u%s" SLICE_FMT ".",
				               meant->port, meant->name.len ? ", named " : "",
				               SLICE_ARG(meant->name));
				if (by_name) {
					finding_replace(c, f, r->ingress, r->port_at, SLICE_FMT,
					                SLICE_ARG(meant->name));
				} else {
					finding_replace(c, f, r->ingress, r->port_at, "%u",
					                meant->port);
				}
			}
		}
	}
}

static void ing003(struct check *c)
{
	route_each(c, r)
	{
		const struct object *other =
			names_missing_service(r)
				? subject_find_elsewhere(c->subject, OBJECT_SERVICE, r->ingress->ns,
		                                         r->service)
				: NULL;
		struct finding *f;

		if (!other) {
			continue;
		}
		f = check_found(c, r->ingress, r->service_at,
		                "Ingress " SLICE_FMT " is in namespace " SLICE_FMT
		                ", its back end " SLICE_FMT " in namespace " SLICE_FMT ".",
		                SLICE_ARG(r->ingress->name), SLICE_ARG(r->ingress->ns),
		                SLICE_ARG(r->service), SLICE_ARG(other->ns));
		finding_shows(c, f, other, val_path(other->v, "metadata.name"),
		              "is the Service of that name.");
		finding_repair(c, f, "Put the Ingress into namespace " SLICE_FMT ".",
		               SLICE_ARG(other->ns));
	}
}

/* ---- ING004 ---- */

static bool is_custom_class(struct slice name)
{
	for (unsigned i = 0; controller_at(i); i++) {
		if (slice_is(name, controller_at(i)->class_name)) {
			return true;
		}
	}
	return false;
}

static const struct object *nearest_class(const struct subject *s, struct slice name)
{
	object_each(s, OBJECT_INGRESSCLASS, o)
	{
		if (edit_distance(name, o->name, 2) <= 2) {
			return o;
		}
	}
	return NULL;
}

static void unknown_class(struct check *c, const struct object *o, struct slice name,
                          const struct val *at)
{
	const struct object *near = nearest_class(c->subject, name);
	struct finding *f;

	/* Without a profile, another class may well be there: only a slip of the pen is told. */
	if (!near && !c->subject->profile->declared &&
	    (is_custom_class(name) || c->subject->profile->assumed)) {
		return;
	}
	f = check_found(c, o, at,
	                "Ingress " SLICE_FMT " asks for class " SLICE_FMT
	                ", and there is no such IngressClass.",
	                SLICE_ARG(o->name), SLICE_ARG(name));
	if (near) {
		finding_shows(c, f, near, val_path(near->v, "metadata.name"), "is there.");
		finding_repair(c, f, "Write " SLICE_FMT ".", SLICE_ARG(near->name));
		finding_replace(c, f, o, at, SLICE_FMT, SLICE_ARG(near->name));
	}
}

static void ing004(struct check *c)
{
	object_each(c->subject, OBJECT_INGRESS, o)
	{
		const struct val *at = NULL;
		struct slice name = ingress_class(c->subject, o, &at);
		struct finding *f;

		if (o->assumed) {
			continue;
		}
		if (!name.len) {
			f = check_found(c, o, object_spec(o),
			                "Ingress " SLICE_FMT " names no class, and no IngressClass "
			                "is the default: nobody serves it.",
			                SLICE_ARG(o->name));
			if (c->subject->n[OBJECT_INGRESSCLASS] == 1) {
				const struct object *only = c->subject->first[OBJECT_INGRESSCLASS];

				finding_shows(c, f, only, val_path(only->v, "metadata.name"),
				              "is the class that is there.");
				finding_repair(c, f, "Write ingressClassName: " SLICE_FMT ".",
				               SLICE_ARG(only->name));
			}
		} else if (at && !subject_find(c->subject, OBJECT_INGRESSCLASS,
		                               (struct slice){ "", 0 }, name)) {
			unknown_class(c, o, name, at);
		}
	}
}

/* ---- ING005: which URLs a path covers ---- */

static bool covers_path(const struct route *r, struct slice url)
{
	struct slice at = r->at;

	if (slice_is(r->type, "Exact")) {
		return slice_eq(at, url);
	}
	while (at.len && at.p[at.len - 1] == '/') {
		at.len--;
	}
	return slice_has_prefix(url, at) && (url.len == at.len || url.p[at.len] == '/');
}

/* The only rule of the host that the root page finds, and it is Exact: everything below is lost. */
static bool is_lonely_root(struct check *c, const struct route *r)
{
	if (!slice_is(r->type, "Exact") || !slice_is(r->at, "/")) {
		return false;
	}
	route_each_of_host(c->subject, r->host, other)
	{
		if (other != r && !slice_is(other->type, "Exact") &&
		    covers_path(other, SLICE("/x"))) {
			return false;
		}
	}
	return true;
}

/* The rule that takes a URL, as the longest path wins; null when none does. */
static const struct route *route_of_url(struct check *c, struct slice host, struct slice path)
{
	const struct route *best = NULL;

	route_each_of_host(c->subject, host, r)
	{
		if (r->rule && covers_path(r, path) && (!best || r->at.len > best->at.len)) {
			best = r;
		}
	}
	return best;
}

/* A rule that looks as if it were for the URL and is not. */
static const struct route *nearly_for(struct check *c, struct slice host, struct slice path)
{
	route_each_of_host(c->subject, host, r)
	{
		struct slice at = r->at;

		while (at.len > 1 && at.p[at.len - 1] == '/') {
			at.len--;
		}
		if (r->rule && at.len > 1 && slice_has_prefix(path, at) && !covers_path(r, path)) {
			return r;
		}
	}
	return NULL;
}

static void wanted_url(struct check *c, const struct reference *ref)
{
	struct slice host = slice_of(ref->host), path = slice_of(ref->url_path), query;
	const struct route *near, *taken;
	const struct object *by = subject_object(c->subject, ref->where.object);
	struct finding *f;

	(void)slice_cut(path, '?', &path, &query);
	near = path.len > 1 ? nearly_for(c, host, path) : NULL;
	taken = near ? route_of_url(c, host, path) : NULL;
	if (!near || !by || (taken && taken->svc == near->svc)) {
		return;
	}
	f = check_found(c, near->ingress, val_get(near->path, "path"),
	                "Path " SLICE_FMT " (" SLICE_FMT ") of Ingress " SLICE_FMT
	                " does not cover " SLICE_FMT SLICE_FMT ", which %s asks for.",
	                SLICE_ARG(near->at), SLICE_ARG(near->type), SLICE_ARG(near->ingress->name),
	                SLICE_ARG(host), SLICE_ARG(path), ref->name);
	finding_shows(c, f, by, ref->where.node, "%s asks for that URL.", ref->name);
	if (taken) {
		finding_shows(c, f, taken->ingress, val_get(taken->path, "path"),
		              "takes it: it goes to Service " SLICE_FMT ".",
		              SLICE_ARG(taken->service));
	}
	finding_repair(c, f,
	               "Use pathType Prefix with the element that all wanted URLs begin with.");
	if (slice_is(near->type, "Exact")) {
		finding_replace(c, f, near->ingress, val_get(near->path, "pathType"), "Prefix");
	}
}

static void ing005(struct check *c)
{
	const struct values *values;

	route_each(c, r)
	{
		struct finding *f;

		if (!r->path || r->ingress->assumed) {
			continue;
		}
		if (is_lonely_root(c, r)) {
			f = check_found(c, r->ingress, val_get(r->path, "pathType"),
			                "Ingress " SLICE_FMT " serves / of " SLICE_FMT
			                " with pathType Exact: that one URL and nothing "
			                "below it.",
			                SLICE_ARG(r->ingress->name), SLICE_ARG(r->host));
			finding_repair(c, f, "Write pathType: Prefix.");
			finding_replace(c, f, r->ingress, val_get(r->path, "pathType"), "Prefix");
		}
	}
	if (!c->subject->first[OBJECT_INGRESS]) {
		return;
	}
	values = subject_values(c->subject);
	for (size_t i = 0; i < values->n_references; i++) {
		const struct reference *ref = &values->references[i];

		if (ref->use == USE_CONNECT && *ref->host && *ref->url_path && !ref->is_template) {
			wanted_url(c, ref);
		}
	}
}

/* ---- ING006, ING007: paths that change on the way ---- */

static bool has_group(struct slice path)
{
	return slice_find(path, '(') >= 0;
}

static void rewritten(struct check *c, const struct route *r, const struct val *at)
{
	bool uses_group = strstr(val_cstr(at), "$1") || strstr(val_cstr(at), "$2") ||
	                  strstr(val_cstr(at), "$3");
	bool regex = slice_is(val_str(nginx_annotation(r->ingress, "use-regex")), "true");
	struct finding *f;

	if (!uses_group && !has_group(r->at) && r->at.len > 1 && !slice_is(r->type, "Exact")) {
		f = check_found(c, r->ingress, at,
		                "rewrite-target " SLICE_FMT " of Ingress " SLICE_FMT
		                " maps every URL below " SLICE_FMT " to that one URL.",
		                SLICE_ARG(val_str(at)), SLICE_ARG(r->ingress->name),
		                SLICE_ARG(r->at));
		finding_shows(c, f, r->ingress, val_get(r->path, "path"),
		              SLICE_FMT "/x becomes " SLICE_FMT ".", SLICE_ARG(r->at),
		              SLICE_ARG(val_str(at)));
		finding_repair(c, f,
		               "Write path: " SLICE_FMT
		               "(/|$)(.*) with pathType ImplementationSpecific and rewrite-target: "
		               "/$2.",
		               SLICE_ARG(r->at));
	} else if (uses_group && !has_group(r->at)) {
		f = check_found(c, r->ingress, val_get(r->path, "path"),
		                "rewrite-target " SLICE_FMT " of Ingress " SLICE_FMT
		                " uses a group, and path " SLICE_FMT " has none.",
		                SLICE_ARG(val_str(at)), SLICE_ARG(r->ingress->name),
		                SLICE_ARG(r->at));
		finding_shows(c, f, r->ingress, at,
		              "puts what the group matched into the URL: here, nothing.");
		finding_repair(c, f,
		               "Write path: " SLICE_FMT
		               "(/|$)(.*) with pathType ImplementationSpecific.",
		               SLICE_ARG(r->at.len > 1 ? r->at : SLICE("")));
	} else if (has_group(r->at) && slice_is(r->type, "Prefix") && !regex) {
		f = check_found(c, r->ingress, val_get(r->path, "pathType"),
		                "Path " SLICE_FMT " of Ingress " SLICE_FMT
		                " is a pattern, and pathType Prefix takes it by the letter.",
		                SLICE_ARG(r->at), SLICE_ARG(r->ingress->name));
		finding_repair(c, f, "Write pathType: ImplementationSpecific.");
		finding_replace(c, f, r->ingress, val_get(r->path, "pathType"),
		                "ImplementationSpecific");
	}
}

static void ing006(struct check *c)
{
	route_each(c, r)
	{
		const struct val *at = nginx_annotation(r->ingress, "rewrite-target");

		if (at && r->path && ingress_is_nginx(c->subject, r->ingress)) {
			rewritten(c, r, at);
		}
	}
}

static const struct val *root_probe(const struct workload *w)
{
	container_each(w->spec, k)
	{
		const struct val *path = val_path(k, "readinessProbe.httpGet.path");

		if (slice_is(val_str(path), "/")) {
			return path;
		}
	}
	return NULL;
}

static bool is_served_at_root_too(struct check *c, const struct route *r)
{
	route_each(c, other)
	{
		if (other->svc == r->svc && slice_is(other->at, "/")) {
			return true;
		}
	}
	return false;
}

static void ing007(struct check *c)
{
	route_each(c, r)
	{
		const struct val *probe =
			r->svc && r->svc->n_pods ? root_probe(r->svc->pods[0]) : NULL;
		struct finding *f;

		if (!probe || !r->path || slice_is(r->at, "/") ||
		    nginx_annotation(r->ingress, "rewrite-target") || slice_is(r->type, "Exact") ||
		    is_served_at_root_too(c, r)) {
			continue;
		}
		f = check_found(c, r->ingress, val_get(r->path, "path"),
		                "Ingress " SLICE_FMT " publishes " SLICE_FMT " under " SLICE_FMT
		                ", and the program is probed at /: it seems "
		                "to be made for the root.",
		                SLICE_ARG(r->ingress->name), SLICE_ARG(r->service),
		                SLICE_ARG(r->at));
		finding_shows(c, f, r->svc->pods[0]->object, probe,
		              "the readiness probe asks for /.");
		finding_repair(c, f,
		               "Set the program's base path to " SLICE_FMT
		               ", rewrite the path, or give it a host of its own.",
		               SLICE_ARG(r->at));
	}
}

/* ---- ING008 ---- */

static void ing008(struct check *c)
{
	scoped_map struct map seen = { 0 };

	route_each(c, r)
	{
		const struct route *first;
		scoped_strbuf struct strbuf key = { 0 };
		struct finding *f;

		if (!r->path || slice_is(val_str(nginx_annotation(r->ingress, "canary")), "true")) {
			continue;
		}
		strbuf_addf(&key, SLICE_FMT "\n" SLICE_FMT "\n" SLICE_FMT "\n" SLICE_FMT,
		            SLICE_ARG(ingress_class(c->subject, r->ingress, NULL)),
		            SLICE_ARG(r->host), SLICE_ARG(r->at), SLICE_ARG(r->type));
		first = map_find(&seen, strbuf_slice(&key));
		if (!first) {
			map_set(&seen, strbuf_slice(&key), (void *)r);
			continue;
		}
		f = check_found(c, r->ingress, val_get(r->path, "path"),
		                "Two rules claim " SLICE_FMT SLICE_FMT ": Ingress " SLICE_FMT
		                "/" SLICE_FMT " and " SLICE_FMT "/" SLICE_FMT ".",
		                SLICE_ARG(r->host.len ? r->host : SLICE("every host")),
		                SLICE_ARG(r->at), SLICE_ARG(first->ingress->ns),
		                SLICE_ARG(first->ingress->name), SLICE_ARG(r->ingress->ns),
		                SLICE_ARG(r->ingress->name));
		finding_shows(c, f, first->ingress, val_get(first->path, "path"),
		              "claims it too, for Service " SLICE_FMT ".",
		              SLICE_ARG(first->service));
	}
}

/* ---- ING009 ---- */

static bool any_rule_for(struct check *c, struct slice host)
{
	route_each_of_host(c->subject, host, r)
	{
		return r != NULL;
	}
	return false;
}

static const struct route *sibling_host(struct check *c, struct slice host)
{
	ptrdiff_t dot = slice_find(host, '.');

	route_each(c, r)
	{
		ptrdiff_t own = slice_find(r->host, '.');

		if (dot > 0 && own > 0 && slice_find(slice_from(host, (size_t)dot + 1), '.') > 0 &&
		    slice_eq_nocase(slice_from(host, (size_t)dot),
		                    slice_from(r->host, (size_t)own))) {
			return r;
		}
	}
	return NULL;
}

static void tls_hosts(struct check *c, const struct object *o)
{
	val_for_each (val_get(object_spec(o), "tls"), tls) {
		val_for_each (val_get(tls, "hosts"), host) {
			struct finding *f;

			if (any_rule_for(c, val_str(host)) ||
			    (val_str(host).len && val_str(host).p[0] == '*')) {
				continue;
			}
			f = check_found(c, o, host,
			                "Ingress " SLICE_FMT " has a certificate for " SLICE_FMT
			                " and no rule for that host.",
			                SLICE_ARG(o->name), SLICE_ARG(val_str(host)));
			val_for_each (val_get(object_spec(o), "rules"), rule) {
				finding_shows(c, f, o, val_get(rule, "host"),
				              "is the rule for " SLICE_FMT ".",
				              SLICE_ARG(val_get_str(rule, "host")));
			}
			finding_repair(c, f, "Add a rule for the host, or correct the name.");
		}
	}
}

static void ing009(struct check *c)
{
	const struct values *values;
	scoped_map struct map said = { 0 };

	if (!c->subject->first[OBJECT_INGRESS]) {
		return;
	}
	object_each(c->subject, OBJECT_INGRESS, o)
	{
		if (val_len(val_get(object_spec(o), "rules")) && !o->assumed) {
			tls_hosts(c, o);
		}
	}
	values = subject_values(c->subject);
	for (size_t i = 0; i < values->n_references; i++) {
		const struct reference *ref = &values->references[i];
		struct slice host = slice_of(ref->host);
		const struct object *by = subject_object(c->subject, ref->where.object);
		const struct route *near;
		struct finding *f;

		if ((ref->place != PLACE_BROWSER && ref->use != USE_SELF) || !by ||
		    ref->ip.family || any_rule_for(c, host) || map_set(&said, host, &said)) {
			continue;
		}
		near = sibling_host(c, host);
		if (!near) {
			continue;
		}
		f = check_found(c, by, ref->where.node,
		                "%s sends browsers to " SLICE_FMT
		                ", and no Ingress has a rule for that host.",
		                ref->name, SLICE_ARG(host));
		finding_shows(c, f, near->ingress, val_get(near->rule, "host"),
		              "has a rule for " SLICE_FMT ".", SLICE_ARG(near->host));
	}
}

/* ---- ING019 ---- */

static void ing019(struct check *c)
{
	object_each(c->subject, OBJECT_INGRESS, o)
	{
		const struct val *spec = object_spec(o);

		if (!o->assumed && val_get(spec, "defaultBackend") &&
		    val_len(val_get(spec, "tls")) && !val_len(val_get(spec, "rules"))) {
			struct finding *f = check_found(
				c, o, val_get(spec, "tls"),
				"Ingress " SLICE_FMT
				" has a certificate and a default back end, but no rule: the "
				"certificate is not used.",
				SLICE_ARG(o->name));

			finding_shows(c, f, o, val_get(spec, "defaultBackend"),
			              "is all it serves.");
			finding_repair(c, f, "Add a rule with the host of the certificate.");
		}
	}
}

/* ---- ING020: nginx within an image ---- */

struct nginx_judging {
	struct check *c;
	const struct object *object;
	const struct val *key;
};

static void judge_location(void *arg, const struct nginx_location *l)
{
	struct nginx_judging *j = arg;
	struct check *c = j->c;
	bool slash = l->path.len && l->path.p[l->path.len - 1] == '/';
	bool uri_slash = l->uri.len && l->uri.p[l->uri.len - 1] == '/';
	struct finding *f;

	if (l->is_pattern || l->has_variable) {
		return;
	}
	if (l->uri.len && l->path.len > 1 && slash != uri_slash) {
		f = check_found(c, j->object, j->key,
		                "location " SLICE_FMT " passes on to " SLICE_FMT ": " SLICE_FMT
		                "%sx becomes " SLICE_FMT "%sx.",
		                SLICE_ARG(l->path), SLICE_ARG(l->target), SLICE_ARG(l->path),
		                slash ? "" : "/", SLICE_ARG(l->uri), slash ? "" : "/");
		finding_repair(c, f, "End both with a slash, or neither.");
	}
	if (l->is_socket && !l->sets_upgrade) {
		f = check_found(c, j->object, j->key,
		                "location " SLICE_FMT
		                " is for WebSockets and does not pass on Upgrade and Connection.",
		                SLICE_ARG(l->path));
		finding_repair(c, f,
		               "Add proxy_http_version 1.1 and proxy_set_header Upgrade "
		               "$http_upgrade; Connection \"upgrade\".");
	}
}

static void ing020(struct check *c)
{
	object_each(c->subject, OBJECT_CONFIGMAP, o)
	{
		val_for_each (val_get(o->v, "data"), key) {
			struct nginx_judging j = { c, o, key };

			if (strstr(val_cstr(key), "proxy_pass")) {
				nginx_each_location(val_str(key), judge_location, &j);
			}
		}
	}
}

/* ---- the family ---- */

static const struct rule rules[] = {
	{
		.id = "ING001",
		.title = "Back end Service missing",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "503 from the default back end for the path.",
		.cause = "A typo, another name, or the Service is not deployed.",
		.evidence = "backend.service.name looked up in the Ingress's namespace.",
		.probe = "Request the path.",
		.fix = "Correct the name, or deploy the Service.",
		.sources = "kubescape/regolibrary C-0298; derailed/popeye 1401",
		.check = ing001,
	},
	{
		.id = "ING002",
		.title = "Back end port missing",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "503; the controller logs that the Service has no such port.",
		.cause = "The number of the container was written instead of the Service's port, "
			 "or another name.",
		.evidence = "The number or name looked up among the Service's ports.",
		.probe = "Request the path.",
		.fix = "Write the Service's port.",
		.sources = "derailed/popeye 1402",
		.check = ing002,
	},
	{
		.id = "ING003",
		.title = "Back end in another namespace",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "503.",
		.cause = "An Ingress never refers to another namespace.",
		.evidence = "The Service exists elsewhere alone.",
		.probe = "Request the path.",
		.fix = "Move the Ingress, or use Gateway API with a ReferenceGrant.",
		.sources = "kubernetes.io, Ingress reference",
		.check = ing003,
	},
	{
		.id = "ING004",
		.title = "No controller takes the Ingress",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "ADDRESS stays empty; 404 or connection refused.",
		.cause = "No class is named and none is the default, or the class does not exist.",
		.evidence = "The class by field, annotation and default, against the classes of "
			    "the set and the profile.",
		.probe = "Look at status.loadBalancer; request by host.",
		.fix = "Set ingressClassName.",
		.sources = "k8sgpt-ai/k8sgpt ingress analyzer; kubernetes/ingress-nginx#5585",
		.check = ing004,
	},
	{
		.id = "ING005",
		.title = "pathType does not cover the wanted URLs",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "404 for /api/x, or the front end answers it.",
		.cause = "Exact covers one URL, Prefix compares whole elements: /api does not "
			 "cover /apix.",
		.evidence = "/ served as Exact alone; and URLs out of values, held against the "
			    "rules of their host.",
		.probe = "Request sample URLs and see who answers.",
		.fix = "Prefix with the right element.",
		.sources = "kubernetes.io, Ingress path types",
		.check = ing005,
	},
	{
		.id = "ING006",
		.title = "rewrite-target loses or doubles the path",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "404 from the program; assets are missing.",
		.cause = "A target without a group maps everything to one URL; a group needs a "
			 "pattern in the path, and a "
			 "pattern needs pathType ImplementationSpecific.",
		.evidence = "The annotation against path and pathType.",
		.probe = "Show the URL that arrives for sample requests.",
		.fix = "A path such as /app(/|$)(.*) and the target /$2, or a program that serves "
		       "under its path.",
		.sources = "kubernetes/ingress-nginx, examples/rewrite",
		.check = ing006,
	},
	{
		.id = "ING007",
		.title = "The program's base path is not the public one",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_INGRESS,
		.symptom = "Redirects and assets leave the prefix.",
		.cause = "The program was built for / and is published under a path.",
		.evidence = "A path other than /, no rewrite, and a readiness probe at /.",
		.probe = "Fetch the page and its assets.",
		.fix = "Set the base path, or give it a host of its own.",
		.sources = "kubernetes/ingress-nginx, examples/rewrite",
		.check = ing007,
	},
	{
		.id = "ING008",
		.title = "Two rules claim one host and path",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "The older object wins, or the webhook refuses the newer.",
		.cause = "Copies of an Ingress in several namespaces, or one path twice.",
		.evidence = "Same class, host, path and type.",
		.probe = "Show which rule wins.",
		.fix = "Remove one.",
		.sources = "kubernetes/ingress-nginx documentation",
		.check = ing008,
	},
	{
		.id = "ING009",
		.title = "Host without a rule",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "404 of the default back end, or a certificate for another name.",
		.cause = "Browsers are sent to a host that no rule names; a wildcard covers one "
			 "label alone.",
		.evidence = "Hosts of certificates and of values for browsers against the hosts of "
			    "rules.",
		.probe = "Request with each host.",
		.fix = "Add the host to the rules, or forward Host.",
		.sources = "repost.aws, CloudFront and the Host header",
		.check = ing009,
	},
	{
		.id = "ING010",
		.title = "Wrong protocol towards the program",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_INGRESS,
		.symptom = "502, or 400: plain HTTP request was sent to HTTPS port.",
		.cause = "The program speaks TLS or gRPC and the controller HTTP, or the reverse.",
		.evidence = "Names and numbers of ports, appProtocol and the scheme of probes "
			    "against backend-protocol.",
		.probe = "Speak both to the pod's port.",
		.fix = "The annotation backend-protocol, or appProtocol.",
		.sources = "kubernetes/ingress-nginx annotations",
		.check = ing_protocol,
	},
	{
		.id = "ING011",
		.title = "Requests larger than the controller takes",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_INGRESS,
		.symptom = "413 for uploads.",
		.cause = "The limit for bodies is 1 MiB unless it is set.",
		.evidence = "A path named after uploads without proxy-body-size.",
		.probe = "Send a body above the limit.",
		.fix = "Set the annotation for that route.",
		.sources = "kubernetes/ingress-nginx, configmap, proxy-body-size",
		.check = ing_body_size,
	},
	{
		.id = "ING012",
		.title = "Time-outs and buffering that break long requests",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_INGRESS,
		.symptom = "504 after 60 s; WebSockets close each minute; events come late.",
		.cause = "Reading and sending time out after 60 s of silence; buffering is on.",
		.evidence = "A path named after sockets, streams or events without time-outs of "
			    "its own.",
		.probe = "Be silent on a connection for 70 s.",
		.fix = "Raise them for that route, and send heartbeats.",
		.sources = "kubernetes/ingress-nginx annotations, custom timeouts",
		.check = ing_time,
	},
	{
		.id = "ING013",
		.title = "Redirect loop",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "The browser says: too many redirects.",
		.cause = "TLS ends at the load balancer, which speaks HTTP to a controller that "
			 "demands HTTPS.",
		.evidence = "A certificate at the controller's Service, a redirect at the Ingress, "
			    "and forwarded headers that "
			    "are not trusted.",
		.probe = "Follow the redirects with and without X-Forwarded-Proto.",
		.fix = "Trust the header, or redirect in front alone.",
		.sources = "repost.aws, CloudFront 301 to ELB",
		.check = ing_redirect_loop,
	},
	{
		.id = "ING014",
		.title = "PROXY protocol on one side only",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "400, broken header, or TLS that makes no sense.",
		.cause = "The balancer sends it and the controller does not expect it, or the "
			 "reverse.",
		.evidence = "The annotation of the Service against the controller's ConfigMap.",
		.probe = "Send both forms.",
		.fix = "The same on both sides.",
		.sources = "kubernetes/ingress-nginx documentation",
		.check = ing_proxy_protocol,
	},
	{
		.id = "ING015",
		.title = "Annotation without effect",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "A setting is ignored and nobody says so.",
		.cause = "An annotation of another controller, a typo, a snippet where they are "
			 "switched off.",
		.evidence = "The prefix against the class, the name against those the controller "
			    "knows.",
		.probe = "Compare the controller's configuration.",
		.fix = "Correct the name or the class.",
		.sources = "kubernetes-sigs/aws-load-balancer-controller documentation; "
			   "kubernetes/ingress-nginx annotations",
		.check = ing_annotations,
	},
	{
		.id = "ING016",
		.title = "Stateful HTTP without sticky sessions",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "Logins get lost, socket.io answers 400, as soon as there is more than "
			   "one replica.",
		.cause = "State in memory, and clients spread over all replicas.",
		.evidence = "More than one replica, sessions in memory or a library that needs "
			    "stickiness, no affinity by "
			    "cookie.",
		.probe = "Two requests with one cookie jar reach two pods.",
		.fix = "A store of its own, or cookie affinity.",
		.sources = "kubernetes/ingress-nginx, examples/affinity",
		.check = ing_affinity,
	},
	{
		.id = "ING017",
		.title = "Allow-list sees the wrong address",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "403 for everybody, or open to everybody.",
		.cause = "The range is compared with the address of a node or a balancer.",
		.evidence = "A source range annotation, externalTrafficPolicy Cluster at the "
			    "controller's Service, no setting "
			    "for the real address.",
		.probe = "Log the address that the controller sees.",
		.fix = "Settings for the real address.",
		.sources = "kubernetes/ingress-nginx, configmap",
		.check = ing_allow_list,
	},
	{
		.id = "ING018",
		.title = "Retired controller",
		.severity = SEVERITY_INFO,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_INGRESS,
		.symptom = "No security fixes any more.",
		.cause = "Maintenance of ingress-nginx ended in March 2026.",
		.evidence = "The controller's pods among the objects.",
		.probe = "Ask for its version.",
		.fix = "A Gateway API implementation or a controller that is maintained.",
		.sources = "kubernetes/ingress-nginx README; kubescape/regolibrary C-0292",
		.check = ing_retired,
	},
	{
		.id = "ING019",
		.title = "Certificate with a default back end alone",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_TLS,
		.symptom = "A fake certificate, or 404 for the host.",
		.cause = "TLS needs a rule with the host.",
		.evidence = "defaultBackend and tls without rules.",
		.probe = "A TLS handshake with the name.",
		.fix = "Add the rule.",
		.sources = "kubernetes/ingress-nginx#4979",
		.check = ing019,
	},
	{
		.id = "ING020",
		.title = "Proxy in the image changes the path or drops headers",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_CONFIG,
		.symptom = "404 behind two proxies; WebSockets fail.",
		.cause = "location and proxy_pass with and without slash; Upgrade is not passed on "
			 "by itself.",
		.evidence = "nginx configuration in ConfigMaps.",
		.probe = "Compare the URL that arrives.",
		.fix = "One form of slashes; set the headers.",
		.sources = "nginx.org, proxy_pass",
		.check = ing020,
	},
	{ 0 },
};

const struct family family_ing = { "ING", "Ingress", rules };
