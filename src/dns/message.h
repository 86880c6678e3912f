/* What: DNS messages (RFC 1035, 6891) as our nouns; the wire format itself is libknot's.
 *
 * A question is read once into a struct dns_query that holds no pointers into the packet. A reply
 * is opened for it, filled section by section and closed; what does not fit sets TC and leaves the
 * answer empty, so that a client never sees half a set. */
#pragma once

#include "base/ip.h"
#include <libknot/libknot.h>

#include "base/err.h"
#include "base/slice.h"
#include "dns/limits.h"

struct dns_query {
	struct ip client; /* who asks; none: it does not matter */
	uint16_t id, type, qclass;
	bool recursion_desired, checking_disabled;
	bool has_question; /* else only the header of a reply is sent */
	bool has_edns, dnssec_ok;
	uint16_t payload; /* bytes that the client takes by UDP: 512..1232 */
	uint16_t refusal; /* rcode to answer with at once; 0: a proper question */
	uint8_t opcode;
	uint8_t qname[DNS_NAME_SIZE]; /* wire form, letters as asked */
	size_t qname_size;
	char text[DNS_NAME_SIZE];
	size_t text_len; /* lower case, no final dot; bytes that no name of ours has become \1 */
};

/* False: not to be answered at all (no header, or itself a reply). */
bool query_parse(struct dns_query *q, const uint8_t *bytes, size_t size);
static inline struct slice query_name(const struct dns_query *q)
{
	return (struct slice){ q->text, q->text_len };
}
/* Makes the question of q another one: the same in all but the name. False: no valid name. */
bool query_rename(struct dns_query *q, const uint8_t *wire_name);
/* The text of a name in wire form, as in struct dns_query. Returns its length. */
size_t name_to_text(const uint8_t *wire, char *buf);

struct dns_reply {
	const struct dns_query *q;
	knot_pkt_t *pkt;
	uint16_t rcode;
	bool truncated;
	bool authoritative;
};
/* Opens a reply to q in buf; at most max bytes (the transport's). */
void reply_open(struct dns_reply *r, const struct dns_query *q, uint8_t *buf, size_t max);
void reply_section(struct dns_reply *r, knot_section_t section);
/* One set; rotate turns its records round. Answers that do not fit truncate, additions are left
 * out. */
void reply_put(struct dns_reply *r, const knot_rrset_t *set, uint16_t rotate);
/* Adds flags and EDNS; the reply's bytes are in buf. Returns their size. */
size_t reply_close(struct dns_reply *r);
/* A reply with a code and no records. */
size_t reply_code(const struct dns_query *q, uint16_t rcode, uint8_t *buf, size_t max);

/* A question to ask upstream: q's name, type and flags, with our EDNS or none. Returns the size. */
size_t question_write(const struct dns_query *q, uint16_t id, bool edns, uint8_t *buf, size_t max);
/* Is this the answer to that question (id, name, type)? */
bool answer_fits(const struct dns_query *q, uint16_t id, const uint8_t *bytes, size_t size);
/* Seconds that a message may be kept, by its records and code; 0: not at all. */
uint32_t message_ttl(const uint8_t *bytes, size_t size);
static inline bool message_is_truncated(const uint8_t *bytes)
{
	return knot_wire_get_tc(bytes);
}

/* A CNAME that stands before what was asked upstream. */
struct dns_alias {
	uint8_t owner[DNS_NAME_SIZE], target[DNS_NAME_SIZE]; /* wire form */
	uint32_t ttl;
};
void reply_put_alias(struct dns_reply *r, const struct dns_alias *a);
/* Rewrites an answer from upstream for the client that asked q: aliases in front, TTLs less by
 * age_s, which may be RELAY_STALE: the answer's time is over. Bytes that cannot be read give SERVFAIL. Returns the
 * size. */
#define RELAY_STALE UINT32_MAX
size_t relay_write(const struct dns_query *q, const struct dns_alias *aliases, size_t n_aliases,
                   const uint8_t *bytes, size_t size, uint32_t age_s, uint8_t *buf, size_t max);
