/* Why: overlapping rules of a security group must become boxes that do not overlap and admit just
 * the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/host-rules.h"

static struct host_rule rule(const char *from, enum proto proto, uint16_t port_from,
                             uint16_t port_to)
{
	struct host_rule r = { .proto = proto, .port_from = port_from, .port_to = port_to };

	assert_true(prefix_parse(slice_of(from), &r.from));
	return r;
}

static bool rules_admit(const struct host_rule *rules, size_t n, uint32_t from, enum proto proto,
                        uint16_t port)
{
	for (size_t i = 0; i < n; i++) {
		if (rules[i].proto == proto && prefix_contains(rules[i].from, ip_v4(from)) &&
		    port >= rules[i].port_from && port <= rules[i].port_to) {
			return true;
		}
	}
	return false;
}

static size_t boxes_with(const host_box_list *boxes, uint32_t from, enum proto proto, uint16_t port)
{
	size_t n = 0;

	for (size_t i = 0; i < boxes->n; i++) {
		const struct host_box *b = &boxes->at[i];

		n += b->proto == proto && from >= b->from && from <= b->to &&
		     port >= b->port_from && port <= b->port_to;
	}
	return n;
}

static void one_rule_is_one_box(void **state)
{
	struct host_rule r = rule("10.0.2.0/24", PROTO_TCP, 3306, 3306);
	host_box_list boxes = { 0 };

	(void)state;
	host_boxes(&r, 1, &boxes);
	assert_int_equal(boxes.n, 1);
	assert_int_equal(boxes.at[0].from, 0x0a000200);
	assert_int_equal(boxes.at[0].to, 0x0a0002ff);
	vec_fini(&boxes);
}

static void the_whole_world_and_nothing_are_fine(void **state)
{
	struct host_rule r = rule("0.0.0.0/0", PROTO_UDP, 0, 65535);
	host_box_list boxes = { 0 };

	(void)state;
	host_boxes(&r, 1, &boxes);
	assert_int_equal(boxes.n, 1);
	assert_int_equal(boxes.at[0].to, UINT32_MAX);
	vec_clear(&boxes);
	host_boxes(NULL, 0, &boxes);
	assert_int_equal(boxes.n, 0);
	r.port_from = 9;
	r.port_to = 8;
	host_boxes(&r, 1, &boxes);
	assert_int_equal(boxes.n, 0);
	vec_fini(&boxes);
}

static void neighbours_that_admit_the_same_are_joined(void **state)
{
	struct host_rule r[] = { rule("10.0.0.0/25", PROTO_TCP, 80, 80),
		                 rule("10.0.0.128/25", PROTO_TCP, 80, 80),
		                 rule("10.0.0.0/24", PROTO_TCP, 81, 90) };
	host_box_list boxes = { 0 };

	(void)state;
	host_boxes(r, 3, &boxes);
	assert_int_equal(boxes.n, 1);
	assert_int_equal(boxes.at[0].port_to, 90);
	vec_fini(&boxes);
}

static void random_rules_are_admitted_in_just_one_box(void **state)
{
	unsigned seed = 3;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct host_rule r[5];
		host_box_list boxes = { 0 };

		for (int i = 0; i < 5; i++) {
			seed = seed * 1103515245 + 12345;
			r[i] = (struct host_rule){
				.from = { ip_v4(0x0a000000 | (seed >> 16 & 7) << 4), 28 },
				.proto = seed >> 20 & 1 ? PROTO_TCP : PROTO_UDP,
				.port_from = (uint16_t)(seed >> 21 & 7),
				.port_to = (uint16_t)(seed >> 24 & 15)
			};
			if (seed >> 28 & 1) {
				r[i].from = (struct prefix){ ip_v4(0x0a000000), 25 };
			}
		}
		host_boxes(r, 5, &boxes);
		for (uint32_t from = 0x0a000000; from < 0x0a000090; from += 7) {
			for (uint16_t port = 0; port < 18; port++) {
				assert_int_equal(boxes_with(&boxes, from, PROTO_TCP, port),
				                 rules_admit(r, 5, from, PROTO_TCP, port));
				assert_int_equal(boxes_with(&boxes, from, PROTO_UDP, port),
				                 rules_admit(r, 5, from, PROTO_UDP, port));
			}
		}
		vec_fini(&boxes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_rule_is_one_box),
		cmocka_unit_test(the_whole_world_and_nothing_are_fine),
		cmocka_unit_test(neighbours_that_admit_the_same_are_joined),
		cmocka_unit_test(random_rules_are_admitted_in_just_one_box),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
