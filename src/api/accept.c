/* Why: tables, metadata alone, YAML and aggregated discovery are all asked for by the Accept header
 * and by nothing else. See accept.h. Source: reference 1.3, 2.1 */
#include "api/accept.h"

#include "base/mem.h"

struct clause {
	struct slice type;
	struct slice as, group, version;
	bool is_stream, is_pretty;
	int q; /* thousandths */
};

static int parse_q(struct slice s)
{
	int q = 0, scale = 1000;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '.' && i == 1) {
			continue;
		}
		if (s.p[i] < '0' || s.p[i] > '9' || scale == 0) {
			return 0;
		}
		q += (s.p[i] - '0') * scale;
		scale /= 10;
	}
	return q > 1000 ? 1000 : q;
}

static void take_parameter(struct clause *c, struct slice parameter)
{
	struct slice key, value;

	slice_cut(parameter, '=', &key, &value);
	key = slice_trim(key);
	value = slice_trim(value);
	if (value.len >= 2 && value.p[0] == '"') {
		value = slice_head(slice_from(value, 1), value.len - 2);
	}
	if (slice_is(key, "as")) {
		c->as = value;
	} else if (slice_is(key, "g")) {
		c->group = value;
	} else if (slice_is(key, "v")) {
		c->version = value;
	} else if (slice_is(key, "stream")) {
		c->is_stream = true;
	} else if (slice_is(key, "pretty")) {
		c->is_pretty = slice_is(value, "1") || slice_is(value, "true");
	} else if (slice_is(key, "q")) {
		c->q = parse_q(value);
	}
}

static bool next_clause(struct slice *rest, struct clause *ret)
{
	struct slice text, parameter;

	if (!slice_next(rest, ',', &text)) {
		return false;
	}
	*ret = (struct clause){ .q = 1000 };
	if (slice_next(&text, ';', &parameter)) {
		ret->type = slice_trim(parameter);
	}
	while (slice_next(&text, ';', &parameter)) {
		take_parameter(ret, parameter);
	}
	return true;
}

static bool is_json(struct slice type)
{
	return slice_eq_nocase(type, SLICE("application/json")) || slice_is(type, "*/*") ||
	       slice_is(type, "application/*");
}

static bool fill_view(const struct clause *c, bool has_views, struct wanted *w)
{
	w->meta_version =
		slice_is(c->version, "v1beta1") ? "meta.k8s.io/v1beta1" : "meta.k8s.io/v1";
	if (!c->as.len) {
		w->form = FORM_OBJECT;
		return true;
	}
	if (!has_views || !slice_is(c->group, "meta.k8s.io") ||
	    !(slice_is(c->version, "v1") || slice_is(c->version, "v1beta1"))) {
		return false;
	}
	if (slice_is(c->as, "Table")) {
		w->form = FORM_TABLE;
	} else if (slice_is(c->as, "PartialObjectMetadata") ||
	           slice_is(c->as, "PartialObjectMetadataList")) {
		w->form = FORM_PARTIAL;
	} else {
		return false;
	}
	return true;
}

static bool can_serve(const struct clause *c, bool has_views, struct wanted *w)
{
	w->is_pretty = c->is_pretty;
	w->is_yaml = slice_eq_nocase(c->type, SLICE("application/yaml"));
	return (w->is_yaml || is_json(c->type)) && fill_view(c, has_views, w);
}

bool accept_choose(struct slice header, bool has_views, struct wanted *ret)
{
	struct slice rest = slice_trim(header);
	struct clause c;
	int best = 0;

	*ret = (struct wanted){ .meta_version = "meta.k8s.io/v1" };
	if (!rest.len) {
		return true;
	}
	while (next_clause(&rest, &c)) {
		struct wanted w;

		if (c.q > best && can_serve(&c, has_views, &w)) {
			best = c.q;
			*ret = w;
		}
	}
	return best > 0;
}

const char *accept_discovery(struct slice header)
{
	struct slice rest = header;
	struct clause c;
	int best = 0;
	const char *version = NULL;

	while (next_clause(&rest, &c)) {
		bool is_aggregated = slice_is(c.group, "apidiscovery.k8s.io") &&
		                     slice_is(c.as, "APIGroupDiscoveryList") &&
		                     (slice_is(c.version, "v2") || slice_is(c.version, "v2beta1"));

		if (c.q > best && is_json(c.type) && (is_aggregated || !c.as.len)) {
			best = c.q;
			version = !is_aggregated              ? NULL
			          : slice_is(c.version, "v2") ? "v2"
			                                      : "v2beta1";
		}
	}
	return version;
}

bool accept_has(struct slice header, const char *type, bool or_any)
{
	struct slice rest = header;
	struct clause c;

	while (next_clause(&rest, &c)) {
		if (slice_eq_nocase(c.type, slice_of(type)) ||
		    (or_any && (slice_is(c.type, "*/*") || slice_is(c.type, "application/*")))) {
			return true;
		}
	}
	return or_any && !slice_trim(header).len;
}
