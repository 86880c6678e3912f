/* What: YAML text to values by libyaml's events, with the scalar rules of YAML 1.2 core plus
 * the 1.1 booleans that sigs.k8s.io/yaml (kubectl) reads (y/n/yes/no/on/off in plain style).
 *
 * Limits: depth 1,000; aliases may add at most 10 times the size of the text (never less than 64
 * KiB; bombs); duplicate keys are a failure, keys given beside a merge (<<) win over merged ones.
 * Keys that are numbers or booleans become their text, as sigs.k8s.io/yaml has it. Failures name
 * line and column. Every node has its position. */
#pragma once

#include "base/err.h"
#include "codec/value.h"

/* Called for each document of a stream in order; empty documents are passed over. A non-zero return
 * stops and is returned. The values live in 'a'. */
typedef int yaml_doc_fn(void *arg, struct val *root, struct err *err);
MUST_USE int yaml_parse_all(struct arena *a, struct slice text, yaml_doc_fn *fn, void *arg,
                            struct err *err);
/* One document; an empty text gives null. */
MUST_USE int yaml_parse(struct arena *a, struct slice text, struct val **ret_v, struct err *err);
/* Block style as kubectl -o yaml prints; members in order. */
void yaml_write(struct strbuf *out, const struct val *v);
