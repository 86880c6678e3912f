/* Why: one transaction per sync: plan, compare with what the kernel has, write the difference. */
#include "base/log.h"
#include "dataplane/dataplane-priv.h"
#include "dataplane/sockets.h"
#include "dataplane/stamp.h"

#define RETRY_US (1 * US_PER_S)

/* ---- are the kernel's rules ours? ---- */

static void queue_rules(struct dataplane *d)
{
	struct node_table_config c = { d->config.cluster_range, d->config.service_range,
		                       d->config.node_ip, d->config.dns_ip };

	node_table_queue(d->node_nft, &c);
}

static uint64_t stamp_of_ours(struct dataplane *d)
{
	uint64_t stamp;

	queue_rules(d);
	stamp = nft_changes_digest(d->node_nft);
	nft_forget_changes(d->node_nft);
	return stamp;
}

static bool is_picker(const char *chain)
{
	struct picker p;

	return picker_parse(chain, &p);
}

static bool take_pickers(struct dataplane *d, const struct stamp *s)
{
	for (struct map_iter it = { 0 }; map_next(&s->others, &it);) {
		size_t rules = stamp_rules_of(it.value);

		if (!d->balancer->found_chain(d->balancer_state, it.key.p, rules)) {
			log_odd("A chain is not as it was made chain=%s rules=%zu", it.key.p,
			        rules);
			return false;
		}
	}
	return true;
}

/* Reads rules and sets; what is not as this program makes it leads to a rebuild with the next
 * commit. */
int sync_read(struct dataplane *d, struct err *err)
{
	struct stamp s = { 0 };
	int r;

	d->balancer->forget(d->balancer_state);
	d->node_stamp = stamp_of_ours(d);
	r = stamp_read(d->node_nft, is_picker, &s, err);
	d->must_rebuild = !stamp_fits(&s, d->node_stamp) || !take_pickers(d, &s);
	if (r == 0 && d->must_rebuild && s.any) {
		log_odd("The node's rules are not as this program makes them, they will be written "
		        "anew");
	}
	stamp_fini(&s);
	for (int i = 0; i < NODE_SETS && r == 0; i++) {
		if (d->must_rebuild) {
			mirror_assume_empty(&d->mirrors[i]);
		} else {
			r = mirror_load(&d->mirrors[i], d->node_nft, err);
		}
	}
	if (d->must_rebuild) {
		d->balancer->forget(d->balancer_state);
	}
	d->must_read = r < 0;
	return r;
}

/* ---- writing ---- */

static void queue_rebuild(struct dataplane *d)
{
	nft_table_add(d->node_nft);
	nft_table_delete(d->node_nft);
	queue_rules(d);
}

static bool differs(const struct dataplane *d)
{
	for (int i = 0; i < NODE_SETS; i++) {
		if (mirror_is_dirty(&d->mirrors[i])) {
			return true;
		}
	}
	return d->must_rebuild;
}

static int commit(struct dataplane *d, struct err *err)
{
	bool rebuilds = d->must_rebuild;
	size_t elements = 0;
	int r;

	if (rebuilds) {
		queue_rebuild(d);
	}
	d->balancer->queue(d->balancer_state);
	for (int i = 0; i < NODE_SETS; i++) {
		elements += mirror_queue(&d->mirrors[i], d->node_nft);
	}
	r = nft_commit(d->node_nft, err);
	if (r < 0) {
		d->must_read = true;
		return r;
	}
	d->stats.transactions++;
	d->stats.elements += elements;
	d->must_rebuild = false;
	if (d->sockets && rebuilds) {
		sockets_doubt(d->sockets, true);
	} else if (d->sockets) {
		sockets_commit(d->sockets);
	}
	for (int i = 0; i < NODE_SETS; i++) {
		mirror_committed(&d->mirrors[i]);
	}
	r = d->balancer->committed(d->balancer_state, err);
	if (rebuilds) {
		int stamped =
			stamp_write(d->node_nft, is_picker, d->node_stamp, r < 0 ? NULL : err);

		d->stats.rebuilds++;
		d->must_read |= stamped < 0;
		r = r < 0 ? r : stamped;
	}
	return r;
}

static void on_settle(struct loop_timer *t);

static bool is_in_doubt(const struct dataplane *d)
{
	return d->sockets && sockets_is_in_doubt(d->sockets);
}

static void settle_later(struct dataplane *d, int64_t delay_us)
{
	if (d->must_read || is_in_doubt(d) || d->unsettled ||
	    d->balancer->has_to_settle(d->balancer_state)) {
		loop_timer_start(d->loop, &d->settle, delay_us, on_settle);
	}
}

static void on_settle(struct loop_timer *t)
{
	struct dataplane *d = container_of(t, struct dataplane, settle);
	struct err err;
	bool any = d->unsettled;
	int r = 0;

	if (d->must_read) {
		r = sync_node(d, &err);
	} else {
		if (d->unsettled) {
			policies_settle(d);
		}
		any |= d->balancer->settle(d->balancer_state);
		if (any) {
			r = commit(d, &err);
		}
		if (r == 0 && is_in_doubt(d)) {
			r = sockets_mend(d->sockets, &err);
		}
	}
	if (r < 0) {
		log_odd("Settling the node's rules failed, trying again error=%s", err.msg);
		settle_later(d, RETRY_US);
	}
}

int sync_node(struct dataplane *d, struct err *err)
{
	bool all = !d->knows_all, reread = all || d->must_read;
	int r = 0;

	if (d->sockets && reread) {
		sockets_doubt(d->sockets, false);
	}
	if (d->must_read) {
		r = sync_read(d, err);
		if (r < 0) {
			return r;
		}
	}
	d->balancer->plan(d->balancer_state, all);
	policies_plan(d, reread);
	if (reread) {
		for (int i = 0; i < NODE_SETS; i++) {
			mirror_forget_unwanted(&d->mirrors[i]);
		}
	}
	d->knows_all = true;
	if (differs(d)) {
		r = commit(d, err);
		settle_later(d, SETTLE_US);
	} else if (d->balancer->has_to_follow_up(d->balancer_state)) {
		r = d->balancer->committed(d->balancer_state, err);
	}
	if (r == 0 && is_in_doubt(d)) {
		r = sockets_mend(d->sockets, err);
	}
	if (!loop_timer_is_armed(&d->settle)) {
		settle_later(d, SETTLE_US);
	}
	return r;
}
