/* Why: WebSocket frames as RFC 6455 wants them, and no others. Section numbers are the RFC's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/websocket.h"

static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };

/* What the reader tells, as text: "T:hello " for a text message, B binary, I ping, O pong, C close. */
static int tell(bool is_server, struct slice bytes, size_t piece, struct strbuf *out)
{
	struct ws_reader r = { .is_server = is_server };
	struct slice payload;
	struct err err;
	int e = 0;

	while (bytes.len && e >= 0) {
		struct slice part = slice_head(bytes, piece);

		bytes = slice_from(bytes, part.len);
		while ((e = ws_reader_next(&r, &part, &payload, &err)) > WS_GOT_NONE) {
			char c = "?BIOC"[e];

			strbuf_addf(out, "%c:", e == WS_GOT_MESSAGE && r.is_text ? 'T' : c);
			strbuf_add_slice(out, payload);
			strbuf_addc(out, ' ');
		}
	}
	ws_reader_fini(&r);
	return e < 0 ? -(int)err.code : 0;
}

static void assert_told(bool is_server, struct slice bytes, const char *want, int result)
{
	static const size_t pieces[] = { 1, 2, 3, 5, 1 << 24 };

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		scoped_strbuf struct strbuf got = { 0 };

		assert_int_equal(tell(is_server, bytes, pieces[i], &got), result);
		assert_string_equal(strbuf_str(&got), want);
	}
}

#define assert_server_tells(bytes, want) assert_told(true, SLICE(bytes), want, 0)
#define assert_server_refuses(bytes)     assert_told(true, SLICE(bytes), "", -ERR_SYNTAX)

static void the_examples_of_the_standard_are_read(void **state) /* 5.7 */
{
	(void)state;
	assert_told(false, SLICE("\x81\x05Hello"), "T:Hello ", 0);
	assert_told(true, SLICE("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "T:Hello ", 0);
	assert_told(false, SLICE("\x01\x03Hel\x80\x02lo"), "T:Hello ", 0);
	assert_told(false, SLICE("\x89\x05Hello"), "I:Hello ", 0);
	assert_told(true, SLICE("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "O:Hello ", 0);
}

static void control_frames_may_stand_between_fragments(void **state) /* 5.4 */
{
	(void)state;
	assert_told(false,
	            SLICE("\x02\x01"
	                  "a\x89\x01p\x00\x01"
	                  "b\x8a\x00\x80\x01"
	                  "c\x88\x02\x03\xe8"),
	            "I:p O: B:abc C:\x03\xe8 ", 0);
}

static void clients_mask_and_servers_do_not(void **state) /* 5.1 */
{
	(void)state;
	assert_server_refuses("\x81\x05Hello");
	assert_told(false, SLICE("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "", -ERR_SYNTAX);
}

static void a_mask_begins_anew_with_each_frame(void **state)
{
	scoped_strbuf struct strbuf b = { 0 };

	(void)state;
	ws_write(&b, WS_TEXT, SLICE("abcde"), mask);
	ws_write(&b, WS_BINARY, SLICE("xy"), mask);
	ws_write(&b, WS_PING, SLICE(""), mask);
	assert_told(true, strbuf_slice(&b), "T:abcde B:xy I: ", 0);
}

static void what_breaks_the_rules_of_frames_is_refused(void **state)
{
	(void)state;
	assert_server_refuses("\xc1\x80\0\0\0\0"); /* reserved bits, 5.2 */
	assert_server_refuses("\x91\x80\0\0\0\0");
	assert_server_refuses("\x83\x80\0\0\0\0"); /* unknown opcodes */
	assert_server_refuses("\x8b\x80\0\0\0\0");
	assert_server_refuses("\x80\x80\0\0\0\0"); /* continuation of nothing, 5.4 */
	assert_server_refuses("\x01\x80\0\0\0\0\x81\x80\0\0\0\0"); /* message inside another */
	assert_server_refuses("\x09\x80\0\0\0\0");                 /* fragmented control, 5.5 */
	assert_server_refuses("\x89\xfe\x00\x7e\0\0\0\0");         /* long control, 5.5 */
	assert_server_refuses("\x81\xfe\x00\x7d\0\0\0\0");         /* length not minimal, 5.2 */
	assert_server_refuses("\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0");
	assert_server_refuses("\x88\x81\0\0\0\0\x03"); /* half a close code, 5.5.1 */
}

static void a_message_has_a_limit(void **state)
{
	scoped_strbuf struct strbuf b = { 0 };

	(void)state;
	assert_told(true, SLICE("\x82\xff\0\0\0\0\x01\0\0\x01\0\0\0\0"), "", -ERR_LIMIT);
	assert_told(true, SLICE("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), "",
	            -ERR_LIMIT);
	/* fragments together: two halves, and one byte too many */
	for (int i = 0; i < 2; i++) {
		char head[] = { (char)(i ? 0x00 : 0x02), 127, 0, 0, 0, 0, 0, (char)0x80, 0, 0 };
		char *half = mem_alloc(WS_MESSAGE_MAX / 2);

		strbuf_add(&b, head, sizeof(head));
		strbuf_add(&b, half, WS_MESSAGE_MAX / 2);
		free(half);
	}
	strbuf_add(&b, "\x80\x01x", 3);
	scoped_strbuf struct strbuf got = { 0 };
	assert_int_equal(tell(false, strbuf_slice(&b), 1 << 16, &got), -ERR_LIMIT);
	assert_int_equal(got.size, 0);
}

static void lengths_of_every_form_make_the_round(void **state)
{
	static const size_t sizes[] = { 0, 1, 125, 126, 127, 65535, 65536, 100000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (int masked = 0; masked < 2; masked++) {
			scoped_free char *bytes = mem_alloc(sizes[i] + 1);
			scoped_strbuf struct strbuf b = { 0 };
			struct ws_reader r = { .is_server = masked };
			struct slice rest, payload;

			memset(bytes, 'x', sizes[i]);
			ws_write(&b, WS_BINARY, (struct slice){ bytes, sizes[i] },
			         masked ? mask : NULL);
			rest = strbuf_slice(&b);
			assert_int_equal(ws_reader_next(&r, &rest, &payload, NULL), WS_GOT_MESSAGE);
			assert_true(slice_eq(payload, (struct slice){ bytes, sizes[i] }));
			assert_int_equal(rest.len, 0);
			ws_reader_fini(&r);
		}
	}
}

static void the_key_is_answered_as_the_standard_says(void **state) /* 1.3 */
{
	scoped_strbuf struct strbuf b = { 0 };

	(void)state;
	ws_accept_key(&b, SLICE("dGhlIHNhbXBsZSBub25jZQ=="));
	assert_string_equal(strbuf_str(&b), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_of_the_standard_are_read),
		cmocka_unit_test(control_frames_may_stand_between_fragments),
		cmocka_unit_test(clients_mask_and_servers_do_not),
		cmocka_unit_test(a_mask_begins_anew_with_each_frame),
		cmocka_unit_test(what_breaks_the_rules_of_frames_is_refused),
		cmocka_unit_test(a_message_has_a_limit),
		cmocka_unit_test(lengths_of_every_form_make_the_round),
		cmocka_unit_test(the_key_is_answered_as_the_standard_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
