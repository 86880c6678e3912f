/* What: EndpointSlices brought in line with what should be in them, with few writes: endpoints that
 * stay are left where they are, new ones join slices that change anyway. Source: reference
 * (networking) 1.2 "Packing" */
#pragma once

#include "control/edit.h"

#define SLICE_ENDPOINTS_MAX 100

/* Endpoints that share address type and ports. */
struct slice_group {
	const char *address_type; /* "IPv4", "IPv6" */
	struct val *ports;        /* array, in the arena */
	struct val *endpoints;    /* array, in the arena; each is told apart by its first address */
	struct slice_group *next;
};

struct slice_plan {
	const struct kind *owner_kind;
	const struct val *owner;
	const char *service;           /* name of the Service */
	const char *managed_by;        /* label value: only such slices are touched */
	const struct val *labels;      /* object: further labels */
	const struct val *annotations; /* object or null: further annotations */
	int64_t trigger_us;            /* newest change behind it, 0 unknown */
	struct slice_group *groups;
	/* Address types that keep an empty slice when they have no endpoints; none given: one of
	 * them all does. */
	const char *types[2];
};

/* What EndpointSlices are indexed by: the name of their Service. */
bool slice_service(const struct val *slice, struct strbuf *ret);
/* The group of that type and those ports, made when missing. */
struct slice_group *slice_plan_group(struct work *w, struct slice_plan *p, const char *address_type,
                                     const struct val *ports);
MUST_USE int slice_plan_carry_out(struct work *w, const struct slice_plan *p, struct err *err);
