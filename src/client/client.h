/* What: what a role needs of any Kubernetes API server: get, list, apply, status writes, and replicas that
 * list and watch. Asynchronous, on the loop.
 *
 * Credentials: a kubeconfig, or the service account mounted in a pod
 * (/var/run/secrets/kubernetes.io/serviceaccount with KUBERNETES_SERVICE_HOST/PORT); token files are read
 * again when they change. */
#pragma once

#include "base/err.h"
#include "codec/value.h"
#include "loop/loop.h"

struct client;

/* kubeconfig path, or null: in-cluster. Failure: ERR_NOTFOUND, ERR_SYNTAX with the file's name. */
MUST_USE int client_new(struct loop *l, const char *kubeconfig, const char *user_agent,
                        struct client **ret, struct err *err);
struct client *client_free(struct client *c);

/* One request. done exactly once, never from inside; status 0: no answer (why). body is parsed JSON, null
 * unless JSON; borrowed for the call (doc_ref to keep). */
struct client_answer {
	int status;
	struct doc *body;
	const struct err *why; /* set when status is 0 or >= 400 (message of the Status) */
};
typedef void client_done_fn(void *arg, const struct client_answer *a);
/* content_type null: application/json. body null: none. */
struct client_call *client_request(struct client *c, const char *method, const char *target,
                                   const char *content_type, const struct val *body,
                                   client_done_fn *done, void *arg);
void client_cancel(struct client_call *call);
/* Path of an object or collection: "/api/v1/namespaces/x/pods/y/status" into buf-like strbuf. */
void client_path(struct strbuf *out, const char *api_version, const char *plural, struct slice ns,
                 struct slice name, const char *subresource);

/* ---- replica: a local copy of one collection, kept by list and watch ---- */
struct replica;
struct replica_spec {
	const char *api_version;                     /* "v1", "apps/v1" */
	const char *plural;                          /* "pods" */
	const char *ns;                              /* null: all */
	const char *field_selector, *label_selector; /* null: none */
	/* old null: added; now null: deleted. Called while syncing too, before synced. */
	void (*changed)(void *arg, const struct doc *old, const struct doc *now);
	void (*synced)(void *arg); /* first full list is in; and again after each relist */
	void *arg;
};
/* Lists with back-off until it works (a 404 of the kind counts as empty and is asked again every 5 s), then
 * watches from there; on 410 it lists again and reports the difference. */
struct replica *replica_new(struct client *c, const struct replica_spec *s);
struct replica *replica_free(struct replica *r);
bool replica_is_synced(const struct replica *r);
const struct doc *replica_find(const struct replica *r, struct slice ns, struct slice name);
size_t replica_count(const struct replica *r);
typedef bool replica_visit_fn(void *arg, const struct doc *d);
void replica_each(const struct replica *r, replica_visit_fn *fn, void *arg);
/* Puts an object in as if the watch had brought it, when newer (an answer to one's own write). */
void replica_put(struct replica *r, const struct doc *d);

/* ---- events (core/v1 Event), aggregated: same object, reason and message count up ---- */
struct recorder;
struct recorder *recorder_new(struct client *c, const char *component, const char *host);
struct recorder *recorder_free(struct recorder *r);
void recorder_event(struct recorder *r, const struct val *object, const char *type,
                    const char *reason, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
