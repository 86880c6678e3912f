/* Why: CDN: a distribution in front of an ingress. Each class is one function (that about aliases in
 * check-cdn-alias.c) and one entry in the table at the end. */
#include "analyse/check-cdn.h"
#include "analyse/cloud.h"
#include "analyse/distribution.h"
#include "analyse/front.h"
#include "analyse/ingress.h"
#include "analyse/route.h"
#include "base/mem.h"

enum { ORIGIN_READ_S = 30, PAGE_TTL_S = 60 };

static const struct val *behaviour_at(const struct behaviour *b, const char *key)
{
	const struct val *at = val_get(b->v, key);

	return at                             ? at
	       : val_get(b->v, "pathPattern") ? val_get(b->v, "pathPattern")
	                                      : val_get(b->v, "targetOriginID");
}

static struct slice behaviour_name(const struct behaviour *b)
{
	struct slice pattern = val_get_str(b->v, "pathPattern");

	return pattern.len ? pattern : SLICE("the default behaviour");
}

static struct slice origin_host(const struct behaviour *b)
{
	return val_get_str(b->origin, "domainName");
}

/* Is the name that of a balancer of the set, or AWS's own name of one? */
static bool is_balancer_name(const struct subject *s, struct slice host)
{
	if (slice_has_suffix(host, SLICE(".amazonaws.com")) && strstr(host.p, ".elb.")) {
		return true;
	}
	for (size_t i = 0; i < s->services.n; i++) {
		if (slice_is(s->services.at[i]->type, "LoadBalancer") &&
		    list_has(svc_external_names(s->services.at[i]), host)) {
			return true;
		}
	}
	return false;
}

/* Does the distribution stand in front of the Ingress: by an alias or by the name of an origin? */
static bool serves(const struct object *dist, const struct object *ingress)
{
	val_for_each (val_path(distribution_config(dist), "aliases.items"), a) {
		if (ingress_has_host(ingress, val_str(a))) {
			return true;
		}
	}
	val_for_each (val_path(distribution_config(dist), "origins.items"), o) {
		if (ingress_has_host(ingress, val_get_str(o, "domainName"))) {
			return true;
		}
	}
	return false;
}

/* Answers of these are made for one person, or change with each call. */
static bool is_api_path(struct slice path)
{
	static const char *const heads[] = { "api",  "graphql", "rest", "rpc",
		                             "auth", "login",   "ws",   "socket.io" };
	struct slice head, tail;

	(void)slice_cut(slice_from(path, path.len && path.p[0] == '/'), '/', &head, &tail);
	(void)slice_cut(head, '*', &head, &tail);
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		if (slice_is(head, heads[i])) {
			return true;
		}
	}
	return false;
}

/* Calls once for each behaviour that takes a path of an API: one that the Ingress behind it routes, or one that its
 * pattern names. 'ingress' is null in the second case. */
typedef void api_fn(struct check *c, const struct behaviour *b, struct slice path,
                    const struct object *ingress, const struct val *at);

static void take_api(struct check *c, struct map *seen, const struct object *dist,
                     struct slice path, const struct object *ingress, const struct val *at,
                     api_fn *fn)
{
	scoped_free char *sample = mem_printf(SLICE_FMT "/x", SLICE_ARG(path));
	struct behaviour b = behaviour_of_path(dist, slice_of(sample));

	if (origin_is_plain_server(b.origin) &&
	    !map_set(seen, (struct slice){ (const char *)&b.v, sizeof(b.v) }, (void *)dist)) {
		fn(c, &b, path, ingress, at);
	}
}

static void api_of_ingresses(struct check *c, struct map *seen, const struct object *dist,
                             api_fn *fn)
{
	object_each(c->subject, OBJECT_INGRESS, ingress)
	{
		scoped_ingress_paths struct ingress_paths paths = { 0 };

		if (serves(dist, ingress)) {
			ingress_paths_read(c->subject, ingress, &paths);
		}
		for (size_t i = 0; i < paths.all.n; i++) {
			if (is_api_path(paths.all.at[i].path)) {
				take_api(c, seen, dist, paths.all.at[i].path, ingress,
				         paths.all.at[i].at, fn);
			}
		}
	}
}

static void each_api(struct check *c, api_fn *fn)
{
	written_each(c->subject, OBJECT_DISTRIBUTION, dist)
	{
		scoped_map struct map seen = { 0 };

		api_of_ingresses(c, &seen, dist, fn);
		val_for_each (val_path(distribution_config(dist), "cacheBehaviors.items"), v) {
			struct slice pattern = val_get_str(v, "pathPattern"), path, rest;

			(void)slice_cut(pattern, '*', &path, &rest);
			if (path.len && path.p[path.len - 1] == '/') {
				path.len--;
			}
			if (is_api_path(pattern)) {
				take_api(c, &seen, dist, path, NULL, NULL, fn);
			}
		}
	}
}

static void show_route(struct check *c, struct finding *f, const struct object *ingress,
                       const struct val *at, struct slice path)
{
	if (ingress) {
		finding_shows(c, f, ingress, at, "it routes " SLICE_FMT " to a program.",
		              SLICE_ARG(path));
	}
}

/* ---- CDN001: the origin's certificate ---- */

static bool always_https(const struct behaviour *b)
{
	struct slice origin = origin_protocol(b->origin),
		     viewer = val_get_str(b->v, "viewerProtocolPolicy");

	return slice_is(origin, "https-only") ||
	       (slice_is(origin, "match-viewer") &&
	        (slice_is(viewer, "https-only") || slice_is(viewer, "redirect-to-https")));
}

/* Does TLS end at the balancer of the ingress controller, so that the Ingress needs none? */
static bool ends_before_ingress(const struct subject *s)
{
	for (size_t i = 0; i < s->services.n; i++) {
		if (svc_is_controller(s->services.at[i]) &&
		    nlb_setting(s->services.at[i], "ssl-cert").len) {
			return true;
		}
	}
	return false;
}

/* The issuer of the Ingress's certificate, when it is one that the world does not trust. */
static const struct object *private_issuer(const struct subject *s, const struct object *ingress)
{
	struct slice cluster = object_annotation(ingress, "cert-manager.io/cluster-issuer");
	struct slice own = object_annotation(ingress, "cert-manager.io/issuer");
	const struct object *o = cluster.len ? subject_find(s, OBJECT_CLUSTERISSUER,
	                                                    (struct slice){ "", 0 }, cluster)
	                                     : subject_find(s, OBJECT_ISSUER, ingress->ns, own);
	const struct val *spec = o && (cluster.len || own.len) ? object_spec(o) : NULL;

	return val_get(spec, "selfSigned") || val_get(spec, "ca") ||
	                       strstr(val_cstr(val_path(spec, "acme.server")), "staging")
	               ? o
	               : NULL;
}

static void origin_certificate(struct check *c, const struct behaviour *b)
{
	struct slice host = origin_host(b);
	const struct object *ingress = ingress_of_host(c->subject, host), *issuer;
	const struct val *at = val_get(b->origin, "domainName");
	struct finding *f;

	if (!always_https(b) || behaviour_sends_header(c->subject, b, "Host") != ANSWER_NO) {
		return;
	}
	if (slice_has_suffix(host, SLICE(".amazonaws.com")) && strstr(host.p, ".elb.")) {
		f = check_found(c, b->dist, at,
		                "Distribution " SLICE_FMT " speaks TLS with " SLICE_FMT
		                ", a name of AWS for which nobody else gets a certificate.",
		                SLICE_ARG(b->dist->name), SLICE_ARG(host));
		finding_repair(c, f,
		               "Give the balancer a name of your own domain (origin.example.com), "
		               "with a certificate, and "
		               "make that the origin; or forward Host.");
	} else if (ingress && !ingress_is_alb(c->subject, ingress) &&
	           !ends_before_ingress(c->subject) && !ingress_has_tls(ingress, host)) {
		f = check_found(c, ingress, val_get(object_spec(ingress), "rules"),
		                "Distribution " SLICE_FMT " speaks TLS with " SLICE_FMT
		                ", for which Ingress " SLICE_FMT " has no certificate.",
		                SLICE_ARG(b->dist->name), SLICE_ARG(host),
		                SLICE_ARG(ingress->name));
		finding_shows(c, f, b->dist, at, "the origin.");
		finding_repair(c, f,
		               "Add a tls entry with host " SLICE_FMT
		               " and a certificate that the world trusts.",
		               SLICE_ARG(host));
	} else if (ingress && ingress_has_tls(ingress, host) &&
	           (issuer = private_issuer(c->subject, ingress))) {
		f = check_found(c, ingress,
		                object_annotation_at(ingress, "cert-manager.io/cluster-issuer"),
		                "The certificate of " SLICE_FMT " comes from " OBJECT_FMT
		                ", which Distribution " SLICE_FMT " does not trust.",
		                SLICE_ARG(host), OBJECT_ARG(issuer), SLICE_ARG(b->dist->name));
		finding_shows(c, f, issuer, NULL,
		              "self-signed, by a CA of your own, or for tests.");
		finding_shows(c, f, b->dist, at, "the origin.");
		finding_repair(c, f, "Let an issuer that the world trusts sign it.");
	}
}

/* Calls once for each pair of behaviour and origin that is a plain server. */
typedef void behaviour_fn(struct check *c, const struct behaviour *b);
static void each_behaviour(struct check *c, behaviour_fn *fn)
{
	written_each(c->subject, OBJECT_DISTRIBUTION, dist)
	{
		scoped_map struct map seen = { 0 };
		const struct val *otherwise =
			val_get(distribution_config(dist), "defaultCacheBehavior");
		struct behaviour b = behaviour_read(dist, otherwise);

		if (otherwise && origin_is_plain_server(b.origin)) {
			map_set(&seen, origin_host(&b), (void *)dist);
			fn(c, &b);
		}
		val_for_each (val_path(distribution_config(dist), "cacheBehaviors.items"), v) {
			b = behaviour_read(dist, v);
			if (origin_is_plain_server(b.origin) &&
			    !map_set(&seen, origin_host(&b), (void *)dist)) {
				fn(c, &b);
			}
		}
	}
}

static void cdn001(struct check *c)
{
	each_behaviour(c, origin_certificate);
}

/* ---- CDN002: which host the ingress sees ---- */

static void host_seen(struct check *c, const struct behaviour *b)
{
	struct slice host = origin_host(b);

	if (behaviour_sends_header(c->subject, b, "Host") != ANSWER_NO ||
	    ingress_of_host(c->subject, host) || !is_balancer_name(c->subject, host)) {
		return;
	}
	val_for_each (val_path(distribution_config(b->dist), "aliases.items"), a) {
		const struct object *ingress = ingress_of_host(c->subject, val_str(a));
		struct finding *f;

		if (!ingress) {
			continue;
		}
		f = check_found(c, b->dist, behaviour_at(b, "originRequestPolicyID"),
		                "Distribution " SLICE_FMT " asks for host " SLICE_FMT
		                ", while Ingress " SLICE_FMT " routes host " SLICE_FMT ".",
		                SLICE_ARG(b->dist->name), SLICE_ARG(host), SLICE_ARG(ingress->name),
		                SLICE_ARG(val_str(a)));
		finding_shows(c, f, ingress, val_get(object_spec(ingress), "rules"),
		              "it has no rule for the origin's name.");
		finding_repair(c, f,
		               "Forward Host (origin request policy AllViewer, "
		               "216adef6-5c7f-47e4-b989-5492eafa07d3), or add a rule for the "
		               "origin's name.");
		return;
	}
}

static void cdn002(struct check *c)
{
	each_behaviour(c, host_seen);
}

/* ---- CDN003, CDN004, CDN007: an API behind it ---- */

static void is_kept(struct check *c, const struct behaviour *b, struct slice path,
                    const struct object *ingress, const struct val *at)
{
	int64_t ttl = behaviour_default_ttl(c->subject, b);
	struct finding *f;

	if (ttl <= 0 || behaviour_keys_header(c->subject, b, "Authorization") != ANSWER_NO) {
		return;
	}
	f = check_found(c, b->dist, behaviour_at(b, "cachePolicyID"),
	                "Distribution " SLICE_FMT " keeps answers of " SLICE_FMT
	                " for %lld s (" SLICE_FMT "), the same for everybody.",
	                SLICE_ARG(b->dist->name), SLICE_ARG(path), (long long)ttl,
	                SLICE_ARG(behaviour_name(b)));
	show_route(c, f, ingress, at, path);
	finding_repair(c, f,
	               "Add a behaviour for " SLICE_FMT
	               "/* with policy CachingDisabled (4135ea2d-6df8-44a3-9df3-4b5a84be39ad) and "
	               "all methods.",
	               SLICE_ARG(path));
	if (val_get(b->v, "pathPattern") && val_get(b->v, "cachePolicyID")) {
		finding_replace(c, f, b->dist, val_get(b->v, "cachePolicyID"),
		                "4135ea2d-6df8-44a3-9df3-4b5a84be39ad");
	}
}

static void cdn003(struct check *c)
{
	each_api(c, is_kept);
}

static void takes_writes(struct check *c, const struct behaviour *b, struct slice path,
                         const struct object *ingress, const struct val *at)
{
	struct finding *f;

	if (behaviour_allows(b, "POST")) {
		return;
	}
	f = check_found(c, b->dist, behaviour_at(b, "allowedMethods"),
	                "Distribution " SLICE_FMT " refuses POST, PUT and DELETE to " SLICE_FMT
	                " (" SLICE_FMT "%s).",
	                SLICE_ARG(b->dist->name), SLICE_ARG(path), SLICE_ARG(behaviour_name(b)),
	                val_get(b->v, "allowedMethods")
	                        ? ""
	                        : ": allowedMethods is not written, and that means GET and HEAD");
	show_route(c, f, ingress, at, path);
	finding_repair(c, f,
	               "Allow GET, HEAD, OPTIONS, PUT, PATCH, POST and DELETE in the behaviour "
	               "of " SLICE_FMT "/*.",
	               SLICE_ARG(path));
}

static void cdn004(struct check *c)
{
	each_api(c, takes_writes);
}

static bool wants_upgrade(struct slice path)
{
	return slice_is(path, "/ws") || slice_is(path, "/socket.io");
}

static void passes_on(struct check *c, const struct behaviour *b, struct slice path,
                      const struct object *ingress, const struct val *at)
{
	bool query = behaviour_sends_query(c->subject, b) == ANSWER_NO;
	bool cookies = behaviour_sends_cookies(c->subject, b) == ANSWER_NO;
	bool upgrade = wants_upgrade(path) &&
	               behaviour_sends_header(c->subject, b, "Sec-WebSocket-Key") == ANSWER_NO;
	bool origin =
		ingress &&
		slice_is(object_annotation(ingress, "nginx.ingress.kubernetes.io/enable-cors"),
	                 "true") &&
		behaviour_sends_header(c->subject, b, "Origin") == ANSWER_NO;
	struct finding *f;

	if (!query && !upgrade && !origin) {
		return;
	}
	f = check_found(c, b->dist, behaviour_at(b, "originRequestPolicyID"),
	                "Distribution " SLICE_FMT " drops %s%s%s of requests to " SLICE_FMT
	                " (" SLICE_FMT ").",
	                SLICE_ARG(b->dist->name), query ? "the query" : "headers",
	                query && cookies ? " and the cookies" : "",
	                upgrade            ? " (Sec-WebSocket-Key)"
	                : origin && !query ? " (Origin)"
	                                   : "",
	                SLICE_ARG(path), SLICE_ARG(behaviour_name(b)));
	show_route(c, f, ingress, at, path);
	finding_repair(
		c, f,
		"Add origin request policy AllViewer (216adef6-5c7f-47e4-b989-5492eafa07d3), or "
		"AllViewerExceptHostHeader (b689b0a8-53d0-40ab-baf2-68738e2966ac) when the origin "
		"has a name of its "
		"own.");
}

static void cdn007(struct check *c)
{
	each_api(c, passes_on);
}

/* ---- CDN005: loop ---- */

static bool loops(struct check *c, const struct behaviour *b, struct slice host)
{
	const struct object *ingress = ingress_of_host(c->subject, host);
	const char *why = ingress ? ingress_redirects(c->subject, ingress, host) : NULL;
	const struct val *at = val_path(b->origin, "customOriginConfig.originProtocolPolicy");
	struct finding *f;

	if (!why) {
		return false;
	}
	f = check_found(c, b->dist, at,
	                "Distribution " SLICE_FMT " fetches " SLICE_FMT
	                " by HTTP, and Ingress " SLICE_FMT
	                " answers with a redirect to HTTPS, for ever.",
	                SLICE_ARG(b->dist->name), SLICE_ARG(host), SLICE_ARG(ingress->name));
	finding_shows(c, f, ingress, NULL, "%s", why);
	finding_replace(c, f, b->dist, at, "https-only");
	return true;
}

static void origin_redirects(struct check *c, const struct behaviour *b)
{
	enum answer host = behaviour_sends_header(c->subject, b, "Host");

	if (!slice_is(origin_protocol(b->origin), "http-only") || host == ANSWER_UNKNOWN) {
		return;
	}
	if (host == ANSWER_NO) {
		loops(c, b, origin_host(b));
		return;
	}
	val_for_each (val_path(distribution_config(b->dist), "aliases.items"), a) {
		if (loops(c, b, val_str(a))) {
			return;
		}
	}
}

static void cdn005(struct check *c)
{
	each_behaviour(c, origin_redirects);
}

/* ---- CDN006: closed ---- */

static bool is_private(struct prefix p)
{
	static const char *const nets[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
		                            "100.64.0.0/10" };

	for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
		struct prefix net;

		if (prefix_parse(slice_of(nets[i]), &net) && p.len >= net.len &&
		    prefix_contains(net, p.ip)) {
			return true;
		}
	}
	return false;
}

/* Nobody's network of many servers: private, or one address. */
static bool is_never_the_cdn(struct slice cidr)
{
	struct prefix p;

	return prefix_parse(cidr, &p) && p.ip.family == IP_V4 && (is_private(p) || p.len == 32);
}

static bool list_closes(struct slice list)
{
	struct slice field;
	bool any = false;

	while (slice_next(&list, ',', &field)) {
		if (slice_trim(field).len && !is_never_the_cdn(slice_trim(field))) {
			return false;
		}
		any = any || slice_trim(field).len;
	}
	return any;
}

static bool source_ranges_close(const struct svc *x, const struct val **at)
{
	const struct val *ranges = val_get(object_spec(x->object), "loadBalancerSourceRanges");

	*at = ranges;
	val_for_each (ranges, r) {
		if (!is_never_the_cdn(val_str(r))) {
			return false;
		}
	}
	if (val_len(ranges)) {
		return true;
	}
	*at = object_annotation_at(x->object,
	                           "service.beta.kubernetes.io/load-balancer-source-ranges");
	return list_closes(val_str(*at));
}

static bool group_closes(const struct object *group)
{
	const struct val *rules = val_get(object_spec(group), "ingressRules");

	val_for_each (rules, r) {
		if (!sg_rule_covers(r, PROTO_TCP, 443) && !sg_rule_covers(r, PROTO_TCP, 80)) {
			continue;
		}
		if (sg_rule_names_groups(r) || val_len(val_get(r, "ipv6Ranges"))) {
			return false;
		}
		val_for_each (val_get(r, "ipRanges"), range) {
			if (!is_never_the_cdn(val_get_str(range, "cidrIP"))) {
				return false;
			}
		}
	}
	return true;
}

static const struct object *closing_group(const struct subject *s, struct slice names)
{
	const struct object *found = NULL;
	struct slice name;

	while (slice_next(&names, ',', &name)) {
		const struct object *group = NULL;

		object_each(s, OBJECT_SECURITYGROUP, o)
		{
			if (slice_trim(name).len &&
			    (slice_eq(val_get_str(object_spec(o), "name"), slice_trim(name)) ||
			     slice_eq(val_str(val_path(o->v, "status.id")), slice_trim(name)))) {
				group = o;
			}
		}
		if (!group || !group_closes(group)) {
			return NULL;
		}
		found = group;
	}
	return found;
}

static void closed(struct check *c, const struct behaviour *b, const struct object *front,
                   const struct object *what, const struct val *at)
{
	struct finding *f = check_found(
		c, what, at,
		OBJECT_FMT " admits only private or single addresses, and Distribution " SLICE_FMT
			   " comes from others.",
		OBJECT_ARG(what), SLICE_ARG(b->dist->name));

	finding_shows(c, f, b->dist, val_get(b->origin, "domainName"),
	              "the origin is this balancer.");
	if (front != what) {
		finding_shows(c, f, front, NULL, "the balancer has this group.");
	}
}

static void origin_is_open(struct check *c, const struct behaviour *b)
{
	struct slice host = origin_host(b);
	const struct object *ingress = ingress_of_host(c->subject, host), *group;
	const struct val *at;

	if (ingress && ingress_is_alb(c->subject, ingress)) {
		at = object_annotation_at(ingress, "alb.ingress.kubernetes.io/inbound-cidrs");
		group = closing_group(c->subject,
		                      alb_setting(c->subject, ingress, NULL, "security-groups"));
		if (group || list_closes(val_str(at))) {
			closed(c, b, ingress, group ? group : ingress,
			       group ? val_get(object_spec(group), "ingressRules") : at);
		}
		return;
	}
	for (size_t i = 0; i < c->subject->services.n; i++) {
		const struct svc *x = c->subject->services.at[i];

		if (x->object->assumed || !slice_is(x->type, "LoadBalancer") ||
		    !(list_has(svc_external_names(x), host) || (ingress && svc_is_controller(x)))) {
			continue;
		}
		group = closing_group(c->subject, nlb_setting(x, "security-groups"));
		if (group) {
			closed(c, b, x->object, group, val_get(object_spec(group), "ingressRules"));
		} else if (!nlb_setting(x, "security-groups").len && source_ranges_close(x, &at)) {
			closed(c, b, x->object, x->object, at);
		}
	}
}

static void cdn006(struct check *c)
{
	each_behaviour(c, origin_is_open);
}

/* ---- CDN008: the page and its parts ---- */

static void cdn008(struct check *c)
{
	written_each(c->subject, OBJECT_DISTRIBUTION, dist)
	{
		struct behaviour b = behaviour_of_path(dist, SLICE("/index.html"));
		const struct object *ingress = NULL;
		int64_t ttl = behaviour_default_ttl(c->subject, &b);
		struct finding *f;

		object_each(c->subject, OBJECT_INGRESS, o)
		{
			scoped_ingress_paths struct ingress_paths paths = { 0 };

			if (serves(dist, o)) {
				ingress_paths_read(c->subject, o, &paths);
			}
			for (size_t i = 0; i < paths.all.n; i++) {
				ingress = slice_is(paths.all.at[i].path, "/") ? o : ingress;
			}
		}
		if (!ingress || ttl < PAGE_TTL_S || !origin_is_plain_server(b.origin)) {
			continue;
		}
		f = check_found(c, dist, behaviour_at(&b, "cachePolicyID"),
		                "Distribution " SLICE_FMT
		                " keeps pages for %lld s unless they say otherwise (" SLICE_FMT
		                "), longer than the pods that have their scripts may live.",
		                SLICE_ARG(dist->name), (long long)ttl,
		                SLICE_ARG(behaviour_name(&b)));
		finding_shows(c, f, ingress, NULL, "pages come from pods.");
		finding_repair(c, f,
		               "Use CachingDisabled or UseOriginCacheControlHeaders for pages and "
		               "keep only hashed files "
		               "(/assets/*) long; let the server send Cache-Control: no-cache with "
		               "pages.");
	}
}

/* ---- CDN009: patience ---- */

static void cdn009(struct check *c)
{
	written_each(c->subject, OBJECT_DISTRIBUTION, dist)
	{
		struct behaviour b = behaviour_read(
			dist, val_get(distribution_config(dist), "defaultCacheBehavior"));
		const struct val *read = val_path(b.origin, "customOriginConfig.originReadTimeout");

		object_each(c->subject, OBJECT_INGRESS, ingress)
		{
			const struct val *at = object_annotation_at(
				ingress, "nginx.ingress.kubernetes.io/proxy-read-timeout");
			long long patience = (long long)val_int(read, ORIGIN_READ_S);
			struct finding *f;
			int64_t s;

			if (!serves(dist, ingress) || !slice_to_i64(val_str(at), &s) ||
			    s <= patience || !origin_is_plain_server(b.origin)) {
				continue;
			}
			f = check_found(c, dist, read ? read : val_get(b.origin, "domainName"),
			                "Distribution " SLICE_FMT
			                " waits %lld s for an answer%s, Ingress " SLICE_FMT
			                " waits %lld s.",
			                SLICE_ARG(dist->name), patience,
			                read ? "" : " (its default)", SLICE_ARG(ingress->name),
			                (long long)s);
			finding_shows(c, f, ingress, at, "so long the program is thought to need.");
			finding_repair(c, f,
			               "Set originReadTimeout to %lld%s, or let long work be asked "
			               "for again.",
			               (long long)(s > 60 ? 60 : s),
			               s > 60 ? " (more needs a quota)" : "");
		}
	}
}

static const struct rule rules[] = {
	{
		.id = "CDN001",
		.title = "Origin's certificate does not fit",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CDN,
		.symptom = "The distribution answers 502.",
		.cause = "It speaks TLS with the origin's name and wants a certificate for it that "
			 "the world trusts.",
		.evidence = "Origin name and protocol against certificates of the Ingress that "
			    "serves it, and their issuer.",
		.probe = "A handshake with the origin by its name.",
		.fix = "A name of your own for the origin, with a public certificate, or Host "
		       "forwarded.",
		.sources = "Amazon CloudFront developer guide, HTTP 502",
		.check = cdn001,
	},
	{
		.id = "CDN002",
		.title = "Host is not forwarded",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CDN,
		.symptom = "404 from the ingress's default backend.",
		.cause = "The distribution asks for the origin's name, the Ingress routes the name "
			 "people see.",
		.evidence = "Origin name and policy against the hosts of Ingresses.",
		.probe = "Ask the origin with both names.",
		.fix = "Forward Host, or add a rule for the origin's name.",
		.sources = "AWS re:Post, forwarding the host header",
		.check = cdn002,
	},
	{
		.id = "CDN003",
		.title = "Answers for one are kept for all",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CDN,
		.symptom = "People see data of others, or old data, until the time is over.",
		.cause = "A behaviour that takes the API keeps answers, and its key has neither "
			 "Authorization nor cookies.",
		.evidence = "Cache policy of the behaviour that takes each path of an API.",
		.probe = "The same URL as two people; compare X-Cache and content.",
		.fix = "CachingDisabled for the API; Cache-Control: private.",
		.sources = "Amazon CloudFront developer guide, cache policies",
		.check = cdn003,
	},
	{
		.id = "CDN004",
		.title = "Methods not allowed",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CDN,
		.symptom = "403 for POST, PUT and DELETE, GET works.",
		.cause = "The behaviour allows GET and HEAD, which is what it means when nothing "
			 "is written.",
		.evidence = "allowedMethods of the behaviour that takes each path of an API.",
		.probe = "POST through the distribution.",
		.fix = "All seven methods for the API.",
		.sources = "Amazon CloudFront developer guide, allowed HTTP methods",
		.check = cdn004,
	},
	{
		.id = "CDN005",
		.title = "Redirect loop with the origin",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CDN,
		.symptom = "The browser gives up: too many redirects.",
		.cause = "The distribution asks by HTTP, the ingress redirects to HTTPS, the "
			 "distribution asks by HTTP.",
		.evidence = "originProtocolPolicy http-only and an Ingress that redirects for the "
			    "host it sees.",
		.probe = "Follow the redirects.",
		.fix = "originProtocolPolicy: https-only.",
		.sources = "AWS re:Post, redirect loops",
		.check = cdn005,
	},
	{
		.id = "CDN006",
		.title = "Origin closed to the distribution",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_CDN,
		.symptom = "504 after the connection attempts are used up.",
		.cause = "The balancer admits only addresses that are not CloudFront's.",
		.evidence = "Source ranges and security groups of the balancer that is the origin.",
		.probe = "Connect from outside the admitted ranges.",
		.fix = "Admit the managed prefix list "
		       "com.amazonaws.global.cloudfront.origin-facing.",
		.sources = "Amazon CloudFront developer guide, restricting access to origins",
		.check = cdn006,
	},
	{
		.id = "CDN007",
		.title = "Query, cookies or headers are dropped",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CDN,
		.symptom = "Filters have no effect, sessions are lost, CORS or WebSockets fail.",
		.cause = "What is neither in the key nor in an origin request policy does not "
			 "reach the origin.",
		.evidence = "Policies of the behaviour that takes each path of an API.",
		.probe = "Send a query and a cookie, let the program show them.",
		.fix = "Origin request policy AllViewer for the API.",
		.sources = "Amazon CloudFront developer guide, origin requests",
		.check = cdn007,
	},
	{
		.id = "CDN008",
		.title = "Old page, missing scripts after a rollout",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_CDN,
		.symptom = "A blank page, \"failed to load chunk\" in the console.",
		.cause = "Pages are kept for long, the scripts they name went with the old pods.",
		.evidence = "Default time of the behaviour that takes pages, with pods as their "
			    "source.",
		.probe = "Fetch the page, roll out, fetch its scripts.",
		.fix = "no-cache for pages; scripts in a bucket, or those of two versions.",
		.sources = "Vite documentation, load error handling",
		.check = cdn008,
	},
	{
		.id = "CDN009",
		.title = "Distribution waits less than the ingress",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CDN,
		.symptom = "504 after 30 s, while the program goes on.",
		.cause = "The origin's read timeout is shorter than what the ingress allows the "
			 "program.",
		.evidence =
			"originReadTimeout against proxy-read-timeout of the Ingress behind it.",
		.probe = "A slow request.",
		.fix = "Raise the timeout, or answer at once and let the result be fetched.",
		.sources = "Amazon CloudFront developer guide, response timeout",
		.check = cdn009,
	},
	{
		.id = "CDN010",
		.title = "Host is no alias of the distribution",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CDN,
		.symptom = "403 from the distribution, or a certificate warning.",
		.cause = "A record leads to it and the name is not among its aliases, or its "
			 "certificate does not cover an alias.",
		.evidence =
			"Records that lead to CloudFront, aliases, and names of the certificate.",
		.probe = "Ask with the host.",
		.fix = "Add alias and certificate.",
		.sources = "Amazon CloudFront developer guide, alternate domain names",
		.check = cdn010,
	},
	{ 0 },
};

const struct family family_cdn = { "CDN", "Content delivery", rules };
