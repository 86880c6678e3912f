/* Why: keys, certificates and tokens hold what they promise, and nothing that was tampered with holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/pki.h"

struct world {
	struct pki_pair ca, leaf;
	struct strbuf key, token;
};

static int set_up(void **state)
{
	static const char *const names[] = { "a.example", "*.b.example", NULL };
	struct world *w = NEW(struct world);
	struct ip ips[2];

	assert_true(ip_parse(SLICE("10.1.2.3"), &ips[0]));
	assert_true(ip_parse(SLICE("fd00::1"), &ips[1]));
	assert_int_equal(pki_make_ca("test CA", &w->ca, NULL), 0);
	assert_int_equal(pki_issue(strbuf_slice(&w->ca.cert), strbuf_slice(&w->ca.key),
	                           &(struct pki_request){ .common_name = "leaf",
	                                                  .dns_names = names,
	                                                  .ips = ips,
	                                                  .n_ips = 2,
	                                                  .days = 7,
	                                                  .server = true },
	                           &w->leaf, NULL),
	                 0);
	assert_int_equal(pki_make_key(&w->key, NULL), 0);
	assert_int_equal(
		pki_jwt_sign(strbuf_slice(&w->key), SLICE("{\"sub\":\"me\"}"), &w->token, NULL), 0);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	pki_pair_fini(&w->ca);
	pki_pair_fini(&w->leaf);
	strbuf_fini(&w->key);
	strbuf_fini(&w->token);
	free(w);
	return 0;
}

static bool covers(struct world *w, const char *host)
{
	bool ret = false;

	assert_int_equal(pki_cert_covers(strbuf_slice(&w->leaf.cert), host, &ret, NULL), 0);
	return ret;
}

static void a_leaf_covers_its_names_and_addresses_only(void **state)
{
	struct world *w = *state;

	assert_true(covers(w, "a.example"));
	assert_true(covers(w, "A.EXAMPLE"));
	assert_true(covers(w, "x.b.example"));
	assert_true(covers(w, "10.1.2.3"));
	assert_true(covers(w, "fd00::1"));
	assert_false(covers(w, "x.a.example"));
	assert_false(covers(w, "b.example"));
	assert_false(covers(w, "x.y.b.example"));
	assert_false(covers(w, "10.1.2.4"));
	assert_false(covers(w, "leaf")); /* the common name is no host */
}

static void add_name(void *arg, struct slice name)
{
	strbuf_add_slice(arg, name);
	strbuf_addc(arg, ' ');
}

static void the_names_of_a_leaf_can_be_listed(void **state)
{
	struct world *w = *state;
	scoped_strbuf struct strbuf names = { 0 };

	assert_int_equal(pki_cert_names(strbuf_slice(&w->leaf.cert), add_name, &names, NULL), 0);
	assert_string_equal(strbuf_str(&names), "a.example *.b.example ");
}

static void certificates_end_when_they_were_told_to(void **state)
{
	struct world *w = *state;
	int64_t leaf, ca, now = clock_wall_us();

	assert_int_equal(pki_cert_not_after(strbuf_slice(&w->leaf.cert), &leaf, NULL), 0);
	assert_int_equal(pki_cert_not_after(strbuf_slice(&w->ca.cert), &ca, NULL), 0);
	assert_in_range(leaf, now + 7 * 86400 * US_PER_S - 60 * US_PER_S,
	                now + 7 * 86400 * US_PER_S + 60 * US_PER_S);
	assert_true(ca > now + (int64_t)3600 * 86400 * US_PER_S);
}

static void a_key_that_does_not_fit_is_noticed(void **state)
{
	struct world *w = *state;

	assert_int_equal(
		pki_pair_check(strbuf_slice(&w->leaf.cert), strbuf_slice(&w->leaf.key), NULL), 0);
	assert_int_equal(
		pki_pair_check(strbuf_slice(&w->leaf.cert), strbuf_slice(&w->ca.key), NULL),
		-ERR_INVALID);
	assert_int_equal(pki_pair_check(strbuf_slice(&w->leaf.cert), SLICE("nonsense"), NULL),
	                 -ERR_SYNTAX);
	assert_int_equal(pki_pair_check(SLICE(""), strbuf_slice(&w->ca.key), NULL), -ERR_SYNTAX);
}

static void a_name_cannot_smuggle_in_another(void **state)
{
	static const char *const names[] = { "a,DNS:evil.example", NULL };
	struct world *w = *state;
	struct pki_pair p = { 0 };
	bool ret = true;

	assert_int_equal(pki_issue(strbuf_slice(&w->ca.cert), strbuf_slice(&w->ca.key),
	                           &(struct pki_request){ .common_name = "x", .dns_names = names },
	                           &p, NULL),
	                 0);
	assert_int_equal(pki_cert_covers(strbuf_slice(&p.cert), "evil.example", &ret, NULL), 0);
	assert_false(ret);
	pki_pair_fini(&p);
}

static int verify(struct world *w, struct slice token, struct strbuf *claims)
{
	struct err err;
	int r = pki_jwt_verify(strbuf_slice(&w->key), token, claims, &err);

	return r;
}

static void a_signed_token_gives_its_claims_back(void **state)
{
	struct world *w = *state;
	scoped_strbuf struct strbuf claims = { 0 };

	assert_int_equal(verify(w, strbuf_slice(&w->token), &claims), 0);
	assert_string_equal(strbuf_str(&claims), "{\"sub\":\"me\"}");
}

static void another_key_does_not_verify_it(void **state)
{
	struct world *w = *state;
	scoped_strbuf struct strbuf other = { 0 }, claims = { 0 };

	assert_int_equal(pki_make_key(&other, NULL), 0);
	assert_int_equal(
		pki_jwt_verify(strbuf_slice(&other), strbuf_slice(&w->token), &claims, NULL),
		-ERR_UNAUTHORIZED);
	assert_int_equal(claims.size, 0);
}

/* Each character changed to one that means other bits. */
static void every_tampered_byte_is_noticed(void **state)
{
	struct world *w = *state;
	scoped_strbuf struct strbuf claims = { 0 };

	for (size_t i = 0; i < w->token.size; i++) {
		char was = w->token.p[i];

		w->token.p[i] = was == 'Q' ? 'h' : 'Q';
		if (verify(w, strbuf_slice(&w->token), &claims) != -ERR_UNAUTHORIZED) {
			fail_msg("byte %zu of %zu is not covered", i, w->token.size);
		}
		w->token.p[i] = was;
	}
	for (size_t n = 0; n < w->token.size; n++) {
		assert_int_equal(verify(w, slice_head(strbuf_slice(&w->token), n), &claims),
		                 -ERR_UNAUTHORIZED);
	}
	assert_int_equal(claims.size, 0);
}

static void a_token_without_signature_is_refused(void **state)
{
	static const char *const heads[] = { "{\"alg\":\"none\"}", "{\"alg\":\"HS256\"}",
		                             "{\"alg\":\"ES256\"}" };
	struct world *w = *state;
	scoped_strbuf struct strbuf claims = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		scoped_strbuf struct strbuf t = { 0 };
		char zeros[64] = { 0 };

		base64url_encode(&t, slice_of(heads[i]));
		strbuf_addc(&t, '.');
		base64url_encode(&t, SLICE("{\"sub\":\"root\"}"));
		strbuf_addc(&t, '.');
		assert_int_equal(verify(w, strbuf_slice(&t), &claims), -ERR_UNAUTHORIZED);
		base64url_encode(&t, (struct slice){ zeros, sizeof(zeros) });
		assert_int_equal(verify(w, strbuf_slice(&t), &claims), -ERR_UNAUTHORIZED);
	}
	assert_int_equal(verify(w, SLICE(""), &claims), -ERR_UNAUTHORIZED);
	assert_int_equal(verify(w, SLICE("..."), &claims), -ERR_UNAUTHORIZED);
	assert_int_equal(verify(w, SLICE("a.b.c.d"), &claims), -ERR_UNAUTHORIZED);
}

static void the_key_set_names_the_key_of_the_token(void **state)
{
	struct world *w = *state;
	scoped_strbuf struct strbuf jwks = { 0 }, head = { 0 };
	struct slice first, rest;
	const char *kid;

	assert_int_equal(pki_jwks(strbuf_slice(&w->key), &jwks, NULL), 0);
	slice_cut(strbuf_slice(&w->token), '.', &first, &rest);
	assert_true(base64_decode(&head, first));
	kid = strstr(strbuf_str(&head), "\"kid\":\"");
	assert_non_null(kid);
	scoped_free char *quoted = mem_printf("%.*s", (int)strcspn(kid + 7, "\"") + 8, kid);
	assert_non_null(strstr(strbuf_str(&jwks), quoted));
	assert_null(strstr(strbuf_str(&jwks), "\"d\"")); /* never the private part */
}

static void digests_are_those_of_the_standards(void **state)
{
	scoped_strbuf struct strbuf sum = { 0 };

	(void)state;
	pki_sha256(&sum, SLICE("abc"));
	assert_int_equal(sum.size, 32);
	assert_memory_equal(sum.p, "\xba\x78\x16\xbf\x8f\x01\xcf\xea", 8);
	strbuf_reset(&sum);
	pki_sha1(&sum, SLICE("abc"));
	assert_int_equal(sum.size, 20);
	assert_memory_equal(sum.p, "\xa9\x99\x3e\x36\x47\x06\x81\x6a", 8);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_leaf_covers_its_names_and_addresses_only),
		T(the_names_of_a_leaf_can_be_listed),
		T(certificates_end_when_they_were_told_to),
		T(a_key_that_does_not_fit_is_noticed),
		T(a_name_cannot_smuggle_in_another),
		T(a_signed_token_gives_its_claims_back),
		T(another_key_does_not_verify_it),
		T(every_tampered_byte_is_noticed),
		T(a_token_without_signature_is_refused),
		T(the_key_set_names_the_key_of_the_token),
		T(digests_are_those_of_the_standards),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
