/* What: answers questions straight from the model; pure: packet and objects in, packet out.
 *
 * What is ours is the cluster domain, the reverse names of addresses we know, and the names of
 * hosts outside the cluster; everything else is somebody else's and comes back as ANSWER_FORWARD.
 * Who asks from outside gets the public names instead, and never the cluster's (REFUSED). */
#pragma once

#include "dns/message.h"
#include "model/model.h"

struct dns_engine {
	const struct model *model; /* borrowed */
	bool synced;               /* false: SERVFAIL for everything */
	bool is_public;            /* for who asks from outside */
	/* Walk the search path of pods ourselves: the first name that a stub resolver makes of
	 * "api.example.com" is answered with what the last would have got. The model has pods then. */
	bool autopath;
	/* of the zone, in wire form: denials are the most frequent answers and all carry the same
	 * SOA */
	uint8_t apex[DNS_NAME_SIZE];
	uint8_t soa[2 * DNS_NAME_SIZE + 20];
	size_t soa_size; /* 0: the cluster domain is no name */
};
/* Not synced. The model's cluster domain must not change afterwards. serial: of the zone, seconds
 * of the last change. */
void dns_engine_init(struct dns_engine *e, const struct model *m, uint32_t serial);
void dns_engine_set_serial(struct dns_engine *e, uint32_t serial);

enum answer_result {
	ANSWER_DONE,    /* the reply is in buf */
	ANSWER_FORWARD, /* ask upstream for *ret_next, then relay with the aliases */
};
struct answer_next {
	struct dns_query
		next; /* as the client's question, by another name when aliases were followed */
	struct dns_alias *aliases; /* in the arena */
	size_t n_aliases;
	bool for_client; /* another client may get another answer */
};
/* buf has max bytes, what the transport carries at most. rotate spreads load: any number that
 * changes. */
enum answer_result answer_query(const struct dns_engine *e, const struct dns_query *q,
                                uint16_t rotate, struct arena *a, uint8_t *buf, size_t max,
                                size_t *ret_size, struct answer_next *ret_next);
