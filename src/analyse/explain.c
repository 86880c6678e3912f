/* Why: both ends are understood, every way between them is walked, and the answer is drawn; see explain.h. */
#include "analyse/explain.h"

#include <stdlib.h>

#include "analyse/path.h"
#include "base/mem.h"

enum { SOURCES_MAX = 50, PORTS_MAX = 16 };

const char *explain_hop_text(enum explain_hop h)
{
	static const char *const texts[] = {
#define X(name, text) [EXPLAIN_##name] = text,
		EXPLAIN_HOPS(X)
#undef X
	};

	return texts[h];
}

void explanation_fini(struct explanation *x)
{
	for (size_t i = 0; i < x->paths.n; i++) {
		vec_fini(&x->paths.at[i]->steps);
	}
	for (size_t i = 0; i < x->steps.n; i++) {
		vec_fini(&x->steps.at[i]->notes);
	}
	vec_fini(&x->paths);
	vec_fini(&x->steps);
	arena_fini(&x->arena);
}

/* ---- from one origin to the target ---- */

static const char *service_title(struct walk *w, const struct svc *x, uint16_t port)
{
	return arena_printf(&w->x->arena, "%s port %u", path_name_of(w, x->object), port);
}

/* A Service by its object is called as one would: short beside it, with the namespace from elsewhere. */
static struct slice called(struct walk *w, const struct origin *from, const struct path_end *to)
{
	const struct svc *x = to->service;

	if (to->name.len || to->ip.family) {
		return to->name;
	}
	return slice_eq(from->workload->ns, x->ns)
	               ? x->name
	               : slice_of(arena_printf(&w->x->arena, SLICE_FMT "." SLICE_FMT,
	                                       SLICE_ARG(x->name), SLICE_ARG(x->ns)));
}

static void to_service_port(struct walk *w, const struct origin *from, const struct path_end *to,
                            uint16_t port)
{
	struct explain_path *p = path_new(w, false, "%s", service_title(w, to->service, port));
	struct path_end named = *to;
	size_t first = w->x->paths.n - 1;

	named.name = called(w, from, to);
	path_config(w, p, from, &named, port);
	path_resolve(w, p, from, &named);
	path_service(w, p, from, to->service, port);
	for (size_t i = first; slice_is(to->scheme, "http") && i < w->x->paths.n; i++) {
		struct explain_probe *whole = &w->x->paths.at[i]->whole;

		if (whole->type == PROBE_CONNECT) {
			whole->type = PROBE_HTTP;
			whole->name = to->name;
			whole->path = to->path;
		}
	}
}

static void to_service(struct walk *w, const struct origin *from, const struct path_end *to)
{
	const struct svc *x = to->service;

	if (!from->workload) {
		path_outside_in(w, from, x, to->port);
		return;
	}
	if (to->port || x->external || !x->n_ports) {
		to_service_port(w, from, to, to->port);
		return;
	}
	for (size_t i = 0; i < x->n_ports && i < PORTS_MAX; i++) {
		to_service_port(w, from, to, x->ports[i].port);
	}
}

static void whole_to_pod(struct explain_path *p, const struct origin *from,
                         const struct workload *to, enum proto proto, uint16_t port)
{
	if (from->workload) {
		p->whole = (struct explain_probe){ .type = PROBE_CONNECT,
			                           .place = AT_SOURCE,
			                           .from = from->workload,
			                           .to = to,
			                           .proto = proto,
			                           .port = port };
	}
}

/* Straight to the pods, and, as alternatives, through the Services that pick them. */
static void to_pod(struct walk *w, const struct origin *from, const struct workload *to,
                   uint16_t port)
{
	size_t n = 0;

	container_each(to->spec, c)
	{
		val_for_each (val_get(c, "ports"), it) {
			int64_t number = val_int(val_get(it, "containerPort"), 0);

			if ((port && number != port) || number <= 0 || number > UINT16_MAX ||
			    n >= PORTS_MAX) {
				continue;
			}
			struct explain_path *p =
				path_new(w, false, "%s, %s %u", path_name_of(w, to->object),
			                 proto_text(proto_of(it)), (unsigned)number);

			whole_to_pod(p, from, to, proto_of(it), (uint16_t)number);
			path_pod(w, p, from, to, proto_of(it), (uint16_t)number);
			n++;
		}
	}
	if (!n) {
		struct explain_path *p = path_new(w, false, "%s", path_name_of(w, to->object));

		whole_to_pod(p, from, to, PROTO_TCP, port);
		path_pod(w, p, from, to, PROTO_TCP, port);
	}
}

static void to_services_of(struct walk *w, const struct origin *from, const struct workload *to)
{
	const struct svc_list *all = subject_services_of(w->s, to);

	for (size_t i = 0; i < all->at.n; i++) {
		struct path_end end = { .type = END_SERVICE, .service = all->at.at[i] };
		size_t before = w->x->paths.n;

		to_service(w, from, &end);
		for (size_t j = before; j < w->x->paths.n; j++) {
			w->x->paths.at[j]->is_alternative = true;
		}
	}
}

static void to_workloads(struct walk *w, const struct origin *from, const struct path_end *to)
{
	for (size_t i = 0; i < to->workloads.n && i < SOURCES_MAX; i++) {
		const struct workload *x = to->workloads.at[i];

		if (from->is_outside && !from->ip.family) {
			const struct svc_list *all = subject_services_of(w->s, x);

			for (size_t j = 0; j < all->at.n; j++) {
				path_outside_in(w, from, all->at.at[j], to->port);
			}
			if (!all->at.n) {
				struct explain_path *p =
					path_new(w, false, "%s", path_name_of(w, x->object));
				struct explain_step *s =
					path_step(w, p, EXPLAIN_SERVICE, "a Service leads to %s",
				                  path_name_of(w, x->object));

				step_breaks(w, s, NULL,
				            "No Service selects %s, so nothing leads to it from "
				            "outside.",
				            path_name_of(w, x->object));
				step_repair(w, s,
				            "Make a Service that selects it, and an Ingress rule "
				            "for that.");
			}
			continue;
		}
		to_pod(w, from, x, to->port);
		to_services_of(w, from, x);
	}
}

static void to_address(struct walk *w, const struct origin *from, const struct path_end *to)
{
	struct ip outside = ip_v4(0xcb00710a); /* 203.0.113.10: stands for the internet */
	struct ip ip = to->type == END_ADDRESS ? to->ip : outside;
	uint16_t port = to->port ? to->port : 443;
	struct explain_path *p = path_new(w, false, "%s, TCP %u", to->text, port);
	struct explain_step *s;

	path_resolve(w, p, from, to);
	s = path_egress(w, p, from, ip, PROTO_TCP, port);
	if (s && to->type == END_NAME) {
		step_note(w, s, NOTE_FACT, NULL, NULL,
		          "judged for 203.0.113.10, an address of the internet: the name's own is "
		          "not known");
	} else if (s) {
		s->probe = (struct explain_probe){ .type = PROBE_PASSAGE,
			                           .place = AT_SOURCE,
			                           .from = from->workload,
			                           .ip = ip,
			                           .proto = PROTO_TCP,
			                           .port = port };
	}
	s = path_step(w, p, EXPLAIN_ROUTE,
	              "the route to %s is the network's outside of the cluster", to->text);
	step_unsure(w, s, "Files do not tell what is there.");
}

static void walk_from(struct walk *w, const struct origin *from, const struct path_end *to)
{
	switch (to->type) {
	case END_SERVICE:
		to_service(w, from, to);
		return;
	case END_WORKLOADS:
		to_workloads(w, from, to);
		return;
	case END_MANAGED: {
		struct explain_path *p = path_new(w, false, "%s", to->text);

		path_managed(w, p, from, to);
		return;
	}
	case END_URL:
		path_edge(w, from, to);
		return;
	case END_ADDRESS:
	case END_NAME:
		to_address(w, from, to);
		return;
	case END_INTERNET:
	case END_BROWSER:
		return; /* no destinations */
	}
}

/* ---- all origins ---- */

static void walk_all(struct walk *w, const struct path_end *from, const struct path_end *to)
{
	struct origin o = { .is_outside = from->type == END_INTERNET || from->type == END_BROWSER,
		            .is_browser = from->type == END_BROWSER,
		            .ip = from->ip };

	if (from->type != END_WORKLOADS) {
		walk_from(w, &o, to);
		return;
	}
	for (size_t i = 0; i < from->workloads.n && i < SOURCES_MAX; i++) {
		size_t before = w->x->paths.n;

		o.workload = from->workloads.at[i];
		o.ip = o.workload->ip;
		walk_from(w, &o, to);
		for (size_t j = before; from->workloads.n > 1 && j < w->x->paths.n; j++) {
			w->x->paths.at[j]->title = arena_printf(&w->x->arena, "%s: %s",
			                                        path_name_of(w, o.workload->object),
			                                        w->x->paths.at[j]->title);
		}
	}
}

/* Hops that no packet crosses. */
static bool is_on_paper(enum explain_hop h)
{
	return h == EXPLAIN_CONFIG || h == EXPLAIN_BROWSER;
}

/* Between the ingress controller and the program something is wrong: with what the controller answers, as nginx
 * does: no server, refused, no connection in time. */
static int gateway_answer(enum explain_hop h)
{
	switch (h) {
	case EXPLAIN_SERVICE:
	case EXPLAIN_ENDPOINTS:
		return 503;
	case EXPLAIN_PORT:
	case EXPLAIN_PROCESS:
		return 502;
	default:
		return 504;
	}
}

/* The step at which a request ends. A handshake comes before the request, wherever its step stands. */
static const struct explain_step *end_of_request(const struct explain_path *p)
{
	const struct explain_step *first = NULL;

	for (size_t i = 0; i < p->steps.n; i++) {
		const struct explain_step *s = p->steps.at[i];
		bool broken = s->verdict == EXPLAIN_BROKEN && !is_on_paper(s->hop);

		if (broken && s->hop == EXPLAIN_TLS) {
			return s;
		}
		first = first ? first : broken || s->answer ? s : NULL;
	}
	return first;
}

static void draw_answer(struct explain_path *p)
{
	const struct explain_step *end = end_of_request(p);
	bool behind_controller = false;

	for (size_t i = 0; i < p->steps.n && p->steps.at[i] != end; i++) {
		behind_controller |= p->steps.at[i]->hop == EXPLAIN_INGRESS ||
		                     p->steps.at[i]->hop == EXPLAIN_GATEWAY;
	}
	p->ends = end;
	p->answer = !end                                           ? EXPLAIN_PROGRAM
	            : end->answer                                  ? end->answer
	            : behind_controller && end->hop != EXPLAIN_TLS ? gateway_answer(end->hop)
	                                                           : EXPLAIN_SILENCE;
}

static void draw_predicted(struct explain_path *p)
{
	p->broken = NULL;
	for (size_t i = 0; i < p->steps.n && !p->broken; i++) {
		if (p->steps.at[i]->verdict == EXPLAIN_BROKEN) {
			p->broken = p->steps.at[i];
		}
	}
	draw_answer(p);
}

/* The whole way is gone by address: what comes before the name is known does not matter for it. */
static size_t behind_name(const struct explain_path *p)
{
	size_t n = p->steps.n;

	while (n > 0 && p->steps.at[n - 1]->hop != EXPLAIN_NAME) {
		n--;
	}
	return n;
}

static bool should_pass(const struct explain_path *p)
{
	for (size_t i = behind_name(p); i < p->steps.n; i++) {
		if (p->steps.at[i]->verdict == EXPLAIN_BROKEN &&
		    !is_on_paper(p->steps.at[i]->hop)) {
			return false;
		}
	}
	return true;
}

/* A hop alone is held against its own prediction, the whole way against that of all hops together. A broken hop that
 * cannot be asked alone is seen by the whole way's failing. */
static void draw_seen(struct explain_path *p)
{
	bool whole_fails = p->seen.made && !p->seen.passes;

	p->seen_broken = NULL;
	p->disagrees = p->seen.made && p->seen.passes != should_pass(p);
	for (size_t i = 0; i < p->steps.n; i++) {
		const struct explain_step *s = p->steps.at[i];
		bool broken = s->verdict == EXPLAIN_BROKEN;

		p->disagrees |= s->seen.made && s->seen.passes == broken;
		if (!p->seen_broken &&
		    (s->seen.made ? !s->seen.passes
		                  : broken && (whole_fails || is_on_paper(s->hop)))) {
			p->seen_broken = s;
		}
	}
}

void explain_conclude(struct explanation *x)
{
	x->reaches = x->paths.n > 0;
	x->disagrees = false;
	for (size_t i = 0; i < x->paths.n; i++) {
		draw_predicted(x->paths.at[i]);
		draw_seen(x->paths.at[i]);
		x->reaches &= x->paths.at[i]->is_alternative || !x->paths.at[i]->broken;
		x->disagrees |= x->paths.at[i]->disagrees;
	}
}

void explain_observe(struct explanation *x, struct explain_observation *seen, bool passes,
                     const char *text)
{
	x->observed = true;
	*seen = (struct explain_observation){ .made = true,
		                              .passes = passes,
		                              .text = arena_strdup(&x->arena, text) };
}

static void put_asked_first(struct explanation *x)
{
	size_t n = 0;
	struct explain_path **sorted =
		ARENA_ARRAY(&x->arena, struct explain_path *, x->paths.n + 1);

	for (int alternative = 0; alternative <= 1; alternative++) {
		for (size_t i = 0; i < x->paths.n; i++) {
			if (x->paths.at[i]->is_alternative == (alternative == 1)) {
				sorted[n++] = x->paths.at[i];
			}
		}
	}
	for (size_t i = 0; i < n; i++) {
		x->paths.at[i] = sorted[i];
	}
}

int explain_make(struct subject *s, struct slice src, struct slice dst, struct explanation *x,
                 struct err *err)
{
	struct path_end from = { 0 }, to = { 0 };
	struct walk w = { s, x };
	int r;

	*x = (struct explanation){ .subject = s };
	r = path_source(s, &x->arena, src, &from, err);
	if (r == 0) {
		r = path_target(s, &x->arena, dst, &from, &to, err);
	}
	if (r == 0) {
		x->source = from.text;
		x->target = to.text;
		walk_all(&w, &from, &to);
		put_asked_first(x);
		explain_conclude(x);
	}
	path_end_fini(&from);
	path_end_fini(&to);
	if (r < 0) {
		explanation_fini(x);
		*x = (struct explanation){ 0 };
	}
	return r;
}
