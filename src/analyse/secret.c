/* Why: see secret.h. */
#include "analyse/secret.h"

#include "base/base64.h"
#include "base/mem.h"
#include "base/strbuf.h"

bool secrets_are_issued(const struct object *holder)
{
	static const char *const annotations[] = { "cert-manager.io/cluster-issuer",
		                                   "cert-manager.io/issuer",
		                                   "kubernetes.io/tls-acme",
		                                   "certmanager.k8s.io/cluster-issuer",
		                                   "certmanager.k8s.io/issuer" };

	for (size_t i = 0; i < ARRAY_SIZE(annotations); i++) {
		if (object_annotation(holder, annotations[i]).len) {
			return true;
		}
	}
	return false;
}

bool secret_is_synced(const struct subject *s, struct slice ns, struct slice name)
{
	static const enum object_kind makers[] = { OBJECT_EXTERNALSECRET, OBJECT_SEALEDSECRET };

	for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
		object_each_in(s, makers[i], ns, o)
		{
			struct slice made = val_str(val_path(object_spec(o), "target.name"));

			if (slice_eq(made.len ? made : o->name, name)) {
				return true;
			}
		}
	}
	return false;
}

bool secret_text(struct arena *a, const struct object *secret, const char *key, struct slice *ret,
                 const struct val **ret_at)
{
	const struct val *plain = val_get(val_get(secret->v, "stringData"), key), *v;
	scoped_strbuf struct strbuf out = { .max = 1 << 20 };

	*ret = val_str(plain);
	*ret_at = plain;
	if (plain) {
		return true;
	}
	v = val_get(val_get(secret->v, "data"), key);
	*ret_at = v;
	if (!v || !base64_decode(&out, val_str(v))) {
		return false;
	}
	*ret = arena_slice(a, strbuf_slice(&out));
	return true;
}
