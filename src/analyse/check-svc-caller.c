/* Why: what callers of a Service expect of it: its port, its host name, its variables. */
#include <string.h>

#include "analyse/calls.h"
#include "analyse/check-svc-priv.h"
#include "base/mem.h"

/* ---- SVC007, SVC009, SVC017: what callers expect ---- */

/* The port of the Service behind which the number is the pods' own; else its only one. */
static const struct svc_port *port_behind(const struct svc *x, uint16_t number)
{
	for (size_t i = 0; i < x->n_ports; i++) {
		for (size_t j = 0; j < x->n_pods; j++) {
			if (svc_port_target(&x->ports[i], x->pods[j]) == number) {
				return &x->ports[i];
			}
		}
	}
	return x->n_ports == 1 ? &x->ports[0] : NULL;
}

/* The value with the other port, as a repair; only where the text shows the port and is no secret. */
static void replace_port(struct check *c, struct finding *f, const struct call *x, uint16_t port)
{
	scoped_free char *was = mem_printf(":%u", x->r->port);
	const struct val *at = x->r->where.node;
	const char *found =
		at && at->type == VAL_STRING && !x->r->is_secret ? strstr(val_cstr(at), was) : NULL;
	size_t len = strlen(was);

	if (found && !(found[len] >= '0' && found[len] <= '9') && !strstr(found + len, was) &&
	    !strchr(val_cstr(at), '\n')) {
		finding_replace(c, f, x->by, at, "%.*s:%u%s", (int)(found - val_cstr(at)),
		                val_cstr(at), port, found + len);
	}
}

void svc_caller_port(struct check *c)
{
	call_each(c->subject, x)
	{
		const struct svc *to = x->to.service;
		const struct svc_port *meant;
		scoped_strbuf struct strbuf b = { 0 };
		struct finding *f;

		if (x->to.kind != TARGET_SERVICE || x->to.port || !x->r->port || to->external ||
		    to->headless || !to->n_ports) {
			continue;
		}
		meant = port_behind(to, x->r->port);
		f = check_found(c, x->by, x->r->where.node,
		                "%s of " SLICE_FMT " " SLICE_FMT " calls %s, and Service " SLICE_FMT
		                " has no port %u.",
		                x->r->name, SLICE_ARG(x->from->object->kind),
		                SLICE_ARG(x->from->name), call_text(&b, x), SLICE_ARG(to->name),
		                x->r->port);
		for (size_t i = 0; i < to->n_ports; i++) {
			finding_shows(c, f, to->object, val_get(to->ports[i].v, "port"),
			              "has port %u.", to->ports[i].port);
		}
		if (meant) {
			finding_repair(c, f, "Call port %u%s.", meant->port,
			               x->r->port_given ? ""
			                                : " (no port is written, so the usual one "
			                                  "of the scheme is used)");
			replace_port(c, f, x, meant->port);
		}
	}
}

void svc_caller_headless(struct check *c)
{
	call_each(c->subject, x)
	{
		const struct svc *to = x->to.service;
		const struct workload *w = to && to->n_pods ? to->pods[0] : NULL;
		uint16_t target = w && x->to.port ? svc_port_target(x->to.port, w) : 0;
		scoped_strbuf struct strbuf b = { 0 };
		struct finding *f;

		if (x->to.kind != TARGET_SERVICE || !to->headless || !target ||
		    target == x->r->port || pod_port_numbered(w->spec, x->r->port, 0)) {
			continue;
		}
		f = check_found(c, x->by, x->r->where.node,
		                "%s of " SLICE_FMT " " SLICE_FMT
		                " calls %s, and headless Service " SLICE_FMT
		                " does not translate ports: its pods listen on %u.",
		                x->r->name, SLICE_ARG(x->from->object->kind),
		                SLICE_ARG(x->from->name), call_text(&b, x), SLICE_ARG(to->name),
		                target);
		finding_shows(c, f, to->object, val_get(object_spec(to->object), "clusterIP"),
		              "gives the addresses of pods.");
		finding_repair(c, f,
		               "Make the Service's port %u and call that, or give it a cluster IP.",
		               target);
		replace_port(c, f, x, target);
	}
}

static bool carries_its_host(const struct reference *r)
{
	return strcmp(r->scheme, "http") == 0 || strcmp(r->scheme, "https") == 0 || r->tls;
}

void svc_caller_host(struct check *c)
{
	call_each(c->subject, x)
	{
		const struct svc *to = x->to.service;
		scoped_strbuf struct strbuf b = { 0 };
		const struct val *name;
		struct finding *f;

		if (x->to.kind != TARGET_SERVICE || !to->external || !carries_its_host(x->r)) {
			continue;
		}
		name = val_get(object_spec(to->object), "externalName");
		f = check_found(
			c, x->by, x->r->where.node,
			"%s of " SLICE_FMT " " SLICE_FMT " calls %s, another name for " SLICE_FMT
			": the server there is asked for the wrong host.",
			x->r->name, SLICE_ARG(x->from->object->kind), SLICE_ARG(x->from->name),
			call_text(&b, x), SLICE_ARG(val_str(name)));
		finding_shows(c, f, to->object, name,
		              "is an alias in DNS: Host and server name stay " SLICE_FMT ".",
		              SLICE_ARG(to->name));
		finding_repair(c, f, "Call " SLICE_FMT " itself.", SLICE_ARG(val_str(name)));
	}
}

/* ---- SVC018 ---- */

void svc_caller_alias(struct check *c)
{
	service_each(c, x)
	{
		const struct val *at = val_get(object_spec(x->object), "externalName");
		struct ip ip;

		if (!x->external) {
			continue;
		}
		if (ip_parse(val_str(at), &ip)) {
			struct finding *f = check_found(
				c, x->object, at,
				"Service " SLICE_FMT " gives the address " SLICE_FMT
				" as an external name: it is looked up as a name and not found.",
				SLICE_ARG(x->name), SLICE_ARG(val_str(at)));

			finding_repair(c, f,
			               "Take the selector and the type out, and give the address "
			               "in an EndpointSlice "
			               "labelled kubernetes.io/service-name: " SLICE_FMT ".",
			               SLICE_ARG(x->name));
			continue;
		}
		for (size_t i = 0; i < x->n_ports; i++) {
			const struct svc_port *p = &x->ports[i];

			if (val_get(p->v, "targetPort") &&
			    (p->target_name.len || p->target != p->port)) {
				(void)check_found(
					c, x->object, val_get(p->v, "targetPort"),
					"Service " SLICE_FMT " is only another name for " SLICE_FMT
					": port %u is not translated to " SLICE_FMT ".",
					SLICE_ARG(x->name), SLICE_ARG(val_str(at)), p->port,
					SLICE_ARG(val_text(val_get(p->v, "targetPort"))));
			}
		}
	}
}

/* ---- SVC020: variables that Kubernetes makes of Services ---- */

/* The next variable that the text uses ($NAME, ${NAME...}, $(NAME)), as an empty slice at the end. */
static struct slice next_variable(struct slice *rest)
{
	while (rest->len) {
		ptrdiff_t dollar = slice_find(*rest, '$');
		size_t at, end;

		if (dollar < 0) {
			break;
		}
		at = (size_t)dollar + 1;
		at += at < rest->len && (rest->p[at] == '{' || rest->p[at] == '(');
		for (end = at; end < rest->len && (rest->p[end] == '_' ||
		                                   (rest->p[end] >= 'A' && rest->p[end] <= 'Z') ||
		                                   (rest->p[end] >= '0' && rest->p[end] <= '9'));) {
			end++;
		}
		if (end > at) {
			struct slice name = { rest->p + at, end - at };

			*rest = slice_from(*rest, end);
			return name;
		}
		*rest = slice_from(*rest, at);
	}
	*rest = (struct slice){ "", 0 };
	return *rest;
}

/* The Service whose NAME_PORT the variable is, or null. */
static const struct svc *service_of_variable(const struct subject *s, struct slice ns,
                                             struct slice variable)
{
	char name[64];
	size_t n = variable.len - (sizeof("_PORT") - 1);

	if (!slice_has_suffix(variable, SLICE("_PORT")) || n >= sizeof(name)) {
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		char ch = variable.p[i];

		name[i] = ch == '_' ? '-' : ch >= 'A' && ch <= 'Z' ? (char)(ch - 'A' + 'a') : ch;
	}
	return subject_service(s, ns, (struct slice){ name, n });
}

static bool defines(const struct val *container, struct slice name)
{
	val_for_each (val_get(container, "env"), e) {
		if (slice_eq(val_get_str(e, "name"), name)) {
			return true;
		}
	}
	return val_len(val_get(container, "envFrom")) > 0;
}

static void links_in(struct check *c, const struct workload *w, const struct val *container,
                     const struct val *word)
{
	struct slice rest = val_str(word);

	for (struct slice name = next_variable(&rest); name.len; name = next_variable(&rest)) {
		const struct svc *x = service_of_variable(c->subject, w->ns, name);
		struct finding *f;

		if (!x || defines(container, name)) {
			continue;
		}
		f = check_found(c, w->object, word,
		                "Container " SLICE_FMT " reads " SLICE_FMT
		                ", which nobody sets: Kubernetes puts "
		                "tcp://ADDRESS:PORT of Service " SLICE_FMT " there.",
		                SLICE_ARG(val_get_str(container, "name")), SLICE_ARG(name),
		                SLICE_ARG(x->name));
		finding_shows(
			c, f, x->object, val_path(x->object->v, "metadata.name"),
			"gives every pod of the namespace variables that begin with its name.");
		finding_repair(c, f,
		               "Set " SLICE_FMT
		               " in the container's env, or enableServiceLinks: false in the pod.",
		               SLICE_ARG(name));
	}
}

void svc_caller_variables(struct check *c)
{
	static const char *const lists[] = { "command", "args" };

	for (size_t i = 0; i < c->subject->workloads.n; i++) {
		const struct workload *w = c->subject->workloads.at[i];

		if (w->object->assumed || !val_bool(val_get(w->spec, "enableServiceLinks"), true)) {
			continue;
		}
		container_each(w->spec, k)
		{
			for (size_t j = 0; j < ARRAY_SIZE(lists); j++) {
				val_for_each (val_get(k, lists[j]), word) {
					links_in(c, w, k, word);
				}
			}
		}
	}
}
