/* What: the edge looked up by what rules have in hand: by host, by TLS secret, by Service. Made once per subject, so that
 * a question costs the same in a small set and in a large one. */
#pragma once

#include "analyse/subject.h"

/* The first Ingress (or HTTPRoute) that serves the host, by name or wildcard of one label; null: none. */
const struct object *edge_of_host(struct subject *s, struct slice host);
/* The same, Ingresses only. */
const struct object *edge_ingress_of_host(struct subject *s, struct slice host);
/* Any Ingress with a host, for a hint; *ret_host its node. Null: none. */
const struct object *edge_any(struct subject *s, const struct val **ret_host);
/* An Ingress whose tls names the Secret. */
const struct object *edge_of_secret(struct subject *s, struct slice ns, struct slice secret);
/* The Certificate that makes the Secret. */
const struct object *edge_certificate(struct subject *s, struct slice ns, struct slice secret);
/* An Ingress with TLS that leads to the Service. */
const struct object *edge_tls_of_service(struct subject *s, const struct svc *x);
/* The Service with this cluster address. */
const struct svc *edge_service_at(struct subject *s, struct ip ip);
