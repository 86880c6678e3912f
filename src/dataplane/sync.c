/* Why: one transaction per sync: plan, compare with what the kernel has, write the difference. */
#include "base/log.h"
#include "dataplane/dataplane-priv.h"
#include "dataplane/sockets.h"
#include "dataplane/stamp.h"

#define RETRY_US (1 * US_PER_S)

/* ---- are the kernel's rules ours? ---- */

static void queue_rules(struct stack *s)
{
	struct node_table_config c = { s->cluster_range, s->service_range, s->node_ip, s->dns_ip };

	node_table_queue(s->nft, &c);
}

static uint64_t stamp_of_ours(struct stack *s)
{
	uint64_t digest;

	queue_rules(s);
	digest = nft_changes_digest(s->nft);
	nft_forget_changes(s->nft);
	return digest;
}

static bool is_picker(const char *chain)
{
	struct picker p;

	return picker_parse(chain, &p);
}

static bool take_pickers(struct stack *s, const struct stamp *stamp)
{
	for (struct map_iter it = { 0 }; map_next(&stamp->others, &it);) {
		size_t rules = stamp_rules_of(it.value);

		if (!s->d->balancer->found_chain(s->balancer_state, it.key.p, rules)) {
			log_odd("A chain is not as it was made chain=%s rules=%zu", it.key.p,
			        rules);
			return false;
		}
	}
	return true;
}

/* Reads rules and sets; what is not as this program makes it leads to a rebuild with the next
 * commit. */
int sync_read(struct stack *s, struct err *err)
{
	struct stamp stamp = { 0 };
	int r;

	s->d->balancer->forget(s->balancer_state);
	s->stamp = stamp_of_ours(s);
	r = stamp_read(s->nft, is_picker, &stamp, err);
	s->must_rebuild = !stamp_fits(&stamp, s->stamp) || !take_pickers(s, &stamp);
	if (r == 0 && s->must_rebuild && stamp.any) {
		log_odd("The node's rules are not as this program makes them, they will be written "
		        "anew");
	}
	stamp_fini(&stamp);
	for (int i = 0; i < NODE_SETS && r == 0; i++) {
		if (s->must_rebuild) {
			mirror_assume_empty(&s->mirrors[i]);
		} else {
			r = mirror_load(&s->mirrors[i], s->nft, err);
		}
	}
	if (s->must_rebuild) {
		s->d->balancer->forget(s->balancer_state);
	}
	s->must_read = r < 0;
	return r;
}

/* ---- writing ---- */

static void queue_rebuild(struct stack *s)
{
	nft_table_add(s->nft);
	nft_table_delete(s->nft);
	queue_rules(s);
}

static bool differs(const struct stack *s)
{
	for (int i = 0; i < NODE_SETS; i++) {
		if (mirror_is_dirty(&s->mirrors[i])) {
			return true;
		}
	}
	return s->must_rebuild;
}

static int commit(struct stack *s, struct err *err)
{
	bool rebuilds = s->must_rebuild;
	size_t elements = 0;
	int r;

	if (rebuilds) {
		queue_rebuild(s);
	}
	s->d->balancer->queue(s->balancer_state);
	for (int i = 0; i < NODE_SETS; i++) {
		elements += mirror_queue(&s->mirrors[i], s->nft);
	}
	r = nft_commit(s->nft, err);
	if (r < 0) {
		s->must_read = true;
		return r;
	}
	s->d->stats.transactions++;
	s->d->stats.elements += elements;
	s->must_rebuild = false;
	if (s->d->sockets && rebuilds) {
		sockets_doubt(s->d->sockets, true);
	} else if (s->d->sockets) {
		sockets_commit(s->d->sockets, s);
	}
	for (int i = 0; i < NODE_SETS; i++) {
		mirror_committed(&s->mirrors[i]);
	}
	r = s->d->balancer->committed(s->balancer_state, err);
	if (rebuilds) {
		int stamped = stamp_write(s->nft, is_picker, s->stamp, r < 0 ? NULL : err);

		s->d->stats.rebuilds++;
		s->must_read |= stamped < 0;
		r = r < 0 ? r : stamped;
	}
	return r;
}

static void on_settle(struct loop_timer *t);

/* Sockets' maps hold all families: they are compared when every one of them is known. */
static bool can_mend(const struct dataplane *d)
{
	for (size_t i = 0; i < d->n_stacks; i++) {
		if (!d->stacks[i].knows_all) {
			return false;
		}
	}
	return d->sockets && sockets_is_in_doubt(d->sockets);
}

static void settle_later(struct stack *s, int64_t delay_us)
{
	if (s->must_read || can_mend(s->d) || s->unsettled ||
	    s->d->balancer->has_to_settle(s->balancer_state)) {
		loop_timer_start(s->d->loop, &s->settle, delay_us, on_settle);
	}
}

static void on_settle(struct loop_timer *t)
{
	struct stack *s = container_of(t, struct stack, settle);
	struct err err;
	bool any = s->unsettled;
	int r = 0;

	if (s->must_read) {
		r = sync_stack(s, &err);
	} else {
		if (s->unsettled) {
			policies_settle(s);
		}
		any |= s->d->balancer->settle(s->balancer_state);
		if (any) {
			r = commit(s, &err);
		}
		if (r == 0 && can_mend(s->d)) {
			r = sockets_mend(s->d->sockets, &err);
		}
	}
	if (r < 0) {
		log_odd("Settling the node's rules failed, trying again error=%s", err.msg);
		settle_later(s, RETRY_US);
	}
}

int sync_stack(struct stack *s, struct err *err)
{
	bool all = !s->knows_all, reread = all || s->must_read;
	int r = 0;

	if (s->d->sockets && reread) {
		sockets_doubt(s->d->sockets, false);
	}
	if (s->must_read) {
		r = sync_read(s, err);
		if (r < 0) {
			return r;
		}
	}
	s->d->balancer->plan(s->balancer_state, all);
	policies_plan(s, reread);
	if (reread) {
		for (int i = 0; i < NODE_SETS; i++) {
			mirror_forget_unwanted(&s->mirrors[i]);
		}
	}
	s->knows_all = true;
	if (differs(s)) {
		r = commit(s, err);
		settle_later(s, SETTLE_US);
	} else if (s->d->balancer->has_to_follow_up(s->balancer_state)) {
		r = s->d->balancer->committed(s->balancer_state, err);
	}
	if (r == 0 && can_mend(s->d)) {
		r = sockets_mend(s->d->sockets, err);
	}
	if (!loop_timer_is_armed(&s->settle)) {
		settle_later(s, SETTLE_US);
	}
	return r;
}
