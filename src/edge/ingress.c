/* Why: the role: options, replicas, signals and the order of start and stop. See ingress.h.
 *
 * Rights: any user; the low ports by CAP_NET_BIND_SERVICE or the pod's sysctl. It reads the Secrets
 * that its Ingresses name and no other; nginx sees only certificates and password files made of
 * them. */
#include "edge/ingress.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "edge/ingress-priv.h"

/* ---- options ---- */

static bool read_port(const char *text, uint16_t *ret)
{
	uint64_t n;

	if (!slice_to_u64(slice_of(text), &n) || n == 0 || n > 65535) {
		return false;
	}
	*ret = (uint16_t)n;
	return true;
}

static bool read_seconds(const char *text, int64_t *ret_us)
{
	int64_t n;

	if (!slice_to_i64(slice_of(text), &n) || n < 0 || n > 86400) {
		return false;
	}
	*ret_us = n * US_PER_S;
	return true;
}

static bool read_reference(const char *text, struct slice *ns, struct slice *name)
{
	return slice_cut(slice_of(text), '/', ns, name) && ns->len && name->len;
}

static bool is_plain_path(const char *path)
{
	return path[0] == '/' &&
	       strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                    "/._-") == strlen(path);
}

/* Options of ingress-nginx that mean nothing here: there is no election, and no webhook. */
static bool is_ignored(const char *name)
{
	static const char *const names[] = { "--election-id", "--v", "--enable-metrics",
		                             "--ingress-class-by-name",
		                             "--enable-leader-election" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(name, names[i]) == 0) {
			return true;
		}
	}
	return false;
}

static int take_option(struct ingress_options *o, const char *name, const char *value,
                       struct err *err)
{
	const struct {
		const char *name;
		const char **to;
	} texts[] = { { "--kubeconfig", &o->kubeconfig },
		      { "--work-dir", &o->work_dir },
		      { "--nginx", &o->nginx },
		      { "--ingress-class", &o->class_name },
		      { "--controller-class", &o->controller },
		      { "--watch-namespace", &o->watch_namespace },
		      { "--healthz-host", &o->health_host } };
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (strcmp(name, texts[i].name) == 0) {
			*texts[i].to = value;
			return 0;
		}
	}
	if (strcmp(name, "--http-port") == 0) {
		good = read_port(value, &o->http_port);
	} else if (strcmp(name, "--https-port") == 0) {
		good = read_port(value, &o->https_port);
	} else if (strcmp(name, "--healthz-port") == 0) {
		good = read_port(value, &o->health_port);
	} else if (strcmp(name, "--publish-service") == 0) {
		good = read_reference(value, &o->publish_ns, &o->publish);
	} else if (strcmp(name, "--configmap") == 0) {
		good = read_reference(value, &o->config_ns, &o->config);
	} else if (strcmp(name, "--default-ssl-certificate") == 0) {
		good = read_reference(value, &o->cert_ns, &o->cert);
	} else if (strcmp(name, "--shutdown-grace-period") == 0) {
		good = read_seconds(value, &o->grace_us);
	} else if (strcmp(name, "--reload-gap") == 0) {
		good = read_seconds(value, &o->reload_gap_us);
	} else if (strcmp(name, "--watch-ingress-without-class") == 0) {
		o->without_class = strcmp(value, "false") != 0;
	} else if (!is_ignored(name)) {
		return err_raise(err, ERR_USAGE, "unknown option %s", name);
	}
	return good ? 0 : err_raise(err, ERR_USAGE, "%s: %s cannot be used", name, value);
}

/* Both "--name=value" and "--name value"; a name alone is true. Texts are borrowed from argv. */
static int parse_options(int argc, char **argv, struct ingress_options *o, struct err *err)
{
	for (int i = 1; i < argc; i++) {
		char *equals = strchr(argv[i], '=');
		const char *value = equals ? equals + 1 : "true";
		int r;

		if (equals) {
			*equals = '\0';
		} else if (i + 1 < argc && argv[i + 1][0] != '-') {
			r = take_option(o, argv[i], argv[i + 1], err);
			if (r < 0) {
				return r;
			}
			i++;
			continue;
		}
		r = take_option(o, argv[i], value, err);
		if (r < 0) {
			return r;
		}
	}
	if (!is_plain_path(o->work_dir)) {
		return err_raise(err, ERR_USAGE,
		                 "--work-dir %s has to be absolute and of plain characters",
		                 o->work_dir);
	}
	return 0;
}

/* ---- objects ---- */

static void on_changed(void *arg, const struct doc *old, const struct doc *now)
{
	(void)old;
	(void)now;
	ingress_sync_soon(arg);
}

static void on_synced(void *arg)
{
	ingress_sync_soon(arg);
}

static void on_network_changed(void *arg, const struct doc *old, const struct doc *now)
{
	struct ingress *in = arg;

	if (now) {
		model_put(in->model, now);
	} else {
		model_remove(in->model, old);
	}
	if (in->synced) {
		ingress_endpoints_soon(in);
	}
}

static bool is_published(const struct ingress *in, const struct doc *d)
{
	return d && slice_eq(val_str(val_path(d->root, "metadata.name")), in->o.publish) &&
	       slice_eq(val_str(val_path(d->root, "metadata.namespace")), in->o.publish_ns);
}

static void on_service_changed(void *arg, const struct doc *old, const struct doc *now)
{
	struct ingress *in = arg;

	on_network_changed(arg, old, now);
	/* One that comes or goes may settle or cause a complaint. */
	if (!old || !now || is_published(in, now)) {
		ingress_sync_soon(in);
	}
}

static struct replica *watch(struct ingress *in, const char *api, const char *plural,
                             const char *ns, const char *field_selector,
                             void (*changed)(void *arg, const struct doc *old,
                                             const struct doc *now))
{
	return replica_new(in->client, &(struct replica_spec){ .api_version = api,
	                                                       .plural = plural,
	                                                       .ns = ns,
	                                                       .field_selector = field_selector,
	                                                       .changed = changed,
	                                                       .synced = on_synced,
	                                                       .arg = in });
}

static void watch_all(struct ingress *in)
{
	in->ingresses = watch(in, "networking.k8s.io/v1", "ingresses", in->o.watch_namespace, NULL,
	                      on_changed);
	in->classes = watch(in, "networking.k8s.io/v1", "ingressclasses", NULL, NULL, on_changed);
	in->services = watch(in, "v1", "services", NULL, NULL, on_service_changed);
	in->slices =
		watch(in, "discovery.k8s.io/v1", "endpointslices", NULL, NULL, on_network_changed);
	if (in->o.config.len) {
		scoped_free char *ns = slice_dup(in->o.config_ns);
		scoped_free char *selector =
			mem_printf("metadata.name=" SLICE_FMT, SLICE_ARG(in->o.config));

		in->config = watch(in, "v1", "configmaps", ns, selector, on_changed);
	}
}

/* ---- nginx ---- */

static void on_serving(void *arg, unsigned generation)
{
	struct ingress *in = arg;

	log_info("Configuration is served generation=%u hosts=%zu", generation,
	         in->routes.n_servers);
	ingress_sync_served(in, generation);
	ingress_endpoints_soon(in); /* drops what only the old one named */
}

/* ---- the end ---- */

static void on_nginx_gone(void *arg)
{
	struct ingress *in = arg;

	loop_stop(in->loop);
}

static void on_drain(void *arg, const struct slice *body)
{
	(void)arg;
	(void)body; /* best effort: without it clients meet a closed connection and ask again */
}

static void on_grace(struct loop_timer *t)
{
	struct ingress *in = container_of(t, struct ingress, grace);

	log_info("nginx finishes its requests");
	engine_quit(in->engine, on_nginx_gone, in);
}

static void on_signal(void *arg, int signum)
{
	struct ingress *in = arg;

	(void)signum;
	if (!in->stopping) {
		log_info("Stopping in %lld s", (long long)(in->o.grace_us / US_PER_S));
		in->stopping = true;
		if (engine_is_serving(in->engine)) {
			engine_ask(in->engine, "/drain", on_drain, in);
		}
		loop_timer_start(in->loop, &in->grace, in->o.grace_us, on_grace);
	}
}

static void fini(struct ingress *in)
{
	loop_timer_stop(&in->grace);
	ingress_sync_fini(in);
	ingress_status_fini(in);
	in->engine = engine_free(in->engine);
	http_server_free(in->health);
	replica_free(in->ingresses);
	replica_free(in->classes);
	replica_free(in->services);
	replica_free(in->slices);
	replica_free(in->config);
	recorder_free(in->recorder);
	client_free(in->client);
	model_free(in->model);
}

/* ---- the start ---- */

static bool can_open_stdout(void)
{
	int fd = open("/dev/stdout", O_WRONLY | O_APPEND | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
	}
	return fd >= 0;
}

/* Name servers for what nginx has to resolve by itself (auth-url). */
static void read_resolver(struct strbuf *out)
{
	scoped_file FILE *f = fopen("/etc/resolv.conf", "re");
	char line[512], text[IP_TEXT_SIZE];
	struct ip ip;

	while (f && fgets(line, sizeof(line), f)) {
		struct slice s = slice_trim(slice_of(line));

		if (slice_has_prefix(s, SLICE("nameserver ")) &&
		    ip_parse(slice_trim(slice_from(s, sizeof("nameserver ") - 1)), &ip)) {
			strbuf_addf(out, ip.family == IP_V6 ? "%s[%s]" : "%s%s",
			            out->size ? " " : "", ip_format(ip, text));
		}
	}
}

static int start(struct ingress *in, struct err *err)
{
	const struct engine_config ec = { .loop = in->loop,
		                          .nginx = in->o.nginx,
		                          .dir = in->o.work_dir,
		                          .reload_gap_us = in->o.reload_gap_us,
		                          .refused = ingress_sync_refused,
		                          .serving = on_serving,
		                          .arg = in };
	int r = client_new(in->loop, in->o.kubeconfig, "nginx-ingress-controller", &in->client,
	                   err);

	if (r == 0) {
		r = ingress_sync_init(in, err);
	}
	if (r == 0) {
		r = engine_new(&ec, &in->engine, err);
	}
	if (r == 0) {
		r = ingress_health_start(in, err);
	}
	if (r == 0) {
		r = loop_on_signal(in->loop, SIGTERM, on_signal, in, err);
	}
	if (r == 0) {
		r = loop_on_signal(in->loop, SIGINT, on_signal, in, err);
	}
	if (r < 0) {
		return r;
	}
	/* Workers whose master was killed become our children, so that they can be ended and
	 * reaped. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	read_resolver(&in->resolver);
	in->can_log = can_open_stdout();
	if (!in->can_log) {
		log_odd("Standard output cannot be opened: requests are not logged");
	}
	in->model = model_new();
	in->recorder = recorder_new(in->client, "nginx-ingress-controller", NULL);
	watch_all(in);
	return 0;
}

int ingress_main(int argc, char **argv)
{
	struct ingress in = { .o = { .work_dir = "/tmp/nginx",
		                     .nginx = "/usr/sbin/nginx",
		                     .class_name = "nginx",
		                     .controller = "k8s.io/ingress-nginx",
		                     .health_host = "0.0.0.0",
		                     .http_port = 80,
		                     .https_port = 443,
		                     .health_port = 10254,
		                     .reload_gap_us = US_PER_S } };
	struct err err = { 0 };
	int r = parse_options(argc, argv, &in.o, &err);

	log_init("ingress", LOG_INFO);
	if (r == 0) {
		in.loop = loop_new();
		r = start(&in, &err);
		if (r == 0) {
			loop_run(in.loop);
		}
		fini(&in);
		loop_run_once(in.loop); /* connections are freed by the turn after their end */
		loop_free(in.loop);
	}
	if (r < 0) {
		log_broken("Ingress controller stops: %s", err.msg);
		return err_code_exit(err.code);
	}
	return 0;
}
