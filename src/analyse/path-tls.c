/* Why: is the certificate that a client will see there, readable, and for the name it asks for? By the Secret where it is
 * among the objects, else by what is to make it. See path-ingress.h. Source: RFC 6125 (names). */
#include <stdlib.h>

#include "analyse/certificate.h"
#include "analyse/finding.h"
#include "analyse/path-ingress.h"
#include "analyse/secret.h"
#include "base/mem.h"
#include "codec/json.h"

enum { NAMES_MAX = 4 /* of a certificate that are told */ };

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

static void judge_solver(struct walk *w, struct explain_step *s, const struct workload *controller,
                         const struct object *ingress)
{
	if (!controller || !w->s->profile->enforces_policies || !solves_by_http(w->s, ingress) ||
	    solver_is_admitted(w, controller, ingress->ns)) {
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

/* ---- what is in it ---- */

static const char *names_of(struct walk *w, const struct certificate *c)
{
	scoped_strbuf struct strbuf b = { 0 };

	for (size_t i = 0; i < c->n_names && i < NAMES_MAX; i++) {
		strbuf_addf(&b, "%s" SLICE_FMT, i ? ", " : "", SLICE_ARG(c->names[i]));
	}
	if (c->n_names > NAMES_MAX) {
		strbuf_addf(&b, " and %zu more", c->n_names - NAMES_MAX);
	}
	return arena_strdup(&w->x->arena, strbuf_str(&b));
}

static void judge_names(struct walk *w, struct explain_step *s, const struct object *secret,
                        const struct val *at, const struct certificate *c, struct slice host)
{
	if (!c->n_names) {
		step_unsure(w, s,
		            "The certificate in %s has no alternative names; clients of today look "
		            "at no others.",
		            path_name_of(w, secret));
		return;
	}
	step_note(w, s, NOTE_DECIDED, secret, at, "%s holds a certificate for %s",
	          path_name_of(w, secret), names_of(w, c));
	if (host.len && !certificate_has_name(c, host)) {
		step_breaks(w, s, "TLS003",
		            "The certificate in %s is for %s, not for " SLICE_FMT
		            "; clients refuse it.",
		            path_name_of(w, secret), names_of(w, c), SLICE_ARG(host));
		step_repair(w, s, "Put a certificate for " SLICE_FMT " into %s.", SLICE_ARG(host),
		            path_name_of(w, secret));
	}
}

/* The pair: both keys, readable, and made for each other. */
static void judge_pair(struct walk *w, struct explain_step *s, const struct object *secret,
                       struct slice host)
{
	scoped_arena struct arena a = { 0 };
	const struct val *at, *key_at;
	const char *problem = NULL;
	struct slice pem, key_pem, key;
	struct chain chain;

	if (!secret_text(&a, secret, "tls.crt", &pem, &at) ||
	    !secret_text(&a, secret, "tls.key", &key_pem, &key_at)) {
		step_note(w, s, NOTE_DECIDED, secret, NULL, "%s holds the certificate",
		          path_name_of(w, secret));
		step_breaks(w, s, "TLS002",
		            "%s lacks tls.crt or tls.key; the default certificate is served.",
		            path_name_of(w, secret));
		step_repair(w, s, "Put both keys into the Secret (type kubernetes.io/tls).");
		return;
	}
	chain_read(&a, pem, &chain);
	key = key_public_part(&a, key_pem, &problem);
	if (chain.problem || problem) {
		step_breaks(w, s, "TLS002", "%s of %s %s; the default certificate is served.",
		            chain.problem ? "tls.crt" : "tls.key", path_name_of(w, secret),
		            chain.problem ? chain.problem : problem);
		step_note(w, s, NOTE_DECIDED, secret, chain.problem ? at : key_at,
		          "is what it holds");
		step_repair(w, s,
		            "Put the certificate's PEM into tls.crt and its key's into tls.key.");
		return;
	}
	if (key.len && chain.at[0]->key.len && !slice_eq(key, chain.at[0]->key)) {
		step_breaks(w, s, "TLS002",
		            "tls.key of %s is not the key of the first certificate in tls.crt; the "
		            "default certificate is served.",
		            path_name_of(w, secret));
		step_repair(w, s, "Put the pair together that was made together.");
	}
	judge_names(w, s, secret, at, chain.at[0], host);
}

/* What cert-manager is asked to make: is the host among the names? */
static void judge_wish(struct walk *w, struct explain_step *s, const struct object *certificate,
                       struct slice host)
{
	const struct val *names = val_get(object_spec(certificate), "dnsNames");
	struct certificate wish = { 0 };
	struct slice common = val_get_str(object_spec(certificate), "commonName");

	val_for_each (names, it) {
		if (wish.n_names < CERTIFICATE_NAMES_MAX) {
			wish.names[wish.n_names++] = val_str(it);
		}
	}
	if (common.len && wish.n_names < CERTIFICATE_NAMES_MAX) {
		wish.names[wish.n_names++] = common;
	}
	if (!host.len || !wish.n_names || certificate_has_name(&wish, host)) {
		return;
	}
	step_note(w, s, NOTE_NEAR, certificate, names, "%s asks for %s",
	          path_name_of(w, certificate), names_of(w, &wish));
	step_breaks(w, s, "TLS003", "%s is not for " SLICE_FMT "; clients refuse what it makes.",
	            path_name_of(w, certificate), SLICE_ARG(host));
	step_repair(w, s, "Add " SLICE_FMT " to dnsNames of %s.", SLICE_ARG(host),
	            path_name_of(w, certificate));
}

void path_secret(struct walk *w, struct explain_step *s, const struct tls_use *u, struct slice host)
{
	const struct object *secret = subject_find(w->s, OBJECT_SECRET, u->ns, u->name),
			    *maker = certificate_for(w->s, u->ns, u->name), *elsewhere;

	if (maker) {
		judge_wish(w, s, maker, host);
	}
	if (secret) {
		judge_pair(w, s, secret, host);
		return;
	}
	if (maker || secrets_are_issued(u->holder)) {
		step_note(w, s, NOTE_DECIDED, maker ? maker : u->holder, maker ? NULL : u->at,
		          "Secret " SLICE_FMT " is made by %s", SLICE_ARG(u->name),
		          maker ? path_name_of(w, maker) : "cert-manager, as its annotation asks");
		judge_solver(w, s, u->controller, u->holder);
		return;
	}
	if (secret_is_synced(w->s, u->ns, u->name)) {
		step_note(w, s, NOTE_FACT, u->holder, u->at,
		          "Secret " SLICE_FMT " is made by an operator out of another store",
		          SLICE_ARG(u->name));
		step_unsure(w, s, "What the certificate names is kept where files do not tell.");
		return;
	}
	elsewhere = subject_find_elsewhere(w->s, OBJECT_SECRET, u->ns, u->name);
	step_note(w, s, NOTE_FACT, u->holder, u->at, "asks for Secret " SLICE_FMT,
	          SLICE_ARG(u->name));
	step_breaks(w, s, "TLS001",
	            "There is no Secret " SLICE_FMT " in namespace " SLICE_FMT "%s" SLICE_FMT
	            "; %s.",
	            SLICE_ARG(u->name), SLICE_ARG(u->ns), elsewhere ? ", but in " : "",
	            SLICE_ARG(elsewhere ? elsewhere->ns : SLICE("")), u->without);
	if (elsewhere) {
		step_note(w, s, NOTE_NEAR, elsewhere, NULL, "%s is in another namespace",
		          path_name_of(w, elsewhere));
	}
	step_repair(w, s, "Put the Secret into namespace " SLICE_FMT ".", SLICE_ARG(u->ns));
}

/* ---- the Ingress ---- */

static void judge_entry(struct walk *w, struct explain_step *s, const struct routing *r,
                        const struct object *ingress, const struct val *entry, struct slice host)
{
	const struct val *at = val_get(entry, "secretName");
	const struct tls_use use = { .holder = ingress,
		                     .at = at,
		                     .ns = ingress->ns,
		                     .name = val_str(at),
		                     .controller = r->workload,
		                     .without = "the controller serves its own certificate" };

	if (use.name.len) {
		path_secret(w, s, &use, host);
		return;
	}
	step_note(w, s, NOTE_DECIDED, ingress, entry,
	          "no secretName: the controller's default certificate");
	step_unsure(w, s,
	            "Files cannot tell whether the controller's default certificate "
	            "names " SLICE_FMT ".",
	            SLICE_ARG(host));
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
			judge_entry(w, s, r, o, entry, e->name);
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
