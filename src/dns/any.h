/* What: where to listen when no address is given. */
#pragma once

#include "base/ip.h"

/* The unspecified address. In a namespace with IPv6 addresses beyond loopback it is that of IPv6,
 * whose sockets hear both families (IPv4 as mapped addresses), else that of IPv4. */
struct ip any_address(void);
