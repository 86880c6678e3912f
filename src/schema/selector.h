/* What: label and field selectors, from text ("a=b,c in (d,e),!f") and from LabelSelector objects.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "codec/value.h"
#include "schema/kind.h"

struct selector; /* lives in the arena it was parsed into */

/* "": matches everything. Failure: ERR_SYNTAX with the server's wording. */
MUST_USE int selector_parse(struct arena *a, struct slice text, const struct selector **ret,
                            struct err *err);
/* metav1.LabelSelector object. null: matches nothing. Empty: everything. */
MUST_USE int selector_of_object(struct arena *a, const struct val *label_selector,
                                const struct selector **ret, struct err *err);
/* A plain map of labels (Service.spec.selector): all must be equal. */
const struct selector *selector_of_map(struct arena *a, const struct val *map);
/* labels: an object of strings, may be null. */
bool selector_matches(const struct selector *s, const struct val *labels);
/* Does it match whatever the labels are? */
bool selector_is_everything(const struct selector *s);
/* The canonical text ("a=b,c in (d,e),!f", sorted by key) as kubectl and status.selector show it;
 * appends nothing for a selector that matches everything or nothing. */
void selector_format(struct strbuf *out, const struct selector *s);

/* Field selectors: equality and inequality on metadata.name, metadata.namespace and each kind's own
 * fields (spec.nodeName, status.phase, involvedObject.name, type...). */
struct field_selector;
MUST_USE int field_selector_parse(const struct kind *k, struct arena *a, struct slice text,
                                  const struct field_selector **ret, struct err *err);
bool field_selector_matches(const struct field_selector *s, const struct val *object);
/* The value demanded for a field by equality, or an empty slice. */
struct slice field_selector_wants(const struct field_selector *s, const char *field);
