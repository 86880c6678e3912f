/* What: expectations about reachability, as YAML, held against a matrix.
 *
 *     flows:
 *     - from: shop/web            # a place (place.h), or a list of them
 *       to: shop/api
 *       port: 5000                # number, name of a port, "UDP 53", "80,443", a list; a Service's
 * own port when # 'to' is a Service; left out: every declared port expect: allow             #
 * allow: on each of these ports, for each pair # deny: on none of them (port left out: on no port
 * at all) # only: on these ports and on no others name: what for            # may be left out
 *     requests:
 *     - from: browser             # whatever explain takes as SRC; browser when left out
 *       to: https://app.example.org/api/pets      # a URL; inside of the cluster http://backend:5000/
 *       status: 200               # or 2xx, or a list; or expect: allow, deny
 *     everything else: deny       # what no 'allow' and no 'only' speaks of is closed; or a mapping
 *                                 # {expect: deny, from: A, to: B}; ignore is the default
 *
 * What a program answers is not in files: a request that arrives is as expected whatever its status; one that the
 * ingress controller answers by itself (404, 502, 503, 504, 308) or nobody is not.
 *
 * A file that is wrong in itself is told with line and column and nothing is judged. */
#pragma once

#include "analyse/form.h"
#include "analyse/matrix-view.h"
#include "analyse/place.h"

enum verify_expect { VERIFY_ALLOW, VERIFY_DENY, VERIFY_ONLY };

struct verify_pair { /* one member to another, and what is expected of it */
	struct place_member from, to;
	ports_id need;   /* must be open */
	ports_id forbid; /* must be closed */
};

struct status_range {
	int from, to;
};
struct verify_request {
	const char *from, *to;         /* as explain takes them */
	struct status_range *statuses; /* of HTTP; none: only whether it arrives */
	size_t n_statuses;
	bool denied; /* without statuses: it must not arrive */
};

struct verify_case {
	const char *name; /* "shop/web -> shop/api TCP 5000: allow" */
	const char *file;
	uint32_t line, col;
	const struct verify_pair *pairs;
	size_t n_pairs;
	const struct verify_request *request; /* null: the case is about flows */
	bool ok;
	const char *why; /* lines with '\n' between: what is not as expected and what decided it;
	                    null when ok */
};

struct verify { /* zeroed before use */
	struct arena arena;
	VEC(struct verify_case) cases;
	size_t n_failed;
	struct matrix_notes notes; /* what was not considered */
	bool keep_pairs; /* given: 'everything else' keeps its pairs too, of which there may be many
	                  */
};
void verify_fini(struct verify *v);
/* Reads the expectations and judges each. Failure: ERR_SYNTAX or ERR_NOTFOUND, "file:3:5:
 * sentence". */
MUST_USE int verify_run(struct verify *v, struct subject *s, struct matrix *m, const char *file,
                        const struct val *root, struct err *err);
/* Marks a case as failed after the fact (a probe saw something else); 'why' is copied and added to
 * what is there. */
void verify_fail(struct verify *v, struct verify_case *c, const char *why);

bool verify_request_admits(const struct verify_request *q, int status);

void verify_text(struct strbuf *out, const struct verify *v);
void verify_tap(struct strbuf *out, const struct verify *v);
void verify_junit(struct strbuf *out, const struct verify *v);
void verify_json(struct strbuf *out, const struct verify *v);
void verify_yaml(struct strbuf *out, const struct verify *v);
void verify_markdown(struct strbuf *out, const struct verify *v);
/* Expectations that describe a matrix as it is: each flow with 'only', everything else denied. */
void verify_expectations(struct strbuf *out, const struct matrix_view *v);

struct verify_form {
	const char *name;
	void (*write)(struct strbuf *out, const struct verify *v);
};
extern const struct verify_form verify_forms[];
