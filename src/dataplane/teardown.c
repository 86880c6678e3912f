/* Why: deleting a link makes the kernel wait tens of milliseconds, once for however many go
 * together. So links that go are collected, marked as a group and deleted off the loop. Flows that
 * name their addresses end before, or a new pod with such an address would inherit translations. */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/log.h"
#include "dataplane/dataplane-priv.h"
#include "host/conntrack.h"
#include "host/link.h"

#define COLLECT_US  (20 * US_PER_MS)
#define GOING_GROUP 0x6b6e6c00u /* link group of what is being deleted */

struct teardown {
	struct dataplane *d;            /* null: it is gone, only clean up */
	struct netlink node, vpc;       /* owned; sockets of the job alone */
	VEC(int) node_links, vpc_links; /* indexes */
	int result;
	struct err err;
};

/* ---- flows ---- */

typedef bool concerned_fn(void *arg, struct ip ip);

struct ending {
	concerned_fn *concerned;
	void *arg;
	VEC(struct conntrack_flow) flows;
};

static void look(void *arg, const struct conntrack_flow *f)
{
	struct ending *e = arg;

	if (e->concerned(e->arg, f->orig.src) || e->concerned(e->arg, f->orig.dst) ||
	    e->concerned(e->arg, f->reply.src) || e->concerned(e->arg, f->reply.dst)) {
		vec_push(&e->flows, *f);
	}
}

static int end_flows(struct dataplane *d, concerned_fn *concerned, void *arg, struct err *err)
{
	struct ending e = { .concerned = concerned, .arg = arg };
	int r = conntrack_each(&d->node_flows, IP_NONE, 0, look, &e, err);

	for (size_t i = 0; r == 0 && i < e.flows.n; i++) {
		conntrack_queue_delete(&d->node_flows, &e.flows.at[i]);
	}
	if (r == 0) {
		r = netlink_send(&d->node_flows, err);
	}
	vec_fini(&e.flows);
	return r;
}

static bool has_ip(const struct ip_pair *ips, struct ip ip)
{
	return ip.family && (ip_eq(ips->at[0], ip) || ip_eq(ips->at[1], ip));
}

static bool is_going(void *arg, struct ip ip)
{
	const struct dataplane *d = arg;

	for (size_t i = 0; i < d->gone.n; i++) {
		if (has_ip(&d->gone.at[i].ips, ip)) {
			return true;
		}
	}
	return false;
}

static bool is_strange(void *arg, struct ip ip)
{
	struct dataplane *d = arg;
	struct stack *s = stack_of(d, ip.family);
	struct mirror_key k = key_of(ip.bytes, ip_size(ip.family));

	return s && prefix_contains(s->pod_range, ip) && !mirror_wanted(&s->mirrors[SET_PODS], &k);
}

int teardown_strangers(struct dataplane *d, struct err *err)
{
	return end_flows(d, is_strange, d, err);
}

/* ---- links, off the loop ---- */

static int delete_links(struct netlink *nl, const int *indexes, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		link_queue_group(nl, indexes[i], GOING_GROUP);
	}
	if (n > 0) {
		link_queue_delete_group(nl, GOING_GROUP);
	}
	return netlink_send(nl, err);
}

static void work(void *arg)
{
	struct teardown *t = arg;

	t->result = delete_links(&t->node, t->node_links.at, t->node_links.n, &t->err);
	if (t->result == 0) {
		t->result = delete_links(&t->vpc, t->vpc_links.at, t->vpc_links.n, &t->err);
	}
}

static void teardown_free(struct teardown *t)
{
	netlink_close(&t->node);
	netlink_close(&t->vpc);
	vec_fini(&t->node_links);
	vec_fini(&t->vpc_links);
	free(t);
}

static void on_timer(struct loop_timer *timer);

static void done(void *arg)
{
	struct teardown *t = arg;
	struct dataplane *d = t->d;

	if (t->result < 0) {
		log_odd("Deleting links failed error=%s", t->err.msg);
	}
	teardown_free(t);
	if (d) {
		d->teardown = NULL;
		if (d->gone.n > 0) {
			loop_timer_start(d->loop, &d->teardown_timer, COLLECT_US, on_timer);
		}
	}
}

static int start(struct dataplane *d, struct err *err)
{
	struct teardown *t = NEW(struct teardown);
	int r = netlink_open(&t->node, NETLINK_ROUTE, d->config.node_ns, 0, err);

	if (r == 0) {
		r = netlink_open(&t->vpc, NETLINK_ROUTE, d->config.vpc_ns, 0, err);
	}
	if (r < 0) {
		teardown_free(t);
		return r;
	}
	for (size_t i = 0; i < d->gone.n; i++) {
		struct gone *g = &d->gone.at[i];

		if (g->index && g->in_vpc) {
			vec_push(&t->vpc_links, g->index);
		} else if (g->index) {
			vec_push(&t->node_links, g->index);
		}
	}
	vec_clear(&d->gone);
	t->d = d;
	d->teardown = t;
	loop_work(d->loop, work, done, t);
	return 0;
}

static void on_timer(struct loop_timer *timer)
{
	struct dataplane *d = container_of(timer, struct dataplane, teardown_timer);
	struct err err;
	int r;

	if (d->teardown || d->gone.n == 0) {
		return; /* done() starts the next one */
	}
	r = end_flows(d, is_going, d, &err);
	if (r == 0) {
		r = start(d, &err);
	}
	if (r < 0) {
		log_odd("Deleting links failed, trying again error=%s", err.msg);
		loop_timer_start(d->loop, &d->teardown_timer, 20 * COLLECT_US, on_timer);
	}
}

void teardown_later(struct dataplane *d, const struct gone *g)
{
	vec_push(&d->gone, *g);
	if (!d->teardown && !loop_timer_is_armed(&d->teardown_timer)) {
		loop_timer_start(d->loop, &d->teardown_timer, COLLECT_US, on_timer);
	}
}

int teardown_before(struct dataplane *d, const char *link, struct ip_pair ips, struct err *err)
{
	bool concerned = false;
	int r;

	for (size_t i = 0; i < d->gone.n; i++) {
		struct gone *g = &d->gone.at[i];
		struct netlink *nl = g->in_vpc ? &d->vpc_route : &d->node_route;

		concerned |= has_ip(&g->ips, ips.at[0]) || has_ip(&g->ips, ips.at[1]);
		if (strcmp(g->link, link) == 0 && g->index) {
			link_queue_delete(nl, g->index);
			r = netlink_send(nl, err);
			if (r < 0) {
				return r;
			}
			g->index = 0;
		}
	}
	if (!concerned) {
		return 0;
	}
	r = end_flows(d, is_going, d, err);
	for (size_t i = 0; r == 0 && i < d->gone.n; i++) {
		d->gone.at[i].ips = (struct ip_pair){ 0 };
	}
	return r;
}

void teardown_fini(struct dataplane *d)
{
	loop_timer_stop(&d->teardown_timer);
	if (d->teardown) {
		d->teardown->d = NULL;
	}
	vec_fini(&d->gone);
}
