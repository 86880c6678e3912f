/* Shared by the files that make a pod's life: pods.c (which pods), pod.c (one pod, reconciled),
 * pod-sandbox.c (namespaces, network, files), pod-volumes.c, pod-write.c (status to the API
 * server), container.c (one container up to running), container-stop.c (and to its end), prober.c
 * (probes), hook.c (postStart, preStop).
 *
 *        pod seen            address, links         delete, or all ended     everything ended
 *   NEW ----------> (waits) ----------> READY --------------------> STOPPING ----------------->
 * GONE |                                                                 ^
 *    +-------------------------------- delete -------------------------+
 *
 * Everything about a pod is decided in pod_sync, at the end of the turn in which anything about it
 * changed. */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "node/agent.h"
#include "node/container-facts.h"
#include "node/env.h"
#include "node/objects.h"
#include "node/pod-plan.h"
#include "node/probe.h"
#include "node/pulls.h"
#include "node/tokens.h"

struct pods;
struct pod;
struct hook;
struct prober;
struct server;

#define POD_STATES(X)                                                                              \
	X(NEW, "known, nothing on the host yet")                                                   \
	X(READY, "namespaces, network and files are there")                                        \
	X(STOPPING, "containers are told to end")                                                  \
	X(GONE, "nothing left on the host")

enum pod_state {
#define POD_STATE(name, text) POD_##name,
	POD_STATES(POD_STATE)
#undef POD_STATE
};

struct container {
	struct pod *pod;
	char *name; /* owned */
	char *dir;  /* owned: H/pods/<uid>/containers/<name> */
	struct container_facts facts;
	struct runtime_container *runtime; /* null: none */
	struct pull_wait *pull;            /* waits for its image */
	bool image_is_fetched;             /* by this start: imagePullPolicy Always is satisfied */
	struct backoff pull_backoff;
	int64_t pull_again_us;              /* monotonic */
	bool is_waiting;                    /* for an object of the API */
	char *log_path, *previous_log_path; /* owned; null: none */
	int runs;                           /* ever: numbers the logs and the layers */
	struct restart_backoff backoff;
	int64_t started_mono_us;
	int stop_signal; /* of its image */
	bool is_stopping;
	bool used_hook_extra;
	int64_t kill_at_us; /* monotonic: SIGKILL */
	struct loop_timer kill_timer;
	struct hook *hook; /* running, or null */
	struct prober *probers[PROBE_KINDS];
};

struct volume {
	char *name; /* owned */
	char *path; /* owned: what is mounted; null: not ready */
	bool is_generated;
	uint64_t hash; /* of the files that are there */
};

struct pod {
	struct pods *pods;
	struct doc *doc;       /* share; as last seen */
	char *uid, *ns, *name; /* owned */
	char *dir, *pins,
		*cgroup; /* owned: H/pods/<uid>, RUN/pods/<uid>, /kennel-N/ROLE/kubepods/.../pod<uid> */
	enum pod_state state;
	bool is_deleted;  /* gone from the API server */
	bool is_attached; /* the dataplane knows it */
	bool host_network;
	struct ip_pair ips;
	char ip_text[IP_PAIR_TEXT_SIZE]; /* of both; "" */
	const char *phase;               /* decided for good: "Succeeded", "Failed"; null */
	const char *reason, *message;    /* with phase; static */
	int64_t start_wall_us;
	int64_t retry_us;    /* monotonic: after a failure of the sandbox or a volume; 0 */
	char *last_failure;  /* owned: said in an event already */
	bool is_initialized; /* by the last plan */
	struct container **containers; /* init, app, ephemeral, in spec order; owned */
	size_t n_containers;
	VEC(struct volume) volumes;
	struct loop_defer sync;
	struct loop_timer wake; /* back-offs, deadlines, retries */
	/* status to the API server */
	struct client_call *writing;
	struct loop_timer write_later;
	int64_t write_not_before_us; /* monotonic: after a failure */
	struct backoff write_backoff;
	int64_t leave_by_us; /* monotonic: waits no longer for its endpoints to go; 0: not deleting
	                      */
	int64_t settled_at_us; /* monotonic: endpoints were gone for a moment; 0: not yet */
	bool has_left;         /* nobody sends it new connections any more */
	bool is_finalizing;    /* the last DELETE is under way or done */
	int64_t seen_mono_us;
};

struct pods {
	struct agent *agent;
	struct objects *objects;
	struct tokens *tokens;
	struct pulls *pulls;
	struct server *server; /* told about starts and ends; null in tests */
	struct map by_uid;     /* -> struct pod, owned */
	uint8_t used[256];     /* which numbers within the node's ranges are given */
	unsigned next_address;
	char *host_hosts, *host_resolv; /* owned: the host's files as the node found them */
	int64_t node_cpu_milli, node_memory_bytes;
	int64_t nofile; /* our own hard limit */
	bool may_lower_oom_score;
	int own_oom_score;
	bool is_stopping;
	int64_t turn_us; /* the turn of the loop in which made_in_turn counts */
	int made_in_turn;
};

static inline struct slice pod_uid(const struct pod *p)
{
	return slice_of(p->uid);
}
static inline const struct val *pod_val(const struct pod *p)
{
	return p->doc->root;
}

/* pod.c */
struct pod *pod_new(struct pods *pods, const struct doc *d);
void pod_free(struct pod *p);
void pod_update(struct pod *p, const struct doc *d);
void pod_tell_server(
	const struct pod *p); /* a container began or ended: who follows its log looks */
void pod_look(struct pod *p); /* pod_sync at the end of this turn */
bool pod_is_deleting(const struct pod *p);
void pod_event(const struct pod *p, const struct container *c, const char *type, const char *reason,
               const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Facts for env and volumes. 'finder' remembers what was missing. */
struct finder {
	struct pod *pod;
	bool is_asking; /* something is missing and may be on its way */
};
void pod_facts_fill(struct finder *f, struct pod_facts *ret, struct pod *p);
int64_t pod_grace_us(const struct pod *p); /* terminationGracePeriodSeconds */
void pod_hostname(const struct pod *p, struct strbuf *out);
struct container *pod_find_container(const struct pod *p, struct slice name);

/* pod-sandbox.c */
MUST_USE int sandbox_make(struct pod *p, struct err *err);
/* Takes up what an earlier node made; false: there is nothing (any more). */
bool sandbox_adopt(struct pod *p);
void sandbox_remove(struct pod *p); /* network, namespaces; blocks never */
bool sandbox_is_made(const struct pod *p);

/* pod-volumes.c */
enum volumes_outcome { VOLUMES_READY = 0, VOLUMES_WAIT = 1 };
/* Failure: in the kubelet's words for FailedMount. */
MUST_USE int volumes_prepare(struct pod *p, struct err *err);
void volumes_refresh(struct pod *p); /* live updates */
/* What a container mounts, in a; sub-paths are bound below its folder. */
struct spec_mount;
MUST_USE int volumes_mounts(struct pod *p, struct container *c, const struct env *env,
                            struct arena *a, struct spec_mount **ret, size_t *ret_n,
                            struct err *err);
void volumes_remove(struct pod *p); /* from memory; the folders go with the pod's */

/* pod-write.c */
void pod_write_status(struct pod *p); /* when it differs from what the API server has */
void pod_write_stop(struct pod *p);
void pod_delete(struct pod *p); /* the last word: DELETE with grace 0 */

/* container.c */
void container_init(struct container *c, struct pod *p, const struct val *spec,
                    enum pod_container_list list);
void container_fini(struct container *c);
void container_start(struct container *c);
void container_adopt(struct container *c); /* state file, then the runtime */
void container_wait(struct container *c, const char *reason, const char *message);
void container_ran(struct container *c); /* postStart is done: probes begin */
void container_lost(struct container *c, const char *reason, int code, const char *message);

/* A start that failed before there was a process: reason and message of waiting; tried again later.
 */
void container_refuse(struct container *c, const char *reason, const char *message);

/* container-state.c */
bool container_save(const struct container *c);
bool container_load(struct container *c); /* false: there is nothing to load */

/* container-image.c */
struct image;
struct user;
/* True: *ret is the image to run, borrowed until the store is asked again. False: it is being
 * fetched, or cannot be had; the facts say so. */
bool container_get_image(struct container *c, struct image *ret);
void container_set_image_id(struct container *c, const struct image *image);
/* Failure: ERR_NOTFOUND, ERR_FORBIDDEN (runAsNonRoot). lower: root of the image. */
MUST_USE int container_find_user(const struct container *c, const struct image *image,
                                 const char *lower, struct user *ret, struct err *err);
int container_stop_signal(const struct container *c, const struct image *image);

/* container-stop.c */
/* Ends it: preStop, signal, SIGKILL at kill_at_us. Repeated calls only bring the end nearer. */
void container_stop(struct container *c, int64_t kill_at_us, const char *why);
void container_ended(struct container *c, const struct runtime_exit *e);
void container_unmount(const struct container *c);

/* hook.c */
typedef void hook_done_fn(void *arg, const struct err *why);
/* handler: {exec | httpGet | tcpSocket | sleep}. done once, never from inside. */
struct hook *hook_start(struct container *c, const struct val *handler, int64_t timeout_us,
                        hook_done_fn *done, void *arg);
struct hook *hook_cancel(struct hook *h);

/* prober.c */
void probers_start(struct container *c);
void probers_stop(struct container *c);
