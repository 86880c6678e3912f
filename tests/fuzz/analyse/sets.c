/* Why: ports and addresses come in from expectations and options. What parses must format and parse again to the same
 * set, and the laws of the algebra hold for it. */
#include <stdint.h>

#include "analyse/cidr.h"
#include "analyse/ports.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_ports(struct arena *a, struct slice text)
{
	scoped_strbuf struct strbuf once = { 0 };
	struct ports x, y, rest;

	if (ports_parse(a, text, &x, NULL) < 0) {
		return;
	}
	ports_format(&once, x);
	must(ports_parse(a, strbuf_slice(&once), &y, NULL) == 0);
	must(ports_eq(x, y));
	rest = ports_minus(a, ports_all(), x);
	must(ports_is_all(ports_union(a, x, rest)));
	must(ports_is_none(ports_intersect(a, x, rest)));
}

static void try_addresses(struct arena *a, struct slice text)
{
	scoped_strbuf struct strbuf once = { 0 };
	struct cidr_set x, y, rest;

	if (cidr_parse(a, text, &x, NULL) < 0) {
		return;
	}
	cidr_format(&once, x, 0);
	must(cidr_parse(a, strbuf_slice(&once), &y, NULL) == 0);
	must(cidr_eq(x, y));
	rest = cidr_minus(a, cidr_all(), x);
	must(cidr_eq(cidr_all(), cidr_union(a, x, rest)));
	must(!cidr_intersect(a, x, rest).n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_arena struct arena a = { 0 };
	struct slice text = { (const char *)data, size };

	if (size > 4096) {
		return 0;
	}
	try_ports(&a, text);
	try_addresses(&a, text);
	return 0;
}
