/* Why: `kennel up`: from manifests to a running application, in the order a person would do it: read
 * and check everything, start the instance, load images, apply, wait, say where it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/caller.h"
#include "cli/command.h"
#include "cli/kustomize.h"
#include "cli/progress.h"
#include "cli/readiness.h"
#include "codec/json.h"
#include "manifest/manifest.h"

static const struct cli_option options[] = {
	{ "filename", 'f', "FILE",
	  "manifests: a file, a folder, a kustomization, or - (may be repeated)" },
	{ "load", 0, "PATH",
	  "image archive, or a folder of them, to load first (may be repeated)" },
	{ "edge-address", 0, "IP", "where load balancers listen (default 127.0.0.1)" },
	{ "ip-families", 0, "LIST",
	  "IPv4, or IPv4,IPv6: pods and, if they ask, Services have addresses of both (default: as "
	  "last time, at first IPv4)" },
	{ "api-port", 0, "PORT",
	  "port of the API server on loopback (default 6443 or the next free)" },
	{ "service-dataplane", 0, "KIND",
	  "how pods' sockets find a service's endpoint: ebpf, nftables, or auto (default: ebpf "
	  "where "
	  "the kernel lets us)" },
	{ "nodes", 0, "N", "how many nodes the cluster has (default: as last time, at first 1)" },
	{ "timeout", 0, "SECONDS",
	  "how long to wait until all is up (default 300; 0: do not wait)" },
	{ 0 },
};

/* Manager of the fields that up applies; the annotation lets a later 'kubectl apply' go on from there. */
#define FIELD_MANAGER "kennel"
#define LAST_APPLIED  "kubectl.kubernetes.io/last-applied-configuration"
static const int64_t poll_us = 50 * US_PER_MS,
		     nodes_us = 60 * US_PER_S; /* until every node is there */

struct up {
	const struct cli_ops *ops;
	struct cli_instance instance;
	struct manifests given;   /* what the user handed over */
	struct manifests builtin; /* what kennel brings itself */
	struct caller caller;
	struct progress progress;
	size_t n_loaded;
	int64_t since_wall_us; /* when this command began */
};

static int refuse(const struct manifests *m)
{
	for (size_t i = 0; i < m->problems.n; i++) {
		fprintf(stderr, "%s\n", m->problems.at[i]);
	}
	fprintf(stderr, "kennel: %zu mistake%s in the manifests; nothing was changed\n",
	        m->problems.n, m->problems.n == 1 ? "" : "s");
	return 2;
}

static int read_manifests(struct up *u, const struct cli_parsed *p, struct err *err)
{
	for (size_t i = 0; i < p->options.n; i++) {
		if (strcmp(p->options.at[i]->name, "filename") == 0) {
			int r = manifests_read(&u->given, p->values.at[i], err);

			if (r < 0) {
				return r;
			}
		}
	}
	manifests_check(&u->given);
	for (const struct cli_builtin *b = u->ops->builtins; b->file; b++) {
		int r = manifests_read_text(&u->builtin, b->file, b->text, err);

		if (r < 0) {
			return r;
		}
	}
	manifests_check(&u->builtin);
	return 0;
}

static void on_loaded(void *arg, const char *name)
{
	struct up *u = arg;

	u->n_loaded++;
	progress_now(&u->progress, "loaded image %s", name);
}

static int load_images(struct up *u, const struct cli_parsed *p, struct err *err)
{
	for (size_t i = 0; i < p->options.n; i++) {
		if (strcmp(p->options.at[i]->name, "load") == 0) {
			int r = u->ops->load_images(&u->instance, p->values.at[i], on_loaded, u,
			                            err);

			if (r < 0) {
				return r;
			}
		}
	}
	if (u->n_loaded) {
		progress_done(&u->progress, "%zu image%s loaded", u->n_loaded,
		              u->n_loaded == 1 ? "" : "s");
	}
	return 0;
}

/* Path of the object on the server. The plural of a kind that only the server knows is asked for. */
static int target_of(struct up *u, const struct manifest *x, struct strbuf *out, struct err *err)
{
	struct slice api_version = val_get_str(x->object, "apiVersion"),
		     ns = val_str(val_path(x->object, "metadata.namespace")),
		     name = val_str(val_path(x->object, "metadata.name"));
	const char *plural = x->kind ? x->kind->plural : NULL;
	bool namespaced = x->kind && x->kind->namespaced;
	scoped_doc struct doc *resources = NULL;

	if (!plural) {
		scoped_free char *path = mem_printf("/apis/" SLICE_FMT, SLICE_ARG(api_version));
		int r = caller_ask(&u->caller, "GET", path, NULL, NULL, &resources, err);

		if (r < 0) {
			return r;
		}
		val_for_each (val_get(resources->root, "resources"), it) {
			if (slice_eq(val_get_str(it, "kind"), val_get_str(x->object, "kind")) &&
			    slice_find(val_get_str(it, "name"), '/') < 0) {
				plural = val_cstr(val_get(it, "name"));
				namespaced = val_bool(val_get(it, "namespaced"), false);
			}
		}
		if (!plural) {
			return err_raise(err, ERR_NOTFOUND, "the server has no such kind");
		}
	}
	client_path(out, api_version.p, plural,
	            namespaced ? (ns.len ? ns : SLICE("default")) : (struct slice){ 0 }, name,
	            NULL);
	return 0;
}

/* The object as it is sent: a copy with the annotation that client-side apply starts from. */
static struct val *with_last_applied(struct arena *a, const struct val *object)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct val *copy = val_copy(a, object), *annotations;

	json_write(&text, object);
	strbuf_addc(&text, '\n');
	annotations = val_need_object(a, val_need_object(a, copy, "metadata"), "annotations");
	val_set_str(a, annotations, LAST_APPLIED, strbuf_slice(&text));
	return copy;
}

/* Of the add-on manager: "EnsureExists" for what is made once and is the user's own afterwards. */
static bool is_made_once(const struct val *object)
{
	return slice_is(
		val_get_str(val_path(object, "metadata.labels"), "addonmanager.kubernetes.io/mode"),
		"EnsureExists");
}

static int apply_one(struct up *u, const struct manifest *x, struct err *err)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf target = { 0 };
	int r = target_of(u, x, &target, err);

	if (r == 0 && is_made_once(x->object) &&
	    caller_ask(&u->caller, "GET", strbuf_str(&target), NULL, NULL, NULL, NULL) == 0) {
		return 0;
	}
	if (r == 0) {
		strbuf_adds(&target,
		            "?fieldManager=" FIELD_MANAGER "&force=true&fieldValidation=Strict");
		r = caller_ask(&u->caller, "PATCH", strbuf_str(&target),
		               "application/apply-patch+yaml", with_last_applied(&a, x->object),
		               NULL, err);
	}
	if (r < 0) {
		return err_while(err, r, "%s:%u: %s %s", x->file, x->object->line,
		                 val_cstr(val_get(x->object, "kind")),
		                 val_cstr(val_path(x->object, "metadata.name")));
	}
	return 0;
}

static int apply_all(struct up *u, const struct manifests *m, struct err *err)
{
	for (size_t i = 0; i < m->all.n; i++) {
		progress_now(&u->progress, "applying %s %s",
		             val_cstr(val_get(m->all.at[i].object, "kind")),
		             val_cstr(val_path(m->all.at[i].object, "metadata.name")));
		int r = apply_one(u, &m->all.at[i], err);

		if (r < 0) {
			return r;
		}
	}
	return 0;
}

/* ---- waiting ---- */

static bool one_is_ready(struct up *u, const struct manifest *x, struct strbuf *missing)
{
	scoped_strbuf struct strbuf target = { 0 }, why = { 0 };
	scoped_doc struct doc *now = NULL;
	struct err err = { 0 };

	if (!readiness_of(x->object, &why) && target_of(u, x, &target, &err) == 0 &&
	    caller_ask(&u->caller, "GET", strbuf_str(&target), NULL, NULL, &now, &err) == 0) {
		strbuf_reset(&why);
		if (readiness_of(now->root, &why)) {
			return true;
		}
	} else if (!why.size) {
		return true;
	}
	strbuf_addf(missing, "%s %s: %s", val_cstr(val_get(x->object, "kind")),
	            val_cstr(val_path(x->object, "metadata.name")),
	            err.msg[0] ? err.msg : strbuf_str(&why));
	return false;
}

static void explain_missing(struct up *u, const struct manifest *x, struct strbuf *out)
{
	scoped_strbuf struct strbuf target = { 0 };
	scoped_doc struct doc *pods = NULL;
	struct slice ns = val_str(val_path(x->object, "metadata.namespace"));

	client_path(&target, "v1", "pods", ns.len ? ns : SLICE("default"), (struct slice){ 0 },
	            NULL);
	if (caller_ask(&u->caller, "GET", strbuf_str(&target), NULL, NULL, &pods, NULL) == 0) {
		readiness_why(pods->root, out);
	}
}

/* The store remembers what the pods said before the instance was down: waits until none of it is left. */
static int wait_fresh(struct up *u, int64_t timeout_us, struct err *err)
{
	int64_t end_us = clock_mono_us() + timeout_us;

	for (;;) {
		scoped_doc struct doc *pods = NULL;
		const struct val *stale = NULL;
		int r = caller_ask(&u->caller, "GET", "/api/v1/pods", NULL, NULL, &pods, err);

		if (r < 0) {
			return r;
		}
		val_for_each (val_get(pods->root, "items"), it) {
			stale = !stale && readiness_is_stale(it, u->since_wall_us) ? it : stale;
		}
		if (!stale) {
			return 0;
		}
		if (clock_mono_us() > end_us) {
			return err_raise(
				err, ERR_TIMEOUT,
				"not up after %lld s: the node has not started pod %s/%s again",
				(long long)(timeout_us / US_PER_S),
				val_cstr(val_path(stale, "metadata.namespace")),
				val_cstr(val_path(stale, "metadata.name")));
		}
		progress_now(&u->progress, "waiting for the node to take up its pods");
		caller_wait_us(&u->caller, poll_us);
	}
}

/* How many nodes the instance has: each is a role of the supervisor's. */
static size_t count_nodes(struct up *u)
{
	scoped_strbuf struct strbuf text = { 0 };
	scoped_arena struct arena a = { 0 };
	struct val *status = NULL;
	size_t n = 0;

	if (u->ops->status(&u->instance, &text, NULL) < 0 ||
	    json_parse(&a, strbuf_slice(&text), 0, &status, NULL) < 0) {
		return 1;
	}
	val_for_each (val_get(status, "roles"), it) {
		n += slice_has_prefix(val_get_str(it, "name"), SLICE("node"));
	}
	return n;
}

static size_t count_ready(const struct val *nodes)
{
	size_t n = 0;

	val_for_each (val_get(nodes, "items"), node) {
		val_for_each (val_path(node, "status.conditions"), it) {
			n += slice_is(val_get_str(it, "type"), "Ready") &&
			     slice_is(val_get_str(it, "status"), "True");
		}
	}
	return n;
}

/* Pods are placed the moment they are applied: all nodes should be there by then, or the first one gets them all. */
static int wait_nodes(struct up *u, int64_t timeout_us, struct err *err)
{
	int64_t end_us = clock_mono_us() + timeout_us;
	size_t n = count_nodes(u);

	while (n > 1) {
		scoped_doc struct doc *nodes = NULL;
		int r = caller_ask(&u->caller, "GET", "/api/v1/nodes", NULL, NULL, &nodes, err);

		if (r < 0) {
			return r;
		}
		if (count_ready(nodes->root) >= n) {
			return 0;
		}
		if (clock_mono_us() > end_us) {
			return err_raise(
				err, ERR_TIMEOUT, "%zu of %zu nodes are ready after %lld s",
				count_ready(nodes->root), n, (long long)(timeout_us / US_PER_S));
		}
		progress_now(&u->progress, "waiting for %zu nodes", n);
		caller_wait_us(&u->caller, poll_us);
	}
	return 0;
}

/* Is it a balancer that will not come? Then *err says why. */
static bool is_refused(struct up *u, const struct manifest *x, struct err *err)
{
	scoped_strbuf struct strbuf target = { 0 }, why = { 0 };
	scoped_doc struct doc *events = NULL;
	struct slice name = val_str(val_path(x->object, "metadata.name")),
		     ns = val_str(val_path(x->object, "metadata.namespace"));

	if (!slice_is(val_get_str(x->object, "kind"), "Service")) {
		return false;
	}
	client_path(&target, "v1", "events", ns.len ? ns : SLICE("default"), (struct slice){ 0 },
	            NULL);
	strbuf_addf(
		&target,
		"?fieldSelector=involvedObject.kind%%3DService,involvedObject.name%%3D" SLICE_FMT,
		SLICE_ARG(name));
	if (caller_ask(&u->caller, "GET", strbuf_str(&target), NULL, NULL, &events, NULL) < 0 ||
	    !readiness_is_refused(events->root, u->since_wall_us, &why)) {
		return false;
	}
	(void)err_raise(err, ERR_UNAVAILABLE,
	                "Service " SLICE_FMT ": %s; free the port or choose another --edge-address",
	                SLICE_ARG(name), strbuf_str(&why));
	return true;
}

static int wait_ready(struct up *u, const struct manifests *m, int64_t timeout_us, struct err *err)
{
	int64_t end_us = clock_mono_us() + timeout_us;

	for (size_t i = 0; i < m->all.n; i++) {
		scoped_strbuf struct strbuf missing = { 0 }, why = { 0 };

		while (!one_is_ready(u, &m->all.at[i], &missing)) {
			progress_now(&u->progress, "waiting for %s", strbuf_str(&missing));
			if (is_refused(u, &m->all.at[i], err)) {
				return -ERR_UNAVAILABLE;
			}
			if (clock_mono_us() > end_us) {
				explain_missing(u, &m->all.at[i], &why);
				return err_raise(err, ERR_TIMEOUT, "not up after %lld s: %s%s%s",
				                 (long long)(timeout_us / US_PER_S),
				                 strbuf_str(&missing), why.size ? "; " : "",
				                 strbuf_str(&why));
			}
			strbuf_reset(&missing);
			caller_wait_us(&u->caller, poll_us);
		}
	}
	return 0;
}

/* ---- where it is ---- */

static void print_urls(struct up *u)
{
	for (size_t i = 0; i < u->given.all.n; i++) {
		const struct val *object = u->given.all.at[i].object;

		if (!slice_is(val_get_str(object, "kind"), "Ingress")) {
			continue;
		}
		val_for_each (val_path(object, "spec.rules"), rule) {
			const char *host = val_cstr(val_get(rule, "host"));
			bool tls = val_len(val_path(object, "spec.tls")) > 0;

			if (!*host) {
				continue;
			}
			printf("\n  %s://%s\n    curl --cacert %s/ca.crt --resolve %s:%d:%s "
			       "%s://%s/\n",
			       tls ? "https" : "http", host, u->instance.home, host, tls ? 443 : 80,
			       u->instance.edge_address, tls ? "https" : "http", host);
		}
	}
	printf("\n  export KUBECONFIG=%s/kubeconfig\n  kubectl get pods -A\n", u->instance.home);
}

static int up(struct up *u, const struct cli_parsed *p, int64_t timeout_us, struct err *err)
{
	scoped_free char *kubeconfig = mem_printf("%s/kubeconfig", u->instance.home);
	bool started;
	int r;

	u->since_wall_us = clock_wall_us();
	progress_now(&u->progress, "starting %s", u->instance.name);
	r = u->ops->start(&u->instance, err);
	if (r < 0) {
		return r;
	}
	started = r == 0;
	progress_done(&u->progress, r ? "%s runs already" : "%s is started", u->instance.name);
	r = caller_open(&u->caller, kubeconfig, err);
	if (r == 0 && started) {
		r = wait_nodes(u, nodes_us, err);
	}
	if (r == 0) {
		r = apply_all(u, &u->builtin, err);
	}
	if (r == 0) {
		r = load_images(u, p, err);
	}
	if (r == 0 && u->given.all.n) {
		r = apply_all(u, &u->given, err);
		if (r == 0) {
			progress_done(&u->progress, "%zu objects applied", u->given.all.n);
		}
	}
	if (r == 0 && timeout_us > 0) {
		if (started) {
			r = wait_fresh(u, timeout_us, err);
		}
		if (r == 0) {
			r = wait_ready(u, &u->builtin, timeout_us, err);
		}
		if (r == 0) {
			r = wait_ready(u, &u->given, timeout_us, err);
		}
		if (r == 0) {
			progress_done(&u->progress, "everything is up");
		}
	}
	caller_close(&u->caller);
	return r;
}

static int run(const struct cli_command *c, const struct cli_parsed *p, const struct cli_ops *ops)
{
	struct up u = { .ops = ops };
	struct err err = { 0 };
	uint64_t timeout_s = 0;
	int status = 0;

	(void)c;
	if (!slice_to_u64(slice_of(cli_value(p, "timeout", "300")), &timeout_s) ||
	    timeout_s > 86400) {
		(void)err_raise(&err, ERR_USAGE,
		                "--timeout %s: not a number of seconds up to 86400",
		                cli_value(p, "timeout", ""));
		return cli_fail(&err);
	}
	if (cli_instance_of(p, &u.instance, &err) < 0) {
		return cli_fail(&err);
	}
	progress_init(&u.progress);
	manifests_init(&u.given, kustomize_build);
	manifests_init(&u.builtin, NULL);
	if (read_manifests(&u, p, &err) < 0) {
		status = cli_fail(&err);
	} else if (u.given.problems.n || u.builtin.problems.n) {
		status = refuse(u.given.problems.n ? &u.given : &u.builtin);
	} else if (up(&u, p, (int64_t)timeout_s * US_PER_S, &err) < 0) {
		progress_end(&u.progress);
		status = cli_fail(&err);
	} else {
		print_urls(&u);
	}
	manifests_fini(&u.given);
	manifests_fini(&u.builtin);
	cli_instance_fini(&u.instance);
	return status;
}

const struct cli_command cli_up = {
	.name = "up",
	.words = "",
	.summary = "Start an instance and bring up the application that manifests describe",
	.details = "Manifests are checked first; a mistake is told with file and line and changes "
		   "nothing.\n"
		   "Running it again applies what changed.",
	.options = options,
	.takes_instance = true,
	.run = run,
};
