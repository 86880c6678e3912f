/* Why: which pods this node has: those the API server assigned to it, those an earlier node process
 * left running, and those that nobody wants any more. */
#include "node/pods.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "host/cgroup.h"
#include "host/mount.h"
#include "node/file.h"
#include "node/pods-priv.h"

enum { CAP_SYS_RESOURCE_BIT = 24, NOFILE_MAX = 1 << 20 };

/* ---- coming and going ---- */

/* Without its sandbox (the machine was restarted) what ran is gone, and init containers run again.
 */
static void adopt(struct pod *p)
{
	bool is_whole = sandbox_adopt(p);

	p->state = is_whole ? POD_READY : POD_NEW;
	p->is_initialized = is_whole; /* until the first plan says otherwise */
	for (size_t i = 0; i < p->n_containers; i++) {
		struct container *c = p->containers[i];

		container_adopt(c);
		if (!is_whole && !p->phase) {
			c->facts.has_begun = false;
			if (c->facts.list == POD_INIT && c->facts.phase == CONTAINER_TERMINATED) {
				container_wait(c, NULL, NULL);
			}
		}
	}
}

static void on_pod(void *arg, const struct doc *old, const struct doc *now)
{
	struct pods *pods = arg;
	struct pod *p =
		map_find(&pods->by_uid, val_str(val_path((now ? now : old)->root, "metadata.uid")));

	if (!now) {
		if (p) {
			p->is_deleted = true;
			pod_look(p);
		}
		return;
	}
	if (old && !slice_eq(val_str(val_path(old->root, "metadata.uid")),
	                     val_str(val_path(now->root, "metadata.uid")))) {
		on_pod(arg, old, NULL); /* deleted and made again between two looks */
	}
	if (p) {
		pod_update(p, now);
		return;
	}
	p = pod_new(pods, now);
	if (!p->phase || access(p->dir, F_OK) == 0) {
		adopt(p);
	} else {
		p->state = POD_GONE;
	}
	pod_look(p);
}

static void on_changed(void *arg, const char *kind, struct slice ns, struct slice name)
{
	struct pods *pods = arg;

	for (struct map_iter it = { 0 }; map_next(&pods->by_uid, &it);) {
		struct pod *p = it.value;

		if (slice_is(ns, p->ns) && object_is_named_by(pod_val(p), kind, name)) {
			p->retry_us = 0;
			for (size_t i = 0; i < p->n_containers; i++) {
				struct container_facts *f = &p->containers[i]->facts;

				if (f->reason &&
				    strcmp(f->reason, "CreateContainerConfigError") == 0) {
					f->restart_at_us = 0;
				}
			}
			volumes_refresh(p);
			pod_look(p);
		}
	}
}

static void on_token(void *arg, struct slice uid)
{
	struct pods *pods = arg;
	struct pod *p = map_find(&pods->by_uid, uid);

	if (p) {
		volumes_refresh(p);
		pod_look(p);
	}
}

/* A folder of a pod that is gone: whatever it left goes too. Containers are strays and went before.
 */
static void remove_left(struct pods *pods, const char *uid)
{
	static const char *const tiers[] = { "", "burstable/", "besteffort/" };
	struct agent *a = pods->agent;
	scoped_free char *dir = mem_printf("%s/%s", a->pods_dir, uid),
			 *pins = mem_printf("%s/pods/%s", a->run_dir, uid),
			 *ip_path = mem_printf("%s/ip", dir);
	scoped_strbuf struct strbuf text = { 0 };
	struct ip_pair ips;

	log_info("Pod of before is removed uid=%s", uid);
	if (file_read(ip_path, IP_PAIR_TEXT_SIZE, &text, NULL) == 0 &&
	    ip_pair_parse(slice_trim(strbuf_slice(&text)), &ips)) {
		dataplane_pod_detach(a->dataplane, slice_of(uid), ips);
	}
	namespaces_unpin(pins);
	(void)rmdir(pins);
	for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
		scoped_free char *group =
			mem_printf("%s/kubepods/%spod%s", a->cgroup, tiers[i], uid);

		(void)cgroup_remove(runtime_cgroups(a->runtime), group);
	}
	mounts_remove_below(dir);
	tree_discard_later(a->loop, dir);
}

static void remove_left_folders(struct pods *pods, const char *folder)
{
	scoped_dir DIR *d = opendir(folder);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] != '.' && !map_has(&pods->by_uid, slice_of(e->d_name))) {
			remove_left(pods, e->d_name);
		}
	}
}

static void on_synced(void *arg)
{
	struct pods *pods = arg;
	scoped_free char *pins = mem_printf("%s/pods", pods->agent->run_dir);

	runtime_remove_strays(pods->agent->runtime);
	remove_left_folders(pods, pods->agent->pods_dir);
	remove_left_folders(pods, pins);
	pods->agent->model_is_complete =
		true; /* pods of the first list were taken up, and put into it, before */
	agent_sync(pods->agent);
}

/* ---- the set ---- */

static char *host_file(const char *path)
{
	scoped_strbuf struct strbuf text = { 0 };

	(void)!file_read(path, 1 << 20, &text, NULL);
	return strbuf_steal(&text);
}

/* What dnsPolicy Default means: the host's searches and options, asked at the resolver that answers inside for
 * the host's (which may listen on the host's loopback). */
static char *inside_resolv(const char *path)
{
	scoped_free char *host = host_file(path);
	struct slice rest = slice_of(host), line;
	struct strbuf out = { 0 };

	strbuf_adds(&out, "nameserver " DATAPLANE_RESOLVER "\n");
	while (slice_next(&rest, '\n', &line)) {
		if (!slice_has_prefix(slice_trim(line), SLICE("nameserver"))) {
			strbuf_addf(&out, SLICE_FMT "\n", SLICE_ARG(line));
		}
	}
	return strbuf_steal(&out);
}

static void learn_host(struct pods *p)
{
	scoped_strbuf struct strbuf score = { 0 }, status = { 0 };
	struct rlimit files;
	struct sysinfo info;
	const char *caps;
	int64_t n;

	p->host_hosts = host_file("/etc/hosts");
	p->host_resolv = inside_resolv("/etc/resolv.conf");
	p->node_cpu_milli = sysconf(_SC_NPROCESSORS_ONLN) * 1000;
	p->node_memory_bytes = sysinfo(&info) == 0 ? (int64_t)info.totalram * info.mem_unit : 0;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		p->nofile = files.rlim_max > NOFILE_MAX ? NOFILE_MAX : (int64_t)files.rlim_max;
	}
	if (file_read("/proc/self/oom_score_adj", 64, &score, NULL) == 0 &&
	    slice_to_i64(slice_trim(strbuf_slice(&score)), &n)) {
		p->own_oom_score = (int)n;
	}
	(void)!file_read("/proc/self/status", 65536, &status, NULL);
	caps = strstr(strbuf_str(&status), "CapEff:");
	p->may_lower_oom_score = caps && (strtoull(caps + 7, NULL, 16) >> CAP_SYS_RESOURCE_BIT & 1);
}

struct pods *pods_new(struct agent *a)
{
	struct pods *p = NEW(struct pods);

	p->agent = a;
	a->pods = p;
	learn_host(p);
	p->tokens = tokens_new(a, on_token, p);
	p->pulls = pulls_new(a);
	p->objects = objects_new(a, &(struct objects_events){
					    .pod = on_pod,
					    .changed = on_changed,
					    .synced = on_synced,
					    .arg = p,
				    });
	return p;
}

void pods_set_server(struct pods *p, struct server *s)
{
	p->server = s;
}

struct pods *pods_free(struct pods *p)
{
	if (!p) {
		return NULL;
	}
	p->is_stopping = true;
	objects_free(p->objects);
	for (;;) {
		struct map_iter it = { 0 };

		if (!map_next(&p->by_uid, &it)) {
			break;
		}
		pod_free(it.value);
	}
	map_fini(&p->by_uid);
	tokens_free(p->tokens);
	pulls_free(p->pulls);
	free(p->host_hosts);
	free(p->host_resolv);
	free(p);
	return NULL;
}

/* ---- looking at it: pods.h ---- */

static void view_of(struct pod *p, struct pod_view *ret)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/net", p->pins);
	*ret = (struct pod_view){
		.doc = p->doc,
		.ns = slice_of(p->ns),
		.name = slice_of(p->name),
		.uid = pod_uid(p),
		.ip = p->ips.at[0],
		.netns_path = sandbox_is_made(p) && !p->host_network ? path : NULL,
		.cgroup = p->cgroup,
		.dir = p->dir,
		.pod = p,
	};
}

bool pods_find(const struct pods *pods, struct slice ns, struct slice name, struct pod_view *ret)
{
	struct pod *found = NULL;

	for (struct map_iter it = { 0 }; map_next(&pods->by_uid, &it);) {
		struct pod *p = it.value;

		if (slice_is(ns, p->ns) && slice_is(name, p->name) &&
		    (!found || found->is_deleted)) {
			found = p;
		}
	}
	if (found) {
		view_of(found, ret);
	}
	return found != NULL;
}

void pods_each(const struct pods *pods, pods_visit_fn *fn, void *arg)
{
	for (struct map_iter it = { 0 }; map_next(&pods->by_uid, &it);) {
		struct pod_view v;

		view_of(it.value, &v);
		if (!fn(arg, &v)) {
			return;
		}
	}
}

static void container_view_of(const struct container *c, struct pod_container_view *ret)
{
	const struct container_facts *f = &c->facts;

	*ret = (struct pod_container_view){
		.spec = f->spec,
		.list = f->list,
		.runtime = f->phase == CONTAINER_RUNNING ? c->runtime : NULL,
		.log_path = c->log_path,
		.previous_log_path = c->previous_log_path,
		.waiting_reason = f->phase == CONTAINER_WAITING
		                          ? (f->reason ? f->reason : "ContainerCreating")
		                          : NULL,
		.restarts = f->restarts,
		.is_ready = f->is_ready,
		.has_started = f->phase != CONTAINER_WAITING || f->last.reason,
		.started_wall_us = f->phase == CONTAINER_RUNNING      ? f->started_us
		                   : f->phase == CONTAINER_TERMINATED ? f->end.started_us
		                                                      : f->last.started_us,
		.finished_wall_us = f->phase == CONTAINER_RUNNING      ? 0
		                    : f->phase == CONTAINER_TERMINATED ? f->end.finished_us
		                                                       : f->last.finished_us,
	};
}

int pods_container(const struct pod_view *v, struct slice name, struct pod_container_view *ret,
                   struct err *err)
{
	const struct pod *p = v->pod;
	const struct container *c;

	if (name.len == 0) {
		name = val_get_str(val_path(pod_val(p), "metadata.annotations"),
		                   "kubectl.kubernetes.io/default-container");
	}
	c = pod_find_container(p, name);
	for (size_t i = 0; !c && name.len == 0 && i < p->n_containers; i++) {
		if (p->containers[i]->facts.list == POD_APP) {
			c = p->containers[i];
		}
	}
	if (!c) {
		return err_raise(err, ERR_NOTFOUND,
		                 "container " SLICE_FMT " is not valid for pod %s", SLICE_ARG(name),
		                 p->name);
	}
	container_view_of(c, ret);
	return 0;
}

void pods_each_container(const struct pod_view *v, pods_visit_container_fn *fn, void *arg)
{
	for (size_t i = 0; i < v->pod->n_containers; i++) {
		struct pod_container_view view;

		container_view_of(v->pod->containers[i], &view);
		if (!fn(arg, &view)) {
			return;
		}
	}
}
