/* Why: what the wrappers of bpf(2) and the cgroup2 hierarchy promise, against the kernel; nothing
 * where it refuses. */
#include "host/bpf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host/cgroup2.h"

static char group[64];

static int set_up(void **state)
{
	static int fd;
	struct err err = { 0 };

	snprintf(group, sizeof(group), "/kennel-unit-%d", getpid());
	if (cgroup2_open(group, true, &fd, &err) < 0 || bpf_probe(fd, &err) < 0) {
		print_message("1..0 # SKIP %s\n", err.msg);
		(void)!cgroup2_remove(group, NULL);
		exit(0);
	}
	*state = &fd;
	return 0;
}

static int tear_down(void **state)
{
	close(*(int *)*state);
	return cgroup2_remove(group, NULL);
}

static void elements_are_put_found_listed_and_dropped(void **state)
{
	const struct bpf_map_spec spec = { "unit", BPF_MAP_TYPE_HASH, 4, 8, 2, true };
	scoped_fd int fd = -1;
	uint32_t key = 1, next;
	uint64_t value = 10, got = 0;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(bpf_map_make(&spec, &fd, NULL), 0);
	assert_false(bpf_map_next(fd, NULL, &next));
	assert_int_equal(bpf_map_put(fd, &key, &value, NULL), 0);
	value = 11;
	assert_int_equal(bpf_map_put(fd, &key, &value, NULL), 0);
	assert_true(bpf_map_read(fd, &key, &got));
	assert_int_equal(got, 11);
	key = 2;
	assert_false(bpf_map_read(fd, &key, &got));
	assert_int_equal(bpf_map_put(fd, &key, &value, NULL), 0);
	key = 3;
	assert_true(bpf_map_put(fd, &key, &value, &err) < 0); /* it is full */
	assert_int_equal(err.sys, E2BIG);
	assert_true(bpf_map_next(fd, NULL, &key));
	assert_true(bpf_map_next(fd, &key, &next));
	assert_int_equal(key + next, 3);
	assert_false(bpf_map_next(fd, &next, &got));
	assert_int_equal(bpf_map_drop(fd, &key, NULL), 0);
	assert_int_equal(bpf_map_drop(fd, &key, NULL), 0); /* absent is fine */
	assert_false(bpf_map_read(fd, &key, &got));
}

static void a_number_of_each_cpu_is_added_up(void **state)
{
	const struct bpf_map_spec spec = { "unit", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 1 };
	scoped_fd int fd = -1;
	uint32_t key = 0, none = 7;

	(void)state;
	assert_int_equal(bpf_map_make(&spec, &fd, NULL), 0);
	assert_int_equal(bpf_map_sum(fd, &key), 0);
	assert_int_equal(bpf_map_sum(fd, &none), 0);
}

#define INSTRUCTION(code, registers, imm)                                                          \
	((uint64_t)(uint32_t)(imm) << 32 | (uint64_t)(registers) << 8 | (uint64_t)(code))
#define EXIT INSTRUCTION(BPF_JMP | BPF_EXIT, 0, 0)

static void programs_are_found_with_their_maps_and_give_way(void **state)
{
	/* r1 := the map; r0 := 1; return */
	static const uint64_t code[] = { INSTRUCTION(BPF_LD | BPF_DW | BPF_IMM, 1, 0), 0,
		                         INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, 0, 1), EXIT };
	static const struct bpf_use use = { 0, "unit" };
	const struct bpf_code program = { "unit", code, 4, &use, 1 };
	const struct bpf_map_spec spec = { "unit", BPF_MAP_TYPE_ARRAY, 4, 8, 1 };
	enum bpf_attach_type at = BPF_CGROUP_INET4_CONNECT;
	int cgroup = *(int *)*state;
	scoped_fd int map = -1, one = -1, two = -1, found = -1, its_map = -1;

	assert_int_equal(bpf_map_make(&spec, &map, NULL), 0);
	assert_int_equal(bpf_program_load(&program, "unit_one", at,
	                                  &(struct bpf_map_ref){ "unit", map }, 1, &one, NULL),
	                 0);
	assert_int_equal(bpf_program_load(&program, "unit_two", at,
	                                  &(struct bpf_map_ref){ "unit", map }, 1, &two, NULL),
	                 0);
	assert_false(bpf_program_find(cgroup, at, "unit_", &found));
	assert_int_equal(bpf_program_attach(cgroup, at, one, -1, NULL), 0);
	assert_false(bpf_program_find(cgroup, at, "unit_two", &found));
	assert_true(bpf_program_find(cgroup, at, "unit_", &found));
	assert_true(bpf_program_map(found, "unit", &its_map));
	assert_int_equal(bpf_program_attach(cgroup, at, two, one, NULL), 0);
	close(take_fd(&found));
	assert_false(bpf_program_find(cgroup, at, "unit_one", &found));
	assert_true(bpf_program_find(cgroup, at, "unit_two", &found));
	assert_int_equal(bpf_program_detach(cgroup, at, found, NULL), 0);
	assert_true(bpf_program_detach(cgroup, at, found, NULL) < 0);
}

static void a_refusal_says_what_the_verifier_said(void **state)
{
	static const uint64_t code[] = { EXIT }; /* r0 was never set */
	const struct bpf_code program = { "unit", code, 1, NULL, 0 };
	struct err err = { 0 };
	int fd;

	(void)state;
	assert_true(bpf_program_load(&program, "unit", BPF_CGROUP_INET4_CONNECT, NULL, 0, &fd,
	                             &err) < 0);
	assert_non_null(strstr(err.msg, "load BPF program unit: R0 !read_ok"));
}

static void a_missing_map_is_named(void **state)
{
	static const uint64_t code[] = { EXIT };
	static const struct bpf_use use = { 0, "elsewhere" };
	const struct bpf_code program = { "unit", code, 1, &use, 1 };
	struct err err = { 0 };
	int fd;

	(void)state;
	assert_int_equal(
		bpf_program_load(&program, "unit", BPF_CGROUP_INET4_CONNECT, NULL, 0, &fd, &err),
		-ERR_INTERNAL);
	assert_string_equal(err.msg, "no BPF map elsewhere");
}

static void groups_are_made_with_all_above_and_go_with_all_below(void **state)
{
	scoped_free char *deep = mem_printf("%s/a/b", group), *top = mem_printf("%s/a", group);
	scoped_fd int fd = -1, again = -1;

	(void)state;
	assert_int_equal(cgroup2_open(deep, false, &fd, NULL), -ERR_NOTFOUND);
	assert_int_equal(cgroup2_open(deep, true, &fd, NULL), 0);
	assert_int_equal(cgroup2_open(deep, false, &again, NULL), 0);
	assert_int_equal(cgroup2_remove(top, NULL), 0);
	close(take_fd(&again));
	assert_int_equal(cgroup2_open(top, false, &again, NULL), -ERR_NOTFOUND);
	assert_int_equal(cgroup2_remove(top, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_are_put_found_listed_and_dropped),
		cmocka_unit_test(a_number_of_each_cpu_is_added_up),
		cmocka_unit_test(programs_are_found_with_their_maps_and_give_way),
		cmocka_unit_test(a_refusal_says_what_the_verifier_said),
		cmocka_unit_test(a_missing_map_is_named),
		cmocka_unit_test(groups_are_made_with_all_above_and_go_with_all_below),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
