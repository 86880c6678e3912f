/* What: are these the letters of a label key or value? One answer for selectors and validation. */
#pragma once

#include "base/slice.h"

/* What is wrong with a qualified name ("app", "example.com/app"), in the server's words; null when
 * nothing is. Static text. Source: k8s/labels#syntax-and-character-set */
const char *label_key_wrong(struct slice key);
/* The same for a label's value: empty, or at most 63 of [A-Za-z0-9-_.] between alphanumerics. */
const char *label_value_wrong(struct slice value);
