/* Why: everything that is about the wire of DNS and not about names; see message.h. */
#include "dns/message.h"

/* ---- reading ---- */

size_t name_to_text(const uint8_t *wire, char *buf)
{
	size_t n = 0;

	while (*wire) {
		size_t len = *wire++;

		if (n) {
			buf[n++] = '.';
		}
		for (size_t i = 0; i < len; i++) {
			uint8_t c = *wire++;

			c = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
			buf[n++] = (char)(c > ' ' && c < 127 && c != '.' ? c : 1);
		}
	}
	buf[n] = '\0';
	return n;
}

bool query_rename(struct dns_query *q, const uint8_t *wire_name)
{
	size_t size = knot_dname_size(wire_name);

	if (!size || size > sizeof(q->qname)) {
		return false;
	}
	memcpy(q->qname, wire_name, size);
	q->qname_size = size;
	q->text_len = name_to_text(q->qname, q->text);
	return true;
}

static void read_edns(struct dns_query *q, const knot_pkt_t *pkt)
{
	uint16_t payload;

	q->payload = DNS_UDP_PLAIN;
	if (!knot_pkt_has_edns(pkt)) {
		return;
	}
	q->has_edns = true;
	q->dnssec_ok = knot_edns_do(pkt->opt_rr);
	payload = knot_edns_get_payload(pkt->opt_rr);
	q->payload = payload < DNS_UDP_PLAIN  ? DNS_UDP_PLAIN
	             : payload > DNS_UDP_EDNS ? DNS_UDP_EDNS
	                                      : payload;
	if (knot_edns_get_version(pkt->opt_rr) != 0) {
		q->refusal = KNOT_RCODE_BADVERS;
	}
}

/* What is no question for us. Source: networking.md 5.3 */
static uint16_t refusal_of(const struct dns_query *q)
{
	if (q->qclass != KNOT_CLASS_IN) {
		return KNOT_RCODE_REFUSED;
	}
	switch (q->type) {
	case KNOT_RRTYPE_AXFR:
	case KNOT_RRTYPE_IXFR:
	case KNOT_RRTYPE_OPT:
	case KNOT_RRTYPE_TSIG:
	case KNOT_RRTYPE_TKEY:
	case 253: /* MAILB */
	case 254: /* MAILA */
		return KNOT_RCODE_REFUSED;
	}
	return 0;
}

static void read_question(struct dns_query *q, knot_pkt_t *pkt)
{
	if (knot_wire_get_qdcount(pkt->wire) != 1 ||
	    knot_pkt_parse(pkt, KNOT_PF_KEEPWIRE) != KNOT_EOK || !knot_pkt_wire_qname(pkt) ||
	    !query_rename(q, knot_pkt_wire_qname(pkt))) {
		q->refusal = KNOT_RCODE_FORMERR;
		return;
	}
	q->has_question = true;
	q->type = knot_pkt_qtype(pkt);
	q->qclass = knot_pkt_qclass(pkt);
	read_edns(q, pkt);
	if (!q->refusal) {
		q->refusal = refusal_of(q);
	}
}

bool query_parse(struct dns_query *q, const uint8_t *bytes, size_t size)
{
	knot_pkt_t *pkt;

	*q = (struct dns_query){ .payload = DNS_UDP_PLAIN };
	if (size < KNOT_WIRE_HEADER_SIZE || size > DNS_MESSAGE_SIZE || knot_wire_get_qr(bytes)) {
		return false;
	}
	q->id = knot_wire_get_id(bytes);
	q->opcode = knot_wire_get_opcode(bytes);
	q->recursion_desired = knot_wire_get_rd(bytes);
	q->checking_disabled = knot_wire_get_cd(bytes);
	if (q->opcode != KNOT_OPCODE_QUERY) {
		q->refusal = KNOT_RCODE_NOTIMPL;
		return true;
	}
	pkt = knot_pkt_new((void *)(uintptr_t)bytes, (uint16_t)size, NULL);
	if (!pkt) {
		return false;
	}
	read_question(q, pkt);
	knot_pkt_free(pkt);
	return true;
}

/* ---- writing replies ---- */

static size_t edns_size(const struct dns_query *q)
{
	return q->has_edns ? KNOT_EDNS_MIN_SIZE : 0;
}

static void begin(struct dns_reply *r)
{
	knot_pkt_clear(r->pkt);
	if (r->q->has_question) {
		(void)knot_pkt_put_question(r->pkt, r->q->qname, r->q->qclass, r->q->type);
	}
	(void)knot_pkt_reserve(r->pkt, (uint16_t)edns_size(r->q));
	(void)knot_pkt_begin(r->pkt, KNOT_ANSWER);
}

void reply_open(struct dns_reply *r, const struct dns_query *q, uint8_t *buf, size_t max)
{
	*r = (struct dns_reply){ .q = q };
	r->pkt = knot_pkt_new(buf, (uint16_t)(max > DNS_MESSAGE_SIZE ? DNS_MESSAGE_SIZE : max),
	                      NULL);
	if (r->pkt) {
		begin(r);
	}
}

void reply_section(struct dns_reply *r, knot_section_t section)
{
	if (r->pkt) {
		(void)knot_pkt_begin(r->pkt, section);
	}
}

void reply_put(struct dns_reply *r, const knot_rrset_t *set, uint16_t rotate)
{
	bool extra = r->pkt && r->pkt->current == KNOT_ADDITIONAL;
	bool is_qname;
	int hint;

	if (!r->pkt || r->truncated) {
		return;
	}
	is_qname = r->q->has_question && knot_dname_is_case_equal(set->owner, r->q->qname);
	hint = is_qname ? KNOT_COMPR_HINT_QNAME : KNOT_COMPR_HINT_NONE;
	if (knot_pkt_put_rotate(r->pkt, (uint16_t)hint, set, rotate, extra ? KNOT_PF_NOTRUNC : 0) !=
	            KNOT_EOK &&
	    !extra) {
		r->truncated = true;
	}
}

static void put_edns(struct dns_reply *r)
{
	knot_rrset_t opt;

	(void)knot_pkt_reclaim(r->pkt, (uint16_t)edns_size(r->q));
	if (!r->q->has_edns ||
	    knot_edns_init(&opt, DNS_UDP_EDNS, (uint8_t)(r->rcode >> 4), 0, NULL) != KNOT_EOK) {
		return;
	}
	if (r->q->dnssec_ok) {
		knot_edns_set_do(&opt);
	}
	(void)knot_pkt_begin(r->pkt, KNOT_ADDITIONAL);
	(void)knot_pkt_put(r->pkt, KNOT_COMPR_HINT_NONE, &opt, KNOT_PF_NOTRUNC);
	knot_rrset_clear(&opt, NULL);
}

size_t reply_close(struct dns_reply *r)
{
	const struct dns_query *q = r->q;
	size_t size;
	uint8_t *wire;

	if (!r->pkt) {
		return 0;
	}
	if (r->truncated) {
		begin(r);
	}
	put_edns(r);
	wire = r->pkt->wire;
	knot_wire_set_id(wire, q->id);
	knot_wire_set_qr(wire);
	knot_wire_set_opcode(wire, q->opcode);
	knot_wire_set_rcode(wire, (uint8_t)(r->rcode & 15));
	knot_wire_set_ra(wire);
	if (q->recursion_desired) {
		knot_wire_set_rd(wire);
	}
	if (q->checking_disabled) {
		knot_wire_set_cd(wire);
	}
	if (r->authoritative) {
		knot_wire_set_aa(wire);
	}
	if (r->truncated) {
		knot_wire_set_tc(wire);
	} else {
		knot_wire_clear_tc(wire);
	}
	size = r->pkt->size;
	knot_pkt_free(r->pkt);
	r->pkt = NULL;
	return size;
}

size_t reply_code(const struct dns_query *q, uint16_t rcode, uint8_t *buf, size_t max)
{
	struct dns_reply r;

	reply_open(&r, q, buf, max);
	r.rcode = rcode;
	return reply_close(&r);
}

void reply_put_alias(struct dns_reply *r, const struct dns_alias *a)
{
	uint8_t owner[DNS_NAME_SIZE];
	knot_rrset_t set;

	memcpy(owner, a->owner, sizeof(owner));
	knot_rrset_init(&set, owner, KNOT_RRTYPE_CNAME, KNOT_CLASS_IN, a->ttl);
	if (knot_rrset_add_rdata(&set, a->target, (uint16_t)knot_dname_size(a->target), NULL) ==
	    KNOT_EOK) {
		reply_put(r, &set, 0);
	}
	knot_rdataset_clear(&set.rrs, NULL);
}

/* ---- upstream ---- */

static bool put_own_edns(knot_pkt_t *pkt, const struct dns_query *q)
{
	knot_rrset_t opt;
	bool ok;

	if (knot_edns_init(&opt, DNS_UDP_EDNS, 0, 0, NULL) != KNOT_EOK) {
		return false;
	}
	if (q->dnssec_ok) {
		knot_edns_set_do(&opt);
	}
	(void)knot_pkt_begin(pkt, KNOT_ADDITIONAL);
	ok = knot_pkt_put(pkt, KNOT_COMPR_HINT_NONE, &opt, 0) == KNOT_EOK;
	knot_rrset_clear(&opt, NULL);
	return ok;
}

size_t question_write(const struct dns_query *q, uint16_t id, bool edns, uint8_t *buf, size_t max)
{
	knot_pkt_t *pkt = knot_pkt_new(buf, (uint16_t)max, NULL);
	size_t size = 0;

	if (!pkt) {
		return 0;
	}
	knot_pkt_clear(pkt);
	if (knot_pkt_put_question(pkt, q->qname, q->qclass, q->type) == KNOT_EOK &&
	    (!edns || put_own_edns(pkt, q))) {
		size = pkt->size;
	}
	knot_wire_set_id(buf, id);
	knot_wire_set_rd(buf);
	if (q->checking_disabled) {
		knot_wire_set_cd(buf);
	}
	knot_pkt_free(pkt);
	return size;
}

bool answer_fits(const struct dns_query *q, uint16_t id, const uint8_t *bytes, size_t size)
{
	knot_pkt_t *pkt;
	bool fits = false;

	if (size < KNOT_WIRE_HEADER_SIZE || !knot_wire_get_qr(bytes) ||
	    knot_wire_get_id(bytes) != id || knot_wire_get_qdcount(bytes) != 1) {
		return false;
	}
	pkt = knot_pkt_new((void *)(uintptr_t)bytes, (uint16_t)size, NULL);
	if (pkt && knot_pkt_parse_question(pkt) == KNOT_EOK && knot_pkt_wire_qname(pkt)) {
		fits = knot_dname_is_case_equal(knot_pkt_wire_qname(pkt), q->qname) &&
		       knot_pkt_qtype(pkt) == q->type && knot_pkt_qclass(pkt) == q->qclass;
	}
	knot_pkt_free(pkt);
	return fits;
}

static knot_pkt_t *parse(const uint8_t *bytes, size_t size)
{
	knot_pkt_t *pkt = knot_pkt_new((void *)(uintptr_t)bytes, (uint16_t)size, NULL);

	if (pkt && knot_pkt_parse(pkt, KNOT_PF_KEEPWIRE | KNOT_PF_NOCANON) != KNOT_EOK) {
		knot_pkt_free(pkt);
		return NULL;
	}
	return pkt;
}

enum { SOA_SIZE_MIN = 22 }; /* two names and five numbers, RFC 1035 3.3.13 */

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* How long a denial holds: the smaller of the SOA's TTL and its minimum. Source: RFC 2308 5 */
static uint32_t denial_ttl(const knot_pkt_t *pkt)
{
	const knot_pktsection_t *s = knot_pkt_section(pkt, KNOT_AUTHORITY);

	for (uint16_t i = 0; i < s->count; i++) {
		const knot_rrset_t *rr = knot_pkt_rr(s, i);

		/* libknot takes a record without data as it is; any other SOA it has checked */
		if (rr->type == KNOT_RRTYPE_SOA && rr->rrs.count &&
		    rr->rrs.rdata->len >= SOA_SIZE_MIN) {
			return min_u32(min_u32(rr->ttl, knot_soa_minimum(rr->rrs.rdata)),
			               CACHE_DENIAL_TTL_S);
		}
	}
	return 0;
}

static uint32_t least_ttl(const knot_pkt_t *pkt, uint32_t ttl)
{
	for (int id = KNOT_ANSWER; id <= KNOT_AUTHORITY; id++) {
		const knot_pktsection_t *s = knot_pkt_section(pkt, (knot_section_t)id);

		for (uint16_t i = 0; i < s->count; i++) {
			ttl = min_u32(ttl, knot_pkt_rr(s, i)->ttl);
		}
	}
	return ttl;
}

static bool has_answer_of(const knot_pkt_t *pkt, uint16_t type)
{
	const knot_pktsection_t *s = knot_pkt_section(pkt, KNOT_ANSWER);

	for (uint16_t i = 0; i < s->count; i++) {
		if (type == KNOT_RRTYPE_ANY || knot_pkt_rr(s, i)->type == type) {
			return true;
		}
	}
	return false;
}

uint32_t message_ttl(const uint8_t *bytes, size_t size)
{
	knot_pkt_t *pkt = parse(bytes, size);
	uint32_t ttl = 0;

	if (pkt && !message_is_truncated(bytes)) {
		uint16_t rcode = knot_pkt_ext_rcode(pkt);

		if (rcode == KNOT_RCODE_NOERROR && has_answer_of(pkt, knot_pkt_qtype(pkt))) {
			ttl = least_ttl(pkt, CACHE_TTL_S);
		} else if (rcode == KNOT_RCODE_NOERROR || rcode == KNOT_RCODE_NXDOMAIN) {
			ttl = least_ttl(pkt, denial_ttl(pkt));
		}
	}
	knot_pkt_free(pkt);
	return ttl;
}

static void relay_section(struct dns_reply *r, const knot_pkt_t *from, knot_section_t id,
                          uint32_t age_s)
{
	const knot_pktsection_t *s = knot_pkt_section(from, id);

	reply_section(r, id);
	for (uint16_t i = 0; i < s->count; i++) {
		knot_rrset_t rr = *knot_pkt_rr(s, i);

		if (rr.type == KNOT_RRTYPE_OPT || rr.type == KNOT_RRTYPE_TSIG) {
			continue; /* these belong to one hop */
		}
		rr.ttl = age_s == RELAY_STALE ? min_u32(rr.ttl, CACHE_STALE_TTL_S)
		         : rr.ttl > age_s     ? rr.ttl - age_s
		                              : 0;
		reply_put(r, &rr, 0);
	}
}

size_t relay_write(const struct dns_query *q, const struct dns_alias *aliases, size_t n_aliases,
                   const uint8_t *bytes, size_t size, uint32_t age_s, uint8_t *buf, size_t max)
{
	knot_pkt_t *from = parse(bytes, size);
	struct dns_reply r;

	if (!from) {
		return reply_code(q, KNOT_RCODE_SERVFAIL, buf, max);
	}
	reply_open(&r, q, buf, max);
	for (size_t i = 0; i < n_aliases; i++) {
		reply_put_alias(&r, &aliases[i]);
	}
	relay_section(&r, from, KNOT_ANSWER, age_s);
	relay_section(&r, from, KNOT_AUTHORITY, age_s);
	relay_section(&r, from, KNOT_ADDITIONAL, age_s);
	r.rcode = knot_pkt_ext_rcode(from);
	if (!q->has_edns) {
		r.rcode = r.rcode > 15 ? KNOT_RCODE_SERVFAIL : r.rcode;
	}
	r.truncated = r.truncated || message_is_truncated(bytes);
	knot_pkt_free(from);
	return reply_close(&r);
}
