/* Why: the API server has no network of its own towards pods; see dial.h.
 *
 *   DIALLING --open: 101--> OPEN --one side closes--> CLOSING --both closed--> (gone)
 *      | refused: a Status
 */
#include "node/dial.h"

#include "base/log.h"
#include "base/mem.h"
#include "http/stream.h"
#include "http/tls.h"
#include "node/logs-query.h"
#include "node/server-priv.h"

struct dial {
	struct http_request *r;      /* until it is open; null: the client has gone */
	struct stream *client, *pod; /* null: not open, or closed */
	struct tls_client *tls;      /* owned; null: plain */
	char *to;                    /* "10.244.0.5:80"; owned */
};

static void dial_free(struct dial *d)
{
	tls_client_free(d->tls);
	free(d->to);
	free(d);
}

/* ---- copying ---- */

static void copy(struct stream *from, struct stream *to, struct slice bytes)
{
	if (!to) {
		return;
	}
	stream_write(to, bytes);
	if (stream_is_full(to) && from) {
		stream_pause(from);
	}
}

static void client_data(void *arg, struct slice bytes)
{
	struct dial *d = arg;

	copy(d->client, d->pod, bytes);
}

static void pod_data(void *arg, struct slice bytes)
{
	struct dial *d = arg;

	copy(d->pod, d->client, bytes);
}

static void resume(struct stream *s)
{
	if (s) {
		stream_resume(s);
	}
}

static void client_drain(void *arg)
{
	resume(((struct dial *)arg)->pod);
}

static void pod_drain(void *arg)
{
	resume(((struct dial *)arg)->client);
}

static void end(struct stream *s)
{
	if (s) {
		stream_end(s);
	}
}

static void client_end(void *arg)
{
	end(((struct dial *)arg)->pod);
}

static void pod_end(void *arg)
{
	end(((struct dial *)arg)->client);
}

static void side_closed(struct dial *d, struct stream *other)
{
	if (other) {
		stream_close(other);
	} else {
		dial_free(d);
	}
}

static void client_close(void *arg, const struct err *why)
{
	struct dial *d = arg;

	(void)why;
	d->client = NULL;
	side_closed(d, d->pod);
}

static void pod_close(void *arg, const struct err *why)
{
	struct dial *d = arg;

	(void)why;
	d->pod = NULL;
	side_closed(d, d->client);
}

static const struct stream_events client_events = { client_data, client_end, client_drain,
	                                            client_close };
static const struct stream_events pod_events = { pod_data, pod_end, pod_drain, pod_close };

/* ---- opening ---- */

static void on_open(void *arg, const struct err *why)
{
	struct dial *d = arg;
	struct http_request *r = take(d->r);

	if (why) {
		if (r) {
			r->on_gone = NULL;
			server_refuse(r, 503, "ServiceUnavailable", "dial tcp %s: %s", d->to,
			              why->msg);
		}
		dial_free(d);
		return;
	}
	if (r) {
		r->on_gone = NULL;
		d->client = http_upgrade(r, "tcp", NULL, &client_events, d);
	}
	if (!d->client) {
		stream_close(d->pod);
	}
}

static void on_gone(struct http_request *r)
{
	struct dial *d = r->user;

	d->r = NULL;
	stream_close(d->pod);
}

static bool read_target(struct http_request *r, const struct val *pod, struct stream_target *ret)
{
	uint64_t port;

	if (!ip_parse(val_str(val_path(pod, "status.podIP")), &ret->ip)) {
		server_refuse(r, 503, "ServiceUnavailable", "pod has no address");
		return false;
	}
	if (!slice_to_u64(http_query_get(&r->arena, r->query, "port", 0), &port) || port == 0 ||
	    port > UINT16_MAX) {
		server_refuse(r, 400, "BadRequest", "port is a number from 1 to 65535");
		return false;
	}
	ret->port = (uint16_t)port;
	return true;
}

void dial_serve(struct server *s, struct http_request *r, const struct server_target *t)
{
	struct stream_target to = { 0 };
	struct dial *d;
	struct err err;
	char ip[IP_TEXT_SIZE];

	if (!r->wants_upgrade) {
		server_refuse(r, 400, "BadRequest", "Upgrade request required");
		return;
	}
	if (!read_target(r, t->view.doc->root, &to)) {
		return;
	}
	d = NEW(struct dial);
	d->r = r;
	d->to = mem_printf(to.ip.family == IP_V6 ? "[%s]:%u" : "%s:%u", ip_format(to.ip, ip),
	                   to.port);
	if (query_flag(&r->arena, r->query, "tls")) {
		if (tls_client_new(&(struct tls_client_config){ .insecure = true }, &d->tls, &err) <
		    0) {
			server_refuse_err(r, &err);
			dial_free(d);
			return;
		}
		to.tls = d->tls;
	}
	r->user = d;
	r->on_gone = on_gone;
	d->pod = stream_connect(s->agent->loop, &to, on_open, &pod_events, d);
}
