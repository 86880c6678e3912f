/* What: why a flow between two ends of a matrix passes or does not, in a few lines: what model/
 * says when it decides, without what does not matter for the answer. */
#pragma once

#include "analyse/place.h"

/* Appends lines ("  policy shop/api isolates shop/api for ingress (policies.yaml:3)\n"); the flow
 * is on the first port of 'ports'. */
void narrate_flow(struct strbuf *out, struct subject *s, const struct matrix *m,
                  const struct place_member *from, const struct place_member *to,
                  struct ports ports);
/* "shop/web", "internet" */
void member_format(struct strbuf *out, const struct subject *s, const struct matrix *m,
                   const struct place_member *x);
struct ip member_address(const struct subject *s, const struct matrix *m,
                         const struct place_member *x);
