/* Why: which rule of which Ingress takes a request is model/'s choice; here its narration is put to places in the
 * files, and what no rule took is explained by what nearly did. Certificates are looked at beside it. See path.h. */
#include <stdlib.h>
#include <string.h>

#include "analyse/finding.h"
#include "analyse/ingress.h"
#include "analyse/nearest.h"
#include "analyse/path-ingress.h"
#include "base/mem.h"
#include "codec/json.h"

#define NGINX_CONTROLLER "k8s.io/ingress-nginx"
enum {
	FOREIGN_MAX = 4, /* Ingresses of another class that are told */
	HOSTS_MAX = 8,   /* hosts that have a rule, where the asked one has none */
};

/* ---- the controller ---- */

static bool has_argument(const struct workload *w, const char *argument)
{
	container_each(w->spec, c)
	{
		val_for_each (val_get(c, "args"), it) {
			if (slice_has_prefix(val_str(it), slice_of(argument))) {
				return true;
			}
		}
	}
	return false;
}

static const struct workload *controller_of(const struct subject *s, struct slice name)
{
	const struct controller *k = controller_find(name);

	for (size_t i = 0; i < s->workloads.n; i++) {
		const struct workload *w = s->workloads.at[i];

		if (!w->ends &&
		    ((k && k->label && slice_is(val_get_str(w->labels, k->label), k->value)) ||
		     (slice_is(name, NGINX_CONTROLLER) &&
		      has_argument(w, "--controller-class=")))) {
			return w;
		}
	}
	return NULL;
}

/* ---- the table ---- */

static bool has_host(const struct val *ingress, struct slice host)
{
	val_for_each (val_path(ingress, "spec.rules"), rule) {
		struct slice own = val_get_str(rule, "host");
		ptrdiff_t dot = slice_find(host, '.');

		if (slice_eq(own, host) ||
		    (slice_has_prefix(own, SLICE("*.")) && dot > 0 &&
		     slice_eq(slice_from(own, 1), slice_from(host, (size_t)dot)))) {
			return true;
		}
	}
	return false;
}

/* The controller of the class that the host's Ingress asks for; ingress-nginx where nobody says. */
static struct slice choose_controller(const struct subject *s, struct slice host)
{
	object_each(s, OBJECT_INGRESS, o)
	{
		struct slice name = val_get_str(object_spec(o), "ingressClassName");
		const struct object *class = subject_find(s, OBJECT_INGRESSCLASS, name, name);

		if (class && has_host(o->v, host)) {
			return val_get_str(object_spec(class), "controller");
		}
	}
	return SLICE(NGINX_CONTROLLER);
}

static int by_precedence(const void *x, const void *y)
{
	return ingress_precedence(((const struct ingress_reading *)x)->ingress,
	                          ((const struct ingress_reading *)y)->ingress);
}

struct routing path_routing(struct walk *w, struct slice host)
{
	struct subject *s = w->s;
	struct arena *a = &w->x->arena;
	struct routing r = { .controller = choose_controller(s, host) };
	const struct val **classes =
		ARENA_ARRAY(a, const struct val *, s->n[OBJECT_INGRESSCLASS] + 1);
	struct ingress_reading *in =
		ARENA_ARRAY(a, struct ingress_reading, s->n[OBJECT_INGRESS] + 1);
	const struct controller *known = controller_find(r.controller);
	size_t n = 0;

	r.workload = controller_of(s, r.controller);
	r.classes = (struct ingress_classes){
		.at = classes,
		.controller = arena_slice(a, r.controller).p,
		.class_name = known ? known->class_name : "",
		.without_class =
			r.workload && has_argument(r.workload, "--watch-ingress-without-class")
	};
	object_each(s, OBJECT_INGRESSCLASS, o)
	{
		classes[r.classes.n++] = o->v;
	}
	object_each(s, OBJECT_INGRESS, o)
	{
		if (ingress_claim_of(&r.classes, o->v) == INGRESS_OURS) {
			in[n] = ingress_reading_of(o->v);
			in[n].ns = o->ns;
			in[n++].owner = (void *)o;
		}
	}
	if (n > 1) {
		qsort(in, n, sizeof(*in), by_precedence);
	}
	r.table = ingress_table_make(a, in, n, NULL, NULL);
	return r;
}

/* ---- the rule ---- */

struct telling {
	struct walk *w;
	struct explain_step *step;
	const struct routing *r;
};

static const struct object *owner_of(const struct routing *r, const struct val *node)
{
	for (size_t i = 0; i < r->table.n_hosts; i++) {
		const struct ingress_host *h = &r->table.hosts[i];

		if (h->of->ingress == node) {
			return h->of->owner;
		}
		for (size_t j = 0; j < h->n_paths; j++) {
			if (h->paths[j].at == node) {
				return h->paths[j].of->owner;
			}
		}
	}
	return NULL;
}

static void on_line(void *arg, const struct val *object, const char *text)
{
	struct telling *t = arg;
	const struct object *o = owner_of(t->r, object);

	step_note(t->w, t->step,
	          strstr(text, " answers ")      ? NOTE_DECIDED
	          : strstr(text, "another path") ? NOTE_OTHER
	                                         : NOTE_NEAR,
	          o, o && object != o->v ? object : NULL, "%s", text);
}

/* Ingresses that have the host, and another controller's class. */
static const struct object *note_foreign(struct walk *w, struct explain_step *s,
                                         const struct routing *r, struct slice host)
{
	const struct object *first = NULL;
	size_t n = 0;

	object_each(w->s, OBJECT_INGRESS, o)
	{
		const char *why = NULL;

		switch (ingress_claim_of(&r->classes, o->v)) {
		case INGRESS_OURS:
			break;
		case INGRESS_CLASS_MISSING:
			why = "its ingressClassName names no IngressClass";
			break;
		case INGRESS_CLASS_FOREIGN:
			why = "its class belongs to another controller";
			break;
		case INGRESS_WORD_FOREIGN:
			why = "its annotation kubernetes.io/ingress.class names another class";
			break;
		case INGRESS_UNCLAIMED:
			why = "it names no class, and there is no default class";
			break;
		}
		if (why && has_host(o->v, host) && n++ < FOREIGN_MAX) {
			const struct val *at = val_get(object_spec(o), "ingressClassName");

			step_note(w, s, NOTE_NEAR, o, at, "%s has the host, but %s",
			          path_name_of(w, o), why);
			first = first ? first : o;
		}
	}
	return first;
}

/* Which hosts there are, for one who asked for another. */
static void note_hosts(struct walk *w, struct explain_step *s, const struct routing *r)
{
	scoped_strbuf struct strbuf hosts = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < r->table.n_hosts; i++) {
		const struct ingress_host *h = &r->table.hosts[i];

		if (h->host.len && n++ < HOSTS_MAX) {
			strbuf_addf(&hosts, "%s" SLICE_FMT " (%s)", n > 1 ? ", " : "",
			            SLICE_ARG(h->host), path_name_of(w, h->of->owner));
		}
	}
	if (n > HOSTS_MAX) {
		strbuf_addf(&hosts, " and %zu more", n - HOSTS_MAX);
	}
	if (n) {
		step_note(w, s, NOTE_FACT, NULL, NULL, "host%s with a rule: %s", n == 1 ? "" : "s",
		          strbuf_str(&hosts));
	} else {
		step_note(w, s, NOTE_FACT, NULL, NULL,
		          "no Ingress that this controller serves has a rule for any host");
	}
}

static void say_no_host(struct walk *w, struct explain_step *s, const struct routing *r,
                        struct slice host)
{
	const struct object *foreign = note_foreign(w, s, r, host);
	struct slice class =
		foreign ? val_get_str(object_spec(foreign), "ingressClassName") : SLICE("");

	if (foreign) {
		step_breaks(w, s, "ING004",
		            "%s asks for %s" SLICE_FMT
		            ", which the ingress controller does not serve.",
		            path_name_of(w, foreign), class.len ? "class " : "no class",
		            SLICE_ARG(class));
		for (size_t i = 0; i < r->classes.n; i++) {
			if (slice_is(val_str(val_path(r->classes.at[i], "spec.controller")),
			             r->classes.controller)) {
				step_repair(w, s, "Set spec.ingressClassName: " SLICE_FMT ".",
				            SLICE_ARG(val_str(
						    val_path(r->classes.at[i], "metadata.name"))));
				return;
			}
		}
		step_repair(w, s, "Make an IngressClass of controller %s.", r->classes.controller);
		return;
	}
	step_breaks(w, s, "ING009",
	            "No Ingress has a rule for host " SLICE_FMT "; the controller answers 404.",
	            SLICE_ARG(host));
	if (s->notes.n && s->notes.at[0].object) {
		step_repair(w, s, "Write host: " SLICE_FMT " in a rule (%s nearly has it).",
		            SLICE_ARG(host), path_name_of(w, s->notes.at[0].object));
	} else {
		step_repair(w, s, "Add a rule with host: " SLICE_FMT " to an Ingress.",
		            SLICE_ARG(host));
	}
	note_hosts(w, s, r);
}

const struct ingress_path *path_rule(struct walk *w, struct explain_path *p,
                                     const struct routing *r, const struct path_end *e,
                                     struct ingress_choice *ret)
{
	struct explain_step *s =
		path_step(w, p, EXPLAIN_INGRESS, "a rule takes " SLICE_FMT SLICE_FMT,
	                  SLICE_ARG(e->name), SLICE_ARG(e->path));
	struct telling t = { w, s, r };
	const struct trace trace = { .line = on_line, .arg = &t };

	*ret = ingress_choose(&r->table, e->name, e->path, &trace);
	s->probe = (struct explain_probe){ .type = PROBE_ROUTE,
		                           .place = AT_HOST,
		                           .name = e->name,
		                           .path = e->path,
		                           .port = e->port,
		                           .tls = slice_is(e->scheme, "https") };
	p->whole = s->probe;
	p->whole.type = PROBE_HTTP;
	if (!ret->host) {
		s->answer = 404;
		say_no_host(w, s, r, e->name);
		return NULL;
	}
	if (ret->redirects) {
		s->answer = 308;
		step_unsure(w, s, "The controller redirects to " SLICE_FMT ".",
		            SLICE_ARG(ret->host->host));
		return NULL;
	}
	if (!ret->path && ret->unsure) {
		step_unsure(w, s, "The paths are expressions that only nginx can judge.");
		return NULL;
	}
	if (!ret->path) {
		s->answer = 404;
		step_breaks(w, s, "ING005",
		            "Host " SLICE_FMT " has no path that takes " SLICE_FMT
		            "; the controller answers 404.",
		            SLICE_ARG(e->name), SLICE_ARG(e->path));
		step_repair(w, s,
		            "Add path: " SLICE_FMT " (pathType: Prefix) to the rule of that host.",
		            SLICE_ARG(e->path));
		return NULL;
	}
	if (ret->by_other) {
		step_note(w, s, NOTE_FACT, ret->path->of->owner, NULL,
		          "no rule names the host; one for every host answers");
	}
	if (ret->path->canary) {
		step_note(w, s, NOTE_FACT, ret->path->canary->of->owner, NULL,
		          "a part of the requests goes to a canary");
	}
	return ret->path;
}

/* ---- certificates ---- */

static const struct object *certificate_for(const struct subject *s, struct slice ns,
                                            struct slice secret)
{
	object_each(s, OBJECT_CERTIFICATE, o)
	{
		if (slice_eq(o->ns, ns) &&
		    slice_eq(val_get_str(object_spec(o), "secretName"), secret)) {
			return o;
		}
	}
	return NULL;
}

static bool is_issued(const struct object *ingress)
{
	return object_annotation(ingress, "cert-manager.io/cluster-issuer").len ||
	       object_annotation(ingress, "cert-manager.io/issuer").len;
}

/* Does the Ingress's issuer prove itself by HTTP-01? */
static bool solves_by_http(const struct subject *s, const struct object *ingress)
{
	struct slice name = object_annotation(ingress, "cert-manager.io/cluster-issuer");
	const struct object *issuer =
		name.len ? subject_find(s, OBJECT_CLUSTERISSUER, name, name)
			 : subject_find(s, OBJECT_ISSUER, ingress->ns,
	                                object_annotation(ingress, "cert-manager.io/issuer"));

	val_for_each (issuer ? val_path(issuer->v, "spec.acme.solvers") : NULL, it) {
		if (val_get(it, "http01")) {
			return true;
		}
	}
	return false;
}

/* A pod as cert-manager makes one to answer a challenge; in the model only while it is asked about. */
static bool solver_is_admitted(struct walk *w, const struct workload *controller, struct slice ns)
{
	static const char text[] =
		"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"cm-acme-http-"
		"solver\","
		"\"labels\":{\"acme.cert-manager.io/http01-solver\":\"true\"}},"
		"\"status\":{\"phase\":\"Running\",\"podIP\":\"100.127.255.254\"}}";
	struct model *m = subject_model(w->s);
	struct flow f = { .src = controller->ip, .proto = PROTO_TCP, .dst_port = 8089 };
	scoped_doc struct doc *d = NULL;
	bool admits;

	if (json_parse_doc(slice_of(text), 0, &d, NULL) < 0) {
		return true;
	}
	val_set_str(&d->arena, val_get(d->root, "metadata"), "namespace", ns);
	(void)ip_parse(val_str(val_path(d->root, "status.podIP")), &f.dst);
	model_put(m, d);
	admits = policy_admits(m, &f, VERDICT_DENY_INGRESS, NULL);
	model_remove(m, d);
	return admits;
}

static void judge_solver(struct walk *w, struct explain_step *s, const struct routing *r,
                         const struct object *ingress)
{
	if (!r->workload || !w->s->profile->enforces_policies || !solves_by_http(w->s, ingress) ||
	    solver_is_admitted(w, r->workload, ingress->ns)) {
		return;
	}
	step_breaks(w, s, "NP014",
	            "The certificate is proved by HTTP-01, and policies of namespace " SLICE_FMT
	            " do not admit the ingress controller to the solver's pod on 8089.",
	            SLICE_ARG(ingress->ns));
	step_repair(w, s,
	            "Add a NetworkPolicy for podSelector acme.cert-manager.io/http01-solver: "
	            "\"true\" that admits TCP 8089 "
	            "from the ingress controller.");
}

static void judge_secret(struct walk *w, struct explain_step *s, const struct routing *r,
                         const struct object *ingress, const struct val *entry, struct slice host)
{
	const struct val *at = val_get(entry, "secretName");
	struct slice name = val_str(at);
	const struct object *secret = subject_find(w->s, OBJECT_SECRET, ingress->ns, name), *maker,
			    *elsewhere;

	if (!name.len) {
		step_note(w, s, NOTE_DECIDED, ingress, entry,
		          "no secretName: the controller's default certificate");
		step_unsure(w, s,
		            "Files cannot tell whether the controller's default certificate "
		            "names " SLICE_FMT ".",
		            SLICE_ARG(host));
		return;
	}
	if (secret) {
		const struct val *data = val_get(secret->v, "data"),
				 *text = val_get(secret->v, "stringData");

		step_note(w, s, NOTE_DECIDED, secret, NULL, "%s holds the certificate",
		          path_name_of(w, secret));
		if (!(val_get(data, "tls.crt") || val_get(text, "tls.crt")) ||
		    !(val_get(data, "tls.key") || val_get(text, "tls.key"))) {
			step_breaks(
				w, s, "TLS002",
				"%s lacks tls.crt or tls.key; the default certificate is served.",
				path_name_of(w, secret));
			step_repair(w, s,
			            "Put both keys into the Secret (type kubernetes.io/tls).");
		}
		return;
	}
	maker = certificate_for(w->s, ingress->ns, name);
	if (maker || is_issued(ingress)) {
		step_note(w, s, NOTE_DECIDED, maker ? maker : ingress, maker ? NULL : at,
		          "Secret " SLICE_FMT " is made by %s", SLICE_ARG(name),
		          maker ? path_name_of(w, maker) : "cert-manager, as its annotation asks");
		judge_solver(w, s, r, ingress);
		return;
	}
	elsewhere = subject_find_elsewhere(w->s, OBJECT_SECRET, ingress->ns, name);
	step_note(w, s, NOTE_FACT, ingress, at, "asks for Secret " SLICE_FMT, SLICE_ARG(name));
	step_breaks(w, s, "TLS001",
	            "There is no Secret " SLICE_FMT " in namespace " SLICE_FMT "%s" SLICE_FMT
	            "; the controller serves its own certificate.",
	            SLICE_ARG(name), SLICE_ARG(ingress->ns), elsewhere ? ", but in " : "",
	            SLICE_ARG(elsewhere ? elsewhere->ns : SLICE("")));
	if (elsewhere) {
		step_note(w, s, NOTE_NEAR, elsewhere, NULL, "%s is in another namespace",
		          path_name_of(w, elsewhere));
	}
	step_repair(w, s, "Put the Secret into namespace " SLICE_FMT ".", SLICE_ARG(ingress->ns));
}

void path_tls(struct walk *w, struct explain_path *p, const struct routing *r,
              const struct ingress_host *h, const struct path_end *e)
{
	struct explain_step *s;
	const struct object *first = NULL;

	if (!slice_is(e->scheme, "https")) {
		return;
	}
	s = path_step(w, p, EXPLAIN_TLS, "the certificate names " SLICE_FMT, SLICE_ARG(e->name));
	s->probe = (struct explain_probe){
		.type = PROBE_TLS, .place = AT_HOST, .name = e->name, .port = e->port
	};
	for (size_t i = 0; h && i < h->n_by; i++) {
		const struct object *o = h->by[i]->owner;
		const struct val *entry =
			ingress_tls_for(o->v, h->host.len ? h->host : e->name, NULL, NULL);

		first = first ? first : o;
		if (entry) {
			judge_secret(w, s, r, o, entry, e->name);
			return;
		}
		val_for_each (val_path(o->v, "spec.tls"), other) {
			val_for_each (val_get(other, "hosts"), it) {
				step_note(w, s, NOTE_NEAR, o, it, "a tls entry is for " SLICE_FMT,
				          SLICE_ARG(val_str(it)));
			}
		}
	}
	step_breaks(w, s, "TLS003",
	            "No tls entry lists " SLICE_FMT "; the controller serves its own certificate.",
	            SLICE_ARG(e->name));
	step_repair(w, s, "Add to spec.tls of %s: hosts: [" SLICE_FMT "] and a secretName.",
	            first ? path_name_of(w, first) : "the Ingress", SLICE_ARG(e->name));
}

bool path_is_public(const struct subject *s, struct slice name)
{
	object_each(s, OBJECT_INGRESS, o)
	{
		if (has_host(o->v, name)) {
			return true;
		}
	}
	object_each(s, OBJECT_DISTRIBUTION, o)
	{
		val_for_each (val_path(o->v, "spec.distributionConfig.aliases.items"), it) {
			if (slice_eq_nocase(val_str(it), name)) {
				return true;
			}
		}
	}
	return false;
}
