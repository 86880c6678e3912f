/* What: what a TLS Secret holds: certificates and a key out of PEM, as far as manifests can be judged by them: the
 * names they are for, who signed whom, whether the key belongs to the first. Nothing is verified and nothing is computed
 * with keys.
 *
 * Sources: RFC 7468 (PEM), RFC 5280 section 4 (certificates), RFC 8017 A.1 and RFC 5915 (keys). */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

enum { CERTIFICATES_MAX = 16, CERTIFICATE_NAMES_MAX = 100 };

struct certificate {
	struct slice subject, issuer; /* DER of the names; equal ones are equal */
	struct slice key; /* of the public key: modulus or point; empty: of another kind */
	struct slice names[CERTIFICATE_NAMES_MAX]; /* DNS names of the alternative names */
	size_t n_names;
};
struct chain {
	struct certificate *at[CERTIFICATES_MAX]; /* as written */
	size_t n;
	const char *problem; /* null, or what is wrong with the text: "has no certificate" */
};
/* Everything lives in 'a'. */
void chain_read(struct arena *a, struct slice pem, struct chain *ret);
/* The same of a private key's PEM: modulus or point, empty when its kind does not tell. *ret_problem: null, or a sentence. */
struct slice key_public_part(struct arena *a, struct slice pem, const char **ret_problem);
bool certificate_has_name(const struct certificate *c, struct slice host);
