/* Why: `kennel serve` joins home, instance, listeners, roles and door into the supervisor; see serve.h.
 *
 * Rights: root, because it makes namespaces, binds low ports and starts others with fewer rights. It
 * parses nothing from the network and knows no object. */
#include "serve/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "host/bpf.h"
#include "host/cgroup2.h"
#include "loop/loop.h"
#include "serve/control.h"
#include "serve/home.h"
#include "serve/instance.h"
#include "serve/listeners.h"
#include "serve/nodes.h"
#include "serve/role.h"

enum { API_PORT = 6443, API_PORT_TRIES = 100, ROLE_ARGS = 16 + 2 * NODES_MAX };
static const int64_t role_grace_us = 5 * US_PER_S, launch_us = 20 * US_PER_S,
		     stop_us = 30 * US_PER_S, pods_grace_us = 5 * US_PER_S;

/* In the order of an orderly stop; the guard is the last. */
enum { ROLES_MAX = 3 + NODES_MAX };

struct supervisor {
	struct serve_options options;
	struct home home;
	struct instance instance;
	struct loop *loop;
	struct listeners listeners;
	struct control_door *door;
	struct role roles[ROLES_MAX];
	const char *argv[ROLES_MAX][ROLE_ARGS];
	unsigned n_nodes, n_roles;
	int api_fds[3];
	char *exe;
	unsigned stopping; /* next role to stop, counted from 1; 0: not stopping */
};

/* ---- options ---- */

static int parse_options(int argc, char **argv, struct serve_options *o, int *ready_fd,
                         struct err *err)
{
	uint64_t number;

	*o = (struct serve_options){ .name = "kennel",
		                     .edge_address = "127.0.0.1",
		                     .service_dataplane = "auto" };
	*ready_fd = -1;
	for (int i = 1; i < argc; i += 2) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (!value) {
			return err_raise(err, ERR_USAGE, "serve: %s needs a value", argv[i]);
		}
		if (strcmp(argv[i], "--name") == 0) {
			o->name = value;
		} else if (strcmp(argv[i], "--home") == 0) {
			o->home = value;
		} else if (strcmp(argv[i], "--edge-address") == 0) {
			o->edge_address = value;
		} else if (strcmp(argv[i], "--ip-families") == 0 &&
		           (strcmp(value, IP_FAMILIES_SINGLE) == 0 ||
		            strcmp(value, IP_FAMILIES_DUAL) == 0)) {
			o->ip_families = value;
		} else if (strcmp(argv[i], "--service-dataplane") == 0) {
			o->service_dataplane = value;
		} else if (strcmp(argv[i], "--api-port") == 0 &&
		           slice_to_u64(slice_of(value), &number) && number < 65536) {
			o->api_port = (uint16_t)number;
		} else if (strcmp(argv[i], "--nodes") == 0 &&
		           slice_to_u64(slice_of(value), &number) && number <= NODES_MAX) {
			o->nodes = (unsigned)number;
		} else if (strcmp(argv[i], "--ready-fd") == 0 &&
		           slice_to_u64(slice_of(value), &number)) {
			*ready_fd = (int)number;
		} else {
			return err_raise(err, ERR_USAGE, "serve: bad option %s %s", argv[i], value);
		}
	}
	if (!home_name_is_valid(o->name) || !o->home || o->home[0] != '/') {
		return err_raise(err, ERR_USAGE,
		                 "serve: needs a valid --name and an absolute --home");
	}
	return 0;
}

/* ---- sockets ---- */

static int find_adopted_port(const struct supervisor *s)
{
	struct ip loopback = ip_v4(0x7f000001);

	for (size_t i = 0; i < s->listeners.all.n; i++) {
		const struct listener *l = &s->listeners.all.at[i];

		if (ip_eq(l->ip, loopback) && l->port >= API_PORT &&
		    l->port < API_PORT + API_PORT_TRIES) {
			return l->port;
		}
	}
	return 0;
}

static int open_api_sockets(struct supervisor *s, struct err *err)
{
	struct ip loopback = ip_v4(0x7f000001), inside;
	uint16_t first = s->options.api_port ? s->options.api_port : API_PORT;
	int tries = s->options.api_port ? 1 : API_PORT_TRIES, adopted = find_adopted_port(s), r = 0;

	if (adopted) {
		first = (uint16_t)adopted;
	}
	for (int i = 0; i < tries; i++) {
		r = listeners_open(&s->listeners, loopback, (uint16_t)(first + i), false,
		                   &s->api_fds[0], err);
		if (r == 0) {
			s->home.api_port = (uint16_t)(first + i);
			break;
		}
		if (r != -ERR_EXISTS) {
			return r;
		}
	}
	if (r < 0) {
		return err_while(err, r, "API server (choose another --api-port)");
	}
	(void)ip_parse(SLICE(HOME_API_INSIDE), &inside);
	if (listeners_find(&s->listeners, inside, HOME_API_INSIDE_PORT) < 0) {
		/* The socket belongs to the namespace in which it is made. */
		scoped_fd int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

		if (here < 0 || setns(s->instance.node_fds[0], CLONE_NEWNET) < 0) {
			return err_sys(err, "enter the node's network namespace");
		}
		r = listeners_open(&s->listeners, inside, HOME_API_INSIDE_PORT, true,
		                   &s->api_fds[1], err);
		if (setns(here, CLONE_NEWNET) < 0) {
			return err_sys(err, "return to the host's network namespace");
		}
		if (r < 0) {
			return r;
		}
	}
	s->api_fds[1] = listeners_find(&s->listeners, inside, HOME_API_INSIDE_PORT);
	listeners_reserve(&s->listeners, loopback, s->home.api_port);
	listeners_reserve(&s->listeners, inside, HOME_API_INSIDE_PORT);
	s->api_fds[2] = -1;
	return 0;
}

/* ---- roles ---- */

/* The next role: argv[0] and its arguments live as long as the process. */
static void add_role(struct supervisor *s, const char *const *args, size_t n_args,
                     const struct role_spec *spec)
{
	unsigned i = s->n_roles++;
	struct role_spec whole = *spec;

	must(n_args + 2 <= ROLE_ARGS && i < ROLES_MAX);
	s->argv[i][0] = s->exe;
	memcpy(&s->argv[i][1], args, n_args * sizeof(*args));
	s->argv[i][n_args + 1] = NULL;
	whole.argv = s->argv[i];
	role_init(&s->roles[i], s->loop, &s->home, &whole);
}

static void add_api(struct supervisor *s)
{
	const char *const args[] = { "api",
		                     "--name",
		                     s->home.name,
		                     "--home",
		                     s->home.path,
		                     "--uid",
		                     mem_printf("%u", s->home.api_uid),
		                     "--nodes",
		                     mem_printf("%u", s->n_nodes),
		                     "--ip-families",
		                     s->options.ip_families };

	add_role(s, args, ARRAY_SIZE(args),
	         &(struct role_spec){ .name = "api", .pass_fds = s->api_fds });
}

static struct node_place *place_of(struct supervisor *s, unsigned number)
{
	struct node_place *p = NEW(struct node_place);

	node_place(s->home.name, number, p);
	return p;
}

/* What a node has in each family that the instance carries. */
static const char *both(const struct supervisor *s, const char *v4, const char *v6)
{
	bool dual = strcmp(s->options.ip_families, IP_FAMILIES_DUAL) == 0;

	return dual ? mem_printf("%s,%s", v4, v6) : v4;
}

static void add_node(struct supervisor *s, unsigned number)
{
	struct node_place *p = place_of(s, number);
	const char *args[26] = { "node",
		                 "--name",
		                 s->home.name,
		                 "--home",
		                 s->home.path,
		                 "--role",
		                 p->role,
		                 "--node",
		                 p->name,
		                 "--address",
		                 both(s, p->address, p->address6),
		                 "--pods",
		                 both(s, p->pods, p->pods6),
		                 "--region",
		                 NODES_REGION,
		                 "--zone",
		                 p->zone,
		                 "--api-uid",
		                 mem_printf("%u", s->home.api_uid),
		                 "--service-dataplane",
		                 s->options.service_dataplane,
		                 "--kubeconfig" };
	size_t n = 22;

	args[n++] = home_file(&s->home, "run/%s.kubeconfig", p->role);
	if (number == 0) {
		args[n++] = "--lead";
	}
	add_role(s, args, n,
	         &(struct role_spec){ .name = p->role, .netns_fd = s->instance.node_fds[number] });
}

static void add_lb(struct supervisor *s)
{
	const char *args[ROLE_ARGS - 2] = { "lb",
		                            "--name",
		                            s->home.name,
		                            "--home",
		                            s->home.path,
		                            "--kubeconfig",
		                            home_file(&s->home, "run/lb.kubeconfig"),
		                            "--edge-address",
		                            s->options.edge_address,
		                            "--uid",
		                            mem_printf("%u", s->home.lb_uid) };
	size_t n = 11;

	for (unsigned i = 0; i < s->n_nodes; i++) {
		struct node_place *p = place_of(s, i);

		args[n++] = "--node-ip";
		args[n++] = p->address;
	}
	add_role(s, args, n, &(struct role_spec){ .name = "lb", .netns_fd = s->instance.vpc_fd });
}

static void add_guard(struct supervisor *s)
{
	const char *const args[] = { "guard",
		                     "--pid",
		                     mem_printf("%d", getpid()),
		                     "--",
		                     s->exe,
		                     "serve",
		                     "--name",
		                     s->home.name,
		                     "--home",
		                     s->home.path,
		                     "--edge-address",
		                     s->options.edge_address,
		                     "--api-port",
		                     mem_printf("%u", s->home.api_port),
		                     "--nodes",
		                     mem_printf("%u", s->n_nodes),
		                     "--service-dataplane",
		                     s->options.service_dataplane,
		                     "--ip-families",
		                     s->options.ip_families };

	add_role(s, args, ARRAY_SIZE(args), &(struct role_spec){ .name = "guard" });
}

static void prepare_roles(struct supervisor *s)
{
	add_lb(s);
	for (unsigned i = 0; i < s->n_nodes; i++) {
		add_node(s, i);
	}
	add_api(s);
	add_guard(s);
}

/* Sockets of roles that outlived an earlier supervisor are copied back before anything is bound. */
static void adopt_listeners(struct supervisor *s)
{
	static const char *const names[] = { "api", "lb" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		scoped_free char *path = home_file(&s->home, "run/%s.pid", names[i]);
		pid_t pid = role_read_pid(path);

		if (pid) {
			listeners_adopt(&s->listeners, pid);
		}
	}
}

/* ---- door ---- */

/* As the node role left it: "ebpf", or "nftables" with the reason on the next line. */
static void tell_service_dataplane(const struct supervisor *s, struct arena *a, struct val *into)
{
	scoped_free char *path = home_file(&s->home, HOME_SERVICE_DATAPLANE);
	scoped_strbuf struct strbuf text = { 0 };
	struct slice name, why;

	if (home_read(path, &text, NULL) == 0) {
		slice_cut(slice_trim(strbuf_slice(&text)), '\n', &name, &why);
		val_set_str(a, into, "serviceDataplane", name);
		if (why.len > 0) {
			val_set_str(a, into, "serviceDataplaneReason", why);
		}
	}
}

static void on_status(void *arg, struct arena *a, struct val *into)
{
	struct supervisor *s = arg;
	struct val *roles = val_need_array(a, into, "roles");

	val_set_cstr(a, into, "name", s->home.name);
	val_set_cstr(a, into, "home", s->home.path);
	val_set_cstr(a, into, "edgeAddress", s->options.edge_address);
	val_set_cstr(a, into, "ipFamilies", s->options.ip_families);
	val_set_int(a, into, "apiPort", s->home.api_port);
	tell_service_dataplane(s, a, into);
	val_set_int(a, into, "pid", getpid());
	for (unsigned i = 0; i < s->n_roles; i++) {
		const struct role *r = &s->roles[i];
		struct val *v = val_append(roles, val_new_object(a));

		val_set_cstr(a, v, "name", r->spec.name);
		val_set_cstr(a, v, "state", role_state_name(r->state));
		val_set_int(a, v, "pid", r->pid);
		val_set_int(a, v, "restarts", r->restarts);
		val_set_int(a, v, "seconds", (loop_now_us(s->loop) - r->since_us) / US_PER_S);
	}
}

static void stop_next(void *arg)
{
	struct supervisor *s = arg;

	if (s->stopping > s->n_roles) {
		loop_stop(s->loop);
		return;
	}
	role_stop(&s->roles[s->stopping++ - 1], role_grace_us, stop_next, s);
}

static void on_stop(void *arg)
{
	struct supervisor *s = arg;

	if (!s->stopping) {
		log_info("Stopping");
		s->stopping = 1;
		/* The guard first, by hand: it must not mistake our end for a death. */
		role_stop(&s->roles[s->n_roles - 1], role_grace_us, stop_next, s);
	}
}

static void on_signal(void *arg, int signum)
{
	(void)signum;
	on_stop(arg);
}

/* ---- the process ---- */

static void raise_limits(void)
{
	struct rlimit files = { 65536, 65536 }, old;

	if (getrlimit(RLIMIT_NOFILE, &old) == 0 && old.rlim_cur < files.rlim_cur &&
	    setrlimit(RLIMIT_NOFILE, &files) < 0) {
		old.rlim_cur = old.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &old);
		log_odd("The limit of open files stays at %llu; large instances may need more",
		        (unsigned long long)old.rlim_max);
	}
}

/* Whatever secrets the caller's shell had in its environment are no business of roles and pods. */
static void clean_environment(void)
{
	static const char *const kept[] = { "PATH", "TZ", "SUDO_UID", "ASAN_OPTIONS",
		                            "UBSAN_OPTIONS" };
	char *values[ARRAY_SIZE(kept)];

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		values[i] = mem_strdup(getenv(kept[i]));
	}
	(void)clearenv();
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		if (values[i]) {
			(void)setenv(kept[i], values[i], 1);
			free(values[i]);
		}
	}
}

/* Who insists on eBPF hears at once that it is not to be had. */
static int check_service_dataplane(const struct serve_options *o, struct err *err)
{
	scoped_free char *cgroup = mem_printf("/kennel-%s", o->name);
	scoped_fd int fd = -1;
	int r = 0;

	if (strcmp(o->service_dataplane, "ebpf") == 0) {
		r = cgroup2_open(cgroup, true, &fd, err);
		if (r == 0) {
			r = bpf_probe(fd, err);
		}
	}
	return r < 0 ? err_while(err, r, "--service-dataplane ebpf is not to be had here") : 0;
}

static int start(struct supervisor *s, struct err *err)
{
	const struct control_door_config door = {
		.loop = s->loop,
		.home = &s->home,
		.listeners = &s->listeners,
		.status = on_status,
		.stop = on_stop,
		.arg = s,
	};
	struct control_door_config c = door;
	scoped_free char *pid_path = home_file(&s->home, "run/serve.pid");
	struct ip edge;
	int r;

	if (!ip_parse(slice_of(s->options.edge_address), &edge)) {
		return err_raise(err, ERR_USAGE, "--edge-address %s: not an IP address",
		                 s->options.edge_address);
	}
	c.edge = (struct prefix){ edge, edge.family == IP_V4 ? 32 : 128 };
	r = check_service_dataplane(&s->options, err);
	if (r < 0) {
		return r;
	}
	adopt_listeners(s);
	r = open_api_sockets(s, err);
	if (r == 0) {
		r = home_make_pki(&s->home, err);
	}
	if (r == 0) {
		r = control_door_open(&c, &s->door, err);
	}
	if (r == 0) {
		r = role_write_pid(pid_path, getpid(), err);
	}
	if (r == 0) {
		r = loop_on_signal(s->loop, SIGTERM, on_signal, s, err);
	}
	if (r == 0) {
		r = loop_on_signal(s->loop, SIGINT, on_signal, s, err);
	}
	if (r < 0) {
		return r;
	}
	prepare_roles(s);
	for (unsigned i = s->n_roles; i > 0; i--) {
		role_start(&s->roles[i - 1]);
	}
	return 0;
}

/* Tells whoever launched us: nothing on success, else the sentence. */
static void tell_launcher(int ready_fd, const struct err *err)
{
	if (ready_fd >= 0) {
		if (err) {
			(void)!write(ready_fd, err->msg, strlen(err->msg));
		} else {
			(void)!write(ready_fd, "\n", 1);
		}
		close(ready_fd);
	}
}

static int check_families(const char *families, struct err *err)
{
	return strcmp(families, IP_FAMILIES_DUAL) != 0 || access("/proc/net/if_inet6", F_OK) == 0
	               ? 0
	               : err_raise(err, ERR_UNSUPPORTED,
	                           "--ip-families %s: this kernel carries no IPv6", families);
}

int serve_main(int argc, char **argv)
{
	struct supervisor s = { .instance = { .vpc_fd = -1 } };
	struct err err = { 0 };
	int ready_fd = -1, r;

	log_init("serve", LOG_INFO);
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	clean_environment();
	r = parse_options(argc, argv, &s.options, &ready_fd, &err);
	if (r == 0) {
		home_init(&s.home, s.options.home, s.options.name);
		s.exe = realpath("/proc/self/exe", NULL);
		r = home_make(&s.home, &err);
	}
	if (r == 0) {
		r = home_lock(&s.home, &err);
	}
	if (r == 0) {
		raise_limits();
		s.n_nodes = s.options.nodes ? s.options.nodes : nodes_remembered(&s.home);
		s.home.n_nodes = s.n_nodes;
		r = nodes_remember(&s.home, s.n_nodes, &err);
	}
	if (r == 0) {
		if (!s.options.ip_families) {
			s.options.ip_families = families_remembered(&s.home);
		}
		r = check_families(s.options.ip_families, &err);
	}
	if (r == 0) {
		r = families_remember(&s.home, s.options.ip_families, &err);
	}
	if (r == 0) {
		r = instance_enter(&s.instance, &s.home, s.n_nodes, &err);
	}
	if (r == 0) {
		s.loop = loop_new();
		r = start(&s, &err);
	}
	tell_launcher(ready_fd, r < 0 ? &err : NULL);
	if (r == 0) {
		log_info("Serving name=%s home=%s api=127.0.0.1:%u", s.home.name, s.home.path,
		         s.home.api_port);
		loop_run(s.loop);
		log_info("Stopped");
	} else {
		log_broken("Cannot serve: %s", err.msg);
	}
	s.door = control_door_close(s.door);
	listeners_fini(&s.listeners);
	s.loop = loop_free(s.loop);
	instance_fini(&s.instance);
	home_fini(&s.home);
	free(s.exe);
	return r < 0 ? err_code_exit(err.code) : 0;
}

/* ---- for commands ---- */

static int is_running(const struct home *h)
{
	scoped_strbuf struct strbuf answer = { 0 };

	return control_ask(h, "{\"status\":true}", 5 * US_PER_S, &answer, NULL, NULL) == 0;
}

static int launch(const struct serve_options *o, const struct home *h, struct err *err)
{
	scoped_free char *log_path = home_file(h, "logs/serve.log"),
			 *exe = realpath("/proc/self/exe", NULL);
	char port[16], ready[16], nodes[16];
	int pipe_fds[2], n = 0;
	char text[sizeof(err->msg)];
	ssize_t got;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		return err_sys(err, "make a pipe");
	}
	snprintf(port, sizeof(port), "%u", o->api_port);
	snprintf(ready, sizeof(ready), "%d", 3);
	snprintf(nodes, sizeof(nodes), "%u", o->nodes);
	pid = fork();
	if (pid < 0) {
		return err_sys(err, "fork");
	}
	if (pid == 0) {
		int log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
		    null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		int high = fcntl(pipe_fds[1], F_DUPFD_CLOEXEC, 64);

		setsid();
		if (fork() != 0) {
			_exit(0); /* the supervisor is nobody's child */
		}
		dup2(null_fd, 0);
		dup2(log_fd, 1);
		dup2(log_fd, 2);
		dup2(high, 3);
		for (n = 4; n < 1024; n++) {
			close(n);
		}
		(void)!chdir("/");
		clean_environment();
		execl(exe, exe, "serve", "--name", o->name, "--home", o->home, "--edge-address",
		      o->edge_address, "--api-port", port, "--nodes", nodes, "--service-dataplane",
		      o->service_dataplane, "--ready-fd", ready,
		      o->ip_families ? "--ip-families" : (char *)NULL, o->ip_families,
		      (char *)NULL);
		_exit(127);
	}
	close(pipe_fds[1]);
	(void)waitpid(pid, NULL, 0);
	n = poll(&(struct pollfd){ .fd = pipe_fds[0], .events = POLLIN }, 1,
	         (int)(launch_us / US_PER_MS));
	got = n > 0 ? read(pipe_fds[0], text, sizeof(text) - 1) : -1;
	close(pipe_fds[0]);
	if (got <= 0) {
		return err_raise(err, ERR_UNAVAILABLE, "the supervisor did not start; see %s",
		                 log_path);
	}
	text[got] = '\0';
	return text[0] == '\n' ? 0 : err_raise(err, ERR_UNAVAILABLE, "%s", text);
}

int serve_launch(const struct serve_options *o, struct err *err)
{
	struct home h;
	int r;

	home_init(&h, o->home, o->name);
	if (geteuid() != 0) {
		return err_raise(err, ERR_FORBIDDEN,
		                 "starting an instance needs root: sudo kennel up ...");
	}
	if (is_running(&h)) {
		const char *families = families_remembered(&h);
		unsigned has = nodes_remembered(&h);

		if (o->ip_families && strcmp(o->ip_families, families) != 0) {
			return err_raise(err, ERR_CONFLICT,
			                 "%s runs with %s; families change with kennel down and up "
			                 "again",
			                 o->name, families);
		}
		return o->nodes && o->nodes != has
		               ? err_raise(err, ERR_CONFLICT,
		                           "%s runs with %u node%s; their number changes with "
		                           "kennel down and up again",
		                           o->name, has, has == 1 ? "" : "s")
		               : 1;
	}
	r = home_make(&h, err);
	return r < 0 ? r : launch(o, &h, err);
}

int serve_status(const struct serve_options *o, struct strbuf *out, struct err *err)
{
	struct home h;

	home_init(&h, o->home, o->name);
	return control_ask(&h, "{\"status\":true}", 5 * US_PER_S, out, NULL, err);
}

static void wait_for_lock(struct home *h)
{
	int64_t end_us = clock_mono_us() + stop_us;

	while (home_lock(h, NULL) == -ERR_EXISTS && clock_mono_us() < end_us) {
		usleep(10000);
	}
	home_fini(h);
}

int serve_down(const struct serve_options *o, bool purge, struct err *err)
{
	scoped_strbuf struct strbuf answer = { 0 };
	struct home h;
	int r;

	home_init(&h, o->home, o->name);
	if (geteuid() != 0) {
		return err_raise(err, ERR_FORBIDDEN,
		                 "stopping an instance needs root: sudo kennel down");
	}
	if (control_ask(&h, "{\"stop\":true}", 5 * US_PER_S, &answer, NULL, NULL) == 0) {
		wait_for_lock(&h);
	}
	r = instance_remove(&h, pods_grace_us, err);
	if (r == 0 && purge) {
		r = instance_purge(&h, err);
	}
	return r;
}
