/* What: the halves of family ING: the routes themselves (check-ing.c, with the table), and what is set around them
 * (check-ing-settings.c). */
#pragma once

#include "analyse/ingress.h"
#include "analyse/rule.h"

#define NGINX_PREFIX "nginx.ingress.kubernetes.io/"

/* Is the Ingress served by ingress-nginx, as far as is known? */
bool ingress_is_nginx(const struct subject *s, const struct object *o);
/* The node of an annotation of ingress-nginx, or null. */
const struct val *nginx_annotation(const struct object *o, const char *name);

void ing_protocol(struct check *c);       /* ING010 */
void ing_body_size(struct check *c);      /* ING011 */
void ing_time(struct check *c);           /* ING012 */
void ing_redirect_loop(struct check *c);  /* ING013 */
void ing_proxy_protocol(struct check *c); /* ING014 */
void ing_annotations(struct check *c);    /* ING015 */
void ing_affinity(struct check *c);       /* ING016 */
void ing_allow_list(struct check *c);     /* ING017 */
void ing_retired(struct check *c);        /* ING018 */
