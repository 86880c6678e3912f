/* Why: SPDY/3.1 as Kubernetes' Go clients speak it, between two sessions that know nothing of sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/spdy.h"

struct side {
	struct spdy *s;
	struct strbuf out;  /* frames to the other side */
	struct strbuf told; /* events as text */
};

struct pair {
	struct side client, server;
};

static void on_syn(void *arg, uint32_t id, const struct http_headers *h, bool fin)
{
	struct side *x = arg;

	strbuf_addf(&x->told, "syn%u%s", id, fin ? "!" : "");
	for (size_t i = 0; i < h->n; i++) {
		strbuf_addf(&x->told, "," SLICE_FMT "=" SLICE_FMT, SLICE_ARG(h->at[i].name),
		            SLICE_ARG(h->at[i].value));
	}
	strbuf_addc(&x->told, ';');
}

static void on_reply(void *arg, uint32_t id, const struct http_headers *h)
{
	strbuf_addf(&((struct side *)arg)->told, "reply%u,%zu;", id, h->n);
}

static void on_data(void *arg, uint32_t id, struct slice bytes)
{
	strbuf_addf(&((struct side *)arg)->told, "data%u:" SLICE_FMT ";", id, SLICE_ARG(bytes));
}

static void on_fin(void *arg, uint32_t id)
{
	strbuf_addf(&((struct side *)arg)->told, "fin%u;", id);
}

static void on_rst(void *arg, uint32_t id)
{
	strbuf_addf(&((struct side *)arg)->told, "rst%u;", id);
}

static void on_goaway(void *arg)
{
	strbuf_adds(&((struct side *)arg)->told, "goaway;");
}

static const struct spdy_events events = { on_syn, on_reply, on_data, on_fin, on_rst, on_goaway };

static int set_up(void **state)
{
	struct pair *p = NEW(struct pair);

	p->client.s = spdy_new(&events, &p->client, &p->client.out);
	p->server.s = spdy_new(&events, &p->server, &p->server.out);
	*state = p;
	return 0;
}

static void side_fini(struct side *x)
{
	spdy_free(x->s);
	strbuf_fini(&x->out);
	strbuf_fini(&x->told);
}

static int tear_down(void **state)
{
	struct pair *p = *state;

	side_fini(&p->client);
	side_fini(&p->server);
	free(p);
	return 0;
}

/* Brings what one side has written to the other, in pieces. */
static void carry(struct side *from, struct side *to, size_t piece)
{
	struct slice rest = strbuf_slice(&from->out);
	struct err err = { 0 };

	strbuf_reset(&to->told);
	while (rest.len) {
		if (spdy_feed(to->s, slice_head(rest, piece), &err) < 0) {
			fail_msg("refused: %s", err.msg);
		}
		rest = slice_from(rest, piece);
	}
	strbuf_reset(&from->out);
}

static struct http_header stdin_type[] = { { { "streamtype", 10 }, { "stdin", 5 } } };
static struct http_header error_type[] = { { { "streamtype", 10 }, { "error", 5 } },
	                                   { { "port", 4 }, { "80", 2 } } };
static const struct http_headers stdin_headers = { stdin_type, 1 };
static const struct http_headers error_headers = { error_type, 2 };

static void streams_are_opened_answered_and_ended(void **state)
{
	struct pair *p = *state;

	spdy_syn(p->client.s, 1, &stdin_headers, false);
	spdy_data(p->client.s, 1, SLICE("hello"), false);
	spdy_data(p->client.s, 1, SLICE(""), true);
	carry(&p->client, &p->server, 1 << 20);
	assert_string_equal(strbuf_str(&p->server.told), "syn1,streamtype=stdin;data1:hello;fin1;");
	spdy_reply(p->server.s, 1);
	spdy_data(p->server.s, 1, SLICE("x"), true);
	spdy_rst(p->server.s, 1, SPDY_CANCEL);
	spdy_goaway(p->server.s, 1);
	carry(&p->server, &p->client, 1 << 20);
	assert_string_equal(strbuf_str(&p->client.told), "reply1,0;data1:x;fin1;rst1;goaway;");
}

static void one_zlib_stream_holds_the_headers_of_all_streams(void **state)
{
	struct pair *p = *state;
	size_t first, later;

	spdy_syn(p->client.s, 1, &error_headers, true);
	first = p->client.out.size;
	carry(&p->client, &p->server, 1);
	spdy_syn(p->client.s, 3, &error_headers, false);
	later = p->client.out.size;
	assert_true(later < first); /* what was said before is referred to */
	carry(&p->client, &p->server, 3);
	assert_string_equal(strbuf_str(&p->server.told), "syn3,streamtype=error,port=80;");
}

static void headers_of_a_refused_stream_keep_the_zlib_stream_in_step(void **state)
{
	struct pair *p = *state;
	struct spdy_events deaf = { 0 };
	struct side server = { 0 };

	server.s = spdy_new(&deaf, &server, &server.out);
	for (uint32_t id = 1; id < 40; id += 2) {
		spdy_syn(p->client.s, id, id % 4 == 1 ? &stdin_headers : &error_headers, false);
	}
	carry(&p->client, &server, 7);
	side_fini(&server);
}

static void events_do_not_depend_on_the_cuts(void **state)
{
	struct pair *p = *state;

	for (size_t piece = 1; piece < 12; piece++) {
		spdy_syn(p->client.s, 1, &stdin_headers, true);
		spdy_ping(p->client.s, 9);
		spdy_data(p->client.s, 1, SLICE("x"), true);
		spdy_rst(p->client.s, 1, SPDY_CANCEL);
		carry(&p->client, &p->server, piece);
		assert_string_equal(strbuf_str(&p->server.told),
		                    "syn1!,streamtype=stdin;data1:x;fin1;rst1;");
	}
}

static void a_ping_is_answered_with_the_same_id(void **state)
{
	struct pair *p = *state;

	assert_int_equal(
		spdy_feed(p->server.s, SLICE("\x80\x03\0\x06\0\0\0\x04\x01\x02\x03\x04"), NULL), 0);
	assert_int_equal(p->server.out.size, 12);
	assert_memory_equal(p->server.out.p, "\x80\x03\0\x06\0\0\0\x04\x01\x02\x03\x04", 12);
}

static void settings_and_windows_are_passed_over(void **state)
{
	struct pair *p = *state;

	assert_int_equal(spdy_feed(p->server.s,
	                           SLICE("\x80\x03\0\x04\0\0\0\x0c\0\0\0\1\0\0\0\4\0\0\0\1"
	                                 "\x80\x03\0\x09\0\0\0\x08\0\0\0\1\0\1\0\0"
	                                 "\x80\x03\0\x0a\0\0\0\0"),
	                           NULL),
	                 0);
	assert_int_equal(p->server.out.size, 0);
	assert_int_equal(p->server.told.size, 0);
}

static void big_writes_are_cut_and_end_once(void **state)
{
	struct pair *p = *state;
	size_t size = 2 * SPDY_DATA_CHUNK + 1;
	scoped_free char *bytes = mem_alloc(size);

	memset(bytes, 'y', size);
	spdy_data(p->client.s, 5, (struct slice){ bytes, size }, true);
	assert_int_equal(p->client.out.size, size + 3 * 8);
	carry(&p->client, &p->server, 1 << 20);
	assert_null(strstr(strbuf_str(&p->server.told), "fin5;d"));
	assert_non_null(strstr(strbuf_str(&p->server.told), "data5:y;fin5;"));
}

static void what_is_no_frame_is_refused(void **state)
{
	static const struct slice broken[] = {
		{ "\x80\x02\0\x01\0\0\0\x0a", 8 },                          /* version 2 */
		{ "\x80\x03\0\x01\0\0\0\x04\0\0\0\1", 12 },                 /* short SYN */
		{ "\x80\x03\0\x06\0\0\0\x02\0\0", 10 },                     /* short PING */
		{ "\x80\x03\0\x03\0\0\0\x04\0\0\0\1", 12 },                 /* short RST */
		{ "\x80\x03\0\x01\0\0\0\x0e\0\0\0\1\0\0\0\0\0\0zzzz", 22 }, /* no zlib */
		{ "\x80\x03\0\x02\0\0\0\x04\0\0\0\1", 12 },                 /* no headers */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct pair *p;

		set_up((void **)&p);
		assert_int_equal(spdy_feed(p->server.s, broken[i], NULL), -ERR_SYNTAX);
		tear_down((void **)&p);
	}
}

static void frames_and_headers_have_limits(void **state)
{
	struct pair *p = *state;
	size_t size = SPDY_HEADERS_MAX + 1;
	scoped_free char *bytes = mem_alloc(size);
	struct http_header h = { SLICE("x"), { bytes, size } };
	struct http_header many[101];

	assert_int_equal(spdy_feed(p->server.s, SLICE("\x80\x03\0\x04\0\1\0\1"), NULL), -ERR_LIMIT);
	tear_down(state);
	set_up(state);
	p = *state;
	memset(bytes, 'b', size);
	spdy_syn(p->client.s, 1, &(struct http_headers){ &h, 1 }, false);
	assert_true(p->client.out.size < 1024); /* a small frame that would swell */
	assert_int_equal(spdy_feed(p->server.s, strbuf_slice(&p->client.out), NULL), -ERR_LIMIT);
	tear_down(state);
	set_up(state);
	p = *state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		many[i] = stdin_type[0];
	}
	spdy_syn(p->client.s, 1, &(struct http_headers){ many, ARRAY_SIZE(many) }, false);
	assert_int_equal(spdy_feed(p->server.s, strbuf_slice(&p->client.out), NULL), -ERR_SYNTAX);
}

static void the_dictionary_is_the_standards(void **state)
{
	struct slice d = spdy_dictionary();

	(void)state;
	assert_int_equal(d.len, 1423);
	assert_memory_equal(d.p, "\0\0\0\x07options", 11);
	assert_memory_equal(d.p + d.len - 9, ",*,enq=0.", 9);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(streams_are_opened_answered_and_ended),
		T(one_zlib_stream_holds_the_headers_of_all_streams),
		T(headers_of_a_refused_stream_keep_the_zlib_stream_in_step),
		T(events_do_not_depend_on_the_cuts),
		T(a_ping_is_answered_with_the_same_id),
		T(settings_and_windows_are_passed_over),
		T(big_writes_are_cut_and_end_once),
		cmocka_unit_test(what_is_no_frame_is_refused),
		T(frames_and_headers_have_limits),
		cmocka_unit_test(the_dictionary_is_the_standards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
