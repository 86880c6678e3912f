/* Why: the port that probes and Prometheus ask: /healthz and /metrics. See ingress-priv.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "edge/ingress-priv.h"

static void healthz(const struct ingress *in, struct http_request *r)
{
	const char *wrong = in->stopping  ? "the ingress controller is shutting down\n"
	                    : !in->synced ? "not synced yet\n"
	                    : !engine_is_serving(in->engine) ? "nginx is not running\n"
	                                                     : NULL;

	http_reply(r, wrong ? 500 : 200, "text/plain", NULL, slice_of(wrong ? wrong : "ok\n"));
}

struct metrics {
	struct ingress *in;
	struct http_request *request; /* null: the client has gone */
};

static void on_gone(struct http_request *r)
{
	((struct metrics *)r->user)->request = NULL;
}

static void on_nginx_metrics(void *arg, const struct slice *body)
{
	struct metrics *m = arg;
	scoped_strbuf struct strbuf text = { 0 };

	if (m->request) {
		strbuf_addf(&text,
		            "# TYPE nginx_ingress_controller_config_last_reload_successful gauge\n"
		            "nginx_ingress_controller_config_last_reload_successful %d\n"
		            "# TYPE nginx_ingress_controller_success counter\n"
		            "nginx_ingress_controller_success %u\n",
		            engine_last_was_good(m->in->engine), engine_reloads(m->in->engine));
		if (body) {
			strbuf_add_slice(&text, *body);
		}
		http_reply(m->request, 200, "text/plain; version=0.0.4", NULL, strbuf_slice(&text));
	}
	free(m);
}

static void on_request(void *arg, struct http_request *r)
{
	struct ingress *in = arg;

	if (slice_is(r->path, "/healthz")) {
		healthz(in, r);
	} else if (slice_is(r->path, "/metrics")) {
		struct metrics *m = NEW(struct metrics);

		*m = (struct metrics){ in, r };
		r->user = m;
		r->on_gone = on_gone;
		engine_ask(in->engine, "/metrics", on_nginx_metrics, m);
	} else {
		http_reply(r, 404, "text/plain", NULL, SLICE("not found\n"));
	}
}

int ingress_health_start(struct ingress *in, struct err *err)
{
	struct sockaddr_storage sa;
	struct ip ip;
	socklen_t len;
	int on = 1;

	if (!ip_parse(slice_of(in->o.health_host), &ip)) {
		return err_raise(err, ERR_USAGE, "--healthz-host %s is no address",
		                 in->o.health_host);
	}
	len = ip_to_sockaddr(ip, in->o.health_port, &sa);
	scoped_fd int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0) {
		return err_sys(err, "socket");
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, 128) < 0) {
		return err_sys(err, "listen on health port %u", in->o.health_port);
	}
	in->health = http_server_new(
		in->loop, &(struct http_server_config){
				  .on_request = on_request, .arg = in, .name = "health" });
	return http_server_listen(in->health, take_fd(&fd), err);
}
