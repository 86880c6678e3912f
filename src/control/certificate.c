/* Why: an Ingress that names a cert-manager issuer expects its TLS secret to appear. Here the CA of
 * this instance, which browsers are told to trust, plays every issuer. Certificates are renewed
 * when two thirds of their life are over, which the secret's annotation remembers. */
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "control/edit.h"

#define ANNOTATION_RENEW "kennel.dev/renew-after"
#define RENEW_AFTER_US                                                                             \
	(60 * 24 * 3600 * US_PER_S) /* of the 90 days that issued certificates live */
#define ANNOTATION_NAMES "cert-manager.io/alt-names"
#define NAMES_MAX        100

static bool wants_certificates(const struct val *ingress)
{
	return meta_annotation(ingress, "cert-manager.io/cluster-issuer").len ||
	       meta_annotation(ingress, "cert-manager.io/issuer").len;
}

static bool see_ingress(void *arg, const struct doc *d)
{
	controller_add_object(arg, d->root);
	return true;
}

static void seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;

	if (e->kind == k->ingress && e->type != STORE_DELETED) {
		controller_add_object(c, e->object->root);
	} else if (e->kind == k->secret && e->type != STORE_ADDED &&
	           meta_annotation(e->object->root, ANNOTATION_RENEW).len) {
		store_each(c->control->store, k->ingress, meta_ns(e->object->root), see_ingress, c);
	}
}

static void set_base64(struct arena *a, struct val *data, const char *key, struct slice bytes)
{
	scoped_strbuf struct strbuf text = { 0 };

	base64_encode(&text, bytes);
	val_set_str(a, data, key, strbuf_slice(&text));
}

/* The names as the secret remembers them. */
static void names_text(struct strbuf *out, const struct val *tls)
{
	val_for_each (val_get(tls, "hosts"), it) {
		strbuf_adds(out, out->size ? "," : "");
		strbuf_add_slice(out, val_str(it));
	}
}

static int issue(struct work *w, const struct val *tls, struct val *secret, struct err *err)
{
	const struct control_provider *p = &w->control->config.provider;
	struct control_certificate wish = { .now_wall_us = w->now_us };
	struct slice names[NAMES_MAX];
	scoped_strbuf struct strbuf cert = { 0 };
	scoped_strbuf struct strbuf key = { 0 };
	scoped_strbuf struct strbuf said = { 0 };
	char renew[TIME_TEXT_SIZE];
	struct val *data;
	int r;

	val_for_each (val_get(tls, "hosts"), it) {
		if (wish.n_names < NAMES_MAX) {
			names[wish.n_names++] = val_str(it);
		}
	}
	wish.names = names;
	r = p->issue(p->arg, &wish, &cert, &key, err);
	if (r < 0) {
		return r;
	}
	val_set_cstr(w->arena, secret, "type", "kubernetes.io/tls");
	data = val_need_object(w->arena, secret, "data");
	set_base64(w->arena, data, "tls.crt", strbuf_slice(&cert));
	set_base64(w->arena, data, "tls.key", strbuf_slice(&key));
	if (w->control->config.edge_ca_pem.len) {
		set_base64(w->arena, data, "ca.crt", w->control->config.edge_ca_pem);
	}
	names_text(&said, tls);
	set_annotation(w->arena, secret, ANNOTATION_NAMES, strbuf_slice(&said));
	set_annotation(w->arena, secret, ANNOTATION_RENEW,
	               slice_of(time_format(w->now_us + RENEW_AFTER_US, renew)));
	return 0;
}

static struct val *new_secret(struct work *w, const struct val *ingress, struct slice name)
{
	struct val *secret = val_new_object(w->arena);
	struct val *m = val_need_object(w->arena, secret, "metadata");
	struct slice issuer = meta_annotation(ingress, "cert-manager.io/cluster-issuer");
	bool is_cluster = issuer.len > 0;

	val_set_str(w->arena, m, "name", name);
	val_set_str(w->arena, m, "namespace", meta_ns(ingress));
	set_annotation(w->arena, secret, "cert-manager.io/issuer-kind",
	               is_cluster ? SLICE("ClusterIssuer") : SLICE("Issuer"));
	set_annotation(w->arena, secret, "cert-manager.io/issuer-name",
	               is_cluster ? issuer : meta_annotation(ingress, "cert-manager.io/issuer"));
	return secret;
}

/* Looks after one secret that tls names; plans its renewal. */
static int keep_secret(struct work *w, const struct val *ingress, const struct val *tls,
                       struct err *err)
{
	struct slice name = val_get_str(tls, "secretName");
	const struct doc *d = work_find(w, w->kinds->secret, meta_ns(ingress), name);
	scoped_strbuf struct strbuf names = { 0 };
	struct val *secret;
	int64_t renew;
	int r;

	if (!name.len || !val_len(val_get(tls, "hosts"))) {
		return 0;
	}
	if (d) {
		renew = time_of(
			val_get(val_path(d->root, "metadata.annotations"), ANNOTATION_RENEW));
		if (!renew) {
			return 0; /* a user's own: never touched */
		}
		names_text(&names, tls);
		if (renew > w->now_us &&
		    slice_eq(meta_annotation(d->root, ANNOTATION_NAMES), strbuf_slice(&names))) {
			work_again(w, renew - w->now_us);
			return 0;
		}
	}
	secret = d ? work_edit(w, d) : new_secret(w, ingress, name);
	r = issue(w, tls, secret, err);
	if (r < 0) {
		event_say(w, w->kinds->ingress, ingress, "Warning", "CertificateFailed",
		          "Could not issue a certificate for " SLICE_FMT ": %s", SLICE_ARG(name),
		          err ? err->msg : "");
		return r;
	}
	work_again(w, RENEW_AFTER_US);
	r = d ? work_save(w, w->kinds->secret, secret, err)
	      : work_create(w, w->kinds->secret, secret, NULL, err);
	if (r == 0) {
		event_say(w, w->kinds->ingress, ingress, "Normal", "CreateCertificate",
		          "Successfully issued a certificate into secret \"" SLICE_FMT "\"",
		          SLICE_ARG(name));
	}
	return r;
}

static int step(struct work *w, struct slice key, struct err *err)
{
	const struct doc *d = work_get(w, w->kinds->ingress, key);
	const struct val *ingress;

	if (!d || meta_is_deleting(d->root) || !wants_certificates(d->root)) {
		return 0;
	}
	ingress = work_edit(w, d);
	val_for_each (val_path(ingress, "spec.tls"), it) {
		int r = keep_secret(w, ingress, it, err);

		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static bool can_run(const struct control *c)
{
	return c->kinds.ingress && c->kinds.secret && c->config.provider.issue;
}

const struct controller_type control_certificate = {
	.name = "certificate-controller",
	.can_run = can_run,
	.seen = seen,
	.step = step,
};
