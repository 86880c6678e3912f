#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyse/address.h"
#include "base/mem.h"
#include "base/strbuf.h"

static void write_down(void *arg, const struct address *a)
{
	struct strbuf *out = arg;

	strbuf_addf(out, "%s" SLICE_FMT "|" SLICE_FMT "|%u", out->size ? " " : "",
	            SLICE_ARG(a->scheme), SLICE_ARG(a->host), a->port);
	strbuf_adds(out, a->port_given ? "!" : "");
	strbuf_adds(out, a->has_password ? "P" : a->has_user ? "U" : "");
	strbuf_adds(out, a->tls ? "T" : "");
	strbuf_adds(out, a->tls_off ? "O" : "");
	strbuf_adds(out, a->is_template ? "X" : "");
	strbuf_adds(out, a->problem ? "?" : "");
}

struct one {
	const char *key, *text, *want;
};

static void assert_all(const struct one *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		scoped_arena struct arena a = { 0 };
		scoped_strbuf struct strbuf out = { 0 };
		struct slice key = slice_of(cases[i].key);

		address_each(&a, slice_of(cases[i].text), key_judge(key), key_scheme(key),
		             write_down, &out);
		if (strcmp(strbuf_str(&out), cases[i].want) != 0) {
			fail_msg("%s=%s:\n  found    %s\n  expected %s", cases[i].key,
			         cases[i].text, strbuf_str(&out), cases[i].want);
		}
	}
}

static void urls_are_read(void **state)
{
	static const struct one cases[] = {
		{ "U", "http://backend:5000/api", "http|backend|5000!" },
		{ "U", "https://API.Example.com/x?y=http", "https|api.example.com|443T" },
		{ "U", "HTTP://u:p@h./", "http|h|80P" },
		{ "U", "http://[fd00::1]:8080/", "http|fd00::1|8080!" },
		{ "U", "http://[fd00::1]", "http|fd00::1|80" },
		{ "U", "redis://:pw@cache/0", "redis|cache|6379P" },
		{ "U", "rediss://cache:6380", "rediss|cache|6380!T" },
		{ "U", "a http://x, http://y.", "http|x|80 http|y|80" },
		{ "U", "http://a:1,http://b:2", "http|a|1! http|b|2!" },
		{ "U", "mongodb://u:p@h1:27017,h2/db?ssl=true",
		  "mongodb|h1|27017!PT mongodb|h2|27017PT" },
		{ "U", "mongodb+srv://u@c.example.net/db", "mongodb+srv|c.example.net|27017UT" },
		{ "U", "amqps://u:p@mq/v", "amqps|mq|5671PT" },
		{ "U", "dns:///users:50051", "grpc|users|50051!" },
		{ "U", "postgresql+asyncpg://u:p@db/x?sslmode=disable", "postgres|db|5432PO" },
		{ "U", "jdbc:mysql://db:3307/x?useSSL=true", "mysql|db|3307!T" },
		{ "U", "jdbc:sqlserver://sql:1433;encrypt=true;user=x", "sqlserver|sql|1433!T" },
		{ "U", "jdbc:oracle:thin:@//ora:1522/x", "oracle|ora|1522!" },
		{ "U", "jdbc:oracle:thin:u/p@ora:1521:SID", "oracle|ora|1521!U" },
		{ "U", "file:///etc/x", "" },
		{ "U", "unix:///var/run/x.sock", "" },
		{ "U", "http://www.w3.org/2000/svg", "" },
		{ "U", "http://${HOST}:${PORT}/x", "http|${HOST}|0!X" },
		{ "U", "http://{{ .Values.host }}:80/", "http|{{ .Values.host }}|80!X" },
		{ "U", "http://", "" },
		{ "U", "://x", "" },
	};

	(void)state;
	assert_all(cases, ARRAY_SIZE(cases));
}

static void what_will_not_be_read_as_meant_is_told(void **state)
{
	static const struct one cases[] = {
		{ "U", "mysql://u:p@ss@db:3306/x", "mysql|db|3306!P?" },
		{ "U", "mysql://u:pa/ss@db:3306/x", "mysql|db|3306!P?" },
		{ "U", "mysql://u:pa#ss@db:3306/x", "mysql|db|3306!P?" },
		{ "U", "http://h:80x/", "http|h|0!?" },
		{ "U", "http://h:70000/", "http|h|0!?" },
		{ "U", "http://a b", "http|a|80" },
		{ "U", "http://h:80/a@b", "http|h|80!" },
	};

	(void)state;
	assert_all(cases, ARRAY_SIZE(cases));
}

static void driver_strings_are_read(void **state)
{
	static const struct one cases[] = {
		{ "DSN", "u:p@tcp(db:3306)/x?tls=true", "mysql|db|3306!PT" },
		{ "DSN", "u@tcp(db)/x", "mysql|db|3306U" },
		{ "DSN", "host=db port=5433 user=u password=p dbname=x sslmode=require",
		  "postgres|db|5433!PT" },
		{ "CONNECTION_STRING", "Server=sql,1433;Database=x;User Id=u;Password=p",
		  "sqlserver|sql|1433!P" },
		{ "CONNECTION_STRING", "Host=db;Port=5432;Database=x;Username=u;Password=p",
		  "postgres|db|5432!P" },
		{ "CONNECTION_STRING",
		  "Server=tcp:sql.example.com,1433;Initial Catalog=x;Encrypt=True",
		  "sqlserver|sql.example.com|1433!T" },
	};

	(void)state;
	assert_all(cases, ARRAY_SIZE(cases));
}

static void hosts_are_read_where_the_key_says_so(void **state)
{
	static const struct one cases[] = {
		{ "REDIS_HOST", "cache", "redis|cache|6379" },
		{ "DB_HOST", "db.shop.svc.cluster.local", "|db.shop.svc.cluster.local|0" },
		{ "KAFKA_BROKERS", "k1:9092, k2:9092", "kafka|k1|9092! kafka|k2|9092!" },
		{ "AUTH_ADDR", "auth:50051", "|auth|50051!" },
		{ "API_URL", "backend:5000/api", "|backend|5000!" },
		{ "GREETING", "hello", "" },
		{ "GREETING", "hello:5000", "|hello|5000!" },
		{ "IMAGE", "redis:7", "" },
		{ "DB_PASSWORD", "abc:1234", "" },
		{ "DB_HOST", "true", "" },
		{ "ADMIN_URL", "me@example.com", "" },
		{ "DB_URL", "u:p@db:3306/x", "|db|3306!P" },
		{ "REDIS_SERVER", "cache:6379,password=x,ssl=True", "redis|cache|6379!" },
		{ "API_HOST", "10.0.0.5", "|10.0.0.5|0" },
		{ "API_HOST", "fd00::1", "|fd00::1|0" },
		{ "API_HOST", "$(X)", "|$(X)|0X" },
		{ "DB_HOST", "", "" },
		{ "UPLOAD_TARGET", "path/to", "" },
		{ "TITLE", "Welcome: 5 things", "" },
	};

	(void)state;
	assert_all(cases, ARRAY_SIZE(cases));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_read),
		cmocka_unit_test(what_will_not_be_read_as_meant_is_told),
		cmocka_unit_test(driver_strings_are_read),
		cmocka_unit_test(hosts_are_read_where_the_key_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
