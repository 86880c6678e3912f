/* Why: values of cloud objects reach ConfigMaps and Secrets, and what hinders them is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "world.h"

static const struct kind *exports, *databases;

static int set_up(void **state)
{
	struct world *w = NEW(struct world);

	world_init(w);
	exports = registry_find(w->registry, SLICE("services.k8s.aws"), SLICE("v1alpha1"),
	                        SLICE("FieldExport"));
	databases = registry_find(w->registry, SLICE("rds.services.k8s.aws"), SLICE("v1alpha1"),
	                          SLICE("DBInstance"));
	assert_non_null(exports);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

static void put_export(struct world *w, const char *name, const char *path, const char *to)
{
	world_put(w,
	          "{\"apiVersion\":\"services.k8s.aws/"
	          "v1alpha1\",\"kind\":\"FieldExport\",\"metadata\":{"
	          "\"name\":\"%s\"},\"spec\":{\"from\":{\"path\":\"%s\",\"resource\":{\"group\":"
	          "\"rds.services.k8s.aws\",\"kind\":\"DBInstance\",\"name\":\"db\"}},\"to\":%s}}",
	          name, path, to);
}

static void put_database(struct world *w, const char *status)
{
	world_put(w,
	          "{\"apiVersion\":\"rds.services.k8s.aws/"
	          "v1alpha1\",\"kind\":\"DBInstance\",\"metadata\":{"
	          "\"name\":\"db\"},\"spec\":{\"dbInstanceClass\":\"db.t4g.micro\","
	          "\"dbInstanceIdentifier\":"
	          "\"db\",\"engine\":\"mysql\",\"multiAZ\":true},\"status\":%s}",
	          status);
}

static void put_target(struct world *w, const char *kind)
{
	world_put(w, "{\"apiVersion\":\"v1\",\"kind\":\"%s\",\"metadata\":{\"name\":\"t\"}}", kind);
}

#define CONFIGMAP(key) "{\"kind\":\"configmap\",\"name\":\"t\"" key "}"
#define READY                                                                                      \
	"{\"endpoint\":{\"address\":\"db.example\",\"port\":3306},\"conditions\":[{\"type\":"      \
	"\"ACK.ResourceSynced\",\"status\":\"True\"}]}"

static const char *condition(struct world *w, const char *name, const char *type,
                             const char *member)
{
	const struct val *conditions =
		val_path(world_get(w, exports, "default", name), "status.conditions");

	val_for_each (conditions, it) {
		if (slice_is(val_get_str(it, "type"), type)) {
			return val_cstr(val_get(it, member));
		}
	}
	return "(none)";
}

static const char *data(struct world *w, const struct kind *k, const char *ns, const char *key)
{
	const struct val *object = world_get(w, k, ns, "t");

	return val_cstr(val_get(val_get(object, "data"), key));
}

static void a_value_reaches_a_configmap(void **state)
{
	struct world *w = *state;

	put_target(w, "ConfigMap");
	put_database(w, READY);
	put_export(w, "host", ".status.endpoint.address", CONFIGMAP(",\"key\":\"DB_HOST\""));
	put_export(w, "port", ".status.endpoint.port", CONFIGMAP(",\"key\":\"DB_PORT\""));
	put_export(w, "multi", ".spec.multiAZ", CONFIGMAP(""));
	world_run_ms(w, 100);
	assert_string_equal(data(w, w->configmap, "default", "DB_HOST"), "db.example");
	assert_string_equal(data(w, w->configmap, "default", "DB_PORT"), "3306");
	assert_string_equal(data(w, w->configmap, "default", "default.multi"), "true");
	assert_string_equal(condition(w, "host", "ACK.ResourceSynced", "status"), "True");
	assert_string_equal(condition(w, "host", "ACK.Recoverable", "status"), "(none)");
}

static void a_value_reaches_a_secret_of_another_namespace(void **state)
{
	struct world *w = *state;

	world_put(w, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"t\","
	             "\"namespace\":"
	             "\"other\"}}");
	put_database(w, READY);
	put_export(w, "host", ".status.endpoint.address",
	           "{\"kind\":\"secret\",\"name\":\"t\",\"namespace\":\"other\",\"key\":\"host\"}");
	world_run_ms(w, 100);
	assert_string_equal(data(w, w->secret, "other", "host"), "ZGIuZXhhbXBsZQ==");
}

static void it_keeps_up_with_its_source(void **state)
{
	struct world *w = *state;

	put_target(w, "ConfigMap");
	put_export(w, "host", ".status.endpoint.address", CONFIGMAP(",\"key\":\"h\""));
	world_run_ms(w, 100);
	assert_string_equal(condition(w, "host", "ACK.Recoverable", "message"),
	                    "DBInstance 'db' not found");
	assert_string_equal(condition(w, "host", "ACK.ResourceSynced", "status"), "False");
	put_database(w,
	             "{\"conditions\":[{\"type\":\"ACK.ResourceSynced\",\"status\":\"False\"}]}");
	world_run_ms(w, 100);
	assert_string_equal(condition(w, "host", "ACK.Recoverable", "message"),
	                    "DBInstance 'db' is not synced yet");
	put_database(w, READY);
	world_run_ms(w, 100);
	assert_string_equal(data(w, w->configmap, "default", "h"), "db.example");
	world_merge(w, databases, "default", "db",
	            "{\"status\":{\"endpoint\":{\"address\":\"new.example\"}}}");
	world_run_ms(w, 100);
	assert_string_equal(data(w, w->configmap, "default", "h"), "new.example");
	assert_string_equal(condition(w, "host", "ACK.Recoverable", "message"), "(none)");
}

static void it_waits_for_its_target_and_restores_it(void **state)
{
	struct world *w = *state;

	put_database(w, READY);
	put_export(w, "host", ".status.endpoint.address", CONFIGMAP(",\"key\":\"h\""));
	world_run_ms(w, 100);
	assert_string_equal(condition(w, "host", "ACK.Recoverable", "message"),
	                    "ConfigMap 't' not found");
	put_target(w, "ConfigMap");
	world_run_ms(w, 100);
	assert_string_equal(data(w, w->configmap, "default", "h"), "db.example");
	put_target(w, "ConfigMap"); /* applied again, without the key */
	world_run_ms(w, 100);
	assert_string_equal(data(w, w->configmap, "default", "h"), "db.example");
}

static void what_is_no_scalar_does_not_exist(void **state)
{
	struct world *w = *state;

	put_target(w, "ConfigMap");
	put_database(w, READY);
	put_export(w, "object", ".status.endpoint", CONFIGMAP(""));
	put_export(w, "absent", ".status.endpoint.hostedZoneID", CONFIGMAP(""));
	world_run_ms(w, 100);
	assert_string_equal(condition(w, "object", "ACK.Recoverable", "message"),
	                    "the path '.status.endpoint' does not exist");
	assert_string_equal(condition(w, "absent", "ACK.Recoverable", "status"), "True");
	assert_null(val_get(world_get(w, w->configmap, "default", "t"), "data"));
}

static void a_bad_path_is_terminal(void **state)
{
	struct world *w = *state;

	put_target(w, "ConfigMap");
	put_database(w, READY);
	put_export(w, "bad", "status.[", CONFIGMAP(""));
	world_run_ms(w, 100);
	assert_string_equal(condition(w, "bad", "ACK.Terminal", "message"),
	                    "cannot read the path 'status.['");
}

static void secrets_are_no_source(void **state)
{
	struct world *w = *state;

	put_target(w, "ConfigMap");
	world_put(w, "{\"apiVersion\":\"services.k8s.aws/"
	             "v1alpha1\",\"kind\":\"FieldExport\",\"metadata\":{"
	             "\"name\":\"x\"},\"spec\":{\"from\":{\"path\":\".data.p\",\"resource\":{"
	             "\"group\":\"\","
	             "\"kind\":\"Secret\",\"name\":\"s\"}},\"to\":" CONFIGMAP("") "}}");
	world_run_ms(w, 100);
	assert_string_equal(condition(w, "x", "ACK.Terminal", "status"), "True");
}

static void the_key_stays_when_the_export_goes(void **state)
{
	struct world *w = *state;

	put_target(w, "ConfigMap");
	put_database(w, READY);
	put_export(w, "host", ".status.endpoint.address", CONFIGMAP(",\"key\":\"h\""));
	world_run_ms(w, 100);
	assert_string_equal(val_cstr(val_at(val_path(world_get(w, exports, "default", "host"),
	                                             "metadata.finalizers"),
	                                    0)),
	                    "finalizers.services.k8s.aws/FieldExport");
	world_delete(w, exports, "default", "host", "Background");
	world_run_ms(w, 100);
	assert_null(world_get(w, exports, "default", "host"));
	assert_string_equal(data(w, w->configmap, "default", "h"), "db.example");
}

static void nothing_is_written_once_at_rest(void **state)
{
	struct world *w = *state;
	uint64_t revision;

	put_target(w, "ConfigMap");
	put_database(w, READY);
	put_export(w, "host", ".status.endpoint.address", CONFIGMAP(",\"key\":\"h\""));
	put_export(w, "waits", ".status.none", CONFIGMAP(""));
	world_run_ms(w, 100);
	revision = store_revision(w->store);
	world_run_ms(w, 39 * 1000 - 500); /* the node is silent after forty seconds */
	assert_int_equal(store_revision(w->store), revision);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_value_reaches_a_configmap),
		T(a_value_reaches_a_secret_of_another_namespace),
		T(it_keeps_up_with_its_source),
		T(it_waits_for_its_target_and_restores_it),
		T(what_is_no_scalar_does_not_exist),
		T(a_bad_path_is_terminal),
		T(secrets_are_no_source),
		T(the_key_stays_when_the_export_goes),
		T(nothing_is_written_once_at_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
