/* Why: an answer is a list of steps: refuse, follow aliases inside the zone, then records, or the
 * denial that fits, or hand over to upstream. Source: networking.md 5.1 to 5.3 */
#include "dns/answer.h"

#include "base/arena.h"
#include "base/mem.h"

#define SOA_REFRESH_S 7200
#define SOA_RETRY_S   1800
#define SOA_EXPIRE_S  86400
#define DENIAL_TTL_S  30

struct work {
	const struct dns_engine *e;
	const struct dns_query *q;
	struct arena *a;
	uint16_t rotate;
	struct dns_reply reply;
};

static enum name_result lookup(const struct dns_engine *e, struct slice name, enum name_type type,
                               struct arena *a, struct name_record **ret, size_t *ret_n)
{
	return e->is_public ? public_lookup(e->model, name, type, a, ret, ret_n)
	                    : name_lookup(e->model, name, type, a, ret, ret_n);
}

/* ---- records ---- */

static bool wire_name(struct slice text, uint8_t *ret)
{
	char buf[DNS_NAME_SIZE + 1];

	if (text.len >= sizeof(buf)) {
		return false;
	}
	memcpy(buf, text.p, text.len);
	buf[text.len] = '\0';
	return knot_dname_from_str(ret, buf, DNS_NAME_SIZE) != NULL;
}

static size_t put_u16(uint8_t *to, uint16_t v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
	return 2;
}

static size_t put_u32(uint8_t *to, uint32_t v)
{
	put_u16(to, (uint16_t)(v >> 16));
	put_u16(to + 2, (uint16_t)v);
	return 4;
}

/* Writes a record's data; 0: it has no form on the wire (a name too long). */
static size_t rdata_of(const struct name_record *r, uint8_t *to)
{
	size_t n = 0;

	switch (r->type) {
	case NAME_A:
		memcpy(to, r->ip.bytes, 4);
		return 4;
	case NAME_AAAA:
		memcpy(to, r->ip.bytes, 16);
		return 16;
	case NAME_TXT:
		to[0] = (uint8_t)r->target.len;
		memcpy(to + 1, r->target.p, r->target.len);
		return r->target.len + 1;
	case NAME_SRV:
		n += put_u16(to, r->priority);
		n += put_u16(to + n, r->weight);
		n += put_u16(to + n, r->port);
		return wire_name(r->target, to + n) ? n + knot_dname_size(to + n) : 0;
	case NAME_PTR:
	case NAME_CNAME:
	case NAME_NS:
		return wire_name(r->target, to) ? knot_dname_size(to) : 0;
	case NAME_SOA:
	case NAME_ANY:
		break;
	}
	return 0;
}

/* Puts the records of one type as one set. */
static void put_set(struct work *w, const uint8_t *owner, enum name_type type,
                    const struct name_record *r, size_t n)
{
	uint8_t name[DNS_NAME_SIZE], data[DNS_NAME_SIZE + 8];
	knot_rrset_t set;

	memcpy(name, owner, knot_dname_size(owner));
	knot_rrset_init(&set, name, (uint16_t)type, KNOT_CLASS_IN, 0);
	for (size_t i = 0; i < n; i++) {
		size_t size = r[i].type == type ? rdata_of(&r[i], data) : 0;

		if (size && knot_rrset_add_rdata(&set, data, (uint16_t)size, NULL) == KNOT_EOK) {
			set.ttl = r[i].ttl;
		}
	}
	if (set.rrs.count) {
		reply_put(&w->reply, &set, (uint16_t)(w->rotate % set.rrs.count));
	}
	knot_rdataset_clear(&set.rrs, NULL);
}

static void put_sets(struct work *w, const uint8_t *owner, const struct name_record *r, size_t n)
{
	static const enum name_type types[] = { NAME_A,   NAME_AAAA, NAME_SRV,
		                                NAME_PTR, NAME_TXT,  NAME_CNAME };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		put_set(w, owner, types[i], r, n);
	}
}

static bool is_repeated(const struct name_record *r, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (slice_eq(r[k].target, r[i].target)) {
			return true;
		}
	}
	return false;
}

/* The addresses of what SRV records point at. */
static void put_additional(struct work *w, const struct name_record *r, size_t n)
{
	static const enum name_type types[] = { NAME_A, NAME_AAAA };
	uint8_t owner[DNS_NAME_SIZE];
	struct name_record *found;
	size_t n_found;

	reply_section(&w->reply, KNOT_ADDITIONAL);
	for (size_t i = 0; i < n * ARRAY_SIZE(types); i++) {
		struct slice target = r[i / 2].target;

		if (r[i / 2].type == NAME_SRV && !is_repeated(r, i / 2) &&
		    wire_name(target, owner) &&
		    name_lookup(w->e->model, slice_head(target, target.len - 1), types[i % 2], w->a,
		                &found, &n_found) == NAME_FOUND) {
			put_set(w, owner, types[i % 2], found, n_found);
		}
	}
}

/* ---- the zone itself ---- */

static bool in_zone(const struct work *w, struct slice name)
{
	struct slice zone = model_cluster_domain(w->e->model);

	return slice_eq(name, zone) || (slice_has_suffix(name, zone) && name.len > zone.len &&
	                                name.p[name.len - zone.len - 1] == '.');
}

/* Whose SOA stands in a denial: the zone's, the reverse tree's, or the name's own for hosts
 * outside. */
static const uint8_t *apex_of(const struct work *w, const struct dns_query *at)
{
	static const struct {
		const char *text;
		const uint8_t *wire;
	} trees[] = {
		{ "in-addr.arpa", (const uint8_t *)"\7in-addr\4arpa" },
		{ "ip6.arpa", (const uint8_t *)"\3ip6\4arpa" },
	};

	if (in_zone(w, query_name(at))) {
		return w->e->apex;
	}
	for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
		if (slice_has_suffix(query_name(at), slice_of(trees[i].text))) {
			return trees[i].wire;
		}
	}
	return at->qname;
}

static void put_soa(struct work *w, const struct dns_query *at)
{
	const uint8_t *apex = apex_of(w, at);
	uint8_t owner[DNS_NAME_SIZE];
	knot_rrset_t set;

	memcpy(owner, apex, knot_dname_size(apex));
	knot_rrset_init(&set, owner, KNOT_RRTYPE_SOA, KNOT_CLASS_IN, DENIAL_TTL_S);
	if (knot_rrset_add_rdata(&set, w->e->soa, (uint16_t)w->e->soa_size, NULL) == KNOT_EOK) {
		reply_put(&w->reply, &set, 0);
	}
	knot_rdataset_clear(&set.rrs, NULL);
}

static void put_denial(struct work *w, const struct dns_query *at, bool missing)
{
	w->reply.rcode = missing ? KNOT_RCODE_NXDOMAIN : KNOT_RCODE_NOERROR;
	reply_section(&w->reply, KNOT_AUTHORITY);
	put_soa(w, at);
}

/* SOA and NS exist at the apex only. True: answered. */
static bool put_apex(struct work *w)
{
	struct slice name = query_name(w->q), zone = model_cluster_domain(w->e->model);
	struct name_record ns = { .type = NAME_NS, .ttl = DENIAL_TTL_S };
	uint8_t owner[DNS_NAME_SIZE];
	struct name_record *r;
	size_t n;

	if (!slice_eq(name, zone)) {
		return false;
	}
	if (w->q->type == NAME_SOA) {
		put_soa(w, w->q);
		return true;
	}
	if (w->q->type != NAME_NS) {
		return false;
	}
	ns.target = slice_of(arena_printf(w->a, "ns.dns." SLICE_FMT ".", SLICE_ARG(zone)));
	put_set(w, w->q->qname, NAME_NS, &ns, 1);
	reply_section(&w->reply, KNOT_ADDITIONAL);
	if (wire_name(ns.target, owner) &&
	    name_lookup(w->e->model, slice_head(ns.target, ns.target.len - 1), NAME_A, w->a, &r,
	                &n) == NAME_FOUND) {
		put_set(w, owner, NAME_A, r, n);
	}
	return true;
}

/* Everything about a name is not given away in one go. Source: RFC 8482 4.2 */
static void put_minimal(struct work *w)
{
	static const uint8_t text[] = "\7RFC8482";
	uint8_t owner[DNS_NAME_SIZE];
	knot_rrset_t set;

	memcpy(owner, w->q->qname, w->q->qname_size);
	knot_rrset_init(&set, owner, KNOT_RRTYPE_HINFO, KNOT_CLASS_IN, DENIAL_TTL_S);
	if (knot_rrset_add_rdata(&set, text, sizeof(text), NULL) == KNOT_EOK) {
		reply_put(&w->reply, &set, 0);
	}
	knot_rdataset_clear(&set.rrs, NULL);
}

/* ---- the walk ---- */

static bool is_followed(const struct dns_query *q, const struct name_record *r, size_t n)
{
	return n && r[0].type == NAME_CNAME && q->type != NAME_CNAME && q->type != NAME_ANY;
}

static bool follow(struct arena *a, const struct name_record *r, struct answer_next *at)
{
	struct dns_alias *alias;

	if (!at->aliases) {
		at->aliases = ARENA_ARRAY(a, struct dns_alias, DNS_CNAME_HOPS);
	}
	alias = &at->aliases[at->n_aliases];
	memcpy(alias->owner, at->next.qname, at->next.qname_size);
	alias->ttl = r->ttl;
	if (!wire_name(r->target, alias->target) || !query_rename(&at->next, alias->target)) {
		return false;
	}
	at->n_aliases++;
	return true;
}

static void put_found(struct work *w, const struct answer_next *at, const struct name_record *r,
                      size_t n)
{
	if (w->q->type == NAME_ANY) {
		put_minimal(w);
		return;
	}
	put_sets(w, at->next.qname, r, n);
	if (w->q->type == NAME_SRV) {
		put_additional(w, r, n);
	}
}

static void put_aliases(struct work *w, const struct answer_next *at)
{
	for (size_t i = 0; i < at->n_aliases; i++) {
		reply_put_alias(&w->reply, &at->aliases[i]);
	}
}

/* What the model says where the aliases end. */
static void put_result(struct work *w, const struct answer_next *at, enum name_result result,
                       const struct name_record *r, size_t n)
{
	w->reply.authoritative = true;
	put_aliases(w, at);
	if (at->n_aliases == 0 && put_apex(w)) {
		return;
	}
	if (result == NAME_FOUND) {
		put_found(w, at, r, n);
	} else {
		put_denial(w, &at->next, result == NAME_MISSING);
	}
}

/* ---- search paths ---- */

/* The namespace whose pod asks; empty: no pod does. */
static struct slice namespace_of(const struct dns_engine *e, const struct dns_query *q)
{
	const struct val *owner = q->client.family ? model_owner_of(e->model, q->client) : NULL;

	return slice_is(val_get_str(owner, "kind"), "Pod")
	               ? val_str(val_path(owner, "metadata.namespace"))
	               : SLICE("");
}

/* What was meant when a name is the first of a search path: "api.example.com" of
 * "api.example.com.shop.svc.cluster.local" from a pod in shop; empty: it is none. */
static struct slice searched_name(const struct dns_engine *e, const struct dns_query *q,
                                  struct arena *a)
{
	struct slice name = query_name(q), ns = namespace_of(e, q), meant;
	const char *suffix = arena_printf(a, "." SLICE_FMT ".svc." SLICE_FMT, SLICE_ARG(ns),
	                                  SLICE_ARG(model_cluster_domain(e->model)));

	if (!ns.len || !slice_has_suffix(name, slice_of(suffix))) {
		return SLICE("");
	}
	meant = slice_head(name, name.len - strlen(suffix));
	return slice_find(meant, '.') > 0 ? meant : SLICE("");
}

/* True: *at is an alias further, and *ret what there is. Sources: networking.md 5.4, CoreDNS's autopath. */
static bool walk_search_path(const struct dns_engine *e, struct arena *a, struct answer_next *at,
                             enum name_result *ret, struct name_record **ret_r, size_t *ret_n)
{
	struct slice zone = model_cluster_domain(e->model), meant = searched_name(e, &at->next, a);
	const char *const names[] = {
		arena_printf(a, SLICE_FMT ".svc." SLICE_FMT ".", SLICE_ARG(meant), SLICE_ARG(zone)),
		arena_printf(a, SLICE_FMT "." SLICE_FMT ".", SLICE_ARG(meant), SLICE_ARG(zone)),
		arena_printf(a, SLICE_FMT ".", SLICE_ARG(meant)),
	};

	at->for_client = true;
	for (size_t i = 0; meant.len && i < ARRAY_SIZE(names); i++) {
		const struct name_record alias = { .target = slice_of(names[i]),
			                           .ttl = DENIAL_TTL_S };
		struct slice name = slice_head(alias.target, alias.target.len - 1);

		*ret = name_lookup(e->model, name, (enum name_type)at->next.type, a, ret_r, ret_n);
		if (*ret != NAME_MISSING) {
			return follow(a, &alias, at);
		}
	}
	*ret = NAME_MISSING;
	return false;
}

static bool is_address(const struct dns_query *q)
{
	return q->type == NAME_A || q->type == NAME_AAAA;
}

/* ---- the engine ---- */

void dns_engine_set_serial(struct dns_engine *e, uint32_t serial)
{
	if (e->soa_size) {
		put_u32(e->soa + e->soa_size - 20, serial);
	}
}

void dns_engine_init(struct dns_engine *e, const struct model *m, uint32_t serial)
{
	scoped_arena struct arena a = { 0 };
	struct slice zone = model_cluster_domain(m);
	const char *apex = arena_printf(&a, SLICE_FMT ".", SLICE_ARG(zone));
	const char *mname = arena_printf(&a, "ns.dns.%s", apex);
	const char *rname = arena_printf(&a, "hostmaster.%s", apex);
	size_t n;

	*e = (struct dns_engine){ .model = m };
	if (!wire_name(slice_of(apex), e->apex) || !wire_name(slice_of(mname), e->soa)) {
		return;
	}
	n = knot_dname_size(e->soa);
	if (!wire_name(slice_of(rname), e->soa + n)) {
		return;
	}
	n += knot_dname_size(e->soa + n);
	n += put_u32(e->soa + n, serial);
	n += put_u32(e->soa + n, SOA_REFRESH_S);
	n += put_u32(e->soa + n, SOA_RETRY_S);
	n += put_u32(e->soa + n, SOA_EXPIRE_S);
	n += put_u32(e->soa + n, DENIAL_TTL_S);
	e->soa_size = n;
}

enum answer_result answer_query(const struct dns_engine *e, const struct dns_query *q,
                                uint16_t rotate, struct arena *a, uint8_t *buf, size_t max,
                                size_t *ret_size, struct answer_next *ret_next)
{
	struct work w = { .e = e, .q = q, .a = a, .rotate = rotate };
	enum name_result result = NAME_MISSING;
	struct name_record *r = NULL;
	uint16_t code = q->refusal;
	size_t n = 0;

	if (!code && !e->synced) {
		code = KNOT_RCODE_SERVFAIL;
	}
	ret_next->next = *q;
	ret_next->aliases = NULL;
	ret_next->n_aliases = 0;
	ret_next->for_client = false;
	while (!code) {
		result = lookup(e, query_name(&ret_next->next), (enum name_type)q->type, a, &r, &n);
		if (result == NAME_MISSING && e->is_public && !ret_next->n_aliases) {
			code = KNOT_RCODE_REFUSED; /* RFC 1035 4.1.1: not for this asker */
		}
		if (result == NAME_MISSING && e->autopath && is_address(q) &&
		    !ret_next->for_client && !ret_next->n_aliases) {
			(void)walk_search_path(e, a, ret_next, &result, &r, &n);
		}
		if (result != NAME_FOUND || !is_followed(q, r, n)) {
			break;
		}
		if (ret_next->n_aliases == DNS_CNAME_HOPS || !follow(a, &r[0], ret_next)) {
			code = KNOT_RCODE_SERVFAIL;
		}
	}
	if (code) {
		*ret_size = reply_code(q, code, buf, max);
		return ANSWER_DONE;
	}
	if (result == NAME_FOREIGN) {
		return ANSWER_FORWARD;
	}
	reply_open(&w.reply, q, buf, max);
	put_result(&w, ret_next, result, r, n);
	*ret_size = reply_close(&w.reply);
	return ANSWER_DONE;
}
