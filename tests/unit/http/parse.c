/* Why: where a message ends is decided once and strictly; each known hazard has its line here.
 * Sources: RFC 9112, RFC 9110; hazards as HTTP smuggling research knows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/parse.h"

struct story { /* all that the parser told, as text */
	struct strbuf text;
	int status; /* of the refusal; 0: none */
	enum err_code code;
};

static void tell_head(struct story *s, const struct http_parser *p)
{
	const struct http_head *h = &p->head;

	if (p->is_response) {
		strbuf_addf(&s->text, "%d", h->status);
	} else {
		strbuf_addf(&s->text, SLICE_FMT " " SLICE_FMT, SLICE_ARG(h->method),
		            SLICE_ARG(h->target));
	}
	for (size_t i = 0; i < h->headers.n; i++) {
		strbuf_addf(&s->text, "|" SLICE_FMT "=" SLICE_FMT, SLICE_ARG(h->headers.at[i].name),
		            SLICE_ARG(h->headers.at[i].value));
	}
	strbuf_addf(&s->text, "|%s:", h->keep_alive ? "keep" : "close");
}

static void feed(struct http_parser *p, struct story *s, struct slice bytes)
{
	struct slice body;
	struct err err;
	int r;

	while ((r = http_parser_next(p, &bytes, &body, &err)) > HTTP_PARSE_MORE) {
		if (r == HTTP_PARSE_HEAD) {
			tell_head(s, p);
		} else if (r == HTTP_PARSE_BODY) {
			strbuf_add_slice(&s->text, body);
		} else {
			strbuf_adds(&s->text, ";");
		}
	}
	if (r < 0) {
		s->status = p->error_status;
		s->code = err.code;
	} else {
		assert_int_equal(bytes.len, 0);
	}
}

static void tell(struct story *s, bool is_response, struct slice all, size_t piece)
{
	struct http_parser p;

	*s = (struct story){ 0 };
	http_parser_init(&p, is_response);
	for (size_t at = 0; at < all.len && !s->status; at += piece) {
		feed(&p, s, slice_head(slice_from(all, at), piece));
	}
	http_parser_fini(&p);
}

static void assert_story(bool is_response, const char *bytes, const char *want)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 1 << 20 };

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		struct story s;

		tell(&s, is_response, slice_of(bytes), pieces[i]);
		if (s.status) {
			fail_msg("refused with %d: %s", s.status, bytes);
		}
		assert_string_equal(strbuf_str(&s.text), want);
		strbuf_fini(&s.text);
	}
}

static void assert_refused(bool is_response, struct slice bytes, int status)
{
	static const size_t pieces[] = { 1, 5, 1 << 20 };

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		struct story s;

		tell(&s, is_response, bytes, pieces[i]);
		if (s.status != status) {
			fail_msg("status %d, not %d, in pieces of %zu: %.*s", s.status, status,
			         pieces[i], (int)(bytes.len > 300 ? 300 : bytes.len), bytes.p);
		}
		strbuf_fini(&s.text);
	}
}

#define GET_HEAD "GET / HTTP/1.1\r\nHost: h\r\n"
#define PUT_HEAD "PUT / HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED  PUT_HEAD "Transfer-Encoding: chunked\r\n\r\n"

static void requests_follow_each_other(void **state)
{
	(void)state;
	assert_story(
		false, GET_HEAD "\r\n" PUT_HEAD "Content-Length: 3\r\n\r\nabc" GET_HEAD "\r\n",
		"GET /|Host=h|keep:;PUT /|Host=h|Content-Length=3|keep:abc;GET /|Host=h|keep:;");
}

static void one_empty_line_before_a_request_is_passed_over(void **state)
{
	(void)state;
	assert_story(false, "\r\n" GET_HEAD "\r\n", "GET /|Host=h|keep:;");
	assert_refused(false, SLICE("\r\n\r\n" GET_HEAD "\r\n"), 400);
	assert_refused(false, SLICE("\n" GET_HEAD "\r\n"), 400);
	assert_refused(false, SLICE("\r\r\n"), 400);
}

static void chunks_are_put_together(void **state)
{
	(void)state;
	assert_story(false, CHUNKED "3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n",
	             "PUT /|Host=h|Transfer-Encoding=chunked|keep:abc0123456789;");
	assert_story(false, CHUNKED "1;a=b;c=\"d\"\r\nx\r\n000;z\r\nTrailer-Field: x\r\n\r\n",
	             "PUT /|Host=h|Transfer-Encoding=chunked|keep:x;");
	assert_story(true,
	             "HTTP/1.1 200 OK\r\ntransfer-encoding: \t CHUNKED \r\n\r\n1\r\nx\r\n0\r\n\r\n",
	             "200|transfer-encoding=CHUNKED|keep:x;");
}

static void a_response_without_length_ends_with_the_connection(void **state)
{
	struct http_parser p;
	struct story s = { 0 };

	(void)state;
	http_parser_init(&p, true);
	feed(&p, &s, SLICE("HTTP/1.1 200 OK\r\n\r\nsome"));
	feed(&p, &s, SLICE(" more"));
	assert_string_equal(strbuf_str(&s.text), "200|close:some more");
	assert_int_equal(http_parser_eof(&p, NULL), HTTP_PARSE_END);
	strbuf_fini(&s.text);
	http_parser_fini(&p);
}

static void an_end_in_the_middle_is_a_failure(void **state)
{
	static const char *const cut[] = {
		"H",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cut); i++) {
		struct http_parser p;
		struct story s = { 0 };
		struct err err;

		http_parser_init(&p, true);
		feed(&p, &s, slice_of(cut[i]));
		assert_int_equal(http_parser_eof(&p, &err), -ERR_IO);
		strbuf_fini(&s.text);
		http_parser_fini(&p);
	}
}

static void between_messages_an_end_is_in_order(void **state)
{
	struct http_parser p;
	struct story s = { 0 };

	(void)state;
	http_parser_init(&p, false);
	assert_true(http_parser_is_idle(&p));
	feed(&p, &s, SLICE("GET / HT"));
	assert_true(http_parser_is_in_head(&p));
	feed(&p, &s, SLICE("TP/1.0\r\n\r\n"));
	assert_true(http_parser_is_idle(&p));
	assert_int_equal(http_parser_eof(&p, NULL), HTTP_PARSE_MORE);
	assert_string_equal(strbuf_str(&s.text), "GET /|close:;");
	strbuf_fini(&s.text);
	http_parser_fini(&p);
}

static void answers_without_body_have_none_whatever_they_say(void **state)
{
	struct http_parser p;
	struct story s = { 0 };

	(void)state;
	assert_story(true,
	             "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\nHTTP/1.1 304 y\r\n"
	             "Transfer-Encoding: chunked\r\n\r\nHTTP/1.1 103 z\r\n\r\n",
	             "204|Content-Length=5|keep:;304|Transfer-Encoding=chunked|keep:;103|keep:;");
	http_parser_init(&p, true);
	p.body_is_absent = true; /* it answers HEAD */
	feed(&p, &s,
	     SLICE("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
	           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"));
	assert_string_equal(strbuf_str(&s.text),
	                    "200|Content-Length=5|keep:;200|Content-Length=1|keep:x;");
	strbuf_fini(&s.text);
	http_parser_fini(&p);
}

static void what_a_message_says_of_its_connection_is_heard(void **state)
{
	(void)state;
	assert_story(false, "GET / HTTP/1.1\r\nHost: h\r\nConnection: x , CLOSE\r\n\r\n",
	             "GET /|Host=h|Connection=x , CLOSE|close:;");
	assert_story(false, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
	             "GET /|Connection=Keep-Alive|keep:;");
	assert_story(false, "GET / HTTP/1.7\r\nHost: h\r\n\r\n", "GET /|Host=h|keep:;");
	assert_story(true, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
	             "200|Content-Length=0|keep:;");
}

static void every_smuggling_hazard_has_one_decision(void **state)
{
	static const struct {
		int status;
		const char *bytes;
	} hazards[] = {
		/* length */
		{ 400, PUT_HEAD "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" },
		{ 400, PUT_HEAD "Content-Length: 1\r\nContent-Length: 1\r\n\r\n" },
		{ 400, PUT_HEAD "Content-Length: 1\r\ncontent-length: 2\r\n\r\n" },
		{ 400, PUT_HEAD "Content-Length: 5, 5\r\n\r\n" },
		{ 400, PUT_HEAD "Content-Length: +5\r\n\r\n" },
		{ 400, PUT_HEAD "Content-Length: -5\r\n\r\n" },
		{ 400, PUT_HEAD "Content-Length: 0x5\r\n\r\n" },
		{ 400, PUT_HEAD "Content-Length: 1e3\r\n\r\n" },
		{ 400, PUT_HEAD "Content-Length: 1_0\r\n\r\n" },
		{ 400, PUT_HEAD "Content-Length: 1 0\r\n\r\n" },
		{ 400, PUT_HEAD "Content-Length:\r\n\r\n" },
		{ 400, PUT_HEAD "Content-Length: 9223372036854775808\r\n\r\n" },
		{ 400, PUT_HEAD "Content-Length: 18446744073709551617\r\n\r\n" },
		/* transfer coding */
		{ 501, PUT_HEAD "Transfer-Encoding: gzip\r\n\r\n" },
		{ 501, PUT_HEAD "Transfer-Encoding: identity\r\n\r\n" },
		{ 400, PUT_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n" },
		{ 400, PUT_HEAD "Transfer-Encoding: chunked, chunked\r\n\r\n" },
		{ 400, PUT_HEAD "Transfer-Encoding: ,chunked\r\n\r\n" },
		{ 400, PUT_HEAD "Transfer-Encoding: chunked, identity\r\n\r\n" },
		{ 400, PUT_HEAD "Transfer-Encoding: chunked;x\r\n\r\n" },
		{ 400, PUT_HEAD "Transfer-Encoding: \x0b"
		                "chunked\r\n\r\n" },
		{ 400, PUT_HEAD "Transfer-Encoding:\r\n\r\n" },
		{ 400,
		  PUT_HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" },
		{ 400, "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" },
		/* chunks */
		{ 400, CHUNKED " 1\r\nx\r\n" },
		{ 400, CHUNKED "1 \r\nx\r\n" },
		{ 400, CHUNKED "+1\r\nx\r\n" },
		{ 400, CHUNKED "-1\r\nx\r\n" },
		{ 400, CHUNKED "0x1\r\nx\r\n" },
		{ 400, CHUNKED "1_0\r\nx\r\n" },
		{ 400, CHUNKED "\r\n" },
		{ 400, CHUNKED ";x\r\n" },
		{ 400, CHUNKED "g\r\n" },
		{ 400, CHUNKED "10000000000000000\r\n" },
		{ 400, CHUNKED "1\nx\r\n" },
		{ 400, CHUNKED "1\r\rx\r\n" },
		{ 400, CHUNKED "1\rXx\r\n" },
		{ 400, CHUNKED "1;a\nb\r\nx\r\n" },
		{ 400, CHUNKED "1;a\rb\r\nx\r\n" },
		{ 400, CHUNKED "1;a\x01"
		               "b\r\nx\r\n" },
		{ 400, CHUNKED "1\r\nxy\r\n" },
		{ 400, CHUNKED "1\r\nx\n0\r\n\r\n" },
		{ 400, CHUNKED "1\r\nx\r\r\n" },
		{ 400, CHUNKED "1\r\nxab0\r\n\r\n" },
		{ 400, CHUNKED "\r\n0\r\n\r\n" },
		{ 400, CHUNKED "1\r\nx\r\n\r\n0\r\n\r\n" },
		/* trailers */
		{ 400, CHUNKED "0\r\n\n" },
		{ 400, CHUNKED "0\r\n\rX" },
		{ 400, CHUNKED "0\r\n x: y\r\n\r\n" },
		{ 400, CHUNKED "0\r\n: y\r\n\r\n" },
		{ 400, CHUNKED "0\r\nno colon\r\n\r\n" },
		{ 400, CHUNKED "0\r\nname\r\n\r\n" },
		{ 400, CHUNKED "0\r\nx : y\r\n\r\n" },
		{ 400, CHUNKED "0\r\nx: y\nz: 1\r\n\r\n" },
		{ 400, CHUNKED "0\r\nx: \x01\r\n\r\n" },
		/* lines */
		{ 400, "GET / HTTP/1.1\nHost: h\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: h\n\r\n" },
		{ 400, GET_HEAD "\n" },
		{ 400, GET_HEAD "X: a\rb\r\n\r\n" },
		{ 400, GET_HEAD "\r\r\n" },
		{ 400, GET_HEAD "X: a\r\n b\r\n\r\n" },
		{ 400, GET_HEAD "X: a\r\n\tb\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\n Host: h\r\n\r\n" },
		/* fields */
		{ 400, GET_HEAD "X : y\r\n\r\n" },
		{ 400, GET_HEAD "X\t: y\r\n\r\n" },
		{ 400, GET_HEAD ": y\r\n\r\n" },
		{ 400, GET_HEAD "no colon\r\n\r\n" },
		{ 400, GET_HEAD "X(: y\r\n\r\n" },
		{ 400, GET_HEAD "X\x80: y\r\n\r\n" },
		{ 400, GET_HEAD "X: a\x0b"
		                "b\r\n\r\n" },
		{ 400, GET_HEAD "X: a\x7f\r\n\r\n" },
		/* request line */
		{ 400, "GET /\r\nHost: h\r\n\r\n" },
		{ 400, "GET  / HTTP/1.1\r\nHost: h\r\n\r\n" },
		{ 400, "GET / HTTP/1.1 \r\nHost: h\r\n\r\n" },
		{ 400, "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n" },
		{ 400, " GET / HTTP/1.1\r\nHost: h\r\n\r\n" },
		{ 400, "G@T / HTTP/1.1\r\nHost: h\r\n\r\n" },
		{ 400, "GET / HTTP/1.1x\r\nHost: h\r\n\r\n" },
		{ 400, "GET / http/1.1\r\nHost: h\r\n\r\n" },
		{ 400, "GET / HTTP/11\r\nHost: h\r\n\r\n" },
		{ 505, "GET / HTTP/2.0\r\nHost: h\r\n\r\n" },
		{ 505, "GET / HTTP/0.9\r\nHost: h\r\n\r\n" },
		{ 400, "GET /#x HTTP/1.1\r\nHost: h\r\n\r\n" },
		{ 400, "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n" },
		{ 400, "GET x HTTP/1.1\r\nHost: h\r\n\r\n" },
		{ 400, "GET * HTTP/1.1\r\nHost: h\r\n\r\n" },
		{ 400, "GET h:80 HTTP/1.1\r\nHost: h\r\n\r\n" },
		{ 400, "GET \\x HTTP/1.1\r\nHost: h\r\n\r\n" },
		/* host */
		{ 400, "GET / HTTP/1.1\r\n\r\n" },
		{ 400, GET_HEAD "Host: h\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hazards); i++) {
		struct slice bytes = slice_of(hazards[i].bytes);

		assert_refused(false, bytes, hazards[i].status);
	}
}

static void a_nul_is_refused_everywhere(void **state)
{
	(void)state;
	assert_refused(false, SLICE("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
	assert_refused(false, SLICE(GET_HEAD "X: a\0b\r\n\r\n"), 400);
	assert_refused(false, SLICE(GET_HEAD "X\0: b\r\n\r\n"), 400);
	assert_refused(false, SLICE(CHUNKED "1;\0\r\nx\r\n"), 400);
	assert_refused(false, SLICE(CHUNKED "0\r\nx: \0\r\n\r\n"), 400);
}

static void the_unusual_that_is_right_is_taken(void **state)
{
	(void)state;
	assert_story(false, "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", "OPTIONS *|Host=|keep:;");
	assert_story(false, "GET http://h:1/x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
	             "GET http://h:1/x|Host=[::1]:80|keep:;");
	assert_story(false, GET_HEAD "X: \t a\x80\xff\x85 b \t\r\n\r\n",
	             "GET /|Host=h|X=a\x80\xff\x85 b|keep:;");
	assert_story(false, GET_HEAD "X:\r\n\r\n", "GET /|Host=h|X=|keep:;");
	assert_story(false, PUT_HEAD "Content-Length: 00\r\n\r\n",
	             "PUT /|Host=h|Content-Length=00|keep:;");
}

static void a_broken_answer_is_refused_as_strictly(void **state)
{
	static const char *const broken[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 600 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/1.1 200 \x01\r\n\r\n",
		"\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		assert_refused(true, slice_of(broken[i]), 400);
	}
	assert_story(true, "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n",
	             "200|X=y|Content-Length=0|keep:;"); /* RFC 9112 5.1: stripped in answers */
}

/* ---- limits ---- */

static void fill(struct strbuf *b, size_t n, char c)
{
	while (n--) {
		strbuf_addc(b, c);
	}
}

static void a_head_has_a_limit(void **state)
{
	scoped_strbuf struct strbuf b = { 0 };

	(void)state;
	strbuf_adds(&b, GET_HEAD "X: ");
	fill(&b, HTTP_HEAD_MAX - b.size - 4, 'x');
	strbuf_adds(&b, "\r\n\r\n");
	assert_int_equal(b.size, HTTP_HEAD_MAX);
	assert_refused(false, strbuf_slice(&b), 0);
	strbuf_reset(&b);
	strbuf_adds(&b, GET_HEAD "X: ");
	fill(&b, HTTP_HEAD_MAX, 'x');
	strbuf_adds(&b, "\n"); /* what is wrong behind the limit does not matter */
	assert_refused(false, strbuf_slice(&b), 431);
}

static void header_lines_have_a_limit(void **state)
{
	scoped_strbuf struct strbuf b = { 0 };

	(void)state;
	strbuf_adds(&b, GET_HEAD);
	for (int i = 1; i < HTTP_FIELDS_MAX; i++) {
		strbuf_adds(&b, "X: y\r\n");
	}
	strbuf_adds(&b, "\r\n");
	assert_refused(false, strbuf_slice(&b), 0);
	strbuf_consume(&b, strlen(GET_HEAD));
	scoped_free char *rest = strbuf_steal(&b);
	strbuf_addf(&b, "%sX: y\r\n%s", GET_HEAD, rest);
	assert_refused(false, strbuf_slice(&b), 431);
}

static void chunk_extensions_have_a_limit_in_all(void **state)
{
	scoped_strbuf struct strbuf b = { 0 };

	(void)state;
	strbuf_adds(&b, CHUNKED);
	for (int i = 0; i < 5; i++) {
		strbuf_adds(&b, "1;");
		fill(&b, HTTP_CHUNK_EXT_MAX / 4, 'x');
		strbuf_adds(&b, "\r\nx\r\n");
	}
	assert_refused(false, strbuf_slice(&b), 400);
}

static void trailers_have_a_limit(void **state)
{
	scoped_strbuf struct strbuf b = { 0 };

	(void)state;
	strbuf_adds(&b, CHUNKED "0\r\nX: ");
	fill(&b, HTTP_TRAILER_MAX, 'x');
	assert_refused(false, strbuf_slice(&b), 431);
}

static void nothing_is_read_after_a_refusal(void **state)
{
	struct http_parser p;
	struct story s = { 0 };
	struct slice more = SLICE(GET_HEAD "\r\n"), body;

	(void)state;
	http_parser_init(&p, false);
	feed(&p, &s, SLICE("bad\r\n\r\n"));
	assert_int_equal(s.status, 400);
	assert_int_equal(http_parser_next(&p, &more, &body, NULL), -ERR_SYNTAX);
	strbuf_fini(&s.text);
	http_parser_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_follow_each_other),
		cmocka_unit_test(one_empty_line_before_a_request_is_passed_over),
		cmocka_unit_test(chunks_are_put_together),
		cmocka_unit_test(a_response_without_length_ends_with_the_connection),
		cmocka_unit_test(an_end_in_the_middle_is_a_failure),
		cmocka_unit_test(between_messages_an_end_is_in_order),
		cmocka_unit_test(answers_without_body_have_none_whatever_they_say),
		cmocka_unit_test(what_a_message_says_of_its_connection_is_heard),
		cmocka_unit_test(every_smuggling_hazard_has_one_decision),
		cmocka_unit_test(a_nul_is_refused_everywhere),
		cmocka_unit_test(the_unusual_that_is_right_is_taken),
		cmocka_unit_test(a_broken_answer_is_refused_as_strictly),
		cmocka_unit_test(a_head_has_a_limit),
		cmocka_unit_test(header_lines_have_a_limit),
		cmocka_unit_test(chunk_extensions_have_a_limit_in_all),
		cmocka_unit_test(trailers_have_a_limit),
		cmocka_unit_test(nothing_is_read_after_a_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
