/* Why: a Secret that is no pair of certificate and key, or the pair of another host, is found before a browser finds it;
 * see certificate.h. A cursor over DER: every length is checked against what is left. */
#include "analyse/certificate.h"

#include "base/base64.h"
#include "base/mem.h"

enum {
	DER_INT = 0x02,
	DER_BITS = 0x03,
	DER_OCTETS = 0x04,
	DER_OID = 0x06,
	DER_SEQUENCE = 0x30,
	DER_CONTEXT_1 = 0xa1,
	DER_EXTENSIONS = 0xa3,
	DER_DNS_NAME = 0x82,
	DER_VERSION = 0xa0
};

/* ---- DER ---- */

/* Takes one element off *s; false when there is none that is whole. */
static bool take_element(struct slice *s, unsigned *tag, struct slice *body, struct slice *whole)
{
	size_t len, at = 2;

	if (s->len < 2) {
		return false;
	}
	*tag = (unsigned char)s->p[0];
	len = (unsigned char)s->p[1];
	if (len & 0x80) {
		size_t n = len & 0x7f;

		if (n == 0 || n > 4 || s->len < 2 + n) {
			return false;
		}
		len = 0;
		for (size_t i = 0; i < n; i++) {
			len = len << 8 | (unsigned char)s->p[2 + i];
		}
		at += n;
	}
	if (len > s->len - at) {
		return false;
	}
	*body = slice_head(slice_from(*s, at), len);
	if (whole) {
		*whole = slice_head(*s, at + len);
	}
	*s = slice_from(*s, at + len);
	return true;
}

/* The next element, which must have this tag. */
static bool take_tagged(struct slice *s, unsigned tag, struct slice *body)
{
	unsigned found;

	return take_element(s, &found, body, NULL) && found == tag;
}

static struct slice without_zeros(struct slice s)
{
	while (s.len && s.p[0] == 0) {
		s = slice_from(s, 1);
	}
	return s;
}

/* ---- PEM ---- */

/* The next block; its label and its bytes. *text moves behind it. 0: none, -1: broken. */
static int next_block(struct arena *a, struct slice *text, struct slice *label, struct slice *bytes)
{
	static const char begin[] = "-----BEGIN ", dashes[] = "-----";
	const char *at = memmem(text->p, text->len, begin, sizeof(begin) - 1);
	scoped_strbuf struct strbuf out = { 0 };
	scoped_free char *end = NULL;
	const char *stop;
	struct slice rest;

	if (!at) {
		return 0;
	}
	rest = slice_from(*text, (size_t)(at - text->p) + sizeof(begin) - 1);
	stop = memmem(rest.p, rest.len, dashes, 5);
	if (!stop) {
		return -1;
	}
	*label = slice_head(rest, (size_t)(stop - rest.p));
	rest = slice_from(rest, label->len + 5);
	end = mem_printf("-----END " SLICE_FMT "-----", SLICE_ARG(slice_head(*label, 64)));
	stop = memmem(rest.p, rest.len, end, strlen(end));
	if (!stop) {
		return -1;
	}
	if (!base64_decode(&out, slice_head(rest, (size_t)(stop - rest.p)))) {
		return -1;
	}
	*bytes = arena_slice(a, strbuf_slice(&out));
	*text = slice_from(rest, (size_t)(stop - rest.p) + strlen(end));
	return 1;
}

/* ---- certificates ---- */

/* SubjectPublicKeyInfo: the modulus of RSA, the point of a curve. */
static struct slice key_of_info(struct slice info)
{
	struct slice algorithm, bits, inner, number;

	if (!take_tagged(&info, DER_SEQUENCE, &algorithm) || !take_tagged(&info, DER_BITS, &bits) ||
	    bits.len < 2) {
		return (struct slice){ "", 0 };
	}
	bits = slice_from(bits, 1);
	inner = bits;
	if (take_tagged(&inner, DER_SEQUENCE, &number) && take_tagged(&number, DER_INT, &inner)) {
		return without_zeros(inner);
	}
	return bits;
}

static void read_names(struct certificate *c, struct slice value)
{
	struct slice list, name;
	unsigned tag;

	if (!take_tagged(&value, DER_SEQUENCE, &list)) {
		return;
	}
	while (c->n_names < CERTIFICATE_NAMES_MAX && take_element(&list, &tag, &name, NULL)) {
		if (tag == DER_DNS_NAME) {
			c->names[c->n_names++] = name;
		}
	}
}

static void read_extensions(struct certificate *c, struct slice body)
{
	static const char alternative_names[] = { 0x55, 0x1d, 0x11 };
	struct slice list, one, oid, value;
	unsigned tag;

	if (!take_tagged(&body, DER_SEQUENCE, &list)) {
		return;
	}
	while (take_tagged(&list, DER_SEQUENCE, &one)) {
		if (!take_tagged(&one, DER_OID, &oid) || oid.len != sizeof(alternative_names) ||
		    memcmp(oid.p, alternative_names, sizeof(alternative_names)) != 0) {
			continue;
		}
		while (take_element(&one, &tag, &value, NULL)) {
			if (tag == DER_OCTETS) {
				read_names(c, value);
			}
		}
	}
}

static bool read_certificate(struct slice der, struct certificate *c)
{
	struct slice outer, tbs, body, whole, first;
	unsigned tag;

	if (!take_tagged(&der, DER_SEQUENCE, &outer) || !take_tagged(&outer, DER_SEQUENCE, &tbs)) {
		return false;
	}
	first = tbs;
	if (take_element(&first, &tag, &body, NULL) && tag == DER_VERSION) {
		tbs = first;
	}
	/* serial, algorithm, issuer, validity, subject, key */
	if (!take_tagged(&tbs, DER_INT, &body) || !take_tagged(&tbs, DER_SEQUENCE, &body) ||
	    !take_element(&tbs, &tag, &body, &c->issuer) ||
	    !take_tagged(&tbs, DER_SEQUENCE, &body) ||
	    !take_element(&tbs, &tag, &body, &c->subject) ||
	    !take_tagged(&tbs, DER_SEQUENCE, &body)) {
		return false;
	}
	c->key = key_of_info(body);
	while (take_element(&tbs, &tag, &body, &whole)) {
		if (tag == DER_EXTENSIONS) {
			read_extensions(c, body);
		}
	}
	return true;
}

void chain_read(struct arena *a, struct slice pem, struct chain *ret)
{
	struct slice label, bytes;
	int r;

	*ret = (struct chain){ 0 };
	while (ret->n < CERTIFICATES_MAX && (r = next_block(a, &pem, &label, &bytes)) != 0) {
		struct certificate *c = ARENA_NEW(a, struct certificate);

		if (r < 0) {
			ret->problem = "is cut off or no PEM";
			return;
		}
		if (!slice_is(label, "CERTIFICATE")) {
			ret->problem = ret->n ? "holds more than certificates"
			                      : "begins with something that is no certificate";
			return;
		}
		if (!read_certificate(bytes, c)) {
			ret->problem = "holds a certificate that cannot be read";
			return;
		}
		ret->at[ret->n++] = c;
	}
	if (!ret->n) {
		ret->problem = "has no certificate";
	}
}

/* ---- keys ---- */

/* RFC 8017 A.1.2: version, modulus; RFC 5915: version, key, parameters, point. */
static struct slice public_of_key(struct slice der)
{
	struct slice list, body, inner;
	unsigned tag;

	if (!take_tagged(&der, DER_SEQUENCE, &list) || !take_tagged(&list, DER_INT, &body) ||
	    !take_element(&list, &tag, &body, NULL)) {
		return (struct slice){ "", 0 };
	}
	if (tag == DER_INT) {
		return without_zeros(body);
	}
	while (take_element(&list, &tag, &body, NULL)) {
		if (tag == DER_CONTEXT_1 && take_tagged(&body, DER_BITS, &inner)) {
			return slice_from(inner, 1);
		}
	}
	return (struct slice){ "", 0 };
}

/* RFC 5208: version, algorithm, the key itself in octets. */
static struct slice public_of_wrapped(struct slice der)
{
	struct slice list, body;

	if (!take_tagged(&der, DER_SEQUENCE, &list) || !take_tagged(&list, DER_INT, &body) ||
	    !take_tagged(&list, DER_SEQUENCE, &body) || !take_tagged(&list, DER_OCTETS, &body)) {
		return (struct slice){ "", 0 };
	}
	return public_of_key(body);
}

struct slice key_public_part(struct arena *a, struct slice pem, const char **ret_problem)
{
	struct slice label, bytes;
	int r;

	*ret_problem = NULL;
	while ((r = next_block(a, &pem, &label, &bytes)) > 0) {
		if (slice_is(label, "PRIVATE KEY")) {
			return public_of_wrapped(bytes);
		}
		if (slice_is(label, "RSA PRIVATE KEY") || slice_is(label, "EC PRIVATE KEY")) {
			return public_of_key(bytes);
		}
		if (slice_is(label, "ENCRYPTED PRIVATE KEY")) {
			*ret_problem = "is encrypted, which no controller can open";
			return (struct slice){ "", 0 };
		}
	}
	*ret_problem = r < 0 ? "is cut off or no PEM" : "has no private key";
	return (struct slice){ "", 0 };
}

bool certificate_has_name(const struct certificate *c, struct slice host)
{
	for (size_t i = 0; i < c->n_names; i++) {
		ptrdiff_t dot = slice_find(host, '.');

		if (slice_eq_nocase(c->names[i], host)) {
			return true;
		}
		/* a wildcard stands for one label */
		if (slice_has_prefix(c->names[i], SLICE("*.")) && dot > 0 &&
		    slice_eq_nocase(slice_from(c->names[i], 1), slice_from(host, (size_t)dot))) {
			return true;
		}
	}
	return false;
}
