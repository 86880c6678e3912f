/* What: Secrets as far as files tell of them: what a key of one holds, and who will make one that is not there. */
#pragma once

#include "analyse/subject.h"

/* A key's text: stringData, or data decoded (in 'a'). False: there is none, or it is no base64. *ret_at: its node, or null. */
bool secret_text(struct arena *a, const struct object *secret, const char *key, struct slice *ret,
                 const struct val **ret_at);
/* Does an annotation of the Ingress or Gateway have cert-manager make its Secrets? */
bool secrets_are_issued(const struct object *holder);
/* Does an ExternalSecret or SealedSecret make it? */
bool secret_is_synced(const struct subject *s, struct slice ns, struct slice name);
