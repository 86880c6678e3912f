/* Why: findings and the catalogue for machines: one tree, written as JSON or YAML; and SARIF, which code hosts read. */
#include "analyse/report.h"
#include "codec/json.h"
#include "codec/yaml.h"

/* ---- places ---- */

static void add_place(struct arena *a, struct val *to, const struct object *o, const struct val *at)
{
	const struct val *place = at && at->line ? at : o->v;

	val_set_cstr(a, to, "file", o->file);
	if (place->line && object_has_place(o)) {
		val_set_int(a, to, "line", place->line);
		val_set_int(a, to, "column", place->col);
	}
}

static void add_object(struct arena *a, struct val *to, const struct object *o)
{
	struct val *v = val_set(a, to, "object", val_new_object(a));

	val_set_str(a, v, "kind", o->kind);
	if (o->ns.len) {
		val_set_str(a, v, "namespace", o->ns);
	}
	val_set_str(a, v, "name", o->name);
}

/* ---- JSON, YAML ---- */

static struct val *finding_tree(struct arena *a, const struct finding *f)
{
	struct val *v = val_new_object(a), *evidence;
	scoped_strbuf struct strbuf path = { 0 };

	val_set_cstr(a, v, "id", f->rule->id);
	val_set_cstr(a, v, "title", f->rule->title);
	val_set_cstr(a, v, "severity", severity_text(f->severity));
	val_set_cstr(a, v, "certainty", certainty_text(f->rule->certainty));
	val_set_cstr(a, v, "hop", hop_text(f->rule->hop));
	val_set_cstr(a, v, "cause", f->cause);
	add_object(a, v, f->object);
	add_place(a, v, f->object, f->at);
	finding_path(f, &path);
	val_set_cstr(a, v, "path", strbuf_str(&path));
	evidence = val_set(a, v, "evidence", val_new_array(a));
	for (size_t i = 0; i < f->evidence.n; i++) {
		struct val *e = val_append(evidence, val_new_object(a));

		val_set_cstr(a, e, "text", f->evidence.at[i].text);
		add_object(a, e, f->evidence.at[i].object);
		add_place(a, e, f->evidence.at[i].object, f->evidence.at[i].at);
	}
	val_set_cstr(a, v, "symptom", f->symptom ? f->symptom : f->rule->symptom);
	val_set_cstr(a, v, "repair", f->repair ? f->repair : f->rule->fix);
	val_set_bool(a, v, "fixable", f->edits.n > 0);
	if (f->because) {
		val_set_cstr(a, v, "because", f->because->fingerprint);
	}
	val_set_cstr(a, v, "fingerprint", f->fingerprint);
	return v;
}

static void add_texts(struct arena *a, struct val *to, const char *key, const char *const *texts,
                      size_t n)
{
	struct val *v = val_set(a, to, key, val_new_array(a));

	for (size_t i = 0; i < n; i++) {
		val_append(v, val_new_cstr(a, texts[i]));
	}
}

static void add_summary(struct arena *a, struct val *to, const struct report *r)
{
	struct val *v = val_set(a, to, "summary", val_new_object(a));
	size_t by[3] = { 0 };

	for (size_t i = 0; i < r->findings->all.n; i++) {
		by[r->findings->all.at[i]->severity]++;
	}
	val_set_int(a, v, "objects", (int64_t)r->subject->n_objects);
	for (int s = SEVERITY_ERROR; s >= SEVERITY_INFO; s--) {
		val_set_int(a, v, severity_text(s), (int64_t)by[s]);
	}
	val_set_int(a, v, "acceptedByAnnotation", (int64_t)r->findings->n_suppressed);
	val_set_int(a, v, "knownFromBaseline", (int64_t)r->findings->n_baseline);
	val_set_int(a, v, "belowThreshold", (int64_t)r->findings->n_below);
}

static struct val *report_tree(struct arena *a, const struct report *r)
{
	struct val *root = val_new_object(a), *list;

	val_set_cstr(a, root, "program", "kennel");
	val_set_cstr(a, root, "version", r->version);
	val_set_cstr(a, root, "profile", r->subject->profile->name);
	add_summary(a, root, r);
	list = val_set(a, root, "findings", val_new_array(a));
	for (size_t i = 0; i < r->findings->all.n; i++) {
		val_append(list, finding_tree(a, r->findings->all.at[i]));
	}
	add_texts(a, root, "notRead", r->problems, r->n_problems);
	add_texts(a, root, "notes", r->findings->notes.at, r->findings->notes.n);
	list = val_set(a, root, "notConsidered", val_new_array(a));
	for (size_t i = 0; i < r->subject->left_out.n; i++) {
		const struct left_out *x = &r->subject->left_out.at[i];
		struct val *v = val_append(list, val_new_object(a));

		val_set_str(a, v, "apiVersion", x->api_version);
		val_set_str(a, v, "kind", x->kind);
		val_set_int(a, v, "count", (int64_t)x->n);
		add_place(a, v, x->first, NULL);
	}
	return root;
}

void report_json(struct strbuf *out, const struct report *r)
{
	scoped_arena struct arena a = { 0 };

	json_write_pretty(out, report_tree(&a, r));
	strbuf_addc(out, '\n');
}

void report_yaml(struct strbuf *out, const struct report *r)
{
	scoped_arena struct arena a = { 0 };

	yaml_write(out, report_tree(&a, r));
}

/* ---- SARIF 2.1.0 ---- */

static const char *sarif_level(enum severity s)
{
	static const char *const levels[] = { "note", "warning", "error" };

	return levels[s];
}

static struct val *sarif_text(struct arena *a, struct val *to, const char *key, const char *text)
{
	struct val *v = val_set(a, to, key, val_new_object(a));

	val_set_cstr(a, v, "text", text);
	return v;
}

static void sarif_location(struct arena *a, struct val *list, const struct object *o,
                           const struct val *at, const char *message)
{
	struct val *location = val_append(list, val_new_object(a)), *physical, *region;
	const struct val *place = at && at->line ? at : o->v;

	physical = val_set(a, location, "physicalLocation", val_new_object(a));
	val_set_cstr(a, val_set(a, physical, "artifactLocation", val_new_object(a)), "uri",
	             object_has_place(o) ? o->file : "cluster");
	if (place->line && object_has_place(o)) {
		region = val_set(a, physical, "region", val_new_object(a));
		val_set_int(a, region, "startLine", place->line);
		val_set_int(a, region, "startColumn", place->col ? place->col : 1);
	}
	if (message) {
		sarif_text(a, location, "message", message);
	}
}

static void sarif_rules(struct arena *a, struct val *driver)
{
	struct val *rules = val_set(a, driver, "rules", val_new_array(a));

	rule_each(rule)
	{
		struct val *v = val_append(rules, val_new_object(a));

		val_set_cstr(a, v, "id", rule->id);
		sarif_text(a, v, "shortDescription", rule->title);
		sarif_text(a, v, "fullDescription", rule->cause);
		sarif_text(a, v, "help", rule->fix);
		val_set_cstr(a, val_set(a, v, "defaultConfiguration", val_new_object(a)), "level",
		             sarif_level(rule->severity));
	}
}

static void sarif_result(struct arena *a, struct val *results, const struct finding *f)
{
	struct val *v = val_append(results, val_new_object(a)), *related;
	scoped_strbuf struct strbuf text = { 0 };

	strbuf_addf(&text, "%s %s", f->cause, f->repair ? f->repair : f->rule->fix);
	val_set_cstr(a, v, "ruleId", f->rule->id);
	val_set_cstr(a, v, "level", sarif_level(f->severity));
	sarif_text(a, v, "message", strbuf_str(&text));
	sarif_location(a, val_set(a, v, "locations", val_new_array(a)), f->object, f->at, NULL);
	related = val_set(a, v, "relatedLocations", val_new_array(a));
	for (size_t i = 0; i < f->evidence.n; i++) {
		if (f->evidence.at[i].object->assumed) {
			continue; /* in no file */
		}
		sarif_location(a, related, f->evidence.at[i].object, f->evidence.at[i].at,
		               f->evidence.at[i].text);
	}
	val_set_cstr(a, val_set(a, v, "partialFingerprints", val_new_object(a)), "kennel/v1",
	             f->fingerprint);
}

static void sarif_notes(struct arena *a, struct val *run, const struct report *r)
{
	struct val *invocation =
		val_append(val_set(a, run, "invocations", val_new_array(a)), val_new_object(a));
	struct val *notes;

	val_set_bool(a, invocation, "executionSuccessful", true);
	notes = val_set(a, invocation, "toolExecutionNotifications", val_new_array(a));
	for (size_t i = 0; i < r->n_problems; i++) {
		struct val *v = val_append(notes, val_new_object(a));

		val_set_cstr(a, v, "level", "warning");
		sarif_text(a, v, "message", r->problems[i]);
	}
}

void report_sarif(struct strbuf *out, const struct report *r)
{
	scoped_arena struct arena a = { 0 };
	struct val *root = val_new_object(&a), *run, *driver, *results;

	val_set_cstr(&a, root, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
	val_set_cstr(&a, root, "version", "2.1.0");
	run = val_append(val_set(&a, root, "runs", val_new_array(&a)), val_new_object(&a));
	driver = val_set(&a, val_set(&a, run, "tool", val_new_object(&a)), "driver",
	                 val_new_object(&a));
	val_set_cstr(&a, driver, "name", "kennel");
	val_set_cstr(&a, driver, "version", r->version);
	sarif_rules(&a, driver);
	sarif_notes(&a, run, r);
	results = val_set(&a, run, "results", val_new_array(&a));
	for (size_t i = 0; i < r->findings->all.n; i++) {
		sarif_result(&a, results, r->findings->all.at[i]);
	}
	json_write_pretty(out, root);
	strbuf_addc(out, '\n');
}

/* ---- the catalogue ---- */

static struct val *catalogue_tree(struct arena *a)
{
	struct val *root = val_new_object(a), *list = val_set(a, root, "checks", val_new_array(a));

	rule_each(rule)
	{
		struct val *v = val_append(list, val_new_object(a));

		val_set_cstr(a, v, "id", rule->id);
		val_set_cstr(a, v, "title", rule->title);
		val_set_cstr(a, v, "family", (*rule_family)->title);
		val_set_cstr(a, v, "severity", severity_text(rule->severity));
		val_set_cstr(a, v, "certainty", certainty_text(rule->certainty));
		val_set_cstr(a, v, "hop", hop_text(rule->hop));
		val_set_bool(a, v, "fromFiles", rule->check != NULL);
		val_set_cstr(a, v, "symptom", rule->symptom);
		val_set_cstr(a, v, "cause", rule->cause);
		val_set_cstr(a, v, "evidence", rule->evidence);
		val_set_cstr(a, v, "probe", rule->probe);
		val_set_cstr(a, v, "repair", rule->fix);
		val_set_cstr(a, v, "sources", rule->sources);
	}
	return root;
}

void catalogue_json(struct strbuf *out)
{
	scoped_arena struct arena a = { 0 };

	json_write_pretty(out, catalogue_tree(&a));
	strbuf_addc(out, '\n');
}

void catalogue_yaml(struct strbuf *out)
{
	scoped_arena struct arena a = { 0 };

	yaml_write(out, catalogue_tree(&a));
}
