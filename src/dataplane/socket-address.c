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

struct ip socket_ip_of(const struct socket_end *e)
{
	struct ip ip = { .family = IP_V6 };

	if (e->ip[0] == 0 && e->ip[1] == 0 && e->ip[2] == htonl(0xffff)) {
		ip.family = IP_V4;
		memcpy(ip.bytes, &e->ip[3], 4);
	} else {
		memcpy(ip.bytes, e->ip, sizeof(e->ip));
	}
	return ip;
}
