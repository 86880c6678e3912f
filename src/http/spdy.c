/* Why: SPDY/3.1 frames without a socket, so that they can be fuzzed; see spdy.h. */
#include "http/spdy.h"

#include <zlib.h>

#include "base/arena.h"
#include "base/mem.h"

enum { VERSION = 3, FRAME_HEAD = 8, FLAG_FIN = 1, HEADERS_COUNT_MAX = 100 };

enum frame_type {
	SYN_STREAM = 1,
	SYN_REPLY = 2,
	RST_STREAM = 3,
	SETTINGS = 4,
	PING = 6,
	GOAWAY = 7,
	HEADERS = 8,
	WINDOW_UPDATE = 9,
};

struct spdy {
	struct spdy_events events;
	void *arg;
	struct strbuf *out; /* borrowed */
	z_stream inflate, deflate;
	struct strbuf payload; /* of the control frame that is coming in */
	uint8_t head[FRAME_HEAD];
	size_t n_head;
	uint32_t left; /* payload bytes still to come */
	bool in_payload, dictionary_set;
};

struct slice spdy_dictionary(void)
{
	static const char *const words[] = {
		"options",
		"head",
		"post",
		"put",
		"delete",
		"trace",
		"accept",
		"accept-charset",
		"accept-encoding",
		"accept-language",
		"accept-ranges",
		"age",
		"allow",
		"authorization",
		"cache-control",
		"connection",
		"content-base",
		"content-encoding",
		"content-language",
		"content-length",
		"content-location",
		"content-md5",
		"content-range",
		"content-type",
		"date",
		"etag",
		"expect",
		"expires",
		"from",
		"host",
		"if-match",
		"if-modified-since",
		"if-none-match",
		"if-range",
		"if-unmodified-since",
		"last-modified",
		"location",
		"max-forwards",
		"pragma",
		"proxy-authenticate",
		"proxy-authorization",
		"range",
		"referer",
		"retry-after",
		"server",
		"te",
		"trailer",
		"transfer-encoding",
		"upgrade",
		"user-agent",
		"vary",
		"via",
		"warning",
		"www-authenticate",
		"method",
		"get",
		"status",
		"200 OK",
		"version",
		"HTTP/1.1",
		"url",
		"public",
		"set-cookie",
		"keep-alive",
		"origin",
	};
	static const char tail[] =
		"100101201202205206300302303304305306307402405406407408409410411412413414415416417"
		"502504505203 Non-Authoritative Information204 No Content301 Moved Permanently"
		"400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error"
		"501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept "
		"Oct "
		"Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, "
		"GMTchunked,text/html,image/png,"
		"image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
		"text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8"
		"charset=iso-8859-1,utf-,*,enq=0.";
	static struct strbuf made; /* for the life of the process */

	if (!made.size) {
		for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
			char len[4] = { 0, 0, 0, (char)strlen(words[i]) };

			strbuf_add(&made, len, sizeof(len));
			strbuf_adds(&made, words[i]);
		}
		strbuf_adds(&made, tail);
	}
	return strbuf_slice(&made);
}

static uint32_t get_u32(const char *p)
{
	const uint8_t *b = (const uint8_t *)p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void put_u32(struct strbuf *out, uint32_t v)
{
	char b[4] = { (char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v };

	strbuf_add(out, b, sizeof(b));
}

struct spdy *spdy_new(const struct spdy_events *events, void *arg, struct strbuf *out)
{
	struct slice dict = spdy_dictionary();
	struct spdy *s = NEW(struct spdy);

	s->events = *events;
	s->arg = arg;
	s->out = out;
	s->payload.max = SPDY_CONTROL_MAX;
	/* small window and little memory: header blocks are tiny */
	if (inflateInit(&s->inflate) != Z_OK ||
	    deflateInit2(&s->deflate, Z_BEST_SPEED, Z_DEFLATED, 11, 1, Z_DEFAULT_STRATEGY) !=
	            Z_OK ||
	    deflateSetDictionary(&s->deflate, (const Bytef *)dict.p, (uInt)dict.len) != Z_OK) {
		abort(); /* zlib only fails here without memory */
	}
	return s;
}

struct spdy *spdy_free(struct spdy *s)
{
	if (s) {
		inflateEnd(&s->inflate);
		deflateEnd(&s->deflate);
		strbuf_fini(&s->payload);
		free(s);
	}
	return NULL;
}

/* ---- header blocks ---- */

static int inflate_block(struct spdy *s, struct slice in, struct strbuf *out, struct err *err)
{
	z_stream *z = &s->inflate;
	char buf[4096];
	int r;

	z->next_in = (Bytef *)in.p;
	z->avail_in = (uInt)in.len;
	do {
		z->next_out = (Bytef *)buf;
		z->avail_out = sizeof(buf);
		r = inflate(z, Z_SYNC_FLUSH);
		if (r == Z_NEED_DICT && !s->dictionary_set) {
			struct slice dict = spdy_dictionary();

			s->dictionary_set = true;
			if (inflateSetDictionary(z, (const Bytef *)dict.p, (uInt)dict.len) !=
			    Z_OK) {
				return err_raise(err, ERR_SYNTAX,
				                 "SPDY headers use another dictionary");
			}
			continue;
		}
		if (r != Z_OK && r != Z_BUF_ERROR) {
			return err_raise(err, ERR_SYNTAX, "SPDY headers do not decompress");
		}
		strbuf_add(out, buf, sizeof(buf) - z->avail_out);
		if (strbuf_failed(out)) {
			return err_raise(err, ERR_LIMIT, "SPDY headers are too large");
		}
		if (r == Z_BUF_ERROR && z->avail_out) {
			break; /* all of this block is out */
		}
	} while (z->avail_in || z->avail_out == 0);
	return 0;
}

static bool next_text(struct slice *rest, struct slice *ret)
{
	uint32_t len;

	if (rest->len < 4) {
		return false;
	}
	len = get_u32(rest->p);
	if (len > rest->len - 4) {
		return false;
	}
	*ret = slice_head(slice_from(*rest, 4), len);
	*rest = slice_from(*rest, 4 + (size_t)len);
	return true;
}

static int parse_headers(struct spdy *s, struct arena *a, struct slice block,
                         struct http_headers *ret, struct err *err)
{
	scoped_strbuf struct strbuf text = { .max = SPDY_HEADERS_MAX };
	struct slice rest;
	uint32_t n;
	int r = inflate_block(s, block, &text, err);

	*ret = (struct http_headers){ 0 };
	if (r < 0) {
		return r;
	}
	rest = arena_slice(a, strbuf_slice(&text));
	if (rest.len < 4 || get_u32(rest.p) > HEADERS_COUNT_MAX) {
		return err_raise(err, ERR_SYNTAX, "malformed SPDY header block");
	}
	n = get_u32(rest.p);
	rest = slice_from(rest, 4);
	ret->at = ARENA_ARRAY(a, struct http_header, n);
	for (uint32_t i = 0; i < n; i++) {
		if (!next_text(&rest, &ret->at[i].name) || !next_text(&rest, &ret->at[i].value) ||
		    !ret->at[i].name.len) {
			return err_raise(err, ERR_SYNTAX, "malformed SPDY header block");
		}
		ret->n++;
	}
	return 0;
}

static void add_headers(struct spdy *s, const struct http_headers *h, struct strbuf *out)
{
	scoped_strbuf struct strbuf text = { 0 };
	z_stream *z = &s->deflate;
	char buf[4096];

	put_u32(&text, h ? (uint32_t)h->n : 0);
	for (size_t i = 0; h && i < h->n; i++) {
		put_u32(&text, (uint32_t)h->at[i].name.len);
		strbuf_add_slice(&text, h->at[i].name);
		put_u32(&text, (uint32_t)h->at[i].value.len);
		strbuf_add_slice(&text, h->at[i].value);
	}
	z->next_in = (Bytef *)text.p;
	z->avail_in = (uInt)text.size;
	do {
		z->next_out = (Bytef *)buf;
		z->avail_out = sizeof(buf);
		if (deflate(z, Z_SYNC_FLUSH) == Z_STREAM_ERROR) {
			out->failed = true;
			return;
		}
		strbuf_add(out, buf, sizeof(buf) - z->avail_out);
	} while (z->avail_out == 0);
}

/* ---- sending ---- */

static void add_control(struct spdy *s, enum frame_type type, uint8_t flags, struct slice payload)
{
	put_u32(s->out, 0x80000000u | (uint32_t)VERSION << 16 | (uint32_t)type);
	put_u32(s->out, (uint32_t)flags << 24 | (uint32_t)payload.len);
	strbuf_add_slice(s->out, payload);
}

void spdy_syn(struct spdy *s, uint32_t id, const struct http_headers *headers, bool fin)
{
	scoped_strbuf struct strbuf p = { 0 };

	put_u32(&p, id);
	put_u32(&p, 0);
	strbuf_add(&p, "\0\0", 2);
	add_headers(s, headers, &p);
	add_control(s, SYN_STREAM, fin ? FLAG_FIN : 0, strbuf_slice(&p));
}

void spdy_reply(struct spdy *s, uint32_t id)
{
	scoped_strbuf struct strbuf p = { 0 };

	put_u32(&p, id);
	add_headers(s, NULL, &p);
	add_control(s, SYN_REPLY, 0, strbuf_slice(&p));
}

void spdy_data(struct spdy *s, uint32_t id, struct slice bytes, bool fin)
{
	do {
		struct slice piece = slice_head(bytes, SPDY_DATA_CHUNK);
		bool last = piece.len == bytes.len;

		bytes = slice_from(bytes, piece.len);
		put_u32(s->out, id & 0x7fffffffu);
		put_u32(s->out, (uint32_t)(fin && last ? FLAG_FIN : 0) << 24 | (uint32_t)piece.len);
		strbuf_add_slice(s->out, piece);
	} while (bytes.len);
}

static void add_two(struct spdy *s, enum frame_type type, uint32_t first, uint32_t second)
{
	scoped_strbuf struct strbuf p = { 0 };

	put_u32(&p, first);
	put_u32(&p, second);
	add_control(s, type, 0, strbuf_slice(&p));
}

void spdy_rst(struct spdy *s, uint32_t id, enum spdy_status status)
{
	add_two(s, RST_STREAM, id, status);
}

void spdy_ping(struct spdy *s, uint32_t id)
{
	scoped_strbuf struct strbuf p = { 0 };

	put_u32(&p, id);
	add_control(s, PING, 0, strbuf_slice(&p));
}

void spdy_goaway(struct spdy *s, uint32_t last_good_id)
{
	add_two(s, GOAWAY, last_good_id, 0);
}

/* ---- receiving ---- */

static int take_control(struct spdy *s, struct err *err)
{
	uint32_t type = get_u32((const char *)s->head) & 0xffff;
	uint8_t flags = s->head[4];
	struct slice p = strbuf_slice(&s->payload);
	size_t fixed = type == SYN_STREAM ? 10 : type == GOAWAY || type == RST_STREAM ? 8 : 4;
	uint32_t id;
	int r;

	if (type == SETTINGS || type == WINDOW_UPDATE || type > WINDOW_UPDATE) {
		return 0;
	}
	if (p.len < fixed) {
		return err_raise(err, ERR_SYNTAX, "SPDY frame of type %u is too short", type);
	}
	id = get_u32(p.p) & 0x7fffffffu;
	switch ((enum frame_type)type) {
	case SYN_STREAM:
	case SYN_REPLY:
	case HEADERS: {
		scoped_arena struct arena a = { 0 };
		struct http_headers headers;

		r = parse_headers(s, &a, slice_from(p, fixed), &headers, err);
		if (r < 0) {
			return r;
		}
		if (type == SYN_STREAM && s->events.syn) {
			s->events.syn(s->arg, id, &headers, flags & FLAG_FIN);
		} else if (type == SYN_REPLY && s->events.reply) {
			s->events.reply(s->arg, id, &headers);
		}
		if (type != SYN_STREAM && (flags & FLAG_FIN) && s->events.fin) {
			s->events.fin(s->arg, id);
		}
		break;
	}
	case RST_STREAM:
		if (s->events.rst) {
			s->events.rst(s->arg, id);
		}
		break;
	case PING:
		spdy_ping(s, get_u32(p.p));
		break;
	case GOAWAY:
		if (s->events.goaway) {
			s->events.goaway(s->arg);
		}
		break;
	default:
		break;
	}
	return 0;
}

static int begin_frame(struct spdy *s, struct err *err)
{
	const char *h = (const char *)s->head;

	s->left = get_u32(h + 4) & 0xffffff;
	s->in_payload = true;
	if (!(s->head[0] & 0x80)) {
		return 0;
	}
	if ((get_u32(h) >> 16 & 0x7fff) != VERSION) {
		return err_raise(err, ERR_SYNTAX, "SPDY frame of another version");
	}
	if (s->left > SPDY_CONTROL_MAX) {
		return err_raise(err, ERR_LIMIT, "SPDY control frame is too large");
	}
	strbuf_reset(&s->payload);
	return 0;
}

static int end_frame(struct spdy *s, struct err *err)
{
	s->in_payload = false;
	s->n_head = 0;
	if (s->head[0] & 0x80) {
		return take_control(s, err);
	}
	if ((s->head[4] & FLAG_FIN) && s->events.fin) {
		s->events.fin(s->arg, get_u32((const char *)s->head) & 0x7fffffffu);
	}
	return 0;
}

int spdy_feed(struct spdy *s, struct slice bytes, struct err *err)
{
	int r = 0;

	while (r == 0 && bytes.len) {
		struct slice piece;

		if (!s->in_payload) {
			s->head[s->n_head++] = (uint8_t)bytes.p[0];
			bytes = slice_from(bytes, 1);
			if (s->n_head < FRAME_HEAD) {
				continue;
			}
			r = begin_frame(s, err);
			if (r < 0) {
				break;
			}
		}
		piece = slice_head(bytes, s->left);
		bytes = slice_from(bytes, piece.len);
		s->left -= (uint32_t)piece.len;
		if (s->head[0] & 0x80) {
			strbuf_add_slice(&s->payload, piece);
		} else if (piece.len && s->events.data) {
			s->events.data(s->arg, get_u32((const char *)s->head) & 0x7fffffffu, piece);
		}
		if (s->left == 0) {
			r = end_frame(s, err);
		}
	}
	return r;
}
