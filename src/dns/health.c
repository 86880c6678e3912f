/* Why: the kubelet restarts what is not healthy and sends nobody to what is not ready. The names of
 * the metrics are CoreDNS's, so that dashboards made for it show this server as well. */
#include "dns/health.h"

#include "base/mem.h"
#include "dns/any.h"
#include "http/server.h"

struct dns_health {
	const struct dns_server *server; /* borrowed */
	struct http_server *http;
	bool ready;
};

/* ---- metrics ---- */

static void add_metric(struct strbuf *out, const char *type, const char *name, const char *help)
{
	strbuf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_plain(struct strbuf *out, const char *type, const char *name, const char *help,
                      uint64_t v)
{
	add_metric(out, type, name, help);
	strbuf_addf(out, "%s %llu\n", name, (unsigned long long)v);
}

/* Prometheus' buckets count what went before, too. */
static void add_waits_of(struct strbuf *out, const struct dns_waits *w, const char *code)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DNS_WAIT_BUCKETS; i++) {
		n += w->buckets[i];
		strbuf_addf(out, "coredns_dns_request_duration_seconds_bucket{rcode=\"%s\",le=\"",
		            code);
		if (i + 1 < DNS_WAIT_BUCKETS) {
			strbuf_addf(out, "%.6f", (double)(DNS_WAIT_US << i) / 1e6);
		} else {
			strbuf_adds(out, "+Inf");
		}
		strbuf_addf(out, "\"} %llu\n", (unsigned long long)n);
	}
	strbuf_addf(out,
	            "coredns_dns_request_duration_seconds_sum{rcode=\"%s\"} %.6f\n"
	            "coredns_dns_request_duration_seconds_count{rcode=\"%s\"} %llu\n",
	            code, (double)w->sum_us / 1e6, code, (unsigned long long)n);
}

static void add_waits(struct strbuf *out, const struct dns_server_stats *s)
{
	add_metric(out, "histogram", "coredns_dns_request_duration_seconds",
	           "From a question's arrival to its answer, by code.");
	for (unsigned i = 0; i < DNS_RCODES; i++) {
		const knot_lookup_t *code = knot_lookup_by_id(knot_rcode_names, (int)i);

		if (code && s->responses[i]) {
			add_waits_of(out, &s->waits[i], code->name);
		}
	}
}

static void add_requests(struct strbuf *out, const struct dns_server_stats *s)
{
	static const char *const protos[] = { "udp", "tcp" };

	add_metric(out, "counter", "coredns_dns_requests_total", "Questions received.");
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		strbuf_addf(out, "coredns_dns_requests_total{proto=\"%s\"} %llu\n", protos[i],
		            (unsigned long long)s->requests[i]);
	}
	add_metric(out, "counter", "coredns_dns_responses_total", "Answers sent, by code.");
	for (unsigned i = 0; i < DNS_RCODES; i++) {
		const knot_lookup_t *code = knot_lookup_by_id(knot_rcode_names, (int)i);

		if (code && s->responses[i]) {
			strbuf_addf(out, "coredns_dns_responses_total{rcode=\"%s\"} %llu\n",
			            code->name, (unsigned long long)s->responses[i]);
		}
	}
	add_waits(out, s);
	add_plain(out, "counter", "kennel_dns_repeated_total",
	          "Questions whose answer was at hand as it had gone out before.", s->repeated);
	add_plain(out, "counter", "kennel_dns_truncated_total",
	          "Answers that did not fit a datagram.", s->truncated);
	add_plain(out, "counter", "kennel_dns_dropped_total", "Datagrams that were no questions.",
	          s->dropped);
	add_plain(out, "counter", "kennel_dns_connections_total", "TCP connections accepted.",
	          s->connections);
}

void dns_metrics_write(struct strbuf *out, const struct dns_server *server)
{
	const struct forwarder *f = dns_server_forwarder(server);
	const struct forward_stats *s = forwarder_stats(f);

	add_requests(out, dns_server_stats(server));
	add_plain(out, "counter", "coredns_forward_requests_total", "Tries sent upstream.",
	          s->asked);
	add_plain(out, "counter", "kennel_dns_forward_answered_total",
	          "Questions answered upstream.", s->answered);
	add_plain(out, "counter", "kennel_dns_forward_failed_total", "Questions nobody answered.",
	          s->failed);
	add_plain(out, "counter", "kennel_dns_forward_joined_total",
	          "Questions that were asked already.", s->joined);
	add_plain(out, "counter", "coredns_forward_max_concurrent_rejects_total",
	          "Questions over the limit.", s->refused);
	add_plain(out, "gauge", "kennel_dns_forward_pending", "Questions upstream now.",
	          forwarder_pending(f));
	add_plain(out, "counter", "coredns_cache_hits_total", "Answers from the cache.", s->hits);
	add_plain(out, "counter", "coredns_cache_misses_total", "Questions not in the cache.",
	          s->misses);
	add_plain(out, "counter", "coredns_cache_prefetch_total",
	          "Questions asked again before the answer's time was over.", s->prefetched);
	add_plain(out, "counter", "coredns_cache_served_stale_total",
	          "Clients that got an answer whose time was over.", s->stale);
	add_plain(out, "gauge", "coredns_cache_entries", "Answers in the cache.",
	          forwarder_cached(f));
}

/* ---- HTTP ---- */

static void on_request(void *arg, struct http_request *r)
{
	struct dns_health *h = arg;
	scoped_strbuf struct strbuf text = { 0 };

	if (!slice_is(r->method, "GET") && !slice_is(r->method, "HEAD")) {
		http_reply(r, 405, "text/plain", "Allow: GET, HEAD\r\n",
		           SLICE("Only GET is answered here\n"));
	} else if (slice_is(r->path, "/health")) {
		http_reply(r, 200, "text/plain", NULL, SLICE("OK"));
	} else if (slice_is(r->path, "/ready")) {
		http_reply(r, h->ready ? 200 : 503, "text/plain", NULL,
		           h->ready ? SLICE("OK")
		                    : SLICE("Not ready: the replicas are not synced, or it is "
		                            "leaving\n"));
	} else if (slice_is(r->path, "/metrics")) {
		dns_metrics_write(&text, h->server);
		http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", NULL,
		           strbuf_slice(&text));
	} else {
		http_reply(r, 404, "text/plain", NULL,
		           SLICE("There are /health, /ready and /metrics\n"));
	}
}

static int open_listening(struct ip address, uint16_t port, int *ret_fd, struct err *err)
{
	struct ip any = address.family ? address : any_address();
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(any, port, &sa);
	scoped_fd int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char text[IP_TEXT_SIZE];
	int on = 1;

	if (fd < 0) {
		return err_sys(err, "make a socket for probes");
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, 64) < 0) {
		return err_sys(err, "listen for probes on %s port %u", ip_format(any, text), port);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

int dns_health_new(const struct dns_health_config *c, struct dns_health **ret, struct err *err)
{
	struct dns_health *h = NEW(struct dns_health);
	struct http_server_config http = { .on_request = on_request, .arg = h, .name = "probes" };

	h->server = c->server;
	h->http = http_server_new(c->loop, &http);
	for (size_t i = 0; i < ARRAY_SIZE(c->ports); i++) {
		int fd = -1,
		    r = c->ports[i] ? open_listening(c->address, c->ports[i], &fd, err) : 0;

		if (r == 0 && c->ports[i]) {
			r = http_server_listen(h->http, fd, err);
		}
		if (r < 0) {
			dns_health_free(h);
			return r;
		}
	}
	*ret = h;
	return 0;
}

struct dns_health *dns_health_free(struct dns_health *h)
{
	if (h) {
		http_server_free(h->http);
		free(h);
	}
	return NULL;
}

void dns_health_set_ready(struct dns_health *h, bool ready)
{
	h->ready = ready;
}
