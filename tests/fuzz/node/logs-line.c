/* Why: whatever stands in a log file, reading it must neither crash nor show a time that is none.
 */
#include <stdint.h>

#include "base/clock.h"
#include "base/must.h"
#include "node/logs-line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = { (const char *)data, size }, text;

	while (slice_next(&rest, '\n', &text)) {
		scoped_strbuf struct strbuf time = { 0 };
		struct logs_line l;
		int64_t again;

		if (!logs_line_parse(text, &l)) {
			continue;
		}
		must(l.text.len == 0 ||
		     (l.text.p >= text.p && l.text.p + l.text.len == text.p + text.len));
		logs_line_add_time(&time, &l);
		must(time_parse(strbuf_slice(&time), &again) && again == l.wall_us);
	}
	return 0;
}
