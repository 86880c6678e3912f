/* What: certificates and signed tokens: a CA, leaf certificates, JWT (RFC 7519, ES256). Pure but for
 * chance; nothing is read or written to disk here. */
#pragma once

#include "base/err.h"
#include "base/ip.h"
#include "base/strbuf.h"

struct pki_pair { /* PEM texts; owned */
	struct strbuf cert, key;
};
void pki_pair_fini(struct pki_pair *p);

/* A self-signed P-256 CA, valid ten years. */
MUST_USE int pki_make_ca(const char *common_name, struct pki_pair *ret, struct err *err);

struct pki_request {
	const char *common_name;
	const char *const *organizations; /* null-terminated; may be null */
	const char *const *dns_names;     /* null-terminated; may be null; wildcards allowed */
	const struct ip *ips;
	size_t n_ips;
	bool server, client; /* extended key usages */
	int days;            /* 0: 365 */
};
/* A P-256 leaf signed by ca; ret->cert holds the leaf followed by nothing. */
MUST_USE int pki_issue(struct slice ca_cert_pem, struct slice ca_key_pem,
                       const struct pki_request *r, struct pki_pair *ret, struct err *err);
/* Wall time at which the first certificate of the PEM text ends, microseconds. */
MUST_USE int pki_cert_not_after(struct slice cert_pem, int64_t *ret_wall_us, struct err *err);
/* Does the key belong to the first certificate? 0: yes. Failure: ERR_SYNTAX (unreadable), ERR_INVALID. */
MUST_USE int pki_pair_check(struct slice cert_pem, struct slice key_pem, struct err *err);
/* Whether the first certificate names that host (wildcards as RFC 6125) or address. */
MUST_USE int pki_cert_covers(struct slice cert_pem, const char *host, bool *ret_covers,
                             struct err *err);
/* Calls fn for each DNS name of the first certificate. */
typedef void pki_name_fn(void *arg, struct slice dns_name);
MUST_USE int pki_cert_names(struct slice cert_pem, pki_name_fn *fn, void *arg, struct err *err);
/* SHA-256 of bytes, 32 bytes appended to out. */
void pki_sha256(struct strbuf *out, struct slice bytes);
/* SHA-1, 20 bytes; only for the WebSocket handshake (RFC 6455 4.2.2). */
void pki_sha1(struct strbuf *out, struct slice bytes);

/* A P-256 key for signing tokens, PEM. */
MUST_USE int pki_make_key(struct strbuf *ret_key_pem, struct err *err);
/* Signs the JSON claims: header.payload.signature appended to out. kid is derived from the key. */
MUST_USE int pki_jwt_sign(struct slice key_pem, struct slice claims_json, struct strbuf *out,
                          struct err *err);
/* Verifies the signature only (expiry is the caller's, who has the clock); appends the claims JSON.
 * Failure: ERR_UNAUTHORIZED. */
MUST_USE int pki_jwt_verify(struct slice key_pem, struct slice token, struct strbuf *out_claims,
                            struct err *err);
/* The public key as a JWK set (JSON). */
MUST_USE int pki_jwks(struct slice key_pem, struct strbuf *out, struct err *err);
