/* Why: rules of a security group may overlap as people like; elements of a set may not. The address
 * line is cut where any rule begins or ends, and each piece gets the union of the ports that rules
 * admit there. */
#include "dataplane/host-rules.h"

#include <stdlib.h>

struct ports {
	uint16_t from, to;
};
typedef VEC(struct ports) port_list;
typedef VEC(uint64_t) cut_list;

static uint32_t first_of(struct prefix p)
{
	return ip_to_v4(p.ip);
}

static uint32_t last_of(struct prefix p)
{
	return first_of(p) | (p.len < 32 ? UINT32_MAX >> p.len : 0);
}

static int compare_cuts(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int compare_ports(const void *a, const void *b)
{
	return (int)((const struct ports *)a)->from - (int)((const struct ports *)b)->from;
}

static bool counts(const struct host_rule *r, uint8_t proto)
{
	return r->from.ip.family == IP_V4 && r->proto == proto && r->port_from <= r->port_to;
}

/* Where pieces begin; the last entry is where the last one ends. */
static void list_cuts(const struct host_rule *rules, size_t n, uint8_t proto, cut_list *ret)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		if (counts(&rules[i], proto)) {
			vec_push(ret, (uint64_t)first_of(rules[i].from));
			vec_push(ret, (uint64_t)last_of(rules[i].from) + 1);
		}
	}
	if (ret->n) {
		qsort(ret->at, ret->n, sizeof(*ret->at), compare_cuts);
	}
	for (size_t i = 0; i < ret->n; i++) {
		if (used == 0 || ret->at[used - 1] != ret->at[i]) {
			ret->at[used++] = ret->at[i];
		}
	}
	ret->n = used;
}

/* Ports admitted to an address, joined. */
static void list_ports(const struct host_rule *rules, size_t n, uint8_t proto, uint32_t address,
                       port_list *ret)
{
	size_t used = 0;

	vec_clear(ret);
	for (size_t i = 0; i < n; i++) {
		if (counts(&rules[i], proto) && prefix_contains(rules[i].from, ip_v4(address))) {
			vec_push(ret, ((struct ports){ rules[i].port_from, rules[i].port_to }));
		}
	}
	if (ret->n) {
		qsort(ret->at, ret->n, sizeof(*ret->at), compare_ports);
	}
	for (size_t i = 0; i < ret->n; i++) {
		if (used > 0 && ret->at[i].from <= (uint32_t)ret->at[used - 1].to + 1) {
			if (ret->at[i].to > ret->at[used - 1].to) {
				ret->at[used - 1].to = ret->at[i].to;
			}
		} else {
			ret->at[used++] = ret->at[i];
		}
	}
	ret->n = used;
}

static bool same_ports(const port_list *a, const port_list *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->at, b->at, a->n * sizeof(*a->at)) == 0);
}

static void boxes_of(const struct host_rule *rules, size_t n, uint8_t proto, host_box_list *ret)
{
	port_list ports = { 0 }, before = { 0 };
	cut_list cuts = { 0 };

	list_cuts(rules, n, proto, &cuts);
	for (size_t i = 0; i + 1 < cuts.n; i++) {
		uint32_t from = (uint32_t)cuts.at[i], to = (uint32_t)(cuts.at[i + 1] - 1);

		list_ports(rules, n, proto, from, &ports);
		for (size_t k = 0; k < ports.n; k++) {
			if (same_ports(&ports, &before)) {
				ret->at[ret->n - ports.n + k].to = to;
			} else {
				vec_push(ret, ((struct host_box){ from, to, proto, ports.at[k].from,
				                                  ports.at[k].to }));
			}
		}
		vec_clear(&before);
		for (size_t k = 0; k < ports.n; k++) {
			vec_push(&before, ports.at[k]);
		}
	}
	vec_fini(&ports);
	vec_fini(&before);
	vec_fini(&cuts);
}

void host_boxes(const struct host_rule *rules, size_t n, host_box_list *ret)
{
	boxes_of(rules, n, PROTO_TCP, ret);
	boxes_of(rules, n, PROTO_UDP, ret);
	boxes_of(rules, n, PROTO_SCTP, ret);
}
