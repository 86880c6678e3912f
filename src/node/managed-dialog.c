/* Why: to change a password and to know that a server answers takes no client library; see
 * managed-dialog.h.
 *
 *   GREETING --handshake--> LOGIN --OK--> RUNNING (a statement at a time) --> (done)
 *                           |   ^
 *                           +---+ switch of plugin: answered with nothing
 */
#include "node/managed-dialog.h"

#include <string.h>

#include "base/mem.h"

enum { GREETING, LOGIN, RUNNING };
enum {
	PACKET_MAX = 64 << 10,
	HEADER_SIZE = 4,
	OK_PACKET = 0x00,
	SWITCH_PACKET = 0xfe,
	ERR_PACKET = 0xff,
	QUIT_COMMAND = 0x01,
	QUERY_COMMAND = 0x03,
	/* protocol 4.1, password as length and bytes, plugin's name */
	CAPABILITIES = 0x200 | 0x8000 | 0x80000,
	UTF8MB4 = 45,
};

void managed_dialog_init(struct managed_dialog *d, enum managed_dialog_kind kind,
                         const char *const *statements)
{
	*d = (struct managed_dialog){ .kind = kind, .statements = statements };
	d->in.max = PACKET_MAX + HEADER_SIZE;
	if (kind == MANAGED_DIALOG_REDIS) {
		strbuf_adds(&d->out, "PING\r\n");
	}
}

void managed_dialog_fini(struct managed_dialog *d)
{
	strbuf_fini(&d->in);
	strbuf_fini(&d->out);
}

/* ---- Redis ---- */

static int feed_redis(struct managed_dialog *d, struct err *err)
{
	struct slice line, rest;

	if (!slice_cut(strbuf_slice(&d->in), '\n', &line, &rest)) {
		return d->in.size > 1024 ? err_raise(err, ERR_SYNTAX, "answer without an end")
		                         : MANAGED_DIALOG_MORE;
	}
	line = slice_trim(line);
	if (slice_is(line, "+PONG")) {
		return MANAGED_DIALOG_DONE;
	}
	if (slice_has_prefix(line, SLICE("-LOADING"))) {
		return err_raise(err, ERR_UNAVAILABLE, "data is being read");
	}
	return err_raise(err, ERR_INVALID, "server says " SLICE_FMT,
	                 SLICE_ARG(slice_head(line, 100)));
}

/* ---- MySQL ---- */

static void add_packet(struct strbuf *out, unsigned sequence, struct slice body)
{
	strbuf_addc(out, (char)(body.len & 0xff));
	strbuf_addc(out, (char)(body.len >> 8 & 0xff));
	strbuf_addc(out, (char)(body.len >> 16 & 0xff));
	strbuf_addc(out, (char)sequence);
	strbuf_add_slice(out, body);
}

static void say_login(struct managed_dialog *d, unsigned sequence)
{
	scoped_strbuf struct strbuf body = { 0 };
	static const uint32_t capabilities = CAPABILITIES, max_packet = PACKET_MAX;

	for (int i = 0; i < 4; i++) {
		strbuf_addc(&body, (char)(capabilities >> (8 * i)));
	}
	for (int i = 0; i < 4; i++) {
		strbuf_addc(&body, (char)(max_packet >> (8 * i)));
	}
	strbuf_addc(&body, UTF8MB4);
	for (int i = 0; i < 23; i++) {
		strbuf_addc(&body, 0);
	}
	strbuf_add(&body, "root", 5);
	strbuf_addc(&body, 0); /* no password */
	strbuf_add(&body, "unix_socket", 12);
	add_packet(&d->out, sequence, strbuf_slice(&body));
}

/* The next statement, or the farewell. */
static int say_next(struct managed_dialog *d)
{
	scoped_strbuf struct strbuf body = { 0 };

	d->state = RUNNING;
	if (d->statements && *d->statements) {
		strbuf_addc(&body, QUERY_COMMAND);
		strbuf_adds(&body, *d->statements++);
		add_packet(&d->out, 0, strbuf_slice(&body));
		return MANAGED_DIALOG_MORE;
	}
	strbuf_addc(&body, QUIT_COMMAND);
	add_packet(&d->out, 0, strbuf_slice(&body));
	return MANAGED_DIALOG_DONE;
}

/* code (2), '#', state (5), sentence */
static int refused(struct slice body, struct err *err)
{
	unsigned code = body.len >= 3 ? (uint8_t)body.p[1] | (unsigned)(uint8_t)body.p[2] << 8 : 0;
	struct slice text = slice_from(body, 3);

	if (text.len >= 6 && text.p[0] == '#') {
		text = slice_from(text, 6);
	}
	return err_raise(err, ERR_INVALID, "server refuses (%u): " SLICE_FMT, code,
	                 SLICE_ARG(slice_head(text, 150)));
}

static int take_packet(struct managed_dialog *d, unsigned sequence, struct slice body,
                       struct err *err)
{
	uint8_t first = body.len ? (uint8_t)body.p[0] : 0xfd;

	if (first == ERR_PACKET) {
		return refused(body, err);
	}
	switch (d->state) {
	case GREETING:
		if (first != 10) {
			return err_raise(err, ERR_SYNTAX, "not protocol 10 of MySQL");
		}
		d->state = LOGIN;
		say_login(d, sequence + 1);
		return MANAGED_DIALOG_MORE;
	case LOGIN:
		if (first == SWITCH_PACKET) {
			add_packet(&d->out, sequence + 1, SLICE(""));
			return MANAGED_DIALOG_MORE;
		}
		break;
	default:
		break;
	}
	if (first != OK_PACKET) {
		return err_raise(err, ERR_SYNTAX, "unexpected packet 0x%02x", first);
	}
	return say_next(d);
}

static int feed_mysql(struct managed_dialog *d, struct err *err)
{
	int r = MANAGED_DIALOG_MORE;

	while (r == MANAGED_DIALOG_MORE && d->in.size >= HEADER_SIZE) {
		const uint8_t *p = (const uint8_t *)d->in.p;
		size_t size = p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16;

		if (size > PACKET_MAX) {
			return err_raise(err, ERR_SYNTAX, "packet of %zu bytes", size);
		}
		if (d->in.size < HEADER_SIZE + size) {
			break;
		}
		r = take_packet(d, p[3], (struct slice){ d->in.p + HEADER_SIZE, size }, err);
		strbuf_consume(&d->in, HEADER_SIZE + size);
	}
	return r;
}

int managed_dialog_feed(struct managed_dialog *d, struct slice bytes, struct err *err)
{
	strbuf_add_slice(&d->in, bytes);
	if (strbuf_failed(&d->in)) {
		return err_raise(err, ERR_SYNTAX, "more than was asked for");
	}
	return d->kind == MANAGED_DIALOG_MYSQL ? feed_mysql(d, err) : feed_redis(d, err);
}
