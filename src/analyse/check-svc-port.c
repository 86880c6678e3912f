/* Why: the ports of Services: the target port at the pods, and ports of nodes. */

#include "analyse/calls.h"
#include "analyse/check-svc-priv.h"
#include "base/mem.h"

/* ---- SVC005, SVC006, SVC008: the target port ---- */

/* The only port, or the one of the same protocol when there is only one: what was probably meant. */
static const struct val *likely_port(const struct workload *w, enum proto proto)
{
	const struct val *found = NULL;
	size_t n = 0;

	container_each(w->spec, k)
	{
		val_for_each (val_get(k, "ports"), p) {
			if (proto_of(p) == proto) {
				found = p;
				n++;
			}
		}
	}
	return n == 1 ? found : NULL;
}

static const struct val *target_at(const struct svc_port *p)
{
	const struct val *v = val_get(p->v, "targetPort");

	return v ? v : val_get(p->v, "port");
}

static void show_ports(struct check *c, struct finding *f, const struct workload *w)
{
	container_each(w->spec, k)
	{
		val_for_each (val_get(k, "ports"), p) {
			finding_shows(c, f, w->object, val_get(p, "containerPort"),
			              "container " SLICE_FMT " has port %lld/%s%s" SLICE_FMT ".",
			              SLICE_ARG(val_get_str(k, "name")),
			              (long long)val_int(val_get(p, "containerPort"), 0),
			              proto_text(proto_of(p)), val_get(p, "name") ? " named " : "",
			              SLICE_ARG(val_get_str(p, "name")));
		}
	}
}

static void wrong_number(struct check *c, const struct svc *x, const struct svc_port *p,
                         const struct workload *w)
{
	const struct val *meant = likely_port(w, p->proto);
	struct finding *f = check_found(c, x->object, target_at(p),
	                                "Service " SLICE_FMT
	                                " sends port %u to port %u of its pods, where nothing is "
	                                "declared to listen.",
	                                SLICE_ARG(x->name), p->port, p->target);

	show_ports(c, f, w);
	if (meant) {
		finding_repair(c, f, "Set targetPort to %lld%s" SLICE_FMT "%s.",
		               (long long)val_int(val_get(meant, "containerPort"), 0),
		               val_get(meant, "name") ? ", best by its name " : "",
		               SLICE_ARG(val_get_str(meant, "name")),
		               val_get(meant, "name") ? "" : " (and name the port)");
		if (val_get(p->v, "targetPort")) {
			finding_replace(c, f, x->object, val_get(p->v, "targetPort"), "%lld",
			                (long long)val_int(val_get(meant, "containerPort"), 0));
		} else {
			finding_insert(c, f, x->object, val_get(p->v, "port"), "targetPort: %lld",
			               (long long)val_int(val_get(meant, "containerPort"), 0));
		}
	}
}

void svc_port_number(struct check *c)
{
	service_each(c, x)
	{
		for (size_t i = 0; i < x->n_ports; i++) {
			const struct svc_port *p = &x->ports[i];
			const struct workload *w = NULL;

			for (size_t j = 0; p->target && j < x->n_pods && !w; j++) {
				if (pod_has_ports(x->pods[j]->spec) &&
				    !pod_port_numbered(x->pods[j]->spec, p->target, 0)) {
					w = x->pods[j];
				}
			}
			if (w) {
				wrong_number(c, x, p, w);
			}
		}
	}
}

static void unknown_name(struct check *c, const struct svc *x, const struct svc_port *p,
                         const struct workload *w, size_t n_without)
{
	const struct val *meant = likely_port(w, p->proto);
	struct finding *f =
		check_found(c, x->object, target_at(p),
	                    "Service " SLICE_FMT " sends port %u to the port named " SLICE_FMT
	                    ", which the pods of " SLICE_FMT " " SLICE_FMT " do not have.",
	                    SLICE_ARG(x->name), p->port, SLICE_ARG(p->target_name),
	                    SLICE_ARG(w->object->kind), SLICE_ARG(w->name));

	if (n_without < x->n_pods) {
		f->severity = SEVERITY_WARN;
		finding_symptom(c, f,
		                "These pods are never endpoints of the Service; the others carry "
		                "all the load.");
	}
	show_ports(c, f, w);
	if (meant && val_get(meant, "name")) {
		finding_repair(c, f, "Set targetPort to " SLICE_FMT ".",
		               SLICE_ARG(val_get_str(meant, "name")));
		finding_replace(c, f, x->object, val_get(p->v, "targetPort"), SLICE_FMT,
		                SLICE_ARG(val_get_str(meant, "name")));
	} else if (meant) {
		finding_repair(c, f, "Name the container's port " SLICE_FMT ".",
		               SLICE_ARG(p->target_name));
		finding_insert(c, f, w->object, val_get(meant, "containerPort"), "name: " SLICE_FMT,
		               SLICE_ARG(p->target_name));
	}
}

void svc_port_name(struct check *c)
{
	service_each(c, x)
	{
		for (size_t i = 0; i < x->n_ports; i++) {
			const struct svc_port *p = &x->ports[i];
			const struct workload *w = NULL;
			size_t n = 0;

			for (size_t j = 0; p->target_name.len && j < x->n_pods; j++) {
				if (!pod_port_named(x->pods[j]->spec, p->target_name, 0)) {
					w = w ? w : x->pods[j];
					n++;
				}
			}
			if (w) {
				unknown_name(c, x, p, w, n);
			}
		}
	}
}

static bool is_udp_by_custom(uint16_t port)
{
	static const uint16_t ports[] = { 53, 69, 123, 161, 1812, 1813, 8125 };

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		if (ports[i] == port) {
			return true;
		}
	}
	return false;
}

static void other_protocol(struct check *c, const struct svc *x, const struct svc_port *p,
                           const struct workload *w, const struct val *declared)
{
	enum proto wanted = declared ? proto_of(declared) : PROTO_UDP;
	struct finding *f = check_found(
		c, x->object,
		val_get(p->v, "protocol") ? val_get(p->v, "protocol") : val_get(p->v, "port"),
		"Service " SLICE_FMT " offers port %u as %s%s, the program behind it speaks %s.",
		SLICE_ARG(x->name), p->port, proto_text(p->proto),
		val_get(p->v, "protocol") ? "" : " (nothing is written, and that means TCP)",
		proto_text(wanted));

	if (declared) {
		finding_shows(c, f, w->object, declared, "the container declares %s.",
		              proto_text(wanted));
	}
	finding_repair(c, f, "Write protocol: %s at the Service's port%s.", proto_text(wanted),
	               declared ? "" : ", at the container's port and in policies");
	if (val_get(p->v, "protocol")) {
		finding_replace(c, f, x->object, val_get(p->v, "protocol"), "%s",
		                proto_text(wanted));
	} else {
		finding_insert(c, f, x->object, val_get(p->v, "port"), "protocol: %s",
		               proto_text(wanted));
	}
}

void svc_port_protocol(struct check *c)
{
	service_each(c, x)
	{
		for (size_t i = 0; i < x->n_ports; i++) {
			const struct svc_port *p = &x->ports[i];

			for (size_t j = 0; p->proto && j < x->n_pods; j++) {
				const struct workload *w = x->pods[j];
				const struct val *any =
					p->target_name.len
						? pod_port_named(w->spec, p->target_name, 0)
						: pod_port_numbered(w->spec, p->target, 0);
				uint16_t number =
					(uint16_t)val_int(val_get(any, "containerPort"), 0);

				if (any && !pod_port_numbered(w->spec, number, p->proto)) {
					other_protocol(c, x, p, w, any);
					break;
				}
				if (p->proto == PROTO_TCP && is_udp_by_custom(p->port) &&
				    is_udp_by_custom(number) &&
				    !svc_port_numbered(x, p->port, PROTO_UDP)) {
					other_protocol(c, x, p, w, NULL);
					break;
				}
			}
		}
	}
}

/* ---- SVC019: ports of nodes ---- */

enum { NODE_PORT_MIN = 30000, NODE_PORT_MAX = 32767 };

struct port_user {
	const struct object *object;
	const struct val *at;
};

/* Remembers who has it first; returns that one when it is taken. */
static const struct port_user *take_port(struct check *c, struct map *taken, const struct object *o,
                                         const struct val *at, enum proto proto)
{
	scoped_free char *key = mem_printf("%lld/%d", (long long)val_int(at, 0), (int)proto);
	struct port_user *first = map_find(taken, slice_of(key));

	if (!first) {
		first = ARENA_NEW(&c->found->arena, struct port_user);
		*first = (struct port_user){ o, at };
		map_set(taken, slice_of(key), first);
		return NULL;
	}
	return first;
}

static void node_ports(struct check *c)
{
	scoped_map struct map taken = { 0 };

	service_each(c, x)
	{
		for (size_t i = 0; i < x->n_ports; i++) {
			const struct val *at = val_get(x->ports[i].v, "nodePort");
			const struct port_user *first;
			struct finding *f;

			if (!val_int(at, 0)) {
				continue;
			}
			if (at->i < NODE_PORT_MIN || at->i > NODE_PORT_MAX) {
				(void)check_found(
					c, x->object, at,
					"Node port %lld of Service " SLICE_FMT
					" is outside 30000-32767; the API server refuses it.",
					(long long)at->i, SLICE_ARG(x->name));
			}
			first = take_port(c, &taken, x->object, at, x->ports[i].proto);
			if (first) {
				f = check_found(c, x->object, at,
				                "Node port %lld of Service " SLICE_FMT
				                " is taken already.",
				                (long long)at->i, SLICE_ARG(x->name));
				finding_shows(c, f, first->object, first->at,
				              "has the same node port.");
			}
		}
	}
}

static void host_port(struct check *c, struct map *taken, const struct workload *w,
                      const struct val *p)
{
	const struct val *at = val_get(p, "hostPort");
	const struct port_user *first;
	struct finding *f;

	if (!val_int(at, 0)) {
		return;
	}
	first = take_port(c, taken, w->object, at, proto_of(p));
	if (first && first->object != w->object) {
		f = check_found(c, w->object, at,
		                "Host port %lld of " SLICE_FMT " " SLICE_FMT
		                " is taken by another workload: "
		                "two of them never share a node.",
		                (long long)at->i, SLICE_ARG(w->object->kind), SLICE_ARG(w->name));
		finding_shows(c, f, first->object, first->at, "has the same host port.");
	}
	if (c->subject->profile->nodes && w->object->id != OBJECT_DAEMONSET &&
	    w->replicas > c->subject->profile->nodes) {
		f = check_found(c, w->object, at,
		                "%lld replicas of " SLICE_FMT " " SLICE_FMT
		                " want host port %lld, and there are %lld nodes.",
		                (long long)w->replicas, SLICE_ARG(w->object->kind),
		                SLICE_ARG(w->name), (long long)at->i,
		                (long long)c->subject->profile->nodes);
		finding_symptom(c, f, "The replicas beyond the nodes stay Pending.");
	}
}

void svc_port_taken(struct check *c)
{
	scoped_map struct map taken = { 0 };

	node_ports(c);
	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];

		container_each(w->spec, k)
		{
			val_for_each (val_get(k, "ports"), p) {
				host_port(c, &taken, w, p);
			}
		}
	}
}
