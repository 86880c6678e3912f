/* Why: TLS: whether the certificate that a browser or client will see exists, fits, is trusted, and goes on to exist. */
#include <ctype.h>
#include <stdlib.h>

#include "analyse/certificate.h"
#include "analyse/check-value.h"
#include "analyse/edges.h"
#include "analyse/front.h"
#include "analyse/secret.h"
#include "base/mem.h"

/* ---- TLS001 ---- */

static void tls001(struct check *c)
{
	written_each(c->subject, OBJECT_INGRESS, o)
	{
		val_for_each (val_get(object_spec(o), "tls"), it) {
			const struct val *at = val_get(it, "secretName");
			struct slice name = val_str(at);
			const struct object *other;
			struct finding *f;

			if (!name.len || subject_find(c->subject, OBJECT_SECRET, o->ns, name) ||
			    edge_certificate(c->subject, o->ns, name) || secrets_are_issued(o) ||
			    secret_is_synced(c->subject, o->ns, name)) {
				continue;
			}
			f = check_found(c, o, at,
			                "Ingress " SLICE_FMT
			                " takes its certificate from Secret " SLICE_FMT
			                ", which is not in namespace " SLICE_FMT ".",
			                SLICE_ARG(o->name), SLICE_ARG(name), SLICE_ARG(o->ns));
			other = subject_find_elsewhere(c->subject, OBJECT_SECRET, o->ns, name);
			if (!other) {
				object_each(c->subject, OBJECT_CERTIFICATE, made)
				{
					if (slice_eq(val_get_str(object_spec(made), "secretName"),
					             name)) {
						other = made;
					}
				}
			}
			if (other) {
				finding_shows(c, f, other, NULL, "is in namespace " SLICE_FMT ".",
				              SLICE_ARG(other->ns));
				finding_repair(c, f,
				               "Have the Secret (or its Certificate) in "
				               "namespace " SLICE_FMT ".",
				               SLICE_ARG(o->ns));
			}
		}
	}
}

/* ---- TLS002, TLS003: what is in a Secret ---- */

/* Each certificate is signed by the one behind it. */
static bool is_in_order(const struct chain *chain)
{
	for (size_t i = 0; i + 1 < chain->n; i++) {
		if (!slice_eq(chain->at[i]->issuer, chain->at[i + 1]->subject)) {
			return false;
		}
	}
	return true;
}

static void check_pair(struct check *c, const struct object *secret)
{
	scoped_arena struct arena a = { 0 };
	struct slice pem, key_pem, key;
	const struct val *at, *key_at;
	const char *problem = NULL;
	struct chain chain;

	if (!secret_text(&a, secret, "tls.crt", &pem, &at) ||
	    !secret_text(&a, secret, "tls.key", &key_pem, &key_at)) {
		bool has_cert = val_get(val_get(secret->v, "data"), "tls.crt") ||
		                val_get(val_get(secret->v, "stringData"), "tls.crt");

		check_found(c, secret, at, "Secret " SLICE_FMT " has no %s that can be read.",
		            SLICE_ARG(secret->name),
		            has_cert && at && at->key.len == 7 && slice_is(at->key, "tls.crt") &&
		                            !val_str(at).len
		                    ? "tls.crt"
		            : has_cert ? "tls.key"
		                       : "tls.crt");
		return;
	}
	chain_read(&a, pem, &chain);
	key = key_public_part(&a, key_pem, &problem);
	if (chain.problem) {
		check_found(c, secret, at, "tls.crt of Secret " SLICE_FMT " %s.",
		            SLICE_ARG(secret->name), chain.problem);
	} else if (problem) {
		check_found(c, secret, key_at, "tls.key of Secret " SLICE_FMT " %s.",
		            SLICE_ARG(secret->name), problem);
	} else if (key.len && chain.at[0]->key.len && !slice_eq(key, chain.at[0]->key)) {
		check_found(c, secret, key_at,
		            "tls.key of Secret " SLICE_FMT
		            " is not the key of the first certificate in tls.crt.",
		            SLICE_ARG(secret->name));
	} else if (!is_in_order(&chain)) {
		check_found(c, secret, at,
		            "The certificates in tls.crt of Secret " SLICE_FMT
		            " are out of order: each must be signed by the next.",
		            SLICE_ARG(secret->name));
	}
}

static void tls002(struct check *c)
{
	written_each(c->subject, OBJECT_SECRET, secret)
	{
		const struct val *type = val_get(secret->v, "type");
		const struct object *ingress = edge_of_secret(c->subject, secret->ns, secret->name);

		if (slice_is(val_str(type), "kubernetes.io/tls")) {
			/* an empty one is filled by somebody */
			if (val_len(val_get(secret->v, "data")) ||
			    val_len(val_get(secret->v, "stringData"))) {
				check_pair(c, secret);
			}
		} else if (ingress && !edge_certificate(c->subject, secret->ns, secret->name)) {
			struct finding *f = check_found(
				c, secret, type,
				"Secret " SLICE_FMT
				" is of type %s, an Ingress wants kubernetes.io/tls.",
				SLICE_ARG(secret->name), type ? val_cstr(type) : "Opaque");

			finding_shows(c, f, ingress, val_get(object_spec(ingress), "tls"),
			              "takes its certificate from it.");
		}
	}
}

static bool covers(struct slice name, struct slice host)
{
	ptrdiff_t dot = slice_find(host, '.');

	if (slice_has_prefix(name, SLICE("*.")) && !slice_has_prefix(host, SLICE("*."))) {
		return dot > 0 &&
		       slice_eq_nocase(slice_from(name, 1), slice_from(host, (size_t)dot));
	}
	return slice_eq_nocase(name, host);
}

static bool list_covers(const struct val *list, struct slice host)
{
	val_for_each (list, it) {
		if (covers(val_str(it), host)) {
			return true;
		}
	}
	return false;
}

/* The entry of tls that is for the host; null: none. An entry without hosts is for all. */
static const struct val *tls_entry_of(const struct object *ingress, struct slice host)
{
	val_for_each (val_get(object_spec(ingress), "tls"), it) {
		if (!val_len(val_get(it, "hosts")) || list_covers(val_get(it, "hosts"), host)) {
			return it;
		}
	}
	return NULL;
}

static void check_secret_names(struct check *c, const struct object *o, const struct val *host,
                               const struct object *secret)
{
	scoped_arena struct arena a = { 0 };
	const struct val *at;
	struct slice pem;
	struct chain chain;
	struct finding *f;

	if (!secret_text(&a, secret, "tls.crt", &pem, &at)) {
		return;
	}
	chain_read(&a, pem, &chain);
	if (chain.problem || !chain.at[0]->n_names ||
	    certificate_has_name(chain.at[0], val_str(host))) {
		return;
	}
	f = check_found(c, o, host,
	                "The certificate in Secret " SLICE_FMT " is for " SLICE_FMT
	                ", not for " SLICE_FMT ".",
	                SLICE_ARG(secret->name), SLICE_ARG(chain.at[0]->names[0]),
	                SLICE_ARG(val_str(host)));
	finding_shows(c, f, secret, at, "holds the certificate.");
}

static void check_host(struct check *c, const struct object *o, const struct val *host)
{
	const struct val *entry = tls_entry_of(o, val_str(host)), *names;
	const struct object *certificate, *secret;
	struct finding *f;

	if (!entry) {
		f = check_found(c, o, host,
		                "Ingress " SLICE_FMT " serves " SLICE_FMT
		                ", for which none of its certificates is.",
		                SLICE_ARG(o->name), SLICE_ARG(val_str(host)));
		finding_shows(c, f, o, val_get(object_spec(o), "tls"), "names other hosts.");
		return;
	}
	secret = subject_find(c->subject, OBJECT_SECRET, o->ns, val_get_str(entry, "secretName"));
	certificate = edge_certificate(c->subject, o->ns, val_get_str(entry, "secretName"));
	names = certificate ? val_get(object_spec(certificate), "dnsNames") : NULL;
	if (certificate && !list_covers(names, val_str(host)) &&
	    !covers(val_get_str(object_spec(certificate), "commonName"), val_str(host))) {
		f = check_found(c, certificate, names,
		                "Certificate " SLICE_FMT " is not for " SLICE_FMT
		                ", which Ingress " SLICE_FMT " serves with it.",
		                SLICE_ARG(certificate->name), SLICE_ARG(val_str(host)),
		                SLICE_ARG(o->name));
		finding_shows(c, f, o, host, "is the host.");
	} else if (secret && !certificate) {
		check_secret_names(c, o, host, secret);
	}
}

static void tls003(struct check *c)
{
	written_each(c->subject, OBJECT_INGRESS, o)
	{
		if (!val_len(val_get(object_spec(o), "tls"))) {
			continue;
		}
		val_for_each (val_get(object_spec(o), "rules"), rule) {
			if (val_get_str(rule, "host").len) {
				check_host(c, o, val_get(rule, "host"));
			}
		}
	}
}

/* ---- issuers ---- */

struct issuer_ref {
	const struct object *user; /* Certificate or Ingress */
	const struct val *at;
	struct slice name;
	enum object_kind id; /* OBJECT_ISSUER, OBJECT_CLUSTERISSUER */
};

/* False: it names none, or one of another group. */
static bool issuer_of_certificate(const struct object *o, struct issuer_ref *ret)
{
	const struct val *ref = val_get(object_spec(o), "issuerRef");
	struct slice group = val_get_str(ref, "group");

	*ret = (struct issuer_ref){ .user = o,
		                    .at = val_get(ref, "name"),
		                    .name = val_get_str(ref, "name"),
		                    .id = slice_is(val_get_str(ref, "kind"), "ClusterIssuer")
		                                  ? OBJECT_CLUSTERISSUER
		                                  : OBJECT_ISSUER };
	return ret->name.len && (!group.len || slice_is(group, "cert-manager.io"));
}

static bool issuer_of_ingress(const struct object *o, struct issuer_ref *ret)
{
	static const char *const names[] = { "cert-manager.io/cluster-issuer",
		                             "cert-manager.io/issuer" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct slice name = object_annotation(o, names[i]);

		if (name.len && !object_annotation(o, "cert-manager.io/issuer-group").len) {
			*ret = (struct issuer_ref){ .user = o,
				                    .at = object_annotation_at(o, names[i]),
				                    .name = name,
				                    .id = i ? OBJECT_ISSUER
				                            : OBJECT_CLUSTERISSUER };
			return true;
		}
	}
	return false;
}

static const struct object *issuer_find(const struct subject *s, const struct issuer_ref *ref)
{
	return subject_find(s, ref->id, ref->user->ns, ref->name);
}

/* fn for each use of an issuer. */
static void each_issuer(struct check *c, void (*fn)(struct check *c, const struct issuer_ref *ref))
{
	struct issuer_ref ref;

	written_each(c->subject, OBJECT_CERTIFICATE, o)
	{
		if (issuer_of_certificate(o, &ref)) {
			fn(c, &ref);
		}
	}
	written_each(c->subject, OBJECT_INGRESS, o)
	{
		if (issuer_of_ingress(o, &ref)) {
			fn(c, &ref);
		}
	}
}

static const char *issuer_kind(enum object_kind id)
{
	return id == OBJECT_ISSUER ? "Issuer" : "ClusterIssuer";
}

/* ---- TLS004 ---- */

static void check_issuer(struct check *c, const struct issuer_ref *ref)
{
	enum object_kind other_id = ref->id == OBJECT_ISSUER ? OBJECT_CLUSTERISSUER : OBJECT_ISSUER;
	const struct object *other = subject_find_anywhere(c->subject, other_id, ref->name);
	struct finding *f;

	if (issuer_find(c->subject, ref)) {
		return;
	}
	if (!other && ref->id == OBJECT_ISSUER) {
		other = subject_find_elsewhere(c->subject, OBJECT_ISSUER, ref->user->ns, ref->name);
	}
	/* issuers usually live with the cluster; without any here nothing is known */
	if (!other && !c->subject->n[ref->id]) {
		return;
	}
	f = check_found(c, ref->user, ref->at,
	                OBJECT_FMT " wants %s " SLICE_FMT ", and there is none of that name%s.",
	                OBJECT_ARG(ref->user), issuer_kind(ref->id), SLICE_ARG(ref->name),
	                ref->id == OBJECT_ISSUER ? " in its namespace" : "");
	if (other) {
		finding_shows(c, f, other, NULL, "is %s of that name%s.",
		              other->id == OBJECT_ISSUER ? "an Issuer" : "a ClusterIssuer",
		              other->id == OBJECT_ISSUER ? " in one namespace" : "");
	}
}

static void tls004(struct check *c)
{
	each_issuer(c, check_issuer);
}

/* ---- TLS005, TLS006: challenges ---- */

static const struct val *solvers_of(const struct object *issuer)
{
	return val_path(object_spec(issuer), "acme.solvers");
}

static const struct val *http_solver_of(const struct object *issuer)
{
	val_for_each (solvers_of(issuer), it) {
		if (val_get(it, "http01")) {
			return it;
		}
	}
	return NULL;
}

static bool has_dns_solver(const struct object *issuer)
{
	val_for_each (solvers_of(issuer), it) {
		if (val_get(it, "dns01")) {
			return true;
		}
	}
	return false;
}

static void check_http_host(struct check *c, const struct issuer_ref *ref,
                            const struct object *issuer, const struct val *host)
{
	struct finding *f;

	if (!val_str(host).len || host_is_public(c->subject, val_str(host))) {
		return;
	}
	f = check_found(c, ref->user, host,
	                SLICE_FMT " is no public name, and %s " SLICE_FMT
	                          " proves names by requests from the internet.",
	                SLICE_ARG(val_str(host)), issuer_kind(ref->id), SLICE_ARG(ref->name));
	finding_shows(c, f, issuer, http_solver_of(issuer), "has only HTTP-01.");
}

static void check_http(struct check *c, const struct issuer_ref *ref)
{
	const struct object *issuer = issuer_find(c->subject, ref);
	const struct val *solver = issuer ? http_solver_of(issuer) : NULL, *class_at;
	struct slice wanted, own;
	struct finding *f;

	if (!solver || has_dns_solver(issuer)) {
		return;
	}
	val_for_each (val_get(object_spec(ref->user), "dnsNames"), it) {
		check_http_host(c, ref, issuer, it);
	}
	val_for_each (val_get(object_spec(ref->user), "rules"), it) {
		check_http_host(c, ref, issuer, val_get(it, "host"));
	}
	class_at = val_path(solver, "http01.ingress.ingressClassName");
	class_at = class_at ? class_at : val_path(solver, "http01.ingress.class");
	wanted = val_str(class_at);
	own = val_get_str(object_spec(ref->user), "ingressClassName");
	if (ref->user->id != OBJECT_INGRESS || !wanted.len || !own.len || slice_eq(wanted, own)) {
		return;
	}
	f = check_found(c, issuer, class_at,
	                "The solver of %s " SLICE_FMT " answers at class " SLICE_FMT
	                ", Ingress " SLICE_FMT " is served by class " SLICE_FMT ".",
	                issuer_kind(ref->id), SLICE_ARG(ref->name), SLICE_ARG(wanted),
	                SLICE_ARG(ref->user->name), SLICE_ARG(own));
	finding_shows(c, f, ref->user, val_get(object_spec(ref->user), "ingressClassName"),
	              "is of another class.");
}

static void tls005(struct check *c)
{
	each_issuer(c, check_http);
}

/* Calls fn for each member that ends in "SecretRef" below v. */
static const struct val *missing_secret(struct check *c, const struct object *issuer,
                                        const struct val *v, int depth)
{
	val_for_each (v, it) {
		const struct val *found = NULL;

		if (depth > 8) {
			return NULL;
		}
		if (slice_has_suffix(it->key, SLICE("SecretRef")) ||
		    slice_has_suffix(it->key, SLICE("TokenSecretRef"))) {
			struct slice name = val_get_str(it, "name");

			if (name.len &&
			    !subject_find(c->subject, OBJECT_SECRET, issuer->ns, name) &&
			    !secret_is_synced(c->subject, issuer->ns, name)) {
				return it;
			}
		} else {
			found = missing_secret(c, issuer, it, depth + 1);
		}
		if (found) {
			return found;
		}
	}
	return NULL;
}

static bool is_in_zone(struct slice host, struct slice zone)
{
	return slice_eq_nocase(host, zone) ||
	       (host.len > zone.len && slice_has_suffix(host, zone) &&
	        host.p[host.len - zone.len - 1] == '.');
}

/* A solver that takes the name: by selector, or without one. */
static bool is_solved(const struct object *issuer, struct slice host)
{
	val_for_each (solvers_of(issuer), it) {
		const struct val *selector = val_get(it, "selector");
		const struct val *zones = val_get(selector, "dnsZones"),
				 *names = val_get(selector, "dnsNames");

		if (!val_len(zones) && !val_len(names)) {
			return true;
		}
		val_for_each (names, name) {
			if (slice_eq_nocase(val_str(name), host)) {
				return true;
			}
		}
		val_for_each (zones, zone) {
			if (is_in_zone(host, val_str(zone))) {
				return true;
			}
		}
	}
	return false;
}

static void check_zones(struct check *c, const struct issuer_ref *ref)
{
	const struct object *issuer = issuer_find(c->subject, ref);

	if (!issuer || !has_dns_solver(issuer)) {
		return;
	}
	val_for_each (val_get(object_spec(ref->user), "dnsNames"), it) {
		struct finding *f;

		if (is_solved(issuer, val_str(it))) {
			continue;
		}
		f = check_found(c, ref->user, it,
		                "No solver of %s " SLICE_FMT " is for " SLICE_FMT ".",
		                issuer_kind(ref->id), SLICE_ARG(ref->name), SLICE_ARG(val_str(it)));
		finding_shows(c, f, issuer, solvers_of(issuer), "has solvers for other zones.");
	}
}

static void tls006(struct check *c)
{
	/* a ClusterIssuer's Secrets are in cert-manager's own namespace, which files seldom hold */
	written_each(c->subject, OBJECT_ISSUER, issuer)
	{
		val_for_each (solvers_of(issuer), it) {
			const struct val *ref = missing_secret(c, issuer, val_get(it, "dns01"), 0);

			if (ref) {
				check_found(c, issuer, ref,
				            "Issuer " SLICE_FMT
				            " proves names by DNS with Secret " SLICE_FMT
				            ", which is not in namespace " SLICE_FMT ".",
				            SLICE_ARG(issuer->name),
				            SLICE_ARG(val_get_str(ref, "name")),
				            SLICE_ARG(issuer->ns));
			}
		}
	}
	each_issuer(c, check_zones);
}

/* ---- TLS007 ---- */

/* Go's "2160h30m": seconds; 0 for others. */
static int64_t duration_of(struct slice s)
{
	int64_t sum = 0, n = 0;
	bool digits = false;

	for (size_t i = 0; i < s.len; i++) {
		if (isdigit((unsigned char)s.p[i])) {
			n = n * 10 + (s.p[i] - '0');
			digits = true;
			if (n > 100000000) {
				return 0;
			}
			continue;
		}
		if (!digits || !char_is_one_of(s.p[i], "hms")) {
			return 0;
		}
		sum += n * (s.p[i] == 'h' ? 3600 : s.p[i] == 'm' ? 60 : 1);
		n = 0;
		digits = false;
	}
	return digits ? 0 : sum;
}

static void tls007(struct check *c)
{
	written_each(c->subject, OBJECT_CERTIFICATE, o)
	{
		const struct val *spec = object_spec(o), *before = val_get(spec, "renewBefore"),
				 *whole = val_get(spec, "duration");
		int64_t lives = whole ? duration_of(val_str(whole)) : 2160 * 3600,
			early = duration_of(val_str(before));

		if (before && early > 0 && lives > 0 && early >= lives) {
			check_found(c, o, before,
			            "Certificate " SLICE_FMT
			            " is to be renewed %lld h before its end and lives %lld h: it "
			            "never rests.",
			            SLICE_ARG(o->name), (long long)(early / 3600),
			            (long long)(lives / 3600));
		} else if (whole && lives > 0 && lives < 3600) {
			check_found(c, o, whole,
			            "Certificate " SLICE_FMT
			            " lives less than an hour, which cert-manager refuses.",
			            SLICE_ARG(o->name));
		}
	}
}

/* ---- TLS008 ---- */

static const char *untrusted(const struct object *issuer, const struct val **ret_at)
{
	const struct val *spec = object_spec(issuer), *server = val_path(spec, "acme.server");

	*ret_at = server;
	if (server && (strstr(val_cstr(server), "staging") || strstr(val_cstr(server), "pebble"))) {
		return "a test authority";
	}
	*ret_at = val_get(spec, "selfSigned");
	if (*ret_at) {
		return "nobody but the certificate itself";
	}
	*ret_at = val_get(spec, "ca");
	return *ret_at ? "an authority of your own" : NULL;
}

static const struct val *public_name(struct check *c, const struct object *o)
{
	val_for_each (val_get(object_spec(o), "dnsNames"), it) {
		if (host_is_public(c->subject, val_str(it))) {
			return it;
		}
	}
	val_for_each (val_get(object_spec(o), "rules"), it) {
		if (host_is_public(c->subject, val_get_str(it, "host"))) {
			return val_get(it, "host");
		}
	}
	return NULL;
}

static void check_trust(struct check *c, const struct issuer_ref *ref)
{
	const struct object *issuer = issuer_find(c->subject, ref);
	const struct val *at = NULL, *name = public_name(c, ref->user);
	const char *who = issuer ? untrusted(issuer, &at) : NULL;
	struct finding *f;

	if (!who || !name || val_bool(val_get(object_spec(ref->user), "isCA"), false)) {
		return;
	}
	f = check_found(c, ref->user, ref->at,
	                "The certificate of " SLICE_FMT " is signed by %s: browsers warn.",
	                SLICE_ARG(val_str(name)), who);
	finding_shows(c, f, issuer, at, "is the issuer.");
}

static void tls008(struct check *c)
{
	each_issuer(c, check_trust);
}

/* ---- TLS009 ---- */

static bool has_text(struct slice s, const char *word)
{
	return memmem(s.p, s.len, word, strlen(word)) != NULL;
}

/* A bundle that the container trusts, or a switch by which it trusts anybody. */
static bool trusts(struct check *c, const struct reference *r)
{
	static const char *const names[] = { "CA_CERT",  "CA_BUNDLE",   "SSL_CERT",
		                             "EXTRA_CA", "CAFILE",      "CA_FILE",
		                             "CACERT",   "TRUSTSTORE",  "TRUST_STORE",
		                             "INSECURE", "SKIP_VERIFY", "TLS_REJECT_UNAUTHORIZED",
		                             "VERIFY",   "ROOT_CERT",   "ROOTCA" };
	size_t n;
	const struct setting *s = values_settings(subject_values(c->subject), r->container, &n);

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
			if (has_text(s[i].name, names[k])) {
				return true;
			}
		}
	}
	val_for_each (val_get(r->container, "volumeMounts"), it) {
		static const char *const paths[] = { "ssl", "cert", "tls",   "ca-",
			                             "/ca", "pki",  "trust", "rds" };

		for (size_t k = 0; k < ARRAY_SIZE(paths); k++) {
			if (has_text(val_get_str(it, "mountPath"), paths[k]) ||
			    has_text(val_get_str(it, "name"), paths[k])) {
				return true;
			}
		}
	}
	val_for_each (val_get(r->container, "args"), it) {
		if (has_text(val_str(it), "insecure") || has_text(val_str(it), "-k") ||
		    has_text(val_str(it), "cacert") || has_text(val_str(it), "ca-file")) {
			return true;
		}
	}
	return false;
}

static void tls009(struct check *c)
{
	called_each(c, r, t)
	{
		struct finding *f;

		if (t.kind != TARGET_SERVICE || !r->container || r->place != PLACE_POD ||
		    strcmp(r->scheme, "https") != 0 || t.service->external ||
		    (slice_is(t.name, "kubernetes") && slice_is(t.ns, "default")) ||
		    r->source == VALUE_PROBE || r->source == VALUE_FILE || trusts(c, r)) {
			continue;
		}
		f = check_found(c, value_object_of(c, &r->where), value_place(c, &r->where),
		                "%s calls %s by TLS; no public authority signs names of the "
		                "cluster, and the container has no other to "
		                "trust.",
		                r->name, address_of(c, r));
		show_reader(c, f, r);
		finding_shows(c, f, t.object, t.port ? t.port->v : NULL, "is inside the cluster.");
	}
}

/* ---- TLS010 ---- */

/* "us-east-1" of "arn:aws:acm:us-east-1:1:certificate/x". */
static struct slice region_of(struct slice arn)
{
	struct slice field = { "", 0 };

	for (int i = 0; i < 4; i++) {
		if (!slice_next(&arn, ':', &field)) {
			return (struct slice){ "", 0 };
		}
		if (i == 0 && !slice_is(field, "arn")) {
			return (struct slice){ "", 0 };
		}
	}
	return field;
}

static struct slice region_here(struct check *c, const struct object *o)
{
	const struct object *ns = subject_find(c->subject, OBJECT_NAMESPACE, o->ns, o->ns);
	struct slice own = object_annotation(o, "services.k8s.aws/region");

	return own.len ? own
	       : ns    ? object_annotation(ns, "services.k8s.aws/default-region")
	               : (struct slice){ "", 0 };
}

static void check_balancer(struct check *c, const struct object *o, const char *annotation)
{
	struct slice region = region_of(object_annotation(o, annotation)), here = region_here(c, o);

	if (region.len && here.len && !slice_eq(region, here)) {
		check_found(c, o, object_annotation_at(o, annotation),
		            "The certificate of " OBJECT_FMT " is in " SLICE_FMT
		            ", its load balancer is in " SLICE_FMT ".",
		            OBJECT_ARG(o), SLICE_ARG(region), SLICE_ARG(here));
	}
}

static void tls010(struct check *c)
{
	written_each(c->subject, OBJECT_DISTRIBUTION, o)
	{
		const struct val *at = val_path(
			object_spec(o), "distributionConfig.viewerCertificate.acmCertificateARN");
		struct slice region = region_of(val_str(at));

		if (region.len && !slice_is(region, "us-east-1")) {
			check_found(c, o, at,
			            "The certificate of Distribution " SLICE_FMT " is in " SLICE_FMT
			            ", CloudFront takes it from us-east-1.",
			            SLICE_ARG(o->name), SLICE_ARG(region));
		}
	}
	written_each(c->subject, OBJECT_INGRESS, o)
	{
		check_balancer(c, o, "alb.ingress.kubernetes.io/certificate-arn");
	}
	written_each(c->subject, OBJECT_SERVICE, o)
	{
		check_balancer(c, o, "service.beta.kubernetes.io/aws-load-balancer-ssl-cert");
	}
}

static const struct rule rules[] = {
	{
		.id = "TLS001",
		.title = "TLS secret missing or in another namespace",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_TLS,
		.symptom = "The browser warns: the controller shows its own certificate.",
		.cause = "secretName is looked up in the Ingress's namespace and nowhere else.",
		.evidence = "No Secret of that name there, no Certificate, annotation or external "
			    "secret that makes it.",
		.probe = "A handshake with the host's name; look at issuer and names.",
		.fix = "The Secret or a Certificate in that namespace.",
		.sources = "kubernetes/ingress-nginx#2170, #1984, #4979",
		.check = tls001,
	},
	{
		.id = "TLS002",
		.title = "Secret malformed",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_TLS,
		.symptom =
			"The browser warns, or devices that know the chain work and others do not.",
		.cause = "The type is another, a key is missing, the PEM is cut, the private key "
			 "is that of another certificate, or the "
			 "chain is out of order.",
		.evidence = "tls.crt and tls.key read; public part of the key compared; each "
			    "certificate's issuer compared with the next.",
		.probe = "A handshake.",
		.fix = "Make it anew with the whole chain.",
		.sources = "kubernetes/ingress-nginx#1984",
		.check = tls002,
	},
	{
		.id = "TLS003",
		.title = "Name not covered by the certificate",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_TLS,
		.symptom = "The browser says that the certificate is for another name.",
		.cause = "Hosts of rules, of tls, dnsNames and the certificate itself differ; a "
			 "wildcard stands for one label.",
		.evidence = "The sets compared; alternative names of certificates in Secrets.",
		.probe = "A handshake that verifies the host.",
		.fix = "Add the name.",
		.sources = "kubernetes/ingress-nginx#8414",
		.check = tls003,
	},
	{
		.id = "TLS004",
		.title = "Issuer missing or of the wrong kind",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_TLS,
		.symptom = "The Certificate is never ready.",
		.cause = "A ClusterIssuer is asked for and an Issuer exists, or the reverse, or it "
			 "is in another namespace.",
		.evidence = "issuerRef and annotations looked up, as far as the set holds issuers.",
		.probe = "Status of Certificate and CertificateRequest.",
		.fix = "Name the issuer that exists, with its kind.",
		.sources = "cert-manager, Troubleshooting",
		.check = tls004,
	},
	{
		.id = "TLS005",
		.title = "HTTP-01 challenge cannot be reached",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_TLS,
		.symptom = "The challenge is pending; the self check fails.",
		.cause = "The name is not public, or the solver's Ingress is taken by another "
			 "class.",
		.evidence = "Names without public form for an HTTP-01 issuer; class of the solver "
			    "against that of the Ingress.",
		.probe = "GET /.well-known/acme-challenge/x on port 80, from outside and inside.",
		.fix = "A public name on port 80, the right class, or DNS-01.",
		.sources = "cert-manager/cert-manager#3968",
		.check = tls005,
	},
	{
		.id = "TLS006",
		.title = "DNS-01 without credentials or zone",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_TLS,
		.symptom = "The challenge is pending.",
		.cause = "The solver's Secret is missing, or no solver is for the name's zone.",
		.evidence = "Secrets of the solvers of Issuers; dnsNames against the solvers' "
			    "selectors.",
		.probe = "Events of the challenge.",
		.fix = "The Secret, or a solver for the zone.",
		.sources = "cert-manager, DNS01",
		.check = tls006,
	},
	{
		.id = "TLS007",
		.title = "Certificate never rests or never renews",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_TLS,
		.symptom = "Renewals without end, until the authority's limit; then an outage.",
		.cause = "renewBefore is not below duration.",
		.evidence = "The two durations compared.",
		.probe = "End date of the certificate that is served.",
		.fix = "renewBefore a third of duration.",
		.sources = "cert-manager, Certificate resource",
		.check = tls007,
	},
	{
		.id = "TLS008",
		.title = "Test or private issuer on a public host",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_TLS,
		.symptom = "The browser does not trust the issuer.",
		.cause = "Let's Encrypt's staging server, a self-signed certificate or an own "
			 "authority signs a name for everybody.",
		.evidence = "Kind and server of the issuer of a public name.",
		.probe = "Verify the chain against public roots.",
		.fix = "A production issuer.",
		.sources = "cert-manager, ACME",
		.check = tls008,
	},
	{
		.id = "TLS009",
		.title = "Client does not trust an internal authority",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_TLS,
		.symptom = "\"unable to get local issuer certificate\", \"certificate signed by "
			   "unknown authority\".",
		.cause = "A name of the cluster has a certificate of an own authority, and the "
			 "client knows only public ones.",
		.evidence = "An https address of a Service; no bundle mounted, no variable that "
			    "names one, no switch to trust anybody.",
		.probe = "A handshake from the pod with its own store.",
		.fix = "Mount the authority's bundle and name it.",
		.sources = "k3d-io/k3d FAQ",
		.check = tls009,
	},
	{
		.id = "TLS010",
		.title = "Certificate in the wrong region",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_TLS,
		.symptom = "The listener or the distribution refuses the certificate.",
		.cause = "CloudFront takes certificates from us-east-1, a load balancer from its "
			 "own region.",
		.evidence = "The region in the ARN against who uses it.",
		.probe = "The controller's event.",
		.fix = "Request it there.",
		.sources = "docs.aws.amazon.com, CloudFront and TLS certificates",
		.check = tls010,
	},
	{ 0 },
};

const struct family family_tls = { "TLS", "Certificates", rules };
