/* Why: every decision about where an HTTP/1.1 message begins and ends, in one file that a fuzzer can
 * feed; see parse.h. Section numbers are RFC 9112's unless said otherwise.
 *
 *   START --> LINES --> (HEAD) --> LENGTH ------------------------------------> (END)
 *                          |  --> UNTIL_CLOSE --------------------------- eof --> |
 *                          |  --> SIZE [EXT] SIZE_LF --> DATA DATA_CR DATA_LF --> SIZE
 *                          |        0 --> TRAILER ------------------------------> |
 *                          +------------------------ no body -------------------> |
 */
#include "http/parse.h"

enum state {
	START, /* nothing of the message yet; one CRLF is passed over */
	START_LF,
	LINES,   /* collecting the head */
	NO_BODY, /* head was told; the end is next */
	LENGTH,
	UNTIL_CLOSE,
	SIZE,
	EXT,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER,
	BROKEN,
};

enum {
	CHUNK_DIGITS_MAX = 15, /* 60 bits */
};

void http_parser_init(struct http_parser *p, bool is_response)
{
	*p = (struct http_parser){ .is_response = is_response };
	p->text.max = HTTP_HEAD_MAX;
}

void http_parser_fini(struct http_parser *p)
{
	strbuf_fini(&p->text);
	vec_fini(&p->fields);
}

bool http_parser_is_idle(const struct http_parser *p)
{
	return p->state == START || p->state == START_LF;
}

bool http_parser_is_in_head(const struct http_parser *p)
{
	return p->state == LINES;
}

static int refuse(struct http_parser *p, int status, struct err *err, enum err_code code,
                  const char *why)
{
	p->state = BROKEN;
	p->error_status = status;
	return err_raise(err, code, "%s", why);
}

static int bad(struct http_parser *p, struct err *err, const char *why)
{
	return refuse(p, 400, err, ERR_SYNTAX, why);
}

/* RFC 9110 5.6.2 */
static bool is_token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_token_char((unsigned char)s.p[i])) {
			return false;
		}
	}
	return s.len > 0;
}

/* Blank and tab only: the other bytes that libraries strip are content (RFC 9110 5.6.3). */
static struct slice trim_blanks(struct slice s)
{
	while (s.len && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s = slice_from(s, 1);
	}
	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t')) {
		s.len--;
	}
	return s;
}

static bool is_field_value(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f) {
			return false;
		}
	}
	return true;
}

/* "HTTP/1.x" */
static int parse_version(struct http_parser *p, struct slice s, struct err *err)
{
	if (s.len != 8 || memcmp(s.p, "HTTP/", 5) != 0 || s.p[6] != '.' || s.p[5] < '0' ||
	    s.p[5] > '9' || s.p[7] < '0' || s.p[7] > '9') {
		return bad(p, err, "malformed HTTP version");
	}
	if (s.p[5] != '1') {
		return refuse(p, 505, err, ERR_UNSUPPORTED, "HTTP version is not 1.x");
	}
	p->head.minor = s.p[7] == '0' ? 0 : 1;
	return 0;
}

static bool is_target(struct slice method, struct slice t)
{
	for (size_t i = 0; i < t.len; i++) {
		unsigned char c = (unsigned char)t.p[i];

		if (c <= ' ' || c == 0x7f || c == '#') {
			return false;
		}
	}
	if (t.len == 0) {
		return false;
	}
	if (slice_is(t, "*")) {
		return slice_is(method, "OPTIONS");
	}
	if (slice_is(method, "CONNECT")) {
		return t.p[0] != '/'; /* the server refuses the method itself */
	}
	return t.p[0] == '/' || slice_has_prefix(t, SLICE("http://")) ||
	       slice_has_prefix(t, SLICE("https://"));
}

static int parse_request_line(struct http_parser *p, struct slice line, struct err *err)
{
	struct slice rest, version;

	if (!slice_cut(line, ' ', &p->head.method, &rest) ||
	    !slice_cut(rest, ' ', &p->head.target, &version) || !is_token(p->head.method)) {
		return bad(p, err, "malformed request line");
	}
	if (!is_target(p->head.method, p->head.target)) {
		return bad(p, err, "malformed request target");
	}
	return parse_version(p, version, err);
}

static int parse_status_line(struct http_parser *p, struct slice line, struct err *err)
{
	struct slice version, rest;
	uint64_t status;
	int r;

	slice_cut(line, ' ', &version, &rest);
	r = parse_version(p, version, err);
	if (r < 0) {
		return r;
	}
	if (rest.len < 3 || (rest.len > 3 && rest.p[3] != ' ') ||
	    !slice_to_u64(slice_head(rest, 3), &status) || status < 100 || status > 599 ||
	    !is_field_value(rest)) {
		return bad(p, err, "malformed status line");
	}
	p->head.status = (int)status;
	return 0;
}

static int parse_field(struct http_parser *p, struct slice line, struct err *err)
{
	struct http_header h;

	if (line.p[0] == ' ' || line.p[0] == '\t') {
		return bad(p, err, "folded header line"); /* 5.2 */
	}
	if (!slice_cut(line, ':', &h.name, &h.value)) {
		return bad(p, err, "header line without colon");
	}
	if (p->is_response) {
		h.name = trim_blanks(h.name); /* 5.1: a proxy strips it in responses */
	}
	if (!is_token(h.name)) {
		return bad(p, err, "malformed header name");
	}
	h.value = trim_blanks(h.value);
	if (!is_field_value(h.value)) {
		return bad(p, err, "control character in a header value");
	}
	if (p->fields.n == HTTP_FIELDS_MAX) {
		return refuse(p, 431, err, ERR_LIMIT, "too many header lines");
	}
	vec_push(&p->fields, h);
	return 0;
}

static const struct http_header *find_only(struct http_parser *p, const char *name, size_t *ret_n)
{
	const struct http_header *found = NULL;

	*ret_n = 0;
	for (size_t i = 0; i < p->fields.n; i++) {
		if (slice_eq_nocase(p->fields.at[i].name, slice_of(name))) {
			found = found ? found : &p->fields.at[i];
			(*ret_n)++;
		}
	}
	return found;
}

/* 6.1, 6.3: one reading or none. */
static int parse_framing(struct http_parser *p, struct err *err)
{
	struct http_head *h = &p->head;
	size_t n_te, n_cl;
	const struct http_header *te = find_only(p, "Transfer-Encoding", &n_te);
	const struct http_header *cl = find_only(p, "Content-Length", &n_cl);

	h->content_length = -1;
	if (te && cl) {
		return bad(p, err, "Transfer-Encoding beside Content-Length");
	}
	if (n_te > 1 || n_cl > 1) {
		return bad(p, err, "several length fields");
	}
	if (te) {
		if (h->minor == 0) {
			return bad(p, err, "Transfer-Encoding in HTTP/1.0");
		}
		if (!slice_eq_nocase(te->value, SLICE("chunked"))) {
			bool known = te->value.len == 0 || slice_find(te->value, ',') >= 0 ||
			             slice_eq_nocase(slice_head(te->value, 7), SLICE("chunked"));

			return known ? bad(p, err, "malformed Transfer-Encoding")
			             : refuse(p, 501, err, ERR_UNSUPPORTED,
			                      "unknown transfer coding");
		}
		h->chunked = true;
	}
	if (cl) {
		struct slice v = cl->value;
		uint64_t n;

		for (size_t i = 0; i < v.len; i++) {
			if (v.p[i] < '0' || v.p[i] > '9') {
				v.len = 0;
			}
		}
		if (!v.len || !slice_to_u64(v, &n) || n > INT64_MAX) {
			return bad(p, err, "malformed Content-Length");
		}
		h->content_length = (int64_t)n;
	}
	return 0;
}

/* RFC 9110 7.2: host[:port], or empty. */
static bool is_host(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c >= 0x7f || strchr(",/\\@?#\"<>", c)) {
			return false;
		}
	}
	return true;
}

static int check_host(struct http_parser *p, struct err *err)
{
	size_t n;
	const struct http_header *host = find_only(p, "Host", &n);

	if (n > 1 || (n == 0 && p->head.minor > 0)) {
		return bad(p, err, n ? "several Host fields" : "no Host field");
	}
	if (host && !is_host(host->value)) {
		return bad(p, err, "malformed Host");
	}
	return 0;
}

/* The text of a whole head is in p->text, from the start line to the empty line. */
static int parse_head(struct http_parser *p, struct err *err)
{
	struct slice rest = strbuf_slice(&p->text);
	bool first = true;
	int r = 0;

	while (r == 0) {
		const char *end = memchr(rest.p, '\r', rest.len);
		struct slice line = slice_head(rest, (size_t)(end - rest.p));

		rest = slice_from(rest, line.len + 2);
		if (first) {
			r = p->is_response ? parse_status_line(p, line, err)
			                   : parse_request_line(p, line, err);
			first = false;
		} else if (line.len == 0) {
			break;
		} else {
			r = parse_field(p, line, err);
		}
	}
	if (r < 0) {
		return r;
	}
	p->head.headers = (struct http_headers){ p->fields.at, p->fields.n };
	r = parse_framing(p, err);
	if (r == 0 && !p->is_response) {
		r = check_host(p, err);
	}
	if (r < 0) {
		return r;
	}
	p->head.keep_alive =
		p->head.minor > 0
			? !http_header_has_token(&p->head.headers, "Connection", "close")
			: http_header_has_token(&p->head.headers, "Connection", "keep-alive");
	p->head.wants_upgrade = p->head.minor > 0 &&
	                        http_header_has_token(&p->head.headers, "Connection", "upgrade") &&
	                        http_header_get(&p->head.headers, "Upgrade").len > 0;
	p->head.expects_continue =
		p->head.minor > 0 &&
		slice_eq_nocase(http_header_get(&p->head.headers, "Expect"), SLICE("100-continue"));
	return 0;
}

/* What follows the head (6.3). */
static void choose_body(struct http_parser *p)
{
	const struct http_head *h = &p->head;
	bool never = p->is_response &&
	             (p->body_is_absent || h->status < 200 || h->status == 204 || h->status == 304);

	p->ext_size = p->trailer_size = 0;
	p->digits = 0;
	p->left = 0;
	if (never) {
		p->state = NO_BODY;
	} else if (h->chunked) {
		p->state = SIZE;
	} else if (h->content_length > 0) {
		p->left = (uint64_t)h->content_length;
		p->state = LENGTH;
	} else if (p->is_response && h->content_length < 0) {
		p->head.keep_alive = false;
		p->state = UNTIL_CLOSE;
	} else {
		p->state = NO_BODY;
	}
}

/* Collects lines up to the empty one; each must end in CRLF and hold no other CR (2.2). */
static int take_lines(struct http_parser *p, struct slice *bytes, struct err *err)
{
	size_t room = HTTP_HEAD_MAX - p->text.size, used = 0;
	bool done = false;
	int r;

	while (used < bytes->len && used < room && !done) {
		char c = bytes->p[used++];

		if (p->last == '\r') {
			if (c != '\n') {
				return bad(p, err, "bare CR");
			}
			done = p->digits == 0; /* an empty line */
			p->digits = 0;
		} else if (c == '\n') {
			return bad(p, err, "bare LF");
		} else if (c == '\0') {
			return bad(p, err, "NUL in the head");
		} else if (c != '\r') {
			p->digits = 1; /* the line has something */
		}
		p->last = c;
	}
	strbuf_add(&p->text, bytes->p, used);
	*bytes = slice_from(*bytes, used);
	if (!done && (used == room || strbuf_failed(&p->text))) {
		return refuse(p, 431, err, ERR_LIMIT, "request head is too large");
	}
	if (!done) {
		return HTTP_PARSE_MORE;
	}
	r = parse_head(p, err);
	if (r < 0) {
		return r;
	}
	choose_body(p);
	return HTTP_PARSE_HEAD;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	if (c >= 'A' && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

/* One byte of chunked framing (7.1); 0 or a failure. */
static int take_framing(struct http_parser *p, char c, struct err *err)
{
	switch ((enum state)p->state) {
	case SIZE:
		if (hex_digit(c) >= 0) {
			if (++p->digits > CHUNK_DIGITS_MAX) {
				return bad(p, err, "chunk size is too large");
			}
			p->left = p->left * 16 + (uint64_t)hex_digit(c);
		} else if (p->digits == 0 || (c != '\r' && c != ';')) {
			return bad(p, err, "malformed chunk size");
		} else {
			p->state = c == ';' ? EXT : SIZE_LF;
		}
		return 0;
	case EXT:
		if (c == '\r') {
			p->state = SIZE_LF;
		} else if (!is_field_value((struct slice){ &c, 1 })) {
			return bad(p, err, "control character in a chunk extension");
		} else if (++p->ext_size > HTTP_CHUNK_EXT_MAX) {
			return bad(p, err, "chunk extensions are too large");
		}
		return 0;
	case SIZE_LF:
		if (c != '\n') {
			return bad(p, err, "chunk size line does not end in CRLF");
		}
		p->state = p->left ? DATA : TRAILER;
		p->digits = 0;
		p->last = '\0';
		return 0;
	case DATA_CR:
	case DATA_LF:
		if (c != (p->state == DATA_CR ? '\r' : '\n')) {
			return bad(p, err, "chunk does not end in CRLF");
		}
		p->state = p->state == DATA_CR ? DATA_LF : SIZE;
		p->digits = 0;
		p->left = 0;
		return 0;
	default:
		return bad(p, err, "parser is confused");
	}
}

/* Where in a trailer line the parser is; kept in p->digits. */
enum { AT_LINE, IN_NAME, IN_VALUE };

/* Trailer lines are checked as headers are, and dropped; > 0: the empty line was the last. */
static int take_trailer(struct http_parser *p, char c, struct err *err)
{
	if (++p->trailer_size > HTTP_TRAILER_MAX) {
		return refuse(p, 431, err, ERR_LIMIT, "trailers are too large");
	}
	if (p->last == '\r') {
		if (c != '\n') {
			return bad(p, err, "bare CR");
		}
		if (p->digits == AT_LINE) {
			return 1;
		}
		p->digits = AT_LINE;
	} else if (c == '\r') {
		if (p->digits == IN_NAME) {
			return bad(p, err, "trailer without colon");
		}
	} else if (p->digits == IN_VALUE) {
		if (!is_field_value((struct slice){ &c, 1 })) {
			return bad(p, err, "control character in a trailer");
		}
	} else if (p->digits == IN_NAME && c == ':') {
		p->digits = IN_VALUE;
	} else if (!is_token_char((unsigned char)c)) {
		return bad(p, err, "malformed trailer");
	} else {
		p->digits = IN_NAME;
	}
	p->last = c;
	return 0;
}

static int end_message(struct http_parser *p)
{
	p->state = START;
	p->body_is_absent = false;
	return HTTP_PARSE_END;
}

static int take_body(struct http_parser *p, struct slice *bytes, struct slice *ret_body)
{
	*ret_body =
		p->state == UNTIL_CLOSE
			? *bytes
			: slice_head(*bytes, p->left < bytes->len ? (size_t)p->left : bytes->len);
	*bytes = slice_from(*bytes, ret_body->len);
	if (p->state != UNTIL_CLOSE) {
		p->left -= ret_body->len;
		if (p->left == 0) {
			p->state = p->state == DATA ? DATA_CR : NO_BODY;
		}
	}
	return HTTP_PARSE_BODY;
}

int http_parser_next(struct http_parser *p, struct slice *bytes, struct slice *ret_body,
                     struct err *err)
{
	struct err own;
	int r;

	err = err ? err : &own;
	if (p->state == NO_BODY) {
		return end_message(p);
	}
	while (bytes->len) {
		char c = bytes->p[0];

		switch ((enum state)p->state) {
		case START:
			strbuf_reset(&p->text);
			vec_clear(&p->fields);
			p->head = (struct http_head){ 0 };
			p->digits = 0;
			p->last = '\0';
			if (c == '\r' && !p->is_response) {
				p->state = START_LF;
				*bytes = slice_from(*bytes, 1);
				continue;
			}
			p->state = LINES;
			continue;
		case START_LF: /* 2.2: at least one empty line before a request is passed over */
			if (c != '\n') {
				return bad(p, err, "bare CR");
			}
			*bytes = slice_from(*bytes, 1);
			p->state = LINES;
			continue;
		case LINES:
			if (p->text.size == 0 && (c == '\r' || c == '\n')) {
				return bad(p, err, "empty line where a message begins");
			}
			return take_lines(p, bytes, err);
		case LENGTH:
		case UNTIL_CLOSE:
		case DATA:
			return take_body(p, bytes, ret_body);
		case NO_BODY:
			return end_message(p);
		case TRAILER:
			*bytes = slice_from(*bytes, 1);
			r = take_trailer(p, c, err);
			if (r) {
				return r < 0 ? r : end_message(p);
			}
			continue;
		case BROKEN:
			return bad(p, err, "the message before was malformed");
		default:
			*bytes = slice_from(*bytes, 1);
			r = take_framing(p, c, err);
			if (r < 0) {
				return r;
			}
			continue;
		}
	}
	return HTTP_PARSE_MORE;
}

int http_parser_eof(struct http_parser *p, struct err *err)
{
	switch ((enum state)p->state) {
	case START:
	case START_LF:
		return HTTP_PARSE_MORE;
	case NO_BODY:
	case UNTIL_CLOSE:
		return end_message(p);
	default:
		return err_raise(err, ERR_IO, "connection ended in the middle of a message");
	}
}
