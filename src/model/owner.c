/* Why: who reads an address wants to know whose it is. */
#include "model/model-priv.h"

static const struct val *service_with(const struct model *m, struct ip ip)
{
	const service_vec *at = service_at(m, ip);

	for (size_t i = 0; at && i < at->n; i++) {
		const struct service *s = at->at[i];

		for (size_t k = 0; k < s->n_cluster_ips && s->doc; k++) {
			if (ip_eq(s->cluster_ips[k], ip)) {
				return s->doc->root;
			}
		}
	}
	return NULL;
}

static const struct val *host_with(const struct model *m, struct ip ip)
{
	for (struct map_iter it = { 0 }; map_next(&m->hosts, &it);) {
		const struct host *h = it.value;

		if (ip_eq(h->ip, ip)) {
			return h->doc->root;
		}
	}
	return NULL;
}

static const struct val *node_with(const struct model *m, struct ip ip)
{
	for (struct map_iter it = { 0 }; map_next(&m->nodes, &it);) {
		const struct doc *node = it.value;

		if (node_has_ip(m, it.key, ip)) {
			return node->root;
		}
	}
	return NULL;
}

const struct val *model_owner_of(const struct model *m, struct ip ip)
{
	const struct pod *pod = pod_at(m, ip);
	const struct val *owner = pod ? pod->doc->root : service_with(m, ip);

	if (!owner) {
		owner = host_with(m, ip);
	}
	return owner ? owner : node_with(m, ip);
}
