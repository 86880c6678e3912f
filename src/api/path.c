/* Why: everything that is no resource: version, health, metrics, keys, discovery. Source: reference
 * 1.1 */
#include <sys/utsname.h>

#include "api/api-priv.h"
#include "api/discovery.h"
#include "api/fail.h"
#include "api/metric.h"
#include "api/token.h"
#include "api/verbs.h"
#include "base/mem.h"
#include "http/pki.h"

#define TEXT_PLAIN "text/plain; charset=utf-8"

static int answer_version(struct call *c)
{
	static const char text[] =
		"{\n  \"major\": \"1\",\n  \"minor\": \"27\",\n  \"gitVersion\": "
		"\"v1.27.16+kennel\",\n"
		"  \"gitCommit\": \"\",\n  \"gitTreeState\": \"clean\",\n"
		"  \"buildDate\": \"1970-01-01T00:00:00Z\",\n  \"goVersion\": \"none\",\n"
		"  \"compiler\": \"cc\",\n  \"platform\": \"linux/%s\"\n}\n";
	struct utsname u;
	const char *arch = "amd64";

	if (uname(&u) == 0 && strcmp(u.machine, "aarch64") == 0) {
		arch = "arm64";
	}
	return call_answer_text(c, 200, "application/json", NULL,
	                        slice_of(arena_printf(c->arena, text, arch)));
}

/* ---- health ---- */

/* What is looked at; the process answers, so it lives, and the store takes writes or says why not.
 */
static const char *const checks[] = { "ping", "log", "store" };

static int answer_health(struct call *c, const char *name)
{
	scoped_strbuf struct strbuf text = { 0 };
	bool is_ready = strcmp(name, "readyz") != 0 || !c->api->draining;

	if (is_ready && !http_query_get(c->arena, c->http->query, "verbose", 0).p) {
		return call_answer_text(c, 200, TEXT_PLAIN, NULL, SLICE("ok"));
	}
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		strbuf_addf(&text, "[+]%s ok\n", checks[i]);
	}
	if (!is_ready) {
		strbuf_adds(&text, "[-]shutdown failed: reason withheld\n");
	}
	strbuf_addf(&text, "%s check %s\n", name, is_ready ? "passed" : "failed");
	return call_answer_text(c, is_ready ? 200 : 500, TEXT_PLAIN, NULL, strbuf_slice(&text));
}

static int answer_one_check(struct call *c, struct slice check)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		if (slice_is(check, checks[i])) {
			return call_answer_text(c, 200, TEXT_PLAIN, NULL, SLICE("ok"));
		}
	}
	return call_answer_text(c, 404, TEXT_PLAIN, NULL, SLICE("404 page not found\n"));
}

/* "/readyz" and "/readyz/ping" */
static bool is_health(struct slice path, const char **ret_name, struct slice *ret_check)
{
	static const char *const names[] = { "healthz", "livez", "readyz" };
	struct slice head, tail;
	bool has_tail = slice_cut(slice_from(path, 1), '/', &head, &tail);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_is(head, names[i])) {
			*ret_name = names[i];
			*ret_check = has_tail ? tail : SLICE("");
			return true;
		}
	}
	return false;
}

/* ---- the rest ---- */

static int answer_metrics(struct call *c)
{
	scoped_strbuf struct strbuf text = { 0 };

	metrics_write(c->api, &text);
	return call_answer_text(c, 200, "text/plain; version=0.0.4; charset=utf-8", NULL,
	                        strbuf_slice(&text));
}

static int answer_keys(struct call *c)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct err err = { 0 };
	int r = pki_jwks(strbuf_slice(&c->api->token_key), &text, &err);

	return r < 0 ? fail_err(c, r, &err)
	             : call_answer_text(c, 200, "application/jwk-set+json", NULL,
	                                strbuf_slice(&text));
}

static int answer_issuer(struct call *c)
{
	return call_answer_text(
		c, 200, "application/json", NULL,
		SLICE("{\"issuer\":\"" TOKEN_ISSUER "\",\"jwks_uri\":\"" TOKEN_ISSUER
	              "/openid/v1/jwks\",\"response_types_supported\":[\"id_token\"],"
	              "\"subject_types_supported\":[\"public\"],"
	              "\"id_token_signing_alg_values_supported\":[\"ES256\"]}"));
}

static int answer_root(struct call *c)
{
	return call_answer_text(c, 200, "application/json", NULL,
	                        SLICE("{\"paths\":[\"/api\",\"/api/v1\",\"/apis\",\"/healthz\","
	                              "\"/livez\",\"/metrics\",\"/openapi/v2\",\"/openapi/v3\","
	                              "\"/openid/v1/jwks\",\"/readyz\",\"/version\"]}"));
}

static int answer_not_found(struct call *c)
{
	return call_answer_text(c, 404, TEXT_PLAIN, NULL, SLICE("404 page not found\n"));
}

int path_answer(struct call *c)
{
	static const struct {
		const char *path;
		int (*run)(struct call *c);
	} paths[] = {
		{ "/", answer_root },
		{ "/version", answer_version },
		{ "/version/", answer_version },
		{ "/metrics", answer_metrics },
		{ "/openid/v1/jwks", answer_keys },
		{ "/.well-known/openid-configuration", answer_issuer },
	};
	struct slice path = c->route.path, check;
	const char *health;
	bool found;
	int r;

	if (c->route.verb != DO_GET) {
		return fail_code(c, ERR_METHOD,
		                 "the server does not allow this method on the requested resource");
	}
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (slice_is(path, paths[i].path)) {
			return paths[i].run(c);
		}
	}
	if (is_health(path, &health, &check)) {
		return check.len ? answer_one_check(c, check) : answer_health(c, health);
	}
	r = discovery_answer(c, &found);
	if (!found) {
		r = openapi_answer(c, &found);
	}
	return found ? r : answer_not_found(c);
}
