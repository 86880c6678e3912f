/* Why: supervisor, node roles and balancer agree on who is where without asking each other. See nodes.h. */
#include "serve/nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/slice.h"

enum { FIRST_SUBNET = 2, SUBNETS = 2, FIRST_HOST = 10 };

void node_place(const char *instance, unsigned number, struct node_place *ret)
{
	unsigned subnet = number % SUBNETS, host = FIRST_HOST + number / SUBNETS;

	if (number == 0) {
		snprintf(ret->role, sizeof(ret->role), "node");
		snprintf(ret->name, sizeof(ret->name), "%s", instance);
	} else {
		snprintf(ret->role, sizeof(ret->role), "node%u", (number + 1) % 1000);
		snprintf(ret->name, sizeof(ret->name), "%.20s-%u", instance, number + 1);
	}
	snprintf(ret->address, sizeof(ret->address), "10.0.%u.%u", FIRST_SUBNET + subnet,
	         host & 255);
	snprintf(ret->address6, sizeof(ret->address6), "fd00:10:0:%x::%x", FIRST_SUBNET + subnet,
	         host & 255);
	snprintf(ret->pods, sizeof(ret->pods), "10.244.%u.0/%u", number & 255, NODES_POD_RANGE_LEN);
	snprintf(ret->pods6, sizeof(ret->pods6), "fd00:10:244:%x::/64", number & 255);
	snprintf(ret->zone, sizeof(ret->zone), NODES_REGION "%c", (char)('a' + subnet));
}

unsigned nodes_remembered(const struct home *h)
{
	scoped_free char *path = home_file(h, "nodes");
	scoped_strbuf struct strbuf text = { 0 };
	uint64_t n = 0;

	return home_read(path, &text, NULL) == 0 &&
	                       slice_to_u64(slice_trim(strbuf_slice(&text)), &n) && n >= 1 &&
	                       n <= NODES_MAX
	               ? (unsigned)n
	               : 1;
}

int nodes_remember(const struct home *h, unsigned n, struct err *err)
{
	scoped_free char *path = home_file(h, "nodes"), *text = mem_printf("%u\n", n);

	return home_write(path, slice_of(text), 0644, 0, err);
}

const char *families_remembered(const struct home *h)
{
	scoped_free char *path = home_file(h, "ip-families");
	scoped_strbuf struct strbuf text = { 0 };

	return home_read(path, &text, NULL) == 0 &&
	                       slice_is(slice_trim(strbuf_slice(&text)), IP_FAMILIES_DUAL)
	               ? IP_FAMILIES_DUAL
	               : IP_FAMILIES_SINGLE;
}

int families_remember(const struct home *h, const char *families, struct err *err)
{
	scoped_free char *path = home_file(h, "ip-families"), *text = mem_printf("%s\n", families);

	return home_write(path, slice_of(text), 0644, 0, err);
}
