/* Why: who may do what, and how the server tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

#include "base/mem.h"
#include "codec/json.h"

#define AUTHZ "/apis/authorization.k8s.io/v1"
#define AUTHN "/apis/authentication.k8s.io/v1"
#define RBAC  "/apis/rbac.authorization.k8s.io/v1"

static void ask_as(struct world *w, const char *token, const char *method, const char *target,
                   const char *body, int status, const char *want)
{
	scoped_free char *text = mem_strdup(body);
	struct question q = { .method = method, .target = target, .token = token };
	struct answer got;

	for (char *p = text; *p; p++) {
		*p = *p == '\'' ? '"' : *p;
	}
	q.body = slice_of(text);
	world_ask(w, &q, &got);
	if (got.status != status || !strstr(strbuf_str(&got.body), want)) {
		fail_msg("%s %s: wanted %d %s, found %d %s", method, target, status, want,
		         got.status, strbuf_str(&got.body));
	}
	answer_fini(&got);
}

/* A token of default/robot. */
static char *make_robot(struct world *w, struct arena *a)
{
	static const struct step steps[] = {
		{ "POST", "/api/v1/namespaces/default/serviceaccounts", NULL,
		  "{'metadata':{'name':'robot'}}", 201, "" },
		{ "POST", RBAC "/namespaces/default/roles", NULL,
		  "{'metadata':{'name':'r'},'rules':[{'apiGroups':[''],'resources':['pods'],"
		  "'verbs':['get','list']}]}",
		  201, "" },
		{ "POST", RBAC "/namespaces/default/rolebindings", NULL,
		  "{'metadata':{'name':'rb'},'roleRef':{'kind':'Role','name':'r',"
		  "'apiGroup':'rbac.authorization.k8s.io'},"
		  "'subjects':[{'kind':'ServiceAccount','name':'robot'}]}",
		  201, "" },
	};
	struct question q = { .method = "POST",
		              .target = "/api/v1/namespaces/default/serviceaccounts/robot/token",
		              .body = SLICE("{}") };
	struct answer got;
	struct val *v;
	char *token;

	world_play(w, steps, ARRAY_SIZE(steps));
	world_ask(w, &q, &got);
	assert_int_equal(got.status, 201);
	assert_int_equal(json_parse(a, strbuf_slice(&got.body), 0, &v, NULL), 0);
	token = arena_strdup(a, val_cstr(val_path(v, "status.token")));
	assert_true(val_str(val_path(v, "status.expirationTimestamp")).len > 0);
	answer_fini(&got);
	return token;
}

static void refuses_strangers(void **state)
{
	struct world w;

	(void)state;
	world_start(&w);
	ask_as(&w, "", "GET", "/api/v1/pods", "", 401, "\"message\":\"Unauthorized\"");
	ask_as(&w, "", "GET", "/metrics", "", 401, "Unauthorized");
	ask_as(&w, "a.b.c", "GET", "/healthz", "", 401, "Unauthorized");
	ask_as(&w, "", "GET", "/healthz", "", 200, "ok");
	ask_as(&w, "", "GET", "/readyz?verbose", "", 200, "[+]ping ok\n");
	ask_as(&w, "", "GET", "/livez/ping", "", 401, "Unauthorized");
	ask_as(&w, NULL, "GET", "/livez/ping", "", 200, "ok");
	ask_as(&w, "", "GET", "/version", "", 200, "\"minor\": \"27\"");
	world_stop(&w);
}

static void evaluates_roles(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct world w;
	char *token;

	(void)state;
	world_start(&w);
	token = make_robot(&w, &a);
	ask_as(&w, token, "GET", "/api/v1/namespaces/default/pods", "", 200, "PodList");
	ask_as(&w, token, "GET", "/api/v1/pods", "", 403,
	       "pods is forbidden: User \\\"system:serviceaccount:default:robot\\\" cannot list "
	       "resource \\\"pods\\\" in API group \\\"\\\" at the cluster scope");
	ask_as(&w, token, "DELETE", "/api/v1/namespaces/default/pods/p", "", 403,
	       "pods \\\"p\\\" is forbidden: User \\\"system:serviceaccount:default:robot\\\" "
	       "cannot "
	       "delete resource \\\"pods\\\" in API group \\\"\\\" in the namespace "
	       "\\\"default\\\"");
	ask_as(&w, token, "GET", "/metrics", "", 403,
	       "forbidden: User \\\"system:serviceaccount:default:robot\\\" cannot get path "
	       "\\\"/metrics\\\"");
	ask_as(&w, token, "GET", "/apis", "", 200, "APIGroupList");
	/* the account is gone, and so are its tokens */
	ask_as(&w, NULL, "DELETE", "/api/v1/namespaces/default/serviceaccounts/robot", "", 200, "");
	ask_as(&w, token, "GET", "/api/v1/namespaces/default/pods", "", 401, "Unauthorized");
	world_stop(&w);
}

/* The token that the answer to a TokenRequest holds. */
static char *token_bound_to(struct world *w, struct arena *a, const char *kind, const char *name)
{
	scoped_free char *body = mem_printf("{\"spec\":{\"boundObjectRef\":{\"kind\":\"%s\","
	                                    "\"name\":\"%s\"}}}",
	                                    kind, name);
	struct question q = { .method = "POST",
		              .target = "/api/v1/namespaces/default/serviceaccounts/robot/token",
		              .body = slice_of(body) };
	struct answer got;
	struct val *v;
	char *token;

	world_ask(w, &q, &got);
	assert_int_equal(got.status, 201);
	assert_int_equal(json_parse(a, strbuf_slice(&got.body), 0, &v, NULL), 0);
	token = arena_strdup(a, val_cstr(val_path(v, "status.token")));
	answer_fini(&got);
	return token;
}

static void a_token_dies_with_the_secret_it_is_bound_to(void **state)
{
	static const struct step secret[] = {
		{ "POST", "/api/v1/namespaces/default/secrets", NULL, "{'metadata':{'name':'s'}}",
		  201, "" },
	};
	scoped_arena struct arena a = { 0 };
	struct world w;
	char *token;

	(void)state;
	world_start(&w);
	(void)make_robot(&w, &a);
	world_play(&w, secret, ARRAY_SIZE(secret));
	token = token_bound_to(&w, &a, "Secret", "s");
	ask_as(&w, token, "GET", "/api/v1/namespaces/default/pods", "", 200, "PodList");
	ask_as(&w, NULL, "DELETE", "/api/v1/namespaces/default/secrets/s", "", 200, "");
	ask_as(&w, token, "GET", "/api/v1/namespaces/default/pods", "", 401, "Unauthorized");
	world_play(&w, secret, ARRAY_SIZE(secret)); /* another one of that name is another */
	ask_as(&w, token, "GET", "/api/v1/namespaces/default/pods", "", 401, "Unauthorized");
	world_stop(&w);
}

static void answers_reviews(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct world w;
	char *token, *review;

	(void)state;
	world_start(&w);
	token = make_robot(&w, &a);
	ask_as(&w, token, "POST", AUTHZ "/selfsubjectaccessreviews",
	       "{'spec':{'resourceAttributes':{'namespace':'default','verb':'get','resource':'pods'"
	       "}}}",
	       201, "\"allowed\":true");
	ask_as(&w, token, "POST", AUTHZ "/selfsubjectaccessreviews",
	       "{'spec':{'resourceAttributes':{'namespace':'default','verb':'watch',"
	       "'resource':'pods'}}}",
	       201, "\"allowed\":false");
	ask_as(&w, token, "POST", AUTHZ "/selfsubjectaccessreviews", "{'spec':{}}", 422,
	       "exactly one of nonResourceAttributes or resourceAttributes");
	ask_as(&w, NULL, "POST", AUTHZ "/subjectaccessreviews",
	       "{'spec':{'user':'x','groups':['system:masters'],'resourceAttributes':{'verb':'*',"
	       "'resource':'*','group':'*'}}}",
	       201, "\"allowed\":true");
	ask_as(&w, token, "POST", AUTHZ "/selfsubjectrulesreviews",
	       "{'spec':{'namespace':'default'}}", 201, "\"resources\":[\"pods\"]");
	ask_as(&w, token, "POST", AUTHN "/selfsubjectreviews", "{}", 201,
	       "\"username\":\"system:serviceaccount:default:robot\"");
	review = arena_printf(&a, "{'spec':{'token':'%s'}}", token);
	ask_as(&w, NULL, "POST", AUTHN "/tokenreviews", review, 201, "\"authenticated\":true");
	ask_as(&w, NULL, "POST", AUTHN "/tokenreviews", "{'spec':{'token':'a.b.c'}}", 201,
	       "\"authenticated\":false");
	ask_as(&w, NULL, "GET", AUTHN "/tokenreviews", "", 405, "");
	world_stop(&w);
}

static void keeps_rights_from_growing(void **state)
{
	scoped_arena struct arena a = { 0 };
	static const struct step more[] = {
		{ "POST", RBAC "/namespaces/default/roles", NULL,
		  "{'metadata':{'name':'w'},'rules':[{'apiGroups':['rbac.authorization.k8s.io'],"
		  "'resources':['roles','rolebindings'],'verbs':['create','patch','update']}]}",
		  201, "" },
		{ "POST", RBAC "/namespaces/default/rolebindings", NULL,
		  "{'metadata':{'name':'wb'},'roleRef':{'kind':'Role','name':'w',"
		  "'apiGroup':'rbac.authorization.k8s.io'},"
		  "'subjects':[{'kind':'ServiceAccount','name':'robot'}]}",
		  201, "" },
	};
	struct world w;
	char *token;

	(void)state;
	world_start(&w);
	token = make_robot(&w, &a);
	world_play(&w, more, ARRAY_SIZE(more));
	ask_as(&w, token, "POST", RBAC "/namespaces/default/roles",
	       "{'metadata':{'name':'x'},'rules':[{'apiGroups':[''],'resources':['pods'],"
	       "'verbs':['get']}]}",
	       201, "");
	ask_as(&w, token, "POST", RBAC "/namespaces/default/roles",
	       "{'metadata':{'name':'y'},'rules':[{'apiGroups':[''],'resources':['secrets'],"
	       "'verbs':['get']}]}",
	       403, "attempting to grant RBAC permissions not currently held");
	ask_as(&w, token, "POST", RBAC "/namespaces/default/rolebindings",
	       "{'metadata':{'name':'z'},'roleRef':{'kind':'ClusterRole','name':'cluster-admin',"
	       "'apiGroup':'rbac.authorization.k8s.io'},'subjects':[]}",
	       403, "not currently held");
	world_stop(&w);
}

static void binds_tokens(void **state)
{
	static const struct step steps[] = {
		{ "POST", "/api/v1/namespaces/default/serviceaccounts/default/token", NULL,
		  "{'spec':{'expirationSeconds':5}}", 422, "duration less than 10 minutes" },
		{ "POST", "/api/v1/namespaces/default/serviceaccounts/none/token", NULL, "{}", 404,
		  "serviceaccounts \\\"none\\\" not found" },
		{ "POST", "/api/v1/namespaces/default/serviceaccounts/default/token", NULL,
		  "{'spec':{'boundObjectRef':{'kind':'Pod','name':'p'}}}", 404, "pods \\\"p\\\"" },
		{ "GET", "/openid/v1/jwks", NULL, NULL, 200, "\"kty\":\"EC\"" },
		{ "GET", "/.well-known/openid-configuration", NULL, NULL, 200, "\"jwks_uri\"" },
	};
	struct world w;

	(void)state;
	world_start(&w);
	world_play(&w, steps, ARRAY_SIZE(steps));
	world_stop(&w);
}

static void makes_bootstrap_roles(void **state)
{
	static const struct step steps[] = {
		{ "GET", RBAC "/clusterroles/cluster-admin", NULL, NULL, 200, "\"*\"" },
		{ "GET", RBAC "/clusterroles/edit", NULL, NULL, 200, "\"pods/exec\"" },
		{ "GET", RBAC "/clusterroles/admin", NULL, NULL, 200, "\"rolebindings\"" },
		{ "GET", "/api/v1/namespaces/default/services/kubernetes", NULL, NULL, 200,
		  "\"clusterIP\":\"10.1.0.1\"" },
		{ "GET", "/api/v1/namespaces/default/endpoints/kubernetes", NULL, NULL, 200,
		  "\"10.0.2.10\"" },
		{ "GET", "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical", NULL,
		  NULL, 200, "2000001000" },
	};
	struct world w;

	(void)state;
	world_start(&w);
	world_play(&w, steps, ARRAY_SIZE(steps));
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_strangers),
		cmocka_unit_test(evaluates_roles),
		cmocka_unit_test(a_token_dies_with_the_secret_it_is_bound_to),
		cmocka_unit_test(answers_reviews),
		cmocka_unit_test(keeps_rights_from_growing),
		cmocka_unit_test(binds_tokens),
		cmocka_unit_test(makes_bootstrap_roles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
