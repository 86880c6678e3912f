/* Why: what clients see when they read and write objects: states, texts, reasons, numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

#include "base/mem.h"
#include "codec/json.h"

#define CMS   "/api/v1/namespaces/default/configmaps"
#define PODS  "/api/v1/namespaces/default/pods"
#define SVCS  "/api/v1/namespaces/default/services"
#define DEPS  "/apis/apps/v1/namespaces/default/deployments"
#define MERGE "application/merge-patch+json"
#define JSONP "application/json-patch+json"
#define SMP   "application/strategic-merge-patch+json"
#define APPLY "application/apply-patch+yaml"

#define PLAY(steps)                                                                                \
	do {                                                                                       \
		struct world w;                                                                    \
		world_start(&w);                                                                   \
		world_play(&w, (steps), ARRAY_SIZE(steps));                                        \
		world_stop(&w);                                                                    \
	} while (0)

static void creates_and_reads(void **state)
{
	static const struct step steps[] = {
		{ "POST", CMS, NULL, "{'metadata':{'name':'a'},'data':{'k':'v'}}", 201, "\"uid\"" },
		{ "POST", CMS, "", "{'metadata':{'name':'b'}}", 201, "\"name\":\"b\"" },
		{ "POST", CMS, "application/yaml", "metadata: {name: c}\ndata: {k: v}\n", 201,
		  "\"k\":\"v\"" },
		{ "POST", CMS, NULL, "{'metadata':{'generateName':'d-'}}", 201, "\"name\":\"d-" },
		{ "POST", CMS, NULL, "{'metadata':{'name':'a'}}", 409,
		  "\"message\":\"configmaps \\\"a\\\" already "
		  "exists\",\"reason\":\"AlreadyExists\"" },
		{ "GET", CMS "/a", NULL, NULL, 200, "\"k\":\"v\"" },
		{ "GET", CMS "/zz", NULL, NULL, 404,
		  "configmaps \\\"zz\\\" not found\",\"reason\":\"NotFound\",\"details\":{\"name\":"
		  "\"zz\",\"kind\":\"configmaps\"},\"code\":404" },
		{ "GET", DEPS "/d", NULL, NULL, 404, "deployments.apps \\\"d\\\" not found" },
		{ "GET", CMS "?limit=2", NULL, NULL, 200, "\"remainingItemCount\":2" },
		{ "GET", CMS "?labelSelector=x", NULL, NULL, 200, "\"items\":[]" },
		{ "GET", CMS "?fieldSelector=metadata.name%3Db", NULL, NULL, 200,
		  "\"name\":\"b\"" },
		{ "GET", CMS "?fieldSelector=spec.x%3Db", NULL, NULL, 400,
		  "field label not supported: spec.x" },
		{ "GET", CMS "?resourceVersion=99999999", NULL, NULL, 504,
		  "Too large resource version: 99999999, current: " },
		{ "GET", CMS "?resourceVersion=1&resourceVersionMatch=Exact", NULL, NULL, 410,
		  "\"Expired\"" },
		{ "GET", CMS "?continue=x", NULL, NULL, 400, "continue key is not valid" },
		{ "GET", "/api/v1/configmaps", NULL, NULL, 200, "\"kind\":\"ConfigMapList\"" },
		{ "POST", "/api/v1/namespaces/nope/configmaps", NULL, "{'metadata':{'name':'a'}}",
		  404, "namespaces \\\"nope\\\" not found" },
		{ "POST", CMS, NULL, "{'metadata':{'name':'a','namespace':'other'}}", 400,
		  "the namespace of the provided object does not match the namespace sent on the "
		  "request" },
		{ "POST", CMS, NULL, "{'metadata':{'name':'x','resourceVersion':'3'}}", 400,
		  "resourceVersion should not be set on objects to be created" },
	};

	(void)state;
	PLAY(steps);
}

static void words_mistakes(void **state)
{
	static const struct step steps[] = {
		{ "POST", CMS, NULL, "{'metadata':{'name':'A_B'}}", 422,
		  "ConfigMap \\\"A_B\\\" is invalid: metadata.name: Invalid value: \\\"A_B\\\"" },
		{ "POST", CMS, NULL, "{'metadata':{'name':'a'},'data':{'k':1}}", 400,
		  "ConfigMap in version \\\"v1\\\" cannot be handled as a ConfigMap: json: cannot "
		  "unmarshal number into Go struct field ConfigMap.data of type string" },
		{ "POST", CMS "?fieldValidation=Strict", NULL,
		  "{'metadata':{'name':'a'},'dat':{},'data':{'k':'1','k':'2'}}", 400,
		  "strict decoding error: unknown field \\\"dat\\\", duplicate field "
		  "\\\"data.k\\\"" },
		{ "POST", CMS, NULL, "{'kind':'Pod','metadata':{'name':'a'}}", 400,
		  "cannot be handled as a ConfigMap" },
		{ "POST", CMS, NULL, "{'kind':'ConfigMap','apiVersion':'v2','metadata':{}}", 400,
		  "no kind \\\"ConfigMap\\\" is registered for version \\\"v2\\\"" },
		{ "POST", CMS, NULL,
		  "{'kind':'Deployment','apiVersion':'apps/v1','metadata':{'name':'a'}}", 400,
		  "the API version in the data (apps/v1) does not match the expected API version "
		  "(v1)" },
		{ "POST", CMS, NULL, "{'metadata':", 400, "line 1" },
		{ "POST", CMS, NULL, "", 400, "the body is empty" },
		{ "POST", CMS, "text/html", "{}", 415,
		  "the body of the request was in an unknown format - accepted media types "
		  "include: "
		  "application/json, application/yaml, application/vnd.kubernetes.protobuf" },
		{ "POST", CMS "?dryRun=x", NULL, "{}", 422, "dryRun: Unsupported value" },
		{ "PUT", CMS, NULL, "{}", 405,
		  "the server does not allow this method on the requested resource" },
		{ "POST", CMS "/a", NULL, "{}", 405, "MethodNotAllowed" },
		{ "GET", "/api/v1/namespaces/default/nothings", NULL, NULL, 404,
		  "the server could not find the requested resource" },
		{ "GET", "/api/v1/namespaces/default/pods/p/nothing", NULL, NULL, 404, "NotFound" },
		{ "GET", "/api/v1/namespaces/default/nodes", NULL, NULL, 404, "NotFound" },
		{ "GET", "/nope", NULL, NULL, 404, "404 page not found" },
		{ "POST", DEPS, NULL,
		  "{'metadata':{'name':'d'},'spec':{'selector':{'matchLabels':{'a':'b'}},'template'"
		  ":"
		  "{'metadata':{'labels':{'a':'c'}},'spec':{'containers':[{'name':'c','image':'i'}]"
		  "}}}}",
		  422,
		  "Deployment.apps \\\"d\\\" is invalid: spec.template.metadata.labels: Invalid "
		  "value" },
	};

	(void)state;
	PLAY(steps);
}

static void updates(void **state)
{
	static const struct step steps[] = {
		{ "POST", CMS, NULL, "{'metadata':{'name':'a'},'data':{'k':'v'}}", 201, "" },
		{ "PUT", CMS "/a", NULL, "{'metadata':{'name':'a'},'data':{'k':'w'}}", 200,
		  "\"k\":\"w\"" },
		{ "PUT", CMS "/a", NULL, "{'metadata':{'name':'a','resourceVersion':'1'}}", 409,
		  "Operation cannot be fulfilled on configmaps \\\"a\\\": the object has been "
		  "modified; "
		  "please apply your changes to the latest version and try again\",\"reason\":"
		  "\"Conflict\"" },
		{ "PUT", CMS "/a", NULL, "{'metadata':{'name':'b'}}", 400,
		  "the name of the object (b) does not match the name on the URL (a)" },
		{ "PUT", CMS "/a", NULL, "{'metadata':{'uid':'nope'}}", 409,
		  "Precondition failed" },
		{ "PUT", CMS "/zz", NULL, "{'metadata':{'name':'zz'}}", 404, "not found" },
		{ "PATCH", CMS "/a", MERGE, "{'data':{'k':null,'l':'m'}}", 200,
		  "\"data\":{\"l\":\"m\"}" },
		{ "PATCH", CMS "/a", JSONP, "[{'op':'add','path':'/data/x','value':'y'}]", 200,
		  "\"x\":\"y\"" },
		{ "PATCH", CMS "/a", JSONP, "[{'op':'test','path':'/data/x','value':'z'}]", 422,
		  "\"Invalid\"" },
		{ "PATCH", CMS "/a", JSONP, "{'op':1}", 400, "\"BadRequest\"" },
		{ "PATCH", CMS "/a", SMP, "{'metadata':{'labels':{'q':'r'}}}", 200, "\"q\":\"r\"" },
		{ "PATCH", CMS "/a", "text/x", "{}", 415, "application/apply-patch+yaml" },
		{ "PATCH", CMS "/a?fieldValidation=Strict", MERGE, "{'nope':1}", 422,
		  "strict decoding error: unknown field \\\"nope\\\"" },
		{ "PATCH", CMS "/a", MERGE, "{'metadata':{'resourceVersion':'1'}}", 409,
		  "Conflict" },
		{ "PATCH", CMS "/a?dryRun=All", MERGE, "{'data':{'dry':'run'}}", 200, "\"dry\"" },
		{ "GET", CMS "/a", NULL, NULL, 200, "\"data\":{\"l\":\"m\",\"x\":\"y\"}" },
	};

	(void)state;
	PLAY(steps);
}

static void applies(void **state)
{
#define OBJECT(data)                                                                               \
	"{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a'},'data':" data "}"
	static const struct step steps[] = {
		{ "PATCH", CMS "/a", APPLY, OBJECT("{'k':'v'}"), 422,
		  "fieldManager: Required value: is required for apply patch" },
		{ "PATCH", CMS "/a?fieldManager=one", APPLY, OBJECT("{'k':'v','l':'m'}"), 201,
		  "\"operation\":\"Apply\"" },
		{ "PATCH", CMS "/a?fieldManager=one", APPLY, OBJECT("{'k':'v'}"), 200,
		  "\"data\":{\"k\":\"v\"}" },
		{ "PATCH", CMS "/a?fieldManager=two", APPLY, OBJECT("{'k':'w'}"), 409,
		  "\"reason\":\"FieldManagerConflict\"" },
		{ "PATCH", CMS "/a?fieldManager=two", APPLY, OBJECT("{'k':'w'}"), 409,
		  "Apply failed with 1 conflict: conflict with \\\"one\\\" using v1: .data.k" },
		{ "PATCH", CMS "/a?fieldManager=two&force=true", APPLY, OBJECT("{'k':'w'}"), 200,
		  "\"k\":\"w\"" },
		{ "PATCH", CMS "/a?fieldManager=two", APPLY,
		  "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a'},'foo':1}", 400,
		  ".foo: field not declared in schema" },
		{ "PATCH", CMS "/a?fieldManager=two", APPLY, "{'metadata':{'name':'a'}}", 400,
		  "do not match the expected ones" },
		{ "PATCH", CMS "/a?force=true", MERGE, "{}", 422,
		  "force: Forbidden: may not be specified for non-apply patch" },
	};

	(void)state;
	PLAY(steps);
}

static void deletes(void **state)
{
	static const struct step steps[] = {
		{ "POST", CMS, NULL, "{'metadata':{'name':'a','finalizers':['x.io/f']}}", 201, "" },
		{ "DELETE", CMS "/a", NULL, "{'preconditions':{'uid':'nope'}}", 409,
		  "Precondition failed: UID in precondition: nope" },
		{ "DELETE", CMS "/a", NULL, "{'propagationPolicy':'Sideways'}", 422,
		  "propagationPolicy" },
		{ "DELETE", CMS "/a?dryRun=All", NULL, NULL, 200, "\"Success\"" },
		{ "DELETE", CMS "/a", NULL, "{'propagationPolicy':'Background'}", 200,
		  "\"deletionTimestamp\"" },
		{ "PATCH", CMS "/a", MERGE, "{'metadata':{'finalizers':['x.io/f','x.io/g']}}", 422,
		  "no new finalizers can be added if the object is being deleted" },
		{ "PATCH", CMS "/a", MERGE, "{'metadata':{'finalizers':null}}", 200, "" },
		{ "GET", CMS "/a", NULL, NULL, 404, "not found" },
		{ "POST", CMS, NULL, "{'metadata':{'name':'b','labels':{'x':'y'}}}", 201, "" },
		{ "POST", CMS, NULL, "{'metadata':{'name':'c','labels':{'x':'z'}}}", 201, "" },
		{ "DELETE", CMS "/b", NULL, NULL, 200,
		  "\"status\":\"Success\",\"details\":{\"name\":\"b\",\"kind\":\"configmaps\","
		  "\"uid\":" },
		{ "DELETE", CMS "?labelSelector=x%3Dz", NULL, NULL, 200, "\"name\":\"c\"" },
		{ "GET", CMS, NULL, NULL, 200, "\"items\":[]" },
		{ "DELETE", "/api/v1/namespaces/kube-system", NULL, NULL, 403,
		  "this namespace may not be deleted" },
	};

	(void)state;
	PLAY(steps);
}

static void shows_views(void **state)
{
#define TABLE   "application/json;as=Table;v=v1;g=meta.k8s.io"
#define PARTIAL "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
	static const struct {
		const char *accept, *target;
		int status;
		const char *want;
	} rows[] = {
		{ TABLE, "/api/v1/namespaces", 200,
		  "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\"" },
		{ TABLE, "/api/v1/namespaces/default", 200, "\"cells\":[\"default\",\"Active\"," },
		{ TABLE, "/api/v1/namespaces/default?includeObject=Object", 200,
		  "\"object\":{\"apiVersion\":\"v1\",\"kind\":\"Namespace\"" },
		{ TABLE, "/api/v1/namespaces/default?includeObject=None", 200, "\"object\":null" },
		{ PARTIAL, "/api/v1/namespaces/default", 200,
		  "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/"
		  "v1\",\"metadata\":{" },
		{ PARTIAL, "/api/v1/namespaces", 200, "\"kind\":\"PartialObjectMetadataList\"" },
		{ "application/yaml", "/api/v1/namespaces/default", 200, "kind: Namespace\n" },
		{ "text/html", "/api/v1/namespaces", 406,
		  "only the following media types are accepted: application/json" },
	};
	struct world w;

	(void)state;
	world_start(&w);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		scoped_free char *header = mem_printf("Accept: %s\r\n", rows[i].accept);
		struct question q = { .method = "GET",
			              .target = rows[i].target,
			              .headers = header };
		struct answer got;

		world_ask(&w, &q, &got);
		if (got.status != rows[i].status || !strstr(strbuf_str(&got.body), rows[i].want)) {
			fail_msg("%s %s: found %d %s", rows[i].accept, rows[i].target, got.status,
			         strbuf_str(&got.body));
		}
		answer_fini(&got);
	}
	world_stop(&w);
}

static void warns(void **state)
{
	struct question q = { .method = "POST",
		              .target = CMS "?dryRun=All",
		              .body = SLICE(
				      "{\"metadata\":{\"name\":\"a\"},\"foo\\\"\":1,\"bar\":2}") };
	struct answer got;
	struct world w;

	(void)state;
	world_start(&w);
	world_ask(&w, &q, &got);
	assert_int_equal(got.status, 201);
	assert_non_null(
		strstr(strbuf_str(&got.head), "Warning: 299 - \"unknown field \\\"bar\\\"\""));
	answer_fini(&got);
	q.target = CMS "?dryRun=All&fieldValidation=Ignore";
	world_ask(&w, &q, &got);
	assert_null(strstr(strbuf_str(&got.head), "Warning"));
	answer_fini(&got);
	world_stop(&w);
}

static void pages(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct world w;
	size_t seen = 0;
	const char *token = "";

	(void)state;
	world_start(&w);
	for (int i = 0; i < 25; i++) {
		char body[64];
		struct question q = { .method = "POST", .target = CMS, .body = slice_of(body) };
		struct answer got;

		snprintf(body, sizeof(body), "{\"metadata\":{\"name\":\"c%02d\"}}", i);
		q.body = slice_of(body);
		world_ask(&w, &q, &got);
		assert_int_equal(got.status, 201);
		answer_fini(&got);
	}
	do {
		char *target =
			arena_printf(&a, CMS "?limit=10%s%s", *token ? "&continue=" : "", token);
		struct question q = { .method = "GET", .target = target };
		struct answer got;
		struct val *v;

		world_ask(&w, &q, &got);
		assert_int_equal(json_parse(&a, strbuf_slice(&got.body), 0, &v, NULL), 0);
		seen += val_len(val_get(v, "items"));
		token = val_cstr(val_path(v, "metadata.continue"));
		answer_fini(&got);
		/* what is written meanwhile does not show on later pages */
		q = (struct question){ .method = "DELETE", .target = CMS "/c24" };
		world_ask(&w, &q, &got);
		answer_fini(&got);
	} while (*token);
	assert_int_equal(seen, 25);
	world_stop(&w);
}

static void reads_protobuf(void **state)
{
	/* kubectl create ns q1, as a client of 1.33 sends it (reference 2.3) */
	static const char body[] =
		"k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x1a\x0a\x12\x0a\x02q1"
		"\x12\x00\x1a\x00\x22\x00\x2a\x00\x32\x00\x38\x00\x42\x00\x12\x00"
		"\x1a\x02\x0a\x00\x1a\x00\x22\x00";
	struct question q = {
		.method = "POST",
		.target = "/api/v1/namespaces",
		.type = "application/vnd.kubernetes.protobuf",
		.headers = "Accept: application/vnd.kubernetes.protobuf,application/json\r\n",
		.body = { body, sizeof(body) - 1 }
	};
	struct answer got;
	struct world w;

	(void)state;
	world_start(&w);
	world_ask(&w, &q, &got);
	assert_int_equal(got.status, 201);
	assert_non_null(strstr(strbuf_str(&got.body), "\"name\":\"q1\""));
	answer_fini(&got);
	q.body = SLICE("k8s");
	world_ask(&w, &q, &got);
	assert_int_equal(got.status, 400);
	answer_fini(&got);
	world_stop(&w);
}

static void refuses_large_bodies(void **state)
{
	scoped_strbuf struct strbuf body = { 0 };
	struct question q = { .method = "POST", .target = CMS };
	struct answer got;
	struct world w;

	(void)state;
	strbuf_adds(&body, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"");
	while (body.size < 3145728 + 100) {
		strbuf_adds(&body, "0123456789");
	}
	strbuf_adds(&body, "\"}}");
	q.body = strbuf_slice(&body);
	world_start(&w);
	world_ask(&w, &q, &got);
	assert_int_equal(got.status, 413);
	assert_non_null(
		strstr(strbuf_str(&got.body), "Request entity too large: limit is 3145728"));
	answer_fini(&got);
	world_stop(&w);
}

static void admits_pods(void **state)
{
#define POD(more)                                                                                  \
	"{'metadata':{'name':'p'},'spec':{'containers':[{'name':'c','image':'i'}]" more "}}"
	static const struct step steps[] = {
		{ "POST", PODS, NULL, POD(",'serviceAccountName':'none'"), 403,
		  "pods \\\"p\\\" is forbidden: error looking up service account default/none: "
		  "serviceaccount \\\"none\\\" not found" },
		{ "POST", PODS, NULL, POD(",'priorityClassName':'none'"), 403,
		  "no PriorityClass with name none was found" },
		{ "POST", PODS, NULL, POD(""), 201,
		  "\"mountPath\":\"/var/run/secrets/kubernetes.io/"
		  "serviceaccount\"" },
		{ "GET", PODS "/p", NULL, NULL, 200, "\"tolerationSeconds\":300" },
		{ "GET", PODS "/p", NULL, NULL, 200, "\"expirationSeconds\":3607" },
		{ "GET", PODS "/p", NULL, NULL, 200, "\"phase\":\"Pending\"" },
		{ "GET", PODS "/p", NULL, NULL, 200, "\"qosClass\":\"BestEffort\"" },
		{ "PATCH", PODS "/p", MERGE, "{'spec':{'hostname':'x'}}", 422,
		  "pod updates may not change fields other than" },
		{ "POST", PODS "/p/binding", NULL, "{'target':{'kind':'Node','name':'n1'}}", 201,
		  "\"Success\"" },
		{ "POST", PODS "/p/binding", NULL, "{'target':{'kind':'Node','name':'n2'}}", 409,
		  "already assigned to node" },
		{ "GET", PODS "?fieldSelector=spec.nodeName%3Dn1", NULL, NULL, 200,
		  "\"type\":\"PodScheduled\"" },
		{ "PATCH", PODS "/p/status", MERGE, "{'status':{'phase':'Running'},'spec':{'x':1}}",
		  200, "\"phase\":\"Running\"" },
		{ "PATCH", PODS "/p/ephemeralcontainers", SMP,
		  "{'spec':{'ephemeralContainers':[{'name':'e','image':'i'}]}}", 200,
		  "\"ephemeralContainers\"" },
		{ "GET", PODS "/p/log", NULL, NULL, 503, "there is no node agent" },
		{ "POST", PODS "/p/exec?command=a&stdout=1", NULL, NULL, 400,
		  "Upgrade request required" },
		{ "GET", PODS "/p/log?container=zz", NULL, NULL, 400,
		  "container zz is not valid for pod p" },
		{ "POST", "/apis/policy/v1/namespaces/default/poddisruptionbudgets", NULL,
		  "{'metadata':{'name':'b'},'spec':{'minAvailable':1,'selector':{}}}", 201, "" },
		{ "POST", PODS "/p/eviction", NULL,
		  "{'apiVersion':'policy/v1','kind':'Eviction','metadata':{'name':'p'}}", 429,
		  "Cannot evict pod as it would violate the pod's disruption budget." },
		{ "DELETE", "/apis/policy/v1/namespaces/default/poddisruptionbudgets/b", NULL, NULL,
		  200, "" },
		{ "POST", PODS "/p/eviction", NULL,
		  "{'apiVersion':'policy/v1','kind':'Eviction','metadata':{'name':'p'}}", 201,
		  "\"Success\"" },
		{ "GET", PODS "/p", NULL, NULL, 200, "\"deletionGracePeriodSeconds\":30" },
		{ "DELETE", PODS "/p?gracePeriodSeconds=0", NULL, NULL, 200, "" },
		{ "GET", PODS "/p", NULL, NULL, 404, "" },
	};

	(void)state;
	PLAY(steps);
}

static void scales(void **state)
{
	static const struct step steps[] = {
		{ "POST", DEPS, NULL,
		  "{'metadata':{'name':'d'},'spec':{'selector':{'matchLabels':{'a':'b'}},'template'"
		  ":"
		  "{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':'i'}]"
		  "}}}}",
		  201, "\"generation\":1" },
		{ "GET", DEPS "/d/scale", NULL, NULL, 200,
		  "{\"kind\":\"Scale\",\"apiVersion\":"
		  "\"autoscaling/v1\"" },
		{ "GET", DEPS "/d/scale", NULL, NULL, 200, "\"selector\":\"a=b\"" },
		{ "PATCH", DEPS "/d/scale", MERGE, "{'spec':{'replicas':3}}", 200,
		  "\"replicas\":3" },
		{ "GET", DEPS "/d", NULL, NULL, 200, "\"generation\":2" },
		{ "PUT", DEPS "/d/scale", NULL,
		  "{'metadata':{'name':'d','resourceVersion':'1'},'spec':{'replicas':4}}", 409,
		  "Conflict" },
		{ "PUT", DEPS "/d/scale", NULL, "{'metadata':{'name':'d'},'spec':{'replicas':-1}}",
		  422, "spec.replicas" },
		{ "PUT", DEPS "/d/status", NULL,
		  "{'metadata':{'name':'d'},'spec':{'replicas':9},'status':{'replicas':7}}", 200,
		  "\"replicas\":7" },
		{ "GET", DEPS "/d", NULL, NULL, 200, "\"generation\":2" },
		{ "PATCH", DEPS "/d", SMP, "{'status':{'replicas':8}}", 200, "\"replicas\":7" },
	};

	(void)state;
	PLAY(steps);
}

static void serves_definitions(void **state)
{
#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define CATS "/apis/zoo.example.com/v1/namespaces/default/cats"
	static const struct step steps[] = {
		{ "GET", CATS, NULL, NULL, 404,
		  "the server could not find the requested resource" },
		{ "POST", CRDS, NULL,
		  "{'metadata':{'name':'cats.zoo.example.com'},'spec':{'group':'zoo.example.com',"
		  "'scope':'Namespaced','names':{'plural':'cats','singular':'cat','kind':'Cat'},"
		  "'versions':[{'name':'v1','served':true,'storage':true,'subresources':{'status':{"
		  "}},"
		  "'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':{'type':'"
		  "object',"
		  "'required':['color'],'properties':{'color':{'type':'string','enum':['black']},"
		  "'size':{'type':'integer','default':3}}}}}}}]}}",
		  201, "\"Established\"" },
		{ "POST", CATS, NULL, "{'metadata':{'name':'tom'},'spec':{'color':'red'}}", 422,
		  "spec.color: Unsupported value: \\\"red\\\"" },
		{ "POST", CATS, NULL, "{'metadata':{'name':'tom'},'spec':{'color':'black'}}", 201,
		  "\"size\":3" },
		{ "PUT", CATS "/tom", NULL, "{'metadata':{'name':'tom'},'spec':{'color':'black'}}",
		  422,
		  "metadata.resourceVersion: Invalid value: 0: must be specified for an update" },
		{ "PATCH", CATS "/tom", SMP, "{}", 415, "UnsupportedMediaType" },
		{ "PATCH", CATS "/tom/status", MERGE, "{'status':{'x':1}}", 200, "" },
		{ "GET", "/apis/zoo.example.com", NULL, NULL, 200, "\"kind\":\"APIGroup\"" },
		{ "GET", "/apis/zoo.example.com/v1", NULL, NULL, 200, "\"cats/status\"" },
		{ "GET", "/openapi/v3/apis/zoo.example.com/v1", NULL, NULL, 200, "\"color\"" },
		{ "DELETE", CRDS "/cats.zoo.example.com", NULL, NULL, 200, "" },
		{ "GET", CATS, NULL, NULL, 404, "" },
		{ "GET", CRDS "/cats.zoo.example.com", NULL, NULL, 404, "" },
	};

	(void)state;
	PLAY(steps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(creates_and_reads),
		cmocka_unit_test(words_mistakes),
		cmocka_unit_test(updates),
		cmocka_unit_test(applies),
		cmocka_unit_test(deletes),
		cmocka_unit_test(shows_views),
		cmocka_unit_test(warns),
		cmocka_unit_test(pages),
		cmocka_unit_test(reads_protobuf),
		cmocka_unit_test(refuses_large_bodies),
		cmocka_unit_test(admits_pods),
		cmocka_unit_test(scales),
		cmocka_unit_test(serves_definitions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
