/* Why: see edges.h. Hosts with a wildcard are kept as they are written and asked for with the first label replaced. */
#include "analyse/edges.h"

#include <ctype.h>

#include "analyse/subject-priv.h"
#include "base/mem.h"

struct edge_index {
	struct map ingress_hosts, hosts; /* lower case -> struct object */
	struct map secrets;              /* "ns/name" -> Ingress */
	struct map certificates;         /* "ns/name" of the Secret -> Certificate */
	struct map tls_services;         /* "ns/name" -> Ingress */
	struct map addresses;            /* bytes -> struct svc */
	const struct object *any;
	const struct val *any_host;
};

static void set_first(struct map *m, struct slice key, const void *value)
{
	if (!map_has(m, key)) {
		map_set(m, key, (void *)value);
	}
}

static void set_lower(struct map *m, struct slice host, const void *value)
{
	scoped_free char *lower = slice_dup(host);

	for (char *p = lower; *p; p++) {
		*p = (char)tolower((unsigned char)*p);
	}
	set_first(m, slice_of(lower), value);
}

static void set_named(struct map *m, struct slice ns, struct slice name, const void *value)
{
	scoped_free char *key = mem_printf(SLICE_FMT "/" SLICE_FMT, SLICE_ARG(ns), SLICE_ARG(name));

	set_first(m, slice_of(key), value);
}

static const void *find_named(const struct map *m, struct slice ns, struct slice name)
{
	scoped_free char *key = mem_printf(SLICE_FMT "/" SLICE_FMT, SLICE_ARG(ns), SLICE_ARG(name));

	return map_find(m, slice_of(key));
}

static void take_ingress(struct edge_index *x, const struct object *o)
{
	const struct val *spec = object_spec(o), *tls = val_get(spec, "tls");

	val_for_each (val_get(spec, "rules"), rule) {
		const struct val *host = val_get(rule, "host");

		if (val_str(host).len) {
			set_lower(&x->ingress_hosts, val_str(host), o);
			set_lower(&x->hosts, val_str(host), o);
			x->any_host = x->any ? x->any_host : host;
			x->any = x->any ? x->any : o;
		}
		val_for_each (val_path(rule, "http.paths"), path) {
			struct slice service = val_str(val_path(path, "backend.service.name"));

			if (val_len(tls) && service.len) {
				set_named(&x->tls_services, o->ns, service, o);
			}
		}
	}
	val_for_each (tls, it) {
		set_named(&x->secrets, o->ns, val_get_str(it, "secretName"), o);
	}
}

static struct edge_index *make(struct subject *s)
{
	struct edge_index *x = NEW(struct edge_index);

	object_each(s, OBJECT_INGRESS, o)
	{
		take_ingress(x, o);
	}
	object_each(s, OBJECT_HTTPROUTE, o)
	{
		val_for_each (val_get(object_spec(o), "hostnames"), it) {
			set_lower(&x->hosts, val_str(it), o);
		}
	}
	object_each(s, OBJECT_CERTIFICATE, o)
	{
		set_named(&x->certificates, o->ns, val_get_str(object_spec(o), "secretName"), o);
	}
	for (size_t i = 0; i < s->services.n; i++) {
		struct ip ip = { 0 };

		if (ip_parse(val_get_str(object_spec(s->services.at[i]->object), "clusterIP"),
		             &ip)) {
			set_first(&x->addresses, (struct slice){ (const char *)&ip, sizeof(ip) },
			          s->services.at[i]);
		}
	}
	return x;
}

static struct edge_index *index_of(struct subject *s)
{
	if (!s->index->edges) {
		s->index->edges = make(s);
	}
	return s->index->edges;
}

void edge_index_free(struct edge_index *x)
{
	if (x) {
		map_fini(&x->ingress_hosts);
		map_fini(&x->hosts);
		map_fini(&x->secrets);
		map_fini(&x->certificates);
		map_fini(&x->tls_services);
		map_fini(&x->addresses);
		free(x);
	}
}

static const struct object *by_host(const struct map *m, struct slice host)
{
	scoped_free char *lower = mem_printf("*" SLICE_FMT, SLICE_ARG(host));
	char *dot = strchr(lower, '.');
	const struct object *o;

	for (char *p = lower; *p; p++) {
		*p = (char)tolower((unsigned char)*p);
	}
	o = map_find(m, slice_of(lower + 1));
	if (o || !dot || dot == lower + 1) {
		return o;
	}
	dot[-1] = '*';
	return map_find(m, slice_of(dot - 1));
}

const struct object *edge_of_host(struct subject *s, struct slice host)
{
	return by_host(&index_of(s)->hosts, host);
}

const struct object *edge_ingress_of_host(struct subject *s, struct slice host)
{
	return by_host(&index_of(s)->ingress_hosts, host);
}

const struct object *edge_any(struct subject *s, const struct val **ret_host)
{
	struct edge_index *x = index_of(s);

	*ret_host = x->any_host;
	return x->any;
}

const struct object *edge_of_secret(struct subject *s, struct slice ns, struct slice secret)
{
	return find_named(&index_of(s)->secrets, ns, secret);
}

const struct object *edge_certificate(struct subject *s, struct slice ns, struct slice secret)
{
	return find_named(&index_of(s)->certificates, ns, secret);
}

const struct object *edge_tls_of_service(struct subject *s, const struct svc *x)
{
	return find_named(&index_of(s)->tls_services, x->ns, x->name);
}

const struct svc *edge_service_at(struct subject *s, struct ip ip)
{
	return map_find(&index_of(s)->addresses, (struct slice){ (const char *)&ip, sizeof(ip) });
}
