/* What: where a server is and who we are to it: from a kubeconfig, or from the pod we run in.
 * Source: the kubeconfig type of client-go (clientcmd/api/v1) as its reference page describes it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "base/strbuf.h"

/* Bytes that stand in the kubeconfig, or in a file that it names. */
struct material {
	struct strbuf bytes; /* owned; empty: none, or still in the file */
	char *path;          /* owned; null: none */
};

struct credentials {
	bool is_tls, insecure;
	char *host; /* owned: name or address, without brackets */
	uint16_t port;
	char *prefix;   /* owned: path in front of every target; "" mostly */
	char *tls_name; /* owned: name to verify instead of the host's; null: the host's */
	struct material ca, cert, key, token;
};

void credentials_fini(struct credentials *c); /* accepts zeroed */
#define scoped_credentials __attribute__((cleanup(credentials_fini)))

/* Reads the current context of a kubeconfig's text; files stay named. folder: what relative paths
 * start from. Failure: ERR_SYNTAX, ERR_NOTFOUND (a context, cluster or user that is not there),
 * ERR_UNSUPPORTED (exec plugins, passwords, proxies). */
MUST_USE int credentials_parse(struct slice text, const char *folder, struct credentials *ret,
                               struct err *err);
/* The same from a file, with the contents of the files it names; a token file is read with each
 * change. */
MUST_USE int credentials_read(const char *kubeconfig, struct credentials *ret, struct err *err);
/* Of the pod we run in. folder: where the service account is mounted. Failure: ERR_NOTFOUND. */
MUST_USE int credentials_in_cluster(const char *folder, struct credentials *ret, struct err *err);
/* Replaces text by the content of a file of at most 'most' bytes. */
MUST_USE int credentials_load(const char *path, size_t most, struct strbuf *text, struct err *err);
