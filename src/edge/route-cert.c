/* Why: a broken Secret must cost its own host the right certificate and nobody anything else; see
 * route-cert.h. Source: ingress-nginx/tls. */
#include "edge/route-cert.h"

#include <string.h>

#include "base/base64.h"
#include "edge/nginx-text.h"
#include "http/pki.h"

const char *route_file_name(struct arena *a, struct slice pem)
{
	scoped_strbuf struct strbuf hash = { 0 }, hex = { 0 };

	pki_sha256(&hash, pem);
	for (size_t i = 0; i < 16 && i < hash.size; i++) {
		strbuf_addf(&hex, "%02x", (unsigned char)hash.p[i]);
	}
	return arena_printf(a, "%s.pem", strbuf_str(&hex));
}

struct route_cert *route_cert_of_pem(struct arena *a, struct slice ns, struct slice name,
                                     struct slice cert, struct slice key, const char **ret_problem)
{
	struct route_cert *c;
	struct err err;

	if (cert.len == 0 || key.len == 0) {
		*ret_problem = "tls.crt and tls.key are needed";
		return NULL;
	}
	if (pki_pair_check(cert, key, &err) < 0) {
		*ret_problem = arena_strdup(a, err.msg);
		return NULL;
	}
	c = ARENA_NEW(a, struct route_cert);
	c->ns = ns;
	c->name = name;
	c->pem = slice_of(
		arena_printf(a, SLICE_FMT "\n" SLICE_FMT "\n", SLICE_ARG(cert), SLICE_ARG(key)));
	c->file = route_file_name(a, c->pem);
	return c;
}

struct route_cert *route_cert_read(struct arena *a, const struct doc *secret, struct slice ns,
                                   struct slice name, const char **ret_problem)
{
	scoped_strbuf struct strbuf cert = { 0 }, key = { 0 };
	const struct val *data = secret ? val_get(secret->root, "data") : NULL;

	if (!secret) {
		*ret_problem = "it does not exist";
		return NULL;
	}
	if (!base64_decode(&cert, val_get_str(data, "tls.crt")) ||
	    !base64_decode(&key, val_get_str(data, "tls.key"))) {
		*ret_problem = "tls.crt or tls.key is not base64";
		return NULL;
	}
	return route_cert_of_pem(a, ns, name, strbuf_slice(&cert), strbuf_slice(&key), ret_problem);
}

bool route_cert_covers(const struct route_cert *c, struct slice host)
{
	char text[256];
	bool covers = false;

	if (host.len >= sizeof(text)) {
		return false;
	}
	memcpy(text, host.p, host.len);
	text[host.len] = '\0';
	/* A host "*.x" is covered by the same name in the certificate: any label stands for the
	 * star. */
	if (text[0] == '*') {
		text[0] = 'a';
	}
	return pki_cert_covers(c->pem, text, &covers, NULL) == 0 && covers;
}

bool route_cert_secret_covers(const struct routes_input *in, struct slice ns, struct slice secret,
                              struct slice host)
{
	scoped_arena struct arena a = { 0 };
	const char *problem;
	const struct route_cert *c =
		route_cert_read(&a, in->secret(in->arg, ns, secret), ns, secret, &problem);

	return c && route_cert_covers(c, host);
}
