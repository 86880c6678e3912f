/* Why: a prediction is worth what packets say; see explain-live.h. Each probe becomes one flow for the node, or one
 * request of ours through the edge; all flows run side by side. */
#include "cli/explain-live.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/ip-range.h"
#include "base/mem.h"
#include "cli/dns-question.h"
#include "cli/live.h"
#include "codec/json.h"
#include "http/client.h"
#include "http/tls.h"

enum {
	TIMEOUT_MS = 1200,
	REQUEST_S = 5,
	HANDSHAKE_S = 3,
	TRIES_MAX = 8,
	QUESTION_ID = 0x6b6e,
	CA_MAX = 1 << 20,
	PATHS_MAX = 64
};

struct task { /* one probe under way */
	const struct explain_probe *probe;
	struct explain_observation *seen; /* where it goes */
	const char *at;                   /* "pod web-x"; in the arena */
	struct live_flow *flows;
	size_t n_flows;
};

struct looking {
	struct explanation *x;
	struct live live;
	struct arena arena;
	VEC(struct task) tasks;
	VEC(struct live_ask) asks; /* of the tasks, in their order */
	struct ip edge, dns;
	struct strbuf ca; /* owned */
	struct tls_client *verifying, *trusting;
	const struct explain_probe *asked; /* whose page 'page' is; null: none yet */
	struct page *page;                 /* in the arena */
};

static void PRINTF_LIKE(4, 5)
	see(struct looking *l, struct explain_observation *seen, bool passes, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* NOLINT: callers' formats are checked */
	va_end(ap);
	explain_observe(l->x, seen, passes, text);
}

/* ---- who is where ---- */

static const struct val *pod_for(const struct looking *l, const struct workload *w)
{
	const struct val *pod = NULL;

	/* Of several workloads with equal labels the pod's name tells whose it is. */
	while ((pod = live_pod(&l->live, w->ns, (struct slice){ "", 0 }, w->labels, pod))) {
		if (slice_has_prefix(val_str(val_path(pod, "metadata.name")), w->name)) {
			return pod;
		}
	}
	return NULL;
}

static bool ask_address(struct looking *l, const char *target, const char *path, struct ip *ret)
{
	struct doc *d = NULL;
	struct err err;
	bool ok = caller_ask(&l->live.caller, "GET", target, NULL, NULL, &d, &err) == 0 &&
	          ip_parse(val_str(val_path(d->root, path)), ret);

	doc_unref(d);
	return ok;
}

static bool service_address(struct looking *l, const struct svc *s, struct ip *ret)
{
	scoped_free char *target =
		mem_printf("/api/v1/namespaces/" SLICE_FMT "/services/" SLICE_FMT, SLICE_ARG(s->ns),
	                   SLICE_ARG(s->name));

	return ask_address(l, target, "spec.clusterIP", ret);
}

static bool managed_address(struct looking *l, const struct object *o, struct ip *ret)
{
	const char *version = val_cstr(val_get(o->v, "apiVersion"));
	scoped_free char *target = mem_printf(
		"/apis/%s/namespaces/" SLICE_FMT "/%s/" SLICE_FMT, version, SLICE_ARG(o->ns),
		o->id == OBJECT_DBINSTANCE ? "dbinstances" : "cacheclusters", SLICE_ARG(o->name));
	struct doc *d = NULL;
	struct err err;
	bool ok = caller_ask(&l->live.caller, "GET", target, NULL, NULL, &d, &err) == 0 &&
	          ip_parse(val_get_str(val_path(d->root, "metadata.annotations"),
	                               HOST_ADDRESS_ANNOTATION),
	                   ret);

	doc_unref(d);
	return ok;
}

/* The node port behind a balancer's port, on the first node. */
static bool node_port(struct looking *l, const struct svc *s, uint16_t port, struct live_flow *ret)
{
	scoped_free char *target =
		mem_printf("/api/v1/namespaces/" SLICE_FMT "/services/" SLICE_FMT, SLICE_ARG(s->ns),
	                   SLICE_ARG(s->name));
	scoped_doc struct doc *d = NULL, *nodes = NULL;
	struct err err;

	if (caller_ask(&l->live.caller, "GET", target, NULL, NULL, &d, &err) < 0 ||
	    caller_ask(&l->live.caller, "GET", "/api/v1/nodes", NULL, NULL, &nodes, &err) < 0) {
		return false;
	}
	val_for_each (val_path(d->root, "spec.ports"), p) {
		if (val_int(val_get(p, "port"), 0) == port) {
			ret->port = (uint16_t)val_int(val_get(p, "nodePort"), 0);
		}
	}
	val_for_each (val_path(val_at(val_get(nodes->root, "items"), 0), "status.addresses"), it) {
		if (slice_is(val_get_str(it, "type"), "InternalIP")) {
			return ip_parse(val_get_str(it, "address"), &ret->ip) && ret->port;
		}
	}
	return false;
}

/* ---- a probe as flows ---- */

/* Where it goes; false: *ret_why says why it cannot. */
static bool find_target(struct looking *l, const struct explain_probe *p, struct live_flow *f,
                        const char **ret_why)
{
	f->proto = p->proto;
	f->port = p->port;
	if (p->to) {
		const struct val *pod = pod_for(l, p->to);

		*ret_why = arena_printf(&l->arena, "no pod of " SLICE_FMT " runs",
		                        SLICE_ARG(p->to->name));
		return pod && live_pod_ip(pod, &f->ip);
	}
	if (p->service) {
		*ret_why = arena_printf(&l->arena, "Service " SLICE_FMT " has no address",
		                        SLICE_ARG(p->service->name));
		return p->place == AT_VPC ? node_port(l, p->service, p->port, f)
		                          : service_address(l, p->service, &f->ip);
	}
	if (p->managed) {
		*ret_why = arena_printf(&l->arena, SLICE_FMT " has no address yet",
		                        SLICE_ARG(p->managed->name));
		return managed_address(l, p->managed, &f->ip);
	}
	*ret_why = "no address";
	f->ip = p->ip;
	return f->ip.family != IP_NONE;
}

static void find_tries(struct looking *l, struct task *t)
{
	const struct explain_probe *p = t->probe;

	t->n_flows = p->n_tries < TRIES_MAX ? p->n_tries : TRIES_MAX;
	t->flows = ARENA_ARRAY(&l->arena, struct live_flow, t->n_flows + 1);
	for (size_t i = 0; i < t->n_flows; i++) {
		scoped_strbuf struct strbuf question = { 0 };

		if (dns_question_write(&question, p->tries[i], QUESTION_ID)) {
			t->flows[i] =
				(struct live_flow){ .ip = l->dns,
				                    .port = 53,
				                    .proto = PROTO_UDP,
				                    .wants = true,
				                    .send = arena_slice(&l->arena,
				                                        strbuf_slice(&question)) };
		}
	}
}

static bool is_redis(const struct explain_probe *p)
{
	return p->managed &&
	       (p->managed->id == OBJECT_CACHECLUSTER || p->managed->id == OBJECT_REPLICATIONGROUP);
}

static bool make_flows(struct looking *l, struct task *t, const char **ret_why)
{
	struct live_flow *f;

	if (t->probe->type == PROBE_NAME) {
		*ret_why = "the cluster's DNS has no Service";
		find_tries(l, t);
		return l->dns.family != IP_NONE && t->n_flows;
	}
	f = t->flows = ARENA_NEW(&l->arena, struct live_flow);
	t->n_flows = 1;
	if (!find_target(l, t->probe, f, ret_why)) {
		return false;
	}
	if (t->probe->type == PROBE_HTTP) {
		f->wants = true;
		f->send = slice_of(
			arena_printf(&l->arena,
		                     "GET " SLICE_FMT " HTTP/1.1\r\nHost: " SLICE_FMT "\r\n"
		                     "Connection: close\r\n\r\n",
		                     SLICE_ARG(t->probe->path), SLICE_ARG(t->probe->name)));
	} else if (t->probe->type == PROBE_GREETING) {
		f->wants = true;
		f->send = is_redis(t->probe) ? SLICE("PING\r\n") : SLICE("");
	}
	return true;
}

static bool make_ask(struct looking *l, struct task *t, struct live_ask *ask)
{
	*ask = (struct live_ask){ .ns = SLICE(""),
		                  .pod = SLICE(""),
		                  .flows = t->flows,
		                  .n = t->n_flows,
		                  .arena = &l->arena };
	t->at = "the node";
	if (t->probe->place == AT_SOURCE) {
		const struct val *pod = t->probe->from ? pod_for(l, t->probe->from) : NULL;

		if (!pod) {
			return false;
		}
		ask->ns = val_str(val_path(pod, "metadata.namespace"));
		ask->pod = val_str(val_path(pod, "metadata.name"));
		t->at = arena_printf(&l->arena, "pod " SLICE_FMT, SLICE_ARG(ask->pod));
	} else if (t->probe->place == AT_VPC) {
		ask->in_vpc = true;
		t->at = "the balancer's place";
	}
	return true;
}

static void plan_flow(struct looking *l, const struct explain_probe *p,
                      struct explain_observation *seen)
{
	struct task t = { .probe = p, .seen = seen };
	const char *why = NULL;
	struct live_ask ask;

	if (!make_flows(l, &t, &why)) {
		see(l, seen, false, "%s", why);
	} else if (make_ask(l, &t, &ask)) {
		vec_push(&l->tasks, t);
		vec_push(&l->asks, ask);
	}
}

/* ---- flows read ---- */

static void read_tries(struct looking *l, struct task *t)
{
	char ip[IP_TEXT_SIZE];
	bool answered = false;

	for (size_t i = 0; i < t->n_flows; i++) {
		struct dns_reply r;

		if (!dns_reply_read(t->flows[i].received, QUESTION_ID, &r)) {
			continue;
		}
		answered = true;
		if (r.rcode == 0 && r.n) {
			see(l, t->seen, true, "from %s: " SLICE_FMT " is %s", t->at,
			    SLICE_ARG(t->probe->tries[i]), ip_format(r.ip, ip));
			return;
		}
	}
	see(l, t->seen, false, "from %s: %s", t->at,
	    answered ? "the cluster's DNS knows no such name" : "no answer of the cluster's DNS");
}

/* "8.0.35" out of a MySQL server's first packet; else what was said, printable. */
static const char *greeting_text(struct looking *l, struct slice said)
{
	char text[80];
	size_t n = 0;
	struct slice from = said.len > 5 && said.p[4] == 0x0a ? slice_from(said, 5) : said;

	while (n < from.len && n + 1 < sizeof(text) && isprint((unsigned char)from.p[n])) {
		text[n] = from.p[n];
		n++;
	}
	text[n] = '\0';
	return arena_strdup(&l->arena, text);
}

/* Of "HTTP/1.1 200 OK"; 0: it is no answer of HTTP. */
static int status_of(struct slice answer)
{
	uint64_t status;

	return slice_has_prefix(answer, SLICE("HTTP/1.")) && answer.len >= 12 &&
	                       slice_to_u64(slice_head(slice_from(answer, 9), 3), &status)
	               ? (int)status
	               : 0;
}

static void read_answer(struct looking *l, struct task *t, const char *ip)
{
	const struct live_flow *f = &t->flows[0];
	int status = status_of(f->received);

	if (status) {
		see(l, t->seen, status < 500, "from %s to %s:%u: HTTP %d", t->at, ip, f->port,
		    status);
		t->seen->status = status;
	} else {
		see(l, t->seen, false, "from %s to %s:%u: %s%s", t->at, ip, f->port,
		    live_outcome_text(f->outcome),
		    f->outcome == LIVE_CONNECTED ? ", and no answer of HTTP" : "");
	}
}

static void read_flow(struct looking *l, struct task *t)
{
	const struct live_flow *f = &t->flows[0];
	const char *outcome = live_outcome_text(f->outcome);
	char ip[IP_TEXT_SIZE];

	ip_format(f->ip, ip);
	if (t->probe->type == PROBE_PASSAGE) {
		see(l, t->seen, live_reached(f->outcome), "from %s to %s:%u: %s", t->at, ip,
		    f->port, outcome);
	} else if (t->probe->type == PROBE_HTTP) {
		read_answer(l, t, ip);
	} else if (t->probe->type == PROBE_GREETING) {
		bool said = f->outcome == LIVE_CONNECTED && f->received.len;

		see(l, t->seen, said, "from %s to %s:%u: %s%s%s", t->at, ip, f->port, outcome,
		    said                           ? ", it says "
		    : f->outcome == LIVE_CONNECTED ? ", and silence"
		                                   : "",
		    said ? greeting_text(l, f->received) : "");
	} else {
		see(l, t->seen, f->outcome == LIVE_CONNECTED, "from %s to %s:%u: %s", t->at, ip,
		    f->port, outcome);
	}
}

static void read_flows(struct looking *l)
{
	for (size_t i = 0; i < l->tasks.n; i++) {
		struct task *t = &l->tasks.at[i];

		if (l->asks.at[i].failed.code != ERR_NONE) {
			continue; /* the place could not be asked: nothing was seen */
		}
		if (t->probe->type == PROBE_NAME) {
			read_tries(l, t);
		} else {
			read_flow(l, t);
		}
	}
}

/* ---- through the edge ---- */

struct page {
	struct looking *l;
	int status;
	int64_t took_us;
	bool done, by_controller; /* by_controller: no rule took it */
	char *origin;             /* access-control-allow-origin; in the arena */
	char *why;                /* status 0; in the arena */
};

static void on_page(void *arg, const struct http_answer *a)
{
	struct page *p = arg;
	struct slice origin = http_header_get(&a->headers, "access-control-allow-origin");

	p->status = a->status;
	p->why = a->why ? arena_strdup(&p->l->arena, a->why->msg) : NULL;
	p->by_controller = a->status == 404 && a->body.len &&
	                   memmem(a->body.p, a->body.len, "default backend - 404", 21);
	p->origin = arena_printf(&p->l->arena, SLICE_FMT, SLICE_ARG(origin));
	p->done = true;
	loop_stop(p->l->live.caller.loop);
}

static struct page fetch(struct looking *l, const struct explain_probe *probe,
                         const struct tls_client *tls, const char *origin)
{
	struct page page = { .l = l };
	scoped_free char *host = slice_dup(probe->name),
			 *path = slice_dup(probe->path.len ? probe->path : SLICE("/"));
	scoped_free char *headers = origin ? mem_printf("Origin: %s\r\n", origin) : NULL;
	struct http_client_config config = {
		.target = { .ip = l->edge,
		            .port = probe->port,
		            .tls = probe->tls ? tls : NULL,
		            .tls_name = host },
		.host = host,
	};
	struct http_client *client = http_client_new(l->live.caller.loop, &config);
	int64_t start = clock_mono_us();

	(void)http_call(client,
	                &(struct http_call_spec){ .method = "GET",
	                                          .target = path,
	                                          .headers = headers,
	                                          .timeout_us = REQUEST_S * US_PER_S },
	                on_page, &page);
	while (!page.done) {
		loop_run(l->live.caller.loop);
	}
	page.took_us = clock_mono_us() - start;
	http_client_free(client);
	return page;
}

/* The same page is asked for once, whatever hops want to know of it. */
static const struct page *page_of(struct looking *l, const struct explain_probe *p)
{
	if (!l->asked || !slice_eq(l->asked->name, p->name) || !slice_eq(l->asked->path, p->path) ||
	    l->asked->port != p->port) {
		const struct page page = fetch(l, p, l->trusting, NULL);

		l->page = arena_dup(&l->arena, &page, sizeof(page));
		l->asked = p;
	}
	return l->page;
}

static void see_origin(struct looking *l, const struct explain_probe *p,
                       struct explain_observation *seen)
{
	scoped_free char *origin =
		mem_printf("%s://" SLICE_FMT, p->tls ? "https" : "http", SLICE_ARG(p->name));
	struct page page = fetch(l, p, l->trusting, origin);
	bool ok =
		page.status && (strcmp(page.origin, origin) == 0 || strcmp(page.origin, "*") == 0);

	if (page.status) {
		see(l, seen, ok, "from this host: origin %s is %sadmitted", origin,
		    ok ? "" : "not ");
	}
}

static void see_page(struct looking *l, const struct explain_probe *p,
                     struct explain_observation *seen)
{
	const struct page *page = page_of(l, p);
	struct page verified;

	/* The rule is asked whatever the certificate; a client goes the whole way only when it can believe it. */
	if (p->type == PROBE_HTTP && p->tls && page->status) {
		verified = fetch(l, p, l->verifying, NULL);
		page = &verified;
	}
	if (p->type == PROBE_HTTP && !page->status) {
		see(l, seen, false, "from this host: %s", page->why);
	} else if (p->type == PROBE_HTTP) {
		see(l, seen, page->status < 500 && !page->by_controller,
		    "from this host: HTTP %d in %.1f ms", page->status,
		    (double)page->took_us / US_PER_MS);
		seen->status = page->status;
	} else if (page->status) { /* without an answer nothing is known of the rule */
		see(l, seen, !page->by_controller, "from this host: HTTP %d%s", page->status,
		    page->by_controller ? " by the controller itself: no rule" : "");
	}
}

static void on_open(void *arg, const struct err *why)
{
	struct page *p = arg;

	p->why = why ? arena_strdup(&p->l->arena, why->msg) : NULL;
	p->done = true;
	loop_stop(p->l->live.caller.loop);
}

static void nothing(void *arg, struct slice bytes)
{
	(void)arg;
	(void)bytes;
}

static void on_close(void *arg, const struct err *why)
{
	(void)arg;
	(void)why;
}

/* Where a balancer listens: its own address, as the status tells it, else the edge's first one. */
static struct ip edge_of(const struct looking *l, const struct explain_probe *p)
{
	const struct val *status =
		p->service ? val_path(p->service->object->v, "status.loadBalancer.ingress") : NULL;
	struct ip ip;

	return ip_parse(val_get_str(val_at(status, 0), "ip"), &ip) ? ip : l->edge;
}

/* A connection to the edge, for PROBE_TLS with a handshake that verifies the name. */
static void see_edge(struct looking *l, const struct explain_probe *p,
                     struct explain_observation *seen)
{
	static const struct stream_events events = { .on_data = nothing, .on_close = on_close };
	scoped_free char *host = slice_dup(p->name);
	bool with_tls = p->type == PROBE_TLS;
	struct page page = { .l = l };
	struct stream_target to = { .ip = edge_of(l, p),
		                    .port = p->port,
		                    .tls = with_tls ? l->verifying : NULL,
		                    .tls_name = host,
		                    .timeout_us = HANDSHAKE_S * US_PER_S };
	struct stream *s = stream_connect(l->live.caller.loop, &to, on_open, &events, &page);
	char ip[IP_TEXT_SIZE];

	while (!page.done) {
		loop_run(l->live.caller.loop);
	}
	see(l, seen, !page.why, "from this host to %s:%u: %s", ip_format(to.ip, ip), p->port,
	    page.why   ? page.why
	    : with_tls ? "the handshake is in order"
	               : "connected");
	if (!page.why) {
		stream_abort(s);
		caller_wait_us(&l->live.caller, 0); /* it is told so in the loop's next turn */
	}
}

/* ---- all of it ---- */

static void plan(struct looking *l, const struct explain_probe *p, struct explain_observation *seen)
{
	if (p->type == PROBE_NOTHING || seen->made) {
		return;
	}
	if (p->place != AT_HOST) {
		plan_flow(l, p, seen);
	} else if (l->edge.family == IP_NONE) {
		return;
	} else if (p->type == PROBE_CONNECT || p->type == PROBE_TLS) {
		see_edge(l, p, seen);
	} else if (p->type == PROBE_ORIGIN) {
		see_origin(l, p, seen);
	} else {
		see_page(l, p, seen);
	}
}

static void look(struct looking *l)
{
	for (size_t i = 0; i < l->x->paths.n && i < PATHS_MAX; i++) {
		struct explain_path *p = l->x->paths.at[i];

		for (size_t j = 0; j < p->steps.n; j++) {
			plan(l, &p->steps.at[j]->probe, &p->steps.at[j]->seen);
		}
		plan(l, &p->whole, &p->seen);
	}
	if (l->asks.n) {
		live_probe(&l->live, l->asks.at, l->asks.n, TIMEOUT_MS);
	}
	read_flows(l);
}

/* Where the ingress is, which is the oldest balancer. */
static struct ip first_of(struct slice ranges)
{
	struct ip_ranges r;
	struct ip ip = { 0 };

	return ip_ranges_parse(ranges, &r) && ip_ranges_nth(&r, 0, &ip) ? ip : (struct ip){ 0 };
}

static void read_edge(struct looking *l, const struct cli_instance *i, const struct cli_ops *ops)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct val *status = NULL;
	struct err err;

	if (ops->status(i, &text, &err) == 0 &&
	    json_parse(&l->arena, strbuf_slice(&text), 0, &status, &err) == 0) {
		l->edge = first_of(val_get_str(status, "edgeAddress"));
	}
}

static int read_ca(struct looking *l, const struct cli_instance *i, struct err *err)
{
	scoped_free char *path = mem_printf("%s/ca.crt", i->home);
	scoped_file FILE *f = fopen(path, "re");
	char *to = strbuf_reserve(&l->ca, CA_MAX);
	struct tls_client_config config = { 0 };
	int r;

	if (!f) {
		return err_sys(err, "open %s", path);
	}
	strbuf_added(&l->ca, fread(to, 1, CA_MAX, f));
	config.ca_pem = strbuf_slice(&l->ca);
	r = tls_client_new(&config, &l->verifying, err);
	if (r < 0) {
		return err_while(err, r, "%s", path);
	}
	return tls_client_new(&(struct tls_client_config){ .insecure = true }, &l->trusting, err);
}

int explain_live(struct explanation *x, const struct cli_instance *i, const struct cli_ops *ops,
                 struct err *err)
{
	struct looking l = { .x = x };
	int r = live_open(&l.live, i, err);

	if (r == 0) {
		r = read_ca(&l, i, err);
	}
	if (r == 0) {
		(void)ask_address(&l, "/api/v1/namespaces/kube-system/services/kube-dns",
		                  "spec.clusterIP", &l.dns);
		read_edge(&l, i, ops);
		look(&l);
		explain_conclude(x);
	}
	l.verifying = tls_client_free(l.verifying);
	l.trusting = tls_client_free(l.trusting);
	live_close(&l.live);
	vec_fini(&l.tasks);
	vec_fini(&l.asks);
	strbuf_fini(&l.ca);
	arena_fini(&l.arena);
	return r;
}
