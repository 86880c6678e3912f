/* Why: who is on the other side is certain, both ways, and what is certain does not depend on the peer's
 * goodwill. The rig's raw peer speaks only bytes; here both ends are streams of ours, or a bare OpenSSL client where
 * ours could not misbehave. */
#include "rig.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "http/client.h"
#include "http/pki.h"

struct hall {
	struct pki_pair ca, other_ca, server, client, other_client, as_server;
	struct tls_server *tls;
	char user[64], groups[256];
	bool has_peer;
	int n_asked;
	/* of the client's call */
	int n, status;
	enum err_code code;
	char why[256];
	size_t n_body;
};

static struct hall hall;
static char big[3 << 20];

static void on_request(void *arg, struct http_request *r)
{
	(void)arg;
	hall.n_asked++;
	hall.has_peer = r->peer;
	hall.user[0] = hall.groups[0] = '\0';
	if (r->peer) {
		snprintf(hall.user, sizeof(hall.user), "%.60s", r->peer->user);
		for (size_t i = 0; i < r->peer->n_groups; i++) {
			strncat(hall.groups, r->peer->groups[i], 30);
			strncat(hall.groups, ",", 2);
		}
	}
	if (slice_is(r->path, "/big")) {
		http_reply(r, 200, NULL, NULL, (struct slice){ big, sizeof(big) });
	} else {
		http_reply(r, 200, NULL, NULL, r->body);
	}
}

static void issue(const struct pki_pair *ca, const struct pki_request *q, struct pki_pair *ret)
{
	assert_int_equal(pki_issue(strbuf_slice(&ca->cert), strbuf_slice(&ca->key), q, ret, NULL),
	                 0);
}

static int make_keys(void **state)
{
	static const char *const names[] = { "server.example", NULL };
	static const char *const groups[] = { "one", "two", NULL };
	struct ip loopback = ip_v4(0x7f000001);
	struct pki_request who = { .common_name = "kim", .organizations = groups, .client = true };

	(void)state;
	assert_int_equal(pki_make_ca("ca", &hall.ca, NULL), 0);
	assert_int_equal(pki_make_ca("ca", &hall.other_ca, NULL), 0); /* the same name */
	issue(&hall.ca,
	      &(struct pki_request){ .common_name = "s",
	                             .dns_names = names,
	                             .ips = &loopback,
	                             .n_ips = 1,
	                             .server = true },
	      &hall.server);
	issue(&hall.ca, &who, &hall.client);
	issue(&hall.other_ca, &who, &hall.other_client);
	who.client = false;
	who.server = true;
	issue(&hall.ca, &who, &hall.as_server);
	return 0;
}

static int drop_keys(void **state)
{
	struct pki_pair *all[] = { &hall.ca,     &hall.other_ca,     &hall.server,
		                   &hall.client, &hall.other_client, &hall.as_server };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		pki_pair_fini(all[i]);
	}
	return 0;
}

static int set_up(void **state)
{
	struct tls_server_config config = { .cert_pem = strbuf_slice(&hall.server.cert),
		                            .key_pem = strbuf_slice(&hall.server.key),
		                            .client_ca_pem = strbuf_slice(&hall.ca.cert) };

	rig_set_up(state);
	hall.n = hall.n_asked = 0;
	assert_int_equal(tls_server_new(&config, &hall.tls, NULL), 0);
	rig_serve(*state,
	          &(struct http_server_config){ .on_request = on_request, .tls = hall.tls });
	return 0;
}

static int tear_down(void **state)
{
	int ret = rig_tear_down(state);

	hall.tls = tls_server_free(hall.tls);
	return ret;
}

static void on_done(void *arg, const struct http_answer *a)
{
	(void)arg;
	hall.n++;
	hall.status = a->status;
	hall.code = a->why ? a->why->code : 0;
	snprintf(hall.why, sizeof(hall.why), "%s", a->why ? a->why->msg : "");
	hall.n_body = a->body.len;
}

static void ask_for(struct rig *r, const char *target, const char *name, const struct pki_pair *ca,
                    const struct pki_pair *cert, bool insecure)
{
	struct tls_client_config config = { .insecure = insecure };
	struct tls_client *tls;
	struct http_client *c;

	if (ca) {
		config.ca_pem = strbuf_slice(&ca->cert);
	}
	if (cert) {
		config.cert_pem = strbuf_slice(&cert->cert);
		config.key_pem = strbuf_slice(&cert->key);
	}
	assert_int_equal(tls_client_new(&config, &tls, NULL), 0);
	c = http_client_new(r->loop,
	                    &(struct http_client_config){ .target = { .ip = ip_v4(0x7f000001),
	                                                              .port = r->port,
	                                                              .tls = tls,
	                                                              .tls_name = name } });
	hall.n = 0;
	http_call(c, &(struct http_call_spec){ .method = "GET", .target = target }, on_done, NULL);
	RIG_WAIT(r, hall.n == 1);
	http_client_free(c);
	loop_run_once(r->loop);
	tls_client_free(tls);
}

static void ask(struct rig *r, const char *name, const struct pki_pair *ca,
                const struct pki_pair *cert)
{
	ask_for(r, "/", name, ca, cert, false);
}

static void a_client_with_certificate_is_known(void **state)
{
	ask(*state, NULL, &hall.ca, &hall.client);
	assert_int_equal(hall.status, 200);
	assert_true(hall.has_peer);
	assert_string_equal(hall.user, "kim");
	assert_string_equal(hall.groups, "one,two,");
}

static void a_client_without_is_nobody(void **state)
{
	ask(*state, NULL, &hall.ca, NULL);
	assert_int_equal(hall.status, 200);
	assert_false(hall.has_peer);
}

static void a_certificate_of_another_authority_is_nobodys(void **state)
{
	ask(*state, NULL, &hall.ca, &hall.other_client);
	assert_int_equal(hall.status, 200);
	assert_false(hall.has_peer);
}

static void a_certificate_for_servers_is_no_clients(void **state)
{
	ask(*state, NULL, &hall.ca, &hall.as_server);
	assert_int_equal(hall.status, 200);
	assert_false(hall.has_peer);
	ask(*state, NULL, &hall.ca, &hall.server);
	assert_false(hall.has_peer);
}

static void a_server_of_another_authority_is_refused(void **state)
{
	ask(*state, NULL, &hall.other_ca, NULL);
	assert_int_equal(hall.status, 0);
	assert_int_equal(hall.code, ERR_UNAUTHORIZED);
	assert_non_null(strstr(hall.why, "certificate"));
	assert_int_equal(hall.n_asked, 0);
}

static void the_name_is_verified(void **state)
{
	ask(*state, "server.example", &hall.ca, NULL);
	assert_int_equal(hall.status, 200);
	ask(*state, "other.example", &hall.ca, NULL);
	assert_int_equal(hall.code, ERR_UNAUTHORIZED);
	ask(*state, "127.0.0.2", &hall.ca, NULL);
	assert_int_equal(hall.code, ERR_UNAUTHORIZED);
	assert_int_equal(hall.n_asked, 1);
}

static void only_who_says_so_goes_without_verification(void **state)
{
	struct tls_client *tls;

	ask_for(*state, "/", "other.example", NULL, NULL, true);
	assert_int_equal(hall.status, 200);
	assert_int_equal(tls_client_new(&(struct tls_client_config){ 0 }, &tls, NULL), -ERR_USAGE);
}

static void big_answers_come_whole(void **state)
{
	ask_for(*state, "/big", NULL, &hall.ca, NULL, false);
	assert_int_equal(hall.status, 200);
	assert_int_equal(hall.n_body, sizeof(big));
}

static void what_is_no_tls_gets_no_answer(void **state)
{
	struct rig *r = *state;

	rig_dial(r);
	rig_send_text(r, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	rig_want_end(r);
	assert_false(rig_has(r, "HTTP/1.1"));
	assert_int_equal(hall.n_asked, 0);
	RIG_WAIT(r, http_server_connections(r->server) == 0);
}

/* A bare client, driven in turns with the loop. */
static SSL *bare_client(struct rig *r, SSL_CTX *ctx)
{
	SSL *ssl = SSL_new(ctx);
	int n;

	rig_dial(r);
	SSL_set_fd(ssl, r->fd);
	r->idle = 0;
	while ((n = SSL_connect(ssl)) != 1 && SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ) {
		rig_turn_only(r);
		assert_true(r->idle < 40000);
	}
	ERR_clear_error();
	return ssl;
}

static void old_versions_of_tls_are_refused(void **state)
{
	struct rig *r = *state;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	ssl = bare_client(r, ctx);
	assert_false(SSL_is_init_finished(ssl));
	SSL_free(ssl);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	ssl = bare_client(r, ctx);
	assert_true(SSL_is_init_finished(ssl));
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static void http_1_1_is_what_is_spoken(void **state)
{
	static const unsigned char offer[] = "\x02h2\x08http/1.1";
	struct rig *r = *state;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	const unsigned char *chosen;
	unsigned len;
	SSL *ssl;

	SSL_CTX_set_alpn_protos(ctx, offer, sizeof(offer) - 1);
	ssl = bare_client(r, ctx);
	assert_true(SSL_is_init_finished(ssl));
	SSL_get0_alpn_selected(ssl, &chosen, &len);
	assert_int_equal(len, 8);
	assert_memory_equal(chosen, "http/1.1", 8);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

/* A session that was resumed would bring its old certificate along unverified. */
static void sessions_are_not_resumed(void **state)
{
	struct rig *r = *state;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL_SESSION *session;
	SSL *ssl;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_CTX_set_max_proto_version(ctx, version);
		ssl = bare_client(r, ctx);
		assert_true(SSL_is_init_finished(ssl));
		session = SSL_get1_session(ssl);
		assert_false(session && SSL_SESSION_has_ticket(session));
		SSL_free(ssl);
		SSL_SESSION_free(session);
	}
	SSL_CTX_free(ctx);
}

static void a_renewed_certificate_is_shown_to_new_connections(void **state)
{
	static const char *const names[] = { "renewed.example", NULL };
	struct rig *r = *state;
	struct pki_pair renewed = { 0 };
	struct tls_server *tls;
	int fd;

	issue(&hall.ca,
	      &(struct pki_request){ .common_name = "s", .dns_names = names, .server = true },
	      &renewed);
	assert_int_equal(
		tls_server_new(&(struct tls_server_config){ .cert_pem = strbuf_slice(&renewed.cert),
	                                                    .key_pem = strbuf_slice(&renewed.key) },
	                       &tls, NULL),
		0);
	r->server = http_server_free(r->server);
	loop_run_once(r->loop);
	fd = rig_listen(&r->port);
	r->server = http_server_new(
		r->loop, &(struct http_server_config){ .on_request = on_request, .tls = tls });
	assert_int_equal(http_server_listen(r->server, fd, NULL), 0);
	ask(r, "renewed.example", &hall.ca, NULL);
	assert_int_equal(hall.status, 200);
	r->server = http_server_free(r->server);
	loop_run_once(r->loop);
	tls_server_free(tls);
	pki_pair_fini(&renewed);
}

static void broken_pairs_are_refused_when_they_are_loaded(void **state)
{
	struct tls_server *tls;
	struct err err;

	(void)state;
	assert_int_equal(
		tls_server_new(
			&(struct tls_server_config){ .cert_pem = strbuf_slice(&hall.server.cert),
	                                             .key_pem = strbuf_slice(&hall.client.key) },
			&tls, &err),
		-ERR_SYNTAX);
	assert_int_equal(tls_server_new(&(struct tls_server_config){ .cert_pem = SLICE("x"),
	                                                             .key_pem = SLICE("y") },
	                                &tls, &err),
	                 -ERR_SYNTAX);
	assert_int_equal(
		tls_server_new(
			&(struct tls_server_config){ .cert_pem = strbuf_slice(&hall.server.cert),
	                                             .key_pem = strbuf_slice(&hall.server.key),
	                                             .client_ca_pem = SLICE("no certificate") },
			&tls, &err),
		-ERR_SYNTAX);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_client_with_certificate_is_known),
		T(a_client_without_is_nobody),
		T(a_certificate_of_another_authority_is_nobodys),
		T(a_certificate_for_servers_is_no_clients),
		T(a_server_of_another_authority_is_refused),
		T(the_name_is_verified),
		T(only_who_says_so_goes_without_verification),
		T(big_answers_come_whole),
		T(what_is_no_tls_gets_no_answer),
		T(old_versions_of_tls_are_refused),
		T(http_1_1_is_what_is_spoken),
		T(sessions_are_not_resumed),
		T(a_renewed_certificate_is_shown_to_new_connections),
		T(broken_pairs_are_refused_when_they_are_loaded),
	};

	return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
