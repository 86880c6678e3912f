/* Why: the matrix for programs: JSON, and DOT for whoever draws graphs; see matrix-view.h. */
#include "analyse/markup.h"
#include "analyse/matrix-view.h"

#include "base/mem.h"
#include "codec/json.h"

/* ---- json ---- */

static void add_ids(struct strbuf *out, const char *key, const uint32_t *ids, size_t n)
{
	strbuf_addf(out, "\"%s\":[", key);
	for (size_t i = 0; i < n; i++) {
		strbuf_addf(out, "%s%u", i ? "," : "", ids[i]);
	}
	strbuf_addc(out, ']');
}

static void add_text(struct strbuf *out, const char *key, struct slice text)
{
	strbuf_addf(out, "\"%s\":", key);
	json_write_str(out, text);
}

static void add_workload(struct strbuf *out, const struct matrix_workload *w)
{
	scoped_strbuf struct strbuf declared = { 0 };

	ports_format(&declared, w->declared);
	strbuf_addc(out, '{');
	add_text(out, "kind", w->kind);
	strbuf_addc(out, ',');
	add_text(out, "namespace", w->ns);
	strbuf_addc(out, ',');
	add_text(out, "name", w->name);
	strbuf_addc(out, ',');
	add_text(out, "declared", strbuf_slice(&declared));
	strbuf_addc(out, '}');
}

static void add_isolation(struct strbuf *out, const struct matrix *m, enum policy_direction dir,
                          uint32_t end, const char *key)
{
	const struct policy_isolated *by = matrix_isolation(m, dir, end);

	strbuf_addf(out, ",\"%s\":[", key);
	for (size_t i = 0; by && i < by->n_policies; i++) {
		scoped_strbuf struct strbuf name = { 0 };

		strbuf_add_slice(&name, val_str(val_path(by->policies[i], "metadata.namespace")));
		strbuf_addc(&name, '/');
		strbuf_add_slice(&name, val_str(val_path(by->policies[i], "metadata.name")));
		strbuf_adds(out, i ? "," : "");
		json_write_str(out, strbuf_slice(&name));
	}
	strbuf_addc(out, ']');
}

static void add_end(struct strbuf *out, const struct matrix *m, uint32_t id,
                    const struct matrix_end *e)
{
	strbuf_addf(out, "{\"id\":%u,\"kind\":\"%s\",", id, matrix_kind_text(e->kind));
	add_text(out, "name", slice_of(e->name));
	if (e->kind != MATRIX_PODS) {
		scoped_strbuf struct strbuf addresses = { 0 };

		cidr_format(&addresses, e->addresses, 0);
		strbuf_addc(out, ',');
		add_text(out, "addresses", strbuf_slice(&addresses));
	}
	strbuf_adds(out, ",\"workloads\":[");
	for (size_t i = 0; i < e->n_workloads; i++) {
		strbuf_adds(out, i ? "," : "");
		add_workload(out, &matrix_world_of(m)->workloads[e->workloads[i]]);
	}
	strbuf_addc(out, ']');
	if (e->kind == MATRIX_PODS) {
		add_isolation(out, m, POLICY_INGRESS, id, "ingressPolicies");
		add_isolation(out, m, POLICY_EGRESS, id, "egressPolicies");
	}
	strbuf_addc(out, '}');
}

void matrix_json(struct strbuf *out, const struct matrix_view *v, const struct matrix_notes *notes)
{
	size_t n;
	const struct matrix_end *ends = matrix_ends(v->matrix, &n);

	strbuf_adds(out, "{\"ends\":[\n");
	for (uint32_t i = 0; i < n; i++) {
		strbuf_adds(out, i ? ",\n" : "");
		add_end(out, v->matrix, i, &ends[i]);
	}
	strbuf_adds(out, "\n],\"flows\":[\n");
	for (size_t i = 0; i < v->n_entries; i++) {
		const struct view_entry *e = &v->entries[i];
		scoped_strbuf struct strbuf ports = { 0 };

		ports_format(&ports, ports_pool_get(matrix_pool(v->matrix), e->ports));
		strbuf_adds(out, i ? ",\n{" : "{");
		add_ids(out, "from", e->from.at, e->from.n);
		strbuf_addc(out, ',');
		add_ids(out, "to", e->to.at, e->to.n);
		strbuf_addc(out, ',');
		add_text(out, "ports", strbuf_slice(&ports));
		strbuf_addc(out, '}');
	}
	strbuf_adds(out, "\n],\"notes\":[");
	for (size_t i = 0; notes && i < notes->n; i++) {
		strbuf_adds(out, i ? "," : "");
		json_write_str(out, slice_of(notes->lines[i]));
	}
	strbuf_adds(out, "]}\n");
}

/* ---- dot ---- */

/* A set that names nearly everything is drawn as one node of its own, or the picture would be
 * black. */
static bool is_crowd(const struct matrix *m, struct ends e, size_t n)
{
	scoped_strbuf struct strbuf name = { 0 };

	if (n < 8 || e.n < n / 2) {
		return false;
	}
	ends_format(&name, m, e);
	return slice_has_prefix(strbuf_slice(&name), SLICE("every"));
}

static void add_nodes(struct strbuf *out, const struct matrix *m, const struct matrix_end *ends,
                      size_t n)
{
	struct slice open = { 0 };

	for (size_t i = 0; i < n; i++) {
		const struct matrix_end *e = &ends[i];
		struct slice ns = { "", 0 };

		if (e->kind == MATRIX_PODS) {
			ns = matrix_world_of(m)->workloads[e->workloads[0]].ns;
		}
		if (open.p && !slice_eq(open, ns)) {
			strbuf_adds(out, "  }\n");
			open.p = NULL;
		}
		if (!open.p && ns.len) {
			scoped_free char *label = slice_dup(ns);

			strbuf_addf(out,
			            "  subgraph cluster_%zu {\n    color=gray70; fontcolor=gray40; "
			            "label=",
			            i);
			markup_add_dot(out, label);
			strbuf_adds(out, ";\n");
			open = ns;
		}
		strbuf_addf(out, "  %sn%zu [label=", open.p ? "  " : "", i);
		markup_add_dot(out, e->name);
		strbuf_adds(out, e->kind == MATRIX_PODS ? "];\n" : ", shape=ellipse];\n");
	}
	strbuf_adds(out, open.p ? "  }\n" : "");
}

static void add_edge(struct strbuf *out, const char *from, size_t f, const char *to, size_t t,
                     const char *label)
{
	strbuf_addf(out, "  %s%zu -> %s%zu [label=", from, f, to, t);
	markup_add_dot(out, label);
	strbuf_adds(out, "];\n");
}

static void add_edges(struct strbuf *out, const struct matrix_view *v, size_t i, size_t n)
{
	const struct view_entry *e = &v->entries[i];
	bool from_crowd = is_crowd(v->matrix, e->from, n), to_crowd = is_crowd(v->matrix, e->to, n);
	scoped_strbuf struct strbuf label = { 0 };

	ports_format(&label, ports_pool_get(matrix_pool(v->matrix), e->ports));
	for (int side = 0; side < 2; side++) {
		if (side ? to_crowd : from_crowd) {
			scoped_strbuf struct strbuf name = { 0 };

			ends_format(&name, v->matrix, side ? e->to : e->from);
			strbuf_addf(out, "  %c%zu [style=dashed, label=", side ? 't' : 'f', i);
			markup_add_dot(out, strbuf_str(&name));
			strbuf_adds(out, "];\n");
		}
	}
	for (size_t f = 0; f < (from_crowd ? 1 : e->from.n); f++) {
		for (size_t t = 0; t < (to_crowd ? 1 : e->to.n); t++) {
			add_edge(out, from_crowd ? "f" : "n", from_crowd ? i : e->from.at[f],
			         to_crowd ? "t" : "n", to_crowd ? i : e->to.at[t],
			         strbuf_str(&label));
		}
	}
}

void matrix_dot(struct strbuf *out, const struct matrix_view *v)
{
	size_t n;
	const struct matrix_end *ends = matrix_ends(v->matrix, &n);

	strbuf_adds(out, "digraph matrix {\n  rankdir=LR; node [shape=box, "
	                 "fontname=\"sans-serif\", fontsize=11];\n"
	                 "  edge [fontname=\"sans-serif\", fontsize=9, color=gray40];\n");
	add_nodes(out, v->matrix, ends, n);
	for (size_t i = 0; i < v->n_entries; i++) {
		add_edges(out, v, i, n);
	}
	strbuf_adds(out, "}\n");
}
