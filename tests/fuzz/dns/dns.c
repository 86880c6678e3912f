/* Why: anybody may send datagrams, and upstream servers are anybody too. A question that parses
 * must get a reply that parses; bytes from upstream must be rewritten into one that parses and
 * fits; an answer out of memory must be what would have been made. */
#include <stdint.h>

#include "base/must.h"
#include "codec/yaml.h"
#include "dns/answer.h"
#include "dns/cache.h"
#include "dns/memo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char world[] = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n"
		      "---\n"
		      "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, "
		      "spec: {clusterIP: 10.1.0.7, ports: [{name: http, port: 80}]}}\n"
		      "---\n"
		      "{apiVersion: v1, kind: Service, metadata: {name: far, namespace: shop}, "
		      "spec: {type: ExternalName, externalName: www.example.com}}\n";

static int feed(void *arg, struct val *root, struct err *err)
{
	scoped_doc struct doc *d = doc_copy_of(root);

	(void)err;
	model_put(arg, d);
	return 0;
}

static void must_parse(uint8_t *bytes, size_t size, size_t max)
{
	knot_pkt_t *pkt;

	must(size >= KNOT_WIRE_HEADER_SIZE && size <= max);
	must(knot_wire_get_qr(bytes));
	if (knot_wire_get_qdcount(bytes) == 0) {
		return;
	}
	pkt = knot_pkt_new(bytes, (uint16_t)size, NULL);
	must(knot_pkt_parse(pkt, KNOT_PF_KEEPWIRE) == KNOT_EOK);
	knot_pkt_free(pkt);
}

static void answer(const struct model *m, const struct dns_query *q)
{
	struct dns_engine e;
	scoped_arena struct arena a = { 0 };
	uint8_t buf[DNS_UDP_EDNS];
	struct answer_next next;
	struct cache_key key;
	size_t size;

	dns_engine_init(&e, m, 1);
	e.synced = true;
	if (answer_query(&e, q, 1, &a, buf, q->payload, &size, &next) == ANSWER_DONE) {
		must_parse(buf, size, q->payload);
		return;
	}
	cache_key_make(&key, &next.next);
	size = question_write(&next.next, 1, true, buf, sizeof(buf));
	must(size > KNOT_WIRE_HEADER_SIZE);
	knot_wire_set_qr(buf);
	must(answer_fits(&next.next, 1, buf, size));
}

/* 0: not ours. */
static size_t made(const struct model *m, const uint8_t *question, size_t size, uint8_t *buf)
{
	struct dns_engine e;
	scoped_arena struct arena a = { 0 };
	struct answer_next next;
	struct dns_query q;

	dns_engine_init(&e, m, 1);
	e.synced = true;
	return query_parse(&q, question, size) && !q.refusal &&
	                       answer_query(&e, &q, 1, &a, buf, q.payload, &size, &next) ==
	                               ANSWER_DONE
	               ? size
	               : 0;
}

/* The same question with another id and other letters. */
static void again(const struct model *m, const uint8_t *data, size_t size)
{
	static uint8_t first[MEMO_ANSWER], found[MEMO_ANSWER], wanted[MEMO_ANSWER];
	uint8_t other[sizeof(((struct memo_key *)0)->bytes) + KNOT_WIRE_HEADER_SIZE];
	struct memo_key k, k2;
	struct memo *memo;
	size_t n;

	memo_key_make(&k, data, size);
	n = k.size && size <= sizeof(other) ? made(m, data, size, first) : 0;
	if (!n) {
		return;
	}
	memcpy(other, data, size);
	other[0] ^= 1;
	for (size_t i = KNOT_WIRE_HEADER_SIZE; i < KNOT_WIRE_HEADER_SIZE + k.qname_size; i++) {
		bool letter = (other[i] | 32) >= 'a' && (other[i] | 32) <= 'z';

		other[i] ^= letter ? 32 : 0;
	}
	memo_key_make(&k2, other, size);
	must(k2.size == k.size && k2.hash == k.hash);
	memo = memo_new();
	memo_put(memo, &k, 1, first, n);
	must(memo_find(memo, &k2, other, 1, found) == n);
	must(made(m, other, size, wanted) == n && memcmp(found, wanted, n) == 0);
	memo_forget(memo);
	must(memo_find(memo, &k2, other, 1, found) == 0);
	memo_free(memo);
}

static void relay(const uint8_t *data, size_t size)
{
	static const uint8_t question[] = "\0\7\1\0\0\1\0\0\0\0\0\0\3www\7example\3com\0\0\1\0";
	uint8_t out[DNS_UDP_EDNS];
	struct dns_query q;

	must(query_parse(&q, question, sizeof(question)));
	(void)answer_fits(&q, 7, data, size);
	if (size < KNOT_WIRE_HEADER_SIZE || size > DNS_MESSAGE_SIZE) {
		return;
	}
	(void)message_ttl(data, size);
	must_parse(out, relay_write(&q, NULL, 0, data, size, 5, out, q.payload), q.payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model *m;
	scoped_arena struct arena a = { 0 };
	struct dns_query q;

	if (!m) {
		m = model_new();
		must(yaml_parse_all(&a, SLICE(world), feed, m, NULL) == 0);
	}
	if (query_parse(&q, data, size)) {
		answer(m, &q);
	}
	again(m, data, size);
	relay(data, size);
	return 0;
}
