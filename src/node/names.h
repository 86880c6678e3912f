/* What: the texts that containers see about names: /etc/hosts, /etc/resolv.conf, host name. Pure.
 * kubernetes-api.md section 8.10. */
#pragma once

#include "base/strbuf.h"
#include "codec/value.h"

/* spec.hostname or the pod's name, at most 63 characters without trailing dash or dot. */
void names_hostname(const struct val *pod, struct strbuf *out);
/* /etc/hosts. pod_ips: one or two, by comma; may be "" with hostNetwork; host_hosts: the host's file, used then. */
void names_hosts(const struct val *pod, const char *pod_ips, struct slice host_hosts,
                 const char *cluster_domain, struct strbuf *out);
/* /etc/resolv.conf. host_resolv: what dnsPolicy Default means. */
void names_resolv(const struct val *pod, const char *dns_ip, struct slice host_resolv,
                  const char *cluster_domain, struct strbuf *out);
