/* Why: see live.h. A place may be asked about thousands of flows; they go in portions the node takes, a few places at a
 * time. */
#include "cli/live.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "http/client.h"

enum { FLOWS_AT_ONCE = 1000, PLACES_AT_ONCE = 6 };

static const char *const outcomes[] = { "unknown", "connected", "refused", "timeout",
	                                "unreachable" };

const char *live_outcome_text(enum live_outcome o)
{
	return outcomes[o];
}

bool live_reached(enum live_outcome o)
{
	return o == LIVE_CONNECTED || o == LIVE_REFUSED;
}

/* ---- life ---- */

static char *socket_of(const struct live *l, struct slice node)
{
	return mem_printf("%s/" SLICE_FMT ".sock", l->sockets, SLICE_ARG(node));
}

/* Is the instance there, and may we ask its nodes? 'socket': of the first one. */
static int may_ask(const struct cli_instance *i, const char *socket, struct err *err)
{
	if (access(socket, R_OK | W_OK) < 0) {
		return errno == ENOENT
		               ? err_raise(err, ERR_UNAVAILABLE, "instance %s does not run: no %s",
		                           i->name, socket)
		               : err_sys(err, "only root may ask the nodes: %s", socket);
	}
	return 0;
}

static struct http_client *client_at(struct loop *loop, const char *socket)
{
	return http_client_new(loop,
	                       &(struct http_client_config){ .target = { .unix_path = socket },
	                                                     .host = "node",
	                                                     .max_connections = PLACES_AT_ONCE });
}

int live_nodes(struct loop *loop, const struct cli_instance *i,
               void (*add)(void *arg, struct http_client *node), void *arg, struct err *err)
{
	scoped_free char *folder = mem_printf("%s/run/nodes", i->home),
			 *first = mem_printf("%s/%s.sock", folder, i->name);
	int r = may_ask(i, first, err);
	scoped_dir DIR *d = r < 0 ? NULL : opendir(folder);

	if (r == 0 && !d) {
		return err_sys(err, "list the nodes in %s", folder);
	}
	for (struct dirent *e; d && (e = readdir(d));) {
		scoped_free char *path = mem_printf("%s/%s", folder, e->d_name);

		if (slice_has_suffix(slice_of(e->d_name), SLICE(".sock"))) {
			add(arg, client_at(loop, path));
		}
	}
	return r;
}

int live_open(struct live *l, const struct cli_instance *i, struct err *err)
{
	scoped_free char *kubeconfig = mem_printf("%s/kubeconfig", i->home), *socket = NULL;
	int r;

	/* The first node bears the instance's name. */
	*l = (struct live){ .sockets = mem_printf("%s/run/nodes", i->home),
		            .first = mem_strdup(i->name) };
	socket = socket_of(l, slice_of(l->first));
	r = may_ask(i, socket, err);
	if (r == 0) {
		r = caller_open(&l->caller, kubeconfig, err);
	}
	return r < 0 ? r : caller_ask(&l->caller, "GET", "/api/v1/pods", NULL, NULL, &l->pods, err);
}

static struct http_client *client_of(struct live *l, struct slice node)
{
	struct http_client *client = map_find(&l->nodes, node);

	if (!client) {
		scoped_free char *path = socket_of(l, node);

		client = client_at(l->caller.loop, path);
		map_set(&l->nodes, node, client);
	}
	return client;
}

void live_close(struct live *l)
{
	for (struct map_iter it = { 0 }; map_next(&l->nodes, &it);) {
		http_client_free(it.value);
	}
	map_fini(&l->nodes);
	doc_unref(l->pods);
	if (l->caller.loop) {
		caller_close(&l->caller);
	}
	free(l->sockets);
	free(l->first);
	*l = (struct live){ 0 };
}

/* ---- probing ---- */

struct run {
	struct live *live;
	struct live_ask *asks;
	size_t n, next, n_open;
	int timeout_ms;
};

struct portion { /* one request */
	struct run *run;
	struct live_ask *ask;
	size_t from, n;
};

static void start_more(struct run *run);
static void send_portion(struct run *run, struct live_ask *ask, size_t from);

static enum live_outcome outcome_of(struct slice text)
{
	for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++) {
		if (slice_is(text, outcomes[i])) {
			return (enum live_outcome)i;
		}
	}
	return LIVE_UNKNOWN;
}

static void read_received(const struct live_ask *ask, struct live_flow *f, const struct val *result)
{
	scoped_strbuf struct strbuf bytes = { 0 };

	if (f->wants && ask->arena && base64_decode(&bytes, val_get_str(result, "received"))) {
		f->received = arena_slice(ask->arena, strbuf_slice(&bytes));
	}
}

static int read_answer(struct portion *p, const struct http_answer *a, struct err *err)
{
	scoped_arena struct arena arena = { 0 };
	struct val *root = NULL;
	size_t i = p->from;

	if (a->status == 0) {
		return err_raise(err, ERR_UNAVAILABLE, "ask the node: %s", a->why->msg);
	}
	if (json_parse(&arena, a->body, 0, &root, err) < 0) {
		return err_while(err, -ERR_SYNTAX, "the node's answer");
	}
	if (a->status != 200) {
		return err_raise(err, ERR_UNAVAILABLE, "%s", val_cstr(val_get(root, "message")));
	}
	val_for_each (val_get(root, "results"), it) {
		const struct val *ms = val_get(it, "ms");

		if (i < p->from + p->n) {
			p->ask->flows[i].outcome = outcome_of(val_get_str(it, "outcome"));
			read_received(p->ask, &p->ask->flows[i], it);
			p->ask->flows[i].ms =
				ms && ms->type == VAL_FLOAT ? ms->d : (double)val_int(ms, 0);
			i++;
		}
	}
	return i == p->from + p->n
	               ? 0
	               : err_raise(err, ERR_SYNTAX, "the node answered for fewer flows than asked");
}

static void on_answer(void *arg, const struct http_answer *a)
{
	struct portion *p = arg;
	struct run *run = p->run;
	size_t next = p->from + p->n;
	int r = read_answer(p, a, &p->ask->failed);

	run->n_open--;
	if (r == 0 && next < p->ask->n) {
		send_portion(run, p->ask, next);
	}
	free(p);
	start_more(run);
	if (!run->n_open) {
		loop_stop(run->live->caller.loop);
	}
}

static void add_flow(struct strbuf *body, const struct live_flow *f)
{
	char ip[IP_TEXT_SIZE];

	strbuf_addf(body, "{\"proto\":\"%s\",\"ip\":\"%s\",\"port\":%u",
	            f->proto == PROTO_UDP    ? "UDP"
	            : f->proto == PROTO_SCTP ? "SCTP"
	                                     : "TCP",
	            ip_format(f->ip, ip), f->port);
	if (f->send.len) {
		strbuf_adds(body, ",\"send\":\"");
		base64_encode(body, f->send);
		strbuf_addc(body, '"');
	}
	strbuf_adds(body, f->wants ? ",\"receive\":true}" : "}");
}

/* Whom to ask: the node where the pod is; for what is not a pod's, the first one. */
static struct slice node_of(const struct live *l, const struct live_ask *ask)
{
	const struct val *pod = ask->pod.len ? live_pod(l, ask->ns, ask->pod, NULL, NULL) : NULL;
	struct slice node = val_str(val_path(pod, "spec.nodeName"));

	return node.len ? node : slice_of(l->first);
}

static void send_portion(struct run *run, struct live_ask *ask, size_t from)
{
	scoped_strbuf struct strbuf body = { 0 }, target = { 0 };
	struct portion *p = NEW(struct portion);
	struct http_call_spec spec = { .method = "POST", .content_type = "application/json" };

	*p = (struct portion){ run, ask, from,
		               ask->n - from < FLOWS_AT_ONCE ? ask->n - from : FLOWS_AT_ONCE };
	strbuf_addf(&body, "{\"timeoutMs\":%d,\"flows\":[", run->timeout_ms);
	for (size_t i = 0; i < p->n; i++) {
		strbuf_adds(&body, i ? "," : "");
		add_flow(&body, &ask->flows[from + i]);
	}
	strbuf_adds(&body, "]}");
	if (ask->pod.len) {
		strbuf_addf(&target, "/probe/" SLICE_FMT "/" SLICE_FMT, SLICE_ARG(ask->ns),
		            SLICE_ARG(ask->pod));
	} else {
		strbuf_adds(&target, ask->in_vpc ? "/probeVpc" : "/probeNode");
	}
	spec.target = strbuf_str(&target);
	spec.body = strbuf_slice(&body);
	spec.timeout_us = 120 * US_PER_S;
	run->n_open++;
	(void)http_call(client_of(run->live, node_of(run->live, ask)), &spec, on_answer, p);
}

static void start_more(struct run *run)
{
	while (run->next < run->n && run->n_open < PLACES_AT_ONCE) {
		struct live_ask *ask = &run->asks[run->next++];

		ask->failed = (struct err){ 0 };
		if (ask->n) {
			send_portion(run, ask, 0);
		}
	}
}

void live_probe(struct live *l, struct live_ask *asks, size_t n, int timeout_ms)
{
	struct run run = { .live = l, .asks = asks, .n = n, .timeout_ms = timeout_ms };

	start_more(&run);
	while (run.n_open) {
		loop_run(l->caller.loop);
	}
}

/* ---- pods ---- */

static bool carries(const struct val *pod, const struct val *labels)
{
	const struct val *has = val_path(pod, "metadata.labels");

	val_for_each (labels, it) {
		if (!val_eq(it, val_get_slice(has, it->key))) {
			return false;
		}
	}
	return true;
}

bool live_pod_ip(const struct val *pod, struct ip *ret)
{
	return ip_parse(val_str(val_path(pod, "status.podIP")), ret);
}

const struct val *live_pod(const struct live *l, struct slice ns, struct slice name,
                           const struct val *labels, const struct val *after)
{
	const struct val *it = after ? after->next : val_first(val_get(l->pods->root, "items"));

	for (; it; it = it->next) {
		struct ip ip;

		if (slice_eq(val_str(val_path(it, "metadata.namespace")), ns) &&
		    (name.len ? slice_eq(val_str(val_path(it, "metadata.name")), name)
		              : carries(it, labels)) &&
		    slice_is(val_str(val_path(it, "status.phase")), "Running") &&
		    !val_path(it, "metadata.deletionTimestamp") && live_pod_ip(it, &ip)) {
			return it;
		}
	}
	return NULL;
}
