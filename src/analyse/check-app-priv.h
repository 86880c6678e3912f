/* What: what the files of the APP family share. */
#pragma once

#include "analyse/rule.h"

void app007(struct check *c);
void app009(struct check *c);
void app010(struct check *c);
void app011(struct check *c);
void app012(struct check *c);
/* An Ingress with TLS that leads to these pods, or null. */
const struct object *app_tls_in_front(struct check *c, const struct workload *w);
/* The Service of the namespace that was probably meant by the name, or null. */
const struct object *app_nearest_service(const struct subject *s, struct slice ns,
                                         struct slice name);
