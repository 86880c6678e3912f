/* Why: kubeconfigs come from many tools; what is wrong with one must be said by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/mem.h"
#include "client/credentials.h"

#define CONFIG(server, user)                                                                       \
	"apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {server: '" server         \
	"', certificate-authority: ca.crt}\nusers:\n- name: u\n  user: " user                      \
	"\ncontexts:\n- name: x\n  context: {cluster: c, user: u}\ncurrent-context: x\n"

static struct credentials parse(const char *text)
{
	struct credentials c = { 0 };
	struct err err = { 0 };

	if (credentials_parse(slice_of(text), "/home/k", &c, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	return c;
}

static void certificates_may_stand_in_the_file_or_beside_it(void **state)
{
	scoped_credentials struct credentials c =
		parse(CONFIG("https://127.0.0.1:6443",
	                     "{client-certificate-data: Q0VSVA==, client-key: /abs/key}"));

	(void)state;
	assert_true(c.is_tls);
	assert_string_equal(c.host, "127.0.0.1");
	assert_int_equal(c.port, 6443);
	assert_string_equal(c.prefix, "");
	assert_string_equal(c.ca.path, "/home/k/ca.crt");
	assert_string_equal(strbuf_str(&c.cert.bytes), "CERT");
	assert_string_equal(c.key.path, "/abs/key");
}

static void servers_are_read(void **state)
{
	static const struct {
		const char *config, *host, *prefix;
		unsigned port;
		bool is_tls;
	} cases[] = {
		{ CONFIG("https://api.example.com", "{token: t}"), "api.example.com", "", 443,
		  true },
		{ CONFIG("http://localhost:8080/", "{token: t}"), "localhost", "", 8080, false },
		{ CONFIG("https://[fd00::1]:6443/k8s/c-1/", "{token: t}"), "fd00::1", "/k8s/c-1",
		  6443, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_credentials struct credentials c = parse(cases[i].config);

		assert_string_equal(c.host, cases[i].host);
		assert_string_equal(c.prefix, cases[i].prefix);
		assert_int_equal(c.port, cases[i].port);
		assert_int_equal(c.is_tls, cases[i].is_tls);
		assert_string_equal(strbuf_str(&c.token.bytes), "t");
	}
}

static void what_is_wrong_is_said(void **state)
{
	static const struct {
		const char *config, *text;
		enum err_code code;
	} cases[] = {
		{ "a: [", "line", ERR_SYNTAX },
		{ "{}", "current-context is not set", ERR_SYNTAX },
		{ "current-context: x", "there is no context 'x'", ERR_NOTFOUND },
		{ "contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x",
		  "there is no cluster 'c'", ERR_NOTFOUND },
		{ CONFIG("ftp://x", "{}"), "server: 'ftp://x' is no address", ERR_SYNTAX },
		{ CONFIG("https://", "{}"), "is no address", ERR_SYNTAX },
		{ CONFIG("https://a:0", "{}"), "is no address", ERR_SYNTAX },
		{ CONFIG("https://a:99999", "{}"), "is no address", ERR_SYNTAX },
		{ CONFIG("https://a b", "{}"), "is no address", ERR_SYNTAX },
		{ CONFIG("https://a", "{exec: {command: aws}}"), "programs that fetch credentials",
		  ERR_UNSUPPORTED },
		{ CONFIG("https://a", "{username: u, password: p}"), "passwords", ERR_UNSUPPORTED },
		{ CONFIG("https://a", "{client-key-data: '*'}"), "client-key-data is no base64",
		  ERR_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_credentials struct credentials c = { 0 };
		struct err err = { 0 };

		assert_int_equal(credentials_parse(slice_of(cases[i].config), ".", &c, &err),
		                 -(int)cases[i].code);
		if (!strstr(err.msg, cases[i].text)) {
			fail_msg("'%s' lacks '%s'", err.msg, cases[i].text);
		}
	}
}

static void a_missing_file_is_named(void **state)
{
	scoped_credentials struct credentials c = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(credentials_read("/nowhere/config", &c, &err), -ERR_NOTFOUND);
	assert_non_null(strstr(err.msg, "/nowhere/config"));
}

static void a_pod_finds_its_service_account(void **state)
{
	const char *tmp = getenv("TMPDIR");
	scoped_free char *folder = mem_printf("%s/kennel-account-XXXXXX", tmp ? tmp : "/tmp");
	scoped_free char *path = NULL;
	scoped_credentials struct credentials c = { 0 };
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(folder));
	path = mem_printf("%s/ca.crt", folder);
	f = fopen(path, "we");
	fputs("CA", f);
	fclose(f);
	unsetenv("KUBERNETES_SERVICE_HOST");
	assert_int_equal(credentials_in_cluster(folder, &c, NULL), -ERR_NOTFOUND);
	setenv("KUBERNETES_SERVICE_HOST", "10.1.0.1", 1);
	setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	assert_int_equal(credentials_in_cluster(folder, &c, NULL), 0);
	assert_string_equal(c.host, "10.1.0.1");
	assert_string_equal(strbuf_str(&c.ca.bytes), "CA");
	assert_memory_equal(c.token.path, folder, strlen(folder));
	unsetenv("KUBERNETES_SERVICE_HOST");
	unlink(path);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_may_stand_in_the_file_or_beside_it),
		cmocka_unit_test(servers_are_read),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(a_missing_file_is_named),
		cmocka_unit_test(a_pod_finds_its_service_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
