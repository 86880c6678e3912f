/* What: addresses as the socket balancer's maps have them (bpf/abi.h). */
#pragma once

#include "base/ip.h"
#include "dataplane/bpf/abi.h"

struct socket_end socket_end_of(struct ip ip, uint16_t port);
struct ip socket_ip_of(const struct socket_end *e);
