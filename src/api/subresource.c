/* Why: discovery, routing and rights ask the same table what hangs below a resource. See
 * subresource.h. */
#include "api/subresource.h"

#include "api/pod.h"
#include "api/proxy.h"
#include "api/scale.h"
#include "api/token.h"
#include "api/tunnel.h"
#include "api/verbs.h"
#include "base/mem.h"

#define WRITES (VERB_GET | VERB_UPDATE | VERB_PATCH)
#define STREAM (VERB_GET | VERB_CREATE)
#define PROXY  (VERB_GET | VERB_CREATE | VERB_UPDATE | VERB_PATCH | VERB_DELETE)

static int status_run(struct call *c)
{
	return c->route.verb == DO_GET     ? read_get(c)
	       : c->route.verb == DO_PATCH ? write_patch(c)
	                                   : write_update(c);
}

static const struct subresource table[] = {
	{ NULL, "status", WRITES, NULL, NULL, NULL, status_run, false },
	{ NULL, "scale", WRITES, "autoscaling", "v1", "Scale", scale_run, false },
	{ "Namespace", "finalize", VERB_UPDATE, NULL, NULL, NULL, write_update, false },
	{ "Pod", "attach", STREAM, "", "v1", "PodAttachOptions", tunnel_attach, true },
	{ "Pod", "binding", VERB_CREATE, "", "v1", "Binding", pod_bind, false },
	{ "Pod", "ephemeralcontainers", WRITES, NULL, NULL, NULL, pod_ephemeral, false },
	{ "Pod", "eviction", VERB_CREATE, "policy", "v1", "Eviction", pod_evict, false },
	{ "Pod", "exec", STREAM, "", "v1", "PodExecOptions", tunnel_exec, true },
	{ "Pod", "log", VERB_GET, NULL, NULL, NULL, tunnel_log, true },
	{ "Pod", "portforward", STREAM, "", "v1", "PodPortForwardOptions", tunnel_forward, true },
	{ "Pod", "proxy", PROXY, "", "v1", "PodProxyOptions", proxy_pod, true },
	{ "Pod", "resize", WRITES, NULL, NULL, NULL, pod_resize, false },
	{ "Service", "proxy", PROXY, "", "v1", "ServiceProxyOptions", proxy_service, true },
	{ "ServiceAccount", "token", VERB_CREATE, "authentication.k8s.io", "v1", "TokenRequest",
	  token_create, false },
};

static bool fits(const struct subresource *s, const struct kind *k)
{
	if (s->kind) {
		return !*k->group && strcmp(k->kind, s->kind) == 0;
	}
	return strcmp(s->name, "status") == 0 ? k->has_status : k->has_scale;
}

const struct subresource *subresource_find(const struct kind *k, struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (fits(&table[i], k) && slice_is(name, table[i].name)) {
			return &table[i];
		}
	}
	return NULL;
}

const struct subresource *subresource_at(const struct kind *k, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (fits(&table[i], k) && n-- == 0) {
			return &table[i];
		}
	}
	return NULL;
}
