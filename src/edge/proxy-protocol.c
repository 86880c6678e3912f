/* Why: client addresses survive the balancer only when it writes them down; see proxy-protocol.h.
 */
#include "edge/proxy-protocol.h"

#include <string.h>

static const uint8_t signature[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
	                               0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };
enum { VERSION_2 = 0x20, COMMAND_PROXY = 0x01, TCP4 = 0x11, TCP6 = 0x21, UNSPEC = 0x00 };

static uint8_t *put_be16(uint8_t *p, uint16_t v)
{
	*p++ = (uint8_t)(v >> 8);
	*p++ = (uint8_t)v;
	return p;
}

static uint8_t *put_head(uint8_t *p, uint8_t command, uint8_t family, uint16_t len)
{
	memcpy(p, signature, sizeof(signature));
	p += sizeof(signature);
	*p++ = VERSION_2 | command;
	*p++ = family;
	return put_be16(p, len);
}

size_t proxy_header_format(struct ip src, uint16_t src_port, struct ip dst, uint16_t dst_port,
                           uint8_t *buf)
{
	size_t size = src.family == IP_V4 ? 4 : 16;
	uint8_t *p = buf;

	if (src.family != dst.family || src.family == IP_NONE) {
		return (size_t)(put_head(p, COMMAND_PROXY, UNSPEC, 0) - buf);
	}
	p = put_head(p, COMMAND_PROXY, src.family == IP_V4 ? TCP4 : TCP6, (uint16_t)(2 * size + 4));
	memcpy(p, src.bytes, size);
	memcpy(p + size, dst.bytes, size);
	p = put_be16(p + 2 * size, src_port);
	return (size_t)(put_be16(p, dst_port) - buf);
}

size_t proxy_header_format_local(uint8_t *buf)
{
	return (size_t)(put_head(buf, 0, UNSPEC, 0) - buf);
}
