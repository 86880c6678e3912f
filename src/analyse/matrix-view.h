/* What: a matrix as a person reads it: rows that say the same are one, and destinations with the
 * same ports are one entry. The views below are written from it; all of them are exact, none leaves
 * a flow out. */
#pragma once

#include "analyse/form.h"
#include "analyse/matrix.h"
#include "base/strbuf.h"

struct ends { /* indices, ascending */
	const uint32_t *at;
	size_t n;
};
struct view_entry { /* every end of 'from' reaches every end of 'to' on these ports, never none */
	struct ends from, to;
	ports_id ports;
};
struct matrix_view {
	struct arena arena;
	struct matrix *matrix;      /* borrowed */
	struct view_entry *entries; /* by from, then by the first of to */
	size_t n_entries;
	struct ends silent; /* those who reach nobody */
};
/* from, to: only these ends; null: all. */
struct matrix_view *matrix_view_new(struct matrix *m, const struct ends *from,
                                    const struct ends *to);
struct matrix_view *matrix_view_free(struct matrix_view *v);

/* "everything", "every workload but shop/db", "shop/web, shop/api": as short as it gets. */
void ends_format(struct strbuf *out, const struct matrix *m, struct ends ends);

/* What stands beside the flows in a report. */
struct matrix_notes {
	const char *const
		*lines; /* "Not considered: 3 VirtualService (networking.istio.io/v1beta1)" */
	size_t n;
};
/* The lines, after an empty one; nothing when there are none. */
void matrix_notes_text(struct strbuf *out, const struct matrix_notes *notes);
void matrix_text(struct strbuf *out, const struct matrix_view *v, const struct matrix_notes *notes);
void matrix_markdown(struct strbuf *out, const struct matrix_view *v,
                     const struct matrix_notes *notes);
/* One line per pair of workloads (or ranges) that is open: from, to, ports, and those of them that
 * are declared. */
void matrix_csv(struct strbuf *out, const struct matrix_view *v);
void matrix_json(struct strbuf *out, const struct matrix_view *v, const struct matrix_notes *notes);
void matrix_dot(struct strbuf *out, const struct matrix_view *v);
void matrix_svg(struct strbuf *out, const struct matrix_view *v);
/* One page that needs nothing else: its data is what matrix_json writes. */
void matrix_html(struct strbuf *out, const struct matrix_view *v, const struct matrix_notes *notes);

struct matrix_form {
	const char *name;
	void (*write)(struct strbuf *out, const struct matrix_view *v);
	void (*write_noted)(struct strbuf *out, const struct matrix_view *v,
	                    const struct matrix_notes *notes); /* or this one */
};
extern const struct matrix_form matrix_forms[];
void matrix_write(struct strbuf *out, const struct matrix_form *form, const struct matrix_view *v,
                  const struct matrix_notes *notes);
