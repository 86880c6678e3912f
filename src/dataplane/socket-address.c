/* Why: both families in one form; see socket-address.h. */
#include "dataplane/socket-address.h"

#include <arpa/inet.h>
#include <string.h>

struct socket_end socket_end_of(struct ip ip, uint16_t port)
{
	struct socket_end e = { .port_be = htons(port) };

	if (ip.family == IP_V4) {
		e.ip[2] = htonl(0xffff);
		memcpy(&e.ip[3], ip.bytes, 4);
	} else {
		memcpy(e.ip, ip.bytes, sizeof(e.ip));
	}
	return e;
}
