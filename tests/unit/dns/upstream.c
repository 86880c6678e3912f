/* Why: what concerns the answers of others: which servers, what is kept for how long, how an answer
 * is rewritten for the client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "dns/cache.h"
#include "dns/resolv.h"
#include "packet.h"

/* ---- messages of others ---- */

struct record {
	knot_section_t section;
	const char *owner;
	uint16_t type;
	uint32_t ttl;
	const uint8_t *data;
	uint16_t size;
};

static const uint8_t address[] = { 192, 0, 2, 1 };
/* ". ." and serial, refresh, retry, expire, minimum */
static const uint8_t soa[] = { 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 60 };

static size_t message(uint8_t *buf, size_t max, const char *name, uint16_t type, uint8_t rcode,
                      const struct record *r, size_t n)
{
	knot_pkt_t *pkt;
	uint8_t wire[DNS_NAME_SIZE], owner[DNS_NAME_SIZE];
	size_t size;

	pkt = knot_pkt_new(buf, (uint16_t)max, NULL);
	knot_pkt_clear(pkt);
	assert_non_null(knot_dname_from_str(wire, name, sizeof(wire)));
	assert_int_equal(knot_pkt_put_question(pkt, wire, KNOT_CLASS_IN, type), 0);
	for (size_t i = 0; i < n; i++) {
		knot_rrset_t set;

		assert_non_null(knot_dname_from_str(owner, r[i].owner, sizeof(owner)));
		knot_rrset_init(&set, owner, r[i].type, KNOT_CLASS_IN, r[i].ttl);
		assert_int_equal(knot_rrset_add_rdata(&set, r[i].data, r[i].size, NULL), 0);
		assert_int_equal(knot_pkt_begin(pkt, r[i].section), 0);
		assert_int_equal(knot_pkt_put(pkt, 0, &set, 0), 0);
		knot_rdataset_clear(&set.rrs, NULL);
	}
	knot_wire_set_qr(buf);
	knot_wire_set_rcode(buf, rcode);
	size = pkt->size;
	knot_pkt_free(pkt);
	return size;
}

static struct dns_query query_of(const struct ask *q)
{
	uint8_t packet[512];
	struct dns_query query;

	assert_true(query_parse(&query, packet, packet_of(q, packet, sizeof(packet))));
	return query;
}

static void an_answer_is_rewritten_for_who_asked(void **state)
{
	(void)state;
	struct record r[] = { { KNOT_ANSWER, "www.example.com.", NAME_A, 300, address, 4 } };
	uint8_t buf[512], out[512];
	size_t size = message(buf, sizeof(buf), "www.example.com.", NAME_A, 0, r, 1);
	struct dns_query q =
		query_of(&(struct ask){ "WWW.Example.com.", NAME_A, .id = 7, .edns = 4096 });
	scoped_strbuf struct strbuf b = { 0 };

	size = relay_write(&q, NULL, 0, buf, size, 100, out, sizeof(out));
	assert_int_equal(knot_wire_get_id(out), 7);
	assert_true(knot_wire_get_rd(out));
	text_of(&b, out, size);
	assert_string_equal(strbuf_str(&b),
	                    "NOERROR\nan WWW.Example.com. 200 1 192.0.2.1\nar OPT 1232\n");
}

static void aliases_stand_before_what_they_led_to(void **state)
{
	(void)state;
	struct record r[] = { { KNOT_AUTHORITY, "example.com.", NAME_SOA, 30, soa, sizeof(soa) } };
	struct dns_query q = query_of(&(struct ask){ "far.shop.svc.cluster.local.", NAME_A });
	struct dns_alias alias = { .ttl = 30 };
	uint8_t buf[512], out[512];
	scoped_strbuf struct strbuf b = { 0 };
	size_t size =
		message(buf, sizeof(buf), "www.example.com.", NAME_A, KNOT_RCODE_NXDOMAIN, r, 1);

	knot_dname_from_str(alias.owner, "far.shop.svc.cluster.local.", sizeof(alias.owner));
	knot_dname_from_str(alias.target, "www.example.com.", sizeof(alias.target));
	size = relay_write(&q, &alias, 1, buf, size, 0, out, sizeof(out));
	text_of(&b, out, size);
	assert_string_equal(strbuf_str(&b),
	                    "NXDOMAIN\nan far.shop.svc.cluster.local. 30 5 www.example.com.\n"
	                    "ns example.com. 30 6 . . 1 2 3 4 60\n");
}

static void what_cannot_be_read_is_servfail(void **state)
{
	(void)state;
	struct record r[] = { { KNOT_ANSWER, "www.example.com.", NAME_A, 300, address, 4 } };
	struct dns_query q = query_of(&(struct ask){ "www.example.com.", NAME_A });
	uint8_t buf[512], out[512];
	size_t size = message(buf, sizeof(buf), "www.example.com.", NAME_A, 0, r, 1);

	relay_write(&q, NULL, 0, buf, size - 2, 0, out, sizeof(out));
	assert_int_equal(knot_wire_get_rcode(out), KNOT_RCODE_SERVFAIL);
}

static void only_the_answer_to_the_question_fits(void **state)
{
	(void)state;
	struct dns_query q = query_of(&(struct ask){ "www.example.com.", NAME_A });
	uint8_t buf[512];
	size_t size = message(buf, sizeof(buf), "WWW.example.com.", NAME_A, 0, NULL, 0);

	knot_wire_set_id(buf, 9);
	assert_true(answer_fits(&q, 9, buf, size));
	assert_false(answer_fits(&q, 8, buf, size));
	assert_false(answer_fits(&q, 9, buf, 11));
	size = message(buf, sizeof(buf), "www.example.org.", NAME_A, 0, NULL, 0);
	knot_wire_set_id(buf, 9);
	assert_false(answer_fits(&q, 9, buf, size));
	size = message(buf, sizeof(buf), "www.example.com.", NAME_AAAA, 0, NULL, 0);
	knot_wire_set_id(buf, 9);
	assert_false(answer_fits(&q, 9, buf, size));
}

/* ---- how long ---- */

static void a_message_holds_as_long_as_its_shortest_record(void **state)
{
	(void)state;
	struct record r[] = {
		{ KNOT_ANSWER, "a.example.com.", NAME_A, 300, address, 4 },
		{ KNOT_AUTHORITY, "example.com.", NAME_SOA, 90, soa, sizeof(soa) },
	};
	uint8_t buf[512];
	size_t size;

	size = message(buf, sizeof(buf), "a.example.com.", NAME_A, 0, r, 1);
	assert_int_equal(message_ttl(buf, size), 300);
	size = message(buf, sizeof(buf), "a.example.com.", NAME_A, 0, r, 2);
	assert_int_equal(message_ttl(buf, size), 90);
	/* denials: the smaller of the SOA's TTL and its minimum; none without SOA */
	size = message(buf, sizeof(buf), "a.example.com.", NAME_AAAA, 0, &r[1], 1);
	assert_int_equal(message_ttl(buf, size), 60);
	size = message(buf, sizeof(buf), "a.example.com.", NAME_A, KNOT_RCODE_NXDOMAIN, &r[1], 1);
	assert_int_equal(message_ttl(buf, size), 60);
	size = message(buf, sizeof(buf), "a.example.com.", NAME_A, KNOT_RCODE_NXDOMAIN, NULL, 0);
	assert_int_equal(message_ttl(buf, size), 0);
	size = message(buf, sizeof(buf), "a.example.com.", NAME_A, KNOT_RCODE_SERVFAIL, r, 1);
	assert_int_equal(message_ttl(buf, size), 0);
	r[0].ttl = 100000;
	size = message(buf, sizeof(buf), "a.example.com.", NAME_A, 0, r, 1);
	assert_int_equal(message_ttl(buf, size), CACHE_TTL_S);
	knot_wire_set_tc(buf);
	assert_int_equal(message_ttl(buf, size), 0);
}

static struct cache_key key_of(const char *name, uint16_t type)
{
	struct dns_query q = query_of(&(struct ask){ name, type });
	struct cache_key k;

	cache_key_make(&k, &q);
	return k;
}

static void keep(struct cache *c, const char *name, uint32_t ttl, int64_t now_us)
{
	struct record r = { KNOT_ANSWER, name, NAME_A, ttl, address, 4 };
	struct cache_key k = key_of(name, NAME_A);
	uint8_t buf[512];

	cache_put(c, &k, buf, message(buf, sizeof(buf), name, NAME_A, 0, &r, 1), now_us);
}

static void the_cache_forgets_in_time_and_does_not_mind_case(void **state)
{
	(void)state;
	struct cache *c = cache_new(10, 10000);
	struct cache_key k = key_of("A.Example.COM.", NAME_A),
			 other = key_of("a.example.com.", NAME_AAAA);
	struct cached hit;

	keep(c, "a.example.com.", 30, 1000 * US_PER_S);
	assert_false(cache_find(c, &other, 1000 * US_PER_S, &hit));
	assert_true(cache_find(c, &k, 1029 * US_PER_S, &hit));
	assert_int_equal(hit.age_s, 29);
	assert_false(hit.is_stale);
	/* its time is over: kept for when nobody answers, and given up at last */
	assert_true(cache_find(c, &k, 1030 * US_PER_S, &hit));
	assert_true(hit.is_stale && !hit.is_wanted);
	assert_true(cache_find(c, &k, (1029 + CACHE_STALE_S) * US_PER_S, &hit));
	assert_false(cache_find(c, &k, (1030 + CACHE_STALE_S) * US_PER_S, &hit));
	assert_int_equal(cache_count(c), 0);
	keep(c, "a.example.com.", 0, 1000 * US_PER_S);
	assert_int_equal(cache_count(c), 0);
	cache_free(c);
}

static void what_is_asked_for_often_is_wanted_before_its_time_is_over(void **state)
{
	(void)state;
	struct cache *c = cache_new(10, 10000);
	struct cache_key k = key_of("a.example.com.", NAME_A);
	struct cached hit;

	keep(c, "a.example.com.", 100, 0);
	assert_true(cache_find(c, &k, 89 * US_PER_S, &hit) && !hit.is_wanted);
	assert_true(cache_find(c, &k, 91 * US_PER_S, &hit) && hit.is_wanted);
	assert_true(cache_find(c, &k, 92 * US_PER_S, &hit) && !hit.is_wanted); /* once */
	keep(c, "a.example.com.", 100, 95 * US_PER_S);
	assert_true(cache_find(c, &k, 186 * US_PER_S, &hit) && !hit.is_wanted); /* asked for once */
	cache_free(c);
}

static void a_stale_answer_is_told_for_half_a_minute_at_most(void **state)
{
	(void)state;
	struct record r = { KNOT_ANSWER, "www.example.com.", NAME_A, 300, address, 4 };
	struct dns_query q = query_of(&(struct ask){ "www.example.com.", NAME_A });
	uint8_t buf[512], out[512];
	size_t size = message(buf, sizeof(buf), "www.example.com.", NAME_A, 0, &r, 1);
	scoped_strbuf struct strbuf b = { 0 };

	size = relay_write(&q, NULL, 0, buf, size, RELAY_STALE, out, sizeof(out));
	text_of(&b, out, size);
	assert_string_equal(strbuf_str(&b), "NOERROR\nan www.example.com. 30 1 192.0.2.1\n");
}

static void the_cache_is_bounded_and_keeps_what_is_used(void **state)
{
	(void)state;
	struct cache *c = cache_new(3, 10000);
	struct cache_key a = key_of("a.", NAME_A), b = key_of("b.", NAME_A);
	struct cached hit;

	keep(c, "a.", 30, 0);
	keep(c, "b.", 30, 0);
	keep(c, "c.", 30, 0);
	assert_true(cache_find(c, &a, 1, &hit));
	keep(c, "d.", 30, 0);
	assert_int_equal(cache_count(c), 3);
	assert_true(cache_find(c, &a, 1, &hit));
	assert_false(cache_find(c, &b, 1, &hit));
	cache_free(c);
	c = cache_new(100, 100);
	for (char name[] = "a."; name[0] <= 'z'; name[0]++) {
		keep(c, name, 30, 0);
	}
	assert_in_range(cache_count(c), 1, 4);
	cache_free(c);
}

/* ---- which servers ---- */

static void servers_are_read_from_resolv_conf(void **state)
{
	(void)state;
	struct upstream at[FORWARD_SERVERS];
	size_t n = resolv_parse(SLICE("# nameserver 192.0.2.9\n"
	                              "search example.com\n"
	                              "nameserver 192.0.2.1\n"
	                              "  nameserver\t2001:db8::1 # the other\r\n"
	                              "nameserver 127.0.0.53\n"
	                              "nameserver ::1\n"
	                              "nameserver 192.0.2.1\n"
	                              "nameserver nonsense\n"
	                              "nameserverX 192.0.2.7\n"
	                              "options edns0\n"
	                              "nameserver 192.0.2.2"),
	                        at);

	assert_int_equal(n, 3);
	assert_true(ip_eq(at[0].ip, ip_v4(0xc0000201)));
	assert_int_equal(at[0].port, 53);
	assert_int_equal(at[1].ip.family, IP_V6);
	assert_true(ip_eq(at[2].ip, ip_v4(0xc0000202)));
	assert_int_equal(resolv_parse(SLICE(""), at), 0);
}

static void a_server_may_have_a_port(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", "x", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "[::1", "[::1]53"
	};
	struct upstream u;

	assert_true(upstream_parse(SLICE("192.0.2.1:5353"), &u));
	assert_int_equal(u.port, 5353);
	assert_true(upstream_parse(SLICE("[2001:db8::1]:54"), &u));
	assert_int_equal(u.port, 54);
	assert_true(upstream_parse(SLICE("2001:db8::1"), &u));
	assert_int_equal(u.port, 53);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(upstream_parse(slice_of(bad[i]), &u));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_rewritten_for_who_asked),
		cmocka_unit_test(aliases_stand_before_what_they_led_to),
		cmocka_unit_test(what_cannot_be_read_is_servfail),
		cmocka_unit_test(only_the_answer_to_the_question_fits),
		cmocka_unit_test(a_message_holds_as_long_as_its_shortest_record),
		cmocka_unit_test(the_cache_forgets_in_time_and_does_not_mind_case),
		cmocka_unit_test(what_is_asked_for_often_is_wanted_before_its_time_is_over),
		cmocka_unit_test(a_stale_answer_is_told_for_half_a_minute_at_most),
		cmocka_unit_test(the_cache_is_bounded_and_keeps_what_is_used),
		cmocka_unit_test(servers_are_read_from_resolv_conf),
		cmocka_unit_test(a_server_may_have_a_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
