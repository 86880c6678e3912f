/* What: the OpenAPI v2 document in the protobuf that kubectl up to 1.28 insists on. Pure. */
#pragma once

#include "base/strbuf.h"
#include "codec/value.h"

/* Appends the Document message of a swagger 2.0 document. */
void openapi_v2_protobuf(struct strbuf *out, const struct val *document);
