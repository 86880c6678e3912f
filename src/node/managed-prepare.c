/* Why: what has to be on the host before a server can run, in the order in which one needs the
 * other, and how it goes again.
 *
 * The first data of a database is made by the server's own program in bootstrap mode. It waits for
 * the disk 300 times on the way (its recovery log of table definitions), which a busy disk makes a
 * second or more; so it works in memory, and the result is copied beside its place (data.new) and
 * renamed when it is whole. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"
#include "host/mount.h"
#include "host/netns.h"
#include "http/pki.h"
#include "loop/process.h"
#include "node/cloud.h"
#include "node/file.h"
#include "node/managed-host.h"
#include "node/managed-priv.h"

enum { MEMORY_BYTES = 96 << 20 }; /* for the first data: about 30 MiB */
#define BOOTSTRAP_US (120 * US_PER_S)
enum { LOG_KEPT = 8 << 20 }; /* bytes of server.log before it is put aside at a start */

/* ---- settings ---- */

int item_settings(struct managed_item *i, struct strbuf *text, uint64_t *ret_hash, struct err *err)
{
	char address[IP_TEXT_SIZE];
	int r = managed_settings(text, &i->wish, ip_format(i->ip, address), i->overrides, err);

	if (r == 0) {
		*ret_hash = slice_hash(strbuf_slice(text)) | 1; /* 0: never started */
	}
	return r;
}

/* ---- network ---- */

/* Without groups of its own: from both private subnets to the port, as the group of a data tier has it. */
static int admit_by_default(struct managed_item *i, struct err *err)
{
	struct dataplane *d = i->m->agent->dataplane;
	struct host_rule rules[2] = {
		{ .proto = PROTO_TCP, .port_from = i->wish.port, .port_to = i->wish.port },
		{ .proto = PROTO_TCP, .port_from = i->wish.port, .port_to = i->wish.port },
	};
	int r;

	if (!prefix_parse(SLICE("10.0.2.0/24"), &rules[0].from) ||
	    !prefix_parse(SLICE("10.0.3.0/24"), &rules[1].from)) {
		return err_raise(err, ERR_INTERNAL, "subnets are malformed");
	}
	r = dataplane_host_rules(d, slice_of(i->id), i->ip, rules, 2, err);
	return r < 0 ? r : dataplane_host_egress(d, slice_of(i->id), i->ip, false, NULL, 0, err);
}

static int admit(struct managed_item *i, struct err *err)
{
	const struct cloud *cloud = i->m->agent->cloud;
	struct dataplane *d = i->m->agent->dataplane;
	host_rule_list in = { 0 }, out = { 0 };
	int r;

	if (!cloud || !i->doc || !cloud_rules(cloud, i->doc->root, false, &in)) {
		return admit_by_default(i, err);
	}
	(void)cloud_rules(cloud, i->doc->root, true, &out);
	r = dataplane_host_rules(d, slice_of(i->id), i->ip, in.at, in.n, err);
	if (r == 0) {
		r = dataplane_host_egress(d, slice_of(i->id), i->ip, true, out.at, out.n, err);
	}
	vec_fini(&in);
	vec_fini(&out);
	return r;
}

void item_admit(struct managed_item *i)
{
	struct err err;

	if (admit(i, &err) < 0) {
		item_fail(i, "%s", err.msg);
	}
}

static int attach(struct managed_item *i, struct err *err)
{
	scoped_free char *path = mem_printf("%s/net", i->pins);
	scoped_fd int fd = -1;
	int r = 0;

	if (!mount_is_there(path)) {
		r = dir_make(i->pins, 0711, err);
		if (r == 0) {
			r = namespaces_pin(i->pins, PIN_NET, NULL, err);
		}
	}
	if (r == 0) {
		r = netns_open(path, &fd, err);
	}
	if (r == 0) {
		r = dataplane_host_attach(i->m->agent->dataplane, slice_of(i->id), i->ip, fd, err);
	}
	return r < 0 ? r : admit(i, err);
}

/* ---- work that takes a while ---- */

static struct managed_pending *pending_begin(struct managed_item *i)
{
	struct managed_pending *p = NEW(struct managed_pending);

	p->item = i;
	i->pending = p;
	i->busy = true;
	return p;
}

/* Returns the item, or null when it is gone; frees p. */
static struct managed_item *pending_end(struct managed_pending *p)
{
	struct managed_item *i = p->item;

	if (i) {
		i->pending = NULL;
		i->busy = false;
	}
	free(p->dir);
	free(p->keep);
	free(p);
	return i;
}

/* ---- first data ---- */

static void prepared(struct managed_item *i)
{
	i->prepared = true;
	item_look(i);
}

static void sync_folder(const char *path)
{
	scoped_dir DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		scoped_fd int fd = e->d_type == DT_REG
		                           ? openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC)
		                           : -1;

		if (fd >= 0) {
			(void)fdatasync(fd);
		}
	}
	if (d) {
		(void)fsync(dirfd(d));
	}
}

/* Off the loop, once the database answers: what was copied without waiting for the disk gets there. */
static void sync_data(void *arg)
{
	scoped_free char *tables = mem_printf("%s/mysql", (const char *)arg);

	sync_folder(tables);
	sync_folder(arg);
}

static void on_synced(void *arg)
{
	free(arg);
}

void item_sync(const struct managed_item *i)
{
	loop_work(i->m->agent->loop, sync_data, on_synced, mem_printf("%s/data", i->dir));
}

/* Starts a program that 'busy' stands for; done gets the pending. */
static int run(struct managed_item *i, const struct process_spec *spec, process_done_fn *done,
               struct err *err)
{
	int r = process_start(i->m->agent->loop, spec, done, pending_begin(i), &i->bootstrap, err);

	if (r < 0) {
		(void)pending_end(i->pending);
	}
	return r;
}

static bool went_well(const struct process_result *r)
{
	return WIFEXITED(r->status) && WEXITSTATUS(r->status) == 0;
}

static void drop_memory(const struct managed_item *i)
{
	scoped_free char *memory = mem_printf("%s/data", i->pins);

	mount_remove(memory);
	tree_discard(memory);
}

static void on_copied(void *arg, const struct process_result *r)
{
	struct managed_item *i = pending_end(arg);
	scoped_free char *made = NULL, *data = NULL;

	if (!i) {
		return;
	}
	i->bootstrap = NULL;
	drop_memory(i);
	made = mem_printf("%s/data.new", i->dir);
	data = mem_printf("%s/data", i->dir);
	if (!went_well(r)) {
		item_fail(i, "put the first data in place: %.150s", r->err);
		return;
	}
	if (rename(made, data) < 0) {
		item_fail(i, "put the first data in place: %s", strerror(errno));
		return;
	}
	item_save(i);
	prepared(i);
}

static void on_bootstrapped(void *arg, const struct process_result *r)
{
	struct managed_item *i = pending_end(arg);
	scoped_free char *memory = NULL, *made = NULL;
	struct err err;

	if (!i) {
		return;
	}
	i->bootstrap = NULL;
	if (!went_well(r)) {
		const char *line = strstr(r->err, "ERROR");

		log_odd("Making a database failed: %s",
		        r->err + (r->err_size > 600 ? r->err_size - 600 : 0));
		drop_memory(i);
		item_fail(i, "making the first data failed%s%.150s", line ? ": " : "",
		          line ? line : "");
		return;
	}
	memory = mem_printf("%s/data/.", i->pins);
	made = mem_printf("%s/data.new", i->dir);
	{
		const char *const argv[] = { "cp", "-a", "--sparse=always", memory, made, NULL };

		if (run(i, &(struct process_spec){ .argv = argv, .timeout_us = BOOTSTRAP_US },
		        on_copied, &err) < 0) {
			drop_memory(i);
			item_fail(i, "%s", err.msg);
		}
	}
}

/* An empty folder in memory that the server's user may write to. */
static int make_memory(struct managed_item *i, const char *memory, struct err *err)
{
	int r;

	drop_memory(i);
	r = dir_make(i->pins, 0711, err);
	if (r == 0) {
		r = dir_make(memory, 0700, err);
	}
	if (r == 0) {
		r = mount_memory(memory, MEMORY_BYTES, 0700, err);
	}
	if (r == 0 && chown(memory, i->uid, i->uid) < 0) {
		r = err_sys(err, "give %s to its server", memory);
	}
	return r;
}

static int bootstrap(struct managed_item *i, struct err *err)
{
	scoped_arena struct arena a = { 0 };
	scoped_free char *memory = mem_printf("%s/data", i->pins);
	scoped_free char *made = mem_printf("%s/data.new", i->dir);
	scoped_strbuf struct strbuf sql = { 0 };
	int r = tree_remove(made, err);

	if (r == 0) {
		r = make_memory(i, memory, err);
	}
	managed_bootstrap_before(&sql);
	if (r == 0) {
		r = managed_system_tables(&sql, err);
	}
	if (r < 0) {
		return r;
	}
	managed_bootstrap_after(&sql, &i->wish, i->password);
	memcpy(i->applied, i->password, sizeof(i->applied));
	return run(i,
	           &(struct process_spec){ .argv = managed_bootstrap_argv(&a, memory),
	                                   .cwd = "/",
	                                   .input = strbuf_slice(&sql),
	                                   .uid = i->uid,
	                                   .gid = i->uid,
	                                   .timeout_us = BOOTSTRAP_US },
	           on_bootstrapped, err);
}

static bool has_data(const struct managed_item *i)
{
	scoped_free char *mark = mem_printf("%s/data/mysql", i->dir);

	return i->kind == MANAGED_CACHE || access(mark, F_OK) == 0;
}

/* ---- all of it ---- */

static int prepare(struct managed_item *i, struct err *err)
{
	struct agent *a = i->m->agent;
	scoped_strbuf struct strbuf text = { 0 };
	int r = item_settings(i, &text, &i->settings, err);

	if (r < 0) {
		i->is_incompatible = true;
		return r;
	}
	r = managed_root_make(a->home, err);
	if (r == 0) {
		r = managed_folders_make(i->dir, i->uid, err);
	}
	if (r == 0) {
		r = managed_certificate(a->home, i->dir, i->uid, i->endpoint, i->ip,
		                        &i->cert_not_after, err);
	}
	if (r == 0) {
		r = managed_conf_write(i->dir, "settings", strbuf_slice(&text), i->uid, err);
	}
	if (r == 0) {
		r = attach(i, err);
	}
	return r;
}

void item_prepare(struct managed_item *i)
{
	struct err err;
	int r = prepare(i, &err);

	if (r == 0 && has_data(i)) {
		prepared(i);
		return;
	}
	if (r == 0) {
		r = bootstrap(i, &err);
	}
	if (r < 0) {
		item_fail(i, "%s", err.msg);
	}
}

static void turn_log(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && st.st_size > LOG_KEPT) {
		scoped_free char *old = mem_printf("%s.1", path);

		(void)rename(path, old);
	}
}

void item_start(struct managed_item *i)
{
	struct agent *agent = i->m->agent;
	scoped_arena struct arena a = { 0 };
	scoped_free char *netns = mem_printf("%s/net", i->pins);
	scoped_free char *log = mem_printf("%s/server.log", i->dir);
	scoped_free char *socket = mem_printf("%s/run/server.sock", i->dir);
	struct val *config;
	struct err err;
	int r = managed_config(
		&a,
		&(struct managed_box){
			.home = agent->home,
			.dir = i->dir,
			.hostname = i->id,
			.netns = netns,
			.cgroup = arena_printf(&a, "%s/managed/%s", agent->cgroup, i->id),
			.uid = i->uid,
			.kind = i->kind,
		},
		&config, &err);

	turn_log(log);
	(void)unlink(socket); /* of a former life: nobody answers there */
	runtime_new_id(i->container_id);
	if (r == 0) {
		r = runtime_create(agent->runtime,
		                   &(struct runtime_spec){ .id = i->container_id,
		                                           .config = config,
		                                           .log_path = log },
		                   &item_container_events, i, &i->container, &err);
	}
	if (r < 0) {
		i->container = NULL;
		item_fail(i, "%s", err.msg);
		return;
	}
	item_save(i);
}

/* ---- what is remembered ---- */

void item_save(const struct managed_item *i)
{
	scoped_arena struct arena a = { 0 };
	scoped_free char *path = mem_printf("%s/state.json", i->dir);
	scoped_strbuf struct strbuf text = { 0 };
	struct val *v = val_new_object(&a);
	char address[IP_TEXT_SIZE];
	struct err err;

	if (i->removed || i->ip.family == IP_NONE) {
		return;
	}
	val_set_cstr(&a, v, "container", i->container_id);
	val_set_cstr(&a, v, "address", ip_format(i->ip, address));
	val_set_int(&a, v, "port", i->wish.port);
	val_set(&a, v, "settings", val_new_strf(&a, "%llx", (unsigned long long)i->settings));
	val_set_cstr(&a, v, "password", i->applied);
	val_set_bool(&a, v, "available", i->was_available);
	json_write(&text, v);
	strbuf_addc(&text, '\n');
	if (file_write(path, strbuf_slice(&text), 0600, &err) < 0) {
		log_odd("What a server runs with is not remembered: %s", err.msg);
	}
}

void item_load(struct managed_item *i)
{
	scoped_free char *path = mem_printf("%s/state.json", i->dir);
	scoped_strbuf struct strbuf text = { 0 };
	scoped_arena struct arena a = { .max = 1 << 20 };
	struct val *v;
	struct err err;

	if (file_read(path, 64 << 10, &text, NULL) < 0 ||
	    json_parse(&a, strbuf_slice(&text), 0, &v, NULL) < 0 ||
	    !ip_parse(val_get_str(v, "address"), &i->ip)) {
		return;
	}
	i->settings = strtoull(val_cstr(val_get(v, "settings")), NULL, 16);
	i->wish.port = (uint16_t)val_int(val_get(v, "port"), 0);
	i->was_available = val_bool(val_get(v, "available"), false);
	snprintf(i->applied, sizeof(i->applied), "%s", val_cstr(val_get(v, "password")));
	snprintf(i->container_id, sizeof(i->container_id), "%s", val_cstr(val_get(v, "container")));
	if (!*i->container_id ||
	    runtime_adopt(i->m->agent->runtime, i->container_id, &item_container_events, i,
	                  &i->container, NULL) < 0) {
		i->container = NULL;
		return;
	}
	if (runtime_state(i->container) != RUNTIME_RUNNING) {
		runtime_remove(take(i->container), NULL, NULL);
		return;
	}
	i->state = MANAGED_PREPARING; /* from where a running one goes on */
	i->prepared = true;
	if (attach(i, &err) < 0) {
		log_odd("A server that runs cannot be reached: %s dir=%s", err.msg, i->dir);
	}
}

/* ---- the end ---- */

/* Off the loop: databases are large. */
static void remove_files(void *arg)
{
	const struct managed_pending *r = arg;
	scoped_free char *data = mem_printf("%s/data", r->dir);
	struct err err;

	if (r->keep) {
		scoped_free char *folder = slice_dup(
			slice_head(slice_of(r->keep), (size_t)(strrchr(r->keep, '/') - r->keep)));

		if (dir_make(folder, 0700, &err) < 0 || tree_remove(r->keep, &err) < 0 ||
		    rename(data, r->keep) < 0) {
			log_odd("A final snapshot cannot be kept at %s", r->keep);
		}
	}
	if (tree_remove(r->dir, &err) < 0) {
		log_odd("Data of a deleted server is left: %s", err.msg);
	}
	*strrchr(r->dir, '/') = '\0';
	(void)rmdir(r->dir); /* the last one of its namespace */
}

static void on_files_removed(void *arg)
{
	struct managed_item *i = pending_end(arg);

	if (i) {
		i->removed = true;
		item_look(i);
	}
}

void item_remove(struct managed_item *i)
{
	struct agent *a = i->m->agent;
	struct managed_pending *r;

	if (i->ip.family != IP_NONE) {
		dataplane_host_detach(a->dataplane, slice_of(i->id));
	}
	drop_memory(i);
	namespaces_unpin(i->pins);
	(void)rmdir(i->pins);
	if (!i->was_deleted || i->wish.keeps_data) { /* only a seen deletion takes data away */
		i->removed = true;
		item_look(i);
		return;
	}
	r = pending_begin(i);
	r->dir = mem_strdup(i->dir);
	if (i->wish.snapshot.len && has_data(i)) {
		r->keep = mem_printf("%s/managed/snapshots/" SLICE_FMT, a->home,
		                     SLICE_ARG(i->wish.snapshot));
	}
	loop_work(a->loop, remove_files, on_files_removed, r);
}
