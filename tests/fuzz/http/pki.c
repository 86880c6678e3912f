/* Why: certificates and tokens come from Secrets and clients: anything may stand in them. A token is never
 * believed that was not signed here. The first byte says what the rest is. */
#include <stdint.h>

#include "base/base64.h"
#include "base/must.h"
#include "http/pki.h"
#include "http/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_name(void *arg, struct slice name)
{
	strbuf_add_slice(arg, name);
}

/* A PEM text around the bytes, so that an engine need not learn base64. */
static void wrap(struct slice der, struct strbuf *out)
{
	strbuf_adds(out, "-----BEGIN CERTIFICATE-----\n");
	base64_encode(out, der);
	strbuf_adds(out, "\n-----END CERTIFICATE-----\n");
}

static void read_certificate(struct slice pem)
{
	scoped_strbuf struct strbuf names = { 0 };
	struct tls_client *client;
	int64_t end;
	bool covers;

	(void)!pki_cert_not_after(pem, &end, NULL);
	(void)!pki_pair_check(pem, pem, NULL);
	(void)!pki_cert_covers(pem, "a.example", &covers, NULL);
	(void)!pki_cert_covers(pem, "10.0.0.1", &covers, NULL);
	(void)!pki_cert_names(pem, on_name, &names, NULL);
	if (tls_client_new(&(struct tls_client_config){ .ca_pem = pem }, &client, NULL) == 0) {
		tls_client_free(client);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct strbuf key; /* for the life of the process */
	scoped_strbuf struct strbuf text = { 0 }, claims = { 0 };
	struct slice rest;

	if (size < 1) {
		return 0;
	}
	if (!key.size) {
		must(pki_make_key(&key, NULL) == 0);
	}
	rest = (struct slice){ (const char *)data + 1, size - 1 };
	switch (data[0] % 3) {
	case 0:
		must(pki_jwt_verify(strbuf_slice(&key), rest, &claims, NULL) < 0);
		must(claims.size == 0);
		break;
	case 1:
		read_certificate(rest);
		break;
	default:
		wrap(rest, &text);
		read_certificate(strbuf_slice(&text));
		break;
	}
	return 0;
}
