/* What: the controllers of one instance: what turns a Deployment into pods, a Service into
 * endpoints, a deleted owner into deleted dependents.
 *
 * Why this way: every controller is a step function. A change in the store says only "look again at
 * this key"; the step reads the objects, computes what should be, and writes the difference.
 * Running it twice does nothing the second time. Time comes from the loop and the store, so a
 * rollout runs in milliseconds on a hand-driven loop. No controller knows another; they meet at
 * objects.
 *
 * How to use: control_new on the loop that the store runs on; nothing else to call. */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"
#include "loop/loop.h"
#include "store/store.h"

struct control;

/* A certificate that an Ingress asks for. */
struct control_certificate {
	const struct slice *names; /* DNS names, at least one; the first is the common name */
	size_t n_names;
	int64_t now_wall_us;
};

/* Questions that other rooms answer; main.c joins them. */
struct control_provider {
	void *arg;
	/* Everything the API server does to a new object before it is stored: defaults, admission
	 * (the service account of a pod, its token volume, tolerations). Works in place, in 'a'.
	 * Null: only schema defaults. */
	int (*admit)(void *arg, const struct kind *k, struct arena *a, struct val *object,
	             struct err *err);
	/* Issues a certificate for wish->names from the CA that browsers trust; PEM texts are
	 * appended. Null: no certificate controller. */
	int (*issue)(void *arg, const struct control_certificate *wish, struct strbuf *cert_pem,
	             struct strbuf *key_pem, struct err *err);
};

/* Which nodes there are. */
struct control_nodes {
	void *arg;
	/* Whether a node of ours (NODE_PROVIDER) of that name still has a machine behind it; its object goes
	 * otherwise. Null: they all have. */
	bool (*has)(void *arg, struct slice name);
};

struct control_config {
	struct slice cluster_ca_pem; /* copied; content of every namespace's kube-root-ca.crt */
	struct slice edge_ca_pem;    /* copied; ca.crt of issued secrets; may be empty */
	struct control_provider provider;
	struct control_nodes nodes;
	int64_t node_grace_us; /* a node silent for longer is not ready; 0: 40 s */
	int64_t event_ttl_us;  /* 0: one hour */
};

/* Starts all controllers whose kinds the store's registry knows. Everything is owned by the result;
 * loop and store are borrowed and must outlive it. */
struct control *control_new(struct loop *l, struct store *s, const struct control_config *c);
struct control *control_free(struct control *c); /* accepts null; returns null */
/* Keys waiting to be looked at now (not those waiting for a time): 0 means the controllers are at
 * rest. */
size_t control_pending(const struct control *c);
