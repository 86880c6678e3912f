/* Why: watches in every way to begin and to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

#include "base/mem.h"

#define CMS   "/api/v1/namespaces/default/configmaps"
#define MERGE "application/merge-patch+json"

static void expect(struct world *w, int fd, const char *type, const char *part)
{
	scoped_strbuf struct strbuf line = { 0 };
	scoped_free char *head = mem_printf("{\"type\":\"%s\"", type);

	if (!world_line(w, fd, &line)) {
		fail_msg("the stream ended, wanted %s %s", type, part);
	}
	if (strncmp(strbuf_str(&line), head, strlen(head)) != 0 ||
	    !strstr(strbuf_str(&line), part)) {
		fail_msg("wanted %s %s, found %s", type, part, strbuf_str(&line));
	}
}

static void expect_end(struct world *w, int fd)
{
	scoped_strbuf struct strbuf line = { 0 };

	if (world_line(w, fd, &line)) {
		fail_msg("wanted the end, found %s", strbuf_str(&line));
	}
	close(fd);
}

static void play(struct world *w, const char *method, const char *target, const char *type,
                 const char *body)
{
	struct step step = {
		method, target, type, body, strcmp(method, "POST") == 0 ? 201 : 200, ""
	};

	world_play(w, &step, 1);
}

static void follows_changes(void **state)
{
	struct world w;
	int fd;

	(void)state;
	world_start(&w);
	play(&w, "POST", CMS, NULL, "{'metadata':{'name':'a'}}");
	fd = world_open(&w, CMS "?watch=1");
	expect(&w, fd, "ADDED", "\"name\":\"a\"");
	play(&w, "POST", CMS, NULL, "{'metadata':{'name':'b'}}");
	expect(&w, fd, "ADDED", "\"name\":\"b\"");
	play(&w, "PATCH", CMS "/b", MERGE, "{'data':{'k':'v'}}");
	expect(&w, fd, "MODIFIED", "\"k\":\"v\"");
	play(&w, "DELETE", CMS "/b", NULL, NULL);
	expect(&w, fd, "DELETED", "\"name\":\"b\"");
	close(fd);
	for (int i = 0; i < 50; i++) {
		loop_run_once(w.loop);
	}
	assert_int_equal(w.api->n_watches, 0); /* nobody holds on to who has gone */
	world_stop(&w);
}

static void filters_by_selector(void **state)
{
	struct world w;
	int fd;

	(void)state;
	world_start(&w);
	fd = world_open(&w, CMS "?watch=1&labelSelector=x%3Dy");
	play(&w, "POST", CMS, NULL, "{'metadata':{'name':'a'}}");
	play(&w, "PATCH", CMS "/a", MERGE, "{'metadata':{'labels':{'x':'y'}}}");
	expect(&w, fd, "ADDED", "\"name\":\"a\"");
	play(&w, "PATCH", CMS "/a", MERGE, "{'metadata':{'labels':{'x':'z'}}}");
	expect(&w, fd, "DELETED", "\"x\":\"y\"");
	play(&w, "PATCH", CMS "/a", MERGE, "{'metadata':{'labels':{'x':'y'}}}");
	expect(&w, fd, "ADDED", "\"x\":\"y\"");
	close(fd);
	world_stop(&w);
}

static void resumes_from_a_revision(void **state)
{
	struct question q = { .method = "GET", .target = CMS "?watch=1&resourceVersion=999999" };
	scoped_free char *target = NULL;
	struct answer got;
	struct world w;
	uint64_t from;
	int fd;

	(void)state;
	world_start(&w);
	play(&w, "POST", CMS, NULL, "{'metadata':{'name':'a'}}");
	from = store_revision(w.store);
	play(&w, "POST", CMS, NULL, "{'metadata':{'name':'b'}}");
	target = mem_printf(CMS "?watch=1&resourceVersion=%llu", (unsigned long long)from);
	fd = world_open(&w, target);
	expect(&w, fd, "ADDED", "\"name\":\"b\"");
	close(fd);
	world_ask(&w, &q, &got);
	assert_int_equal(got.status, 410);
	assert_non_null(strstr(strbuf_str(&got.body), "\"reason\":\"Expired\""));
	answer_fini(&got);
	world_stop(&w);
}

static void streams_lists(void **state)
{
	struct world w;
	int fd;

	(void)state;
	world_start(&w);
	play(&w, "POST", CMS, NULL, "{'metadata':{'name':'a'}}");
	fd = world_open(&w, CMS "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&"
	                        "allowWatchBookmarks=true");
	expect(&w, fd, "ADDED", "\"name\":\"a\"");
	expect(&w, fd, "BOOKMARK", "\"k8s.io/initial-events-end\":\"true\"");
	play(&w, "DELETE", CMS "/a", NULL, NULL);
	expect(&w, fd, "DELETED", "\"name\":\"a\"");
	close(fd);
	world_stop(&w);
}

static void ends_in_time(void **state)
{
	struct world w;
	int fd;

	(void)state;
	world_start(&w);
	fd = world_open(&w, CMS "?watch=1&timeoutSeconds=1&allowWatchBookmarks=true");
	expect_end(&w, fd);
	fd = world_open(&w, CMS "?watch=1&timeoutSeconds=3&allowWatchBookmarks=true");
	expect(&w, fd, "BOOKMARK", "\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\"");
	expect_end(&w, fd);
	fd = world_open(&w, CMS "?watch=1");
	for (int i = 0; i < 50; i++) {
		loop_run_once(w.loop);
	}
	assert_int_equal(w.api->n_watches, 1);
	api_drain(w.api);
	expect_end(&w, fd);
	world_stop(&w);
}

static void cuts_off_who_does_not_read(void **state)
{
	scoped_strbuf struct strbuf body = { 0 };
	struct world w;
	int fd;

	(void)state;
	world_start(&w);
	strbuf_adds(&body, "{'metadata':{'name':'big'},'data':{'k':'");
	while (body.size < 900000) {
		strbuf_adds(&body, "0123456789");
	}
	strbuf_adds(&body, "'}}");
	fd = world_open(&w, CMS "?watch=1");
	for (int i = 0; i < 50; i++) {
		loop_run_once(w.loop);
	}
	assert_int_equal(w.api->n_watches, 1);
	for (int i = 0; i < 25 && w.api->n_watches; i++) {
		play(&w, i ? "PUT" : "POST", i ? CMS "/big" : CMS, NULL, strbuf_str(&body));
		body.p[body.size - 5] = (char)('0' + i % 10);
	}
	assert_int_equal(w.api->n_watches, 0);
	close(fd);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_changes),
		cmocka_unit_test(filters_by_selector),
		cmocka_unit_test(resumes_from_a_revision),
		cmocka_unit_test(streams_lists),
		cmocka_unit_test(ends_in_time),
		cmocka_unit_test(cuts_off_who_does_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
