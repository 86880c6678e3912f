#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parse.h"
#include "schema/type.h"

static struct registry *r;

static int start(void **state)
{
	(void)state;
	r = registry_new();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	r = registry_free(r);
	return 0;
}

static void built_in_kinds_are_found_by_all_their_names(void **state)
{
	const struct kind *k = find_kind(r, "apps", "v1", "Deployment");
	scoped_arena struct arena a = { 0 };

	(void)state;
	assert_ptr_equal(
		registry_find_resource(r, SLICE("apps"), SLICE("v1"), SLICE("deployments")), k);
	assert_ptr_equal(registry_kind_of(r, parse(&a, "{'apiVersion':'apps/v1',"
	                                               "'kind':'Deployment'}")),
	                 k);
	assert_string_equal(kind_api_version(k), "apps/v1");
	assert_string_equal(kind_qualified(k), "deployments.apps");
	assert_string_equal(k->short_names[0], "deploy");
	assert_true(k->namespaced && k->has_status && k->has_scale && !k->is_custom);
	assert_null(registry_kind_of(r, parse(&a, "{'kind':'Deployment'}")));
	assert_null(registry_find_resource(r, SLICE(""), SLICE("v1"), SLICE("")));
}

static void ids_are_dense_and_kinds_in_order(void **state)
{
	const struct kind *k;
	size_t n = 0;

	(void)state;
	for (; (k = registry_at(r, n)); n++) {
		assert_int_equal(k->id, n);
		assert_non_null(k->type);
		assert_ptr_equal(kind_storage(kind_storage(k)), kind_storage(k));
	}
	assert_true(n > 40);
}

static void versions_and_groups_may_share_storage(void **state)
{
	(void)state;
	assert_ptr_equal(kind_storage(find_kind(r, "autoscaling", "v1", "HorizontalPodAutoscaler")),
	                 find_kind(r, "autoscaling", "v2", "HorizontalPodAutoscaler"));
	assert_ptr_equal(kind_storage(find_kind(r, "events.k8s.io", "v1", "Event")),
	                 find_kind(r, "", "v1", "Event"));
}

static void delete_options_belong_to_every_group(void **state)
{
	(void)state;
	assert_ptr_equal(find_kind(r, "meta.k8s.io", "v1", "DeleteOptions"),
	                 find_kind(r, "apps", "v1", "DeleteOptions"));
}

static void merge_keys_are_those_of_the_real_server(void **state)
{
	const struct type *pod = find_kind(r, "", "v1", "Pod")->type;
	const struct type *spec = type_field(pod, SLICE("spec"))->type;
	const struct field *containers = type_field(spec, SLICE("containers"));
	const struct field *ports = type_field(containers->type->of, SLICE("ports"));

	(void)state;
	assert_string_equal(containers->merge_key, "name");
	assert_string_equal(ports->merge_key, "containerPort");
	assert_string_equal(ports->list_keys, "containerPort,protocol");
	assert_true(type_field(spec, SLICE("volumes"))->flags & FIELD_PATCH_RETAIN_KEYS);
	assert_null(type_field(spec, SLICE("tolerations"))->merge_key);
	assert_true(type_field(spec, SLICE("nodeSelector"))->type->is_atomic);
}

#define CRD(versions)                                                                              \
	"{'spec':{'group':'example.com','scope':'Namespaced','names':{'plural':'things',"          \
	"'kind':'Thing','shortNames':['th']},'versions':[" versions "]}}"
#define V1                                                                                         \
	"{'name':'v1','served':true,'storage':true,'subresources':{'status':{},"                   \
	"'scale':{'specReplicasPath':'.spec.n','statusReplicasPath':'.status.n'}},"                \
	"'additionalPrinterColumns':[{'name':'N','type':'integer','jsonPath':'.spec.n'}],"         \
	"'schema':{'openAPIV3Schema':{'type':'object','properties':{'spec':{'type':'object',"      \
	"'properties':{'n':{'type':'integer','default':3}}}}}}}"
#define V2                                                                                         \
	"{'name':'v2','served':true,'storage':false,'schema':{'openAPIV3Schema':{"                 \
	"'type':'object','x-kubernetes-preserve-unknown-fields':true}}}"

static void a_definition_makes_kinds_and_takes_them_away(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct val *crd = parse(&a, CRD(V1 "," V2));
	const struct kind *v1, *v2;

	(void)state;
	assert_int_equal(registry_add_crd(r, crd, NULL), 0);
	v1 = find_kind(r, "example.com", "v1", "Thing");
	v2 = find_kind(r, "example.com", "v2", "Thing");
	assert_true(v1->is_custom && v1->has_status && v1->has_scale && !v2->has_status);
	assert_string_equal(v1->scale_spec_path, "spec.n");
	assert_string_equal(v1->singular, "thing");
	assert_string_equal(kind_qualified(v1), "things.example.com");
	assert_ptr_equal(kind_storage(v2), v1);
	assert_int_equal(val_len(v1->printer_columns), 1);

	assert_int_equal(registry_add_crd(r, parse(&a, CRD(V1)), NULL), 0);
	assert_ptr_equal(find_kind(r, "example.com", "v1", "Thing"), v1);
	assert_null(registry_find(r, SLICE("example.com"), SLICE("v2"), SLICE("Thing")));

	registry_remove_crd(r, crd);
	assert_null(registry_find(r, SLICE("example.com"), SLICE("v1"), SLICE("Thing")));
	assert_null(registry_find_resource(r, SLICE("example.com"), SLICE("v1"), SLICE("things")));
	for (size_t i = 0; registry_at(r, i); i++) {
		assert_ptr_not_equal(registry_at(r, i), v1);
	}
	assert_int_equal(registry_add_crd(r, crd, NULL), 0);
	assert_ptr_equal(find_kind(r, "example.com", "v1", "Thing"), v1);
	registry_remove_crd(r, crd);
}

static void a_definition_cannot_replace_what_is_built_in(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(registry_add_crd(r,
	                                  parse(&a, "{'spec':{'group':'apps','names':{'plural':"
	                                            "'deployments','kind':'Deployment'},"
	                                            "'versions':[" V1 "]}}"),
	                                  &err),
	                 -ERR_INVALID);
	assert_string_equal(err.msg, "the group apps is built in");
	/* the cloud kinds come with definitions that people apply: ours stay */
	assert_int_equal(
		registry_add_crd(r,
	                         parse(&a, "{'spec':{'group':'rds.services.k8s.aws','names':"
	                                   "{'plural':'dbinstances','kind':'DBInstance'},"
	                                   "'versions':[{'name':'v1alpha1'}]}}"),
	                         NULL),
		0);
	assert_non_null(
		type_field(find_kind(r, "rds.services.k8s.aws", "v1alpha1", "DBInstance")->type,
	                   SLICE("spec")));
}

static void a_broken_schema_says_where(void **state)
{
	scoped_arena struct arena a = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(
		registry_add_crd(r,
	                         parse(&a, CRD("{'name':'v1','schema':{'openAPIV3Schema':{'type':"
	                                       "'object','properties':{'x':{'type':'array'}}}}}")),
	                         &err),
		-ERR_INVALID);
	assert_string_equal(err.msg,
	                    "version v1: properties[x]: items: Required value: must be specified");
}

static void openapi_describes_every_group(void **state)
{
	(void)state;
	for (size_t i = 0; registry_at(r, i); i++) {
		const struct kind *k = registry_at(r, i);
		scoped_strbuf struct strbuf out = { 0 };

		assert_int_equal(
			openapi_v3(r, slice_of(k->group), slice_of(k->version), &out, NULL), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(built_in_kinds_are_found_by_all_their_names),
		cmocka_unit_test(ids_are_dense_and_kinds_in_order),
		cmocka_unit_test(versions_and_groups_may_share_storage),
		cmocka_unit_test(delete_options_belong_to_every_group),
		cmocka_unit_test(merge_keys_are_those_of_the_real_server),
		cmocka_unit_test(a_definition_makes_kinds_and_takes_them_away),
		cmocka_unit_test(a_definition_cannot_replace_what_is_built_in),
		cmocka_unit_test(a_broken_schema_says_where),
		cmocka_unit_test(openapi_describes_every_group),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
