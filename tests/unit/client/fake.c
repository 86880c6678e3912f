/* Why: clients are tested against a server that does what it is told. See fake.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/mem.h"
#include "http/pki.h"

static void gone(struct http_request *r)
{
	struct fake *f = r->user;

	f->watch = NULL;
}

static void note(struct fake *f, struct http_request *r)
{
	struct slice token = http_header_get(&r->headers, "Authorization");

	strbuf_addf(&f->asked, SLICE_FMT " " SLICE_FMT " " SLICE_FMT "\n", SLICE_ARG(r->method),
	            SLICE_ARG(r->raw_target), SLICE_ARG(r->body));
	f->n_asked++;
	snprintf(f->authorization, sizeof(f->authorization), SLICE_FMT, SLICE_ARG(token));
	snprintf(f->user, sizeof(f->user), "%.60s", r->peer ? r->peer->user : "");
}

static void on_request(void *arg, struct http_request *r)
{
	struct fake *f = arg;
	struct slice watch = http_query_get(&r->arena, r->query, "watch", 0);

	note(f, r);
	if (slice_is(watch, "1") && f->watch_status == 200) {
		r->user = f;
		r->on_gone = gone;
		f->watch = r;
		f->n_watches++;
		http_reply_start(r, 200, "application/json", NULL);
	} else if (slice_is(watch, "1")) {
		f->n_watches++;
		http_reply(r, f->watch_status, "application/json", NULL,
		           SLICE("{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}"));
	} else if (f->status) {
		http_reply(r, f->status, "application/json", NULL, slice_of(f->body));
	}
}

void fake_start(struct fake *f)
{
	struct http_server_config config = {
		.on_request = on_request, .arg = f, .name = "fake", .tls = f->tls
	};
	struct sockaddr_storage address;
	socklen_t size = ip_to_sockaddr(ip_v4(INADDR_LOOPBACK), f->port, &address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
	struct ip ip;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fd, 16), 0);
	size = sizeof(address);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	assert_true(ip_from_sockaddr((struct sockaddr *)&address, &ip, &f->port));
	f->server = http_server_new(f->loop, &config);
	assert_int_equal(http_server_listen(f->server, fd, NULL), 0);
}

void fake_stop(struct fake *f)
{
	f->server = http_server_free(f->server);
	f->watch = NULL;
}

static void write_file(struct fake *f, const char *name, const char *text)
{
	scoped_free char *path = mem_printf("%s/%s", f->folder, name);
	scoped_free char *fresh = mem_printf("%s/%s.new", f->folder, name);
	scoped_file FILE *file = fopen(fresh, "we");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(rename(fresh, path), 0);
}

void fake_write_token(struct fake *f, const char *token)
{
	write_file(f, "token", token);
}

static void begin(struct fake *f)
{
	const char *tmp = getenv("TMPDIR");

	*f = (struct fake){ .status = 200, .body = "{}", .watch_status = 200 };
	snprintf(f->folder, sizeof(f->folder), "%s/kennel-client-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->folder));
	f->loop = loop_new();
	fake_write_token(f, "first\n");
}

static void begin_client(struct fake *f, const char *cluster, const char *user)
{
	scoped_free char *config =
		mem_printf("clusters: [{name: c, cluster: {%s}}]\n"
	                   "users: [{name: u, user: {%s}}]\n"
	                   "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
	                   "current-context: x\n",
	                   cluster, user);
	scoped_free char *path = mem_printf("%s/config", f->folder);
	struct err err = { 0 };

	write_file(f, "config", config);
	if (client_new(f->loop, path, "test", &f->client, &err) < 0) {
		fail_msg("client: %s", err.msg);
	}
}

void fake_init(struct fake *f)
{
	scoped_free char *cluster = NULL;

	begin(f);
	fake_start(f);
	cluster = mem_printf("server: 'http://127.0.0.1:%u'", f->port);
	begin_client(f, cluster, "tokenFile: token");
}

static void issue(const struct pki_pair *ca, const struct pki_request *r, struct pki_pair *ret)
{
	assert_int_equal(pki_issue(strbuf_slice(&ca->cert), strbuf_slice(&ca->key), r, ret, NULL),
	                 0);
}

void fake_init_tls(struct fake *f)
{
	struct ip loopback = ip_v4(INADDR_LOOPBACK);
	struct pki_pair ca = { 0 }, server = { 0 }, client = { 0 };
	struct tls_server_config config = { 0 };
	scoped_strbuf struct strbuf ca64 = { 0 }, cert64 = { 0 };
	scoped_free char *cluster = NULL, *user = NULL;

	begin(f);
	assert_int_equal(pki_make_ca("test", &ca, NULL), 0);
	issue(&ca,
	      &(struct pki_request){
		      .common_name = "s", .ips = &loopback, .n_ips = 1, .server = true },
	      &server);
	issue(&ca, &(struct pki_request){ .common_name = "kim", .client = true }, &client);
	config.cert_pem = strbuf_slice(&server.cert);
	config.key_pem = strbuf_slice(&server.key);
	config.client_ca_pem = strbuf_slice(&ca.cert);
	assert_int_equal(tls_server_new(&config, &f->tls, NULL), 0);
	fake_start(f);
	write_file(f, "key", strbuf_str(&client.key));
	base64_encode(&ca64, strbuf_slice(&ca.cert));
	base64_encode(&cert64, strbuf_slice(&client.cert));
	cluster = mem_printf("server: 'https://127.0.0.1:%u', certificate-authority-data: %s",
	                     f->port, strbuf_str(&ca64));
	user = mem_printf("client-certificate-data: %s, client-key: key", strbuf_str(&cert64));
	begin_client(f, cluster, user);
	pki_pair_fini(&ca);
	pki_pair_fini(&server);
	pki_pair_fini(&client);
}

void fake_fini(struct fake *f)
{
	static const char *const files[] = { "config", "token", "key" };

	f->client = client_free(f->client);
	fake_stop(f);
	loop_run_once(f->loop); /* closed streams free themselves at the end of a turn */
	f->loop = loop_free(f->loop);
	f->tls = tls_server_free(f->tls);
	strbuf_fini(&f->asked);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		scoped_free char *path = mem_printf("%s/%s", f->folder, files[i]);

		unlink(path);
	}
	assert_int_equal(rmdir(f->folder), 0);
}

void fake_bytes(struct fake *f, const char *bytes)
{
	assert_non_null(f->watch);
	http_reply_chunk(f->watch, slice_of(bytes));
}

void fake_event(struct fake *f, const char *type, const char *object)
{
	scoped_free char *line = mem_printf("{\"type\":\"%s\",\"object\":%s}\n", type, object);

	fake_bytes(f, line);
}

void fake_end_watch(struct fake *f)
{
	struct http_request *r = take(f->watch);

	r->on_gone = NULL;
	http_reply_end(r);
}

static void tick(struct loop_timer *t)
{
	struct fake *f = container_of(t, struct fake, tick);

	if (f->is_done(f->is_done_arg) || f->ticks-- <= 0) {
		loop_stop(f->loop);
		return;
	}
	loop_timer_start(f->loop, &f->tick, US_PER_MS, tick);
}

static bool turn(struct fake *f, bool (*is_done)(void *arg), void *arg, int ms)
{
	f->is_done = is_done;
	f->is_done_arg = arg;
	f->ticks = ms;
	loop_timer_start(f->loop, &f->tick, 0, tick);
	loop_run(f->loop);
	return is_done(arg);
}

void fake_wait(struct fake *f, bool (*is_done)(void *arg), void *arg)
{
	if (!turn(f, is_done, arg, 20000)) {
		fail_msg("waited in vain; asked:\n%s", strbuf_str(&f->asked));
	}
}

struct number {
	const size_t *now;
	size_t want;
	struct http_request *const *open; /* null: need not be */
};

static bool is_reached(void *arg)
{
	struct number *n = arg;

	return *n->now >= n->want && (!n->open || *n->open);
}

void fake_wait_watch(struct fake *f, size_t nth)
{
	fake_wait(f, is_reached, &(struct number){ &f->n_watches, nth, &f->watch });
}

void fake_wait_asked(struct fake *f, size_t n)
{
	fake_wait(f, is_reached, &(struct number){ &f->n_asked, n, NULL });
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

void fake_run_ms(struct fake *f, int ms)
{
	(void)turn(f, never, NULL, ms);
}

bool fake_was_asked(struct fake *f, const char *text)
{
	return strstr(strbuf_str(&f->asked), text) != NULL;
}
