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
	if (r == 0) {
		r = nft_open(node, TABLE, &d->node_nft, err);
	}
	if (r == 0) {
		r = netlink_open(&d->vpc_route, NETLINK_ROUTE, vpc, 0, err);
	}
	if (r == 0) {
		r = nft_open(vpc, TABLE, &d->vpc_nft, err);
	}
	return r;
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
	d->must_read = true;
	for (int i = 0; i < NODE_SETS; i++) {
		mirror_init(&d->mirrors[i], &node_sets[i]);
	}
	for (int i = 0; i < VPC_SETS; i++) {
		mirror_init(&d->vpc_mirrors[i], &vpc_sets[i]);
	}
	d->balancer = &balancer_nft;
	d->balancer_state = d->balancer->start(d);
	r = open_doors(d, err);
	if (r == 0) {
		r = sync_read(d, err);
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
	loop_timer_stop(&d->settle);
	d->gateway = gateway_free(d->gateway);
	teardown_fini(d);
	hosts_fini(d);
	d->sockets = sockets_close(d->sockets);
	d->balancer->stop(d->balancer_state);
	for (int i = 0; i < NODE_SETS; i++) {
		mirror_fini(&d->mirrors[i]);
	}
	for (int i = 0; i < VPC_SETS; i++) {
		mirror_fini(&d->vpc_mirrors[i]);
	}
	d->node_nft = nft_close(d->node_nft);
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
	bool first = !d->knows_all;
	int r = sync_node(d, err);

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

int dataplane_each_counter(struct dataplane *d, dataplane_counter_fn *fn, void *arg,
                           struct err *err)
{
	int r = nft_each_counter(d->node_nft, fn, arg, err);

	if (d->sockets) {
		fn(arg, "balance-socket", sockets_balanced(d->sockets), 0);
	}
	return r < 0 || !d->config.leads ? r : nft_each_counter(d->vpc_nft, fn, arg, err);
}
