/* Why: see world.h. Client and server share one thread: the client looks at its socket between
 * turns of the loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "api/token.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/yaml.h"
#include "http/pki.h"

#define PATIENCE_US (10 * US_PER_S)

/* ---- life ---- */

static void address(const struct world *w, struct sockaddr_un *sa)
{
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(sa->sun_path, sizeof(sa->sun_path), "%s", w->socket);
}

static int listen_on(struct world *w)
{
	const char *tmp = getenv("TMPDIR");
	struct sockaddr_un sa;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(w->folder, sizeof(w->folder), "%s/api-test-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->socket, sizeof(w->socket), "%s/s", w->folder);
	address(w, &sa);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static void create(struct world *w, const char *yaml)
{
	scoped_arena struct arena a = { 0 };
	struct val *v;

	assert_int_equal(yaml_parse(&a, slice_of(yaml), &v, NULL), 0);
	assert_int_equal(store_create(w->store, registry_kind_of(w->registry, v), v, NULL, NULL),
	                 0);
}

static void make_admin(struct world *w)
{
	scoped_arena struct arena a = { 0 };
	struct token_request t = { .life_s = 3600 };

	create(w, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: root, namespace: "
	          "kube-system}\n");
	create(w, "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\n"
	          "metadata: {name: root}\n"
	          "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "
	          "cluster-admin}\n"
	          "subjects: [{kind: ServiceAccount, name: root, namespace: kube-system}]\n");
	create(w, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: "
	          "default}\n");
	t.account = store_get(w->store, (struct key){ w->api->kinds.service_account,
	                                              SLICE("kube-system"), SLICE("root") })
	                    ->root;
	assert_int_equal(token_sign(w->api, &a, &t, &w->admin, NULL), 0);
}

void world_start(struct world *w)
{
	scoped_strbuf struct strbuf key = { 0 };
	struct api_config config = { .advertise_port = 6443 };
	struct err err = { 0 };
	int fd;

	*w = (struct world){ 0 };
	fd = listen_on(w);
	assert_int_equal(pki_make_key(&key, NULL), 0);
	assert_true(ip_parse(SLICE("10.0.2.10"), &config.advertise_ip));
	config.token_key_pem = strbuf_slice(&key);
	w->loop = loop_new();
	w->registry = registry_new();
	assert_int_equal(store_open(w->loop, &(struct store_config){ .registry = w->registry },
	                            &w->store, NULL),
	                 0);
	config.store = w->store;
	if (api_new(w->loop, &config, &w->api, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	assert_int_equal(api_listen(w->api, fd, NULL), 0);
	make_admin(w);
}

void world_stop(struct world *w)
{
	w->api = api_free(w->api);
	for (int i = 0; i < 100; i++) { /* streams are told that they are closed */
		loop_run_once(w->loop);
	}
	w->store = store_close(w->store);
	w->loop = loop_free(w->loop);
	w->registry = registry_free(w->registry);
	strbuf_fini(&w->admin);
	unlink(w->socket);
	rmdir(w->folder);
}

/* ---- asking ---- */

static int connect_to(const struct world *w)
{
	struct sockaddr_un sa;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	address(w, &sa);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void send_all(struct world *w, int fd, struct slice text)
{
	int64_t end = clock_mono_us() + PATIENCE_US;

	while (text.len) {
		ssize_t n = send(fd, text.p, text.len, MSG_NOSIGNAL);

		if (n > 0) {
			text = slice_from(text, (size_t)n);
		} else if (clock_mono_us() > end || errno != EAGAIN) {
			return; /* the server has refused already: its answer says why */
		}
		loop_run_once(w->loop);
	}
}

/* False at the end. */
static bool receive(struct world *w, int fd, struct strbuf *out)
{
	int64_t end = clock_mono_us() + PATIENCE_US;

	for (;;) {
		char *to = strbuf_reserve(out, 4096);
		ssize_t n = recv(fd, to, 4096, 0);

		if (n > 0) {
			strbuf_added(out, (size_t)n);
			return true;
		}
		if (n == 0 || errno != EAGAIN) {
			return false;
		}
		if (clock_mono_us() > end) {
			fail_msg("no answer");
		}
		loop_run_once(w->loop);
	}
}

static void write_question(struct world *w, const struct question *q, struct strbuf *out)
{
	const char *token = q->token ? q->token : strbuf_str(&w->admin);

	strbuf_addf(out,
	            "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: tester/1\r\n",
	            q->method, q->target);
	if (*token) {
		strbuf_addf(out, "Authorization: Bearer %s\r\n", token);
	}
	if (!q->type || *q->type) {
		strbuf_addf(out, "Content-Type: %s\r\n", q->type ? q->type : "application/json");
	}
	strbuf_addf(out, "%sContent-Length: %zu\r\n\r\n", q->headers ? q->headers : "",
	            q->body.len);
	strbuf_add_slice(out, q->body);
}

void answer_fini(struct answer *a)
{
	strbuf_fini(&a->head);
	strbuf_fini(&a->body);
}

void world_ask(struct world *w, const struct question *q, struct answer *ret)
{
	scoped_strbuf struct strbuf text = { 0 };
	const char *end;
	int fd = connect_to(w);

	*ret = (struct answer){ 0 };
	write_question(w, q, &text);
	send_all(w, fd, strbuf_slice(&text));
	strbuf_reset(&text);
	while (receive(w, fd, &text)) {
	}
	close(fd);
	end = strstr(strbuf_str(&text), "\r\n\r\n");
	assert_non_null(end);
	assert_int_equal(sscanf(strbuf_str(&text), "HTTP/1.1 %d", &ret->status), 1);
	strbuf_add(&ret->head, text.p, (size_t)(end - text.p));
	strbuf_adds(&ret->body, end + 4);
}

void world_play(struct world *w, const struct step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		scoped_free char *body = mem_strdup(steps[i].body ? steps[i].body : "");
		struct question q = { .method = steps[i].method,
			              .target = steps[i].target,
			              .type = steps[i].type };
		struct answer got;

		for (char *p = body; *p; p++) {
			*p = *p == '\'' ? '"' : *p;
		}
		q.body = slice_of(body);
		world_ask(w, &q, &got);
		if (got.status != steps[i].status ||
		    !strstr(strbuf_str(&got.body), steps[i].want)) {
			fail_msg("step %zu, %s %s: wanted %d %s\nfound %d %s", i, q.method,
			         q.target, steps[i].status, steps[i].want, got.status,
			         strbuf_str(&got.body));
		}
		answer_fini(&got);
	}
}

/* ---- streams ---- */

int world_open(struct world *w, const char *target)
{
	scoped_strbuf struct strbuf text = { 0 };
	struct question q = { .method = "GET", .target = target };
	int fd = connect_to(w);

	write_question(w, &q, &text);
	send_all(w, fd, strbuf_slice(&text));
	return fd;
}

/* One byte at a time: head and chunk lines are passed over, as bodies are lines of JSON. */
bool world_line(struct world *w, int fd, struct strbuf *line)
{
	int64_t end = clock_mono_us() + PATIENCE_US;

	strbuf_reset(line);
	for (;;) {
		char c;
		ssize_t n = recv(fd, &c, 1, 0);

		if (n == 0) {
			return false;
		}
		if (n < 0) {
			if (clock_mono_us() > end) {
				fail_msg("the stream is silent after: %s", strbuf_str(line));
			}
			loop_run_once(w->loop);
		} else if (c != '\n') {
			strbuf_addc(line, c);
		} else if (line->size && line->p[0] == '{') {
			return true;
		} else {
			strbuf_reset(line);
		}
	}
}
