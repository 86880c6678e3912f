/* Why: joins the parts of the node role; see node.h.
 *
 * Rights: root. It makes namespaces, mounts and control groups for pods, starts crun, writes the
 * packet rules, and reads the kubelet's socket, which only the API server may open. */
#include "node/node.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/cgroup2.h"
#include "node/agent.h"
#include "node/builtin.h"
#include "node/cloud.h"
#include "node/file.h"
#include "node/log-rotation.h"
#include "node/managed.h"
#include "node/pods-priv.h"
#include "node/registration.h"
#include "node/server.h"

enum { POD_RANGE_LEN = 24 }; /* what the last byte of an address tells apart (pod-priv.h) */

struct role {
	struct agent agent;
	struct registration *registration;
	struct log_rotation *rotation;
	struct server *server;
	struct managed *managed;
	struct loop_timer sync_again;
	int vpc_ns, node_ns, host_ns;
	char *exe, *pods_dir, *instance_dir, *run_dir, *cgroup; /* owned */
};

/* ---- options ---- */

struct options {
	const char *name, *home, *kubeconfig, *service_dataplane;
	const char *role, *node; /* name of this role, and of the Node object */
	const char *region, *zone;
	struct ip_pair addresses; /* the second of both: none, unless both families are carried */
	struct prefix pods[2];
	bool leads;
	uid_t api_uid;
};

/* "10.244.0.0/24" or "10.244.0.0/24,fd00:10:244::/64" */
static int parse_pods(struct options *o, struct slice text, struct err *err)
{
	struct slice v4, v6;
	bool two = slice_cut(text, ',', &v4, &v6);

	if (!prefix_parse(two ? v4 : text, &o->pods[0]) || o->pods[0].ip.family != IP_V4 ||
	    o->pods[0].len != POD_RANGE_LEN) {
		return err_raise(err, ERR_USAGE,
		                 "--pods " SLICE_FMT ": not a /24 of IPv4 addresses",
		                 SLICE_ARG(text));
	}
	if (two && (!prefix_parse(v6, &o->pods[1]) || o->pods[1].ip.family != IP_V6)) {
		return err_raise(err, ERR_USAGE, "--pods " SLICE_FMT ": no range of IPv6 addresses",
		                 SLICE_ARG(text));
	}
	return 0;
}

static int parse_option(struct options *o, int c, struct err *err)
{
	int64_t uid = 0;

	switch (c) {
	case 'n':
		o->name = optarg;
		return 0;
	case 'h':
		o->home = optarg;
		return 0;
	case 'k':
		o->kubeconfig = optarg;
		return 0;
	case 'r':
		o->role = optarg;
		return 0;
	case 'o':
		o->node = optarg;
		return 0;
	case 'g':
		o->region = optarg;
		return 0;
	case 'z':
		o->zone = optarg;
		return 0;
	case 'l':
		o->leads = true;
		return 0;
	case 's':
		o->service_dataplane = optarg;
		return 0;
	case 'a':
		return ip_pair_parse(slice_of(optarg), &o->addresses)
		               ? 0
		               : err_raise(err, ERR_USAGE, "--address %s: no address", optarg);
	case 'p':
		return parse_pods(o, slice_of(optarg), err);
	case 'u':
		if (!slice_to_i64(slice_of(optarg), &uid) || uid < 0) {
			return err_raise(err, ERR_USAGE, "--api-uid takes a number");
		}
		o->api_uid = (uid_t)uid;
		return 0;
	default:
		return err_raise(err, ERR_USAGE, "unknown option");
	}
}

static int parse_options(int argc, char **argv, struct options *o, struct err *err)
{
	static const struct option longs[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "home", required_argument, NULL, 'h' },
		{ "kubeconfig", required_argument, NULL, 'k' },
		{ "api-uid", required_argument, NULL, 'u' },
		{ "service-dataplane", required_argument, NULL, 's' },
		{ "role", required_argument, NULL, 'r' },
		{ "node", required_argument, NULL, 'o' },
		{ "address", required_argument, NULL, 'a' },
		{ "pods", required_argument, NULL, 'p' },
		{ "region", required_argument, NULL, 'g' },
		{ "zone", required_argument, NULL, 'z' },
		{ "lead", no_argument, NULL, 'l' },
		{ 0 },
	};
	int c, r = 0;

	*o = (struct options){ .name = "kennel", .role = "node", .service_dataplane = "auto" };
	optind = 1;
	while (r == 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		r = parse_option(o, c, err);
	}
	if (r < 0) {
		return r;
	}
	if (!o->home || o->home[0] != '/' || !o->kubeconfig || !o->addresses.at[0].family ||
	    !o->pods[0].ip.family || !o->addresses.at[1].family != !o->pods[1].ip.family) {
		return err_raise(err, ERR_USAGE,
		                 "needs --name N --home H --kubeconfig F --api-uid U --role R "
		                 "--node N --address A --pods P; knows --region R --zone Z --lead");
	}
	o->node = o->node ? o->node : o->name;
	return 0;
}

/* ---- keeping the kernel in step ---- */

static void on_sync_again(struct loop_timer *t)
{
	agent_sync(&container_of(t, struct role, sync_again)->agent);
}

static void on_sync(struct loop_defer *d)
{
	struct agent *a = container_of(d, struct agent, sync);
	struct role *r = container_of(a, struct role, agent);
	struct err err = { 0 };

	if (!a->model_is_complete) {
		return;
	}
	if (dataplane_sync(a->dataplane, &err) < 0) {
		log_odd("Network rules were not brought up to date and are tried again error=%s",
		        err.msg);
		loop_timer_start(a->loop, &r->sync_again, US_PER_S, on_sync_again);
	}
}

void agent_sync(struct agent *a)
{
	loop_defer(a->loop, &a->sync, on_sync);
}

/* ---- parts ---- */

static int open_namespace(const struct role *r, const char *name, int *ret_fd, struct err *err)
{
	scoped_free char *path = mem_printf("%s/netns/%s", r->instance_dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		return err_sys(err, "open network namespace %s", path);
	}
	*ret_fd = fd;
	return 0;
}

/* Where the supervisor, our parent, lives: the host's own network. */
static int open_host_namespace(struct role *r, struct err *err)
{
	scoped_free char *path = mem_printf("/proc/%d/ns/net", (int)getppid());

	r->host_ns = open(path, O_RDONLY | O_CLOEXEC);
	return r->host_ns < 0 ? err_sys(err, "open network namespace %s", path) : 0;
}

static int make_dataplane(struct role *r, const struct options *o, struct err *err)
{
	struct agent *a = &r->agent;
	struct dataplane_config c = {
		.instance = a->instance,
		.leads = o->leads,
		.link = o->role,
		.node_name = slice_of(a->node_name),
		.node_ip = a->node_ips.at[0],
		.pod_range = a->pod_ranges[0],
		.dns_ip = a->dns_ip,
		.api_ip = a->node_ips.at[0],
		.node_ip6 = a->node_ips.at[1],
		.pod_range6 = a->pod_ranges[1],
		.model = a->model,
	};
	int ret = open_namespace(r, "vpc", &r->vpc_ns, err);

	if (ret == 0) {
		ret = open_namespace(r, o->role, &r->node_ns, err);
	}
	if (ret == 0) {
		ret = open_host_namespace(r, err);
	}
	if (ret < 0) {
		return ret;
	}
	c.vpc_ns = r->vpc_ns;
	c.node_ns = r->node_ns;
	c.host_ns = r->host_ns;
	(void)prefix_parse(SLICE("10.244.0.0/16"), &c.cluster_range);
	(void)prefix_parse(SLICE("fd00:10:244::/48"), &c.cluster_range6);
	(void)prefix_parse(SLICE("10.1.0.0/16"), &c.service_range);
	(void)prefix_parse(SLICE("fd00:10:1::/112"), &c.service_range6);
	return dataplane_new(a->loop, &c, &a->dataplane, err);
}

/* This process and all that it starts get into the node's cgroup, below which the kernel looks at
 * sockets; where the runtime places containers by version 2, it places them below it as well. */
static int balance_sockets(struct role *r, struct err *err)
{
	scoped_free char *own = mem_printf("%s/agent", r->cgroup);
	scoped_fd int all = -1, here = -1;
	int ret = cgroup2_open(r->cgroup, true, &all, err);

	if (ret == 0) {
		ret = cgroup2_open(own, true, &here, err);
	}
	if (ret == 0) {
		ret = cgroup2_enter(here, err);
	}
	return ret < 0 ? ret : dataplane_balance_sockets(r->agent.dataplane, all, err);
}

/* By packets alone from now on; sockets that earlier programs led somewhere stay there. */
static int leave_sockets(struct role *r, struct err *err)
{
	scoped_fd int all = -1;
	int ret = cgroup2_open(r->cgroup, false, &all, NULL);

	return ret < 0 ? 0 : dataplane_leave_sockets(all, err);
}

static int choose_service_dataplane(struct role *r, const struct options *o, struct err *err)
{
	scoped_free char *path = mem_printf("%s/run/service-dataplane", o->home), *text = NULL;
	struct err why = { 0 };
	int ret;

	if (strcmp(o->service_dataplane, "nftables") == 0) {
		ret = leave_sockets(r, err);
		text = mem_strdup("nftables\nas asked for\n");
	} else if ((ret = balance_sockets(r, &why)) == 0) {
		text = mem_strdup("ebpf\n");
	} else if (strcmp(o->service_dataplane, "ebpf") == 0) {
		return err_raise(err, why.code, "--service-dataplane ebpf: %s", why.msg);
	} else {
		log_odd("Services are balanced by nftables alone, eBPF is not to be had error=%s",
		        why.msg);
		ret = 0;
		text = mem_printf("nftables\n%s\n", why.msg);
	}
	/* One speaks for all nodes: they are on one kernel. */
	return ret < 0 || !o->leads ? ret : file_write(path, slice_of(text), 0644, err);
}

static char *own_path(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	return n < 0 ? mem_strdup("/proc/self/exe") : slice_dup((struct slice){ path, (size_t)n });
}

static int make_base(struct role *r, const struct options *o, struct err *err)
{
	struct agent *a = &r->agent;
	scoped_free char *logs = mem_printf("%s/logs/pods", o->home),
			 *run = mem_printf("%s/run/nodes", o->home);
	/* The first node stands where an instance of one node always had it. */
	const char *below = o->leads ? "" : "/", *own = o->leads ? "" : o->role;
	int ret;

	r->exe = own_path();
	r->pods_dir = mem_printf("%s%s%s/pods", o->home, below, own);
	r->instance_dir = mem_printf("/run/kennel/%s", o->name);
	r->run_dir = mem_printf("%s%s%s", r->instance_dir, below, own);
	/* no node's below another's: programs on a cgroup see the sockets of all below it */
	r->cgroup = mem_printf("/kennel-%s/%s", o->name, o->role);
	*a = (struct agent){ .loop = loop_new(),
		             .instance = o->name,
		             .home = o->home,
		             .pods_dir = r->pods_dir,
		             .node_name = o->node,
		             .region = o->region,
		             .zone = o->zone,
		             .leads = o->leads,
		             .exe = r->exe,
		             .instance_dir = r->instance_dir,
		             .run_dir = r->run_dir,
		             .cgroup = r->cgroup,
		             .api_uid = o->api_uid,
		             .node_ips = o->addresses,
		             .pod_ranges = { o->pods[0], o->pods[1] } };
	(void)ip_parse(SLICE("10.0.0.10"), &a->dns_ip);
	ret = dir_make(r->pods_dir, 0700, err);
	if (ret == 0) {
		ret = dir_make(r->run_dir, 0711, err);
	}
	if (ret == 0) {
		ret = dir_make(logs, 0700, err);
	}
	if (ret == 0) {
		ret = dir_make(run, 0711, err);
	}
	if (ret == 0) {
		ret = runtime_new(a->loop, r->run_dir, &a->runtime, err);
	}
	if (ret == 0) {
		ret = image_store_open(o->home, &a->images, err);
	}
	return ret < 0 ? ret : builtin_make(o->home, err);
}

static void on_network(void *arg)
{
	struct role *r = arg;

	if (r->managed) {
		managed_network_changed(r->managed);
	}
}

static int make_parts(struct role *r, const struct options *o, struct err *err)
{
	struct agent *a = &r->agent;
	scoped_free char *socket = mem_printf("%s/run/nodes/%s.sock", o->home, o->node);
	int ret = client_new(a->loop, o->kubeconfig, "kennel-node", &a->client, err);

	if (ret < 0) {
		return ret;
	}
	a->recorder = recorder_new(a->client, "kubelet", a->node_name);
	a->model = model_new();
	ret = make_dataplane(r, o, err);
	if (ret == 0) {
		ret = choose_service_dataplane(r, o, err);
	}
	if (ret < 0) {
		return ret;
	}
	if (a->leads) {
		a->cloud = cloud_new(a, on_network, r);
		/* takes up its containers before pods sweep the strays */
		ret = managed_new(a, &r->managed, err);
		if (ret < 0) {
			return ret;
		}
	}
	(void)pods_new(a);
	ret = server_new(a, socket, &r->server, err);
	if (ret < 0) {
		return ret;
	}
	pods_set_server(a->pods, r->server);
	r->rotation = log_rotation_new(a->loop, a->pods);
	r->registration = registration_new(a);
	return 0;
}

static void free_parts(struct role *r)
{
	struct agent *a = &r->agent;

	r->registration = registration_free(r->registration);
	r->rotation = log_rotation_free(r->rotation);
	r->managed = managed_free(r->managed);
	a->cloud = cloud_free(a->cloud);
	r->server = server_free(r->server);
	a->pods = pods_free(a->pods);
	loop_defer_cancel(&a->sync);
	loop_timer_stop(&r->sync_again);
	if (a->dataplane) {
		a->dataplane = dataplane_free(a->dataplane);
	}
	if (a->model) {
		a->model = model_free(a->model);
	}
	if (a->recorder) {
		a->recorder = recorder_free(a->recorder);
	}
	if (a->client) {
		a->client = client_free(a->client);
	}
	a->images = image_store_close(a->images);
	a->runtime = runtime_free(a->runtime);
	a->loop = loop_free(a->loop);
	if (r->vpc_ns >= 0) {
		close(r->vpc_ns);
	}
	if (r->node_ns >= 0) {
		close(r->node_ns);
	}
	if (r->host_ns >= 0) {
		close(r->host_ns);
	}
	free(r->exe);
	free(r->pods_dir);
	free(r->instance_dir);
	free(r->run_dir);
	free(r->cgroup);
}

static void on_signal(void *arg, int signum)
{
	struct role *r = arg;

	log_info("Node role ends, containers go on signal=%d", signum);
	loop_stop(r->agent.loop);
}

int node_main(int argc, char **argv)
{
	struct role r = { .vpc_ns = -1, .node_ns = -1, .host_ns = -1 };
	struct options o;
	struct err err = { 0 };
	int ret = parse_options(argc, argv, &o, &err);

	if (ret == 0) {
		ret = make_base(&r, &o, &err);
	}
	if (ret == 0) {
		ret = make_parts(&r, &o, &err);
	}
	if (ret == 0) {
		ret = loop_on_signal(r.agent.loop, SIGTERM, on_signal, &r, &err);
	}
	if (ret == 0) {
		ret = loop_on_signal(r.agent.loop, SIGINT, on_signal, &r, &err);
	}
	if (ret < 0) {
		fprintf(stderr, "kennel node: %s\n", err.msg);
	} else {
		log_info("Node role runs name=%s node=%s", o.name, o.node);
		loop_run(r.agent.loop);
	}
	free_parts(&r);
	return ret < 0 ? err_code_exit(err.code) : 0;
}
