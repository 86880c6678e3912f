/* Why: every role speaks to the API server in the same way: one small pool of connections,
 * credentials that are read again when they change, JSON in and out. See client.h. */
#include "client/client.h"

#include <netdb.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "client/client-priv.h"
#include "client/credentials.h"
#include "codec/json.h"
#include "http/tls.h"

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

struct client {
	struct loop *loop;        /* borrowed */
	struct tls_client *tls;   /* owned; null: plain */
	struct http_client *http; /* owned */
	char *prefix, *headers;   /* owned: of every target, and with every request */
	char *token_path;         /* owned; null: the token never changes */
	struct timespec token_time;
	ino_t token_inode;
};

struct client_call {
	struct http_call *call;
	client_done_fn *done;
	void *arg;
};

/* ---- tokens ---- */

/* Reads the token file when it is another one than last time. A mounted token is replaced by
 * renaming. */
static void refresh_token(struct client *c)
{
	scoped_strbuf struct strbuf token = { 0 };
	struct err err = { 0 };
	struct stat st;

	if (!c->token_path || stat(c->token_path, &st) < 0 ||
	    (st.st_ino == c->token_inode && st.st_mtim.tv_sec == c->token_time.tv_sec &&
	     st.st_mtim.tv_nsec == c->token_time.tv_nsec)) {
		return;
	}
	if (credentials_load(c->token_path, TOKEN_MAX, &token, &err) < 0) {
		log_odd("Token is not read again why=%s", err.msg);
		return;
	}
	c->token_inode = st.st_ino;
	c->token_time = st.st_mtim;
	http_client_set_token(c->http, slice_trim(strbuf_slice(&token)));
}

/* ---- life ---- */

static int resolve(const char *host, struct ip *ret, struct err *err)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL, *best;
	uint16_t port;
	int r;

	if (ip_parse(slice_of(host), ret)) {
		return 0;
	}
	r = getaddrinfo(host, NULL, &hints, &found);
	if (r != 0 || !found) {
		return err_raise(err, ERR_NOTFOUND, "server %s: %s", host, gai_strerror(r));
	}
	best = found;
	for (struct addrinfo *it = found; it; it = it->ai_next) {
		if (it->ai_family == AF_INET) { /* what local servers listen on */
			best = it;
			break;
		}
	}
	r = ip_from_sockaddr(best->ai_addr, ret, &port)
	            ? 0
	            : err_raise(err, ERR_NOTFOUND, "server %s has no address", host);
	freeaddrinfo(found);
	return r;
}

static int make_tls(struct client *c, const struct credentials *from, struct err *err)
{
	struct tls_client_config tls = { .ca_pem = strbuf_slice(&from->ca.bytes),
		                         .cert_pem = strbuf_slice(&from->cert.bytes),
		                         .key_pem = strbuf_slice(&from->key.bytes),
		                         .insecure = from->insecure };

	if (!from->insecure && !tls.ca_pem.len) {
		return err_raise(err, ERR_INVALID, "certificate-authority is missing");
	}
	return tls_client_new(&tls, &c->tls, err);
}

static int make_http(struct client *c, const struct credentials *from, struct err *err)
{
	struct http_client_config config = { .target = { .port = from->port },
		                             .bearer_token = strbuf_slice(&from->token.bytes) };
	scoped_free char *host = NULL;
	struct ip literal;
	int r = resolve(from->host, &config.target.ip, err);

	if (r < 0) {
		return r;
	}
	if (from->is_tls) {
		bool is_name = !ip_parse(slice_of(from->host), &literal);

		r = make_tls(c, from, err);
		config.target.tls = c->tls;
		config.target.tls_name = from->tls_name ? from->tls_name
		                         : is_name      ? from->host
		                                        : NULL;
	}
	if (r < 0) {
		return r;
	}
	host = mem_printf(strchr(from->host, ':') ? "[%s]:%u" : "%s:%u", from->host, from->port);
	config.host = host;
	c->http = http_client_new(c->loop, &config);
	return 0;
}

int client_new(struct loop *l, const char *kubeconfig, const char *user_agent, struct client **ret,
               struct err *err)
{
	scoped_credentials struct credentials from = { 0 };
	struct client *c;
	int r = kubeconfig ? credentials_read(kubeconfig, &from, err)
	                   : credentials_in_cluster(SERVICE_ACCOUNT, &from, err);

	if (r < 0) {
		return r;
	}
	c = NEW(struct client);
	c->loop = l;
	r = make_http(c, &from, err);
	if (r < 0) {
		client_free(c);
		return kubeconfig ? err_while(err, r, "kubeconfig %s", kubeconfig) : r;
	}
	c->prefix = take(from.prefix);
	c->token_path = take(from.token.path);
	c->headers = mem_printf("User-Agent: %s\r\nAccept: application/json\r\n",
	                        user_agent ? user_agent : "kennel");
	*ret = c;
	return 0;
}

struct client *client_free(struct client *c)
{
	if (!c) {
		return NULL;
	}
	c->http = http_client_free(c->http);
	c->tls = tls_client_free(c->tls);
	free(c->prefix);
	free(c->headers);
	free(c->token_path);
	free(c);
	return NULL;
}

struct loop *client_loop(const struct client *c)
{
	return c->loop;
}

/* ---- requests ---- */

static enum err_code code_of(int status, struct slice reason)
{
	for (int code = ERR_NONE + 1; code < ERR_CODE_COUNT; code++) {
		if (slice_is(reason, err_code_reason((enum err_code)code))) {
			return (enum err_code)code;
		}
	}
	for (int code = ERR_NONE + 1; code < ERR_CODE_COUNT; code++) {
		if (code != ERR_EXISTS && err_code_http((enum err_code)code) == status) {
			return (enum err_code)code; /* a 409 without a reason is a conflict */
		}
	}
	return status == 429 || status >= 500 ? ERR_UNAVAILABLE : ERR_INTERNAL;
}

int client_failure(int status, const struct val *body, struct err *err)
{
	struct slice message = val_get_str(body, "message");
	enum err_code code = code_of(status, val_get_str(body, "reason"));

	return message.len ? err_raise(err, code, SLICE_FMT, SLICE_ARG(message))
	                   : err_raise(err, code, "the server answered %d", status);
}

static void answered(void *arg, const struct http_answer *a)
{
	struct client_call *call = arg;
	struct client_answer answer = { .status = a->status, .why = a->why };
	struct slice type = a->status ? http_header_get(&a->headers, "Content-Type") : SLICE("");
	scoped_doc struct doc *body = NULL;
	struct err err = { 0 };

	if (a->status && slice_has_prefix(type, SLICE("application/json")) && a->body.len) {
		int r = json_parse_doc(a->body, 0, &body, &err);

		if (r < 0) {
			(void)err_while(&err, r, "the server's answer");
			answer.status = 0;
			answer.why = &err;
		}
	}
	answer.body = body;
	if (answer.status >= 400) {
		(void)client_failure(answer.status, body ? body->root : NULL, &err);
		answer.why = &err;
	}
	call->done(call->arg, &answer);
	free(call);
}

struct client_call *client_request(struct client *c, const char *method, const char *target,
                                   const char *content_type, const struct val *body,
                                   client_done_fn *done, void *arg)
{
	struct client_call *call = NEW(struct client_call);
	scoped_free char *full = mem_printf("%s%s", c->prefix, target);
	scoped_strbuf struct strbuf text = { 0 };
	struct http_call_spec spec = { .method = method, .target = full, .headers = c->headers };

	refresh_token(c);
	if (body) {
		json_write(&text, body);
		spec.body = strbuf_slice(&text);
		spec.content_type = content_type ? content_type : "application/json";
	}
	call->done = done;
	call->arg = arg;
	call->call = http_call(c->http, &spec, answered, call);
	return call;
}

void client_cancel(struct client_call *call)
{
	http_call_cancel(call->call);
	free(call);
}

struct http_call *client_stream(struct client *c, const char *target,
                                const struct http_stream_events *events, void *arg)
{
	scoped_free char *full = mem_printf("%s%s", c->prefix, target);
	struct http_call_spec spec = { .method = "GET", .target = full, .headers = c->headers };

	refresh_token(c);
	return http_call_stream(c->http, &spec, events, arg);
}

void client_path(struct strbuf *out, const char *api_version, const char *plural, struct slice ns,
                 struct slice name, const char *subresource)
{
	strbuf_adds(out, strchr(api_version, '/') ? "/apis/" : "/api/");
	strbuf_adds(out, api_version);
	if (ns.len) {
		strbuf_adds(out, "/namespaces/");
		http_percent_encode(out, ns);
	}
	strbuf_addf(out, "/%s", plural);
	if (name.len) {
		strbuf_addc(out, '/');
		http_percent_encode(out, name);
	}
	if (subresource) {
		strbuf_addf(out, "/%s", subresource);
	}
}
