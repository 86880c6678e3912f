/* Why: a definition that is stored becomes a kind at once, so whatever would not make one is
 * refused here. Source: reference 7.2 "CRD" */
#include "base/mem.h"
#include "schema/check.h"
#include "schema/custom.h"
#include "schema/format.h"

static void check_name(struct checker *c, const struct val *spec)
{
	const struct val *name = val_path(c->root, "metadata.name");
	scoped_strbuf struct strbuf want = { 0 };

	strbuf_add_slice(&want, val_str(val_path(spec, "names.plural")));
	strbuf_addc(&want, '.');
	strbuf_add_slice(&want, val_get_str(spec, "group"));
	if (!slice_eq(val_str(name), strbuf_slice(&want))) {
		bad_value(c, "metadata.name", name, "must be spec.names.plural+\".\"+spec.group");
	}
}

static void check_schema(struct checker *c, const struct val *version, size_t i)
{
	const struct val *schema = val_path(version, "schema.openAPIV3Schema");
	const char *sub = sub_path(c, "spec.versions[%zu].schema.openAPIV3Schema", i);
	scoped_arena struct arena a = { .max = 64 << 20 };
	const struct type *type;
	struct err err = { 0 };

	if (!schema) {
		bad_required(c, sub, version, "schemas are required");
	} else if (!val_get_str(schema, "type").len) {
		bad_required(c, sub_path(c, "%s.type", sub), schema,
		             "must not be empty at the root");
	} else if (custom_type(&a, schema, &type, &err) < 0) {
		field_errors_add(c->wrong, schema, "FieldValueInvalid", sub, "%s", err.msg);
	}
}

static void check_scale(struct checker *c, const struct val *version, size_t i)
{
	static const struct {
		const char *member, *start;
	} paths[] = { { "specReplicasPath", ".spec." },
		      { "statusReplicasPath", ".status." },
		      { "labelSelectorPath", "." } };
	const struct val *scale = val_path(version, "subresources.scale");

	for (size_t n = 0; n < ARRAY_SIZE(paths); n++) {
		const struct val *path = val_get(scale, paths[n].member);

		if (val_str(path).len && !slice_has_prefix(path->s, slice_of(paths[n].start))) {
			bad_value(c,
			          sub_path(c, "spec.versions[%zu].subresources.scale.%s", i,
			                   paths[n].member),
			          path, "should be a json path under %s", paths[n].start);
		}
	}
}

void check_custom_resource_definition(struct checker *c, const struct val *v)
{
	const struct val *spec = val_get(v, "spec"), *versions = val_get(spec, "versions");
	const struct val *group = val_get(spec, "group");
	size_t i = 0, n_storage = 0;

	if (!spec) {
		return;
	}
	check_name(c, spec);
	if (val_str(group).len && slice_find(group->s, '.') < 0) {
		bad_value(c, "spec.group", group, "should be a domain with at least one dot");
	}
	check_unique(c, "spec.versions", versions, "name");
	val_for_each (versions, it) {
		n_storage += val_bool(val_get(it, "storage"), false);
		check_schema(c, it, i);
		check_scale(c, it, i);
		i++;
	}
	if (i && n_storage != 1) {
		bad_value(c, "spec.versions", versions,
		          "must have exactly one version marked as storage version");
	}
}
