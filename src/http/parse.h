/* What: HTTP/1.1 message parsing (RFC 9112), pure: bytes in, events out. One strict decision per known
 * hazard (request smuggling): whatever two parsers could read differently is refused.
 *
 * How to use: call http_parser_next until it returns HTTP_PARSE_MORE or fails. After HTTP_PARSE_END the
 * parser stands at the next message; after HTTP_PARSE_HEAD of an upgrade the caller stops parsing.
 *
 * Refused: TE with CL, several or malformed Content-Length, any Transfer-Encoding but one "chunked",
 * bare CR or LF, obs-fold, blanks before the colon (responses: stripped), bad names and values, bad
 * chunk sizes and terminators, missing or several Host on 1.1, targets with blanks, '#' or controls. */
#pragma once

#include "base/err.h"
#include "base/vec.h"
#include "http/message.h"

enum {
	HTTP_HEAD_MAX = 256 << 10, /* bytes of start line and fields; kubectl exec puts whole
				      scripts into the target */
	HTTP_FIELDS_MAX = 200,
	HTTP_CHUNK_EXT_MAX = 4 << 10, /* bytes of chunk extensions in one message */
	HTTP_TRAILER_MAX = 16 << 10,
};

enum http_parse_event {
	HTTP_PARSE_MORE, /* all bytes are used up */
	HTTP_PARSE_HEAD, /* p->head is filled in */
	HTTP_PARSE_BODY, /* *ret_body holds some bytes of it, borrowed from the input */
	HTTP_PARSE_END,  /* the message is complete */
};

struct http_head { /* slices point into the parser and live until the next message begins */
	struct slice method, target; /* requests */
	int status;                  /* responses */
	int minor;                   /* HTTP/1.minor; later minors count as 1 */
	struct http_headers headers;
	int64_t content_length; /* -1: not given */
	bool chunked;
	bool keep_alive; /* what the message says about the connection */
	bool expects_continue;
	bool wants_upgrade; /* Connection: upgrade and an Upgrade field */
};

struct http_parser {
	struct http_head head;
	bool is_response;
	bool body_is_absent; /* set by the caller before a response: it answers HEAD */
	/* state: */
	int state;
	int error_status; /* after a failure: what to answer a request with */
	struct strbuf text;
	VEC(struct http_header) fields;
	uint64_t left; /* bytes of the body or chunk */
	size_t ext_size, trailer_size;
	int digits;
	char last; /* byte before, while looking for line ends */
};

void http_parser_init(struct http_parser *p, bool is_response);
void http_parser_fini(struct http_parser *p);
/* Takes bytes off the front of *bytes. Returns an http_parse_event or ERR_SYNTAX, ERR_LIMIT,
 * ERR_UNSUPPORTED; the connection is then beyond repair and p->error_status says how to answer. */
MUST_USE int http_parser_next(struct http_parser *p, struct slice *bytes, struct slice *ret_body,
                              struct err *err);
/* The connection ended. HTTP_PARSE_END: that was the end of the body; HTTP_PARSE_MORE: between two
 * messages; failure ERR_IO: in the middle. */
MUST_USE int http_parser_eof(struct http_parser *p, struct err *err);
/* True while no byte of the next message has come. */
bool http_parser_is_idle(const struct http_parser *p);
/* True between a message's first byte and the end of its head. */
bool http_parser_is_in_head(const struct http_parser *p);
