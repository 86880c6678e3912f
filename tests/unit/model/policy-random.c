/* Why: two answers to one question. Random worlds are judged rule by rule (policy_decide) and by
 * the compiled table (policy_table_decide), while they change; the two must agree on every flow,
 * and the table kept up to date must agree with one made from nothing. Seeds are fixed: a failure
 * repeats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "model/policy-table.h"
#include "world.h"

enum { SPACES = 4, PODS = 12, POLICIES = 6, FLOWS = 1200, WORLDS = 120, CHANGES = 5 };

struct random_world {
	uint64_t state;
	struct model *m;
	char *spaces[SPACES]; /* the object's text, or null */
	char *pods[PODS];
	char *policies[POLICIES];
};

static unsigned roll(struct random_world *w, unsigned n)
{
	w->state ^= w->state << 13;
	w->state ^= w->state >> 7;
	w->state ^= w->state << 17;
	return (unsigned)((w->state >> 11) % n);
}

static const char *pick(struct random_world *w, const char *const *of, size_t n)
{
	return of[roll(w, (unsigned)n)];
}
#define PICK(w, ...)                                                                               \
	pick((w), (const char *const[]){ __VA_ARGS__ },                                            \
	     sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

/* ---- random objects ---- */

static void add_labels(struct random_world *w, struct strbuf *b)
{
	strbuf_adds(b, "{");
	for (unsigned i = 0, n = roll(w, 3); i < n; i++) {
		strbuf_addf(b, "%s%s: %s", i ? ", " : "", i ? "tier" : "app",
		            PICK(w, "x", "y", "z"));
	}
	strbuf_adds(b, "}");
}

static char *random_space(struct random_world *w, unsigned i)
{
	scoped_strbuf struct strbuf b = { 0 };

	strbuf_addf(&b, "{apiVersion: v1, kind: Namespace, metadata: {name: n%u, labels: ", i);
	add_labels(w, &b);
	strbuf_adds(&b, "}}");
	return strbuf_steal(&b);
}

static void add_pod_ports(struct random_world *w, struct strbuf *b)
{
	strbuf_adds(b, "containers: [{name: c, ports: [");
	for (unsigned i = 0, n = roll(w, 3); i < n; i++) {
		strbuf_addf(b, "{name: %s, containerPort: %s, protocol: %s}, ",
		            PICK(w, "web", "dns"), PICK(w, "53", "80", "81", "8080"),
		            PICK(w, "TCP", "UDP", "SCTP"));
	}
	strbuf_adds(b, "]}], initContainers: [{name: i, ");
	strbuf_addf(b, "restartPolicy: %s, ports: [{name: web, containerPort: 81}]}]",
	            PICK(w, "Always", "OnFailure"));
}

static char *random_pod(struct random_world *w, unsigned i)
{
	scoped_strbuf struct strbuf b = { 0 };
	bool host = roll(w, 8) == 0;

	strbuf_addf(&b,
	            "{apiVersion: v1, kind: Pod, metadata: {name: p%u, namespace: n%u, labels: ", i,
	            roll(w, SPACES));
	add_labels(w, &b);
	strbuf_addf(&b, "%s}, spec: {nodeName: node, hostNetwork: %s, ",
	            roll(w, 6) == 0 ? ", deletionTimestamp: '2026-01-01T00:00:00Z'" : "",
	            host ? "true" : "false");
	add_pod_ports(w, &b);
	strbuf_addf(&b, "}, status: {phase: %s",
	            PICK(w, "Running", "Running", "Pending", "Failed", "Succeeded"));
	if (host) {
		strbuf_adds(&b, ", podIP: 10.0.2.10, podIPs: [{ip: 10.0.2.10}]");
	} else if (roll(w, 6)) {
		/* two pods may claim one address for a while */
		unsigned at = roll(w, 5) ? i : roll(w, PODS);

		strbuf_addf(&b,
		            ", podIP: 10.244.0.%u, podIPs: [{ip: 10.244.0.%u}, {ip: 'fd00::%x'}]",
		            at, at, at);
	}
	strbuf_adds(&b, "}}");
	return strbuf_steal(&b);
}

static void add_selector(struct random_world *w, struct strbuf *b)
{
	switch (roll(w, 7)) {
	case 0:
		strbuf_adds(b, "{}");
		break;
	case 1:
		strbuf_addf(b, "{matchExpressions: [{key: %s, operator: %s}]}",
		            PICK(w, "app", "tier"), PICK(w, "Exists", "DoesNotExist"));
		break;
	case 2:
		strbuf_addf(b, "{matchExpressions: [{key: app, operator: %s, values: [x, %s]}]}",
		            PICK(w, "In", "NotIn"), PICK(w, "y", "z"));
		break;
	case 3:
		strbuf_addf(b,
		            "{matchLabels: {app: %s}, matchExpressions: [{key: tier, operator: "
		            "Exists}]}",
		            PICK(w, "x", "y", "z"));
		break;
	case 4:
		strbuf_addf(b, "{matchLabels: {kubernetes.io/metadata.name: n%u}}",
		            roll(w, SPACES));
		break;
	default:
		strbuf_addf(b, "{matchLabels: {%s: %s}}", PICK(w, "app", "tier"),
		            PICK(w, "x", "y", "z"));
	}
}

static void add_block(struct random_world *w, struct strbuf *b)
{
	switch (roll(w, 6)) {
	case 0:
		strbuf_adds(b, "ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}");
		break;
	case 1:
		strbuf_adds(
			b,
			"ipBlock: {cidr: 10.244.0.0/24, except: [10.244.0.4/30, 10.244.0.9/32]}");
		break;
	case 2:
		strbuf_addf(b, "ipBlock: {cidr: 10.244.0.%u/%u}", roll(w, 16), 28 + roll(w, 5));
		break;
	case 3:
		strbuf_adds(b, "ipBlock: {cidr: '::/0', except: ['fd00::/125']}");
		break;
	case 4:
		strbuf_addf(b, "ipBlock: {cidr: 255.255.255.%u/%u}", roll(w, 256), 24 + roll(w, 9));
		break;
	default:
		strbuf_addf(b, "ipBlock: {cidr: 192.0.2.7/%u}", roll(w, 33));
	}
}

static void add_peer(struct random_world *w, struct strbuf *b)
{
	strbuf_adds(b, "{");
	switch (roll(w, 4)) {
	case 0:
		add_block(w, b);
		break;
	case 1:
		strbuf_adds(b, "podSelector: ");
		add_selector(w, b);
		break;
	case 2:
		strbuf_adds(b, "namespaceSelector: ");
		add_selector(w, b);
		break;
	default:
		strbuf_adds(b, "namespaceSelector: ");
		add_selector(w, b);
		strbuf_adds(b, ", podSelector: ");
		add_selector(w, b);
	}
	strbuf_adds(b, "}, ");
}

static void add_port(struct random_world *w, struct strbuf *b)
{
	strbuf_adds(b, "{");
	if (roll(w, 3)) {
		strbuf_addf(b, "protocol: %s, ", PICK(w, "TCP", "UDP", "SCTP"));
	}
	switch (roll(w, 5)) {
	case 0:
		break;
	case 1:
		strbuf_addf(b, "port: %s", PICK(w, "web", "dns", "none"));
		break;
	case 2:
		strbuf_addf(b, "port: %u, endPort: %s", 50 + roll(w, 35),
		            PICK(w, "85", "8080", "65535"));
		break;
	default:
		strbuf_addf(b, "port: %s", PICK(w, "53", "80", "81", "8080"));
	}
	strbuf_adds(b, "}, ");
}

static void add_rules(struct random_world *w, struct strbuf *b, const char *direction,
                      const char *peers)
{
	strbuf_addf(b, ", %s: [", direction);
	for (unsigned i = 0, n = roll(w, 3); i < n; i++) {
		strbuf_adds(b, "{");
		if (roll(w, 4)) {
			strbuf_addf(b, "%s: [", peers);
			for (unsigned k = 0, count = roll(w, 4); k < count; k++) {
				add_peer(w, b);
			}
			strbuf_adds(b, "], ");
		}
		if (roll(w, 3)) {
			strbuf_adds(b, "ports: [");
			for (unsigned k = 0, count = roll(w, 4); k < count; k++) {
				add_port(w, b);
			}
			strbuf_adds(b, "]");
		}
		strbuf_adds(b, "}, ");
	}
	strbuf_adds(b, "]");
}

static char *random_policy(struct random_world *w, unsigned i)
{
	scoped_strbuf struct strbuf b = { 0 };

	strbuf_addf(&b,
	            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: q%u, "
	            "namespace: n%u}, "
	            "spec: {podSelector: ",
	            i, i % SPACES);
	add_selector(w, &b);
	strbuf_adds(&b, PICK(w, "", "", ", policyTypes: [Ingress]", ", policyTypes: [Egress]",
	                     ", policyTypes: [Ingress, Egress]"));
	if (roll(w, 4)) {
		add_rules(w, &b, "ingress", "from");
	}
	if (roll(w, 2)) {
		add_rules(w, &b, "egress", "to");
	}
	strbuf_adds(&b, "}}");
	return strbuf_steal(&b);
}

/* ---- a world that changes ---- */

static void replace(struct random_world *w, char **slot, char *text)
{
	if (*slot && (!text || roll(w, 2))) {
		drop(w->m, *slot);
	} else if (*slot && strstr(*slot, "kind: Pod")) {
		drop(w->m, *slot); /* it may come back in another namespace */
	}
	if (text) {
		put(w->m, text);
	}
	free(*slot);
	*slot = text;
}

static void change_something(struct random_world *w)
{
	unsigned i;

	switch (roll(w, 6)) {
	case 0:
		i = roll(w, SPACES);
		replace(w, &w->spaces[i], roll(w, 4) ? random_space(w, i) : NULL);
		break;
	case 1:
		i = roll(w, POLICIES);
		replace(w, &w->policies[i], roll(w, 4) ? random_policy(w, i) : NULL);
		break;
	default:
		i = roll(w, PODS);
		replace(w, &w->pods[i], roll(w, 4) ? random_pod(w, i) : NULL);
	}
}

static void begin(struct random_world *w, uint64_t seed)
{
	*w = (struct random_world){ .state = seed * 0x9e3779b97f4a7c15u + 1, .m = model_new() };
	for (unsigned i = 0; i < 8; i++) {
		roll(w, 2);
	}
	put(w->m, "{apiVersion: v1, kind: Node, metadata: {name: node}, "
	          "status: {addresses: [{type: InternalIP, address: 10.0.2.10}]}}");
	for (unsigned i = 0; i < SPACES - 1; i++) {
		replace(w, &w->spaces[i], random_space(w, i));
	}
	for (unsigned i = 0; i < PODS; i++) {
		replace(w, &w->pods[i], random_pod(w, i));
	}
	for (unsigned i = 0, n = roll(w, POLICIES + 1); i < n; i++) {
		replace(w, &w->policies[i], random_policy(w, i));
	}
}

static void end(struct random_world *w)
{
	for (unsigned i = 0; i < SPACES; i++) {
		free(w->spaces[i]);
	}
	for (unsigned i = 0; i < PODS; i++) {
		free(w->pods[i]);
	}
	for (unsigned i = 0; i < POLICIES; i++) {
		free(w->policies[i]);
	}
	model_free(w->m);
}

static struct model *made_from_nothing(const struct random_world *w)
{
	struct model *m = model_new();

	for (unsigned i = POLICIES; i-- > 0;) {
		put(m, w->policies[i] ? w->policies[i] : "");
	}
	for (unsigned i = PODS; i-- > 0;) {
		put(m, w->pods[i] ? w->pods[i] : "");
	}
	for (unsigned i = SPACES; i-- > 0;) {
		put(m, w->spaces[i] ? w->spaces[i] : "");
	}
	return m;
}

/* ---- judging ---- */

static struct ip random_address(struct random_world *w)
{
	static const char *const others[] = { "10.0.2.10",       "192.0.2.7",     "192.0.2.8",
		                              "255.255.255.255", "0.0.0.0",       "10.9.9.9",
		                              "2001:db8::1",     "fd00::f",       "::",
		                              "10.244.0.200",    "255.255.255.7", "10.244.0.14" };
	char text[32];

	if (roll(w, 3) == 0) {
		return ip_of(others[roll(w, ARRAY_SIZE(others))]);
	}
	snprintf(text, sizeof(text), roll(w, 4) ? "10.244.0.%u" : "fd00::%u", roll(w, PODS));
	return ip_of(text);
}

static struct flow random_flow(struct random_world *w)
{
	static const unsigned protos[] = { PROTO_TCP, PROTO_TCP, PROTO_UDP, PROTO_SCTP, 1 };
	static const uint16_t ports[] = { 0, 53, 60, 80, 81, 443, 8080, 65535 };
	struct flow f = { random_address(w), random_address(w), 0, 0 };

	f.proto = protos[roll(w, ARRAY_SIZE(protos))];
	f.dst_port = ports[roll(w, ARRAY_SIZE(ports))];
	return f;
}

static void print_line(void *arg, const struct val *object, const char *text)
{
	(void)arg;
	(void)object;
	print_error("  %s\n", text);
}

static void expect_agreement(const struct random_world *w, const struct flow *f,
                             const struct policy_table *t, const char *which)
{
	enum verdict one = policy_decide(w->m, f, NULL), two = policy_table_decide(t, f);
	char src[IP_TEXT_SIZE], dst[IP_TEXT_SIZE];

	if (ip_eq(f->src, ip_of("10.0.2.10"))) {
		return; /* a node reaches its own pods, and that is not in the table */
	}
	if (one != two) {
		for (unsigned i = 0; i < POLICIES; i++) {
			print_error("%s\n", w->policies[i] ? w->policies[i] : "");
		}
		policy_decide(w->m, f, &(struct trace){ print_line, NULL });
		fail_msg("%s: %s -> %s proto %d port %d: decided %d, table says %d", which,
		         ip_format(f->src, src), ip_format(f->dst, dst), f->proto, f->dst_port, one,
		         two);
	}
}

static void swallow(void *arg, const struct val *object, const char *text)
{
	(void)object;
	*(size_t *)arg += strlen(text);
}

static void expect_same_with_trace(const struct random_world *w, const struct flow *f)
{
	size_t said = 0;

	assert_int_equal(policy_decide(w->m, f, NULL),
	                 policy_decide(w->m, f, &(struct trace){ swallow, &said }));
	assert_true(said > 0);
}

static void expect_form(const struct policy_table *t)
{
	for (size_t i = 0; i < t->n_pods; i++) {
		assert_true(t->pods[i].class_id != POLICY_CLASS_NONE);
		assert_true(i == 0 || ip_cmp(t->pods[i - 1].ip, t->pods[i].ip) < 0);
	}
	for (size_t i = 0; i < t->n_blocks; i++) {
		assert_true(t->blocks[i].class_id != POLICY_CLASS_NONE);
		assert_int_equal(t->blocks[i].from.family, t->blocks[i].to.family);
		assert_true(ip_cmp(t->blocks[i].from, t->blocks[i].to) <= 0);
		assert_true(i == 0 || ip_cmp(t->blocks[i - 1].to, t->blocks[i].from) < 0);
	}
	for (int dir = 0; dir < POLICY_DIRECTIONS; dir++) {
		for (size_t i = 1; i < t->n_rows[dir]; i++) {
			const struct policy_row *a = &t->rows[dir][i - 1], *b = &t->rows[dir][i];

			assert_true(a->subject <= b->subject);
			if (a->subject == b->subject && a->peer == b->peer) {
				assert_true(a->proto != POLICY_PROTO_ANY);
				assert_true(a->proto < b->proto || a->port_to < b->port_from);
			}
		}
	}
}

static void judge(struct random_world *w)
{
	struct model *fresh = made_from_nothing(w);

	for (unsigned i = 0; i < FLOWS; i++) {
		struct flow f = random_flow(w);

		expect_agreement(w, &f, policy_table_of(w->m), "kept table");
		expect_agreement(w, &f, policy_table_of(fresh), "fresh table");
		if (i % 16 == 0) {
			expect_same_with_trace(w, &f);
		}
	}
	expect_form(policy_table_of(w->m));
	expect_form(policy_table_of(fresh));
	model_free(fresh);
}

static void both_ways_to_judge_agree_in_random_worlds(void **state)
{
	(void)state;
	struct random_world w;

	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		begin(&w, seed);
		judge(&w);
		for (unsigned i = 0; i < CHANGES; i++) {
			change_something(&w);
			change_something(&w);
			judge(&w);
		}
		end(&w);
	}
}

static void every_verdict_occurs_in_random_worlds(void **state)
{
	(void)state;
	size_t seen[3] = { 0 };
	struct random_world w;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		begin(&w, seed);
		for (unsigned i = 0; i < 200; i++) {
			struct flow f = random_flow(&w);

			seen[policy_decide(w.m, &f, NULL)]++;
		}
		end(&w);
	}
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
		assert_true(seen[i] > 50);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways_to_judge_agree_in_random_worlds),
		cmocka_unit_test(every_verdict_occurs_in_random_worlds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
