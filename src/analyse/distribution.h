/* What: a CloudFront distribution as written down (ACK kind Distribution): which behaviour takes a path, where it sends,
 * what it lets through and what it keeps. Managed policies are known by their ids, own ones by the id in their status;
 * any other id gives "not known". */
#pragma once

#include "analyse/answer.h"
#include "analyse/subject.h"

struct behaviour {
	const struct object *dist;
	const struct val *v;      /* element of cacheBehaviors.items, or defaultCacheBehavior */
	const struct val *origin; /* element of origins.items; null when the id is unknown */
};
/* distributionConfig, never null for a Distribution that has a spec. */
const struct val *distribution_config(const struct object *dist);
/* The one that takes the path: the first whose pattern fits, else the default one. */
struct behaviour behaviour_of_path(const struct object *dist, struct slice path);
struct behaviour behaviour_read(const struct object *dist, const struct val *v);
bool pattern_fits(struct slice pattern, struct slice path);
bool distribution_has_alias(const struct object *dist, struct slice host); /* wildcards too */
/* A bucket, or an origin inside a VPC that is reached in another way. */
bool origin_is_plain_server(const struct val *origin);
struct slice
origin_protocol(const struct val *origin); /* "https-only", "http-only", "match-viewer" or empty */

/* Does it reach the origin? Header names without regard to case. */
enum answer behaviour_sends_header(const struct subject *s, const struct behaviour *b,
                                   const char *name);
enum answer behaviour_sends_query(const struct subject *s, const struct behaviour *b);
enum answer behaviour_sends_cookies(const struct subject *s, const struct behaviour *b);
/* Is a header part of the key? */
enum answer behaviour_keys_header(const struct subject *s, const struct behaviour *b,
                                  const char *name);
/* How long an answer without Cache-Control is kept, in seconds; -1 when not known. */
int64_t behaviour_default_ttl(const struct subject *s, const struct behaviour *b);
bool behaviour_allows(const struct behaviour *b, const char *method);
