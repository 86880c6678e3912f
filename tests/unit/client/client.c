/* Why: requests carry credentials and bodies, and answers say what went wrong in the server's
 * words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fake.h"

static int set_up(void **state)
{
	struct fake *f = NEW(struct fake);

	fake_init(f);
	*state = f;
	return 0;
}

static int set_up_tls(void **state)
{
	struct fake *f = NEW(struct fake);

	fake_init_tls(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	fake_fini(*state);
	free(*state);
	return 0;
}

struct answer {
	bool is_there;
	int status, n;
	enum err_code code;
	char why[256];
	struct doc *body;
};

static void on_answer(void *arg, const struct client_answer *a)
{
	struct answer *to = arg;

	to->is_there = true;
	to->n++;
	to->status = a->status;
	if (a->why) {
		to->code = a->why->code;
		snprintf(to->why, sizeof(to->why), "%s", a->why->msg);
	}
	to->body = doc_ref(a->body);
}

static bool is_there(void *arg)
{
	return ((struct answer *)arg)->is_there;
}

static struct answer ask(struct fake *f, const char *method, const char *target,
                         const struct val *body)
{
	struct answer a = { 0 };

	(void)client_request(f->client, method, target, NULL, body, on_answer, &a);
	assert_false(a.is_there); /* never from inside */
	fake_wait(f, is_there, &a);
	return a;
}

static void an_answer_is_parsed(void **state)
{
	struct fake *f = *state;
	struct answer a;

	f->body = "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"}}";
	a = ask(f, "GET", "/api/v1/namespaces/d/pods/p", NULL);
	assert_int_equal(a.status, 200);
	assert_string_equal(val_cstr(val_path(a.body->root, "metadata.name")), "p");
	assert_string_equal(strbuf_str(&f->asked), "GET /api/v1/namespaces/d/pods/p \n");
	assert_string_equal(f->authorization, "Bearer first");
	doc_unref(a.body);
}

static void a_body_is_sent(void **state)
{
	struct fake *f = *state;
	scoped_arena struct arena arena = { 0 };
	struct val *v = val_new_object(&arena);
	struct answer a;

	val_set_cstr(&arena, v, "a", "b");
	a = ask(f, "PUT", "/x", v);
	assert_true(fake_was_asked(f, "PUT /x {\"a\":\"b\"}\n"));
	doc_unref(a.body);
}

static void a_status_is_a_failure_in_the_servers_words(void **state)
{
	struct fake *f = *state;
	static const struct {
		int status;
		const char *reason;
		enum err_code code;
	} cases[] = {
		{ 404, "NotFound", ERR_NOTFOUND },
		{ 409, "AlreadyExists", ERR_EXISTS },
		{ 409, "Conflict", ERR_CONFLICT },
		{ 409, "", ERR_CONFLICT },
		{ 410, "Expired", ERR_GONE },
		{ 422, "Invalid", ERR_INVALID },
		{ 403, "Forbidden", ERR_FORBIDDEN },
		{ 401, "Unauthorized", ERR_UNAUTHORIZED },
		{ 429, "TooManyRequests", ERR_UNAVAILABLE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_free char *body =
			mem_printf("{\"kind\":\"Status\",\"message\":\"it says %zu\","
		                   "\"reason\":\"%s\"}",
		                   i, cases[i].reason);
		scoped_free char *want = mem_printf("it says %zu", i);
		struct answer a;

		f->status = cases[i].status;
		f->body = body;
		a = ask(f, "GET", "/x", NULL);
		assert_int_equal(a.status, cases[i].status);
		assert_int_equal(a.code, cases[i].code);
		assert_string_equal(a.why, want);
		doc_unref(a.body);
	}
}

static void a_broken_answer_is_no_answer(void **state)
{
	struct fake *f = *state;
	struct answer a;

	f->body = "{\"kind\":";
	a = ask(f, "GET", "/x", NULL);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.code, ERR_SYNTAX);
}

static void a_server_that_is_not_there_is_said(void **state)
{
	struct fake *f = *state;
	struct answer a;

	fake_stop(f);
	a = ask(f, "GET", "/x", NULL);
	assert_int_equal(a.status, 0);
	assert_int_not_equal(a.code, ERR_NONE);
	assert_true(strlen(a.why) > 0);
}

static void a_cancelled_request_is_not_answered(void **state)
{
	struct fake *f = *state;
	struct answer a = { 0 }, other;

	client_cancel(client_request(f->client, "GET", "/cancelled", NULL, NULL, on_answer, &a));
	other = ask(f, "GET", "/x", NULL);
	assert_false(a.is_there);
	assert_false(fake_was_asked(f, "cancelled"));
	doc_unref(other.body);
}

static void a_new_token_is_used(void **state)
{
	struct fake *f = *state;

	doc_unref(ask(f, "GET", "/x", NULL).body);
	assert_string_equal(f->authorization, "Bearer first");
	fake_write_token(f, "second");
	doc_unref(ask(f, "GET", "/x", NULL).body);
	assert_string_equal(f->authorization, "Bearer second");
}

static void a_certificate_speaks_for_its_user(void **state)
{
	struct fake *f = *state;
	struct answer a = ask(f, "GET", "/x", NULL);

	assert_int_equal(a.status, 200);
	assert_string_equal(f->user, "kim");
	assert_string_equal(f->authorization, "");
	doc_unref(a.body);
}

static void paths_are_as_the_api_has_them(void **state)
{
	scoped_strbuf struct strbuf out = { 0 };

	(void)state;
	client_path(&out, "v1", "pods", SLICE("ns"), SLICE("p"), "status");
	assert_string_equal(strbuf_str(&out), "/api/v1/namespaces/ns/pods/p/status");
	strbuf_reset(&out);
	client_path(&out, "apps/v1", "deployments", SLICE(""), SLICE(""), NULL);
	assert_string_equal(strbuf_str(&out), "/apis/apps/v1/deployments");
	strbuf_reset(&out);
	client_path(&out, "v1", "nodes", SLICE(""), SLICE("a/b?c"), NULL);
	assert_string_equal(strbuf_str(&out), "/api/v1/nodes/a%2Fb%3Fc");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(an_answer_is_parsed),
		T(a_body_is_sent),
		T(a_status_is_a_failure_in_the_servers_words),
		T(a_broken_answer_is_no_answer),
		T(a_server_that_is_not_there_is_said),
		T(a_cancelled_request_is_not_answered),
		T(a_new_token_is_used),
		cmocka_unit_test_setup_teardown(a_certificate_speaks_for_its_user, set_up_tls,
		                                tear_down),
		cmocka_unit_test(paths_are_as_the_api_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
