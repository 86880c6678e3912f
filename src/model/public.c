/* Why: the names that the world outside knows, as external-dns would write them into a public zone:
 *
 *     Ingress    hosts of rules and tls, and of its annotation    -> its status' addresses or names
 *     Service    of type LoadBalancer: hosts of its annotation    -> externalIPs, else its status
 *
 * An annotation may name other targets, and the time to live. Objects that name nothing are not kept;
 * the index is made anew when somebody asks after one of the others changed.
 *
 * A wildcard stands for what is below it unless a nearer name exists. Source: RFC 4592 3.3;
 * external-dns, annotations and sources of Ingress and Service. */
#include "model/model-priv.h"

#include <ctype.h>

#include "model/ingress.h"

struct public_name {
	VEC(struct name_record) records; /* none: only other names lie below it */
};
struct public_names {
	struct map sources[2]; /* Services, Ingresses: key -> struct doc, share */
	/* derived */
	bool is_stale;
	struct arena arena;
	struct map names; /* lower case, without final dot -> struct public_name, owned */
};

/* ---- life ---- */

struct public_names *public_names_new(void)
{
	return NEW(struct public_names);
}

static void forget_index(struct public_names *p)
{
	for (struct map_iter it = { 0 }; map_next(&p->names, &it);) {
		struct public_name *n = it.value;

		vec_fini(&n->records);
		free(n);
	}
	map_fini(&p->names);
	p->names = (struct map){ 0 };
	arena_reset(&p->arena);
}

void public_names_free(struct public_names *p)
{
	forget_index(p);
	arena_fini(&p->arena);
	for (size_t i = 0; i < ARRAY_SIZE(p->sources); i++) {
		for (struct map_iter it = { 0 }; map_next(&p->sources[i], &it);) {
			doc_unref(it.value);
		}
		map_fini(&p->sources[i]);
	}
	free(p);
}

/* ---- annotations ---- */

/* Releases of external-dns since 0.22 have the second prefix, which wins. */
static struct slice annotation(const struct val *object, const char *word)
{
	static const char *const prefixes[] = { "external-dns.kubernetes.io/",
		                                "external-dns.alpha.kubernetes.io/" };
	const struct val *all = val_path(object, "metadata.annotations");
	struct slice found = { 0 };
	char name[64];

	for (size_t i = 0; i < ARRAY_SIZE(prefixes) && !found.len; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", prefixes[i], word);
		found = slice_trim(val_get_str(all, name));
	}
	return found;
}

/* Seconds of one unit; 0: there is no such unit. */
static double unit_of(struct slice unit)
{
	static const struct {
		const char *text;
		double s;
	} units[] = { { "h", 3600 }, { "m", 60 }, { "s", 1 }, { "ms", 1e-3 } };

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (slice_is(unit, units[i].text)) {
			return units[i].s;
		}
	}
	return 0;
}

/* Cuts what stands at the beginning and is made of digits and dots (or is not). */
static struct slice cut_run(struct slice *rest, bool number)
{
	size_t n = 0;

	while (n < rest->len &&
	       (isdigit((unsigned char)rest->p[n]) || rest->p[n] == '.') == number) {
		n++;
	}
	struct slice run = slice_head(*rest, n);

	*rest = slice_from(*rest, n);
	return run;
}

/* "90", "1m30s", "1.5h" in seconds; the usual time when it is none between 1 and 2^31 - 1. */
static uint32_t ttl_of(struct slice text)
{
	double sum = 0;
	uint64_t whole;

	if (slice_to_u64(text, &whole)) {
		return whole >= 1 && whole <= INT32_MAX ? (uint32_t)whole : NAME_PUBLIC_TTL_S;
	}
	while (text.len) {
		struct slice number = cut_run(&text, true), head = number, tail = { 0 };
		double unit = unit_of(cut_run(&text, false));
		uint64_t fraction = 0;

		(void)slice_cut(number, '.', &head, &tail);
		if (unit == 0 || tail.len > 9 || !slice_to_u64(head, &whole) ||
		    (tail.len && !slice_to_u64(tail, &fraction))) {
			return NAME_PUBLIC_TTL_S;
		}
		double part = (double)fraction;

		for (size_t i = 0; i < tail.len; i++) {
			part /= 10;
		}
		sum += ((double)whole + part) * unit;
	}
	return sum >= 1 && sum <= INT32_MAX ? (uint32_t)sum : NAME_PUBLIC_TTL_S;
}

/* ---- the index ---- */

/* Lower case, without final dot; empty when it is no name. */
static struct slice canonical(struct arena *a, struct slice text)
{
	struct slice s = arena_slice(a, slice_trim(text));

	while (s.len && s.p[s.len - 1] == '.') {
		s.len--;
	}
	for (size_t i = 0; i < s.len; i++) {
		((char *)s.p)[i] = (char)tolower((unsigned char)s.p[i]);
	}
	return ingress_host_is_valid(s) ? s : (struct slice){ 0 };
}

static struct public_name *need_name(struct public_names *p, struct slice name)
{
	struct public_name *n = map_find(&p->names, name);

	if (!n) {
		n = NEW(struct public_name);
		map_set(&p->names, name, n);
	}
	return n;
}

/* The rest of a name behind its first label; empty: it had only one. */
static struct slice parent_of(struct slice name)
{
	ptrdiff_t dot = slice_find(name, '.');

	return dot < 0 ? (struct slice){ 0 } : slice_from(name, (size_t)dot + 1);
}

static bool is_same(const struct name_record *a, const struct name_record *b)
{
	return a->type == b->type && ip_eq(a->ip, b->ip) && slice_eq(a->target, b->target);
}

/* A name has addresses or one other name; addresses win, and of other names the first in order. */
static void add_record(struct public_name *n, struct name_record r)
{
	for (size_t i = 0; i < n->records.n; i++) {
		if (is_same(&n->records.at[i], &r)) {
			return;
		}
	}
	if (n->records.n && n->records.at[0].type == NAME_CNAME) {
		if (r.type == NAME_CNAME && slice_cmp(n->records.at[0].target, r.target) < 0) {
			return;
		}
		vec_clear(&n->records);
	} else if (n->records.n && r.type == NAME_CNAME) {
		return;
	}
	vec_push(&n->records, r);
}

/* What one object gives. */
struct giving {
	struct public_names *p;
	uint32_t ttl;
	VEC(struct name_record) targets;
	VEC(struct slice) hosts;
};

static void give_host(struct giving *g, struct slice text)
{
	struct slice host = canonical(&g->p->arena, text);

	if (host.len) {
		vec_push(&g->hosts, host);
	}
}

static void give_target(struct giving *g, struct slice text)
{
	struct name_record r = { .ttl = g->ttl };
	struct slice name;

	if (ip_parse(slice_trim(text), &r.ip)) {
		r.type = r.ip.family == IP_V4 ? NAME_A : NAME_AAAA;
		vec_push(&g->targets, r);
		return;
	}
	name = canonical(&g->p->arena, text);
	if (name.len && name.p[0] != '*') {
		r.type = NAME_CNAME;
		r.ip = (struct ip){ 0 };
		r.target = slice_of(arena_printf(&g->p->arena, SLICE_FMT ".", SLICE_ARG(name)));
		vec_push(&g->targets, r);
	}
}

static void give_each(struct giving *g, void (*give)(struct giving *, struct slice),
                      struct slice list)
{
	struct slice item;

	while (slice_next(&list, ',', &item)) {
		give(g, item);
	}
}

static void give_status(struct giving *g, const struct val *object)
{
	val_for_each (val_path(object, "status.loadBalancer.ingress"), it) {
		struct slice ip = val_get_str(it, "ip");

		give_target(g, ip.len ? ip : val_get_str(it, "hostname"));
	}
}

static bool is_ingress(const struct val *object)
{
	return slice_is(val_get_str(object, "kind"), "Ingress");
}

static void give_targets(struct giving *g, const struct val *object)
{
	struct slice targets = annotation(object, "target");
	const struct val *external =
		is_ingress(object) ? NULL : val_path(object, "spec.externalIPs");

	give_each(g, give_target, targets);
	if (targets.len) {
		return;
	}
	val_for_each (external, it) {
		give_target(g, val_str(it));
	}
	if (val_len(external) == 0) {
		give_status(g, object);
	}
}

static void give_hosts(struct giving *g, const struct val *object)
{
	struct slice source = annotation(object, "ingress-hostname-source");
	bool spec = is_ingress(object) && !slice_is(source, "annotation-only");

	val_for_each (spec ? val_path(object, "spec.rules") : NULL, it) {
		give_host(g, val_get_str(it, "host"));
	}
	val_for_each (spec ? val_path(object, "spec.tls") : NULL, it) {
		val_for_each (val_get(it, "hosts"), host) {
			give_host(g, val_str(host));
		}
	}
	if (!is_ingress(object) || !slice_is(source, "defined-hosts-only")) {
		give_each(g, give_host, annotation(object, "hostname"));
	}
}

static void index_object(struct public_names *p, const struct val *object)
{
	struct giving g = { .p = p, .ttl = ttl_of(annotation(object, "ttl")) };

	give_targets(&g, object);
	give_hosts(&g, object);
	for (size_t i = 0; i < g.hosts.n && g.targets.n; i++) {
		struct public_name *n = need_name(p, g.hosts.at[i]);

		for (size_t k = 0; k < g.targets.n; k++) {
			add_record(n, g.targets.at[k]);
		}
		for (struct slice up = parent_of(g.hosts.at[i]); up.len; up = parent_of(up)) {
			(void)need_name(p, up);
		}
	}
	vec_fini(&g.targets);
	vec_fini(&g.hosts);
}

static int by_key(const void *x, const void *y)
{
	return slice_cmp(((const struct map_iter *)x)->key, ((const struct map_iter *)y)->key);
}

static void index_all(struct public_names *p, const struct map *sources)
{
	VEC(struct map_iter) all = { 0 };

	for (struct map_iter it = { 0 }; map_next(sources, &it);) {
		vec_push(&all, it);
	}
	if (all.n) {
		qsort(all.at, all.n, sizeof(*all.at), by_key);
	}
	for (size_t i = 0; i < all.n; i++) {
		index_object(p, ((const struct doc *)all.at[i].value)->root);
	}
	vec_fini(&all);
}

/* In the order of the objects' names, so that the same objects give the same answers. */
static void make_index(struct public_names *p)
{
	forget_index(p);
	for (size_t i = 0; i < ARRAY_SIZE(p->sources); i++) {
		index_all(p, &p->sources[i]);
	}
	p->is_stale = false;
}

/* ---- objects come and go ---- */

/* Somebody may have named it for the world outside. */
static bool names_something(const struct val *object)
{
	struct slice controller = annotation(object, "controller");

	if (controller.len && !slice_is(controller, "dns-controller")) {
		return false;
	}
	return is_ingress(object) ||
	       (slice_is(val_str(val_path(object, "spec.type")), "LoadBalancer") &&
	        annotation(object, "hostname").len > 0);
}

static bool names_the_same(const struct val *a, const struct val *b)
{
	return val_eq(val_path(a, "metadata.annotations"), val_path(b, "metadata.annotations")) &&
	       val_eq(val_get(a, "spec"), val_get(b, "spec")) &&
	       val_eq(val_get(a, "status"), val_get(b, "status"));
}

static void public_set(struct model *m, const struct doc *d, bool on)
{
	struct map *sources = &m->public->sources[is_ingress(d->root)];
	struct key key;
	struct doc *old;

	(void)key_make(&key, val_str(val_path(d->root, "metadata.namespace")),
	               val_str(val_path(d->root, "metadata.name")));
	old = on ? map_set(sources, key.s, doc_ref(d)) : map_remove(sources, key.s);

	if (on ? !old || !names_the_same(old->root, d->root) : old != NULL) {
		m->public->is_stale = true;
		model_changed(m, MODEL_NAMES);
	}
	doc_unref(old);
}

void public_put(struct model *m, const struct doc *d)
{
	public_set(m, d, names_something(d->root));
}

void public_remove(struct model *m, const struct doc *d)
{
	public_set(m, d, false);
}

/* ---- questions ---- */

/* The name itself, else the wildcard beside it or above, below the nearest name that exists. */
static const struct public_name *find_name(const struct public_names *p, struct slice name,
                                           struct arena *a)
{
	const struct public_name *n = map_find(&p->names, name);

	for (struct slice up = parent_of(name); !n && up.len; up = parent_of(up)) {
		const char *wild = arena_printf(a, "*." SLICE_FMT, SLICE_ARG(up));

		n = map_find(&p->names, slice_of(wild));
		if (!n && map_has(&p->names, up)) {
			return NULL;
		}
	}
	return n && n->records.n ? n : NULL;
}

static bool is_in(struct slice name, struct slice zone)
{
	return slice_has_suffix(name, zone) &&
	       (name.len == zone.len || name.p[name.len - zone.len - 1] == '.');
}

enum name_result public_lookup(const struct model *m, struct slice name, enum name_type type,
                               struct arena *a, struct name_record **ret, size_t *ret_n)
{
	const struct public_name *n;

	*ret = NULL;
	*ret_n = 0;
	if (is_in(name, slice_of(m->domain))) {
		return NAME_MISSING;
	}
	if (m->public->is_stale) {
		make_index(m->public);
	}
	n = find_name(m->public, name, a);
	if (!n) {
		return NAME_FOREIGN;
	}
	*ret = ARENA_ARRAY(a, struct name_record, n->records.n);
	for (size_t i = 0; i < n->records.n; i++) {
		const struct name_record *r = &n->records.at[i];

		if (r->type == type || type == NAME_ANY || r->type == NAME_CNAME) {
			(*ret)[(*ret_n)++] = *r;
		}
	}
	return *ret_n ? NAME_FOUND : NAME_NODATA;
}
