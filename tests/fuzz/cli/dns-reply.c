/* Why: whatever a DNS server answers, nothing is read beyond its end, and what was understood can be told again. */
#include <stdint.h>

#include "base/must.h"
#include "cli/dns-question.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct slice message = { (const char *)data, size };
	struct dns_reply a, b;
	uint16_t id = size >= 2 ? (uint16_t)(data[0] << 8 | data[1]) : 0;

	if (dns_reply_read(message, id, &a)) {
		must(size >= 12 && dns_reply_read(message, id, &b));
		must(a.n == b.n && a.rcode == b.rcode && a.n <= size / 16 + 1);
		must(!a.n || a.ip.family == IP_V4);
	}
	must(!dns_reply_read(message, (uint16_t)(id + 1), &b));
	return 0;
}
