/* Why: a probe needs one small exchange, not an HTTP/2 library: everything sent is literal, and of
 * the answer only data frames matter, whose message is "status: 1" when the service is up. */
#include "node/grpc-health.h"

#include <string.h>

enum {
	FRAME_DATA = 0,
	FRAME_HEADERS = 1,
	FRAME_RST_STREAM = 3,
	FRAME_SETTINGS = 4,
	FRAME_PING = 6,
	FRAME_GOAWAY = 7,
	FLAG_END_STREAM = 1, /* and ACK, of settings and pings */
	FLAG_END_HEADERS = 4,
	FLAG_PADDED = 8,
	FRAME_HEAD = 9,
	FRAME_MAX = 1 << 14,
	STATUS_SERVING = 1,
};

static void add_frame(struct strbuf *out, int type, int flags, unsigned stream,
                      struct slice payload)
{
	unsigned char head[FRAME_HEAD] = {
		(unsigned char)(payload.len >> 16),
		(unsigned char)(payload.len >> 8),
		(unsigned char)payload.len,
		(unsigned char)type,
		(unsigned char)flags,
		(unsigned char)(stream >> 24),
		(unsigned char)(stream >> 16),
		(unsigned char)(stream >> 8),
		(unsigned char)stream,
	};

	strbuf_add(out, head, sizeof(head));
	strbuf_add_slice(out, payload);
}

/* A length below 127 as HPACK and protobuf both have it; longer ones in more bytes. */
static void add_length(struct strbuf *out, size_t len, bool is_hpack)
{
	if (is_hpack && len >= 127) {
		strbuf_addc(out, 127);
		len -= 127;
	} else if (is_hpack) {
		strbuf_addc(out, (char)len);
		return;
	}
	while (len >= 128) {
		strbuf_addc(out, (char)(len % 128 + 128));
		len /= 128;
	}
	strbuf_addc(out, (char)len);
}

/* Literal header field without indexing, new name (RFC 7541 6.2.2). */
static void add_header(struct strbuf *out, const char *name, const char *value)
{
	strbuf_addc(out, 0);
	add_length(out, strlen(name), true);
	strbuf_adds(out, name);
	add_length(out, strlen(value), true);
	strbuf_adds(out, value);
}

void grpc_health_request(struct strbuf *out, const char *authority, struct slice service)
{
	scoped_strbuf struct strbuf headers = { 0 }, message = { 0 }, body = { 0 };

	strbuf_adds(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	add_frame(out, FRAME_SETTINGS, 0, 0, (struct slice){ "", 0 });
	add_header(&headers, ":method", "POST");
	add_header(&headers, ":scheme", "http");
	add_header(&headers, ":path", "/grpc.health.v1.Health/Check");
	add_header(&headers, ":authority", authority);
	add_header(&headers, "content-type", "application/grpc");
	add_header(&headers, "te", "trailers");
	add_header(&headers, "user-agent", "kube-probe/1.27");
	add_frame(out, FRAME_HEADERS, FLAG_END_HEADERS, 1, strbuf_slice(&headers));
	if (service.len > 0) {
		strbuf_addc(&message, 0x0a); /* field 1, bytes */
		add_length(&message, service.len, false);
		strbuf_add_slice(&message, service);
	}
	strbuf_addc(&body, 0); /* not compressed */
	for (int shift = 24; shift >= 0; shift -= 8) {
		strbuf_addc(&body, (char)(message.size >> shift));
	}
	strbuf_add_slice(&body, strbuf_slice(&message));
	add_frame(out, FRAME_DATA, FLAG_END_STREAM, 1, strbuf_slice(&body));
}

/* Field 1 of a HealthCheckResponse; 0 (UNKNOWN) when it is not there. -1: no such message. */
static int read_message(struct slice data)
{
	size_t len;

	if (data.len < 5 || data.p[0] != 0) {
		return -1;
	}
	len = (size_t)(unsigned char)data.p[1] << 24 | (size_t)(unsigned char)data.p[2] << 16 |
	      (size_t)(unsigned char)data.p[3] << 8 | (size_t)(unsigned char)data.p[4];
	data = slice_from(data, 5);
	if (data.len < len) {
		return -1;
	}
	return len >= 2 && data.p[0] == 0x08 ? (unsigned char)data.p[1] : 0;
}

static enum grpc_verdict read_frame(int type, int flags, unsigned stream, struct slice payload,
                                    struct strbuf *reply, int *status)
{
	int n;

	switch (type) {
	case FRAME_SETTINGS:
		if (!(flags & FLAG_END_STREAM)) {
			add_frame(reply, FRAME_SETTINGS, FLAG_END_STREAM, 0,
			          (struct slice){ "", 0 });
		}
		return GRPC_MORE;
	case FRAME_PING:
		if (!(flags & FLAG_END_STREAM)) {
			add_frame(reply, FRAME_PING, FLAG_END_STREAM, 0, payload);
		}
		return GRPC_MORE;
	case FRAME_DATA:
		if (stream != 1) {
			return GRPC_MORE;
		}
		if ((flags & FLAG_PADDED) && payload.len > 0) {
			payload = slice_from(payload, 1);
		}
		n = read_message(payload);
		if (n < 0) {
			return GRPC_FAILED;
		}
		*status = n;
		return n == STATUS_SERVING ? GRPC_SERVING : GRPC_NOT_SERVING;
	case FRAME_HEADERS: /* the end without a message is an error status in the trailers */
		return stream == 1 && (flags & FLAG_END_STREAM) ? GRPC_FAILED : GRPC_MORE;
	case FRAME_RST_STREAM:
	case FRAME_GOAWAY:
		return GRPC_FAILED;
	default:
		return GRPC_MORE;
	}
}

enum grpc_verdict grpc_health_answer(struct slice bytes, size_t *done, struct strbuf *reply,
                                     int *status)
{
	while (bytes.len >= *done + FRAME_HEAD) {
		const unsigned char *h = (const unsigned char *)bytes.p + *done;
		size_t len = (size_t)h[0] << 16 | (size_t)h[1] << 8 | h[2];
		unsigned stream =
			(h[5] & 0x7fu) << 24 | (unsigned)h[6] << 16 | (unsigned)h[7] << 8 | h[8];
		enum grpc_verdict v;

		if (len > FRAME_MAX) {
			return GRPC_FAILED;
		}
		if (bytes.len < *done + FRAME_HEAD + len) {
			return GRPC_MORE;
		}
		v = read_frame(h[3], h[4], stream,
		               slice_head(slice_from(bytes, *done + FRAME_HEAD), len), reply,
		               status);
		*done += FRAME_HEAD + len;
		if (v != GRPC_MORE) {
			return v;
		}
	}
	return GRPC_MORE;
}
