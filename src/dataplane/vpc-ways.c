/* Why: the VPC as its objects have it: further subnets, and who may leave for where. What a route table means was
 * decided above (model/vpc.h); here it is a set of ranges. */
#include <arpa/inet.h>
#include <stdio.h>

#include "dataplane/dataplane-priv.h"
#include "host/link.h"

#define FURTHER_PREFIX "sub-" /* of bridges that are not of the default VPC: "sub-0a002000-20" */

/* ---- ways ---- */

static uint32_t last_be(struct prefix p)
{
	return htonl(ip_to_v4(p.ip) | (p.len < 32 ? UINT32_MAX >> p.len : 0));
}

static void put_way(struct dataplane *d, const struct dataplane_way *w)
{
	struct {
		uint8_t from[4], to[4];
	} range[2];
	struct mirror_key k;
	uint32_t last = last_be(w->from);

	memcpy(range[0].from, w->from.ip.bytes, 4);
	memcpy(range[0].to, w->to_first.bytes, 4);
	memcpy(range[1].from, &last, 4);
	memcpy(range[1].to, w->to_last.bytes, 4);
	k = key_of(range, sizeof(range));
	mirror_put(&d->vpc_mirrors[VPC_WAYS], &k, NULL, d);
}

void vpc_open_ways(struct dataplane *d)
{
	static const struct dataplane_way all = {
		.from = { .ip = { .family = IP_V4, .bytes = { 10 } }, .len = 16 },
		.to_first = { .family = IP_V4 },
		.to_last = { .family = IP_V4, .bytes = { 255, 255, 255, 255 } },
	};

	put_way(d, &all);
}

/* ---- subnets ---- */

static struct vpc_subnet further(struct prefix range)
{
	struct vpc_subnet s = { .range = range };

	snprintf(s.bridge, sizeof(s.bridge), FURTHER_PREFIX "%08x-%u", ip_to_v4(range.ip),
	         range.len & 63u);
	return s;
}

struct leftovers {
	struct dataplane *d;
	const struct dataplane_vpc *want;
};

static bool mark_leftover(void *arg, const struct link_info *info)
{
	const struct leftovers *l = arg;

	if (strncmp(info->name, FURTHER_PREFIX, strlen(FURTHER_PREFIX)) != 0) {
		return true;
	}
	for (size_t i = 0; i < l->want->n_subnets; i++) {
		if (strcmp(further(l->want->subnets[i]).bridge, info->name) == 0) {
			return true;
		}
	}
	link_queue_delete(&l->d->vpc_route, info->index);
	return true;
}

/* Also bridges of a former life of this program. */
static int remove_others(struct dataplane *d, const struct dataplane_vpc *v, struct err *err)
{
	struct leftovers l = { d, v };
	scoped_netlink struct netlink look = { 0 };
	int r = netlink_open(&look, NETLINK_ROUTE, d->config.vpc_ns, 0, err);

	if (r == 0) {
		r = link_each(&look, mark_leftover, &l, err);
	}
	for (size_t i = d->subnets.n; i-- > 0 && r == 0;) {
		bool wanted = strncmp(d->subnets.at[i].bridge, FURTHER_PREFIX,
		                      strlen(FURTHER_PREFIX)) != 0;

		for (size_t k = 0; k < v->n_subnets; k++) {
			wanted |= prefix_eq(v->subnets[k], d->subnets.at[i].range);
		}
		if (!wanted) {
			vec_remove(&d->subnets, i);
		}
	}
	return r < 0 ? r : netlink_send(&d->vpc_route, err);
}

static int make_missing(struct dataplane *d, const struct dataplane_vpc *v, struct err *err)
{
	for (size_t i = 0; i < v->n_subnets; i++) {
		struct vpc_subnet s = further(v->subnets[i]);
		int r;

		if (vpc_subnet_of(d, s.range.ip)) {
			continue;
		}
		r = vpc_make_bridge(d, &s, err);
		if (r < 0) {
			return r;
		}
		vec_push(&d->subnets, s);
	}
	return 0;
}

int dataplane_vpc_set(struct dataplane *d, const struct dataplane_vpc *v, struct err *err)
{
	int r = remove_others(d, v, err);

	if (r == 0) {
		r = make_missing(d, v, err);
	}
	if (r == 0) {
		mirror_begin_all(&d->vpc_mirrors[VPC_WAYS]);
		for (size_t i = 0; i < v->n_ways; i++) {
			put_way(d, &v->ways[i]);
		}
		(void)mirror_end_all(&d->vpc_mirrors[VPC_WAYS]);
		mirror_forget_unwanted(&d->vpc_mirrors[VPC_WAYS]);
		r = vpc_commit(d, err);
	}
	return r < 0 ? err_while(err, r, "subnets and routes") : 0;
}
