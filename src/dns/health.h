/* What: what probes and Prometheus ask of the DNS server, over HTTP: /health (it runs), /ready (it
 * answers from synced replicas and is not leaving), /metrics. Every path is answered on every port.
 */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"
#include "dns/server.h"

struct dns_health;
struct dns_health_config {
	struct loop *loop;
	const struct dns_server *server; /* borrowed */
	struct ip address;               /* family 0: every IPv4 address */
	uint16_t ports[3];               /* 0: none */
};
/* Failure: ERR_IO, with the port in the sentence. */
MUST_USE int dns_health_new(const struct dns_health_config *c, struct dns_health **ret,
                            struct err *err);
struct dns_health *dns_health_free(struct dns_health *h);
void dns_health_set_ready(struct dns_health *h, bool ready);
/* The text of /metrics. */
void dns_metrics_write(struct strbuf *out, const struct dns_server *s);
