/* Why: OpenSSL contexts with the few settings that are right here, and sessions that never raise
 * SIGPIPE; see tls.h. */
#include "http/tls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "base/ip.h"
#include "base/mem.h"
#include "http/tls-priv.h"

struct tls_server {
	SSL_CTX *ctx;       /* owned */
	bool asks_for_cert; /* client certificates are wanted */
};

struct tls_client {
	SSL_CTX *ctx; /* owned */
	bool insecure;
};

/* ---- a socket BIO that uses send(MSG_NOSIGNAL) ---- */

static int sock_write(BIO *b, const char *p, int size)
{
	ssize_t n = send((int)(intptr_t)BIO_get_data(b), p, (size_t)size, MSG_NOSIGNAL);

	BIO_clear_retry_flags(b);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		BIO_set_retry_write(b);
	}
	return (int)n;
}

static int sock_read(BIO *b, char *p, int size)
{
	ssize_t n = recv((int)(intptr_t)BIO_get_data(b), p, (size_t)size, 0);

	BIO_clear_retry_flags(b);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		BIO_set_retry_read(b);
	}
	return (int)n;
}

static long sock_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	(void)b, (void)num, (void)ptr;
	return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

static BIO *sock_bio_new(int fd)
{
	static BIO_METHOD *method; /* one for the life of the process */
	BIO *b;

	if (!method) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "kennel socket");
		if (!method) {
			return NULL;
		}
		BIO_meth_set_write(method, sock_write);
		BIO_meth_set_read(method, sock_read);
		BIO_meth_set_ctrl(method, sock_ctrl);
	}
	b = BIO_new(method);
	if (b) {
		BIO_set_data(b, (void *)(intptr_t)fd);
		BIO_set_init(b, 1);
	}
	return b;
}

/* ---- contexts ---- */

static int raise_ssl(struct err *err, enum err_code code, const char *what)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return err_raise(err, code, "%s: %s", what, reason ? reason : "refused by OpenSSL");
}

static int no_password(char *buf, int size, int rwflag, void *arg)
{
	(void)buf, (void)size, (void)rwflag, (void)arg;
	return -1;
}

static SSL_CTX *ctx_new(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx) {
		SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
		SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		                                 SSL_OP_CIPHER_SERVER_PREFERENCE |
		                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
		SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
		                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
		                              SSL_MODE_RELEASE_BUFFERS);
	}
	return ctx;
}

/* The first certificate is the leaf, what follows its chain. */
static int ctx_use_pair(SSL_CTX *ctx, struct slice cert_pem, struct slice key_pem, struct err *err)
{
	BIO *b = BIO_new_mem_buf(cert_pem.p ? cert_pem.p : "", (int)cert_pem.len);
	X509 *cert = b ? PEM_read_bio_X509(b, NULL, no_password, NULL) : NULL;
	EVP_PKEY *key = NULL;
	int r = 0;

	if (!cert || SSL_CTX_use_certificate(ctx, cert) != 1) {
		r = raise_ssl(err, ERR_SYNTAX, "certificate");
	}
	X509_free(cert);
	while (r == 0 && (cert = PEM_read_bio_X509(b, NULL, no_password, NULL))) {
		if (SSL_CTX_add0_chain_cert(ctx, cert) != 1) {
			X509_free(cert);
			r = raise_ssl(err, ERR_SYNTAX, "certificate chain");
		}
	}
	ERR_clear_error();
	BIO_free(b);
	if (r < 0) {
		return r;
	}
	b = BIO_new_mem_buf(key_pem.p ? key_pem.p : "", (int)key_pem.len);
	key = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;
	if (!key || SSL_CTX_use_PrivateKey(ctx, key) != 1) {
		r = raise_ssl(err, ERR_SYNTAX, "private key");
	} else if (SSL_CTX_check_private_key(ctx) != 1) {
		r = raise_ssl(err, ERR_INVALID, "private key does not fit the certificate");
	}
	EVP_PKEY_free(key);
	BIO_free(b);
	return r;
}

static int ctx_trust(SSL_CTX *ctx, struct slice ca_pem, bool announce, struct err *err)
{
	BIO *b = BIO_new_mem_buf(ca_pem.p, (int)ca_pem.len);
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	X509 *cert;
	int n = 0;

	while (b && (cert = PEM_read_bio_X509(b, NULL, no_password, NULL))) {
		bool ok = X509_STORE_add_cert(store, cert) == 1 &&
		          (!announce || SSL_CTX_add_client_CA(ctx, cert) == 1);

		X509_free(cert);
		if (!ok) {
			break;
		}
		n++;
	}
	BIO_free(b);
	if (n == 0) {
		return raise_ssl(err, ERR_SYNTAX, "CA certificates");
	}
	ERR_clear_error();
	return 0;
}

/* HTTP/1.1 is all that is spoken; a client that offers only other protocols goes without ALPN. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned int in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void)ssl, (void)arg;
	if (SSL_select_next_proto((unsigned char **)out, out_len, ours, sizeof(ours) - 1, in,
	                          in_len) == OPENSSL_NPN_NEGOTIATED) {
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

/* A certificate that does not verify does not end the handshake: the request is then answered 401,
 * which tells the user more than an alert. The mark is on the session. */
static int note_client_cert(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());

	if (!ok && ssl) {
		SSL_set_app_data(ssl, ssl); /* anything but null: not to be believed */
	}
	return 1;
}

int tls_server_new(const struct tls_server_config *c, struct tls_server **ret, struct err *err)
{
	struct tls_server *s = NEW(struct tls_server);
	int r;

	s->ctx = ctx_new(TLS_server_method());
	if (!s->ctx) {
		tls_server_free(s);
		return raise_ssl(err, ERR_NOMEM, "TLS");
	}
	r = ctx_use_pair(s->ctx, c->cert_pem, c->key_pem, err);
	if (r == 0 && c->client_ca_pem.len) {
		r = ctx_trust(s->ctx, c->client_ca_pem, true, err);
		SSL_CTX_set_verify(s->ctx, SSL_VERIFY_PEER, note_client_cert);
		/* A resumed session would not be verified again. */
		SSL_CTX_set_session_cache_mode(s->ctx, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_options(s->ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(s->ctx, 0);
		s->asks_for_cert = true;
	}
	if (r < 0) {
		tls_server_free(s);
		return r;
	}
	SSL_CTX_set_alpn_select_cb(s->ctx, choose_alpn, NULL);
	*ret = s;
	return 0;
}

struct tls_server *tls_server_free(struct tls_server *s)
{
	if (s) {
		SSL_CTX_free(s->ctx);
		free(s);
	}
	return NULL;
}

int tls_client_new(const struct tls_client_config *c, struct tls_client **ret, struct err *err)
{
	static const unsigned char alpn[] = "\x08http/1.1";
	struct tls_client *t = NEW(struct tls_client);
	int r = 0;

	t->insecure = c->insecure;
	t->ctx = ctx_new(TLS_client_method());
	if (!t->ctx) {
		tls_client_free(t);
		return raise_ssl(err, ERR_NOMEM, "TLS");
	}
	if (c->cert_pem.len) {
		r = ctx_use_pair(t->ctx, c->cert_pem, c->key_pem, err);
	}
	if (r == 0 && !c->insecure) {
		r = c->ca_pem.len ? ctx_trust(t->ctx, c->ca_pem, false, err)
		                  : err_raise(err, ERR_USAGE, "no CA to verify the server with");
		SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
	}
	if (r < 0) {
		tls_client_free(t);
		return r;
	}
	SSL_CTX_set_alpn_protos(t->ctx, alpn, sizeof(alpn) - 1);
	*ret = t;
	return 0;
}

struct tls_client *tls_client_free(struct tls_client *c)
{
	if (c) {
		SSL_CTX_free(c->ctx);
		free(c);
	}
	return NULL;
}

/* ---- sessions ---- */

static SSL *session_new(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);
	BIO *b = ssl ? sock_bio_new(fd) : NULL;

	if (!b) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_bio(ssl, b, b);
	return ssl;
}

SSL *tls_server_session(const struct tls_server *s, int fd)
{
	SSL *ssl = session_new(s->ctx, fd);

	if (ssl) {
		SSL_set_accept_state(ssl);
	}
	return ssl;
}

SSL *tls_client_session(const struct tls_client *c, int fd, const char *name)
{
	SSL *ssl = session_new(c->ctx, fd);
	struct ip ip;
	bool is_ip = ip_parse(slice_of(name), &ip);
	bool ok = true;

	if (!ssl) {
		return NULL;
	}
	if (!is_ip) {
		ok = SSL_set_tlsext_host_name(ssl, name) == 1;
	}
	if (ok && !c->insecure) {
		ok = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1
		           : SSL_set1_host(ssl, name) == 1;
	}
	if (!ok) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_connect_state(ssl);
	return ssl;
}

static bool entry_text(const X509_NAME_ENTRY *e, char *buf, size_t room)
{
	unsigned char *text = NULL;
	int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(e));
	/* a name with a NUL inside or too long for us is nobody's */
	bool ok = n > 0 && (size_t)n < room && !memchr(text, '\0', (size_t)n);

	if (ok) {
		memcpy(buf, text, (size_t)n);
		buf[n] = '\0';
	}
	OPENSSL_free(text);
	return ok;
}

bool tls_session_peer(SSL *ssl, struct tls_peer *ret)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	X509_NAME *name;
	int at;

	*ret = (struct tls_peer){ 0 };
	if (!cert || SSL_get_app_data(ssl)) {
		return false;
	}
	name = X509_get_subject_name(cert);
	at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	if (at < 0 || !entry_text(X509_NAME_get_entry(name, at), ret->user, sizeof(ret->user))) {
		return false;
	}
	for (at = -1; (at = X509_NAME_get_index_by_NID(name, NID_organizationName, at)) >= 0;) {
		if (ret->n_groups < sizeof(ret->groups) / sizeof(ret->groups[0]) &&
		    entry_text(X509_NAME_get_entry(name, at), ret->groups[ret->n_groups],
		               sizeof(ret->groups[0]))) {
			ret->n_groups++;
		}
	}
	return true;
}

int tls_session_err(SSL *ssl, const char *doing, struct err *err)
{
	long verify = SSL_get_verify_result(ssl);
	unsigned long e = ERR_peek_last_error();

	if (e && ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK) {
		ERR_clear_error();
		return err_raise(err, ERR_UNAUTHORIZED, "%s: certificate: %s", doing,
		                 X509_verify_cert_error_string(verify));
	}
	if (!e && errno) {
		return err_sys(err, "%s", doing);
	}
	return raise_ssl(err, ERR_IO, doing);
}
