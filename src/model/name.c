/* Why: the cluster's names, answered from services, endpoints and hosts as they are this moment.
 *
 * A name in the zone is read from the right (networking.md 5.2):
 *
 *     zone                          apex
 *     svc.zone, pod.zone            exist
 *     ns.svc.zone, ns.pod.zone      exist with their namespace
 *     svc.ns.svc.zone               a Service
 *     host.svc.ns.svc.zone          an endpoint, by hostname or by its address with dashes
 *     _port._proto.svc.ns.svc.zone  SRV
 *     a-b-c-d.ns.pod.zone           the address that the name says, in any namespace that exists
 *
 * "Not with this type" and "not at all" must not be mixed up: resolvers stop searching at the
 * latter. */
#include "model/model-priv.h"

#include <ctype.h>

#include "base/strbuf.h"

struct answer {
	const struct model *m;
	struct arena *a;
	enum name_type type;
	bool exists;
	VEC(struct name_record) records;
};

/* ---- building ---- */

/* There is such a record; it is part of the answer when its type was asked for. */
static void offer(struct answer *w, struct name_record r)
{
	w->exists = true;
	r.ttl = r.ttl ? r.ttl : NAME_TTL_S;
	if (r.type == w->type || w->type == NAME_ANY || r.type == NAME_CNAME) {
		vec_push(&w->records, r);
	}
}

static void offer_ip(struct answer *w, struct ip ip, uint32_t ttl)
{
	offer(w, (struct name_record){
			 .type = ip.family == IP_V4 ? NAME_A : NAME_AAAA, .ip = ip, .ttl = ttl });
}

static struct slice service_fqdn(const struct answer *w, const struct service *s)
{
	return slice_of(arena_printf(w->a, "%s.%s.svc.%s.", s->name, s->ns, w->m->domain));
}

/* "10-244-0-7", "fd00--7" */
static struct slice dashed(char *buf, struct ip ip)
{
	ip_format(ip, buf);
	for (char *c = buf; *c; c++) {
		*c = *c == '.' || *c == ':' ? '-' : *c;
	}
	return slice_of(buf);
}

static struct slice host_fqdn(const struct answer *w, const struct service *s, struct ip ip,
                              struct slice hostname)
{
	char buf[IP_TEXT_SIZE];
	struct slice label = hostname.len ? hostname : dashed(buf, ip);

	return slice_of(arena_printf(w->a, SLICE_FMT ".%s.%s.svc.%s.", SLICE_ARG(label), s->name,
	                             s->ns, w->m->domain));
}

/* ---- services ---- */

static void offer_srv(struct answer *w, uint16_t port, struct slice target)
{
	offer(w, (struct name_record){ .type = NAME_SRV, .port = port, .target = target });
}

/* Which ports an SRV question means: all (name null), or one by name and protocol. */
struct srv_wish {
	const struct slice *name;
	enum proto proto;
};

static bool is_wished(const struct srv_wish *wish, struct slice name, enum proto proto)
{
	return !wish->name || (name.len && slice_eq(*wish->name, name) && wish->proto == proto);
}

/* The port's number is the endpoint's, not the Service's. */
static void offer_srv_of_slice(struct answer *w, const struct service *s, const struct val *slice,
                               const struct srv_wish *wish)
{
	val_for_each (val_get(slice, "ports"), p) {
		int64_t number = val_int(val_get(p, "port"), 0);

		if (number <= 0 || number > UINT16_MAX ||
		    !is_wished(wish, val_get_str(p, "name"),
		               proto_parse(val_get_str(p, "protocol")))) {
			continue;
		}
		val_for_each (val_get(slice, "endpoints"), e) {
			struct ip ip;

			if (val_bool(val_path(e, "conditions.ready"), true) &&
			    ip_parse(val_str(val_at(val_get(e, "addresses"), 0)), &ip)) {
				offer_srv(w, (uint16_t)number,
				          host_fqdn(w, s, ip, val_get_str(e, "hostname")));
			}
		}
	}
}

static void offer_srvs(struct answer *w, const struct service *s, const struct srv_wish *wish)
{
	for (size_t i = 0; s->type == SERVICE_CLUSTER && i < s->n_ports; i++) {
		if (is_wished(wish, s->ports[i].name, s->ports[i].proto)) {
			offer_srv(w, s->ports[i].port, service_fqdn(w, s));
		}
	}
	for (size_t i = 0; s->type == SERVICE_HEADLESS && i < s->slices.n; i++) {
		offer_srv_of_slice(w, s, s->slices.at[i]->doc->root, wish);
	}
}

static int by_target_and_port(const void *a, const void *b)
{
	const struct name_record *x = a, *y = b;
	int r = slice_cmp(x->target, y->target);

	return r ? r : (int)x->port - (int)y->port;
}

/* Endpoints named by two slices count once; the weight is shared by what remains. */
static void finish_srvs(struct answer *w)
{
	size_t n = 0, first = 0, count;

	while (first < w->records.n && w->records.at[first].type != NAME_SRV) {
		first++;
	}
	count = w->records.n - first;
	if (!count) {
		return;
	}
	qsort(&w->records.at[first], count, sizeof(*w->records.at), by_target_and_port);
	for (size_t i = first; i < w->records.n; i++) {
		if (n == 0 ||
		    by_target_and_port(&w->records.at[first + n - 1], &w->records.at[i]) != 0) {
			w->records.at[first + n++] = w->records.at[i];
		}
	}
	w->records.n = first + n;
	for (size_t i = first; i < w->records.n; i++) {
		w->records.at[i].weight = (uint16_t)(n < 100 ? 100 / n : 1);
	}
}

static void answer_service(struct answer *w, struct slice ns, struct slice name)
{
	const struct service *s = service_find(w->m, ns, name);

	if (!s) {
		return;
	}
	if (s->type == SERVICE_EXTERNAL_NAME) {
		struct slice target =
			slice_of(arena_printf(w->a, SLICE_FMT ".", SLICE_ARG(s->external_name)));

		offer(w, (struct name_record){ .type = NAME_CNAME, .target = target });
		return;
	}
	w->exists = s->type == SERVICE_CLUSTER;
	for (size_t i = 0; i < s->n_cluster_ips; i++) {
		offer_ip(w, s->cluster_ips[i], 0);
	}
	for (size_t i = 0; s->type == SERVICE_HEADLESS && i < s->n_hosts; i++) {
		if (s->hosts[i].ready) {
			offer_ip(w, s->hosts[i].ip, 0);
		}
	}
	if (w->type == NAME_SRV || w->type == NAME_ANY) {
		offer_srvs(w, s, &(struct srv_wish){ 0 });
		finish_srvs(w);
	}
}

static void answer_endpoint(struct answer *w, struct slice ns, struct slice name,
                            struct slice label)
{
	const struct service *s = service_find(w->m, ns, name);
	char buf[IP_TEXT_SIZE];

	for (size_t i = 0; s && i < s->n_hosts; i++) {
		const struct service_host *h = &s->hosts[i];

		if (h->ready &&
		    slice_eq(h->hostname.len ? h->hostname : dashed(buf, h->ip), label)) {
			offer_ip(w, h->ip, 0);
		}
	}
}

static struct slice without_underscore(struct slice label)
{
	return label.len && label.p[0] == '_' ? slice_from(label, 1) : label;
}

static void answer_port(struct answer *w, struct slice ns, struct slice name, struct slice proto,
                        struct slice port)
{
	const struct service *s = service_find(w->m, ns, name);
	struct slice wanted = without_underscore(port), text = without_underscore(proto);
	struct srv_wish wish = { .name = &wanted };

	wish.proto = slice_is(text, "tcp")    ? PROTO_TCP
	             : slice_is(text, "udp")  ? PROTO_UDP
	             : slice_is(text, "sctp") ? PROTO_SCTP
	                                      : 0;
	if (s && wish.proto) {
		offer_srvs(w, s, &wish);
		finish_srvs(w);
	}
}

/* ---- pods ---- */

/* The name says the address; whether a pod lives there is not looked at, as in CoreDNS's default.
 */
static void answer_pod(struct answer *w, struct slice ns, struct slice label)
{
	const struct space *s = space_find(w->m, ns);
	char text[IP_TEXT_SIZE];
	struct ip ip;
	int dashes = 0;

	if (!s || !s->doc || label.len >= sizeof(text)) {
		return;
	}
	for (size_t i = 0; i < label.len; i++) {
		dashes += label.p[i] == '-';
		text[i] = label.p[i];
	}
	text[label.len] = '\0';
	for (char *c = text; *c; c++) {
		*c = *c == '-' ? (dashes == 3 && !strstr(text, "--") ? '.' : ':') : *c;
	}
	if (ip_parse(slice_of(text), &ip)) {
		offer_ip(w, ip, 0);
	}
}

/* ---- addresses to names ---- */

/* Reads the labels of a reverse name from the right: "4.3.2.1" is 1.2.3.4, nibbles likewise. */
static bool parse_reverse_v4(struct slice q, struct ip *ret)
{
	uint32_t host = 0;
	struct slice label;
	uint64_t octet;
	int n = 0;

	while (slice_next(&q, '.', &label)) {
		if (n == 4 || !slice_to_u64(label, &octet) || octet > 255 ||
		    (label.len > 1 && label.p[0] == '0')) {
			return false;
		}
		host |= (uint32_t)octet << (8 * n++);
	}
	*ret = ip_v4(host);
	return n == 4;
}

static bool parse_reverse_v6(struct slice q, struct ip *ret)
{
	struct ip ip = { .family = IP_V6 };

	if (q.len != 63) {
		return false;
	}
	for (int i = 0; i < 32; i++) {
		char c = q.p[62 - 2 * i];

		if (!isxdigit((unsigned char)c) || (i < 31 && q.p[61 - 2 * i] != '.')) {
			return false;
		}
		ip.bytes[i / 2] |=
			(uint8_t)((c <= '9' ? c - '0' : c - 'a' + 10) << (i % 2 ? 0 : 4));
	}
	*ret = ip;
	return true;
}

static bool has_cluster_ip(const struct service *s, struct ip ip)
{
	for (size_t i = 0; i < s->n_cluster_ips; i++) {
		if (ip_eq(s->cluster_ips[i], ip)) {
			return true;
		}
	}
	return false;
}

static void offer_ptr_of_hosts(struct answer *w, const struct service *s, struct ip ip)
{
	for (size_t i = 0; i < s->n_hosts; i++) {
		if (s->hosts[i].ready && ip_eq(s->hosts[i].ip, ip)) {
			struct slice target = host_fqdn(w, s, ip, s->hosts[i].hostname);

			offer(w, (struct name_record){ .type = NAME_PTR, .target = target });
		}
	}
}

/* A cluster IP has the name of its Service; else every Service that the endpoint stands behind
 * gives one. */
static void answer_address(struct answer *w, struct ip ip)
{
	const service_vec *v = service_at(w->m, ip);

	for (size_t i = 0; v && i < v->n; i++) {
		if (has_cluster_ip(v->at[i], ip)) {
			struct slice target = service_fqdn(w, v->at[i]);

			offer(w, (struct name_record){ .type = NAME_PTR, .target = target });
		}
	}
	for (size_t i = 0; v && !w->exists && i < v->n; i++) {
		offer_ptr_of_hosts(w, v->at[i], ip);
	}
	if (w->records.n) {
		qsort(w->records.at, w->records.n, sizeof(*w->records.at), by_target_and_port);
	}
}

/* ---- the zone ---- */

#define ZONE_LABELS 5

/* q: what stands left of the zone, without the dot between. */
static void answer_zone(struct answer *w, struct slice q)
{
	struct slice label[ZONE_LABELS]; /* from the right */
	const struct space *s;
	size_t n = 0;

	while (q.len) {
		ptrdiff_t dot = slice_rfind(q, '.');

		if (n == ZONE_LABELS) {
			return;
		}
		label[n++] = slice_from(q, (size_t)(dot + 1));
		q = slice_head(q, dot < 0 ? 0 : (size_t)dot);
	}
	if (n == 0) {
		w->exists = true;
	} else if (slice_is(label[0], "dns-version") && n == 1) {
		offer(w, (struct name_record){ .type = NAME_TXT,
		                               .ttl = NAME_VERSION_TTL_S,
		                               .target = SLICE("1.1.0") });
	} else if (slice_is(label[0], "dns") && n <= 2) {
		w->exists = n == 1;
		if (n == 2 && slice_is(label[1], "ns")) {
			answer_service(w, SLICE("kube-system"), SLICE("kube-dns"));
		}
	} else if (n <= 2 && (slice_is(label[0], "svc") || slice_is(label[0], "pod"))) {
		s = n == 2 ? space_find(w->m, label[1]) : NULL;
		w->exists = n == 1 || (s && s->doc);
	} else if (n == 3 && slice_is(label[0], "pod")) {
		answer_pod(w, label[1], label[2]);
	} else if (slice_is(label[0], "svc")) {
		switch (n) {
		case 3:
			answer_service(w, label[1], label[2]);
			break;
		case 4:
			answer_endpoint(w, label[1], label[2], label[3]);
			break;
		case 5:
			answer_port(w, label[1], label[2], label[3], label[4]);
			break;
		}
	}
}

/* ---- the whole ---- */

static bool cut_suffix(struct slice *name, const char *suffix)
{
	size_t len = strlen(suffix);

	if (name->len <= len || name->p[name->len - len - 1] != '.' ||
	    memcmp(name->p + name->len - len, suffix, len) != 0) {
		return false;
	}
	name->len -= len + 1;
	return true;
}

static enum name_result finish(struct answer *w, bool is_ours, struct name_record **ret,
                               size_t *ret_n)
{
	*ret_n = w->records.n;
	*ret = NULL;
	if (w->records.n) {
		*ret = arena_dup(w->a, w->records.at, w->records.n * sizeof(*w->records.at));
	}
	vec_fini(&w->records);
	if (*ret_n) {
		return NAME_FOUND;
	}
	return w->exists ? NAME_NODATA : is_ours ? NAME_MISSING : NAME_FOREIGN;
}

enum name_result name_lookup(const struct model *m, struct slice name, enum name_type type,
                             struct arena *a, struct name_record **ret, size_t *ret_n)
{
	struct answer w = { .m = m, .a = a, .type = type };
	const struct host *h = map_find(&m->host_by_name, name);
	struct slice q = name;
	struct ip ip;

	if (h) {
		offer_ip(&w, h->ip, NAME_HOST_TTL_S);
		return finish(&w, true, ret, ret_n);
	}
	if (slice_is(name, m->domain) || cut_suffix(&q, m->domain)) {
		answer_zone(&w, slice_is(name, m->domain) ? SLICE("") : q);
		return finish(&w, true, ret, ret_n);
	}
	if (cut_suffix(&q, "in-addr.arpa")
	            ? parse_reverse_v4(q, &ip)
	            : cut_suffix(&q, "ip6.arpa") && parse_reverse_v6(q, &ip)) {
		answer_address(&w, ip);
	}
	return finish(&w, false, ret, ret_n);
}

void model_set_cluster_domain(struct model *m, struct slice domain)
{
	while (domain.len && domain.p[domain.len - 1] == '.') {
		domain.len--;
	}
	free(m->domain);
	m->domain = slice_dup(domain);
	for (char *c = m->domain; *c; c++) {
		*c = (char)tolower((unsigned char)*c);
	}
	model_changed(m, MODEL_NAMES);
}

struct slice model_cluster_domain(const struct model *m)
{
	return slice_of(m->domain);
}
