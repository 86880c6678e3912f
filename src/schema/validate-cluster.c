/* Why: what configuration, rights, storage and events must obey beyond the tables.
 * Source: reference 7.2 */
#include "base/base64.h"
#include "base/mem.h"
#include "codec/json.h"
#include "schema/check.h"
#include "schema/format.h"
#include "schema/limits.h"

/* ---- configuration ---- */

static size_t check_keys(struct checker *c, const char *member, bool is_base64)
{
	size_t total = 0;

	val_for_each (val_get(c->root, member), it) {
		const char *words = format_wrong(FORMAT_CONFIG_KEY, it->key);
		struct val key = {
			.type = VAL_STRING, .s = it->key, .line = it->line, .col = it->col
		};
		size_t len = val_str(it).len;

		if (words) {
			bad_value(c, sub_path(c, "%s[" SLICE_FMT "]", member, SLICE_ARG(it->key)),
			          &key, "%s", words);
		}
		total += is_base64 ? len / 4 * 3 : len;
	}
	return total;
}

void check_config_map(struct checker *c, const struct val *v)
{
	size_t total = check_keys(c, "data", false) + check_keys(c, "binaryData", true);

	val_for_each (val_get(v, "binaryData"), it) {
		if (val_get_slice(val_get(v, "data"), it->key)) {
			struct val key = { .type = VAL_STRING, .s = it->key };

			bad_value(c, sub_path(c, "data[" SLICE_FMT "]", SLICE_ARG(it->key)), &key,
			          "duplicate of key present in binaryData");
		}
	}
	if (total > DATA_BYTES_MAX) {
		bad_too_long(c, "", v, DATA_BYTES_MAX);
	}
}

static bool is_json(const struct val *base64)
{
	scoped_arena struct arena a = { .max = 64 << 20 };
	scoped_strbuf struct strbuf text = { 0 };
	struct val *v;

	return base64_decode(&text, val_str(base64)) &&
	       json_parse(&a, strbuf_slice(&text), 0, &v, NULL) == 0;
}

static void check_secret_type(struct checker *c, const struct val *v)
{
	static const struct {
		const char *type, *keys[2];
		bool is_any; /* one of the keys is enough */
		bool is_json;
	} types[] = {
		{ "kubernetes.io/tls", { "tls.crt", "tls.key" } },
		{ "kubernetes.io/dockerconfigjson", { ".dockerconfigjson" }, .is_json = true },
		{ "kubernetes.io/dockercfg", { ".dockercfg" }, .is_json = true },
		{ "kubernetes.io/basic-auth", { "username", "password" }, .is_any = true },
		{ "kubernetes.io/ssh-auth", { "ssh-privatekey" } },
	};
	const struct val *data = val_get(v, "data");

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (!slice_is(val_get_str(v, "type"), types[i].type)) {
			continue;
		}
		if (types[i].is_any &&
		    (val_get(data, types[i].keys[0]) || val_get(data, types[i].keys[1]))) {
			return;
		}
		for (size_t k = 0; k < 2 && types[i].keys[k]; k++) {
			const char *sub = sub_path(c, "data[%s]", types[i].keys[k]);
			const struct val *value = val_get(data, types[i].keys[k]);

			if (!value) {
				bad_required(c, sub, v, NULL);
			} else if (types[i].is_json && !is_json(value)) {
				field_errors_add(c->wrong, value, "FieldValueInvalid", sub,
				                 "Invalid value: \"<secret contents redacted>\": "
				                 "invalid character in JSON");
			}
		}
	}
	if (slice_is(val_get_str(v, "type"), "kubernetes.io/service-account-token") &&
	    !val_get_str(val_path(v, "metadata.annotations"), "kubernetes.io/service-account.name")
	             .len) {
		bad_required(c, "metadata.annotations[kubernetes.io/service-account.name]", v,
		             NULL);
	}
}

void check_secret(struct checker *c, const struct val *v)
{
	if (check_keys(c, "data", true) > DATA_BYTES_MAX) {
		bad_too_long(c, "data", v, DATA_BYTES_MAX);
	}
	check_secret_type(c, v);
}

void update_config_map(struct checker *c, const struct val *v, const struct val *old)
{
	static const char *const members[] = { "data", "binaryData" };

	if (!val_bool(val_get(old, "immutable"), false)) {
		return;
	}
	if (!val_bool(val_get(v, "immutable"), false)) {
		bad_forbidden(c, "immutable", v, "field is immutable when `immutable` is set");
	}
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if (!val_eq(val_get(v, members[i]), val_get(old, members[i]))) {
			bad_forbidden(c, members[i], v,
			              "field is immutable when `immutable` is set");
		}
	}
}

/* ---- events ---- */

void check_event(struct checker *c, const struct val *v)
{
	struct slice ns = val_str(val_path(v, "involvedObject.namespace"));
	struct slice mine = val_str(val_path(v, "metadata.namespace"));

	if (!ns.len ? mine.len && !slice_is(mine, "default") && !slice_is(mine, "kube-system")
	            : !slice_eq(ns, mine)) {
		bad_value(c, "involvedObject.namespace", val_path(v, "involvedObject.namespace"),
		          "does not match event.namespace");
	}
}

/* ---- storage ---- */

void check_claim_spec(struct checker *c, const struct val *v)
{
	if (!val_len(val_get(v, "accessModes"))) {
		bad_required(c, "accessModes", v, "at least 1 access mode is required");
	}
	if (!val_path(v, "resources.requests.storage")) {
		bad_required(c, "resources[storage]", v, NULL);
	}
}

void update_claim(struct checker *c, const struct val *v, const struct val *old)
{
	static const char *const fixed[] = { "accessModes", "selector", "storageClassName",
		                             "volumeMode" };
	const struct val *now = val_get(v, "spec"), *was = val_get(old, "spec");

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		if (val_get(was, fixed[i]) &&
		    !val_eq(val_get(now, fixed[i]), val_get(was, fixed[i]))) {
			bad_forbidden(c, "spec", now,
			              "spec is immutable after creation except "
			              "resources.requests and volumeAttributesClassName for bound "
			              "claims");
			return;
		}
	}
}

/* ---- rights ---- */

void check_policy_rule(struct checker *c, const struct val *v)
{
	bool has_urls = val_len(val_get(v, "nonResourceURLs")) > 0;

	if (has_urls) {
		if (val_len(val_get(v, "apiGroups")) || val_len(val_get(v, "resources")) ||
		    val_len(val_get(v, "resourceNames"))) {
			bad_value(c, "nonResourceURLs", val_get(v, "nonResourceURLs"),
			          "rules cannot apply to both regular resources and non-resource "
			          "URLs");
		}
		return;
	}
	if (!val_len(val_get(v, "apiGroups"))) {
		bad_required(c, "apiGroups", v,
		             "resource rules must supply at least one api group");
	}
	if (!val_len(val_get(v, "resources"))) {
		bad_required(c, "resources", v, "resource rules must supply at least one resource");
	}
}

void update_role_binding(struct checker *c, const struct val *v, const struct val *old)
{
	if (!val_eq(val_get(v, "roleRef"), val_get(old, "roleRef"))) {
		bad_value(c, "roleRef", val_get(v, "roleRef"), "cannot change roleRef");
	}
}

void check_token_request_spec(struct checker *c, const struct val *v)
{
	const struct val *seconds = val_get(v, "expirationSeconds");
	int64_t s = val_int(seconds, 3600);

	if (s < 600) {
		bad_value(c, "expirationSeconds", seconds,
		          "may not specify a duration less than 10 minutes");
	} else if (s > INT64_C(1) << 32) {
		bad_value(c, "expirationSeconds", seconds,
		          "may not specify a duration larger than 2^32 seconds");
	}
}
