/* Why: the kernel and the model must say the same of every flow, whatever objects there are and however they came to be.
 * Rounds of random changes (policies, pods, labels, namespaces, services, endpoints); after each one random questions,
 * put to model/ and to the kernel with packets, on new flows and on open ones.
 *
 *     test-dataplane-random-worlds [SEED [QUESTIONS]]
 *
 * A difference is reported with its seed and as few policies as still show it. */
#include "probes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/chance.h"
#include "base/strbuf.h"
#include "base/vec.h"

#define QUESTIONS    10000u
#define PODS_MAX     11u /* alive at once */
#define ADDRESSES    14u /* fewer than pods come to be: they are used again */
#define SPACES       3u
#define POLICIES     8u
#define SERVICES     4u
#define NEW_FLOWS    260u /* a round */
#define OPEN_FLOWS   40u
#define SERVICE_PORT 8000

struct box {
	char ns[8], name[16];
	char ip[16];
	char labels[64];
	uint16_t web, dns; /* numbers of its named ports */
	bool alive;
};

struct end { /* of a service, at the pod of that address */
	bool listed, ready, serving, terminating;
};
struct service {
	struct end ends[ADDRESSES];
	uint16_t targets[3]; /* of TCP, UDP, SCTP */
};

static struct {
	struct world *w;
	struct probes *probes;
	uint64_t random;
	unsigned long seed;
	unsigned wanted, asked, denied, round, next_name, next_service;
	struct box boxes[ADDRESSES]; /* by address */
	char space_labels[SPACES][64];
	char *policies[POLICIES]; /* whole objects; null: none */
	struct service services[SERVICES];
	struct probe_end ends[64]; /* of the service that is asked */
	VEC(struct probe) questions;
	VEC(struct probe) open;
	struct strbuf story; /* what changed before this round's questions */
} t;

/* ---- chance ---- */

/* The same numbers for the same seed everywhere (splitmix64). */
static unsigned below(unsigned limit)
{
	uint64_t z = (t.random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((z ^ z >> 31) % limit);
}

static bool one_in(unsigned n)
{
	return below(n) == 0;
}

#define ONE_OF(array) ((array)[below((unsigned)ARRAY_SIZE(array))])

static const char *const space_names[SPACES] = { "red", "green", "blue" };
static const char *const apps[] = { "a", "b", "c" };
static const char *const tiers[] = { "front", "back" };
static const char *const teams[] = { "one", "two" };

/* ---- namespaces and pods ---- */

static void put_space(unsigned i)
{
	char *labels = t.space_labels[i];

	snprintf(labels, sizeof(t.space_labels[i]),
	         one_in(3) ? "{kubernetes.io/metadata.name: %s}"
	                   : "{kubernetes.io/metadata.name: %s, team: %s}",
	         space_names[i], ONE_OF(teams));
	world_put(t.w, "{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: %s}}",
	          space_names[i], labels);
	strbuf_addf(&t.story, "namespace %s is %s\n", space_names[i], labels);
}

static void put_box(struct box *b)
{
	snprintf(b->labels, sizeof(b->labels), one_in(4) ? "{app: %s}" : "{app: %s, tier: %s}",
	         ONE_OF(apps), ONE_OF(tiers));
	world_put(t.w,
	          "apiVersion: v1\nkind: Pod\n"
	          "metadata: {name: %s, namespace: %s, uid: uid-%s-%s, labels: %s}\n"
	          "spec: {nodeName: node-1, containers: [{name: main, ports: [{name: web, "
	          "containerPort: %u}, "
	          "{name: dns, containerPort: %u, protocol: UDP}]}]}\n"
	          "status: {phase: Running, podIP: %s, podIPs: [{ip: %s}]}\n",
	          b->name, b->ns, b->ns, b->name, b->labels, b->web, b->dns, b->ip, b->ip);
	strbuf_addf(&t.story, "pod %s/%s %s is %s, web %u, dns %u\n", b->ns, b->name, b->ip,
	            b->labels, b->web, b->dns);
}

static unsigned count_alive(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ADDRESSES; i++) {
		n += t.boxes[i].alive;
	}
	return n;
}

static void add_box(struct box *b)
{
	*b = (struct box){ .web = (uint16_t)(80 + below(3)),
		           .dns = (uint16_t)(80 + below(3)),
		           .alive = true };
	snprintf(b->ns, sizeof(b->ns), "%s", ONE_OF(space_names));
	snprintf(b->name, sizeof(b->name), "p%u", t.next_name++);
	snprintf(b->ip, sizeof(b->ip), "10.244.0.%u", (unsigned)(b - t.boxes) * 9 + 10);
	put_box(b);
	probes_add_place(t.probes, ip_of(b->ip), attach_pod(t.w, b->ns, b->name, b->ip));
}

static void forget_flows_of(struct ip ip)
{
	for (size_t i = t.open.n; i-- > 0;) {
		if (ip_eq(t.open.at[i].src, ip) || ip_eq(t.open.at[i].dst, ip)) {
			close(t.open.at[i].fd);
			vec_remove(&t.open, i);
		}
	}
}

static void remove_box(struct box *b)
{
	strbuf_addf(&t.story, "pod %s/%s goes\n", b->ns, b->name);
	forget_flows_of(ip_of(b->ip));
	probes_remove_place(t.probes, ip_of(b->ip));
	remove_pod(t.w, b->ns, b->name);
	b->alive = false;
}

static struct box *any_box(bool alive)
{
	unsigned from = below(ADDRESSES);

	for (unsigned i = 0; i < ADDRESSES; i++) {
		struct box *b = &t.boxes[(from + i) % ADDRESSES];

		if (b->alive == alive) {
			return b;
		}
	}
	return NULL;
}

/* ---- policies ---- */

static void add_selector(struct strbuf *out)
{
	switch (below(6)) {
	case 0:
		strbuf_adds(out, "{}");
		break;
	case 1:
		strbuf_addf(out, "{matchLabels: {app: %s, tier: %s}}", ONE_OF(apps), ONE_OF(tiers));
		break;
	case 2:
		strbuf_addf(out, "{matchExpressions: [{key: app, operator: NotIn, values: [%s]}]}",
		            ONE_OF(apps));
		break;
	case 3:
		strbuf_addf(out, "{matchExpressions: [{key: tier, operator: %s}]}",
		            one_in(2) ? "Exists" : "DoesNotExist");
		break;
	default:
		strbuf_addf(out, "{matchLabels: {app: %s}}", ONE_OF(apps));
	}
}

static void add_space_selector(struct strbuf *out)
{
	switch (below(4)) {
	case 0:
		strbuf_adds(out, "{}");
		break;
	case 1:
		strbuf_addf(out, "{matchLabels: {kubernetes.io/metadata.name: %s}}",
		            ONE_OF(space_names));
		break;
	case 2:
		strbuf_addf(out, "{matchExpressions: [{key: team, operator: NotIn, values: [%s]}]}",
		            ONE_OF(teams));
		break;
	default:
		strbuf_addf(out, "{matchLabels: {team: %s}}", ONE_OF(teams));
	}
}

static void add_block(struct strbuf *out)
{
	unsigned host = below(128), len = 25 + below(8);

	if (one_in(8)) {
		strbuf_adds(out, "ipBlock: {cidr: 10.0.2.0/24}"); /* the node */
	} else if (one_in(2)) {
		strbuf_addf(out, "ipBlock: {cidr: 10.244.0.%u/%u}", host, len);
	} else {
		strbuf_addf(out, "ipBlock: {cidr: 10.244.0.%u/24, except: [10.244.0.%u/%u]}", host,
		            below(128), len);
	}
}

static void add_peer(struct strbuf *out)
{
	unsigned kind = below(4);

	strbuf_addc(out, '{');
	if (kind == 0) {
		add_block(out);
	}
	if (kind == 1 || kind == 3) {
		strbuf_adds(out, "podSelector: ");
		add_selector(out);
	}
	if (kind >= 2) {
		strbuf_adds(out, kind == 3 ? ", namespaceSelector: " : "namespaceSelector: ");
		add_space_selector(out);
	}
	strbuf_addc(out, '}');
}

static void add_port(struct strbuf *out)
{
	static const char *const names[] = { "TCP", "UDP", "SCTP" };

	switch (below(6)) {
	case 0:
		strbuf_addf(out, "{protocol: %s}", ONE_OF(names));
		break;
	case 1:
		strbuf_addf(out, "{protocol: %s, port: %u, endPort: %u}", ONE_OF(names),
		            79 + below(2), 81 + below(2));
		break;
	case 2:
		strbuf_adds(out, one_in(2) ? "{port: web}" : "{protocol: UDP, port: dns}");
		break;
	default:
		strbuf_addf(out, "{protocol: %s, port: %u}", ONE_OF(names), 80 + below(3));
	}
}

static void add_list(struct strbuf *out, const char *name, void (*add)(struct strbuf *out))
{
	unsigned n = below(4); /* none: all */

	strbuf_addf(out, "%s: [", name);
	for (unsigned i = 0; i < n; i++) {
		strbuf_adds(out, i ? ", " : "");
		add(out);
	}
	strbuf_addc(out, ']');
}

static void add_rules(struct strbuf *out, bool ingress)
{
	unsigned n = below(3);

	strbuf_addf(out, "  %s: [", ingress ? "ingress" : "egress");
	for (unsigned i = 0; i < n; i++) {
		strbuf_adds(out, i ? ", {" : "{");
		add_list(out, ingress ? "from" : "to", add_peer);
		strbuf_adds(out, ", ");
		add_list(out, "ports", add_port);
		strbuf_adds(out, "}");
	}
	strbuf_adds(out, "]\n");
}

static const char *make_policy(unsigned slot)
{
	static const char *const types[] = { "[Ingress]", "[Egress]", "[Ingress, Egress]" };
	struct strbuf out = { 0 };

	strbuf_addf(&out,
	            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
	            "metadata: {name: n%u, namespace: %s}\nspec:\n  podSelector: ",
	            slot, space_names[slot % SPACES]);
	add_selector(&out);
	strbuf_addf(&out, "\n  policyTypes: %s\n", ONE_OF(types));
	add_rules(&out, true);
	add_rules(&out, false);
	return strbuf_steal(&out);
}

static void remove_policy(unsigned slot)
{
	world_remove(t.w, "%s", t.policies[slot]);
	strbuf_addf(&t.story, "policy n%u goes\n", slot);
	free(t.policies[slot]);
	t.policies[slot] = NULL;
}

static void change_policy(unsigned slot)
{
	if (t.policies[slot]) {
		remove_policy(slot);
	}
	if (!one_in(4)) {
		t.policies[slot] = (char *)make_policy(slot);
		world_put(t.w, "%s", t.policies[slot]);
		strbuf_adds(&t.story, t.policies[slot]);
	}
}

/* ---- services ---- */

static void put_slices(unsigned slot)
{
	static const char *const names[] = { "TCP", "UDP", "SCTP" };
	struct service *service = &t.services[slot];
	struct strbuf ends = { 0 };

	for (unsigned i = 0; i < ADDRESSES; i++) {
		const struct end *e = &service->ends[i];

		if (e->listed) {
			strbuf_addf(&ends,
			            "%s{addresses: [%s], nodeName: node-1, conditions: {ready: %s, "
			            "serving: %s, "
			            "terminating: %s}}",
			            ends.size ? ", " : "", t.boxes[i].ip,
			            e->ready ? "true" : "false", e->serving ? "true" : "false",
			            e->terminating ? "true" : "false");
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		world_put(t.w,
		          "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
		          "metadata: {name: s%u-%u, namespace: default, labels: "
		          "{kubernetes.io/service-name: s%u}}\n"
		          "addressType: IPv4\nports: [{name: %s, protocol: %s, port: "
		          "%u}]\nendpoints: [%s]\n",
		          slot, i, slot, names[i], names[i], service->targets[i],
		          strbuf_str(&ends));
	}
	strbuf_addf(&t.story, "service s%u has [%s]\n", slot, strbuf_str(&ends));
	strbuf_fini(&ends);
}

static void change_service(unsigned slot)
{
	struct service *service = &t.services[slot];

	world_put(t.w,
	          "apiVersion: v1\nkind: Service\nmetadata: {name: s%u, namespace: default}\n"
	          "spec: {clusterIP: 10.1.0.%u, clusterIPs: [10.1.0.%u], ports: ["
	          "{name: TCP, protocol: TCP, port: %u}, {name: UDP, protocol: UDP, port: %u}, "
	          "{name: SCTP, protocol: SCTP, port: %u}]%s}\n",
	          slot, 20 + slot, 20 + slot, SERVICE_PORT, SERVICE_PORT, SERVICE_PORT,
	          one_in(4) ? ", sessionAffinity: ClientIP" : "");
	for (unsigned i = 0; i < ADDRESSES; i++) {
		service->ends[i] = (struct end){ .listed = t.boxes[i].alive && one_in(3),
			                         .ready = !one_in(4),
			                         .serving = !one_in(4),
			                         .terminating = one_in(5) };
	}
	for (unsigned i = 0; i < ARRAY_SIZE(service->targets); i++) {
		service->targets[i] = (uint16_t)(80 + below(2));
	}
	put_slices(slot);
}

/* A pod leaves its services with it. */
static void leave_services(const struct box *b)
{
	for (unsigned slot = 0; slot < SERVICES; slot++) {
		struct end *e = &t.services[slot].ends[b - t.boxes];

		if (e->listed) {
			e->listed = false;
			put_slices(slot);
		}
	}
}

/* ---- a round's changes ---- */

static void change_something(void)
{
	struct box *b;

	switch (below(10)) {
	case 0:
		put_space(below(SPACES));
		break;
	case 1:
		b = any_box(true);
		put_box(b);
		break;
	case 2:
		b = any_box(true);
		if (count_alive() > 5) {
			leave_services(b);
			remove_box(b);
		}
		break;
	case 3:
		b = any_box(false);
		if (b && count_alive() < PODS_MAX) {
			add_box(b);
		}
		break;
	case 4:
	case 5:
		change_service(below(SERVICES));
		break;
	default:
		change_policy(below(POLICIES));
	}
}

/* ---- questions ---- */

static const enum proto protos[] = { PROTO_TCP, PROTO_UDP, PROTO_SCTP };

static struct ip any_place(void)
{
	return one_in(10) ? ip_of(NODE_IP) : ip_of(any_box(true)->ip);
}

static bool model_admits(const struct probe *p, struct probe_end to)
{
	struct flow f = { p->src, to.ip, p->proto, to.port };

	/* A node always reaches its own pods. */
	return ip_eq(p->src, ip_of(NODE_IP)) || policy_decide(t.w->m, &f, NULL) == VERDICT_ALLOW;
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
	world_sync(t.w);
	probes_run(t.probes, &p, 1);
	return !agrees(&p);
}

/* Takes away what is not needed for the difference. */
static void reduce_policies(const struct probe *p)
{
	for (unsigned i = 0; i < POLICIES; i++) {
		if (!t.policies[i]) {
			continue;
		}
		world_remove(t.w, "%s", t.policies[i]);
		if (still_differs(p)) {
			t.policies[i] = NULL;
		} else {
			world_put(t.w, "%s", t.policies[i]);
		}
	}
}

static void tell_world(const struct probe *p)
{
	const struct trace trace = { .line = tell_line };
	struct flow f = { p->src, p->at.ip, p->proto, p->at.port };

	for (unsigned i = 0; i < SPACES; i++) {
		print_error("namespace %s %s\n", space_names[i], t.space_labels[i]);
	}
	for (unsigned i = 0; i < ADDRESSES; i++) {
		const struct box *b = &t.boxes[i];

		if (b->alive && (ip_eq(ip_of(b->ip), p->src) || ip_eq(ip_of(b->ip), p->at.ip))) {
			print_error("pod %s/%s %s %s web %u dns %u\n", b->ns, b->name, b->ip,
			            b->labels, b->web, b->dns);
		}
	}
	for (unsigned i = 0; i < POLICIES; i++) {
		if (t.policies[i]) {
			print_error("---\n%s", t.policies[i]);
		}
	}
	print_error("the model says:\n");
	(void)policy_decide(t.w->m, &f, &trace);
}

static void differ(const struct probe *p)
{
	char what[PROBE_TEXT_SIZE], outcome[PROBE_TEXT_SIZE];

	print_error("%s: %s, the model says %s\nseed %lu, round %u, which began with:\n%s\n",
	            probe_text(p, what), probe_outcome_text(p, outcome),
	            model_admits(p, p->at) ? "admitted" : "denied", t.seed, t.round,
	            strbuf_str(&t.story));
	if (p->fd < 0 && still_differs(p)) {
		reduce_policies(p);
		print_error("the same with no more than this:\n");
	} else {
		print_error("a new flow of that kind is judged rightly now; all there was:\n");
	}
	tell_world(p);
	fail_msg("kernel and model differ, seed %lu", t.seed);
}

static void check_all(struct probe *probes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!agrees(&probes[i])) {
			differ(&probes[i]);
		}
		t.asked++;
		t.denied += probes[i].outcome == PROBE_DROPPED;
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
	probes_run(t.probes, t.questions.at, t.questions.n);
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

		if (!t.boxes[i].alive) {
			continue;
		}
		p.src = ip_of(t.boxes[i].ip);
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
	model_each_port_of(t.w->m, SLICE("default"), slice_of(name), ask_port, &used);
	if (t.questions.n) {
		probes_run(t.probes, t.questions.at, t.questions.n);
		check_service();
	}
}

static void the_kernel_answers_as_the_model_does(void **state)
{
	(void)state;
	while (t.asked < t.wanted) {
		unsigned changes = 1 + below(6);

		t.round++;
		strbuf_reset(&t.story);
		for (unsigned i = 0; i < changes; i++) {
			change_something();
		}
		world_sync(t.w);
		if (one_in(3)) {
			world_wait_ms(
				t.w,
				150); /* so that flows are believed without being judged again */
		}
		ask_pods_directly();
		keep_flows();
		ask_a_service();
		if (one_in(20)) {
			(void)world_restart(t.w);
		}
	}
	print_message("# seed %lu: %u questions in %u rounds, %u denied\n", t.seed, t.asked,
	              t.round, t.denied);
	assert_true(t.denied > t.asked / 20);
	assert_true(t.denied < t.asked - t.asked / 20);
}

/* ---- frame ---- */

static int setup(void **state)
{
	(void)state;
	t.w = world_new();
	t.probes = probes_new(t.w);
	for (unsigned i = 0; i < SPACES; i++) {
		put_space(i);
	}
	for (unsigned i = 0; i < 8; i++) {
		add_box(&t.boxes[i]);
	}
	for (unsigned i = 0; i < SERVICES; i++) {
		change_service(i);
	}
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
	for (unsigned i = 0; i < POLICIES; i++) {
		free(t.policies[i]);
	}
	strbuf_fini(&t.story);
	probes_free(t.probes);
	world_free(t.w);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		the_kernel_answers_as_the_model_does) };

	t.seed = argc > 1 ? strtoul(argv[1], NULL, 10) : chance_u32();
	t.wanted = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : QUESTIONS;
	t.random = t.seed;
	print_message("# seed %lu\n", t.seed);
	return cmocka_run_group_tests_name("random worlds", tests, setup, teardown);
}
