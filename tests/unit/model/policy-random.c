/* Why: two answers to one question. Random worlds are judged rule by rule (policy_decide) and by
 * the compiled table (policy_table_decide), while they change; the two must agree on every flow,
 * and the table kept up to date must agree with one made from nothing. Seeds are fixed: a failure
 * repeats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "random-world.h"

enum { FLOWS = 1200, WORLDS = 120, CHANGES = 5 };

static struct model *made_from_nothing(const struct random_world *w)
{
	struct model *m = model_new();

	for (unsigned i = CLUSTER_POLICIES; i-- > 0;) {
		put(m, w->cluster[i] ? w->cluster[i] : "");
	}
	put(m, w->host ? w->host : "");
	put(m, w->node);
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
		for (unsigned i = 0; i < CLUSTER_POLICIES; i++) {
			print_error("%s\n", w->cluster[i] ? w->cluster[i] : "");
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
			assert_true(b->admits || b->peer != POLICY_PEER_ANY);
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

/* The tiers are not there for nothing: each decides both ways somewhere. */
static void every_tier_decides_in_random_worlds(void **state)
{
	(void)state;
	size_t seen[TIER_BASELINE + 1][2] = { 0 };
	struct random_world w;

	for (uint64_t seed = 1; seed <= 150; seed++) {
		begin(&w, seed);
		for (unsigned i = 0; i < 200; i++) {
			struct flow f = random_flow(&w);
			struct policy_reason sides[] = {
				policy_reason_of(w.m, &f, VERDICT_DENY_EGRESS),
				policy_reason_of(w.m, &f, VERDICT_DENY_INGRESS),
			};

			for (size_t k = 0; k < ARRAY_SIZE(sides); k++) {
				seen[sides[k].tier][sides[k].admits] += sides[k].object != NULL;
			}
		}
		end(&w);
	}
	for (int tier = TIER_ADMIN; tier <= TIER_BASELINE; tier++) {
		assert_in_range(seen[tier][0], 20, SIZE_MAX);
		assert_in_range(seen[tier][1], 20, SIZE_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways_to_judge_agree_in_random_worlds),
		cmocka_unit_test(every_verdict_occurs_in_random_worlds),
		cmocka_unit_test(every_tier_decides_in_random_worlds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
