/* Why: the role: replicas of what names are made of feed the model, the server answers from it.
 *
 *     start -> SERVFAIL, not ready -> all replicas synced: ready -> SIGTERM: not ready, still
 * answering
 *           -> after the lameduck time: what is queued is answered, then exit */
#include "dns/dns.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "client/client.h"
#include "dns/corefile.h"
#include "dns/health.h"
#include "dns/server.h"

#define DRAIN_STEP_US    20000       /* us between looks whether anybody still waits */
#define RESOLV_CONF_SIZE (64u << 10) /* bytes that are read of it */

struct options {
	const char *kubeconfig, *domain, *resolv_conf;
	struct upstream upstreams[FORWARD_SERVERS];
	size_t n_upstreams;
	struct ip address;
	uint16_t port, public_port, ports[3]; /* health, ready, metrics */
	int64_t lameduck_us;
	bool help;
};

/* What names are made of. Pods are not: their names say the address (as CoreDNS's 'pods insecure').
 */
static const struct {
	const char *api_version, *plural;
	bool only_public; /* nobody inside asks for its names */
} kinds[] = {
	{ "v1", "namespaces" },
	{ "v1", "services" },
	{ "discovery.k8s.io/v1", "endpointslices" },
	{ "networking.k8s.io/v1", "ingresses", .only_public = true },
	{ "rds.services.k8s.aws/v1alpha1", "dbinstances" },
	{ "elasticache.services.k8s.aws/v1alpha1", "cacheclusters" },
};

struct role {
	struct loop *loop;
	struct model *model;
	struct client *client;
	struct replica *replicas[ARRAY_SIZE(kinds)];
	struct replica *pods;          /* null until search paths are to be walked */
	struct replica *configuration; /* the ConfigMap with the Corefile; nobody waits for it */
	const struct options *options;
	struct dns_server *server;
	struct dns_health *health;
	struct loop_timer lameduck;
	int64_t lameduck_us;
	int64_t drained_us; /* when the wait for upstream ends; 0: not begun */
	uint64_t names;     /* version of MODEL_NAMES that the serial stands for */
	bool synced, leaving;
};

/* ---- options ---- */

static const char usage[] =
	"Usage: kennel dns [OPTIONS]\n"
	"\n"
	"Answers the cluster's names from the API server's objects over UDP and TCP, and forwards "
	"all others.\n"
	"\n"
	"  --kubeconfig FILE      credentials; without it those of the pod's service account\n"
	"  --cluster-domain NAME  the cluster's zone (cluster.local)\n"
	"  --upstream ADDR[:PORT] where other names are asked, may be repeated; without it:\n"
	"  --resolv-conf FILE     the servers named there (/etc/resolv.conf)\n"
	"  --address ADDR         address to listen on (all, IPv6 too where there is)\n"
	"  --port N               port for DNS (53)\n"
	"  --public-port N        port for who asks from outside the cluster: names of Ingress "
	"hosts\n"
	"                         and load balancers (0: none)\n"
	"  --health-port N        port for /health (8080), 0: none\n"
	"  --ready-port N         port for /ready (8181), 0: none\n"
	"  --metrics-port N       port for /metrics (9153), 0: none\n"
	"  --lameduck SECONDS     how long to go on answering after SIGTERM (5)\n"
	"  --help                 this text\n";

enum {
	OPT_KUBECONFIG = 256,
	OPT_DOMAIN,
	OPT_UPSTREAM,
	OPT_RESOLV_CONF,
	OPT_ADDRESS,
	OPT_PORT,
	OPT_PUBLIC,
	OPT_HEALTH,
	OPT_READY,
	OPT_METRICS,
	OPT_LAMEDUCK,
	OPT_HELP,
};

static int read_port(const char *text, uint16_t least, uint16_t *ret, struct err *err)
{
	uint64_t n;

	if (!slice_to_u64(slice_of(text), &n) || n > UINT16_MAX || n < least) {
		return err_raise(err, ERR_INVALID,
		                 "\"%s\" is no port: give a number from %u to 65535", text, least);
	}
	*ret = (uint16_t)n;
	return 0;
}

static int add_upstream(struct options *o, const char *text, struct err *err)
{
	if (o->n_upstreams == FORWARD_SERVERS) {
		return err_raise(err, ERR_LIMIT, "more than %u upstream servers: leave some out",
		                 FORWARD_SERVERS);
	}
	if (!upstream_parse(slice_of(text), &o->upstreams[o->n_upstreams])) {
		return err_raise(err, ERR_INVALID,
		                 "\"%s\" is no server: give ADDRESS or ADDRESS:PORT", text);
	}
	o->n_upstreams++;
	return 0;
}

static int read_lameduck(struct options *o, const char *text, struct err *err)
{
	uint64_t s;

	if (!slice_to_u64(slice_of(text), &s) || s > 3600) {
		return err_raise(err, ERR_INVALID, "\"%s\" is no time: give seconds from 0 to 3600",
		                 text);
	}
	o->lameduck_us = (int64_t)s * US_PER_S;
	return 0;
}

static int read_option(struct options *o, int c, const char *value, struct err *err)
{
	switch (c) {
	case OPT_KUBECONFIG:
		o->kubeconfig = value;
		return 0;
	case OPT_DOMAIN:
		o->domain = value;
		return 0;
	case OPT_UPSTREAM:
		return add_upstream(o, value, err);
	case OPT_RESOLV_CONF:
		o->resolv_conf = value;
		return 0;
	case OPT_ADDRESS:
		if (!ip_parse(slice_of(value), &o->address)) {
			return err_raise(err, ERR_INVALID, "\"%s\" is no address", value);
		}
		return 0;
	case OPT_PORT:
		return read_port(value, 1, &o->port, err);
	case OPT_PUBLIC:
		return read_port(value, 0, &o->public_port, err);
	case OPT_HEALTH:
	case OPT_READY:
	case OPT_METRICS:
		return read_port(value, 0, &o->ports[c - OPT_HEALTH], err);
	case OPT_LAMEDUCK:
		return read_lameduck(o, value, err);
	case OPT_HELP:
		o->help = true;
		return 0;
	}
	return err_raise(err, ERR_INVALID,
	                 "unknown option or missing value; see kennel dns --help");
}

static int read_options(struct options *o, int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {
		{ "kubeconfig", required_argument, NULL, OPT_KUBECONFIG },
		{ "cluster-domain", required_argument, NULL, OPT_DOMAIN },
		{ "upstream", required_argument, NULL, OPT_UPSTREAM },
		{ "resolv-conf", required_argument, NULL, OPT_RESOLV_CONF },
		{ "address", required_argument, NULL, OPT_ADDRESS },
		{ "port", required_argument, NULL, OPT_PORT },
		{ "public-port", required_argument, NULL, OPT_PUBLIC },
		{ "health-port", required_argument, NULL, OPT_HEALTH },
		{ "ready-port", required_argument, NULL, OPT_READY },
		{ "metrics-port", required_argument, NULL, OPT_METRICS },
		{ "lameduck", required_argument, NULL, OPT_LAMEDUCK },
		{ "help", no_argument, NULL, OPT_HELP },
		{ 0 },
	};
	int c, r;

	*o = (struct options){
		.resolv_conf = "/etc/resolv.conf",
		.port = 53,
		.ports = { 8080, 8181, 9153 },
		.lameduck_us = LAMEDUCK_US,
	};
	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		r = read_option(o, c, optarg, err);
		if (r < 0) {
			return r;
		}
	}
	return optind == argc ? 0
	                      : err_raise(err, ERR_INVALID, "\"%s\" is not expected", argv[optind]);
}

/* The pod has dnsPolicy Default: its resolv.conf is the node's. */
static void read_resolv_conf(struct options *o)
{
	scoped_fd int fd = open(o->resolv_conf, O_RDONLY | O_CLOEXEC);
	scoped_free char *text = mem_alloc(RESOLV_CONF_SIZE);
	ssize_t n = fd >= 0 ? read(fd, text, RESOLV_CONF_SIZE) : -1;

	if (n < 0) {
		log_odd("Upstream servers cannot be read file=%s: %s", o->resolv_conf,
		        strerror(errno));
		return;
	}
	o->n_upstreams = resolv_parse((struct slice){ text, (size_t)n }, o->upstreams);
}

/* ---- replicas ---- */

static void set_ready(struct role *r)
{
	dns_health_set_ready(r->health, r->synced && !r->leaving);
}

static void on_changed(void *arg, const struct doc *old, const struct doc *now)
{
	struct role *r = arg;

	if (now) {
		model_put(r->model, now);
	} else {
		model_remove(r->model, old);
	}
	if (model_version(r->model, MODEL_NAMES) != r->names) {
		r->names = model_version(r->model, MODEL_NAMES);
		dns_server_set_serial(r->server, (uint32_t)(clock_wall_us() / US_PER_S));
	}
}

static bool is_needed(const struct role *r, size_t kind)
{
	return !kinds[kind].only_public || r->options->public_port;
}

static void on_synced(void *arg)
{
	struct role *r = arg;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (is_needed(r, i) && (!r->replicas[i] || !replica_is_synced(r->replicas[i]))) {
			return;
		}
	}
	if (!r->synced) {
		log_info("Ready services=%zu endpointslices=%zu", replica_count(r->replicas[1]),
		         replica_count(r->replicas[2]));
	}
	r->synced = true;
	dns_server_set_synced(r->server, true);
	set_ready(r);
}

/* ---- where others are asked ---- */

/* All names, of the servers that the options or the node's resolv.conf name. */
static struct forward_zone usual_zone(const struct options *o)
{
	struct forward_zone z = { .n = o->n_upstreams }; /* a name of no labels: the root */

	memcpy(z.servers, o->upstreams, o->n_upstreams * sizeof(*o->upstreams));
	return z;
}

static void nothing(void *arg)
{
	(void)arg;
}

/* Whose address asks is known from pods, which are not watched before. */
static void set_autopath(struct role *r, bool on)
{
	if (on && !r->pods) {
		r->pods = replica_new(r->client, &(struct replica_spec){ .api_version = "v1",
		                                                         .plural = "pods",
		                                                         .changed = on_changed,
		                                                         .synced = nothing,
		                                                         .arg = r });
	}
	dns_server_set_autopath(r->server, on);
}

/* What cannot be read changes nothing, as with CoreDNS's reload. */
static void on_configuration(void *arg, const struct doc *old, const struct doc *now)
{
	struct role *r = arg;
	scoped_arena struct arena a = { 0 };
	struct slice text = now ? val_get_str(val_get(now->root, "data"), "Corefile") : SLICE("");
	struct forward_zone usual = usual_zone(r->options);
	struct corefile c;
	struct err err;

	(void)old;
	if (!text.len) {
		dns_server_set_zones(r->server, &usual, 1);
		dns_server_set_autopath(r->server, false);
		return;
	}
	if (corefile_parse(&a, text, r->options->upstreams, r->options->n_upstreams, &c, &err) <
	    0) {
		log_odd("The Corefile of ConfigMap kube-system/coredns is not followed: %s",
		        err.msg);
		return;
	}
	for (size_t i = 0; i < c.notes.n; i++) {
		log_odd("Corefile of ConfigMap kube-system/coredns: %s", c.notes.at[i]);
	}
	log_info("Corefile followed zones=%zu", c.zones.n);
	dns_server_set_zones(r->server, c.zones.at, c.zones.n);
	set_autopath(r, c.autopath);
	corefile_fini(&c);
}

static void start_replicas(struct role *r)
{
	const struct replica_spec configuration = { .api_version = "v1",
		                                    .plural = "configmaps",
		                                    .ns = "kube-system",
		                                    .field_selector = "metadata.name=coredns",
		                                    .changed = on_configuration,
		                                    .synced = nothing,
		                                    .arg = r };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct replica_spec s = { .api_version = kinds[i].api_version,
			                  .plural = kinds[i].plural,
			                  .changed = on_changed,
			                  .synced = on_synced,
			                  .arg = r };

		r->replicas[i] = is_needed(r, i) ? replica_new(r->client, &s) : NULL;
	}
	r->configuration = replica_new(r->client, &configuration);
}

/* ---- leaving ---- */

/* Nobody new is awaited; those who wait for upstream still get their answer. */
static void lameduck_over(struct loop_timer *t)
{
	struct role *r = container_of(t, struct role, lameduck);

	if (!r->drained_us) {
		r->drained_us = loop_now_us(r->loop) + DRAIN_US;
	}
	if (!dns_server_pending(r->server) || loop_now_us(r->loop) >= r->drained_us) {
		loop_stop(r->loop);
	} else {
		loop_timer_start(r->loop, t, DRAIN_STEP_US, lameduck_over);
	}
}

/* Clients learn only after a while that this server goes; until then it answers. A second signal
 * does not wait. */
static void on_signal(void *arg, int signum)
{
	struct role *r = arg;

	log_info("Leaving signal=%d lameduck_s=%lld", signum,
	         (long long)(r->lameduck_us / US_PER_S));
	if (r->leaving) {
		loop_stop(r->loop);
		return;
	}
	r->leaving = true;
	set_ready(r);
	loop_timer_start(r->loop, &r->lameduck, r->lameduck_us, lameduck_over);
}

/* ---- life ---- */

static int start(struct role *r, const struct options *o, struct err *err)
{
	struct forward_zone usual = usual_zone(o);
	struct dns_server_config server = {
		.zones = &usual,
		.n_zones = 1,
		.address = o->address,
		.port = o->port,
		.public_port = o->public_port,
	};
	struct dns_health_config health = { .address = o->address };
	int e;

	r->loop = server.loop = health.loop = loop_new();
	r->model = model_new();
	server.model = r->model;
	r->lameduck_us = o->lameduck_us;
	r->options = o;
	if (o->domain) {
		model_set_cluster_domain(r->model, slice_of(o->domain));
	}
	memcpy(health.ports, o->ports, sizeof(health.ports));
	e = dns_server_new(&server, &r->server, err);
	if (e < 0) {
		return e;
	}
	health.server = r->server;
	e = dns_health_new(&health, &r->health, err);
	e = e < 0 ? e : loop_on_signal(r->loop, SIGTERM, on_signal, r, err);
	e = e < 0 ? e : loop_on_signal(r->loop, SIGINT, on_signal, r, err);
	e = e < 0 ? e : client_new(r->loop, o->kubeconfig, "kennel-dns", &r->client, err);
	if (e == 0) {
		start_replicas(r);
	}
	return e;
}

static void stop(struct role *r)
{
	loop_timer_stop(&r->lameduck);
	r->server = dns_server_free(r->server);
	r->health = dns_health_free(r->health);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		r->replicas[i] = replica_free(r->replicas[i]);
	}
	r->configuration = replica_free(r->configuration);
	r->pods = replica_free(r->pods);
	r->client = client_free(r->client);
	r->model = model_free(r->model);
	loop_run_once(r->loop); /* connections are freed at the end of a turn */
	r->loop = loop_free(r->loop);
}

int dns_main(int argc, char **argv)
{
	struct role role = { 0 };
	struct err err = { 0 };
	struct options o;
	int r;

	log_init("dns", LOG_INFO);
	r = read_options(&o, argc, argv, &err);
	if (r < 0) {
		fprintf(stderr, "kennel dns: %s\n", err.msg);
		return 2;
	}
	if (o.help) {
		fputs(usage, stdout);
		return 0;
	}
	if (!o.n_upstreams) {
		read_resolv_conf(&o);
	}
	if (!o.n_upstreams) {
		log_odd("No upstream server: names outside the cluster get SERVFAIL");
	}
	r = start(&role, &o, &err);
	if (r < 0) {
		log_broken("Cannot serve: %s", err.msg);
	} else {
		log_info("Listening port=%u upstreams=%zu", dns_server_port(role.server),
		         o.n_upstreams);
		loop_run(role.loop);
	}
	stop(&role);
	return r < 0 ? 1 : 0;
}
