/* Why: what a distribution does is spread over behaviours, policies and defaults; see distribution.h.
 * Sources: CloudFront developer guide, managed policies, TTLs and allowed methods. */
#include "analyse/distribution.h"

#include "analyse/route.h"
#include "base/mem.h"

enum { DEFAULT_TTL_S = 86400 };

/* What a policy takes along: none, all, all but, or those listed. */
enum takes { TAKES_NONE, TAKES_ALL, TAKES_LIST, TAKES_ALL_BUT };
struct policy {
	const char *id;
	enum takes headers, query, cookies;
	const char *header_names; /* comma-separated, for LIST and ALL_BUT */
	int64_t ttl;              /* of cache policies */
};

#define ORIGIN_CONTROL_HEADERS "Host,Origin,X-HTTP-Method-Override,X-HTTP-Method,X-Method-Override"
static const struct policy managed[] = {
	/* cache policies */
	{ "658327ea-f89d-4fab-a63d-7e88639e58f6", TAKES_NONE, TAKES_NONE, TAKES_NONE, "",
	  DEFAULT_TTL_S },
	{ "b2884449-e4de-46a7-ac36-70bc7f1ddd6d", TAKES_NONE, TAKES_NONE, TAKES_NONE, "",
	  DEFAULT_TTL_S },
	{ "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", TAKES_NONE, TAKES_NONE, TAKES_NONE, "", 0 },
	{ "83da9c7e-98b4-4e11-a168-04f0df8e2c65", TAKES_LIST, TAKES_NONE, TAKES_ALL,
	  ORIGIN_CONTROL_HEADERS, 0 },
	{ "4cc15a8a-d715-48a4-82b8-cc0b614638fe", TAKES_LIST, TAKES_ALL, TAKES_ALL,
	  ORIGIN_CONTROL_HEADERS, 0 },
	/* origin request policies */
	{ "216adef6-5c7f-47e4-b989-5492eafa07d3", TAKES_ALL, TAKES_ALL, TAKES_ALL, "", 0 },
	{ "b689b0a8-53d0-40ab-baf2-68738e2966ac", TAKES_ALL_BUT, TAKES_ALL, TAKES_ALL, "Host", 0 },
	{ "33f36d7e-f396-46d9-90e0-52428a34d9dc", TAKES_ALL, TAKES_ALL, TAKES_ALL, "", 0 },
	{ "59781a5b-3903-41f3-afcb-af62929ccde1", TAKES_LIST, TAKES_NONE, TAKES_NONE, "Origin", 0 },
	{ "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf", TAKES_LIST, TAKES_NONE, TAKES_NONE,
	  "Origin,Access-Control-Request-Headers,Access-Control-Request-Method", 0 },
	{ "acba4595-bd28-49b8-b9fe-13317c0390fa", TAKES_LIST, TAKES_NONE, TAKES_NONE,
	  "User-Agent,Referer", 0 },
};

/* ---- behaviours ---- */

const struct val *distribution_config(const struct object *dist)
{
	return val_get(object_spec(dist), "distributionConfig");
}

bool pattern_fits(struct slice pattern, struct slice path)
{
	struct slice after_star = { NULL, 0 }, retry = { NULL, 0 };

	pattern = slice_from(pattern,
	                     pattern.len && pattern.p[0] == '/'); /* means the same without */
	path = slice_from(path, path.len && path.p[0] == '/');
	while (path.len) {
		if (pattern.len && pattern.p[0] == '*') {
			after_star = pattern = slice_from(pattern, 1);
			retry = path;
		} else if (pattern.len && (pattern.p[0] == '?' || pattern.p[0] == path.p[0])) {
			pattern = slice_from(pattern, 1);
			path = slice_from(path, 1);
		} else if (after_star.p) {
			pattern = after_star;
			path = retry = slice_from(retry, 1);
		} else {
			return false;
		}
	}
	while (pattern.len && pattern.p[0] == '*') {
		pattern = slice_from(pattern, 1);
	}
	return !pattern.len;
}

struct behaviour behaviour_read(const struct object *dist, const struct val *v)
{
	struct behaviour b = { .dist = dist, .v = v };

	val_for_each (val_path(distribution_config(dist), "origins.items"), o) {
		if (slice_eq(val_get_str(o, "id"), val_get_str(v, "targetOriginID"))) {
			b.origin = o;
		}
	}
	return b;
}

struct behaviour behaviour_of_path(const struct object *dist, struct slice path)
{
	val_for_each (val_path(distribution_config(dist), "cacheBehaviors.items"), v) {
		if (pattern_fits(val_get_str(v, "pathPattern"), path)) {
			return behaviour_read(dist, v);
		}
	}
	return behaviour_read(dist, val_get(distribution_config(dist), "defaultCacheBehavior"));
}

bool distribution_has_alias(const struct object *dist, struct slice host)
{
	val_for_each (val_path(distribution_config(dist), "aliases.items"), a) {
		if (val_str(a).len && hosts_meet(val_str(a), host)) {
			return true;
		}
	}
	return false;
}

bool origin_is_plain_server(const struct val *origin)
{
	const char *name = val_cstr(val_get(origin, "domainName"));

	return origin && !val_get(origin, "s3OriginConfig") &&
	       !val_get(origin, "vpcOriginConfig") && !strstr(name, ".s3.") &&
	       !strstr(name, ".s3-");
}

struct slice origin_protocol(const struct val *origin)
{
	return val_str(val_path(origin, "customOriginConfig.originProtocolPolicy"));
}

/* ---- policies ---- */

static enum takes takes_of(struct slice behaviour)
{
	return !behaviour.len || slice_is(behaviour, "none") ? TAKES_NONE
	       : slice_is(behaviour, "whitelist")            ? TAKES_LIST
	       : slice_is(behaviour, "allExcept")            ? TAKES_ALL_BUT
	                                                     : TAKES_ALL; /* all, allViewer... */
}

static bool list_names(const struct val *list, const char *name)
{
	val_for_each (list, h) {
		if (slice_eq_nocase(val_str(h), slice_of(name))) {
			return true;
		}
	}
	return false;
}

static bool text_names(struct slice names, const char *name)
{
	struct slice field;

	while (slice_next(&names, ',', &field)) {
		if (slice_eq_nocase(field, slice_of(name))) {
			return true;
		}
	}
	return false;
}

static enum answer named(enum takes t, bool listed)
{
	bool yes = t == TAKES_ALL || (t == TAKES_LIST && listed) || (t == TAKES_ALL_BUT && !listed);

	return yes ? ANSWER_YES : ANSWER_NO;
}

/* Of queries and cookies it is enough that some are taken. */
static enum answer some(enum takes t)
{
	return t == TAKES_NONE ? ANSWER_NO : ANSWER_YES;
}

static const struct object *own_policy(const struct subject *s, enum object_kind id,
                                       struct slice policy)
{
	object_each(s, id, o)
	{
		if (slice_eq(val_str(val_path(o->v, "status.id")), policy)) {
			return o;
		}
	}
	return NULL;
}

enum part { PART_HEADER, PART_QUERY, PART_COOKIES };

static enum answer own_takes(const struct val *config, enum part part, const char *header)
{
	const struct val *x;

	if (part == PART_HEADER) {
		x = val_get(config, "headersConfig");
		return named(takes_of(val_get_str(x, "headerBehavior")),
		             list_names(val_path(x, "headers.items"), header));
	}
	x = val_get(config, part == PART_QUERY ? "queryStringsConfig" : "cookiesConfig");
	return some(takes_of(
		val_get_str(x, part == PART_QUERY ? "queryStringBehavior" : "cookieBehavior")));
}

static enum answer policy_takes(const struct subject *s, struct slice id, bool cache,
                                enum part part, const char *header)
{
	const struct object *own;

	if (!id.len) {
		return ANSWER_NO;
	}
	for (size_t i = 0; i < ARRAY_SIZE(managed); i++) {
		const struct policy *p = &managed[i];

		if (slice_is(id, p->id)) {
			return part == PART_HEADER
			               ? named(p->headers,
			                       text_names(slice_of(p->header_names), header))
			               : some(part == PART_QUERY ? p->query : p->cookies);
		}
	}
	own = own_policy(s, cache ? OBJECT_CACHEPOLICY : OBJECT_ORIGINREQUESTPOLICY, id);
	if (!own) {
		return ANSWER_UNKNOWN;
	}
	return own_takes(
		cache ? val_path(object_spec(own),
	                         "cachePolicyConfig.parametersInCacheKeyAndForwardedToOrigin")
		      : val_get(object_spec(own), "originRequestPolicyConfig"),
		part, header);
}

static enum answer legacy_takes(const struct val *values, enum part part, const char *header)
{
	const struct val *headers = val_path(values, "headers.items");

	if (part == PART_HEADER) {
		return list_names(headers, header) || list_names(headers, "*") ? ANSWER_YES
		                                                               : ANSWER_NO;
	}
	if (part == PART_QUERY) {
		return val_bool(val_get(values, "queryString"), false) ? ANSWER_YES : ANSWER_NO;
	}
	return slice_is(val_str(val_path(values, "cookies.forward")), "all") ||
	                       slice_is(val_str(val_path(values, "cookies.forward")), "whitelist")
	               ? ANSWER_YES
	               : ANSWER_NO;
}

static bool is_ref_only(const struct val *v)
{
	return val_get(v, "cachePolicyRef") || val_get(v, "originRequestPolicyRef");
}

static enum answer keys(const struct subject *s, const struct behaviour *b, enum part part,
                        const char *header)
{
	struct slice id = val_get_str(b->v, "cachePolicyID");

	if (is_ref_only(b->v)) {
		return ANSWER_UNKNOWN;
	}
	return id.len ? policy_takes(s, id, true, part, header)
	              : legacy_takes(val_get(b->v, "forwardedValues"), part, header);
}

/* What is in the key is sent as well. */
static enum answer sends(const struct subject *s, const struct behaviour *b, enum part part,
                         const char *header)
{
	enum answer key = keys(s, b, part, header);
	enum answer more =
		policy_takes(s, val_get_str(b->v, "originRequestPolicyID"), false, part, header);

	if (key == ANSWER_YES || more == ANSWER_YES) {
		return ANSWER_YES;
	}
	return key == ANSWER_UNKNOWN || more == ANSWER_UNKNOWN ? ANSWER_UNKNOWN : ANSWER_NO;
}

enum answer behaviour_sends_header(const struct subject *s, const struct behaviour *b,
                                   const char *name)
{
	return sends(s, b, PART_HEADER, name);
}

enum answer behaviour_sends_query(const struct subject *s, const struct behaviour *b)
{
	return sends(s, b, PART_QUERY, "");
}

enum answer behaviour_sends_cookies(const struct subject *s, const struct behaviour *b)
{
	return sends(s, b, PART_COOKIES, "");
}

enum answer behaviour_keys_header(const struct subject *s, const struct behaviour *b,
                                  const char *name)
{
	return keys(s, b, PART_HEADER, name);
}

int64_t behaviour_default_ttl(const struct subject *s, const struct behaviour *b)
{
	struct slice id = val_get_str(b->v, "cachePolicyID");
	const struct object *own;

	if (is_ref_only(b->v)) {
		return -1;
	}
	if (!id.len) {
		return val_get(b->v, "forwardedValues")
		               ? val_int(val_get(b->v, "defaultTTL"), DEFAULT_TTL_S)
		               : -1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(managed); i++) {
		if (slice_is(id, managed[i].id)) {
			return managed[i].ttl;
		}
	}
	own = own_policy(s, OBJECT_CACHEPOLICY, id);
	return own ? val_int(val_path(object_spec(own), "cachePolicyConfig.defaultTTL"),
	                     DEFAULT_TTL_S)
	           : -1;
}

bool behaviour_allows(const struct behaviour *b, const char *method)
{
	const struct val *items = val_path(b->v, "allowedMethods.items");

	if (!val_len(items)) {
		return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
	}
	return list_names(items, method);
}
