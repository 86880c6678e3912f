/* Why: the kernel and the model must say the same of every flow, whatever objects there are and however they came to be.
 * Rounds of random changes (policies of all tiers, pods, labels, namespaces, services, endpoints); after each one random
 * questions, put to model/ and to the kernel with packets, on new flows and on open ones.
 *
 *     test-dataplane-random-worlds [SEED [QUESTIONS]]
 *
 * A difference is reported with its seed and as few policies as still show it. */
#include "random-objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/chance.h"
#include "base/vec.h"

#define QUESTIONS  10000u
#define NEW_FLOWS  260u /* a round */
#define OPEN_FLOWS 40u

static struct {
	unsigned long seed;
	unsigned wanted, asked, denied, by_rule, round;
	struct probe_end ends[64]; /* of the service that is asked */
	VEC(struct probe) questions;
	VEC(struct probe) open;
} t;

/* ---- questions ---- */

static void forget_flows_of(struct ip ip)
{
	for (size_t i = t.open.n; i-- > 0;) {
		if (ip_eq(t.open.at[i].src, ip) || ip_eq(t.open.at[i].dst, ip)) {
			close(t.open.at[i].fd);
			vec_remove(&t.open, i);
		}
	}
}

static const enum proto protos[] = { PROTO_TCP, PROTO_UDP, PROTO_SCTP };

static struct ip any_place(void)
{
	return one_in(10) ? ip_of(NODE_IP) : ip_of(any_box(true)->ip);
}

static bool model_admits(const struct probe *p, struct probe_end to)
{
	struct flow f = { p->src, to.ip, p->proto, to.port };

	/* A node always reaches its own pods. */
	return ip_eq(p->src, ip_of(NODE_IP)) ||
	       policy_decide(objects.w->m, &f, NULL) == VERDICT_ALLOW;
}

static bool agrees(const struct probe *p)
{
	bool behind = p->n_ends > 0, listed = !behind;

	for (size_t i = 0; i < p->n_ends && !listed; i++) {
		listed = ip_eq(p->at.ip, p->ends[i].ip) && p->at.port == p->ends[i].port;
	}
	if (p->outcome == PROBE_LOST || p->outcome == PROBE_REFUSED || !listed) {
		return false;
	}
	return (p->outcome == PROBE_ARRIVED) == model_admits(p, p->at) &&
	       (p->outcome == PROBE_ARRIVED || p->reason == DROP_EGRESS ||
	        p->reason == DROP_INGRESS);
}

/* ---- a difference ---- */

static void tell_line(void *arg, const struct val *object, const char *text)
{
	(void)arg;
	(void)object;
	print_error("    %s\n", text);
}

static bool still_differs(const struct probe *was)
{
	struct probe p = *was;

	p.fd = -1;
	p.keep = false;
	world_sync(objects.w);
	probes_run(objects.probes, &p, 1);
	return !agrees(&p);
}

/* Takes away what is not needed for the difference. */
static void reduce_policies(const struct probe *p)
{
	for (unsigned i = 0; i < ARRAY_SIZE(objects.policies); i++) {
		if (!objects.policies[i]) {
			continue;
		}
		world_remove(objects.w, "%s", objects.policies[i]);
		if (still_differs(p)) {
			objects.policies[i] = NULL;
		} else {
			world_put(objects.w, "%s", objects.policies[i]);
		}
	}
}

static void tell_world(const struct probe *p)
{
	const struct trace trace = { .line = tell_line };
	struct flow f = { p->src, p->at.ip, p->proto, p->at.port };

	for (unsigned i = 0; i < SPACES; i++) {
		print_error("namespace %s %s\n", space_names[i], objects.space_labels[i]);
	}
	for (unsigned i = 0; i < ADDRESSES; i++) {
		const struct box *b = &objects.boxes[i];

		if (b->alive && (ip_eq(ip_of(b->ip), p->src) || ip_eq(ip_of(b->ip), p->at.ip))) {
			print_error("pod %s/%s %s %s web %u dns %u\n", b->ns, b->name, b->ip,
			            b->labels, b->web, b->dns);
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(objects.policies); i++) {
		if (objects.policies[i]) {
			print_error("---\n%s", objects.policies[i]);
		}
	}
	print_error("the model says:\n");
	(void)policy_decide(objects.w->m, &f, &trace);
}

static void differ(const struct probe *p)
{
	char what[PROBE_TEXT_SIZE], outcome[PROBE_TEXT_SIZE];

	print_error("%s: %s, the model says %s\nseed %lu, round %u, which began with:\n%s\n",
	            probe_text(p, what), probe_outcome_text(p, outcome),
	            model_admits(p, p->at) ? "admitted" : "denied", t.seed, t.round,
	            strbuf_str(&objects.story));
	if (p->fd < 0 && still_differs(p)) {
		reduce_policies(p);
		print_error("the same with no more than this:\n");
	} else {
		print_error("a new flow of that kind is judged rightly now; all there was:\n");
	}
	tell_world(p);
	fail_msg("kernel and model differ, seed %lu", t.seed);
}

/* Not for want of a rule that admits. */
static bool denied_by_rule(const struct probe *p)
{
	struct flow f = { p->src, p->at.ip, p->proto, p->at.port };

	return policy_reason_of(objects.w->m, &f,
	                        p->reason == DROP_EGRESS ? VERDICT_DENY_EGRESS
	                                                 : VERDICT_DENY_INGRESS)
	               .rule != NULL;
}

static void check_all(struct probe *probes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!agrees(&probes[i])) {
			differ(&probes[i]);
		}
		t.asked++;
		if (probes[i].outcome == PROBE_DROPPED) {
			t.denied++;
			t.by_rule += denied_by_rule(&probes[i]);
		}
	}
}

/* ---- asking ---- */

static void ask_pods_directly(void)
{
	vec_clear(&t.questions);
	for (size_t i = 0; i < t.open.n; i++) {
		vec_push(&t.questions, t.open.at[i]);
	}
	while (t.questions.n < t.open.n + NEW_FLOWS) {
		struct probe p = PROBE_NEW;

		p.src = any_place();
		p.dst = any_place();
		p.proto = ONE_OF(protos);
		p.port = (uint16_t)(80 + below(3));
		p.keep = p.proto != PROTO_SCTP && p.port <= PROBE_SERVED_TO && one_in(8);
		if (!ip_eq(p.src, p.dst)) {
			vec_push(&t.questions, p);
		}
	}
	probes_run(objects.probes, t.questions.at, t.questions.n);
	check_all(t.questions.at, t.questions.n);
}

/* Open flows of the next round. A TCP flow that was dropped would only send again what was lost. */
static void keep_flows(void)
{
	vec_clear(&t.open);
	for (size_t i = 0; i < t.questions.n; i++) {
		struct probe *p = &t.questions.at[i];

		if (p->fd < 0) {
			continue;
		}
		if (t.open.n < OPEN_FLOWS &&
		    (p->proto == PROTO_UDP || p->outcome == PROBE_ARRIVED)) {
			vec_push(&t.open, *p);
		} else {
			close(p->fd);
		}
	}
}

static bool ask_port(void *arg, const struct service_port *port)
{
	const struct endpoint *usable[ARRAY_SIZE(t.ends)];
	size_t n = service_usable(port, false, SLICE("node-1"), usable, ARRAY_SIZE(usable)),
	       *used = arg, first = *used;

	assert_true(first + n <= ARRAY_SIZE(t.ends));
	for (size_t i = 0; i < n; i++) {
		t.ends[(*used)++] = (struct probe_end){ usable[i]->ip, usable[i]->port };
	}
	for (unsigned i = 0; i < ADDRESSES; i++) {
		struct probe p = PROBE_NEW;
		bool itself = false; /* that flow changes its source on the way */

		if (!objects.boxes[i].alive) {
			continue;
		}
		p.src = ip_of(objects.boxes[i].ip);
		for (size_t k = 0; k < n; k++) {
			itself |= ip_eq(t.ends[first + k].ip, p.src);
		}
		if (itself) {
			continue;
		}
		p.dst = port->cluster_ips[0];
		p.port = port->port;
		p.proto = port->proto;
		p.ends = n ? &t.ends[first] : NULL;
		p.n_ends = n;
		vec_push(&t.questions, p);
	}
	return true;
}

/* By the node, or by the socket's own kernel where services are balanced at sockets. */
static bool is_refused(const struct probe *p)
{
	return p->outcome == PROBE_DROPPED
	               ? p->reason == DROP_NO_ENDPOINT
	               : p->outcome == PROBE_REFUSED && world_has_sockets() &&
	                         (p->error == EPERM || p->error == ECONNREFUSED);
}

static void check_service(void)
{
	for (size_t i = 0; i < t.questions.n; i++) {
		struct probe *p = &t.questions.at[i];

		if (p->n_ends) {
			check_all(p, 1);
		} else {
			t.asked++;
			if (!is_refused(p)) {
				differ(p);
			}
		}
	}
}

static void ask_a_service(void)
{
	char name[8];
	size_t used = 0;

	snprintf(name, sizeof(name), "s%u", below(SERVICES));
	vec_clear(&t.questions);
	model_each_port_of(objects.w->m, SLICE("default"), slice_of(name), ask_port, &used);
	if (t.questions.n) {
		probes_run(objects.probes, t.questions.at, t.questions.n);
		check_service();
	}
}

static void the_kernel_answers_as_the_model_does(void **state)
{
	(void)state;
	while (t.asked < t.wanted) {
		unsigned changes = 1 + below(6);

		t.round++;
		strbuf_reset(&objects.story);
		for (unsigned i = 0; i < changes; i++) {
			change_something();
		}
		world_sync(objects.w);
		if (one_in(3)) {
			world_wait_ms(
				objects.w,
				150); /* so that flows are believed without being judged again */
		}
		ask_pods_directly();
		keep_flows();
		ask_a_service();
		if (one_in(20)) {
			(void)world_restart(objects.w);
		}
	}
	print_message("# seed %lu: %u questions in %u rounds, %u denied, %u of them by a rule\n",
	              t.seed, t.asked, t.round, t.denied, t.by_rule);
	assert_true(t.denied > t.asked / 20);
	assert_true(t.denied < t.asked - t.asked / 20);
}

/* ---- frame ---- */

static int setup(void **state)
{
	(void)state;
	objects.w = world_new();
	objects.probes = probes_new(objects.w);
	objects.leaves = forget_flows_of;
	objects_start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < t.open.n; i++) {
		close(t.open.at[i].fd);
	}
	vec_fini(&t.open);
	vec_fini(&t.questions);
	objects_fini();
	probes_free(objects.probes);
	world_free(objects.w);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		the_kernel_answers_as_the_model_does) };

	t.seed = argc > 1 ? strtoul(argv[1], NULL, 10) : chance_u32();
	t.wanted = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : QUESTIONS;
	objects.random = t.seed;
	print_message("# seed %lu\n", t.seed);
	return cmocka_run_group_tests_name("random worlds", tests, setup, teardown);
}
