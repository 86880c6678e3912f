/* What: certificates of hosts out of TLS Secrets, checked before nginx sees them. */
#pragma once

#include "edge/routes.h"

/* Null with *ret_problem set when the Secret is missing, incomplete, or key and certificate differ.
 */
struct route_cert *route_cert_read(struct arena *a, const struct doc *secret, struct slice ns,
                                   struct slice name, const char **ret_problem);
bool route_cert_covers(const struct route_cert *c, struct slice host);
/* The same for a Secret; false when it holds no certificate. */
bool route_cert_secret_covers(const struct routes_input *in, struct slice ns, struct slice secret,
                              struct slice host);
/* The same from PEM texts; for the default certificate. */
struct route_cert *route_cert_of_pem(struct arena *a, struct slice ns, struct slice name,
                                     struct slice cert, struct slice key, const char **ret_problem);
/* A file name that changes with the content: 32 hex digits and ".pem". */
const char *route_file_name(struct arena *a, struct slice text);
