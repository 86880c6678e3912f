#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "node/spec.h"

static int render(struct arena *a, const char *pod_spec, const char *image, struct val **ret,
                  struct err *err)
{
	scoped_free char *text = mem_printf("{metadata: {name: p}, spec: %s}", pod_spec);
	struct env own = { .arena = a }, env = { .arena = a };
	struct user user = { .uid = 5, .gid = 6, .groups = { 7 }, .n_groups = 1, .home = "/h" };
	const struct spec_mount mounts[] = { { "/src", "/dst", NULL, "rbind,ro" } };
	struct val *pod, *config;

	assert_int_equal(yaml_parse(a, slice_of(text), &pod, NULL), 0);
	assert_int_equal(yaml_parse(a, slice_of(image), &config, NULL), 0);
	env_set(&own, SLICE("A"), SLICE("x"));
	env_with_image(&env, &own, config);
	return spec_render(
		a,
		&(struct spec_input){ .pod = pod,
	                              .container = val_at(val_path(pod, "spec.containers"), 0),
	                              .image_config = config,
	                              .own_env = &own,
	                              .env = &env,
	                              .user = &user,
	                              .rootfs = "/root",
	                              .cgroup_path = "/g",
	                              .netns = "/ns/net",
	                              .ipcns = "/ns/ipc",
	                              .utsns = "/ns/uts",
	                              .mounts = mounts,
	                              .n_mounts = 1,
	                              .oom_score_adj = 9,
	                              .nofile = 100 },
		ret, err);
}

static void assert_args(const struct val *config, const char *want)
{
	scoped_strbuf struct strbuf out = { 0 };

	json_write(&out, val_path(config, "process.args"));
	assert_string_equal(strbuf_str(&out), want);
}

static void command_and_args_replace_the_image_s(void **state)
{
	static const struct {
		const char *container, *want;
	} cases[] = {
		{ "{}", "[\"/entry\",\"cmd\"]" },
		{ "{args: [a]}", "[\"/entry\",\"a\"]" },
		{ "{command: [c]}", "[\"c\"]" },
		{ "{command: [c], args: ['$(A)', '$(B)']}", "[\"c\",\"x\",\"$(B)\"]" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_arena struct arena a = { 0 };
		scoped_free char *spec = mem_printf("{containers: [%s]}", cases[i].container);
		struct val *config;

		assert_int_equal(
			render(&a, spec, "{Entrypoint: [/entry], Cmd: [cmd]}", &config, NULL), 0);
		assert_args(config, cases[i].want);
	}
}

static void nothing_to_run_is_an_error(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *config;

	(void)state;
	assert_int_equal(render(&a, "{containers: [{}]}", "{}", &config, NULL), -ERR_INVALID);
}

static const struct val *mount_at(const struct val *config, const char *dest)
{
	val_for_each (val_get(config, "mounts"), it) {
		if (slice_is(val_get_str(it, "destination"), dest)) {
			return it;
		}
	}
	return NULL;
}

static bool has_namespace(const struct val *config, const char *type, const char *path)
{
	val_for_each (val_path(config, "linux.namespaces"), it) {
		if (slice_is(val_get_str(it, "type"), type)) {
			return slice_is(val_get_str(it, "path"), path);
		}
	}
	return false;
}

static void user_namespaces_and_mounts_are_there(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *config;

	(void)state;
	assert_int_equal(
		render(&a, "{containers: [{command: [c], workingDir: /w}]}", "{}", &config, NULL),
		0);
	assert_int_equal(val_int(val_path(config, "process.user.uid"), 0), 5);
	assert_int_equal(val_int(val_at(val_path(config, "process.user.additionalGids"), 0), 0), 7);
	assert_string_equal(val_cstr(val_path(config, "process.cwd")), "/w");
	assert_true(has_namespace(config, "network", "/ns/net"));
	assert_true(has_namespace(config, "uts", "/ns/uts"));
	assert_true(has_namespace(config, "pid", ""));
	assert_string_equal(val_cstr(val_get(mount_at(config, "/dst"), "source")), "/src");
	assert_string_equal(val_cstr(val_get(mount_at(config, "/sys"), "type")), "sysfs");
	assert_int_equal(
		val_int(val_get(val_at(val_path(config, "process.rlimits"), 0), "hard"), 0), 100);
	assert_null(val_path(config, "linux.seccomp"));
}

static void capabilities_start_from_the_default_set(void **state)
{
	static const struct {
		const char *security;
		size_t n;
	} cases[] = {
		{ "{}", 14 },
		{ "{capabilities: {drop: [ALL]}}", 0 },
		{ "{capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}", 1 },
		{ "{capabilities: {add: [CAP_SYS_TIME], drop: [KILL, CHOWN]}}", 13 },
		{ "{privileged: true}", 41 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_arena struct arena a = { 0 };
		struct val *security, *caps;

		assert_int_equal(yaml_parse(&a, slice_of(cases[i].security), &security, NULL), 0);
		assert_int_equal(spec_capabilities(&a, security, &caps, NULL), 0);
		assert_int_equal(val_len(caps), cases[i].n);
	}
}

static void an_unknown_capability_is_refused(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *security, *caps;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(yaml_parse(&a, SLICE("{capabilities: {add: [FLY]}}"), &security, NULL), 0);
	assert_int_equal(spec_capabilities(&a, security, &caps, &err), -ERR_INVALID);
	assert_string_equal(err.msg, "unknown capability \"FLY\"");
}

static void seccomp_and_privilege_escalation_follow_the_context(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *config;

	(void)state;
	assert_int_equal(render(&a,
	                        "{securityContext: {seccompProfile: {type: RuntimeDefault}}, "
	                        "containers: [{command: [c], "
	                        "securityContext: {allowPrivilegeEscalation: false}}]}",
	                        "{}", &config, NULL),
	                 0);
	assert_true(val_bool(val_path(config, "process.noNewPrivileges"), false));
	assert_string_equal(val_cstr(val_path(config, "linux.seccomp.defaultAction")),
	                    "SCMP_ACT_ALLOW");
	assert_true(val_len(val_get(val_at(val_path(config, "linux.seccomp.syscalls"), 0),
	                            "names")) > 40);
}

static void a_program_in_the_container_has_its_rights(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *config, *args, *process;

	(void)state;
	assert_int_equal(render(&a, "{containers: [{command: [c]}]}", "{}", &config, NULL), 0);
	assert_int_equal(yaml_parse(&a, SLICE("[ls, -l]"), &args, NULL), 0);
	process = spec_exec_process(&a, config, args, true);
	assert_string_equal(val_cstr(val_at(val_get(process, "args"), 0)), "ls");
	assert_true(val_bool(val_get(process, "terminal"), false));
	assert_int_equal(val_int(val_path(process, "user.uid"), 0), 5);
	assert_args(config, "[\"c\"]"); /* untouched */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_and_args_replace_the_image_s),
		cmocka_unit_test(nothing_to_run_is_an_error),
		cmocka_unit_test(user_namespaces_and_mounts_are_there),
		cmocka_unit_test(capabilities_start_from_the_default_set),
		cmocka_unit_test(an_unknown_capability_is_refused),
		cmocka_unit_test(seccomp_and_privilege_escalation_follow_the_context),
		cmocka_unit_test(a_program_in_the_container_has_its_rights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
