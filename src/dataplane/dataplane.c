/* Why: the life of the dataplane: it opens its doors once, adopts what is there, and renders what
 * changes. */
#include "dataplane/dataplane.h"

#include <linux/netlink.h>

#include "base/log.h"
#include "dataplane/dataplane-priv.h"
#include "dataplane/socket-programs.h"
#include "dataplane/sockets.h"

#define TABLE "kennel"

static int open_doors(struct dataplane *d, struct err *err)
{
	int node = d->config.node_ns, vpc = d->config.vpc_ns;
	int r = netlink_open(&d->node_route, NETLINK_ROUTE, node, 0, err);

	if (r == 0) {
		r = netlink_open(&d->node_flows, NETLINK_NETFILTER, node, 0, err);
	}
	for (size_t i = 0; i < d->n_stacks && r == 0; i++) {
		r = nft_open(node, d->stacks[i].family, TABLE, &d->stacks[i].nft, err);
	}
	if (r == 0) {
		r = netlink_open(&d->vpc_route, NETLINK_ROUTE, vpc, 0, err);
	}
	if (r == 0) {
		r = nft_open(vpc, IP_V4, TABLE, &d->vpc_nft, err);
	}
	return r;
}

static void add_stack(struct dataplane *d, struct stack with)
{
	struct stack *s = &d->stacks[d->n_stacks++];

	*s = with;
	s->d = d;
	s->family = s->node_ip.family;
	s->must_read = true;
	for (int i = 0; i < NODE_SETS; i++) {
		mirror_init(&s->mirrors[i], node_set(s->family, i));
	}
	s->balancer_state = d->balancer->start(s);
}

static void add_stacks(struct dataplane *d)
{
	const struct dataplane_config *c = &d->config;

	add_stack(d, (struct stack){ .node_ip = c->node_ip,
	                             .dns_ip = c->dns_ip,
	                             .pod_range = c->pod_range,
	                             .cluster_range = c->cluster_range,
	                             .service_range = c->service_range });
	if (c->node_ip6.family) {
		add_stack(d, (struct stack){ .node_ip = c->node_ip6,
		                             .pod_range = c->pod_range6,
		                             .cluster_range = c->cluster_range6,
		                             .service_range = c->service_range6 });
	}
}

static void stack_fini(struct stack *s)
{
	loop_timer_stop(&s->settle);
	s->d->balancer->stop(s->balancer_state);
	for (int i = 0; i < NODE_SETS; i++) {
		mirror_fini(&s->mirrors[i]);
	}
	s->nft = nft_close(s->nft);
}

int dataplane_new(struct loop *l, const struct dataplane_config *c, struct dataplane **ret,
                  struct err *err)
{
	struct dataplane *d = NEW(struct dataplane);
	int r;

	d->loop = l;
	d->config = *c;
	d->node_name = slice_dup(c->node_name);
	d->config.node_name = slice_of(d->node_name);
	d->link = mem_strdup(c->link);
	d->config.link = d->link;
	for (int i = 0; i < VPC_SETS; i++) {
		mirror_init(&d->vpc_mirrors[i], &vpc_sets[i]);
	}
	d->balancer = &balancer_nft;
	add_stacks(d);
	r = open_doors(d, err);
	for (size_t i = 0; i < d->n_stacks && r == 0; i++) {
		r = sync_read(&d->stacks[i], err);
	}
	if (r == 0) {
		r = vpc_prepare(d, err);
	}
	if (r == 0 && c->leads && c->host_ns > 0) {
		r = gateway_new(d, &d->gateway, err);
	}
	if (r < 0) {
		dataplane_free(d);
		return err_while(err, r, "network of instance %s", c->instance);
	}
	*ret = d;
	return 0;
}

struct dataplane *dataplane_free(struct dataplane *d)
{
	if (!d) {
		return NULL;
	}
	d->gateway = gateway_free(d->gateway);
	teardown_fini(d);
	hosts_fini(d);
	d->sockets = sockets_close(d->sockets);
	for (size_t i = 0; i < d->n_stacks; i++) {
		stack_fini(&d->stacks[i]);
	}
	for (int i = 0; i < VPC_SETS; i++) {
		mirror_fini(&d->vpc_mirrors[i]);
	}
	d->vpc_nft = nft_close(d->vpc_nft);
	netlink_close(&d->node_route);
	netlink_close(&d->node_flows);
	netlink_close(&d->vpc_route);
	vec_fini(&d->subnets);
	free(d->node_name);
	free(d->link);
	free(d);
	return NULL;
}

int dataplane_balance_sockets(struct dataplane *d, int cgroup_fd, struct err *err)
{
	int r = sockets_open(d, cgroup_fd, &d->sockets, err);

	if (r == 0) {
		r = sockets_serve(d->sockets, d->config.node_ns, true, err);
		if (r < 0) {
			d->sockets = sockets_close(d->sockets);
		}
	}
	return r < 0 ? err_while(err, r, "balance sockets by eBPF") : 0;
}

int dataplane_leave_sockets(int cgroup_fd, struct err *err)
{
	return socket_programs_remove(cgroup_fd, err);
}

int dataplane_sync(struct dataplane *d, struct err *err)
{
	bool first = !d->stacks[0].knows_all;
	int r = 0;

	for (size_t i = 0; i < d->n_stacks && r == 0; i++) {
		r = sync_stack(&d->stacks[i], err);
	}
	if (r == 0 && first) {
		r = teardown_strangers(d, err);
	}
	if (r == 0 && d->vpc_behind) {
		r = vpc_commit(d, err);
	}
	return r < 0 ? err_while(err, r, "dataplane") : 0;
}

struct dataplane_stats dataplane_stats(const struct dataplane *d)
{
	return d->stats;
}

/* Families count for themselves; whoever asks sees one number. */
struct counted {
	struct map sums; /* name to struct sum, owned */
};
struct sum {
	uint64_t packets, bytes;
};

static void add_up(void *arg, const char *name, uint64_t packets, uint64_t bytes)
{
	struct counted *c = arg;
	struct sum *sum = map_find(&c->sums, slice_of(name));

	if (!sum) {
		sum = NEW(struct sum);
		(void)map_set(&c->sums, slice_of(name), sum);
	}
	sum->packets += packets;
	sum->bytes += bytes;
}

int dataplane_each_counter(struct dataplane *d, dataplane_counter_fn *fn, void *arg,
                           struct err *err)
{
	struct counted c = { 0 };
	int r = d->config.leads ? nft_each_counter(d->vpc_nft, add_up, &c, err) : 0;

	for (size_t i = 0; i < d->n_stacks && r == 0; i++) {
		r = nft_each_counter(d->stacks[i].nft, add_up, &c, err);
	}
	for (struct map_iter it = { 0 }; map_next(&c.sums, &it);) {
		const struct sum *sum = it.value;

		if (r == 0) {
			fn(arg, it.key.p, sum->packets, sum->bytes);
		}
		free(it.value);
	}
	map_fini(&c.sums);
	if (d->sockets) {
		fn(arg, "balance-socket", sockets_balanced(d->sockets), 0);
	}
	return r;
}
