#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/yaml.h"
#include "node/grpc-health.h"
#include "node/probe.h"

static void defaults_are_the_api_s(void **state)
{
	struct probe_state p;

	(void)state;
	probe_init(&p, PROBE_READINESS, NULL);
	assert_int_equal(p.period_us, 10 * US_PER_S);
	assert_int_equal(p.timeout_us, US_PER_S);
	assert_int_equal(p.failure_threshold, 3);
	assert_int_equal(p.success_threshold, 1);
	assert_false(p.passes);
	probe_init(&p, PROBE_LIVENESS, NULL);
	assert_true(p.passes);
}

static void thresholds_count_results_in_a_row(void **state)
{
	static const struct {
		bool ok;
		enum probe_turn turn;
	} tries[] = {
		{ true, PROBE_STAYS },  { true, PROBE_PASSES }, { false, PROBE_STAYS },
		{ false, PROBE_STAYS }, { true, PROBE_STAYS },  { false, PROBE_STAYS },
		{ false, PROBE_STAYS }, { false, PROBE_FAILS }, { false, PROBE_STAYS },
		{ true, PROBE_STAYS },  { true, PROBE_PASSES },
	};
	scoped_arena struct arena a = { 0 };
	struct probe_state p;
	struct val *spec;

	(void)state;
	assert_int_equal(
		yaml_parse(&a, SLICE("{failureThreshold: 3, successThreshold: 2}"), &spec, NULL),
		0);
	probe_init(&p, PROBE_READINESS, spec);
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		assert_int_equal(probe_result(&p, tries[i].ok), tries[i].turn);
	}
}

static void liveness_fails_once_for_each_run(void **state)
{
	struct probe_state p;

	(void)state;
	probe_init(&p, PROBE_LIVENESS, NULL);
	assert_int_equal(probe_result(&p, true), PROBE_STAYS);
	assert_int_equal(probe_result(&p, false), PROBE_STAYS);
	assert_int_equal(probe_result(&p, false), PROBE_STAYS);
	assert_int_equal(probe_result(&p, false), PROBE_FAILS);
	assert_int_equal(probe_result(&p, false), PROBE_STAYS);
}

/* ---- gRPC ---- */

static void frame(struct strbuf *b, int type, int flags, unsigned stream, struct slice payload)
{
	const char head[9] = { 0,
		               (char)(payload.len >> 8),
		               (char)payload.len,
		               (char)type,
		               (char)flags,
		               0,
		               0,
		               0,
		               (char)stream };

	strbuf_add(b, head, sizeof(head));
	strbuf_add_slice(b, payload);
}

static void a_health_answer_is_read_in_any_pieces(void **state)
{
	static const struct {
		struct slice message;
		enum grpc_verdict want;
	} cases[] = {
		{ { "\0\0\0\0\2\x08\1", 7 }, GRPC_SERVING },
		{ { "\0\0\0\0\2\x08\2", 7 }, GRPC_NOT_SERVING },
		{ { "\0\0\0\0\0", 5 }, GRPC_NOT_SERVING },
		{ { "\1\0\0\0\2\x08\1", 7 }, GRPC_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_strbuf struct strbuf b = { 0 }, reply = { 0 };
		enum grpc_verdict got = GRPC_MORE;
		size_t done = 0;
		int status = -1;

		frame(&b, 4, 0, 0, SLICE(""));
		frame(&b, 6, 0, 0, SLICE("12345678"));
		frame(&b, 1, 4, 1, SLICE("\x88"));
		frame(&b, 0, 0, 1, cases[i].message);
		for (size_t n = 0; n <= b.size && got == GRPC_MORE; n++) {
			got = grpc_health_answer(slice_head(strbuf_slice(&b), n), &done, &reply,
			                         &status);
		}
		assert_int_equal(got, cases[i].want);
		assert_int_equal(reply.size, 9 + 9 + 8); /* settings and ping, once each */
	}
}

static void an_error_in_the_trailers_is_a_failure(void **state)
{
	scoped_strbuf struct strbuf b = { 0 }, reply = { 0 };
	size_t done = 0;
	int status;

	(void)state;
	frame(&b, 1, 5, 1, SLICE("\x88"));
	assert_int_equal(grpc_health_answer(strbuf_slice(&b), &done, &reply, &status), GRPC_FAILED);
}

static void the_request_is_frames_with_the_service(void **state)
{
	scoped_strbuf struct strbuf b = { 0 };

	(void)state;
	grpc_health_request(&b, "10.0.0.1:80", SLICE("db"));
	assert_memory_equal(b.p, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	assert_non_null(memmem(b.p, b.size, "/grpc.health.v1.Health/Check", 28));
	assert_memory_equal(b.p + b.size - 9, "\0\0\0\0\4\x0a\2db", 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_the_api_s),
		cmocka_unit_test(thresholds_count_results_in_a_row),
		cmocka_unit_test(liveness_fails_once_for_each_run),
		cmocka_unit_test(a_health_answer_is_read_in_any_pieces),
		cmocka_unit_test(an_error_in_the_trailers_is_a_failure),
		cmocka_unit_test(the_request_is_frames_with_the_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
