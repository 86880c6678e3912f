/* Why: APP: what somebody wrote into a value, seen from the place where it is used. Those about load and proxies are in
 * check-app-load.c. */
#include "analyse/check-value.h"

#include <stdlib.h>

#include "analyse/address.h"
#include "analyse/check-app-priv.h"
#include "analyse/edges.h"
#include "base/mem.h"

/* ---- public hosts ---- */

static bool fits_host(struct slice pattern, struct slice host)
{
	ptrdiff_t dot = slice_find(host, '.');

	if (slice_has_prefix(pattern, SLICE("*."))) {
		return dot > 0 &&
		       slice_eq_nocase(slice_from(pattern, 1), slice_from(host, (size_t)dot));
	}
	return slice_eq_nocase(pattern, host);
}

static bool has_tls_for(const struct object *ingress, struct slice host)
{
	val_for_each (val_get(object_spec(ingress), "tls"), it) {
		const struct val *hosts = val_get(it, "hosts");

		if (!val_len(hosts)) {
			return true;
		}
		val_for_each (hosts, name) {
			if (fits_host(val_str(name), host)) {
				return true;
			}
		}
	}
	return false;
}

/* An Ingress that leads to pods of this workload by TLS, or null. */
static const struct object *tls_in_front(struct check *c, const struct workload *w)
{
	const struct svc_list *services = subject_services_of(c->subject, w);

	for (size_t i = 0; services && i < services->at.n; i++) {
		const struct object *o = edge_tls_of_service(c->subject, services->at.at[i]);

		if (o) {
			return o;
		}
	}
	return NULL;
}

const struct object *app_tls_in_front(struct check *c, const struct workload *w)
{
	return tls_in_front(c, w);
}

/* ---- APP001, APP002, APP004: what the browser is told ---- */

static bool is_for_browser(const struct reference *r)
{
	return (r->place == PLACE_BROWSER || r->place == PLACE_BUILD) && r->workload;
}

static void app001(struct check *c)
{
	called_each(c, r, t)
	{
		struct finding *f;

		if (!is_for_browser(r) || (t.kind != TARGET_SERVICE && t.kind != TARGET_MISSING) ||
		    target_is_proxied(c->subject, r, &t)) {
			continue;
		}
		f = check_found(
			c, value_object_of(c, &r->where), value_place(c, &r->where),
			"%s tells the browser to call %s, a name that only the cluster knows.",
			r->name, address_of(c, r));
		show_reader(c, f, r);
		if (t.object) {
			finding_shows(c, f, t.object, NULL, "is known inside the cluster only.");
		}
		finding_repair(c, f,
		               "Give the page a path of its own host (%s), and let the Ingress "
		               "lead it to the Service.",
		               r->url_path[0] && r->url_path[1] ? r->url_path : "/api");
	}
}

static void app002(struct check *c)
{
	const struct val *told = NULL;

	called_each(c, r, t)
	{
		struct finding *f;

		(void)t_once;
		if (r->place != PLACE_BUILD || r->container == told) {
			continue;
		}
		told = r->container;
		f = check_found(c, value_object_of(c, &r->where), value_place(c, &r->where),
		                "%s is set where the pod runs, but the page got its value when the "
		                "image was built.",
		                r->name);
		show_reader(c, f, r);
		finding_shows(c, f, reader_of(c, r)->object, val_get(r->container, "image"),
		              "serves files and writes no variables into them.");
	}
}

static void app004(struct check *c)
{
	called_each(c, r, t)
	{
		const struct workload *w = is_for_browser(r) ? reader_of(c, r) : NULL;
		const struct object *front;
		struct finding *f;

		if (!w || r->tls ||
		    (strcmp(r->scheme, "http") != 0 && strcmp(r->scheme, "ws") != 0) ||
		    (t.kind != TARGET_EDGE && t.kind != TARGET_OUTSIDE)) {
			continue;
		}
		front = tls_in_front(c, w);
		if (!front) {
			continue;
		}
		f = check_found(c, value_object_of(c, &r->where), value_place(c, &r->where),
		                "%s is %s without TLS, and the page comes by HTTPS: the browser "
		                "blocks the call.",
		                r->name, address_of(c, r));
		finding_shows(c, f, front, val_get(object_spec(front), "tls"),
		              "serves the page by HTTPS.");
		finding_repair(c, f, "Write %ss://%s, or a path of the page's own host.", r->scheme,
		               r->host);
	}
}

/* ---- APP003: CORS ---- */

static bool is_default_port(const struct reference *r)
{
	return !r->port_given || r->port == (r->tls ? 443 : 80);
}

/* Why the browser's Origin will never be this text; null when it may be. */
static const char *origin_problem(struct check *c, const struct reference *r,
                                  const struct object **ret_public, const struct val **ret_host)
{
	struct slice host = slice_of(r->host);
	const struct object *o = edge_ingress_of_host(c->subject, host);
	struct target t;

	*ret_public = edge_any(c->subject, ret_host);
	if (o) {
		*ret_public = o;
		if (has_tls_for(o, host) && strcmp(r->scheme, "http") == 0) {
			return "is http, and pages of this host come by HTTPS";
		}
		if (!has_tls_for(o, host) && strcmp(r->scheme, "https") == 0) {
			return "is https, and this host has no TLS here";
		}
		if (!is_default_port(r)) {
			return "has a port that the page's address has not";
		}
		return r->url_path[0] ? "has a path, which an origin never has" : NULL;
	}
	t = target_of(c->subject, r);
	if (t.kind == TARGET_SERVICE || (t.kind == TARGET_MISSING && slice_find(host, '.') < 0)) {
		return "is a name of the cluster, which no page is loaded from";
	}
	if (*ret_public && t.kind == TARGET_SELF) {
		return "is the developer's own machine";
	}
	return *ret_public && t.kind == TARGET_OUTSIDE ? "is no host that an Ingress serves" : NULL;
}

static bool same_value(const struct reference *a, const struct reference *b)
{
	return a->where.node == b->where.node && a->workload == b->workload &&
	       a->container == b->container;
}

/* One of several origins is enough: a list often holds those of other environments. */
static void check_origins(struct check *c, const struct reference *r, size_t n)
{
	const struct object *shown = NULL;
	const struct val *shown_at = NULL;
	const char *first = NULL;
	struct finding *f;

	for (size_t i = 0; i < n; i++) {
		const struct object *public = NULL;
		const struct val *host = NULL;
		const char *problem = r[i].is_template || !r[i].host[0]
		                              ? NULL
		                              : origin_problem(c, &r[i], &public, &host);

		if (!problem) {
			return;
		}
		if (!first) {
			first = problem;
			shown = public;
			shown_at = host;
		}
	}
	f = check_found(c, value_object_of(c, &r->where), value_place(c, &r->where),
	                "%s allows the origin %s, which %s.", r->name, address_of(c, r), first);
	show_reader(c, f, r);
	if (shown) {
		finding_shows(c, f, shown, shown_at, "has the page's host.");
	}
	if (shown_at) {
		finding_repair(c, f, "Allow %s://" SLICE_FMT ".",
		               has_tls_for(shown, val_str(shown_at)) ? "https" : "http",
		               SLICE_ARG(val_str(shown_at)));
	}
}

static bool is_true(const struct setting *s)
{
	return s && (slice_eq_nocase(s->value, SLICE("true")) || slice_is(s->value, "1"));
}

static void check_star(struct check *c, const struct setting *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		static const char *const switches[] = { "CORS_CREDENTIALS",
			                                "CORS_ALLOW_CREDENTIALS",
			                                "ALLOW_CREDENTIALS" };

		if (key_judge(s[i].name) != KEY_ORIGIN || !slice_is(s[i].value, "*") ||
		    !s[i].where.object) {
			continue;
		}
		for (size_t k = 0; k < ARRAY_SIZE(switches); k++) {
			const struct setting *on = values_setting(subject_values(c->subject),
			                                          s[i].container, switches[k]);
			struct finding *f;

			if (!is_true(on)) {
				continue;
			}
			f = check_found(c, value_object_of(c, &s[i].where),
			                value_place(c, &s[i].where),
			                SLICE_FMT " allows every origin, and browsers refuse that "
			                          "together with credentials.",
			                SLICE_ARG(s[i].name));
			finding_shows(c, f, value_object_of(c, &on->where),
			              value_place(c, &on->where), "asks for credentials.");
		}
	}
}

static void app003(struct check *c)
{
	const struct values *v = subject_values(c->subject);

	for (size_t i = 0; i < v->n_references;) {
		size_t n = 1;

		while (i + n < v->n_references &&
		       same_value(&v->references[i], &v->references[i + n])) {
			n++;
		}
		if (v->references[i].use == USE_ORIGIN &&
		    (v->references[i].workload || v->references[i].source != VALUE_KEY)) {
			check_origins(c, &v->references[i], n);
		}
		i += n;
	}
	check_star(c, v->settings, v->n_settings);
}

/* ---- APP005: localhost ---- */

static bool listens(struct check *c, const struct workload *w, uint16_t port)
{
	size_t n;
	const struct listening *l = values_listenings(subject_values(c->subject), w->object->v, &n);

	for (size_t i = 0; i < n; i++) {
		if (l[i].port == port) {
			return true;
		}
	}
	return pod_port_numbered(w->spec, port, 0) != NULL;
}

static bool is_alone(const struct workload *w)
{
	size_t n = 0;

	container_each(w->spec, it)
	{
		n += it != NULL;
	}
	return n < 2;
}

/* Without declared ports nothing is known of what the pod opens. */
static bool is_nobodys(struct check *c, const struct workload *w, const struct reference *r)
{
	if (r->port) {
		return !listens(c, w, r->port) && (pod_has_ports(w->spec) || is_alone(w));
	}
	return is_alone(w) && (key_judge(slice_of(r->name)) == KEY_HOST || r->scheme[0]);
}

static const struct svc *meant_service(const struct workload *w, uint16_t port)
{
	for (size_t i = 0; port && i < w->space->services.n; i++) {
		if (svc_port_numbered(w->space->services.at[i], port, 0)) {
			return w->space->services.at[i];
		}
	}
	return NULL;
}

static void app005(struct check *c)
{
	called_each(c, r, t)
	{
		const struct workload *w = reader_of(c, r);
		const struct svc *meant;
		struct finding *f;

		if (!w || t.kind != TARGET_SELF || r->source == VALUE_PROBE ||
		    r->source == VALUE_HOOK || r->confidence == CONFIDENCE_LOW ||
		    (!is_for_browser(r) && !is_nobodys(c, w, r))) {
			continue;
		}
		f = check_found(
			c, value_object_of(c, &r->where), value_place(c, &r->where),
			is_for_browser(r)
				? "%s tells the browser to call %s, which is the user's own "
				  "machine."
				: "%s is %s, the pod itself, and nothing in it listens there.",
			r->name, address_of(c, r));
		show_reader(c, f, r);
		meant = meant_service(w, r->port);
		if (meant && !is_for_browser(r)) {
			finding_shows(c, f, meant->object, NULL, "has this port.");
			finding_repair(c, f, "Write " SLICE_FMT " instead of %s.",
			               SLICE_ARG(meant->name), r->host);
		}
	}
}

/* ---- APP006: addresses ---- */

static const char *kind_of_address(struct check *c, struct ip ip)
{
	static const struct {
		const char *range, *what;
	} ranges[] = { { "0.0.0.0/8", "" },   { "127.0.0.0/8", "" },   { "169.254.0.0/16", "" },
		       { "10.0.0.0/8", "" },  { "172.16.0.0/12", "" }, { "192.168.0.0/16", "" },
		       { "224.0.0.0/3", "" }, { "100.64.0.0/10", "" }, { "::/127", "" },
		       { "fc00::/7", "" },    { "fe80::/10", "" } };
	const struct profile *p = c->subject->profile;
	const struct {
		const char *range, *what;
	} own[] = { { p->pod_cidr, "of a pod" },
		    { p->service_cidr, "of a Service" },
		    { p->node_cidr, "of a node" } };
	struct prefix range;

	for (size_t i = 0; p->declared && i < ARRAY_SIZE(own); i++) {
		if (own[i].range && prefix_parse(slice_of(own[i].range), &range) &&
		    prefix_contains(range, ip)) {
			return own[i].what;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		if (prefix_parse(slice_of(ranges[i].range), &range) && prefix_contains(range, ip)) {
			return NULL;
		}
	}
	return "of a host on the internet";
}

static void app006(struct check *c)
{
	called_each(c, r, t)
	{
		const char *what = r->ip.family == IP_NONE || t.kind == TARGET_SELF ? NULL
		                   : t.kind == TARGET_SERVICE                       ? "of a Service"
		                                              : kind_of_address(c, r->ip);
		struct finding *f;

		if (!what || !r->workload || r->source == VALUE_PROBE ||
		    r->confidence == CONFIDENCE_LOW) {
			continue;
		}
		f = check_found(c, value_object_of(c, &r->where), value_place(c, &r->where),
		                "%s is the address %s, %s: it changes with the next one.", r->name,
		                r->host, what);
		show_reader(c, f, r);
		if (t.kind == TARGET_SERVICE) {
			finding_shows(c, f, t.object, val_get(object_spec(t.object), "clusterIP"),
			              "has this address now.");
			finding_repair(c, f, "Write the name " SLICE_FMT "." SLICE_FMT ".",
			               SLICE_ARG(t.name), SLICE_ARG(t.ns));
		}
	}
}

/* ---- APP008 ---- */

static void app008(struct check *c)
{
	called_each(c, r, t)
	{
		struct finding *f;

		/* a name that is nearly that of a Service was mistyped: DNS001 */
		if (t.kind != TARGET_MISSING || !r->workload || is_for_browser(r) ||
		    r->confidence == CONFIDENCE_LOW ||
		    subject_find_anywhere(c->subject, OBJECT_SERVICE, t.name) ||
		    app_nearest_service(c->subject, t.ns, t.name)) {
			continue;
		}
		f = check_found(
			c, value_object_of(c, &r->where), value_place(c, &r->where),
			"%s names %s, and nothing of that name is deployed in namespace " SLICE_FMT
			".",
			r->name, address_of(c, r), SLICE_ARG(t.ns));
		show_reader(c, f, r);
	}
}

/* ---- APP013 ---- */

enum speaks { SPEAKS_UNKNOWN, SPEAKS_PLAIN, SPEAKS_TLS };

static bool begins(struct slice s, const char *word)
{
	return slice_has_prefix(s, slice_of(word)) &&
	       (s.len == strlen(word) || s.p[strlen(word)] == '-');
}

/* What a Service's port says by appProtocol, name, and number. */
static enum speaks port_speaks(const struct svc_port *p)
{
	struct slice app = val_get_str(p->v, "appProtocol");

	if (slice_is(app, "https") || slice_is(app, "kubernetes.io/wss") || slice_is(app, "tls") ||
	    begins(p->name, "https") || begins(p->name, "tls")) {
		return SPEAKS_TLS;
	}
	if (slice_is(app, "http") || slice_is(app, "kubernetes.io/ws") ||
	    slice_is(app, "kubernetes.io/h2c") || begins(p->name, "http") ||
	    begins(p->name, "http2")) {
		return SPEAKS_PLAIN;
	}
	return p->port == 443 ? SPEAKS_TLS : p->port == 80 ? SPEAKS_PLAIN : SPEAKS_UNKNOWN;
}

static enum speaks number_speaks(const char *scheme, uint16_t port)
{
	bool web = strncmp(scheme, "http", 4) == 0 || strncmp(scheme, "ws", 2) == 0;

	if (web) {
		return port == 443 || port == 8443 ? SPEAKS_TLS
		       : port == 80                ? SPEAKS_PLAIN
		                                   : SPEAKS_UNKNOWN;
	}
	if (strncmp(scheme, "amqp", 4) == 0) {
		return port == 5671 ? SPEAKS_TLS : port == 5672 ? SPEAKS_PLAIN : SPEAKS_UNKNOWN;
	}
	return SPEAKS_UNKNOWN;
}

static bool is_web_scheme(const char *scheme)
{
	return strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0 ||
	       strcmp(scheme, "ws") == 0 || strcmp(scheme, "wss") == 0;
}

static void app013(struct check *c)
{
	called_each(c, r, t)
	{
		enum speaks there =
			t.kind == TARGET_SERVICE && t.port ? port_speaks(t.port) : SPEAKS_UNKNOWN;
		struct finding *f;

		if (there != SPEAKS_UNKNOWN && !is_web_scheme(r->scheme)) {
			there = SPEAKS_UNKNOWN;
		}
		if (there == SPEAKS_UNKNOWN && t.kind != TARGET_STORE && t.kind != TARGET_SELF) {
			there = number_speaks(r->scheme, r->port);
		}
		if (there == SPEAKS_UNKNOWN || (there == SPEAKS_TLS) == r->tls || !r->port_given) {
			continue;
		}
		f = check_found(c, value_object_of(c, &r->where), value_place(c, &r->where),
		                "%s speaks %s to %s:%u, which speaks %s.", r->name, r->scheme,
		                r->host, r->port, there == SPEAKS_TLS ? "TLS" : "without TLS");
		show_reader(c, f, r);
		if (t.port) {
			finding_shows(c, f, t.object, t.port->v, "is the port: " SLICE_FMT " %u.",
			              SLICE_ARG(t.port->name), t.port->port);
		}
	}
}

static const struct rule rules[] = {
	{
		.id = "APP001",
		.title = "Browser told to call a name of the cluster",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CONFIG,
		.symptom = "ERR_NAME_NOT_RESOLVED in the browser; the same URL works from a pod.",
		.cause = "A variable of the page (VITE_, REACT_APP_, NEXT_PUBLIC_ and their like) "
			 "holds the name of a Service.",
		.evidence = "Such a variable whose host is a Service or has the cluster's form, "
			    "unless a server in the pod "
			    "evidently passes requests on.",
		.probe = "Fetch the page's scripts through the Ingress and resolve what they name "
			 "from outside.",
		.fix = "A relative path such as /api on the page's own host.",
		.sources = "youssef-khaya.com; a public three-tier example",
		.check = app001,
	},
	{
		.id = "APP002",
		.title = "Build-time variable given at run time",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_CONFIG,
		.symptom = "Changing the ConfigMap changes nothing; the page calls an old or "
			   "default address.",
		.cause = "Bundlers write these variables into the scripts when the image is built.",
		.evidence = "Such a variable in a container whose image only serves files, with "
			    "nothing that writes it into them.",
		.probe = "Look for the value in the scripts that are served.",
		.fix = "A configuration file that is read at run time, or a relative path.",
		.sources = "vitejs.dev, Env Variables; a public three-tier example",
		.check = app002,
	},
	{
		.id = "APP003",
		.title = "Allowed origin is not the page's",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CONFIG,
		.symptom = "The browser blocks the answer; curl gets it.",
		.cause = "The allowed origin has another host, scheme or port than the page, or is "
			 "* together with credentials.",
		.evidence = "Values of CORS_ORIGIN and its like, and of Ingress annotations, "
			    "against the hosts of Ingresses.",
		.probe = "A preflight request with the page's origin.",
		.fix = "The page's origin, or one host for both.",
		.sources = "developer.mozilla.org, CORS; a public three-tier example",
		.check = app003,
	},
	{
		.id = "APP004",
		.title = "Mixed content",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CONFIG,
		.symptom = "The page loads by HTTPS, its calls never leave the browser.",
		.cause = "The page is told to call an address without TLS.",
		.evidence = "An http or ws address in a variable of the page, and an Ingress with "
			    "TLS in front of it.",
		.probe = "Load the page and look at its console.",
		.fix = "https, or a relative path.",
		.sources = "developer.mozilla.org, Mixed content",
		.check = app004,
	},
	{
		.id = "APP005",
		.title = "localhost where another workload is meant",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CONFIG,
		.symptom = "Connection refused at once.",
		.cause = "A default of development was kept; in a pod localhost is the pod.",
		.evidence = "A loopback address with a port on which nothing in the pod listens.",
		.probe = "Connect from inside the pod.",
		.fix = "The Service's name.",
		.sources = "youssef-khaya.com, From Localhost to Kubernetes",
		.check = app005,
	},
	{
		.id = "APP006",
		.title = "Hard-coded address",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CONFIG,
		.symptom = "It breaks with the next deployment or in another environment.",
		.cause = "An address of a pod, a Service, a node or a public host stands where a "
			 "name belongs.",
		.evidence = "An address in a value: a Service's own, in a range of the profile, or "
			    "public.",
		.probe = "Compare with the endpoints of now.",
		.fix = "A name.",
		.sources = "a public three-tier example",
		.check = app006,
	},
	{
		.id = "APP007",
		.title = "Variable supplied under another name than it is read",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_CONFIG,
		.symptom = "The program uses its default and calls the wrong place.",
		.cause = "The manifest supplies DATABASE_HOST, what is read is DB_HOST.",
		.evidence = "A $(NAME) in a value or argument that no variable has, beside one "
			    "that is nearly called so.",
		.probe = "Connections of the program against the declared ones.",
		.fix = "One name.",
		.sources = "a public three-tier example",
		.check = app007,
	},
	{
		.id = "APP008",
		.title = "Dependency declared but not deployed",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CONFIG,
		.symptom = "The name is not found.",
		.cause = "A value names a cache, queue or collector that is not among the objects.",
		.evidence = "A name of the cluster's form without a Service, and none that is "
			    "called nearly so.",
		.probe = "Resolve it from the pod.",
		.fix = "Deploy it or remove the value.",
		.sources = "podman-container-tools/podman#27712",
		.check = app008,
	},
	{
		.id = "APP009",
		.title = "Long-lived connections are not balanced",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_SERVICE,
		.symptom = "One pod is busy, the others idle.",
		.cause = "A Service chooses a pod once per connection, and gRPC keeps one "
			 "connection.",
		.evidence = "A gRPC port of a Service with a cluster address and several pods that "
			    "workloads call directly.",
		.probe = "Requests per pod for one client.",
		.fix = "A headless Service and balancing in the client, or a proxy that knows "
		       "HTTP/2.",
		.sources = "kubernetes.io blog, gRPC load balancing; grpc/grpc-go#5621",
		.check = app009,
	},
	{
		.id = "APP010",
		.title = "Pools exceed the database's limit when scaled",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_DATABASE,
		.symptom = "\"Too many connections\" at the peak.",
		.cause = "Pods at their most, times pool size, times processes is more than the "
			 "database takes.",
		.evidence = "Pool size and processes from variables, the autoscaler's maximum, "
			    "max_connections of the parameter "
			    "group or of the instance class.",
		.probe = "Open connections at the maximum.",
		.fix = "Smaller pools or a pooling proxy.",
		.sources = "docs.aws.amazon.com, RDS quotas",
		.check = app010,
	},
	{
		.id = "APP011",
		.title = "Timeouts in the wrong order",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_INGRESS,
		.symptom = "504 while the program still works; retries pile up.",
		.cause = "An outer layer gives up before an inner one.",
		.evidence = "Timeouts of content delivery, Ingress and program compared.",
		.probe = "A slow answer; see who gives up first.",
		.fix = "Outer above inner.",
		.sources = "hivebook.wiki, ALB timeouts",
		.check = app011,
	},
	{
		.id = "APP012",
		.title = "Absolute redirects leak the internal host or port",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_CONFIG,
		.symptom = "A redirect leads to http://, or to a port that is not open outside.",
		.cause = "The program builds addresses of its own host because it does not trust "
			 "what the proxy tells it.",
		.evidence = "A framework that needs to be told so, TLS ended in front of it, and "
			    "no such setting.",
		.probe = "A request with forwarded headers; look at Location.",
		.fix = "The framework's setting for proxies.",
		.sources = "repost.aws, 301 Location; each framework's manual",
		.check = app012,
	},
	{
		.id = "APP013",
		.title = "Scheme does not fit the port",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CONFIG,
		.symptom = "\"wrong version number\", a failed handshake, or garbage.",
		.cause = "TLS is spoken to a port without it, or the reverse.",
		.evidence = "The scheme against appProtocol and name of the Service's port, or the "
			    "usual number.",
		.probe = "Speak both to the port.",
		.fix = "The other scheme or the other port.",
		.sources = "redis/redis-py#1001",
		.check = app013,
	},
	{ 0 },
};

const struct family family_app = { "APP", "Application configuration seen from the network",
	                           rules };
