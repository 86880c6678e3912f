/* Why: what an instance keeps on disk can be read by those who need it and by nobody else, and survives what a
 * crash or a role that was taken over leaves behind. */
#include "scene.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/mem.h"
#include "http/pki.h"
#include "serve/instance.h"

#define NEEDS_ROOT(s)                                                                              \
	if (!(s)) {                                                                                \
		skip();                                                                            \
	}

static void folders_have_their_modes(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_free char *role = mem_printf("0700 %u %u", s->home.api_uid, s->home.api_uid);

	assert_string_equal(scene_mode(s, "."), "0711 0 0");
	assert_string_equal(scene_mode(s, "pki"), "0700 0 0");
	assert_string_equal(scene_mode(s, "run"), "0711 0 0");
	assert_string_equal(scene_mode(s, "logs"), "0700 0 0");
	assert_string_equal(scene_mode(s, "store"), role);
	assert_string_equal(scene_mode(s, "store/pki"), role);
	assert_in_range(s->home.api_uid, 61184, 65519);
}

static void wrong_modes_are_put_right(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_free char *pki = home_file(&s->home, "pki");

	assert_int_equal(chmod(pki, 0777), 0);
	assert_int_equal(home_make(&s->home, NULL), 0);
	assert_string_equal(scene_mode(s, "pki"), "0700 0 0");
}

static void keys_are_for_their_owner_only(void **state)
{
	static const char *const roots[] = { "kubeconfig",          "pki/cluster-ca.key",
		                             "pki/edge-ca.key",     "pki/cluster-ca.crt",
		                             "run/node.kubeconfig", "lock" };
	static const char *const roles[] = { "store/pki/apiserver.key", "store/pki/apiserver.crt",
		                             "store/pki/sa.key", "store/pki/edge-ca.key",
		                             "store/pki/client-ca.crt" };
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_free char *role = mem_printf("0600 %u %u", s->home.api_uid, s->home.api_uid);
	scoped_free char *lb = mem_printf("0600 %u %u", s->home.lb_uid, s->home.lb_uid);

	assert_int_equal(home_lock(&s->home, NULL), 0);
	assert_int_equal(home_make_pki(&s->home, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		assert_string_equal(scene_mode(s, roots[i]), "0600 0 0");
	}
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		assert_string_equal(scene_mode(s, roles[i]), role);
	}
	assert_string_equal(scene_mode(s, "run/lb.kubeconfig"), lb);
	assert_int_not_equal(s->home.lb_uid, s->home.api_uid);
	assert_string_equal(scene_mode(s, "ca.crt"), "0644 0 0");
	/* the key of the cluster's CA is not where the API server could read it */
	assert_string_equal(scene_mode(s, "store/pki/cluster-ca.key"), "none");
}

static void read_file(struct scene *s, const char *name, struct strbuf *out)
{
	scoped_free char *path = home_file(&s->home, "%s", name);

	strbuf_reset(out);
	assert_int_equal(home_read(path, out, NULL), 0);
}

static void write_file(struct scene *s, const char *name, struct slice text)
{
	scoped_free char *path = home_file(&s->home, "%s", name);

	assert_int_equal(home_write(path, text, 0600, 0, NULL), 0);
}

static void keys_that_are_good_are_kept(void **state)
{
	static const char *const kept[] = { "pki/cluster-ca.key", "pki/edge-ca.crt",
		                            "store/pki/sa.key" };
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_strbuf struct strbuf before = { 0 }, after = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		assert_int_equal(home_make_pki(&s->home, NULL), 0);
		read_file(s, kept[i], &before);
		assert_int_equal(home_make_pki(&s->home, NULL), 0);
		read_file(s, kept[i], &after);
		assert_true(slice_eq(strbuf_slice(&before), strbuf_slice(&after)));
	}
}

static void an_authority_that_ends_soon_is_made_anew(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	struct pki_pair ca = { 0 }, old = { 0 };
	scoped_strbuf struct strbuf now = { 0 };

	assert_int_equal(pki_make_ca("x", &ca, NULL), 0);
	assert_int_equal(pki_issue(strbuf_slice(&ca.cert), strbuf_slice(&ca.key),
	                           &(struct pki_request){ .common_name = "old", .days = 29 }, &old,
	                           NULL),
	                 0);
	write_file(s, "pki/cluster-ca.crt", strbuf_slice(&old.cert));
	write_file(s, "pki/cluster-ca.key", strbuf_slice(&old.key));
	assert_int_equal(home_make_pki(&s->home, NULL), 0);
	read_file(s, "pki/cluster-ca.crt", &now);
	assert_false(slice_eq(strbuf_slice(&now), strbuf_slice(&old.cert)));
	pki_pair_fini(&ca);
	pki_pair_fini(&old);
}

/* A crash between the writing of the two. */
static void a_key_without_its_certificate_is_made_anew(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	struct pki_pair other = { 0 };
	scoped_strbuf struct strbuf crt = { 0 }, key = { 0 };

	assert_int_equal(home_make_pki(&s->home, NULL), 0);
	assert_int_equal(pki_make_ca("x", &other, NULL), 0);
	write_file(s, "pki/cluster-ca.crt", strbuf_slice(&other.cert));
	assert_int_equal(home_make_pki(&s->home, NULL), 0);
	read_file(s, "pki/cluster-ca.crt", &crt);
	read_file(s, "pki/cluster-ca.key", &key);
	assert_int_equal(pki_pair_check(strbuf_slice(&crt), strbuf_slice(&key), NULL), 0);
	pki_pair_fini(&other);
}

static void a_broken_token_key_is_made_anew(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_strbuf struct strbuf key = { 0 }, jwks = { 0 };

	write_file(s, "store/pki/sa.key", SLICE(""));
	assert_int_equal(home_make_pki(&s->home, NULL), 0);
	read_file(s, "store/pki/sa.key", &key);
	assert_int_equal(pki_jwks(strbuf_slice(&key), &jwks, NULL), 0);
}

static void the_kubeconfig_says_where_and_who(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_strbuf struct strbuf text = { 0 }, ca = { 0 }, ca64 = { 0 };

	s->home.api_port = 6555;
	assert_int_equal(home_make_pki(&s->home, NULL), 0);
	read_file(s, "kubeconfig", &text);
	read_file(s, "pki/cluster-ca.crt", &ca);
	base64_encode(&ca64, strbuf_slice(&ca));
	assert_non_null(strstr(strbuf_str(&text), "server: https://127.0.0.1:6555\n"));
	assert_non_null(strstr(strbuf_str(&text), "current-context: test\n"));
	assert_non_null(strstr(strbuf_str(&text), strbuf_str(&ca64)));
	read_file(s, "run/node.kubeconfig", &text);
	assert_non_null(strstr(strbuf_str(&text), "server: https://10.0.2.10:6443\n"));
	s->home.api_port = 6556; /* another port: written again */
	assert_int_equal(home_make_pki(&s->home, NULL), 0);
	read_file(s, "kubeconfig", &text);
	assert_non_null(strstr(strbuf_str(&text), "server: https://127.0.0.1:6556\n"));
}

static void one_supervisor_holds_the_lock(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	struct home other;
	struct err err;

	home_init(&other, s->path, "test");
	assert_int_equal(home_lock(&s->home, NULL), 0);
	assert_int_equal(home_lock(&other, &err), -ERR_EXISTS);
	assert_string_equal(err.msg, "instance test is already running");
	home_fini(&s->home);
	assert_int_equal(home_lock(&other, NULL), 0);
	home_fini(&other);
}

static void names_follow_the_rule(void **state)
{
	static const char *const good[] = { "a", "0", "a-b-9", "abcdefghijklmnopqrst", "a-" };
	static const char *const bad[] = { "",    "-a",       "A",
		                           "a.b", "a/b",      "..",
		                           "a b", "\xc3\xa4", "abcdefghijklmnopqrstu" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(home_name_is_valid(good[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(home_name_is_valid(bad[i]));
	}
}

static void a_parent_that_roles_cannot_enter_is_named(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_free char *path = mem_printf("%s/closed/h", s->folder);
	scoped_free char *closed = mem_printf("%s/closed", s->folder);
	struct home h;
	struct err err;

	assert_int_equal(mkdir(closed, 0700), 0);
	home_init(&h, path, "test");
	assert_int_equal(home_make(&h, &err), -ERR_USAGE);
	assert_non_null(strstr(err.msg, "may not be entered by others (mode 0700)"));
	assert_non_null(strstr(err.msg, closed));
}

static void a_folder_of_somebody_else_is_no_home(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	struct err err;

	assert_int_equal(chown(s->path, 12345, 12345), 0);
	assert_int_equal(home_make(&s->home, &err), -ERR_USAGE);
	assert_non_null(strstr(err.msg, "belongs to uid 12345"));
}

/* The API server may do what it likes in store/; root must not be led elsewhere by it. */
static void a_link_of_a_role_is_not_followed(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_free char *victim = mem_printf("%s/victim", s->folder);
	scoped_free char *link = home_file(&s->home, "store/pki");
	scoped_free char *inside = home_file(&s->home, "store/pki/apiserver.key");
	scoped_free char *outside = mem_printf("%s/apiserver.key", victim);
	struct stat st;

	assert_int_equal(mkdir(victim, 0700), 0);
	assert_int_equal(rmdir(link), 0);
	assert_int_equal(symlink(victim, link), 0);
	assert_true(home_make(&s->home, NULL) < 0);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_true(home_write(inside, SLICE("key"), 0600, s->home.api_uid, NULL) < 0);
	assert_int_equal(access(outside, F_OK), -1);
}

static void a_link_in_the_place_of_a_file_is_replaced(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_free char *victim = mem_printf("%s/victim", s->folder);
	scoped_free char *file = home_file(&s->home, "store/file");
	scoped_free char *fresh = home_file(&s->home, "store/file.new");
	scoped_strbuf struct strbuf text = { 0 };

	assert_int_equal(home_write(victim, SLICE("precious"), 0600, 0, NULL), 0);
	assert_int_equal(symlink(victim, file), 0);
	assert_int_equal(symlink(victim, fresh), 0);
	assert_int_equal(home_write(file, SLICE("new"), 0640, s->home.api_uid, NULL), 0);
	assert_int_equal(home_read(victim, &text, NULL), 0);
	assert_string_equal(strbuf_str(&text), "precious");
	strbuf_reset(&text);
	assert_int_equal(home_read(file, &text, NULL), 0);
	assert_string_equal(strbuf_str(&text), "new");
	assert_int_equal(access(fresh, F_OK), -1);
}

static void only_a_home_is_purged(void **state)
{
	struct scene *s = *state;
	NEEDS_ROOT(s);
	scoped_free char *innocent = mem_printf("%s/innocent", s->folder);
	struct home h;
	struct err err;

	assert_int_equal(mkdir(innocent, 0755), 0);
	home_init(&h, innocent, "test");
	assert_int_equal(instance_purge(&h, &err), -ERR_INVALID);
	assert_non_null(strstr(err.msg, "does not look like an instance's home"));
	assert_int_equal(access(innocent, F_OK), 0);
	assert_int_equal(home_lock(&s->home, NULL), 0);
	assert_int_equal(instance_purge(&s->home, &err), 0);
	assert_int_equal(access(s->path, F_OK), -1);
	assert_int_equal(instance_purge(&s->home, &err), 0); /* twice is fine */
}

#define T(name) cmocka_unit_test_setup_teardown(name, scene_set_up, scene_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(folders_have_their_modes),
		T(wrong_modes_are_put_right),
		T(keys_are_for_their_owner_only),
		T(keys_that_are_good_are_kept),
		T(an_authority_that_ends_soon_is_made_anew),
		T(a_key_without_its_certificate_is_made_anew),
		T(a_broken_token_key_is_made_anew),
		T(the_kubeconfig_says_where_and_who),
		T(one_supervisor_holds_the_lock),
		T(names_follow_the_rule),
		T(a_parent_that_roles_cannot_enter_is_named),
		T(a_folder_of_somebody_else_is_no_home),
		T(a_link_of_a_role_is_not_followed),
		T(a_link_in_the_place_of_a_file_is_replaced),
		T(only_a_home_is_purged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
