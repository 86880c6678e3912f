/* What: questions and answers as text, for the tests of this room: bytes in, bytes out, no socket.
 */
#pragma once

#include "base/strbuf.h"
#include "dns/answer.h"

struct ask {
	const char *name;
	uint16_t type;
	uint16_t id;     /* 0: 0x1234 */
	uint16_t edns;   /* payload size; 0: no EDNS */
	uint8_t version; /* of EDNS */
	uint16_t qclass; /* 0: IN */
	uint8_t opcode;
	uint16_t rotate;
	uint32_t client; /* address of who asks, whose search path is walked; 0: nobody's is */
	size_t max;      /* 0: what the query allows by UDP */
};

static inline size_t packet_of(const struct ask *q, uint8_t *buf, size_t max)
{
	knot_pkt_t *pkt = knot_pkt_new(buf, (uint16_t)max, NULL);
	uint8_t name[DNS_NAME_SIZE];
	knot_rrset_t opt;
	size_t size;

	knot_pkt_clear(pkt);
	assert_non_null(knot_dname_from_str(name, q->name, sizeof(name)));
	assert_int_equal(
		knot_pkt_put_question(pkt, name, q->qclass ? q->qclass : KNOT_CLASS_IN, q->type),
		0);
	if (q->edns) {
		assert_int_equal(knot_edns_init(&opt, q->edns, 0, q->version, NULL), 0);
		assert_int_equal(knot_pkt_begin(pkt, KNOT_ADDITIONAL), 0);
		assert_int_equal(knot_pkt_put(pkt, 0, &opt, 0), 0);
		knot_rrset_clear(&opt, NULL);
	}
	knot_wire_set_id(buf, q->id ? q->id : 0x1234);
	knot_wire_set_rd(buf);
	knot_wire_set_opcode(buf, q->opcode);
	size = pkt->size;
	knot_pkt_free(pkt);
	return size;
}

static inline void add_section(struct strbuf *b, const knot_pkt_t *pkt, knot_section_t id,
                               const char *head)
{
	const knot_pktsection_t *s = knot_pkt_section(pkt, id);
	char owner[300], data[600];

	for (uint16_t i = 0; i < s->count; i++) {
		const knot_rrset_t *rr = knot_pkt_rr(s, i);

		if (rr->type == KNOT_RRTYPE_OPT) {
			strbuf_addf(b, "%s OPT %u\n", head, knot_edns_get_payload(rr));
			continue;
		}
		knot_dname_to_str(owner, rr->owner, sizeof(owner));
		assert_true(knot_rrset_txt_dump_data(rr, 0, data, sizeof(data),
		                                     &KNOT_DUMP_STYLE_DEFAULT) >= 0);
		strbuf_addf(b, "%s %s %u %u %s\n", head, owner, rr->ttl, rr->type, data);
	}
}

/* "NOERROR aa" and a line a record. */
static inline void text_of(struct strbuf *b, const uint8_t *bytes, size_t size)
{
	knot_pkt_t *pkt = knot_pkt_new((void *)(uintptr_t)bytes, (uint16_t)size, NULL);
	const knot_lookup_t *code;

	assert_int_equal(knot_pkt_parse(pkt, KNOT_PF_KEEPWIRE | KNOT_PF_NOCANON), 0);
	assert_true(knot_wire_get_qr(bytes));
	assert_true(knot_wire_get_ra(bytes));
	code = knot_lookup_by_id(knot_rcode_names, knot_pkt_ext_rcode(pkt));
	strbuf_addf(b, "%s%s%s\n", code ? code->name : "?", knot_wire_get_aa(bytes) ? " aa" : "",
	            knot_wire_get_tc(bytes) ? " tc" : "");
	add_section(b, pkt, KNOT_ANSWER, "an");
	add_section(b, pkt, KNOT_AUTHORITY, "ns");
	add_section(b, pkt, KNOT_ADDITIONAL, "ar");
	knot_pkt_free(pkt);
}
