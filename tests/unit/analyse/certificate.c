#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyse/certificate.h"
#include "base/mem.h"

/* A leaf for app.example.com and *.app.example.com, its authority, their keys, and a certificate with an RSA key. */
static const char app_crt[] = "-----BEGIN CERTIFICATE-----\n"
			      "MIIBojCCAUegAwIBAgIUSrwNMKwqd/mrferKXPoQrhCzISswCgYIKoZIzj0EAwIw\n"
			      "EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjYxNzQzMzhaGA8yMTI2MTEwMjE3\n"
			      "NDMzOFowGjEYMBYGA1UEAwwPYXBwLmV4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYI\n"
			      "KoZIzj0DAQcDQgAEriM7qNPOUcCxbGxkbW1W/nO7D22ORNEeiTZ53igUJ+/mTgVK\n"
			      "bL6NWe32ts8KruBCqnVyqutgOurjXPO0mpnCUKNxMG8wLQYDVR0RBCYwJIIPYXBw\n"
			      "LmV4YW1wbGUuY29tghEqLmFwcC5leGFtcGxlLmNvbTAdBgNVHQ4EFgQU8Sc9jSoL\n"
			      "pr/PX6es06pORyF1RbkwHwYDVR0jBBgwFoAUZzTrWPunkO/OJhs6908uYNei0Gow\n"
			      "CgYIKoZIzj0EAwIDSQAwRgIhAL8V/HuQ0ZwzpUiiv1BFNycMzE4zETcbe38NWvVL\n"
			      "MaZYAiEA41Q9YZmObpX7e3KeOZLDZfiXP1MfzU9ODMib8hlfFxM=\n"
			      "-----END CERTIFICATE-----\n";

static const char app_key[] = "-----BEGIN EC PRIVATE KEY-----\n"
			      "MHcCAQEEIDiYM8RFOGgwkfmWONNESY05q9dTOTwKudasoA+RdH/EoAoGCCqGSM49\n"
			      "AwEHoUQDQgAEriM7qNPOUcCxbGxkbW1W/nO7D22ORNEeiTZ53igUJ+/mTgVKbL6N\n"
			      "We32ts8KruBCqnVyqutgOurjXPO0mpnCUA==\n"
			      "-----END EC PRIVATE KEY-----\n";

static const char ca_crt[] = "-----BEGIN CERTIFICATE-----\n"
			     "MIIBezCCASGgAwIBAgIUbojQg4JEsWtDZEagq7UZyhJgkUQwCgYIKoZIzj0EAwIw\n"
			     "EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjYxNzQzMzdaGA8yMTI2MTEwMjE3\n"
			     "NDMzN1owEjEQMA4GA1UEAwwHVGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH\n"
			     "A0IABAei3dWUKJmZ2FiubwDDFnTUZ7jf6Owd1talwNI/KzRqYQluLYMWYQqIdBCx\n"
			     "jQReqzOUrLuc6n+ydsligVJlxtGjUzBRMB0GA1UdDgQWBBRnNOtY+6eQ784mGzr3\n"
			     "Ty5g16LQajAfBgNVHSMEGDAWgBRnNOtY+6eQ784mGzr3Ty5g16LQajAPBgNVHRMB\n"
			     "Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCfNYD28CxINRPhV3cNACVEYQA8\n"
			     "G+jU5mHRCKZQRU4geAIgDHk4znvuEDqQzKvYkbStwDMMDnkjstmDFEdkiZbMkSo=\n"
			     "-----END CERTIFICATE-----\n";

static const char rsa_crt[] = "-----BEGIN CERTIFICATE-----\n"
			      "MIICFjCCAX+gAwIBAgIUShcpyvLOSKTWjC5OGIGDnwfbUMQwDQYJKoZIhvcNAQEL\n"
			      "BQAwDjEMMAoGA1UEAwwDcnNhMCAXDTI2MTEyNjE3NDMzOFoYDzIxMjYxMTAyMTc0\n"
			      "MzM4WjAOMQwwCgYDVQQDDANyc2EwgZ8wDQYJKoZIhvcNAQEBBQADgY0AMIGJAoGB\n"
			      "ANXOeoUT5a15Bj7W60JaNSkJlQ3yakhv1OpZzDjRkFBrgytGKlocjIrqx2TGol6J\n"
			      "yDCGjvfazKAlThK8qUoFYsieFZmYW/CKA+kKdhuzhSPQY3t4A6a/mf1Xhj/yKTZi\n"
			      "Hc055cGYIHAh3ESRL4QurXl3ayCZLGAZKV/3HDktQm3fAgMBAAGjbzBtMB0GA1Ud\n"
			      "DgQWBBRATQHE1zZM2AaBGBBihsMudul62zAfBgNVHSMEGDAWgBRATQHE1zZM2AaB\n"
			      "GBBihsMudul62zAPBgNVHRMBAf8EBTADAQH/MBoGA1UdEQQTMBGCD3JzYS5leGFt\n"
			      "cGxlLmNvbTANBgkqhkiG9w0BAQsFAAOBgQA1cDrvlA2A3zeLbGTajdsCW7mV2IY3\n"
			      "Gqi/WMu3Wz5YvDkiNPDJ9QiYODLKKtW0lGlptEKMdDg+ZZ8A4dkF2CapUcOgQs/0\n"
			      "11OZfy4xGMJ6lP2cZV9c5PawT7daOHgC2k7atFEQEzH7gqRRh3dokX/ioG6MGXvA\n"
			      "q4boQOXdZrbCkA==\n"
			      "-----END CERTIFICATE-----\n";

static const char rsa_key[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBANXOeoUT5a15Bj7W\n"
			      "60JaNSkJlQ3yakhv1OpZzDjRkFBrgytGKlocjIrqx2TGol6JyDCGjvfazKAlThK8\n"
			      "qUoFYsieFZmYW/CKA+kKdhuzhSPQY3t4A6a/mf1Xhj/yKTZiHc055cGYIHAh3ESR\n"
			      "L4QurXl3ayCZLGAZKV/3HDktQm3fAgMBAAECgYEAiS4GvFXM2qW5FR6OKa95RlBI\n"
			      "m387JCjkokxlVNtYzdB9g4lsaQ7COetzbbxot2GN2VysZGi1O9dTpX/42m5kNwmm\n"
			      "z6od9lH7NtzC4BzYRKjWS/csjFjheqeZt+hbjSyEyBL+U0FoovOz45bQq0C1j0jx\n"
			      "A77hVI/8y5M02sS36RECQQDw2PD3IIDX3v5rTZ0sHozpfkNnXgSj+KQJA/oHeoDF\n"
			      "X+gqITbB1wGj5yXG/zqt4Wui6jbrn7ZHbuVwZmpMCHK3AkEA40IFOxTlUBqMohs/\n"
			      "Swv26UORau/f94Q53fepVFVKLK2AfKnt+Mbbb+g0n6fEMFyd6KpnxRqfsVftMjwV\n"
			      "BIiWGQJAOrNVP5YfcP27mqGHDirAA2SvvvDORryiFkRu2wXDfteaOTJxKxthHfaH\n"
			      "YZHxVlHbrxBQpGr/vTdNGnELtU5VzwJAU4VyErKtTHFVekZ1TomJJ1Wz3g9myrsH\n"
			      "4XIiA2KNLjpd3HM/iIzdHRXEMWEhE30Wc+oc1S3hvvXHsQyv1Mi2EQJBAJcUX2AG\n"
			      "yHKxwsadU2Xb3WE6TnoPZBdeyoPmeFEPIN2KHerpmDWsS63zO52mWaBxlcHFZIXc\n"
			      "3k6khD0CxzRpHmg=\n"
			      "-----END PRIVATE KEY-----\n";

static void names_and_order_are_read(void **state)
{
	scoped_arena struct arena a = { 0 };
	scoped_free char *both = mem_printf("%s%s", app_crt, ca_crt);
	struct chain chain;

	(void)state;
	chain_read(&a, slice_of(both), &chain);
	assert_null(chain.problem);
	assert_int_equal(chain.n, 2);
	assert_int_equal(chain.at[0]->n_names, 2);
	assert_true(slice_is(chain.at[0]->names[0], "app.example.com"));
	assert_true(slice_eq(chain.at[0]->issuer, chain.at[1]->subject));
	assert_true(slice_eq(chain.at[1]->issuer, chain.at[1]->subject));
	assert_true(certificate_has_name(chain.at[0], SLICE("x.app.example.com")));
	assert_false(certificate_has_name(chain.at[0], SLICE("x.y.app.example.com")));
	assert_false(certificate_has_name(chain.at[0], SLICE("example.com")));
}

static void assert_pair(const char *crt, const char *key, bool fits)
{
	scoped_arena struct arena a = { 0 };
	const char *problem;
	struct chain chain;
	struct slice public;

	chain_read(&a, slice_of(crt), &chain);
	public = key_public_part(&a, slice_of(key), &problem);
	assert_null(problem);
	assert_true(public.len > 0);
	assert_int_equal(slice_eq(public, chain.at[0]->key), fits);
}

static void a_key_is_known_by_its_public_part(void **state)
{
	(void)state;
	assert_pair(app_crt, app_key, true);
	assert_pair(rsa_crt, rsa_key, true);
	assert_pair(ca_crt, app_key, false);
	assert_pair(rsa_crt, app_key, false);
}

static void what_is_no_pem_is_told(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "has no certificate" },
		{ "hello", "has no certificate" },
		{ "-----BEGIN CERTIFICATE-----\nAAAA", "is cut off or no PEM" },
		{ "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----",
		  "is cut off or no PEM" },
		{ "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
		  "holds a certificate that cannot be read" },
		{ app_key, "begins with something that is no certificate" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_arena struct arena a = { 0 };
		struct chain chain;

		chain_read(&a, slice_of(cases[i].text), &chain);
		assert_string_equal(chain.problem, cases[i].want);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_order_are_read),
		cmocka_unit_test(a_key_is_known_by_its_public_part),
		cmocka_unit_test(what_is_no_pem_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
