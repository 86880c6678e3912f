/* Why: ING, second half: annotations of Ingresses, the controller's ConfigMap and its Service, held against each other. */
#include <string.h>

#include "analyse/check-ing-priv.h"
#include "analyse/nearest.h"
#include "analyse/value.h"
#include "base/mem.h"

/* ---- the controller's own objects ---- */

/* A key of the controller's ConfigMap: one in the namespace of its pods with keys of that sort. *ret_o is where. */
static const struct val *controller_setting(struct subject *s, const struct workload *controller,
                                            const char *key, const struct object **ret_o)
{
	object_each(s, OBJECT_CONFIGMAP, o)
	{
		const struct val *v = val_get(val_get(o->v, "data"), key);

		if (v && slice_eq(o->ns, controller->ns)) {
			*ret_o = o;
			return v;
		}
	}
	return NULL;
}

/* The Service that brings requests from outside to the controller; null when it is not among the objects. */
static const struct svc *front_service(const struct subject *s, const struct workload *controller)
{
	const struct svc_list *all = subject_services_of(s, controller);

	for (size_t i = 0; i < all->at.n; i++) {
		if (slice_is(all->at.at[i]->type, "LoadBalancer") ||
		    slice_is(all->at.at[i]->type, "NodePort")) {
			return all->at.at[i];
		}
	}
	return NULL;
}

/* Settings matter only where the set brings the controller. */
static const struct workload *own_controller(struct subject *s, const struct object *ingress)
{
	const struct selection *pods = ingress_pods(s, ingress);

	return pods->at.n && !pods->at.at[0]->object->assumed ? pods->at.at[0] : NULL;
}

/* ---- ING010 ---- */

struct sign { /* what says which protocol a program speaks */
	const struct object *object;
	const struct val *at;
};

static bool probes_by_tls(const struct workload *w, uint16_t target, const struct val *declared,
                          struct sign *ret)
{
	container_each(w->spec, k)
	{
		const struct val *scheme = val_path(k, "readinessProbe.httpGet.scheme"),
				 *port = val_path(k, "readinessProbe.httpGet.port");

		if (slice_is(val_str(scheme), "HTTPS") &&
		    (val_int(port, 0) == target ||
		     (val_str(port).len && slice_eq(val_str(port), val_str(declared))))) {
			*ret = (struct sign){ w->object, scheme };
			return true;
		}
	}
	return false;
}

static bool looks_encrypted(const struct route *r, const struct workload *w, struct sign *ret)
{
	uint16_t target = svc_port_target(r->port, w);
	const struct val *named = val_get(r->port->v, "name"),
			 *app = val_get(r->port->v, "appProtocol"),
			 *number = pod_port_numbered(w->spec, target, PROTO_TCP),
			 *declared = val_get(number, "name");

	if (slice_is(val_str(app), "https") || slice_is(val_str(app), "kubernetes.io/wss")) {
		*ret = (struct sign){ r->svc->object, app };
		return true;
	}
	if (probes_by_tls(w, target, declared, ret)) {
		return true;
	}
	if (slice_is(val_str(declared), "https") ||
	    (!declared && number && (target == 8443 || target == 443))) {
		*ret = (struct sign){ w->object,
			              declared ? declared : val_get(number, "containerPort") };
		return true;
	}
	*ret = (struct sign){ r->svc->object, named };
	return slice_is(val_str(named), "https");
}

static bool looks_grpc(const struct route *r, struct sign *ret)
{
	const struct val *named = val_get(r->port->v, "name"),
			 *app = val_get(r->port->v, "appProtocol");

	*ret = (struct sign){ r->svc->object, slice_is(val_str(app), "grpc") ? app : named };
	return slice_is(val_str(app), "grpc") || slice_is(val_str(named), "grpc") ||
	       slice_has_prefix(val_str(named), SLICE("grpc-"));
}

static void wrong_protocol(struct check *c, const struct route *r, const struct sign *sign,
                           const char *speaks, const char *wanted)
{
	const struct val *annotation = nginx_annotation(r->ingress, "backend-protocol");
	struct finding *f = check_found(c, r->ingress, annotation ? annotation : r->service_at,
	                                "Ingress " SLICE_FMT " speaks %s to Service " SLICE_FMT
	                                ", which seems to speak %s.",
	                                SLICE_ARG(r->ingress->name),
	                                annotation ? val_cstr(annotation) : "plain HTTP",
	                                SLICE_ARG(r->service), speaks);

	finding_shows(c, f, sign->object, sign->at, "says so by " SLICE_FMT ".",
	              SLICE_ARG(val_text(sign->at)));
	finding_repair(c, f, "Set the annotation " NGINX_PREFIX "backend-protocol: %s.", wanted);
	if (annotation) {
		finding_replace(c, f, r->ingress, annotation, "%s", wanted);
	}
}

void ing_protocol(struct check *c)
{
	const struct routes *routes = subject_routes(c->subject);

	for (size_t i = 0; i < routes->at.n; i++) {
		const struct route *r = &routes->at.at[i];
		struct slice set = val_str(nginx_annotation(r->ingress, "backend-protocol"));
		const struct workload *w = r->svc && r->svc->n_pods ? r->svc->pods[0] : NULL;
		bool tls_set = slice_eq_nocase(set, SLICE("HTTPS")) ||
		               slice_eq_nocase(set, SLICE("GRPCS"));
		bool grpc_set = slice_has_prefix(set, SLICE("GRPC")) ||
		                slice_has_prefix(set, SLICE("grpc"));
		struct sign at, grpc_at;
		bool tls, grpc;

		if (!w || !r->port || !ingress_is_nginx(c->subject, r->ingress) ||
		    nginx_annotation(r->ingress, "ssl-passthrough")) {
			continue;
		}
		grpc = looks_grpc(r, &grpc_at);
		tls = looks_encrypted(r, w, &at);
		if (grpc && !grpc_set) {
			wrong_protocol(c, r, &grpc_at, "gRPC", "GRPC");
		} else if (tls && !tls_set) {
			wrong_protocol(c, r, &at, "TLS", grpc_set ? "GRPCS" : "HTTPS");
		} else if (!tls && tls_set && slice_is(val_get_str(r->port->v, "name"), "http")) {
			wrong_protocol(c, r, &at, "plain HTTP", "HTTP");
		}
	}
}

/* ---- ING011, ING012: what a route's name says about its requests ---- */

static bool has_element(struct slice path, const char *const *words, size_t n)
{
	struct slice rest = path, element;

	while (slice_next(&rest, '/', &element)) {
		for (size_t i = 0; i < n; i++) {
			if (slice_is(element, words[i])) {
				return true;
			}
		}
	}
	return false;
}

/* The routes of ingress-nginx with one of the words in their path and none of the annotations. */
static void unset_for(struct check *c, const char *const *words, size_t n,
                      const char *const *annotations, const char *what)
{
	const struct routes *routes = subject_routes(c->subject);

	for (size_t i = 0; i < routes->at.n; i++) {
		const struct route *r = &routes->at.at[i];
		const struct workload *controller;
		const struct object *o = NULL;
		bool set = false;
		struct finding *f;

		if (!r->path || r->ingress->assumed || !has_element(r->at, words, n) ||
		    !ingress_is_nginx(c->subject, r->ingress)) {
			continue;
		}
		controller = own_controller(c->subject, r->ingress);
		for (size_t j = 0; annotations[j]; j++) {
			set = set || nginx_annotation(r->ingress, annotations[j]) ||
			      (controller &&
			       controller_setting(c->subject, controller, annotations[j], &o));
		}
		if (set) {
			continue;
		}
		f = check_found(c, r->ingress, val_get(r->path, "path"),
		                "Path " SLICE_FMT " of Ingress " SLICE_FMT " %s.", SLICE_ARG(r->at),
		                SLICE_ARG(r->ingress->name), what);
		finding_repair(c, f, "Set the annotation " NGINX_PREFIX "%s.", annotations[0]);
	}
}

void ing_body_size(struct check *c)
{
	static const char *const words[] = { "upload", "uploads",     "files", "media",
		                             "import", "attachments", "images" };
	static const char *const annotations[] = { "proxy-body-size", "server-snippet",
		                                   "configuration-snippet", NULL };

	unset_for(c, words, ARRAY_SIZE(words), annotations,
	          "takes uploads by its name, and the controller refuses bodies above 1 MiB");
}

void ing_time(struct check *c)
{
	static const char *const words[] = { "ws",        "wss",    "socket", "socket.io",
		                             "websocket", "stream", "events", "sse" };
	static const char *const annotations[] = { "proxy-read-timeout", "proxy-send-timeout",
		                                   "configuration-snippet", "server-snippet",
		                                   NULL };

	unset_for(c, words, ARRAY_SIZE(words), annotations,
	          "is for long connections by its name, and the controller ends them after 60 s of "
	          "silence");
}

/* ---- ING013, ING014, ING017: what stands before the controller ---- */

#define AWS "service.beta.kubernetes.io/aws-load-balancer-"

static bool wants_https(const struct object *o)
{
	const struct val *redirect = nginx_annotation(o, "ssl-redirect");

	return slice_is(val_str(nginx_annotation(o, "force-ssl-redirect")), "true") ||
	       (val_len(val_get(object_spec(o), "tls")) && !slice_is(val_str(redirect), "false"));
}

void ing_redirect_loop(struct check *c)
{
	object_each(c->subject, OBJECT_INGRESS, o)
	{
		const struct workload *controller = own_controller(c->subject, o);
		const struct svc *front = controller ? front_service(c->subject, controller) : NULL;
		const struct val *cert = front ? object_annotation_at(front->object, AWS "ssl-cert")
		                               : NULL,
				 *protocol = front ? object_annotation_at(front->object,
		                                                          AWS "backend-protocol")
		                                   : NULL,
				 *trust;
		const struct object *config = NULL;
		struct finding *f;

		if (!cert || slice_is(val_str(protocol), "ssl") ||
		    slice_is(val_str(protocol), "https") || !wants_https(o)) {
			continue;
		}
		trust = controller_setting(c->subject, controller, "use-forwarded-headers",
		                           &config);
		if (slice_is(val_str(trust), "true")) {
			continue;
		}
		f = check_found(c, o,
		                nginx_annotation(o, "force-ssl-redirect")
		                        ? nginx_annotation(o, "force-ssl-redirect")
		                        : val_get(object_spec(o), "tls"),
		                "Ingress " SLICE_FMT " redirects to https for ever: TLS ends at "
		                "the load balancer, which sends plain HTTP.",
		                SLICE_ARG(o->name));
		finding_shows(c, f, front->object, cert, "the load balancer has the certificate.");
		if (trust) {
			finding_shows(c, f, config, trust, "X-Forwarded-Proto is not believed.");
		}
		finding_repair(c, f,
		               "Set use-forwarded-headers: \"true\" in the controller's ConfigMap, "
		               "or ssl-redirect: \"false\".");
	}
}

/* The controllers the set brings, each once. */
static void each_controller(struct check *c, void (*fn)(struct check *c, const struct workload *w))
{
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];

		if (!w->object->assumed && !w->ends &&
		    slice_is(val_get_str(w->labels, "app.kubernetes.io/name"), "ingress-nginx")) {
			fn(c, w);
		}
	}
}

static void compare_proxy_protocol(struct check *c, const struct workload *w)
{
	const struct object *config = NULL;
	const struct val *set = controller_setting(c->subject, w, "use-proxy-protocol", &config);
	const struct svc *front = front_service(c->subject, w);
	const struct val *sent = front ? object_annotation_at(front->object, AWS "proxy-protocol")
	                               : NULL,
			 *attributes = front ? object_annotation_at(front->object,
	                                                            AWS "target-group-attributes")
	                                     : NULL;
	bool sends =
		val_str(sent).len || strstr(val_cstr(attributes), "proxy_protocol_v2.enabled=true");
	bool expects = slice_is(val_str(set), "true");
	struct finding *f;

	if (!front || sends == expects || (expects && !slice_is(front->type, "LoadBalancer"))) {
		return;
	}
	if (sends) {
		f = check_found(c, front->object, sent ? sent : attributes,
		                "The load balancer of Service " SLICE_FMT
		                " sends the PROXY protocol, and the controller does not expect it.",
		                SLICE_ARG(front->name));
		finding_repair(c, f,
		               "Set use-proxy-protocol: \"true\" in the controller's ConfigMap.");
	} else {
		f = check_found(c, config, set,
		                "The controller expects the PROXY protocol, and the load balancer "
		                "of Service " SLICE_FMT " does not send it.",
		                SLICE_ARG(front->name));
		finding_repair(c, f,
		               "Annotate the Service with " AWS
		               "proxy-protocol: \"*\" (or the setting of your cloud).");
	}
	finding_shows(c, f, sends ? w->object : front->object,
	              sends ? w->labels : val_get(object_spec(front->object), "type"),
	              sends ? "is the controller." : "is the Service in front.");
}

void ing_proxy_protocol(struct check *c)
{
	each_controller(c, compare_proxy_protocol);
}

void ing_allow_list(struct check *c)
{
	static const char *const names[] = { "whitelist-source-range", "allowlist-source-range",
		                             "denylist-source-range" };

	object_each(c->subject, OBJECT_INGRESS, o)
	{
		const struct workload *controller = own_controller(c->subject, o);
		const struct svc *front = controller ? front_service(c->subject, controller) : NULL;
		const struct object *config = NULL;

		for (size_t i = 0; front && i < ARRAY_SIZE(names); i++) {
			const struct val *at = nginx_annotation(o, names[i]);
			struct finding *f;

			if (!at ||
			    slice_is(val_get_str(object_spec(front->object),
			                         "externalTrafficPolicy"),
			             "Local") ||
			    controller_setting(c->subject, controller, "use-proxy-protocol",
			                       &config) ||
			    controller_setting(c->subject, controller, "use-forwarded-headers",
			                       &config)) {
				continue;
			}
			f = check_found(c, o, at,
			                "%s of Ingress " SLICE_FMT
			                " is compared with addresses of nodes: Service " SLICE_FMT
			                " replaces those of clients.",
			                names[i], SLICE_ARG(o->name), SLICE_ARG(front->name));
			finding_shows(c, f, front->object,
			              val_get(object_spec(front->object), "type"),
			              "has externalTrafficPolicy Cluster, and neither PROXY "
			              "protocol nor forwarded headers are used.");
			finding_repair(c, f,
			               "Set externalTrafficPolicy: Local on the Service, or "
			               "use-proxy-protocol, or "
			               "use-forwarded-headers behind a proxy you trust.");
		}
	}
}

/* ---- ING015 ---- */

static const char *const nginx_annotations[] = {
	"affinity",
	"affinity-canary-behavior",
	"affinity-mode",
	"allowlist-source-range",
	"app-root",
	"auth-always-set-cookie",
	"auth-cache-duration",
	"auth-cache-key",
	"auth-keepalive",
	"auth-keepalive-requests",
	"auth-keepalive-share-vars",
	"auth-keepalive-timeout",
	"auth-method",
	"auth-proxy-set-headers",
	"auth-realm",
	"auth-request-redirect",
	"auth-response-headers",
	"auth-secret",
	"auth-secret-type",
	"auth-signin",
	"auth-signin-redirect-param",
	"auth-snippet",
	"auth-tls-error-page",
	"auth-tls-match-cn",
	"auth-tls-pass-certificate-to-upstream",
	"auth-tls-secret",
	"auth-tls-verify-client",
	"auth-tls-verify-depth",
	"auth-type",
	"auth-url",
	"backend-protocol",
	"canary",
	"canary-by-cookie",
	"canary-by-header",
	"canary-by-header-pattern",
	"canary-by-header-value",
	"canary-weight",
	"canary-weight-total",
	"client-body-buffer-size",
	"configuration-snippet",
	"connection-proxy-header",
	"cors-allow-credentials",
	"cors-allow-headers",
	"cors-allow-methods",
	"cors-allow-origin",
	"cors-expose-headers",
	"cors-max-age",
	"custom-headers",
	"custom-http-errors",
	"default-backend",
	"denylist-source-range",
	"disable-proxy-intercept-errors",
	"enable-access-log",
	"enable-cors",
	"enable-global-auth",
	"enable-modsecurity",
	"enable-opentelemetry",
	"enable-owasp-core-rules",
	"enable-rewrite-log",
	"force-ssl-redirect",
	"from-to-www-redirect",
	"global-rate-limit",
	"http2-push-preload",
	"limit-allowlist",
	"limit-burst-multiplier",
	"limit-connections",
	"limit-rate",
	"limit-rate-after",
	"limit-rpm",
	"limit-rps",
	"limit-whitelist",
	"load-balance",
	"mirror-host",
	"mirror-request-body",
	"mirror-target",
	"modsecurity-snippet",
	"modsecurity-transaction-id",
	"opentelemetry-operation-name",
	"opentelemetry-trust-incoming-span",
	"permanent-redirect",
	"permanent-redirect-code",
	"preserve-trailing-slash",
	"proxy-body-size",
	"proxy-buffer-size",
	"proxy-buffering",
	"proxy-buffers-number",
	"proxy-busy-buffers-size",
	"proxy-connect-timeout",
	"proxy-cookie-domain",
	"proxy-cookie-path",
	"proxy-http-version",
	"proxy-max-temp-file-size",
	"proxy-next-upstream",
	"proxy-next-upstream-timeout",
	"proxy-next-upstream-tries",
	"proxy-read-timeout",
	"proxy-redirect-from",
	"proxy-redirect-to",
	"proxy-request-buffering",
	"proxy-send-timeout",
	"proxy-ssl-ciphers",
	"proxy-ssl-name",
	"proxy-ssl-protocols",
	"proxy-ssl-secret",
	"proxy-ssl-server-name",
	"proxy-ssl-verify",
	"proxy-ssl-verify-depth",
	"relative-redirects",
	"rewrite-target",
	"satisfy",
	"server-alias",
	"server-snippet",
	"service-upstream",
	"session-cookie-change-on-failure",
	"session-cookie-conditional-samesite-none",
	"session-cookie-domain",
	"session-cookie-expires",
	"session-cookie-max-age",
	"session-cookie-name",
	"session-cookie-partitioned",
	"session-cookie-path",
	"session-cookie-samesite",
	"session-cookie-secure",
	"ssl-ciphers",
	"ssl-passthrough",
	"ssl-prefer-server-ciphers",
	"ssl-redirect",
	"stream-snippet",
	"temporal-redirect",
	"temporal-redirect-code",
	"upstream-hash-by",
	"upstream-hash-by-subset",
	"upstream-hash-by-subset-size",
	"upstream-vhost",
	"use-regex",
	"whitelist-source-range",
	"x-forwarded-prefix",
};

static bool is_nginx_annotation(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(nginx_annotations); i++) {
		if (slice_is(name, nginx_annotations[i])) {
			return true;
		}
	}
	return false;
}

static const char *nearest_annotation(struct slice name)
{
	const char *best = NULL;
	unsigned best_d = 4;

	for (size_t i = 0; i < ARRAY_SIZE(nginx_annotations); i++) {
		unsigned d = edit_distance(name, slice_of(nginx_annotations[i]), 3);

		if (d < best_d) {
			best = nginx_annotations[i];
			best_d = d;
		}
	}
	return best;
}

static void unknown_annotation(struct check *c, const struct object *o, const struct val *at,
                               struct slice name)
{
	const char *near = nearest_annotation(name);
	struct finding *f = check_found(c, o, at,
	                                "ingress-nginx knows no annotation " SLICE_FMT
	                                "; Ingress " SLICE_FMT " sets it in vain.",
	                                SLICE_ARG(name), SLICE_ARG(o->name));

	if (near) {
		finding_repair(c, f, "Write " NGINX_PREFIX "%s.", near);
		finding_rename(c, f, o, at, NGINX_PREFIX "%s", near);
	}
}

/* A snippet that the controller of the set refuses. */
static void refused_snippet(struct check *c, const struct object *o, const struct val *at)
{
	const struct workload *controller = own_controller(c->subject, o);
	const struct object *config = NULL;
	const struct val *allow = controller
	                                  ? controller_setting(c->subject, controller,
	                                                       "allow-snippet-annotations", &config)
	                                  : NULL;
	struct finding *f;

	if (!slice_is(val_str(allow), "false")) {
		return;
	}
	f = check_found(c, o, at,
	                "The controller does not take snippets; Ingress " SLICE_FMT " has one.",
	                SLICE_ARG(o->name));
	finding_shows(c, f, config, allow, "switches them off.");
	finding_repair(
		c, f, "Use an annotation for it, or allow snippets in the controller's ConfigMap.");
}

static void judge_annotation(struct check *c, const struct object *o, const struct val *at,
                             const struct controller *own)
{
	for (unsigned i = 0; controller_at(i); i++) {
		const struct controller *k = controller_at(i);
		struct slice name = slice_from(at->key, strlen(k->annotations));
		struct finding *f;

		if (!slice_has_prefix(at->key, slice_of(k->annotations))) {
			continue;
		}
		if (k == own && slice_is(slice_of(k->annotations), NGINX_PREFIX)) {
			if (!is_nginx_annotation(name)) {
				unknown_annotation(c, o, at, name);
			} else if (slice_has_suffix(name, SLICE("-snippet"))) {
				refused_snippet(c, o, at);
			}
		} else if (k != own && strcmp(k->annotations, own->annotations) != 0) {
			f = check_found(c, o, at,
			                "Annotation " SLICE_FMT " is for %s; Ingress " SLICE_FMT
			                " has class " SLICE_FMT ", whose controller does "
			                "not read it.",
			                SLICE_ARG(at->key), k->name, SLICE_ARG(o->name),
			                SLICE_ARG(ingress_class(c->subject, o, NULL)));
			finding_repair(c, f, "Use the annotation of %s, or the other class.",
			               own->name);
		}
		return;
	}
}

void ing_annotations(struct check *c)
{
	object_each(c->subject, OBJECT_INGRESS, o)
	{
		const struct controller *own = controller_find(
			ingress_controller(c->subject, ingress_class(c->subject, o, NULL)));

		val_for_each (own && !o->assumed ? val_path(o->v, "metadata.annotations") : NULL,
		              at) {
			judge_annotation(c, o, at, own);
		}
	}
}

/* ---- ING016 ---- */

static bool is_kept_in_memory(const struct setting *x)
{
	static const char *const names[] = { "SESSION_STORE", "SESSION_DRIVER", "SESSION_TYPE",
		                             "SESSION_BACKEND" };
	static const char *const values[] = { "memory",   "file",      "files",
		                              "inmemory", "in-memory", "local" };
	bool name = false, value = false;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		name = name || slice_has_suffix(x->name, slice_of(names[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		value = value || slice_eq_nocase(x->value, slice_of(values[i]));
	}
	return name && value && !x->is_secret;
}

static const struct setting *memory_session(struct check *c, const struct workload *w)
{
	size_t n;
	const struct setting *all = values_settings(subject_values(c->subject), w->object->v, &n);

	for (size_t i = 0; i < n; i++) {
		if (is_kept_in_memory(&all[i])) {
			return &all[i];
		}
	}
	return NULL;
}

static void judge_affinity(struct check *c, const struct route *r, const struct workload *w)
{
	static const char *const sockets[] = { "socket.io", "sockjs", "signalr" };
	bool socket = r->path && has_element(r->at, sockets, ARRAY_SIZE(sockets));
	const struct setting *session = socket ? NULL : memory_session(c, w);
	const struct object *by =
		session ? subject_object(c->subject, session->where.object) : NULL;
	struct finding *f;

	if (!socket && !by) {
		return;
	}
	f = check_found(c, r->ingress, r->service_at,
	                "Ingress " SLICE_FMT " spreads clients over %lld replicas of " SLICE_FMT
	                " " SLICE_FMT ", which keeps state in "
	                "each of them.",
	                SLICE_ARG(r->ingress->name), (long long)w->replicas_max,
	                SLICE_ARG(w->object->kind), SLICE_ARG(w->name));
	if (socket) {
		finding_shows(c, f, r->ingress, val_get(r->path, "path"),
		              "such a library needs one pod for a whole session.");
	} else {
		finding_shows(c, f, by, session->where.node, "keeps sessions inside the pod.");
	}
	finding_repair(c, f,
	               "Keep sessions in a store of their own (Redis), or set " NGINX_PREFIX
	               "affinity: cookie.");
}

void ing_affinity(struct check *c)
{
	const struct routes *routes = subject_routes(c->subject);

	for (size_t i = 0; i < routes->at.n; i++) {
		const struct route *r = &routes->at.at[i];

		if (!r->svc || !r->svc->n_pods || r->svc->pods[0]->replicas_max < 2 ||
		    !ingress_is_nginx(c->subject, r->ingress) ||
		    nginx_annotation(r->ingress, "affinity") ||
		    nginx_annotation(r->ingress, "upstream-hash-by")) {
			continue;
		}
		judge_affinity(c, r, r->svc->pods[0]);
	}
}

/* ---- ING018 ---- */

static bool is_kennels_own(const struct workload *w)
{
	return slice_is(val_get_str(val_first(val_get(w->spec, "containers")), "image"), "kennel");
}

static void tell_retired(struct check *c, const struct workload *w)
{
	if (!is_kennels_own(w)) {
		(void)check_found(c, w->object, val_first(val_get(w->spec, "containers")),
		                  SLICE_FMT
		                  " " SLICE_FMT
		                  " runs ingress-nginx, whose maintenance ended in March 2026.",
		                  SLICE_ARG(w->object->kind), SLICE_ARG(w->name));
	}
}

void ing_retired(struct check *c)
{
	each_controller(c, tell_retired);
}
