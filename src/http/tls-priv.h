/* What: what stream.c needs of tls.c: sessions out of contexts. Only files of http/ include this. */
#pragma once

#include <openssl/ssl.h>

#include "http/tls.h"

struct stream;

/* A server session over fd (borrowed). Null without memory. */
SSL *tls_server_session(const struct tls_server *s, int fd);
/* A client session over fd; verifies name (SNI too unless it is an address). */
SSL *tls_client_session(const struct tls_client *c, int fd, const char *name);
/* Fills in who the verified client certificate speaks for; false without one. */
bool tls_session_peer(SSL *ssl, struct tls_peer *ret);
/* What the last failed call on ssl died of, as a failure; empties the library's queue. */
int tls_session_err(SSL *ssl, const char *doing, struct err *err);
