/* Why: Services with the pods behind them and their ports read once, for all rules; see subject.h. */
#include <stdlib.h>

#include "analyse/subject-priv.h"
#include "base/mem.h"

static void read_port(struct svc_port *p, const struct val *v)
{
	const struct val *target = val_get(v, "targetPort");
	int64_t port = val_int(val_get(v, "port"), 0), number = port;
	struct slice text = val_str(target);

	if (target && target->type == VAL_INT) {
		number = target->i;
	} else if (text.len && slice_to_i64(text, &number)) {
		text = (struct slice){
			"", 0
		}; /* a number in quotes is a number, as the server reads it */
	}
	p->v = v;
	p->name = val_get_str(v, "name");
	p->proto = proto_of(v);
	p->port = port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
	p->target_name = text;
	p->target = !text.len && number > 0 && number <= UINT16_MAX ? (uint16_t)number : 0;
}

static void read_ports(struct subject *s, struct svc *x)
{
	const struct val *ports = val_get(object_spec(x->object), "ports");
	struct svc_port *at;

	x->n_ports = ports && ports->type == VAL_ARRAY ? ports->n : 0;
	x->ports = at = ARENA_ARRAY(&s->arena, struct svc_port, x->n_ports);
	if (x->n_ports) {
		val_for_each (ports, p) {
			read_port(at++, p);
		}
	}
}

static void select_pods(struct subject *s, struct svc *x)
{
	const struct val *map = val_get(object_spec(x->object), "selector");
	scoped_selection struct selection found = { 0 };

	subject_select(s, x->space, selector_of_map(&s->arena, map), map, &found);
	x->n_pods = found.at.n;
	x->pods = arena_dup(&s->arena, found.at.at, found.at.n * sizeof(*found.at.at));
	for (size_t i = 0; i < x->n_pods; i++) {
		vec_push(&s->index->services_of[x->pods[i]->id].at, (const struct svc *)x);
	}
}

static void add_service(struct subject *s, const struct object *o)
{
	struct svc *x = ARENA_NEW(&s->arena, struct svc);
	const struct val *spec = object_spec(o);
	char buf[ANALYSE_KEY_SIZE];

	x->object = o;
	x->ns = o->ns;
	x->name = o->name;
	x->space = subject_need_space(s, o->ns);
	x->type = val_get_str(spec, "type").len ? val_get_str(spec, "type") : SLICE("ClusterIP");
	x->external = slice_is(x->type, "ExternalName");
	x->headless = slice_is(val_get_str(spec, "clusterIP"), "None");
	x->has_selector = val_len(val_get(spec, "selector")) > 0;
	x->id = (unsigned)s->services.n;
	read_ports(s, x);
	if (x->has_selector && !x->external) {
		select_pods(s, x);
	}
	map_set(&s->index->services, subject_key(buf, OBJECT_SERVICE, o->ns, o->name), x);
	vec_push(&s->services, x);
	vec_push(&x->space->services, (const struct svc *)x);
}

void subject_gather_services(struct subject *s)
{
	s->index->services_of = ARENA_ARRAY(&s->arena, struct svc_list, s->workloads.n + 1);
	object_each(s, OBJECT_SERVICE, o)
	{
		add_service(s, o);
	}
}

const struct svc *subject_service(const struct subject *s, struct slice ns, struct slice name)
{
	char buf[ANALYSE_KEY_SIZE];

	return map_find(&s->index->services, subject_key(buf, OBJECT_SERVICE, ns, name));
}

const struct svc_list *subject_services_of(const struct subject *s, const struct workload *w)
{
	return &s->index->services_of[w->id];
}

const struct svc_port *svc_port_numbered(const struct svc *s, uint16_t port, enum proto proto)
{
	for (size_t i = 0; i < s->n_ports; i++) {
		if (s->ports[i].port == port && (!proto || s->ports[i].proto == proto)) {
			return &s->ports[i];
		}
	}
	return NULL;
}

const struct svc_port *svc_port_named(const struct svc *s, struct slice name)
{
	for (size_t i = 0; i < s->n_ports; i++) {
		if (slice_eq(s->ports[i].name, name)) {
			return &s->ports[i];
		}
	}
	return NULL;
}

uint16_t svc_port_target(const struct svc_port *p, const struct workload *w)
{
	int64_t number;

	if (!p->target_name.len) {
		return p->target;
	}
	number = val_int(
		val_get(pod_port_named(w->spec, p->target_name, p->proto), "containerPort"), 0);
	return number > 0 && number <= UINT16_MAX ? (uint16_t)number : 0;
}
