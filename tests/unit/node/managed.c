#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/json.h"
#include "node/managed-dialog.h"
#include "node/managed-settings.h"
#include "node/managed-status.h"

static struct arena a;

static int reset(void **state)
{
	(void)state;
	arena_fini(&a);
	return 0;
}

static struct val *parse(const char *json)
{
	struct val *v;
	struct err err;

	if (json_parse(&a, slice_of(json), JSON_STRICT, &v, &err) < 0) {
		fail_msg("%s: %s", err.msg, json);
	}
	return v;
}

static struct managed_wish wish(enum managed_kind kind, const char *spec)
{
	struct managed_wish w;

	managed_wish_of(
		&a, kind,
		parse(arena_printf(&a,
	                           "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"main\"},"
	                           "\"spec\":{%s}}",
	                           spec)),
		&w);
	return w;
}

#define GOOD                                                                                       \
	"\"dbInstanceIdentifier\":\"Main\",\"engine\":\"mariadb\",\"allocatedStorage\":20,"        \
	"\"masterUsername\":\"keeper\",\"masterUserPassword\":{\"name\":\"s\",\"key\":\"k\"}"

/* ---- wishes ---- */

static void a_good_database_is_read(void **state)
{
	struct managed_wish w = wish(MANAGED_DATABASE, GOOD ",\"dbName\":\"pets\"");

	(void)state;
	assert_null(w.terminal);
	assert_true(slice_is(w.id, "main") && w.port == 3306 && slice_is(w.db_name, "pets"));
	assert_true(slice_is(w.secret_ns, "shop") && slice_is(w.secret_name, "s"));
	assert_false(w.keeps_data || w.is_protected || w.snapshot.len);
}

static void what_a_database_cannot_be_is_said(void **state)
{
	static const char *const cases[][2] = {
		{ "\"engine\":\"postgres\"", "engine postgres has no local equivalent" },
		{ GOOD ",\"dbName\":\"a-b\"", "dbName must be" },
		{ GOOD ",\"manageMasterUserPassword\":true", "exclude each other" },
		{ GOOD ",\"dbSnapshotIdentifier\":\"x\"", "no local equivalent" },
		{ "\"dbInstanceIdentifier\":\"a--b\",\"engine\":\"mysql\"",
		  "DBInstanceIdentifier" },
		{ "\"dbInstanceIdentifier\":\"a\",\"engine\":\"mysql\",\"masterUsername\":\"root\"",
		  "reserved word" },
		{ "\"dbInstanceIdentifier\":\"a\",\"engine\":\"mysql\",\"masterUsername\":\"x';"
		  "drop\"",
		  "masterUsername must be" },
		{ "\"dbInstanceIdentifier\":\"a\",\"engine\":\"mysql\",\"masterUsername\":\"x\"",
		  "allocatedStorage" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct managed_wish w = wish(MANAGED_DATABASE, cases[i][0]);

		assert_non_null(w.terminal);
		assert_non_null(strstr(w.terminal, cases[i][1]));
	}
}

static void what_a_cache_cannot_be_is_said(void **state)
{
	static const char *const cases[][2] = {
		{ "\"cacheClusterID\":\"c\"", "engine must be given" },
		{ "\"cacheClusterID\":\"c\",\"engine\":\"memcached\"", "no local equivalent" },
		{ "\"cacheClusterID\":\"c\",\"engine\":\"redis\",\"numCacheNodes\":2",
		  "NumCacheNodes" },
		{ "\"cacheClusterID\":\"c\",\"engine\":\"redis\",\"authToken\":{\"name\":\"s\","
		  "\"key\":\"k\"}",
		  "ReplicationGroup" },
		{ "\"cacheClusterID\":\"-c\",\"engine\":\"redis\"", "CacheClusterId" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct managed_wish w = wish(MANAGED_CACHE, cases[i][0]);

		assert_non_null(w.terminal);
		assert_non_null(strstr(w.terminal, cases[i][1]));
	}
	assert_null(wish(MANAGED_CACHE, "\"cacheClusterID\":\"c\",\"engine\":\"redis\"").terminal);
}

static void what_is_not_enforced_is_listed(void **state)
{
	struct managed_wish w =
		wish(MANAGED_DATABASE, GOOD ",\"multiAZ\":true,\"storageEncrypted\":false");

	(void)state;
	assert_non_null(strstr(w.advisory, "multiAZ"));
	assert_null(strstr(w.advisory, "storageEncrypted"));
	assert_null(strstr(w.advisory, "stands in"));
}

static void passwords_follow_the_rules_of_the_service(void **state)
{
	(void)state;
	assert_null(managed_password_fault(SLICE("replace-me-Wag-4-Treats")));
	assert_non_null(managed_password_fault(SLICE("short12")));
	assert_non_null(managed_password_fault(SLICE("with/slash")));
	assert_non_null(managed_password_fault(SLICE("with@at-sign")));
	assert_non_null(managed_password_fault(SLICE("with space")));
	assert_non_null(
		managed_password_fault(SLICE("0123456789012345678901234567890123456789ab")));
}

static void names_are_the_same_every_time(void **state)
{
	struct managed_wish w = wish(MANAGED_DATABASE, GOOD);
	scoped_strbuf struct strbuf one = { 0 }, two = { 0 }, other = { 0 }, arn = { 0 };

	(void)state;
	managed_endpoint(&one, &w, "a");
	managed_endpoint(&two, &w, "a");
	managed_endpoint(&other, &w, "b");
	assert_string_equal(strbuf_str(&one), strbuf_str(&two));
	assert_string_not_equal(strbuf_str(&one), strbuf_str(&other));
	assert_true(slice_has_prefix(strbuf_slice(&one), SLICE("main.")));
	assert_true(slice_has_suffix(strbuf_slice(&one), SLICE(".us-east-1.rds.amazonaws.com")));
	managed_arn(&arn, &w);
	assert_string_equal(strbuf_str(&arn), "arn:aws:rds:us-east-1:000000000000:db:main");
}

/* ---- settings ---- */

static void passwords_are_hashed_as_the_server_does(void **state)
{
	char hash[MANAGED_HASH_SIZE];

	(void)state;
	managed_password_hash(SLICE("password"), hash); /* select password('password') */
	assert_string_equal(hash, "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19");
}

static void overrides_come_last_and_cannot_leave_their_line(void **state)
{
	static const char *const bad[] = {
		"{\"port\":\"1\"}",
		"{\"plugin-dir\":\"/tmp\"}",
		"{\"bind_address\":\"*\"}",
		"{\"a b\":\"1\"}",
		"{\"x\":\"1\\nuser=root\"}",
		"{\"loose-port\":\"1\"}",
		"{\"Max_Connections\":\"1\"}",
		"{\"\":\"1\"}",
	};
	struct managed_wish w = wish(MANAGED_DATABASE, GOOD);
	scoped_strbuf struct strbuf out = { 0 };

	(void)state;
	assert_int_equal(managed_settings(&out, &w, "10.0.3.10",
	                                  parse("{\"require_secure_transport\":\"1\"}"), NULL),
	                 0);
	assert_true(slice_has_suffix(strbuf_slice(&out),
	                             SLICE("port=3306\nrequire_secure_transport=1\n")));
	assert_non_null(strstr(strbuf_str(&out), "\nbind-address=10.0.3.10\n"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		scoped_strbuf struct strbuf none = { 0 };
		struct err err;

		assert_int_equal(managed_settings(&none, &w, "10.0.3.10", parse(bad[i]), &err),
		                 -ERR_INVALID);
	}
}

static void a_cache_listens_on_one_port(void **state)
{
	struct managed_wish w =
		wish(MANAGED_CACHE, "\"cacheClusterID\":\"c\",\"engine\":\"redis\"");
	scoped_strbuf struct strbuf plain = { 0 }, tls = { 0 };

	(void)state;
	assert_int_equal(managed_settings(&plain, &w, "10.0.3.10", NULL, NULL), 0);
	assert_non_null(strstr(strbuf_str(&plain), "\nport 6379\n"));
	assert_null(strstr(strbuf_str(&plain), "tls-port"));
	w.tls_only = true;
	assert_int_equal(managed_settings(&tls, &w, "10.0.3.10", NULL, NULL), 0);
	assert_non_null(strstr(strbuf_str(&tls), "\nport 0\ntls-port 6379\n"));
}

/* ---- status ---- */

static const char *condition(const struct val *status, const char *type, const char *member)
{
	val_for_each (val_get(status, "conditions"), it) {
		if (slice_is(val_get_str(it, "type"), type)) {
			return val_cstr(val_get(it, member));
		}
	}
	return "";
}

static void a_running_one_is_synced(void **state)
{
	struct managed_wish w = wish(MANAGED_DATABASE, GOOD);
	struct managed_view v = { .wish = &w,
		                  .state = MANAGED_RUNNING,
		                  .endpoint = "main.x.us-east-1.rds.amazonaws.com",
		                  .was_available = true,
		                  .now_wall_us = 1 };
	struct val *s = managed_status(&a, &v, NULL), *again;

	(void)state;
	assert_string_equal(val_cstr(val_get(s, "dbInstanceStatus")), "available");
	assert_string_equal(condition(s, "ACK.ResourceSynced", "status"), "True");
	assert_string_equal(condition(s, "Ready", "status"), "True");
	assert_string_equal(condition(s, "ACK.Terminal", "status"), "");
	/* later nothing has changed, so nothing is written */
	v.now_wall_us = INT64_C(1) << 50;
	again = managed_status(&a, &v, s);
	assert_true(managed_status_is(s, again));
	v.state = MANAGED_RESTING;
	assert_false(managed_status_is(s, managed_status(&a, &v, s)));
}

static void trouble_is_recoverable_and_faults_are_terminal(void **state)
{
	struct managed_wish w = wish(MANAGED_DATABASE, GOOD);
	struct managed_view v = { .wish = &w, .state = MANAGED_RESTING, .trouble = "it fell over" };
	struct val *s = managed_status(&a, &v, NULL);

	(void)state;
	assert_string_equal(val_cstr(val_get(s, "dbInstanceStatus")), "failed");
	assert_string_equal(condition(s, "ACK.Recoverable", "message"), "it fell over");
	assert_string_equal(condition(s, "Ready", "reason"), "ACK.Recoverable");
	v.is_incompatible = true;
	s = managed_status(&a, &v, NULL);
	assert_string_equal(val_cstr(val_get(s, "dbInstanceStatus")), "incompatible-parameters");
	assert_string_equal(condition(s, "ACK.Terminal", "message"), "it fell over");
	w.terminal = "no";
	v = (struct managed_view){ .wish = &w, .state = MANAGED_WAITING };
	s = managed_status(&a, &v, NULL);
	assert_null(val_get(s, "dbInstanceStatus"));
	assert_null(val_path(s, "ackResourceMetadata.arn"));
	assert_string_equal(condition(s, "ACK.Terminal", "message"), "no");
}

/* ---- dialogs ---- */

static struct slice packet(struct strbuf *b, unsigned sequence, const char *body, size_t size)
{
	strbuf_reset(b);
	strbuf_addc(b, (char)size);
	strbuf_addc(b, 0);
	strbuf_addc(b, 0);
	strbuf_addc(b, (char)sequence);
	strbuf_add(b, body, size);
	return strbuf_slice(b);
}

static void a_statement_is_run_after_the_login(void **state)
{
	static const char *const statements[] = { "alter user x", NULL };
	struct managed_dialog d;
	scoped_strbuf struct strbuf p = { 0 };
	struct slice greeting = packet(&p, 0,
	                               "\012"
	                               "10.11.0",
	                               9);

	(void)state;
	managed_dialog_init(&d, MANAGED_DIALOG_MYSQL, statements);
	/* byte by byte: packets may be cut anywhere */
	for (size_t i = 0; i < greeting.len; i++) {
		assert_int_equal(d.out.size, 0);
		assert_int_equal(managed_dialog_feed(&d, (struct slice){ greeting.p + i, 1 }, NULL),
		                 MANAGED_DIALOG_MORE);
	}
	assert_int_equal(d.out.p[3], 1);
	assert_non_null(memmem(d.out.p, d.out.size, "root", 5));
	strbuf_reset(&d.out);
	assert_int_equal(managed_dialog_feed(&d, packet(&p, 2, "\376unix_socket", 13), NULL),
	                 MANAGED_DIALOG_MORE);
	assert_memory_equal(d.out.p, "\0\0\0\3", 4);
	strbuf_reset(&d.out);
	assert_int_equal(managed_dialog_feed(&d, packet(&p, 4, "\0\0\0\2\0", 5), NULL),
	                 MANAGED_DIALOG_MORE);
	assert_memory_equal(d.out.p, "\15\0\0\0\3alter user x", 17);
	strbuf_reset(&d.out);
	assert_int_equal(managed_dialog_feed(&d, packet(&p, 1, "\0\0\0\2\0", 5), NULL),
	                 MANAGED_DIALOG_DONE);
	assert_memory_equal(d.out.p, "\1\0\0\0\1", 5);
	managed_dialog_fini(&d);
}

static void a_refusal_is_told_in_the_servers_words(void **state)
{
	struct managed_dialog d;
	scoped_strbuf struct strbuf p = { 0 };
	struct err err;

	(void)state;
	managed_dialog_init(&d, MANAGED_DIALOG_MYSQL, NULL);
	assert_int_equal(
		managed_dialog_feed(&d, packet(&p, 0, "\377\25\4#28000Access denied", 22), &err),
		-ERR_INVALID);
	assert_string_equal(err.msg, "server refuses (1045): Access denied");
	managed_dialog_fini(&d);
}

static void a_cache_that_reads_its_data_is_not_ready(void **state)
{
	struct managed_dialog d;

	(void)state;
	managed_dialog_init(&d, MANAGED_DIALOG_REDIS, NULL);
	assert_string_equal(strbuf_str(&d.out), "PING\r\n");
	assert_int_equal(managed_dialog_feed(&d, SLICE("-LOADING Redis is"), NULL),
	                 MANAGED_DIALOG_MORE);
	assert_int_equal(managed_dialog_feed(&d, SLICE(" loading\r\n"), NULL), -ERR_UNAVAILABLE);
	managed_dialog_fini(&d);
	managed_dialog_init(&d, MANAGED_DIALOG_REDIS, NULL);
	assert_int_equal(managed_dialog_feed(&d, SLICE("+PONG\r\n"), NULL), MANAGED_DIALOG_DONE);
	managed_dialog_fini(&d);
}

#define TEST(name) cmocka_unit_test_teardown(name, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_database_is_read),
		TEST(what_a_database_cannot_be_is_said),
		TEST(what_a_cache_cannot_be_is_said),
		TEST(what_is_not_enforced_is_listed),
		TEST(passwords_follow_the_rules_of_the_service),
		TEST(names_are_the_same_every_time),
		TEST(passwords_are_hashed_as_the_server_does),
		TEST(overrides_come_last_and_cannot_leave_their_line),
		TEST(a_cache_listens_on_one_port),
		TEST(a_running_one_is_synced),
		TEST(trouble_is_recoverable_and_faults_are_terminal),
		TEST(a_statement_is_run_after_the_login),
		TEST(a_refusal_is_told_in_the_servers_words),
		TEST(a_cache_that_reads_its_data_is_not_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
