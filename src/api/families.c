/* Why: what a Service gets depends on three fields, each of which may be left out, on what it had
 * before and on the cluster; nobody is moved between one and two families without having asked. */
#include "api/families.h"

#include "base/ip.h"

#define PATH_POLICY "spec.ipFamilyPolicy"

struct families {
	struct arena *arena;
	struct val *spec;
	const struct val *old; /* spec; null on create */
	bool dual;
	struct field_errors *wrong;
};

static struct slice policy_of(const struct val *spec)
{
	return val_get_str(spec, "ipFamilyPolicy");
}

static bool has_policy(const struct families *f, const char *policy)
{
	return slice_is(policy_of(f->spec), policy);
}

static bool is_headless(const struct val *spec)
{
	return slice_is(val_get_str(spec, "clusterIP"), "None");
}

static bool is_bare(const struct val *spec) /* headless, and nobody chooses its endpoints */
{
	return is_headless(spec) && !val_len(val_get(spec, "selector"));
}

static size_t count(const struct val *spec, const char *key)
{
	return val_len(val_get(spec, key));
}

static bool is_same(const struct families *f, const char *key)
{
	return f->old && val_eq(val_get(f->spec, key), val_get(f->old, key));
}

/* Fewer than before, and the first ones of those. */
static bool is_reduced(const struct families *f, const char *key)
{
	const struct val *had = val_first(val_get(f->old, key));

	if (count(f->spec, key) == 0 || count(f->spec, key) >= count(f->old, key)) {
		return false;
	}
	val_for_each (val_get(f->spec, key), it) {
		if (!val_eq(it, had)) {
			return false;
		}
		had = had->next;
	}
	return true;
}

static void keep_first(const struct families *f, const char *key)
{
	const struct val *first = val_at(val_get(f->spec, key), 0);
	struct val *one = val_new_array(f->arena);

	val_append(one, val_copy(f->arena, first));
	val_set(f->arena, f->spec, key, one);
}

static void refuse_policy(const struct families *f, const char *why)
{
	field_errors_add(f->wrong, NULL, "FieldValueInvalid", PATH_POLICY,
	                 "Invalid value: \"" SLICE_FMT "\": %s", SLICE_ARG(policy_of(f->spec)),
	                 why);
}

/* A service that takes what it can get stays as it is as long as nobody touches these fields,
 * whatever became of the cluster. */
static bool is_left_alone(const struct families *f)
{
	return f->old && has_policy(f, "PreferDualStack") && is_same(f, "ipFamilyPolicy") &&
	       is_same(f, "type") && is_same(f, "clusterIPs") && is_same(f, "ipFamilies");
}

static void default_policy(const struct families *f)
{
	struct slice policy = policy_of(f->spec);

	if (policy.len) {
		return;
	}
	policy = policy_of(f->old);
	if (!policy.len) {
		policy = is_bare(f->spec) ? SLICE("RequireDualStack") : SLICE("SingleStack");
	}
	val_set_str(f->arena, f->spec, "ipFamilyPolicy", policy);
}

static void follow_policy_down(const struct families *f)
{
	if (has_policy(f, "SingleStack")) {
		if (is_same(f, "clusterIPs") && count(f->spec, "clusterIPs") > 1) {
			keep_first(f, "clusterIPs");
		}
		if (is_same(f, "ipFamilies") && count(f->spec, "ipFamilies") > 1) {
			keep_first(f, "ipFamilies");
		}
		return;
	}
	if (is_reduced(f, "clusterIPs")) {
		refuse_policy(f, "must be 'SingleStack' to release the secondary cluster IP");
	}
	if (is_reduced(f, "ipFamilies")) {
		refuse_policy(f, "must be 'SingleStack' to release the secondary IP family");
	}
}

static void check_single(const struct families *f)
{
	if (!has_policy(f, "SingleStack")) {
		return;
	}
	if (count(f->spec, "clusterIPs") == 2) {
		refuse_policy(f, "must be RequireDualStack or PreferDualStack when multiple "
		                 "cluster IPs are specified");
	}
	if (count(f->spec, "ipFamilies") == 2) {
		refuse_policy(f, "must be RequireDualStack or PreferDualStack when multiple "
		                 "IP families are specified");
	}
}

static bool is_carried(const struct families *f, struct slice family)
{
	return slice_is(family, "IPv4") || f->dual;
}

static void add_family(const struct families *f, struct slice family)
{
	val_append(val_need_array(f->arena, f->spec, "ipFamilies"), val_new_str(f->arena, family));
}

/* Addresses that were asked for tell their families. */
static void infer_families(const struct families *f)
{
	size_t i = 0;

	val_for_each (val_get(f->spec, "clusterIPs"), it) {
		struct ip ip;
		struct slice family;

		if (!ip_parse(val_str(it), &ip)) {
			return; /* "None" */
		}
		family = ip.family == IP_V6 ? SLICE("IPv6") : SLICE("IPv4");
		if (i >= count(f->spec, "ipFamilies")) {
			if (!is_carried(f, family)) {
				field_errors_add(f->wrong, NULL, "FieldValueInvalid",
				                 arena_printf(f->arena, "spec.clusterIPs[%zu]", i),
				                 "Invalid value: [\"" SLICE_FMT "\"]: " SLICE_FMT
				                 " is not configured on this cluster",
				                 SLICE_ARG(val_str(it)), SLICE_ARG(family));
				return;
			}
			add_family(f, family);
		}
		i++;
	}
}

static void check_cluster(const struct families *f)
{
	size_t i = 0;

	if (has_policy(f, "RequireDualStack") && !f->dual) {
		refuse_policy(f, "this cluster is not configured for dual-stack services");
	}
	val_for_each (val_get(f->spec, "ipFamilies"), it) {
		if (!is_carried(f, val_str(it))) {
			field_errors_add(f->wrong, NULL, "FieldValueInvalid",
			                 arena_printf(f->arena, "spec.ipFamilies[%zu]", i),
			                 "Invalid value: \"" SLICE_FMT
			                 "\": not configured on this cluster",
			                 SLICE_ARG(val_str(it)));
		}
		i++;
	}
}

static void complete(const struct families *f, bool two)
{
	if (count(f->spec, "ipFamilies") == 0) {
		add_family(f, SLICE("IPv4"));
	}
	if (two && !has_policy(f, "SingleStack") && count(f->spec, "ipFamilies") == 1) {
		bool is_v4 = slice_is(val_str(val_at(val_get(f->spec, "ipFamilies"), 0)), "IPv4");

		add_family(f, is_v4 ? SLICE("IPv6") : SLICE("IPv4"));
	}
}

void service_families(struct arena *arena, struct val *service, const struct val *old, bool dual,
                      struct field_errors *wrong)
{
	struct families f = { arena, val_get(service, "spec"), val_get(old, "spec"), dual, wrong };
	size_t before = wrong->n;

	if (!f.spec || slice_is(val_get_str(f.spec, "type"), "ExternalName") || is_left_alone(&f)) {
		return;
	}
	default_policy(&f);
	if (f.old) {
		follow_policy_down(&f);
	}
	check_single(&f);
	infer_families(&f);
	if (wrong->n > before) {
		return;
	}
	if (is_bare(f.spec)) {
		complete(&f, true); /* whose endpoints are written by hand may have both anywhere */
		return;
	}
	check_cluster(&f);
	if (wrong->n == before) {
		complete(&f, dual);
	}
}
