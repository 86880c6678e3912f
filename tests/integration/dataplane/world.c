/* Why: what the dataplane's tests have in common. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "codec/yaml.h"
#include "host/cgroup2.h"
#include "host/link.h"
#include "host/netlink.h"
#include "host/netns.h"
#include "host/route.h"

#define PROBE_MS 250

struct ip ip_of(const char *text)
{
	struct ip ip = { 0 };

	assert_true(ip_parse(slice_of(text), &ip));
	return ip;
}

struct prefix prefix_of(const char *text)
{
	struct prefix p = { 0 };

	assert_true(prefix_parse(slice_of(text), &p));
	return p;
}

#define MUST_WORK(call)                                                                            \
	do {                                                                                       \
		struct err err = { 0 };                                                            \
		if ((call) != 0) {                                                                 \
			fail_msg("%s: %s", #call, err.msg);                                        \
		}                                                                                  \
	} while (0)

/* ---- world ---- */

void world_start_dataplane(struct world *w)
{
	struct dataplane_config c = {
		.instance = "test",
		.vpc_ns = w->vpc,
		.node_ns = w->node,
		.node_name = SLICE("node-1"),
		.node_ip = ip_of("10.0.2.10"),
		.leads = true,
		.link = "node",
		.pod_range = prefix_of("10.244.0.0/24"),
		.cluster_range = prefix_of("10.244.0.0/16"),
		.service_range = prefix_of("10.1.0.0/16"),
		.dns_ip = ip_of("10.0.0.10"),
		.api_ip = ip_of("10.0.2.10"),
#ifdef WORLD_IPV6
		.node_ip6 = ip_of(NODE_IP),
		.pod_range6 = prefix_of(NODE_PODS),
		.cluster_range6 = prefix_of(ALL_PODS),
		.service_range6 = prefix_of("fd00:10:1::/112"),
#endif
		.model = w->m,
		.host_ns = w->host_ns,
	};

	MUST_WORK(dataplane_new(w->loop, &c, &w->d, &err));
	if (w->cgroup >= 0) {
		MUST_WORK(dataplane_balance_sockets(w->d, w->cgroup, &err));
	}
}

bool world_has_sockets(void)
{
	return getenv("TEST_SOCKETS") != NULL;
}

static const char *cgroup_path(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "/kennel-test-%d", getpid());
	return path;
}

static void enter_cgroup(struct world *w)
{
	struct err err = { 0 };

	if (cgroup2_open(cgroup_path(), true, &w->cgroup, &err) < 0 ||
	    cgroup2_enter(w->cgroup, &err) < 0) {
		print_message("1..0 # SKIP %s\n", err.msg);
		exit(0);
	}
}

static void leave_cgroup(struct world *w)
{
	int root;

	close(w->cgroup);
	MUST_WORK(cgroup2_open("/", false, &root, &err));
	MUST_WORK(cgroup2_enter(root, &err));
	close(root);
	MUST_WORK(cgroup2_remove(cgroup_path(), &err));
}

static void lo_up(int ns)
{
	scoped_netlink struct netlink nl = { 0 };

	MUST_WORK(netlink_open(&nl, NETLINK_ROUTE, ns, 0, &err));
	link_queue_up(&nl, 1);
	MUST_WORK(netlink_send(&nl, &err));
}

/* Hosts of the VPC have IPv4 only; this one gets what a peer of the node on the wire would have. */
static void give_outside_v6(struct world *w)
{
	scoped_netlink struct netlink nl = { 0 };
	struct link_info eth0;

	MUST_WORK(netlink_open(&nl, NETLINK_ROUTE, w->outside, 0, &err));
	MUST_WORK(link_find(&nl, "eth0", &eth0, &err));
	address_queue(&nl, eth0.index, ip_of("fd00:10::14"), 64);
	route_queue(&nl, &(struct route){ .to = prefix_of("::/0"),
	                                  .via = ip_of("fd00:10::1"),
	                                  .index = eth0.index });
	MUST_WORK(netlink_send(&nl, &err));
}

struct world *world_new(void)
{
	struct world *w = NEW(struct world);

	if (geteuid() != 0) {
		print_message("1..0 # SKIP network namespaces need root\n");
		exit(0);
	}
	w->loop = loop_new();
	w->m = model_new();
	w->host_ns = w->cgroup = -1;
	if (world_has_sockets()) {
		enter_cgroup(w);
	}
	MUST_WORK(netns_new(&w->vpc, &err));
	MUST_WORK(netns_new(&w->node, &err));
	MUST_WORK(netns_new(&w->outside, &err));
	lo_up(w->node);
	world_put(w, "{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: "
	             "{kubernetes.io/metadata.name: default}}}");
	world_put(w, "{apiVersion: v1, kind: Namespace, metadata: {name: other, labels: "
	             "{kubernetes.io/metadata.name: other}}}");
	world_start_dataplane(w);
	MUST_WORK(dataplane_host_attach(w->d, SLICE("outside"), ip_of("10.0.0.20"), w->outside,
	                                &err));
	if (WORLD_FAMILY == IP_V6) {
		give_outside_v6(w);
	}
	world_sync(w);
	return w;
}

void world_free(struct world *w)
{
	for (size_t i = 0; i < w->n_servers; i++) {
		close(w->servers[i].fd);
	}
	dataplane_free(w->d);
	if (w->cgroup >= 0) {
		leave_cgroup(w);
	}
	model_free(w->m);
	for (size_t i = 0; i < w->n_pods; i++) {
		close(w->pods[i].ns);
	}
	close(w->vpc);
	close(w->node);
	close(w->outside);
	loop_free(w->loop);
	free(w);
}

struct dataplane_stats world_restart(struct world *w)
{
	w->d = dataplane_free(w->d);
	world_start_dataplane(w);
	world_sync(w);
	return dataplane_stats(w->d);
}

void world_sync(struct world *w)
{
	MUST_WORK(dataplane_sync(w->d, &err));
}

/* ---- objects ---- */

struct feeding {
	struct model *m;
	bool remove;
};

static int feed_one(void *arg, struct val *root, struct err *err)
{
	struct feeding *f = arg;
	scoped_doc struct doc *d = doc_copy_of(root);

	(void)err;
	if (f->remove) {
		model_remove(f->m, d);
	} else {
		model_put(f->m, d);
	}
	return 0;
}

static void feed(struct world *w, bool remove, const char *fmt, va_list ap)
{
	scoped_arena struct arena a = { 0 };
	struct feeding f = { w->m, remove };
	struct err err = { 0 };
	char text[8192];

	assert_true((size_t)vsnprintf(text, sizeof(text), fmt, ap) < sizeof(text));
	if (yaml_parse_all(&a, slice_of(text), feed_one, &f, &err) != 0) {
		fail_msg("%s in:\n%s", err.msg, text);
	}
}

void world_put(struct world *w, const char *yaml, ...)
{
	va_list ap;

	va_start(ap, yaml);
	feed(w, false, yaml, ap);
	va_end(ap);
}

void world_remove(struct world *w, const char *yaml, ...)
{
	va_list ap;

	va_start(ap, yaml);
	feed(w, true, yaml, ap);
	va_end(ap);
}

void put_service(struct world *w, const char *name, const char *spec)
{
	world_put(w,
	          "apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: default}\nspec: "
	          "%s\n",
	          name, spec);
}

void put_slice(struct world *w, const char *service, const char *proto, int port,
               const char *endpoints)
{
	world_put(w,
	          "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	          "metadata: {name: %s-%s, namespace: default, labels: "
	          "{kubernetes.io/service-name: %s}}\n"
	          "addressType: " ADDRESS_TYPE
	          "\nports: [{name: '', protocol: %s, port: %d}]\nendpoints: %s\n",
	          service, proto, service, proto, port, endpoints);
}

static void put_pod_at(struct world *w, const char *ns, const char *name, const char *ip,
                       const char *ips, const char *labels)
{
	world_put(w,
	          "apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: %s, uid: uid-%s-%s, "
	          "labels: %s}\n"
	          "spec: {nodeName: node-1, containers: [{name: main, ports: [{name: web, "
	          "containerPort: 80}]}]}\n"
	          "status: {phase: Running, podIP: %s, podIPs: [{ip: %s}]}\n",
	          name, ns, ns, name, labels, ip, ips);
}

void put_pod(struct world *w, const char *ns, const char *name, const char *ip, const char *labels)
{
	put_pod_at(w, ns, name, ip, ip, labels);
}

static int attach_pod_at(struct world *w, const char *ns, const char *name, struct ip_pair ips)
{
	struct pod *p = &w->pods[w->n_pods];

	assert_true(w->n_pods < WORLD_PODS);
	snprintf(p->uid, sizeof(p->uid), "uid-%s-%s", ns, name);
	p->ips = ips;
	MUST_WORK(netns_new(&p->ns, &err));
	w->n_pods++;
	MUST_WORK(dataplane_pod_attach(w->d, slice_of(p->uid), p->ips, p->ns, &err));
	return p->ns;
}

int attach_pod(struct world *w, const char *ns, const char *name, const char *ip)
{
	return attach_pod_at(w, ns, name, (struct ip_pair){ { ip_of(ip) } });
}

int add_pod(struct world *w, const char *ns, const char *name, const char *ip, const char *labels)
{
	put_pod(w, ns, name, ip, labels);
	return attach_pod(w, ns, name, ip);
}

int add_dual_pod(struct world *w, const char *ns, const char *name, const char *ip,
                 const char *second, const char *labels)
{
	scoped_free char *both = mem_printf("%s}, {ip: %s", ip, second);

	put_pod_at(w, ns, name, ip, both, labels);
	return attach_pod_at(w, ns, name, (struct ip_pair){ { ip_of(ip), ip_of(second) } });
}

void remove_pod(struct world *w, const char *ns, const char *name)
{
	char uid[40];

	snprintf(uid, sizeof(uid), "uid-%s-%s", ns, name);
	world_remove(w, "{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: %s}}", name,
	             ns);
	for (size_t i = 0; i < w->n_pods; i++) {
		struct pod *p = &w->pods[i];

		if (strcmp(p->uid, uid) == 0) {
			dataplane_pod_detach(w->d, slice_of(uid), p->ips);
			close(p->ns);
			w->pods[i] = w->pods[--w->n_pods];
			break;
		}
	}
	world_sync(w);
}

int pod_ns(struct world *w, const char *ip)
{
	for (size_t i = 0; i < w->n_pods; i++) {
		if (ip_eq(w->pods[i].ips.at[0], ip_of(ip)) ||
		    ip_eq(w->pods[i].ips.at[1], ip_of(ip))) {
			return w->pods[i].ns;
		}
	}
	fail_msg("no pod at %s", ip);
	return -1;
}

/* ---- packets ---- */

static int socket_in(int ns, bool udp, enum ip_family family)
{
	scoped_visit struct netns_visit v = { -1 };
	int fd;

	MUST_WORK(netns_enter(&v, ns, &err));
	fd = socket(family == IP_V6 ? AF_INET6 : AF_INET,
	            (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	return fd;
}

static void add_server(struct world *w, int fd, bool udp, const char *name)
{
	struct server *s = &w->servers[w->n_servers++];

	assert_true(w->n_servers <= WORLD_SERVERS);
	*s = (struct server){ .fd = fd, .udp = udp };
	snprintf(s->name, sizeof(s->name), "%s", name);
}

void serve(struct world *w, int ns, const char *name, bool udp, int port)
{
	/* On every address of every family, where there are two. */
	int fd = socket_in(ns, udp, WORLD_FAMILY), on = 1;
	struct sockaddr_storage at;
	socklen_t len = ip_to_sockaddr((struct ip){ WORLD_FAMILY }, (uint16_t)port, &at);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	if (!udp) {
		assert_int_equal(listen(fd, 16), 0);
	}
	add_server(w, fd, udp, name);
}

int served(struct world *w, const char *name)
{
	for (size_t i = 0; i < w->n_servers; i++) {
		if (strcmp(w->servers[i].name, name) == 0) {
			return w->servers[i].n;
		}
	}
	return 0;
}

void stop_serving(struct world *w, const char *name)
{
	for (size_t i = w->n_servers; i-- > 0;) {
		if (strcmp(w->servers[i].name, name) == 0) {
			close(w->servers[i].fd);
			w->servers[i] = w->servers[--w->n_servers];
		}
	}
}

static void drop_server(struct world *w, size_t i)
{
	close(w->servers[i].fd);
	w->servers[i] = w->servers[--w->n_servers];
}

/* A client of the other family as a socket of both shows it (RFC 4291, 2.5.5.2). */
static struct ip unmapped(struct ip ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };
	struct ip v4 = { IP_V4 };

	if (ip.family != IP_V6 || memcmp(ip.bytes, mapped, sizeof(mapped)) != 0) {
		return ip;
	}
	memcpy(v4.bytes, ip.bytes + sizeof(mapped), 4);
	return v4;
}

static void answer(struct world *w, size_t i)
{
	struct server s = w->servers[i];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char buf[64], text[96], address[IP_TEXT_SIZE];
	struct ip ip = { 0 };
	uint16_t port;
	ssize_t n;
	int fd;

	if (s.udp) {
		w->servers[i].n++;
		n = recvfrom(s.fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
	} else if ((fd = accept4(s.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		add_server(w, fd, false, s.name);
		return;
	} else if (errno == EAGAIN) {
		return;
	} else {
		n = recv(s.fd, buf, sizeof(buf), 0);
		if (getpeername(s.fd, (struct sockaddr *)&from, &len) < 0) {
			n = 0;
		}
	}
	if (n <= 0) {
		if (!s.udp) {
			drop_server(w, i);
		}
		return;
	}
	ip_from_sockaddr((struct sockaddr *)&from, &ip, &port);
	n = snprintf(text, sizeof(text), "%s %s", s.name, ip_format(unmapped(ip), address));
	(void)!sendto(s.fd, text, (size_t)n, MSG_NOSIGNAL, s.udp ? (struct sockaddr *)&from : NULL,
	              s.udp ? len : 0);
}

#define NAP_MS 5 /* short, so that the loop's timers run in time */

/* Turns the loop, then answers whoever asked within a nap. True when anything happened; *ret_ready:
 * fd has 'events'. */
static bool serve_once(struct world *w, int fd, short events, bool *ret_ready)
{
	struct pollfd p[WORLD_SERVERS + 1];
	size_t n = w->n_servers;
	int happened;

	loop_run_once(w->loop);
	for (size_t i = 0; i < n; i++) {
		p[i] = (struct pollfd){ .fd = w->servers[i].fd, .events = POLLIN };
	}
	p[n] = (struct pollfd){ .fd = fd, .events = events };
	happened = poll(p, n + 1, NAP_MS);
	for (size_t i = n; i-- > 0;) {
		if (p[i].revents) {
			answer(w, i);
		}
	}
	*ret_ready = fd >= 0 && p[n].revents;
	return happened > 0;
}

/* Serves until fd has 'events', or nothing happened for so long: counted in naps, since on a busy
 * machine this process may itself be kept from running. */
static bool serve_until(struct world *w, int fd, short events, int ms)
{
	for (int quiet_ms = 0; quiet_ms < ms;) {
		bool ready;

		quiet_ms += serve_once(w, fd, events, &ready) ? 0 : NAP_MS;
		if (ready) {
			return true;
		}
	}
	return false;
}

void world_wait_ms(struct world *w, int ms)
{
	int64_t end = clock_mono_us() + ms * US_PER_MS;
	bool ready;

	while (clock_mono_us() < end) {
		(void)serve_once(w, -1, 0, &ready);
	}
}

const char *nth_service_ip(unsigned n)
{
	static char text[IP_TEXT_SIZE];

	return ip_format(prefix_nth(prefix_of(SERVICE_IP(0) FOUR), 4096 + n), text);
}

static const char *failure(int code)
{
	switch (code) {
	case ECONNREFUSED:
		return "refused";
	case ECONNRESET:
		return "reset";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "unreachable";
	default:
		return strerror(code);
	}
}

static int connect_to(struct world *w, int fd, const char *ip, int port)
{
	struct sockaddr_storage to;
	socklen_t len = ip_to_sockaddr(ip_of(ip), (uint16_t)port, &to);
	int code = 0;
	socklen_t size = sizeof(code);

	if (connect(fd, (struct sockaddr *)&to, len) == 0) {
		return 0;
	}
	if (errno != EINPROGRESS) {
		return errno;
	}
	if (!serve_until(w, fd, POLLOUT, PROBE_MS)) {
		return ETIMEDOUT;
	}
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
	return code;
}

int open_connection(struct world *w, int ns, bool udp, const char *ip, int port)
{
	int fd = socket_in(ns, udp, ip_of(ip).family);

	errno = connect_to(w, fd, ip, port);
	if (errno) {
		int code = errno;

		close(fd);
		errno = code;
		return -1;
	}
	return fd;
}

int start_connection(struct world *w, int ns, bool udp, const char *ip, int port)
{
	int fd = socket_in(ns, udp, ip_of(ip).family);
	struct sockaddr_storage to;
	socklen_t len = ip_to_sockaddr(ip_of(ip), (uint16_t)port, &to);

	(void)w;
	(void)!connect(fd, (struct sockaddr *)&to, len);
	if (udp) {
		(void)!send(fd, "hello", 5, 0);
	}
	return fd;
}

bool has_arrived(int fd, bool udp)
{
	struct pollfd p = { .fd = fd, .events = udp ? POLLIN : POLLOUT };
	int code = 0;
	socklen_t size = sizeof(code);

	poll(&p, 1, 0);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
	return (p.revents & p.events) && code == 0;
}

bool wait_for_input(struct world *w, int fd)
{
	return serve_until(w, fd, POLLIN, PROBE_MS);
}

const char *ask(struct world *w, int fd)
{
	static char answer_text[128];
	ssize_t n;

	if (send(fd, "hello", 5, MSG_NOSIGNAL) < 0) {
		return failure(errno);
	}
	if (!serve_until(w, fd, POLLIN, PROBE_MS)) {
		return "timeout";
	}
	n = recv(fd, answer_text, sizeof(answer_text) - 1, 0);
	if (n < 0) {
		return failure(errno);
	}
	answer_text[n] = '\0';
	return n ? answer_text : "closed";
}

const char *probe(struct world *w, int ns, bool udp, const char *ip, int port)
{
	int fd = open_connection(w, ns, udp, ip, port);
	const char *text;

	if (fd < 0) {
		return errno == ETIMEDOUT ? "timeout" : failure(errno);
	}
	text = ask(w, fd);
	close(fd);
	return text;
}

const char *probe_name(struct world *w, int ns, bool udp, const char *ip, int port)
{
	static char name[128];

	snprintf(name, sizeof(name), "%s", probe(w, ns, udp, ip, port));
	name[strcspn(name, " ")] = '\0';
	return name;
}
