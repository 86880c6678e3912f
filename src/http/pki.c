/* Why: the one place that makes keys and certificates and signs tokens, so that no other room knows
 * OpenSSL; see pki.h. */
#include "http/pki.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/base64.h"
#include "base/chance.h"
#include "base/clock.h"
#include "base/mem.h"

enum {
	CA_DAYS = 3650,
	LEAF_DAYS = 365,
	SKEW_S = 3600, /* certificates begin this much earlier, for clocks that lag */
	COORD_SIZE = 32,
	SIGNATURE_SIZE = 2 * COORD_SIZE,
};

static void free_key_fn(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}
#define scoped_key __attribute__((cleanup(free_key_fn)))

static void free_x509_fn(X509 **x)
{
	X509_free(*x);
}
#define scoped_x509 __attribute__((cleanup(free_x509_fn)))

static void free_bio_fn(BIO **b)
{
	BIO_free_all(*b);
}
#define scoped_bio __attribute__((cleanup(free_bio_fn)))

static void free_md_fn(EVP_MD_CTX **m)
{
	EVP_MD_CTX_free(*m);
}
#define scoped_md __attribute__((cleanup(free_md_fn)))

void pki_pair_fini(struct pki_pair *p)
{
	strbuf_fini(&p->cert);
	strbuf_fini(&p->key);
}

/* The library's own words, emptying its queue. */
static int raise_ssl(struct err *err, enum err_code code, const char *what)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return err_raise(err, code, "%s: %s", what, reason ? reason : "refused by OpenSSL");
}

static BIO *bio_of(struct slice pem)
{
	return BIO_new_mem_buf(pem.p ? pem.p : "", (int)pem.len);
}

static void bio_to_strbuf(BIO *b, struct strbuf *out)
{
	char *p = NULL;
	long n = BIO_get_mem_data(b, &p);

	if (n > 0) {
		strbuf_add(out, p, (size_t)n);
	}
}

/* A password prompt must never come up: PEM with a pass phrase is refused. */
static int no_password(char *buf, int size, int rwflag, void *arg)
{
	(void)buf, (void)size, (void)rwflag, (void)arg;
	return -1;
}

static int key_write(EVP_PKEY *key, struct strbuf *out, struct err *err)
{
	scoped_bio BIO *b = BIO_new(BIO_s_mem());

	if (!b || PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) != 1) {
		return raise_ssl(err, ERR_INTERNAL, "write private key");
	}
	bio_to_strbuf(b, out);
	return 0;
}

static int key_read(struct slice pem, bool public_is_enough, EVP_PKEY **ret, struct err *err)
{
	scoped_bio BIO *b = bio_of(pem);

	*ret = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;
	if (!*ret && public_is_enough) {
		scoped_bio BIO *again = bio_of(pem);

		ERR_clear_error();
		*ret = again ? PEM_read_bio_PUBKEY(again, NULL, no_password, NULL) : NULL;
	}
	return *ret ? 0 : raise_ssl(err, ERR_SYNTAX, "read key");
}

static int cert_read(struct slice pem, X509 **ret, struct err *err)
{
	scoped_bio BIO *b = bio_of(pem);

	*ret = b ? PEM_read_bio_X509(b, NULL, no_password, NULL) : NULL;
	return *ret ? 0 : raise_ssl(err, ERR_SYNTAX, "read certificate");
}

int pki_make_key(struct strbuf *ret_key_pem, struct err *err)
{
	scoped_key EVP_PKEY *key = EVP_EC_gen("P-256");

	if (!key) {
		return raise_ssl(err, ERR_INTERNAL, "make key");
	}
	return key_write(key, ret_key_pem, err);
}

/* ---- certificates ---- */

static bool name_add(X509_NAME *name, const char *field, const char *text)
{
	return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)text,
	                                  -1, -1, 0) == 1;
}

static bool extension_add(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

/* Built from structures, not from OpenSSL's text form, so that a name cannot smuggle in another. */
static bool alt_names_add(X509 *cert, const struct pki_request *r)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	bool ok = names != NULL;

	for (size_t i = 0; ok && r->dns_names && r->dns_names[i]; i++) {
		GENERAL_NAME *g = GENERAL_NAME_new();
		ASN1_IA5STRING *s = ASN1_IA5STRING_new();

		ok = g && s && ASN1_STRING_set(s, r->dns_names[i], -1) == 1;
		if (ok) {
			GENERAL_NAME_set0_value(g, GEN_DNS, s);
			ok = sk_GENERAL_NAME_push(names, g) > 0;
		} else {
			GENERAL_NAME_free(g);
			ASN1_IA5STRING_free(s);
		}
	}
	for (size_t i = 0; ok && i < r->n_ips; i++) {
		GENERAL_NAME *g = GENERAL_NAME_new();
		ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();

		ok = g && s &&
		     ASN1_OCTET_STRING_set(s, r->ips[i].bytes,
		                           r->ips[i].family == IP_V4 ? 4 : 16) == 1;
		if (ok) {
			GENERAL_NAME_set0_value(g, GEN_IPADD, s);
			ok = sk_GENERAL_NAME_push(names, g) > 0;
		} else {
			GENERAL_NAME_free(g);
			ASN1_OCTET_STRING_free(s);
		}
	}
	if (ok && sk_GENERAL_NAME_num(names) > 0) {
		ok = X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
	}
	GENERAL_NAMES_free(names);
	return ok;
}

/* Version, serial number, times and key: what every certificate has. */
static X509 *cert_begin(EVP_PKEY *key, int days)
{
	scoped_x509 X509 *cert = X509_new();
	unsigned char serial[16];
	BIGNUM *bn;
	bool ok;

	chance_bytes(serial, sizeof(serial));
	serial[0] = (serial[0] & 0x7f) | 0x40; /* positive and never short */
	bn = BN_bin2bn(serial, sizeof(serial), NULL);
	ok = cert && bn && X509_set_version(cert, X509_VERSION_3) == 1 &&
	     BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) &&
	     X509_gmtime_adj(X509_getm_notBefore(cert), -SKEW_S) &&
	     X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, NULL) &&
	     X509_set_pubkey(cert, key) == 1;
	BN_free(bn);
	return ok ? take(cert) : NULL;
}

static int pair_write(X509 *cert, EVP_PKEY *key, struct pki_pair *ret, struct err *err)
{
	scoped_bio BIO *b = BIO_new(BIO_s_mem());
	struct pki_pair made = { 0 };
	int r;

	if (!b || PEM_write_bio_X509(b, cert) != 1) {
		return raise_ssl(err, ERR_INTERNAL, "write certificate");
	}
	bio_to_strbuf(b, &made.cert);
	r = key_write(key, &made.key, err);
	if (r < 0) {
		pki_pair_fini(&made);
		return r;
	}
	*ret = made;
	return 0;
}

int pki_make_ca(const char *common_name, struct pki_pair *ret, struct err *err)
{
	scoped_key EVP_PKEY *key = EVP_EC_gen("P-256");
	scoped_x509 X509 *cert = key ? cert_begin(key, CA_DAYS) : NULL;
	X509_NAME *name = cert ? X509_get_subject_name(cert) : NULL;

	if (!cert || !name_add(name, "CN", common_name) || X509_set_issuer_name(cert, name) != 1 ||
	    !extension_add(cert, cert, NID_basic_constraints, "critical,CA:TRUE") ||
	    !extension_add(cert, cert, NID_key_usage,
	                   "critical,keyCertSign,cRLSign,digitalSignature") ||
	    !extension_add(cert, cert, NID_subject_key_identifier, "hash") ||
	    X509_sign(cert, key, EVP_sha256()) == 0) {
		return raise_ssl(err, ERR_INTERNAL, "make certificate authority");
	}
	return pair_write(cert, key, ret, err);
}

int pki_issue(struct slice ca_cert_pem, struct slice ca_key_pem, const struct pki_request *r,
              struct pki_pair *ret, struct err *err)
{
	scoped_x509 X509 *ca = NULL;
	scoped_key EVP_PKEY *ca_key = NULL;
	scoped_key EVP_PKEY *key = NULL;
	scoped_x509 X509 *cert = NULL;
	X509_NAME *name;
	bool ok;
	int e;

	e = cert_read(ca_cert_pem, &ca, err);
	if (e == 0) {
		e = key_read(ca_key_pem, false, &ca_key, err);
	}
	if (e < 0) {
		return err_while(err, e, "certificate authority");
	}
	key = EVP_EC_gen("P-256");
	cert = key ? cert_begin(key, r->days > 0 ? r->days : LEAF_DAYS) : NULL;
	if (!cert) {
		return raise_ssl(err, ERR_INTERNAL, "make certificate");
	}
	name = X509_get_subject_name(cert);
	ok = true;
	for (size_t i = 0; ok && r->organizations && r->organizations[i]; i++) {
		ok = name_add(name, "O", r->organizations[i]);
	}
	ok = ok && name_add(name, "CN", r->common_name) &&
	     X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 &&
	     extension_add(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
	     extension_add(cert, ca, NID_key_usage, "critical,digitalSignature") &&
	     extension_add(cert, ca, NID_subject_key_identifier, "hash") &&
	     extension_add(cert, ca, NID_authority_key_identifier, "keyid") &&
	     alt_names_add(cert, r);
	if (ok && (r->server || r->client)) {
		ok = extension_add(cert, ca, NID_ext_key_usage,
		                   r->server && r->client ? "serverAuth,clientAuth"
		                   : r->server            ? "serverAuth"
		                                          : "clientAuth");
	}
	if (!ok || X509_sign(cert, ca_key, EVP_sha256()) == 0) {
		return raise_ssl(err, ERR_INVALID, "make certificate");
	}
	return pair_write(cert, key, ret, err);
}

int pki_cert_not_after(struct slice cert_pem, int64_t *ret_wall_us, struct err *err)
{
	scoped_x509 X509 *cert = NULL;
	struct tm tm;
	int r = cert_read(cert_pem, &cert, err);

	if (r < 0) {
		return r;
	}
	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1) {
		return raise_ssl(err, ERR_SYNTAX, "read certificate's end");
	}
	*ret_wall_us = (int64_t)timegm(&tm) * US_PER_S;
	return 0;
}

int pki_pair_check(struct slice cert_pem, struct slice key_pem, struct err *err)
{
	scoped_x509 X509 *cert = NULL;
	scoped_key EVP_PKEY *key = NULL;
	int r = cert_read(cert_pem, &cert, err);

	if (r == 0) {
		r = key_read(key_pem, false, &key, err);
	}
	if (r < 0) {
		return r;
	}
	if (X509_check_private_key(cert, key) != 1) {
		return raise_ssl(err, ERR_INVALID, "private key does not fit the certificate");
	}
	return 0;
}

int pki_cert_covers(struct slice cert_pem, const char *host, bool *ret_covers, struct err *err)
{
	scoped_x509 X509 *cert = NULL;
	struct ip ip;
	int r = cert_read(cert_pem, &cert, err);

	if (r < 0) {
		return r;
	}
	if (ip_parse(slice_of(host), &ip)) {
		*ret_covers = X509_check_ip_asc(cert, host, 0) == 1;
	} else {
		*ret_covers = X509_check_host(cert, host, 0, 0, NULL) == 1;
	}
	return 0;
}

int pki_cert_names(struct slice cert_pem, pki_name_fn *fn, void *arg, struct err *err)
{
	scoped_x509 X509 *cert = NULL;
	GENERAL_NAMES *names;
	int r = cert_read(cert_pem, &cert, err);

	if (r < 0) {
		return r;
	}
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type == GEN_DNS) {
			fn(arg, (struct slice){ (const char *)ASN1_STRING_get0_data(g->d.dNSName),
			                        (size_t)ASN1_STRING_length(g->d.dNSName) });
		}
	}
	GENERAL_NAMES_free(names);
	return 0;
}

static void digest(const EVP_MD *md, struct strbuf *out, struct slice bytes)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (EVP_Digest(bytes.p ? bytes.p : "", bytes.len, sum, &n, md, NULL) == 1) {
		strbuf_add(out, sum, n);
	} else {
		out->failed = true;
	}
}

void pki_sha256(struct strbuf *out, struct slice bytes)
{
	digest(EVP_sha256(), out, bytes);
}

void pki_sha1(struct strbuf *out, struct slice bytes)
{
	digest(EVP_sha1(), out, bytes);
}

/* ---- tokens ---- */

/* base64url of the SHA-256 of the public key's DER, as Kubernetes names its keys. */
static bool key_id(EVP_PKEY *key, struct strbuf *out)
{
	scoped_strbuf struct strbuf sum = { 0 };
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);

	if (n <= 0) {
		return false;
	}
	pki_sha256(&sum, (struct slice){ (const char *)der, (size_t)n });
	OPENSSL_free(der);
	base64url_encode(out, strbuf_slice(&sum));
	return true;
}

int pki_jwt_sign(struct slice key_pem, struct slice claims_json, struct strbuf *out,
                 struct err *err)
{
	scoped_key EVP_PKEY *key = NULL;
	scoped_md EVP_MD_CTX *md = EVP_MD_CTX_new();
	scoped_strbuf struct strbuf head = { 0 };
	scoped_strbuf struct strbuf token = { 0 };
	unsigned char der[128], raw[SIGNATURE_SIZE];
	const unsigned char *p = der;
	size_t der_size = sizeof(der);
	ECDSA_SIG *sig;
	bool ok;
	int r = key_read(key_pem, false, &key, err);

	if (r < 0) {
		return r;
	}
	strbuf_adds(&head, "{\"alg\":\"ES256\",\"kid\":\"");
	if (!md || !key_id(key, &head)) {
		return raise_ssl(err, ERR_INTERNAL, "sign token");
	}
	strbuf_adds(&head, "\"}");
	base64url_encode(&token, strbuf_slice(&head));
	strbuf_addc(&token, '.');
	base64url_encode(&token, claims_json);
	if (EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) != 1 ||
	    EVP_DigestSign(md, der, &der_size, (const unsigned char *)token.p, token.size) != 1) {
		return raise_ssl(err, ERR_INTERNAL, "sign token");
	}
	sig = d2i_ECDSA_SIG(NULL, &p, (long)der_size);
	ok = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, COORD_SIZE) == COORD_SIZE &&
	     BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + COORD_SIZE, COORD_SIZE) == COORD_SIZE;
	ECDSA_SIG_free(sig);
	if (!ok) {
		return raise_ssl(err, ERR_INVALID, "sign token: not a P-256 key");
	}
	strbuf_addc(&token, '.');
	base64url_encode(&token, (struct slice){ (const char *)raw, sizeof(raw) });
	strbuf_add_slice(out, strbuf_slice(&token));
	return 0;
}

/* RFC 7518 3.4: the signature is r and s side by side; OpenSSL wants them in DER. */
static bool signature_holds(EVP_PKEY *key, struct slice covered, struct slice raw)
{
	scoped_md EVP_MD_CTX *md = EVP_MD_CTX_new();
	ECDSA_SIG *sig = ECDSA_SIG_new();
	const unsigned char *p = (const unsigned char *)raw.p;
	unsigned char *der = NULL;
	BIGNUM *r_part = BN_bin2bn(p, COORD_SIZE, NULL);
	BIGNUM *s_part = BN_bin2bn(p + COORD_SIZE, COORD_SIZE, NULL);
	int n = 0;
	bool ok = false;

	if (sig && r_part && s_part && ECDSA_SIG_set0(sig, r_part, s_part) == 1) {
		r_part = s_part = NULL; /* the signature owns them now */
		n = i2d_ECDSA_SIG(sig, &der);
	}
	if (md && n > 0) {
		ok = EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
		     EVP_DigestVerify(md, der, (size_t)n, (const unsigned char *)covered.p,
		                      covered.len) == 1;
	}
	OPENSSL_free(der);
	BN_free(r_part);
	BN_free(s_part);
	ECDSA_SIG_free(sig);
	ERR_clear_error();
	return ok;
}

int pki_jwt_verify(struct slice key_pem, struct slice token, struct strbuf *out_claims,
                   struct err *err)
{
	scoped_key EVP_PKEY *key = NULL;
	scoped_strbuf struct strbuf head = { 0 };
	scoped_strbuf struct strbuf raw = { 0 };
	scoped_strbuf struct strbuf claims = { 0 };
	ptrdiff_t last = slice_rfind(token, '.');
	struct slice covered, head_text, claims_text;
	int r;

	if (last <= 0) {
		return err_raise(err, ERR_UNAUTHORIZED, "token has not three parts");
	}
	covered = slice_head(token, (size_t)last);
	if (!slice_cut(covered, '.', &head_text, &claims_text) ||
	    slice_find(claims_text, '.') >= 0 || !base64_decode(&head, head_text) ||
	    !base64_decode(&claims, claims_text) ||
	    !base64_decode(&raw, slice_from(token, (size_t)last + 1)) ||
	    raw.size != SIGNATURE_SIZE) {
		return err_raise(err, ERR_UNAUTHORIZED, "token is malformed");
	}
	/* The key decides the algorithm; the header may only agree (RFC 8725 3.1). */
	if (!strstr(strbuf_str(&head), "\"ES256\"")) {
		return err_raise(err, ERR_UNAUTHORIZED, "token is not signed with ES256");
	}
	r = key_read(key_pem, true, &key, err);
	if (r < 0) {
		return r;
	}
	if (!signature_holds(key, covered, strbuf_slice(&raw))) {
		return err_raise(err, ERR_UNAUTHORIZED, "token's signature does not hold");
	}
	strbuf_add_slice(out_claims, strbuf_slice(&claims));
	return 0;
}

static bool coord_add(EVP_PKEY *key, const char *param, struct strbuf *out)
{
	BIGNUM *bn = NULL;
	unsigned char raw[COORD_SIZE];
	bool ok = EVP_PKEY_get_bn_param(key, param, &bn) == 1 &&
	          BN_bn2binpad(bn, raw, COORD_SIZE) == COORD_SIZE;

	BN_free(bn);
	if (ok) {
		base64url_encode(out, (struct slice){ (const char *)raw, sizeof(raw) });
	}
	return ok;
}

int pki_jwks(struct slice key_pem, struct strbuf *out, struct err *err)
{
	scoped_key EVP_PKEY *key = NULL;
	scoped_strbuf struct strbuf id = { 0 };
	scoped_strbuf struct strbuf x = { 0 };
	scoped_strbuf struct strbuf y = { 0 };
	int r = key_read(key_pem, true, &key, err);

	if (r < 0) {
		return r;
	}
	if (!key_id(key, &id) || !coord_add(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) ||
	    !coord_add(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y)) {
		return raise_ssl(err, ERR_INVALID, "describe key");
	}
	strbuf_addf(out,
	            "{\"keys\":[{\"use\":\"sig\",\"kty\":\"EC\",\"kid\":\"%s\",\"crv\":\"P-256\","
	            "\"alg\":\"ES256\",\"x\":\"%s\",\"y\":\"%s\"}]}",
	            strbuf_str(&id), strbuf_str(&x), strbuf_str(&y));
	return 0;
}
