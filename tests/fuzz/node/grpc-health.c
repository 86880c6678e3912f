/* Why: a probed server may answer anything; reading goes forward, within what came, and answers are
 * bounded by it. */
#include <stdint.h>

#include "base/must.h"
#include "node/grpc-health.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_strbuf struct strbuf reply = { 0 };
	struct slice all = { (const char *)data, size };
	size_t done = 0;
	int status = 0;

	for (size_t n = 0; n <= size; n += 1 + size / 64) {
		size_t was = done;
		enum grpc_verdict v =
			grpc_health_answer(slice_head(all, n), &done, &reply, &status);

		must(done >= was && done <= n);
		must(reply.size <= 2 * size + 9);
		if (v != GRPC_MORE) {
			break;
		}
	}
	return 0;
}
