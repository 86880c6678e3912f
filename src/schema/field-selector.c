/* Why: field selectors look like label selectors and are not: their own grammar with escapes, and a
 * short list of fields per kind. The list is the table below.
 * Source: k8s/field-selectors#supported-fields-by-kind */
#include "schema/selector.h"

#include "base/mem.h"

struct term {
	bool negated;
	struct slice field; /* as asked */
	struct slice value; /* unescaped */
	const char *path;   /* where it lives in the stored object */
	const char *absent; /* value when the object has none */
};

struct field_selector {
	struct term *at;
	size_t n;
};

struct field {
	const char *group, *kind; /* null: every kind */
	const char *field;
	const char *path;   /* null: same as field */
	const char *absent; /* null: "" */
};

static const struct field fields[] = {
	{ NULL, NULL, "metadata.name" },
	{ NULL, NULL, "metadata.namespace" },
	{ "", "Pod", "spec.nodeName" },
	{ "", "Pod", "spec.restartPolicy" },
	{ "", "Pod", "spec.schedulerName" },
	{ "", "Pod", "spec.serviceAccountName" },
	{ "", "Pod", "spec.hostNetwork", NULL, "false" },
	{ "", "Pod", "status.phase" },
	{ "", "Pod", "status.podIP" },
	{ "", "Pod", "status.podIPs", "status.podIP" },
	{ "", "Pod", "status.nominatedNodeName" },
	{ "", "Namespace", "status.phase" },
	{ "", "Secret", "type" },
	{ "", "Node", "spec.unschedulable", NULL, "false" },
	{ "", "ReplicationController", "status.replicas", NULL, "0" },
	{ "apps", "ReplicaSet", "status.replicas", NULL, "0" },
	{ "batch", "Job", "status.successful", "status.succeeded", "0" },
	{ "", "Service", "spec.clusterIP" },
	{ "", "Service", "spec.type" },
	{ "certificates.k8s.io", "CertificateSigningRequest", "spec.signerName" },
	{ "", "Event", "involvedObject.kind" },
	{ "", "Event", "involvedObject.namespace" },
	{ "", "Event", "involvedObject.name" },
	{ "", "Event", "involvedObject.uid" },
	{ "", "Event", "involvedObject.apiVersion" },
	{ "", "Event", "involvedObject.resourceVersion" },
	{ "", "Event", "involvedObject.fieldPath" },
	{ "", "Event", "reason" },
	{ "", "Event", "reportingComponent" },
	{ "", "Event", "source", "source.component" },
	{ "", "Event", "type" },
	/* the same objects under their newer name are stored in the older form */
	{ "events.k8s.io", "Event", "regarding.kind", "involvedObject.kind" },
	{ "events.k8s.io", "Event", "regarding.namespace", "involvedObject.namespace" },
	{ "events.k8s.io", "Event", "regarding.name", "involvedObject.name" },
	{ "events.k8s.io", "Event", "regarding.uid", "involvedObject.uid" },
	{ "events.k8s.io", "Event", "regarding.apiVersion", "involvedObject.apiVersion" },
	{ "events.k8s.io", "Event", "regarding.resourceVersion", "involvedObject.resourceVersion" },
	{ "events.k8s.io", "Event", "regarding.fieldPath", "involvedObject.fieldPath" },
	{ "events.k8s.io", "Event", "reason" },
	{ "events.k8s.io", "Event", "reportingController", "reportingComponent" },
	{ "events.k8s.io", "Event", "type" },
};

static const struct field *find_field(const struct kind *k, struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];

		if (!slice_is(name, f->field)) {
			continue;
		}
		if (!f->kind ||
		    (k && strcmp(f->kind, k->kind) == 0 && strcmp(f->group, k->group) == 0)) {
			return f;
		}
	}
	return NULL;
}

/* The end of the term that begins text: the first comma without a backslash. */
static size_t term_len(struct slice text)
{
	size_t i = 0;

	while (i < text.len && text.p[i] != ',') {
		i += text.p[i] == '\\' && i + 1 < text.len ? 2 : 1;
	}
	return i;
}

static int unescape(struct arena *a, struct slice text, struct slice *ret, struct err *err)
{
	char *out = arena_alloc(a, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (c == '=' || c == ',') {
			return err_raise(err, ERR_SYNTAX,
			                 "invalid field selector: unescaped character in value: %c",
			                 c);
		}
		if (c == '\\') {
			if (i + 1 == text.len || !strchr("\\,=", text.p[i + 1]) || !text.p[i + 1]) {
				return err_raise(err, ERR_SYNTAX,
				                 "invalid field selector: invalid escape sequence: "
				                 "%.*s",
				                 i + 1 == text.len ? 1 : 2, text.p + i);
			}
			c = text.p[++i];
		}
		out[n++] = c;
	}
	*ret = (struct slice){ out, n };
	return 0;
}

/* Cuts "field=value", "field==value", "field!=value" at the first operator. */
static bool cut_term(struct slice text, struct term *t)
{
	for (size_t i = 0; i < text.len; i++) {
		size_t op = 0;

		if (text.p[i] == '!' && i + 1 < text.len && text.p[i + 1] == '=') {
			t->negated = true;
			op = 2;
		} else if (text.p[i] == '=') {
			op = i + 1 < text.len && text.p[i + 1] == '=' ? 2 : 1;
		}
		if (op) {
			t->field = slice_head(text, i);
			t->value = slice_from(text, i + op);
			return true;
		}
	}
	return false;
}

static int parse_term(const struct kind *k, struct arena *a, struct slice text, struct term *t,
                      struct err *err)
{
	const struct field *f;
	int r;

	if (!cut_term(text, t)) {
		return err_raise(err, ERR_SYNTAX,
		                 "invalid selector: '" SLICE_FMT "'; can't understand '" SLICE_FMT
		                 "'",
		                 SLICE_ARG(slice_head(text, 64)), SLICE_ARG(slice_head(text, 64)));
	}
	r = unescape(a, t->value, &t->value, err);
	if (r < 0) {
		return r;
	}
	t->field = arena_slice(a, t->field);
	f = find_field(k, t->field);
	if (!f) {
		return err_raise(err, ERR_SYNTAX, "field label not supported: " SLICE_FMT,
		                 SLICE_ARG(slice_head(t->field, 128)));
	}
	t->path = f->path ? f->path : f->field;
	t->absent = f->absent ? f->absent : "";
	return 0;
}

int field_selector_parse(const struct kind *k, struct arena *a, struct slice text,
                         const struct field_selector **ret, struct err *err)
{
	struct field_selector *s = ARENA_NEW(a, struct field_selector);
	size_t most = 1;

	for (size_t i = 0; i < text.len; i++) {
		most += text.p[i] == ',';
	}
	s->at = ARENA_ARRAY(a, struct term, most);
	if (a->overflowed) {
		return err_raise(err, ERR_LIMIT, "field selector is too long");
	}
	while (text.len) {
		size_t len = term_len(text);

		if (len) {
			int r = parse_term(k, a, slice_head(text, len), &s->at[s->n], err);

			if (r < 0) {
				return r;
			}
			s->n++;
		}
		text = slice_from(text, len + 1);
	}
	if (a->overflowed) {
		return err_raise(err, ERR_LIMIT, "field selector is too long");
	}
	*ret = s;
	return 0;
}

static bool term_holds(const struct term *t, const struct val *object)
{
	const struct val *v = val_path(object, t->path);
	char number[24];
	struct slice text = slice_of(t->absent);

	if (v && v->type == VAL_STRING) {
		text = v->s;
	} else if (v && v->type == VAL_BOOL) {
		text = v->b ? SLICE("true") : SLICE("false");
	} else if (v && v->type == VAL_INT) {
		snprintf(number, sizeof(number), "%lld", (long long)v->i);
		text = slice_of(number);
	}
	return slice_eq(text, t->value) != t->negated;
}

bool field_selector_matches(const struct field_selector *s, const struct val *object)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!term_holds(&s->at[i], object)) {
			return false;
		}
	}
	return true;
}

struct slice field_selector_wants(const struct field_selector *s, const char *field)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!s->at[i].negated && slice_is(s->at[i].field, field)) {
			return s->at[i].value;
		}
	}
	return SLICE("");
}
