/* Why: what a query was read as is always within what the reader of logs may be given. */
#include <stdint.h>

#include "base/must.h"
#include "node/logs-query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { 0 };
	struct logs_query q;
	struct err err;

	if (logs_query_parse(&a, (struct slice){ (const char *)data, size }, INT64_C(1) << 50, &q,
	                     &err) < 0) {
		must(err.code == ERR_SYNTAX || err.code == ERR_INVALID);
		return 0;
	}
	must(q.tail_lines >= -1);
	must(q.limit_bytes == -1 || q.limit_bytes >= 1);
	return 0;
}
