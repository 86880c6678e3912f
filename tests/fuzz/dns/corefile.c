/* Why: anybody who may edit the ConfigMap writes the Corefile. Whatever it is, it is read in full or refused; zones are
 * names that can be compared, and no more servers than there is room for. */
#include <stdint.h>

#include "base/must.h"
#include "dns/corefile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct upstream others[] = { { ip_v4(0xc0000201), 53 } };
	scoped_arena struct arena a = { 0 };
	struct corefile c;
	struct err err;

	if (corefile_parse(&a, (struct slice){ (const char *)data, size }, others, 1, &c, &err) <
	    0) {
		must(err.code == ERR_SYNTAX && c.zones.n == 0 && c.notes.n == 0);
	}
	for (size_t i = 0; i < c.zones.n; i++) {
		must(c.zones.at[i].n <= FORWARD_SERVERS);
		must(knot_dname_size(c.zones.at[i].name) <= DNS_NAME_SIZE);
	}
	corefile_fini(&c);
	return 0;
}
