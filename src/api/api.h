/* What: the API server of one instance: answers Kubernetes' REST API from a store, over HTTPS.
 *
 * Ownership: everything is owned by the result of api_new; loop, store, TLS context and texts of
 * the configuration are borrowed and outlive it (texts are copied). */
#pragma once

#include "base/err.h"
#include "base/ip.h"
#include "base/strbuf.h"
#include "http/tls.h"
#include "loop/loop.h"
#include "store/store.h"

struct api;

struct api_config {
	struct store *store;
	const struct tls_server *tls; /* null: plain (tests) */
	struct slice token_key_pem;   /* P-256 key that signs tokens of service accounts */
	struct slice edge_cert_pem, edge_key_pem; /* CA that browsers trust; may be empty */
	const char *
		node_sockets; /* folder of NODE.sock, where each node serves logs and exec; null: none */
	struct ip advertise_ip; /* where pods reach this server: endpoint of default/kubernetes */
	uint16_t advertise_port;
	const char *public_address; /* "127.0.0.1:6443", told by /api; may be null */
	bool dual_stack;            /* services may have addresses of both families */
};

/* Makes what a fresh cluster has (namespaces, default/kubernetes, bootstrap roles) unless it is
 * there. Failure: ERR_INVALID (key), what the store says. */
MUST_USE int api_new(struct loop *l, const struct api_config *c, struct api **ret, struct err *err);
/* Serves a listening socket (taken over). */
MUST_USE int api_listen(struct api *api, int fd, struct err *err);
/* Stops accepting, ends watches in order. */
void api_drain(struct api *api);
/* No connection is open any more. */
bool api_is_idle(const struct api *api);
struct api *api_free(struct api *api); /* accepts null; returns null */

/* What is done to every new object before it is stored: defaults and admission. In place, in 'a'.
 * For controllers; arg is the api. Failure: ERR_FORBIDDEN, ERR_INVALID in the server's words. */
int api_admit(void *arg, const struct kind *k, struct arena *a, struct val *object,
              struct err *err);
/* Issues a certificate for the names from the edge CA; PEM texts are appended. arg is the api.
 * Failure: ERR_UNSUPPORTED without an edge CA. */
int api_issue(void *arg, const struct slice *names, size_t n_names, struct strbuf *cert_pem,
              struct strbuf *key_pem, struct err *err);
