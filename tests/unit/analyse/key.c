#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyse/key.h"
#include "base/mem.h"

static void names_say_what_their_values_are(void **state)
{
	static const struct {
		const char *name;
		enum key_kind kind;
	} cases[] = {
		{ "DATABASE_URL", KEY_ADDRESS },
		{ "VITE_API_URL", KEY_ADDRESS },
		{ "spring.datasource.url", KEY_ADDRESS },
		{ "KAFKA_BOOTSTRAP_SERVERS", KEY_ADDRESS },
		{ "authServiceEndpoint", KEY_ADDRESS },
		{ "DB_HOST", KEY_HOST },
		{ "redis.host", KEY_HOST },
		{ "DB_PORT", KEY_PORT },
		{ "PORT", KEY_LISTEN_PORT },
		{ "SERVER_PORT", KEY_LISTEN_PORT },
		{ "METRICS_PORT", KEY_LISTEN_PORT },
		{ "HOST", KEY_LISTEN_HOST },
		{ "SERVER_HOST", KEY_LISTEN_HOST },
		{ "BIND_ADDRESS", KEY_LISTEN },
		{ "web.listen-address", KEY_LISTEN },
		{ "HTTP_ADDR", KEY_LISTEN },
		{ "CORS_ORIGIN", KEY_ORIGIN },
		{ "CSRF_TRUSTED_ORIGINS", KEY_ORIGIN },
		{ "ALLOWED_HOSTS", KEY_ORIGIN },
		{ "CORS_ALLOWED_METHODS", KEY_NAME },
		{ "PUBLIC_URL", KEY_SELF },
		{ "BASE_URL", KEY_SELF },
		{ "API_BASE_URL", KEY_ADDRESS },
		{ "OAUTH_REDIRECT_URI", KEY_SELF },
		{ "DB_PASSWORD", KEY_PRIVATE },
		{ "API_KEY", KEY_PRIVATE },
		{ "apiToken", KEY_PRIVATE },
		{ "HOSTNAME", KEY_NAME },
		{ "SERVER_NAME", KEY_NAME },
		{ "IMAGE", KEY_NAME },
		{ "DNS_SERVER", KEY_RESOLVER },
		{ "LOG_LEVEL", KEY_NAME },
		{ "GREETING", KEY_PLAIN },
		{ "", KEY_PLAIN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (key_judge(slice_of(cases[i].name)) != cases[i].kind) {
			fail_msg("%s: %d, not %d", cases[i].name,
			         key_judge(slice_of(cases[i].name)), cases[i].kind);
		}
	}
}

static void names_tell_the_engine(void **state)
{
	(void)state;
	assert_string_equal(key_scheme(SLICE("MYSQL_HOST")), "mysql");
	assert_string_equal(key_scheme(SLICE("PGHOST")), "");
	assert_string_equal(key_scheme(SLICE("spring.redis.host")), "redis");
	assert_string_equal(key_scheme(SLICE("DB_HOST")), "");
}

static void stems_join_host_and_port(void **state)
{
	(void)state;
	assert_true(slice_is(key_stem(SLICE("DB_HOST")), "DB_"));
	assert_true(slice_is(key_stem(SLICE("redisHost")), "redis"));
	assert_true(slice_is(key_stem(SLICE("HOST")), ""));
	assert_true(slice_is(key_stem(SLICE("")), ""));
}

static void long_names_are_no_trouble(void **state)
{
	char name[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(name); i++) {
		name[i] = "aB_9"[i % 4];
	}
	assert_int_equal(key_judge((struct slice){ name, sizeof(name) }), KEY_PLAIN);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_say_what_their_values_are),
		cmocka_unit_test(names_tell_the_engine),
		cmocka_unit_test(stems_join_host_and_port),
		cmocka_unit_test(long_names_are_no_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
