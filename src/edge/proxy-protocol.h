/* What: the PROXY protocol, version 2: the header that tells a target who the client is.
 * Source: haproxy/proxy-protocol#2.2. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"

enum { PROXY_HEADER_MAX = 16 + 36 };

/* Writes the header of a connection from src to dst (ports in host order) into buf of
 * PROXY_HEADER_MAX; returns its size. Two families, or none, make an UNSPEC header, which a
 * receiver answers by using the socket's own address. */
size_t proxy_header_format(struct ip src, uint16_t src_port, struct ip dst, uint16_t dst_port,
                           uint8_t *buf);
/* The header of a connection that speaks for nobody, a health check: LOCAL. Returns its size. */
size_t proxy_header_format_local(uint8_t *buf);
