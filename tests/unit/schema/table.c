#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/json.h"
#include "schema/age.h"
#include "schema/jsonpath.h"
#include "schema/object.h"

#define NOW "2026-01-02T00:00:00Z"

static const struct val *parse(struct arena *a, const char *text)
{
	struct val *v = NULL;
	struct err err = { 0 };

	if (json_parse(a, slice_of(text), 0, &v, &err) < 0) {
		fail_msg("%s: %s", text, err.msg);
	}
	return v;
}

static void check_cells(const struct kind *k, const char *object, const char *want)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf got = { 0 };
	const struct val *cells;
	int64_t now;

	assert_true(time_parse(SLICE(NOW), &now));
	cells = table_cells(k, &a, parse(&a, object), now);
	json_write(&got, cells);
	if (strcmp(strbuf_str(&got), want) != 0) {
		fail_msg("expected %s\n   found %s", want, strbuf_str(&got));
	}
	assert_int_equal(val_len(table_columns(k, &a)), val_len(cells));
}

static void ages_lose_their_small_unit_as_kubectl_does(void **state)
{
	(void)state;
	static const struct {
		long long s;
		const char *want;
	} cases[] = {
		{ -5, "<invalid>" },
		{ -1, "0s" },
		{ 0, "0s" },
		{ 119, "119s" },
		{ 120, "2m" },
		{ 200, "3m20s" },
		{ 600, "10m" },
		{ 10799, "179m" },
		{ 10800, "3h" },
		{ 11000, "3h3m" },
		{ 8 * 3600, "8h" },
		{ 47 * 3600, "47h" },
		{ 48 * 3600, "2d" },
		{ 52 * 3600, "2d4h" },
		{ 8 * 86400, "8d" },
		{ 729LL * 86400, "729d" },
		{ 730LL * 86400, "2y" },
		{ 740LL * 86400, "2y10d" },
		{ 3000LL * 86400, "8y" },
	};
	char text[AGE_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_string_equal(age_format(cases[i].s * US_PER_S, text), cases[i].want);
	}
	assert_string_equal(age_since(SLICE(""), 0, text), "<unknown>");
}

static const struct kind pod = { .group = "", .version = "v1", .kind = "Pod" };

#define META "\"metadata\":{\"name\":\"p\",\"creationTimestamp\":\"2026-01-01T23:55:00Z\"}"

static void a_running_pod_shows_restarts_and_places(void **state)
{
	(void)state;
	check_cells(
		&pod,
		"{" META ",\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"a\"},"
		"{\"name\":\"b\"}]},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.244.0.2\","
		"\"podIPs\":[{\"ip\":\"10.244.0.2\"}],\"containerStatuses\":["
		"{\"name\":\"a\",\"ready\":true,\"restartCount\":3,\"state\":{\"running\":{}},"
		"\"lastState\":{\"terminated\":{\"finishedAt\":\"2026-01-01T23:58:20Z\"}}},"
		"{\"name\":\"b\",\"ready\":false,\"restartCount\":0,\"state\":{\"running\":{}}}]}}",
		"[\"p\",\"1/2\",\"Running\",\"3 (100s ago)\",\"5m\",\"10.244.0.2\",\"n1\","
		"\"<none>\",\"<none>\"]");
}

static void a_pods_status_word_follows_its_containers(void **state)
{
	(void)state;
	static const struct {
		const char *rest, *ready, *word;
	} cases[] = {
		{ "\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Pending\"}", "0/1",
		  "Pending" },
		{ "\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Pending\",\"conditions\":"
		  "[{"
		  "\"type\":\"PodScheduled\",\"status\":\"False\",\"reason\":\"SchedulingGated\"}]"
		  "}",
		  "0/1", "SchedulingGated" },
		{ "\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Failed\",\"reason\":"
		  "\"Evicted\"}",
		  "0/1", "Evicted" },
		{ "\"spec\":{\"initContainers\":[{\"name\":\"i\"},{\"name\":\"j\"}],\"containers\":"
		  "[{}]},"
		  "\"status\":{\"phase\":\"Pending\",\"initContainerStatuses\":[{\"name\":\"i\","
		  "\"state\":{\"terminated\":{\"exitCode\":0}}},{\"name\":\"j\",\"state\":{"
		  "\"waiting\":{"
		  "\"reason\":\"PodInitializing\"}}}]}",
		  "0/1", "Init:1/2" },
		{ "\"spec\":{\"initContainers\":[{\"name\":\"i\"}],\"containers\":[{}]},"
		  "\"status\":{\"phase\":\"Pending\",\"initContainerStatuses\":[{\"name\":\"i\","
		  "\"state\":{\"terminated\":{\"exitCode\":2}}}]}",
		  "0/1", "Init:ExitCode:2" },
		{ "\"spec\":{\"initContainers\":[{\"name\":\"i\"}],\"containers\":[{}]},"
		  "\"status\":{\"phase\":\"Pending\",\"initContainerStatuses\":[{\"name\":\"i\","
		  "\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}}]}",
		  "0/1", "Init:CrashLoopBackOff" },
		{ "\"spec\":{\"initContainers\":[{\"name\":\"i\",\"restartPolicy\":\"Always\"}],"
		  "\"containers\":[{}]},\"status\":{\"phase\":\"Running\","
		  "\"initContainerStatuses\":[{"
		  "\"name\":\"i\",\"started\":true,\"ready\":true,\"state\":{\"running\":{}}}],"
		  "\"containerStatuses\":[{\"ready\":true,\"state\":{\"running\":{}}}]}",
		  "2/2", "Running" },
		{ "\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Pending\","
		  "\"containerStatuses\":"
		  "[{\"state\":{\"waiting\":{\"reason\":\"ImagePullBackOff\"}}}]}",
		  "0/1", "ImagePullBackOff" },
		{ "\"spec\":{\"containers\":[{},{}]},\"status\":{\"phase\":\"Running\","
		  "\"conditions\":[{"
		  "\"type\":\"Ready\",\"status\":\"True\"}],\"containerStatuses\":[{\"ready\":true,"
		  "\"state\":{\"running\":{}}},{\"state\":{\"terminated\":{\"reason\":"
		  "\"Completed\"}}}]}",
		  "1/2", "Running" },
		{ "\"spec\":{\"containers\":[{},{}]},\"status\":{\"phase\":\"Running\","
		  "\"containerStatuses\":"
		  "[{\"state\":{\"terminated\":{\"reason\":\"Completed\"}}},{\"ready\":true,"
		  "\"state\":{\"running\":{}}}]}",
		  "1/2", "NotReady" },
		{ "\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Failed\","
		  "\"containerStatuses\":"
		  "[{\"state\":{\"terminated\":{\"exitCode\":137,\"signal\":9}}}]}",
		  "0/1", "Signal:9" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_strbuf struct strbuf object = { 0 };
		scoped_strbuf struct strbuf want = { 0 };

		strbuf_addf(&object, "{" META ",%s}", cases[i].rest);
		strbuf_addf(&want,
		            "[\"p\",\"%s\",\"%s\",\"0\",\"5m\",\"<none>\",\"<none>\",\"<none>\","
		            "\"<none>\"]",
		            cases[i].ready, cases[i].word);
		check_cells(&pod, strbuf_str(&object), strbuf_str(&want));
	}
}

static void a_deleted_pod_terminates_until_it_is_finished(void **state)
{
	(void)state;
#define GONE                                                                                       \
	"\"metadata\":{\"name\":\"p\",\"creationTimestamp\":\"" NOW                                \
	"\",\"deletionTimestamp\":\"" NOW "\"}"
	check_cells(&pod, "{" GONE ",\"status\":{\"phase\":\"Running\"}}",
	            "[\"p\",\"0/0\",\"Terminating\",\"0\",\"0s\",\"<none>\",\"<none>\",\"<none>\","
	            "\"<none>\"]");
	check_cells(&pod, "{" GONE ",\"status\":{\"phase\":\"Succeeded\"}}",
	            "[\"p\",\"0/0\",\"Succeeded\",\"0\",\"0s\",\"<none>\",\"<none>\",\"<none>\","
	            "\"<none>\"]");
}

static void services_show_addresses_and_ports(void **state)
{
	(void)state;
	static const struct kind service = { .group = "", .version = "v1", .kind = "Service" };

	check_cells(
		&service,
		"{" META ",\"spec\":{\"type\":\"NodePort\",\"clusterIP\":\"10.1.0.9\",\"ports\":[{"
		"\"port\":80,\"nodePort\":30080,\"protocol\":\"TCP\"},{\"port\":53,\"protocol\":"
		"\"UDP\"}],\"selector\":{\"b\":\"2\",\"a\":\"1\"}}}",
		"[\"p\",\"NodePort\",\"10.1.0.9\",\"<none>\",\"80:30080/TCP,53/UDP\",\"5m\","
		"\"a=1,b=2\"]");
	check_cells(
		&service,
		"{" META ",\"spec\":{\"type\":\"LoadBalancer\",\"clusterIP\":\"10.1.0.9\"}}",
		"[\"p\",\"LoadBalancer\",\"10.1.0.9\",\"<pending>\",\"<none>\",\"5m\",\"<none>\"]");
	check_cells(
		&service,
		"{" META
		",\"spec\":{\"type\":\"LoadBalancer\",\"clusterIP\":\"10.1.0.9\"},\"status\":{"
		"\"loadBalancer\":{\"ingress\":[{\"ip\":\"127.0.0.1\"}]}}}",
		"[\"p\",\"LoadBalancer\",\"10.1.0.9\",\"127.0.0.1\",\"<none>\",\"5m\",\"<none>\"]");
	check_cells(&service,
	            "{" META ",\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"x.y\"}}",
	            "[\"p\",\"ExternalName\",\"<none>\",\"x.y\",\"<none>\",\"5m\",\"<none>\"]");
}

static void workloads_and_edges_show_what_kubectl_prints(void **state)
{
	(void)state;
	static const struct kind deployment = { .group = "apps",
		                                .version = "v1",
		                                .kind = "Deployment" };
	static const struct kind ingress = { .group = "networking.k8s.io",
		                             .version = "v1",
		                             .kind = "Ingress" };
	static const struct kind endpoints = { .group = "", .version = "v1", .kind = "Endpoints" };
	static const struct kind hpa = { .group = "autoscaling",
		                         .version = "v2",
		                         .kind = "HorizontalPodAutoscaler" };
	static const struct kind node = { .group = "", .version = "v1", .kind = "Node" };
	static const struct kind unknown = { .group = "x", .version = "v1", .kind = "Y" };

	check_cells(
		&deployment,
		"{" META ",\"spec\":{\"replicas\":3,\"selector\":{\"matchLabels\":{\"a\":\"1\"}},"
		"\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"},{"
		"\"name\":"
		"\"d\",\"image\":\"j\"}]}}},\"status\":{\"readyReplicas\":2,\"updatedReplicas\":3,"
		"\"availableReplicas\":2}}",
		"[\"p\",\"2/3\",3,2,\"5m\",\"c,d\",\"i,j\",\"a=1\"]");
	check_cells(&ingress,
	            "{" META
	            ",\"spec\":{\"ingressClassName\":\"nginx\",\"tls\":[{}],\"rules\":[{\"host\":"
	            "\"a\"},{\"host\":\"b\"},{\"host\":\"c\"},{\"host\":\"d\"}]}}",
	            "[\"p\",\"nginx\",\"a,b,c + 1 more...\",\"\",\"80, 443\",\"5m\"]");
	check_cells(&endpoints,
	            "{" META
	            ",\"subsets\":[{\"addresses\":[{\"ip\":\"1.1.1.1\"},{\"ip\":\"fd00::1\"}],"
	            "\"ports\":[{\"port\":80}]}]}",
	            "[\"p\",\"1.1.1.1:80,[fd00::1]:80\",\"5m\"]");
	check_cells(
		&hpa,
		"{" META ",\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"d\"},"
		"\"minReplicas\":2,\"maxReplicas\":10,\"metrics\":[{\"type\":\"Resource\","
		"\"resource\":{"
		"\"name\":\"cpu\",\"target\":{\"averageUtilization\":70}}},{\"type\":\"Resource\","
		"\"resource\":{\"name\":\"memory\",\"target\":{\"averageValue\":\"1Gi\"}}}]},"
		"\"status\":{"
		"\"currentReplicas\":3,\"currentMetrics\":[{\"type\":\"Resource\",\"resource\":{"
		"\"current\":{\"averageUtilization\":10}}}]}}",
		"[\"p\",\"Deployment/d\",\"cpu: 10%/70%, memory: "
		"<unknown>/1Gi\",\"2\",10,3,\"5m\"]");
	check_cells(&node,
	            "{\"metadata\":{\"name\":\"n\",\"creationTimestamp\":\"" NOW "\",\"labels\":{"
	            "\"node-role.kubernetes.io/"
	            "control-plane\":\"\"}},\"spec\":{\"unschedulable\":true},"
	            "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}],"
	            "\"addresses\":[{"
	            "\"type\":\"InternalIP\",\"address\":\"10.0.2.10\"}],\"nodeInfo\":{"
	            "\"kubeletVersion\":"
	            "\"v1.33.0\"}}}",
	            "[\"n\",\"Ready,SchedulingDisabled\",\"control-plane\",\"0s\",\"v1.33.0\",\"10."
	            "0.2.10\","
	            "\"<none>\",\"<unknown>\",\"<unknown>\",\"<unknown>\"]");
	check_cells(&unknown, "{" META "}", "[\"p\",\"2026-01-01T23:55:00Z\"]");
}

static void events_prefer_the_series_over_times(void **state)
{
	(void)state;
	static const struct kind event = { .group = "", .version = "v1", .kind = "Event" };

	check_cells(
		&event,
		"{" META
		",\"type\":\"Normal\",\"reason\":\"Started\",\"message\":\" hi \",\"source\":{"
		"\"component\":\"kubelet\",\"host\":\"n1\"},\"involvedObject\":{\"kind\":\"Pod\","
		"\"name\":\"q\",\"fieldPath\":\"spec.containers{c}\"},\"firstTimestamp\":"
		"\"2026-01-01T23:50:00Z\",\"lastTimestamp\":\"2026-01-01T23:59:00Z\",\"count\":4}",
		"[\"60s\",\"Normal\",\"Started\",\"pod/q\",\"spec.containers{c}\",\"kubelet, "
		"n1\",\"hi\","
		"\"10m\",4,\"p\"]");
	check_cells(
		&event,
		"{" META
		",\"type\":\"Normal\",\"reason\":\"R\",\"message\":\"m\",\"reportingComponent\":"
		"\"x\",\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"q\"},\"eventTime\":"
		"\"2026-01-01T23:50:00.000000Z\",\"series\":{\"count\":7,\"lastObservedTime\":"
		"\"2026-01-01T23:59:50.000000Z\"}}",
		"[\"10s\",\"Normal\",\"R\",\"pod/q\",\"\",\"x\",\"m\",\"10m\",7,\"p\"]");
}

static void custom_kinds_have_their_own_columns(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };
	struct kind db = { .group = "x", .version = "v1", .kind = "DB", .is_custom = true };

	check_cells(&db, "{" META "}", "[\"p\",\"5m\"]");
	db.printer_columns = parse(
		&a, "[{\"name\":\"Engine\",\"type\":\"string\",\"jsonPath\":\".spec.engine\"},"
		    "{\"name\":\"Size\",\"type\":\"integer\",\"jsonPath\":\".spec.size\"},"
		    "{\"name\":\"Ready\",\"type\":\"string\",\"jsonPath\":"
		    "\".status.conditions[?(@.type==\\\"Ready\\\")].status\"},"
		    "{\"name\":\"Since\",\"type\":\"date\",\"jsonPath\":\".metadata."
		    "creationTimestamp\"},"
		    "{\"name\":\"Gone\",\"type\":\"string\",\"jsonPath\":\".spec.gone\"}]");
	check_cells(
		&db,
		"{" META ",\"spec\":{\"engine\":\"mariadb\",\"size\":\"big\"},\"status\":{"
		"\"conditions\":[{\"type\":\"A\",\"status\":\"x\"},{\"type\":\"Ready\",\"status\":"
		"\"True\"}]}}",
		"[\"p\",\"mariadb\",null,\"True\",\"5m\",null]");
}

static void finished_pods_carry_a_condition(void **state)
{
	(void)state;
	scoped_arena struct arena a = { 0 };

	assert_null(table_conditions(&pod, &a, parse(&a, "{\"status\":{\"phase\":\"Running\"}}")));
	assert_string_equal(
		val_cstr(val_get(
			val_at(table_conditions(&pod, &a,
	                                        parse(&a, "{\"status\":{\"phase\":\"Failed\"}}")),
	                       0),
			"reason")),
		"Failed");
}

static void json_paths_find_what_they_name(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ ".a.b", "[1]" },
		{ "{.a.b}", "[1]" },
		{ ".l[0]", "[10]" },
		{ ".l[-1]", "[30]" },
		{ ".l[*]", "[10,20,30]" },
		{ ".l[9]", "[]" },
		{ ".x\\.y/z", "[\"dotted\"]" },
		{ "['x.y/z']", "[\"dotted\"]" },
		{ ".c[?(@.n>1)].t", "[\"two\"]" },
		{ ".c[?(@.t!='two')].n", "[1]" },
		{ ".c[?(@.z)].n", "[]" },
		{ ".a.*", "[1]" },
	};
	scoped_arena struct arena a = { 0 };
	const struct val *v = parse(&a, "{\"a\":{\"b\":1},\"l\":[10,20,30],\"x.y/z\":\"dotted\","
	                                "\"c\":[{\"n\":1,\"t\":\"one\"},{\"n\":2,\"t\":\"two\"}]}");
	struct val *found = val_new_array(&a);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct val *hits = val_new_array(&a);
		scoped_strbuf struct strbuf got = { 0 };

		assert_int_equal(jsonpath_find(&a, slice_of(cases[i][0]), v, hits, NULL), 0);
		json_write(&got, hits);
		if (strcmp(strbuf_str(&got), cases[i][1]) != 0) {
			fail_msg("%s: expected %s, found %s", cases[i][0], cases[i][1],
			         strbuf_str(&got));
		}
	}
	assert_int_equal(jsonpath_find(&a, SLICE(".a["), v, found, NULL), -ERR_SYNTAX);
	assert_int_equal(jsonpath_find(&a, SLICE(".a..b"), v, found, NULL), -ERR_SYNTAX);
	assert_int_equal(jsonpath_find(&a, SLICE(".l[x]"), v, found, NULL), -ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ages_lose_their_small_unit_as_kubectl_does),
		cmocka_unit_test(a_running_pod_shows_restarts_and_places),
		cmocka_unit_test(a_pods_status_word_follows_its_containers),
		cmocka_unit_test(a_deleted_pod_terminates_until_it_is_finished),
		cmocka_unit_test(services_show_addresses_and_ports),
		cmocka_unit_test(workloads_and_edges_show_what_kubectl_prints),
		cmocka_unit_test(events_prefer_the_series_over_times),
		cmocka_unit_test(custom_kinds_have_their_own_columns),
		cmocka_unit_test(finished_pods_carry_a_condition),
		cmocka_unit_test(json_paths_find_what_they_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
