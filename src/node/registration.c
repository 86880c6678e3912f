/* Why: the scheduler and controllers know this machine by one object; a heartbeat says that it is
 * alive. */
#include "node/registration.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/process.h"
#include "node/file.h"

#define KUBELET_VERSION "v1.27.16" /* the API level that is spoken */
static const int64_t renew_us = 10 * US_PER_S;
enum {
	RENEWALS_PER_STATUS = 30,
	LEASE_SECONDS = 40,
	MAX_PODS = 250, /* a /24 of addresses: a workstation's node takes all it holds */
	LEAST_MEMORY_KB = 100 << 10,
	LEAST_DISK_BYTES = 512 << 20,
	LEAST_PIDS = 100,
};

struct registration {
	struct agent *agent;
	struct client_call *call;
	struct loop_timer timer;
	struct backoff backoff;
	bool is_created;
	int renewals;          /* since the status was written */
	int64_t renewed_us;    /* when the node last said that it lives */
	unsigned pressure;     /* as written */
	char *runtime_version; /* owned: "crun://1.8.1" */
	struct doc *node;      /* as last answered: transition times */
};

static void next_step(struct registration *r);

static void on_timer(struct loop_timer *t)
{
	next_step(container_of(t, struct registration, timer));
}

static void later(struct registration *r, int64_t wait_us)
{
	loop_timer_start(r->agent->loop, &r->timer, wait_us, on_timer);
}

static void again(struct registration *r, const struct client_answer *a, const char *what)
{
	if (a->status != 409 && a->status != 404) {
		log_odd("Node could not %s status=%d error=%s", what, a->status,
		        a->why ? a->why->msg : "");
	}
	later(r, backoff_next_us(&r->backoff, 0));
}

/* ---- what the machine is ---- */

static char *machine_file(const char *path)
{
	scoped_strbuf struct strbuf text = { 0 };

	(void)!file_read(path, 65536, &text, NULL);
	return slice_dup(slice_trim(strbuf_slice(&text)));
}

static char *os_image(void)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct slice rest, line;

	(void)!file_read("/etc/os-release", 65536, &text, NULL);
	rest = strbuf_slice(&text);
	while (slice_next(&rest, '\n', &line)) {
		if (slice_has_prefix(line, SLICE("PRETTY_NAME="))) {
			line = slice_from(line, strlen("PRETTY_NAME="));
			if (line.len >= 2 && line.p[0] == '"') {
				line = (struct slice){ line.p + 1, line.len - 2 };
			}
			return slice_dup(line);
		}
	}
	return mem_strdup("Linux");
}

static const char *architecture(const struct utsname *u)
{
	return strcmp(u->machine, "x86_64") == 0    ? "amd64"
	       : strcmp(u->machine, "aarch64") == 0 ? "arm64"
	                                            : u->machine;
}

static void add_info(const struct registration *r, struct arena *a, struct val *status)
{
	scoped_free char *machine = machine_file("/etc/machine-id"),
			 *boot = machine_file("/proc/sys/kernel/random/boot_id"),
			 *image = os_image();
	struct val *info = val_need_object(a, status, "nodeInfo");
	struct utsname u;

	(void)uname(&u);
	val_set_cstr(a, info, "architecture", architecture(&u));
	val_set_cstr(a, info, "bootID", boot);
	val_set_cstr(a, info, "containerRuntimeVersion", r->runtime_version);
	val_set_cstr(a, info, "kernelVersion", u.release);
	val_set_cstr(a, info, "kubeProxyVersion", KUBELET_VERSION);
	val_set_cstr(a, info, "kubeletVersion", KUBELET_VERSION);
	val_set_cstr(a, info, "machineID", machine);
	val_set_cstr(a, info, "operatingSystem", "linux");
	val_set_cstr(a, info, "osImage", image);
	val_set_cstr(a, info, "systemUUID", machine);
}

static void add_capacity(const struct registration *r, struct arena *a, struct val *status)
{
	static const char *const keys[] = { "capacity", "allocatable" };
	struct sysinfo info = { 0 };
	struct statvfs fs = { 0 };

	(void)sysinfo(&info);
	(void)statvfs(r->agent->home, &fs);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct val *v = val_need_object(a, status, keys[i]);

		val_set(a, v, "cpu", val_new_strf(a, "%ld", sysconf(_SC_NPROCESSORS_ONLN)));
		val_set(a, v, "ephemeral-storage",
		        val_new_strf(a, "%lluKi",
		                     (unsigned long long)fs.f_blocks * fs.f_frsize / 1024));
		val_set(a, v, "memory",
		        val_new_strf(a, "%lluKi",
		                     (unsigned long long)info.totalram * info.mem_unit / 1024));
		val_set(a, v, "pods", val_new_strf(a, "%d", MAX_PODS));
	}
}

static const struct val *condition_of(const struct registration *r, const char *type)
{
	val_for_each (r->node ? val_path(r->node->root, "status.conditions") : NULL, it) {
		if (slice_is(val_get_str(it, "type"), type)) {
			return it;
		}
	}
	return NULL;
}

/* What is short: a bit for each of PRESSURES. Source: the kubelet's eviction signals; the disk's
 * threshold is an absolute one, since a workstation with a nearly full large disk works well. */
static unsigned pressure_now(const struct registration *r)
{
	scoped_strbuf struct strbuf text = { 0 };
	const char *at;
	struct statvfs fs;
	struct sysinfo info;
	unsigned pressure = 0;

	(void)!file_read("/proc/meminfo", 65536, &text, NULL);
	at = strstr(strbuf_str(&text), "MemAvailable:");
	if (at && strtoll(at + strlen("MemAvailable:"), NULL, 10) < LEAST_MEMORY_KB) {
		pressure |= 1u << 0;
	}
	if (statvfs(r->agent->home, &fs) == 0 &&
	    (uint64_t)fs.f_bavail * fs.f_frsize < LEAST_DISK_BYTES) {
		pressure |= 1u << 1;
	}
	strbuf_reset(&text);
	if (sysinfo(&info) == 0 && file_read("/proc/sys/kernel/pid_max", 64, &text, NULL) == 0 &&
	    strtoll(strbuf_str(&text), NULL, 10) - info.procs < LEAST_PIDS) {
		pressure |= 1u << 2;
	}
	return pressure;
}

static void add_condition(const struct registration *r, struct arena *a, struct val *list,
                          const char *type, bool is_true, const char *reason, const char *message)
{
	const struct val *old = condition_of(r, type);
	const char *status = is_true ? "True" : "False";
	bool is_same = slice_is(val_get_str(old, "status"), status);
	struct val *v = val_append(list, val_new_object(a));
	char now[TIME_TEXT_SIZE];

	time_format(clock_wall_us(), now);
	val_set_cstr(a, v, "lastHeartbeatTime", now);
	val_set_str(a, v, "lastTransitionTime",
	            is_same ? val_get_str(old, "lastTransitionTime") : slice_of(now));
	val_set_cstr(a, v, "message", message);
	val_set_cstr(a, v, "reason", reason);
	val_set_cstr(a, v, "status", status);
	val_set_cstr(a, v, "type", type);
}

static void add_conditions(const struct registration *r, struct arena *a, struct val *status)
{
	static const struct {
		const char *type, *well, *well_message, *ill, *ill_message;
	} pressures[] = {
		{ "MemoryPressure", "KubeletHasSufficientMemory",
		  "kubelet has sufficient memory available", "KubeletHasInsufficientMemory",
		  "kubelet has insufficient memory available" },
		{ "DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure",
		  "KubeletHasDiskPressure", "kubelet has disk pressure" },
		{ "PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available",
		  "KubeletHasInsufficientPID", "kubelet has insufficient PID available" },
	};
	struct val *list = val_need_array(a, status, "conditions");

	for (size_t i = 0; i < ARRAY_SIZE(pressures); i++) {
		bool ill = r->pressure >> i & 1;

		add_condition(r, a, list, pressures[i].type, ill,
		              ill ? pressures[i].ill : pressures[i].well,
		              ill ? pressures[i].ill_message : pressures[i].well_message);
	}
	add_condition(r, a, list, "Ready", true, "KubeletReady", "kubelet is posting ready status");
}

static void add_address(struct arena *a, struct val *list, const char *type, const char *address)
{
	struct val *v = val_append(list, val_new_object(a));

	val_set_cstr(a, v, "address", address);
	val_set_cstr(a, v, "type", type);
}

static struct val *status_of(const struct registration *r, struct arena *a)
{
	struct val *body = val_new_object(a), *status = val_need_object(a, body, "status"), *list;
	char ip[IP_TEXT_SIZE];

	list = val_need_array(a, status, "addresses");
	for (size_t i = 0; i < 2 && r->agent->node_ips.at[i].family; i++) {
		add_address(a, list, "InternalIP", ip_format(r->agent->node_ips.at[i], ip));
	}
	add_address(a, list, "Hostname", r->agent->node_name);
	add_capacity(r, a, status);
	add_conditions(r, a, status);
	add_info(r, a, status);
	return body;
}

static void add_images(void *arg, const struct image *i)
{
	struct doc *d = arg;
	struct val *list = val_need_array(&d->arena, val_get(d->root, "status"), "images"), *v;

	if (val_len(i->names) == 0 || val_len(list) >= 50) {
		return;
	}
	v = val_append(list, val_new_object(&d->arena));
	val_set(&d->arena, v, "names", val_copy(&d->arena, i->names));
	val_set_int(&d->arena, v, "sizeBytes", i->size);
}

/* ---- steps: create, status, lease ---- */

static void on_lease_made(void *arg, const struct client_answer *a)
{
	struct registration *r = arg;

	r->call = NULL;
	if (a->status != 201 && a->status != 200) {
		again(r, a, "make its lease");
		return;
	}
	backoff_reset(&r->backoff);
	later(r, renew_us);
}

static struct val *lease(const struct registration *r, struct arena *a)
{
	struct val *v = val_new_object(a), *meta = val_need_object(a, v, "metadata"), *spec;
	char now[TIME_TEXT_SIZE];

	val_set_cstr(a, v, "apiVersion", "coordination.k8s.io/v1");
	val_set_cstr(a, v, "kind", "Lease");
	val_set_cstr(a, meta, "name", r->agent->node_name);
	val_set_cstr(a, meta, "namespace", "kube-node-lease");
	spec = val_need_object(a, v, "spec");
	val_set_cstr(a, spec, "holderIdentity", r->agent->node_name);
	val_set_int(a, spec, "leaseDurationSeconds", LEASE_SECONDS);
	val_set_cstr(a, spec, "renewTime", time_format_micro(clock_wall_us(), now));
	return v;
}

static void make_lease(struct registration *r)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf path = { 0 };

	client_path(&path, "coordination.k8s.io/v1", "leases", SLICE("kube-node-lease"),
	            (struct slice){ 0 }, NULL);
	r->call = client_request(r->agent->client, "POST", strbuf_str(&path), NULL, lease(r, &a),
	                         on_lease_made, r);
}

static void on_renewed(void *arg, const struct client_answer *a)
{
	struct registration *r = arg;

	r->call = NULL;
	if (a->status == 404) {
		make_lease(r);
		return;
	}
	if (a->status != 200) {
		again(r, a, "renew its lease");
		return;
	}
	backoff_reset(&r->backoff);
	r->renewals++;
	r->renewed_us = loop_now_us(r->agent->loop);
	later(r, renew_us);
}

static void renew(struct registration *r)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf path = { 0 };

	client_path(&path, "coordination.k8s.io/v1", "leases", SLICE("kube-node-lease"),
	            slice_of(r->agent->node_name), NULL);
	r->call = client_request(r->agent->client, "PATCH", strbuf_str(&path),
	                         "application/merge-patch+json", lease(r, &a), on_renewed, r);
}

static void on_status(void *arg, const struct client_answer *a)
{
	struct registration *r = arg;

	r->call = NULL;
	if (a->status != 200) {
		r->is_created = a->status != 404;
		again(r, a, "write its status");
		return;
	}
	doc_unref(r->node);
	r->node = a->body ? doc_ref(a->body) : NULL;
	backoff_reset(&r->backoff);
	r->renewals = 1;
	r->renewed_us = loop_now_us(r->agent->loop);
	renew(r);
}

static void write_status(struct registration *r)
{
	scoped_doc struct doc *d = doc_new();
	scoped_strbuf struct strbuf path = { 0 };

	r->pressure = pressure_now(r);
	d->root = status_of(r, &d->arena);
	image_store_each(r->agent->images, add_images, d);
	client_path(&path, "v1", "nodes", (struct slice){ 0 }, slice_of(r->agent->node_name),
	            "status");
	r->call = client_request(r->agent->client, "PATCH", strbuf_str(&path),
	                         "application/merge-patch+json", d->root, on_status, r);
}

static struct val *labels_of(const struct registration *r, struct arena *a)
{
	struct val *labels = val_new_object(a);
	struct utsname u;

	(void)uname(&u);
	val_set_cstr(a, labels, "beta.kubernetes.io/arch", architecture(&u));
	val_set_cstr(a, labels, "beta.kubernetes.io/os", "linux");
	val_set_cstr(a, labels, "kubernetes.io/arch", architecture(&u));
	val_set_cstr(a, labels, "kubernetes.io/hostname", r->agent->node_name);
	val_set_cstr(a, labels, "kubernetes.io/os", "linux");
	if (r->agent->leads) {
		val_set_cstr(a, labels, "node-role.kubernetes.io/control-plane", "");
	}
	if (r->agent->region) {
		val_set_cstr(a, labels, "topology.kubernetes.io/region", r->agent->region);
	}
	if (r->agent->zone) {
		val_set_cstr(a, labels, "topology.kubernetes.io/zone", r->agent->zone);
	}
	return labels;
}

static void set_ranges(const struct registration *r, struct arena *a, struct val *spec)
{
	const struct prefix *ranges = r->agent->pod_ranges;
	struct val *all = val_set(a, spec, "podCIDRs", val_new_array(a));
	char text[PREFIX_TEXT_SIZE];

	val_set_cstr(a, spec, "podCIDR", prefix_format(ranges[0], text));
	for (size_t i = 0; i < 2 && ranges[i].ip.family; i++) {
		val_append(all, val_new_cstr(a, prefix_format(ranges[i], text)));
	}
}

/* Labels and ranges for pods, as this node has them. */
static struct val *own_facts(const struct registration *r, struct arena *a)
{
	struct val *body = val_new_object(a);

	val_set(a, val_need_object(a, body, "metadata"), "labels", labels_of(r, a));
	set_ranges(r, a, val_need_object(a, body, "spec"));
	return body;
}

static bool facts_differ(const struct val *node, const struct val *want)
{
	val_for_each (val_path(want, "metadata.labels"), it) {
		if (!val_eq(val_get_slice(val_path(node, "metadata.labels"), it->key), it)) {
			return true;
		}
	}
	return !val_eq(val_path(node, "spec.podCIDRs"), val_path(want, "spec.podCIDRs"));
}

/* What the node says of itself stays true: somebody's change of these labels, or of the place it is in, is mended;
 * a family that came or went with a start is told. */
static void write_facts(struct registration *r, client_done_fn *done)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf path = { 0 };
	struct val *body = own_facts(r, &a);

	client_path(&path, "v1", "nodes", (struct slice){ 0 }, slice_of(r->agent->node_name), NULL);
	r->call = client_request(r->agent->client, "PATCH", strbuf_str(&path),
	                         "application/merge-patch+json", body, done, r);
}

static void on_found(void *arg, const struct client_answer *a)
{
	scoped_arena struct arena arena = { 0 };
	struct registration *r = arg;

	r->call = NULL;
	if (a->status != 200 || !a->body) {
		again(r, a, "be read");
		return;
	}
	if (facts_differ(a->body->root, own_facts(r, &arena))) {
		write_facts(r, on_found);
		return;
	}
	r->is_created = true;
	r->node = doc_ref(a->body);
	write_status(r);
}

static void on_created(void *arg, const struct client_answer *a)
{
	struct registration *r = arg;
	scoped_strbuf struct strbuf path = { 0 };

	r->call = NULL;
	if (a->status == 409) { /* it is there from before: times of conditions go on */
		client_path(&path, "v1", "nodes", (struct slice){ 0 },
		            slice_of(r->agent->node_name), NULL);
		r->call = client_request(r->agent->client, "GET", strbuf_str(&path), NULL, NULL,
		                         on_found, r);
		return;
	}
	if (a->status != 201 && a->status != 200) {
		again(r, a, "register");
		return;
	}
	r->is_created = true;
	r->node = a->body ? doc_ref(a->body) : NULL;
	write_status(r);
}

static void create(struct registration *r)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf path = { 0 };
	struct val *body = status_of(r, &a), *meta = val_need_object(&a, body, "metadata"), *spec;

	val_set_cstr(&a, body, "apiVersion", "v1");
	val_set_cstr(&a, body, "kind", "Node");
	val_set_cstr(&a, meta, "name", r->agent->node_name);
	val_set(&a, meta, "labels", labels_of(r, &a));
	spec = val_need_object(&a, body, "spec");
	set_ranges(r, &a, spec);
	val_set(&a, spec, "providerID",
	        val_new_strf(&a, NODE_PROVIDER "%s/%s", r->agent->instance, r->agent->node_name));
	client_path(&path, "v1", "nodes", (struct slice){ 0 }, (struct slice){ 0 }, NULL);
	r->call = client_request(r->agent->client, "POST", strbuf_str(&path), NULL, body,
	                         on_created, r);
}

/* Silent for so long, it has been declared lost: what its status says is not true any more. */
static bool was_silent(const struct registration *r)
{
	return loop_now_us(r->agent->loop) - r->renewed_us >= LEASE_SECONDS * US_PER_S;
}

static void next_step(struct registration *r)
{
	if (!r->is_created) {
		create(r);
	} else if (r->renewals == 0 || r->renewals >= RENEWALS_PER_STATUS || was_silent(r) ||
	           pressure_now(r) != r->pressure) {
		write_status(r);
	} else {
		renew(r);
	}
}

/* "crun version 1.8.1" */
static char *ask_runtime_version(void)
{
	const char *const argv[] = { "crun", "--version", NULL };
	scoped_strbuf struct strbuf said = { 0 };
	struct slice line, rest, word = { 0 };
	int status;

	if (process_run(&(struct process_spec){ .argv = argv, .timeout_us = 5 * US_PER_S }, &said,
	                NULL, &status, NULL) < 0) {
		return mem_strdup("crun://unknown");
	}
	slice_cut(strbuf_slice(&said), '\n', &line, &rest);
	while (slice_next(&line, ' ', &word)) {
	}
	return mem_printf("crun://" SLICE_FMT, SLICE_ARG(word));
}

struct registration *registration_new(struct agent *a)
{
	struct registration *r = NEW(struct registration);

	r->agent = a;
	r->runtime_version = ask_runtime_version();
	r->backoff = (struct backoff){ .floor_us = 50 * US_PER_MS, .ceiling_us = 5 * US_PER_S };
	next_step(r);
	return r;
}

struct registration *registration_free(struct registration *r)
{
	if (r) {
		if (r->call) {
			client_cancel(r->call);
		}
		loop_timer_stop(&r->timer);
		doc_unref(r->node);
		free(r->runtime_version);
		free(r);
	}
	return NULL;
}
