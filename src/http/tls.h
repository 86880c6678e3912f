/* What: TLS contexts (OpenSSL): TLS 1.2 and 1.3 only.
 *
 * Server side: one certificate chain, optionally asking for client certificates signed by client_ca.
 * Client side: CA to verify with, optionally a certificate. Files or PEM text; keys never logged. */
#pragma once

#include "base/err.h"
#include "base/slice.h"

struct tls_server;
struct tls_client;

struct tls_server_config {
	struct slice cert_pem, key_pem; /* chain, key */
	struct slice client_ca_pem;     /* empty: client certificates are not asked for */
};
MUST_USE int tls_server_new(const struct tls_server_config *c, struct tls_server **ret,
                            struct err *err);
struct tls_server *tls_server_free(struct tls_server *s);

struct tls_client_config {
	struct slice ca_pem;            /* empty with insecure: no verification */
	struct slice cert_pem, key_pem; /* empty: none */
	bool insecure;
};
MUST_USE int tls_client_new(const struct tls_client_config *c, struct tls_client **ret,
                            struct err *err);
struct tls_client *tls_client_free(struct tls_client *c);

/* Who a verified client certificate speaks for (RFC 5280 subject: CN is the user, each O a group). */
struct tls_peer {
	char user[256];
	char groups[8][256];
	size_t n_groups;
};
