/* Why: in-cluster clients live as long as their pod and their tokens do not; see tokens.h. */
#include "node/tokens.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct token {
	struct tokens *tokens;
	struct list_link in_tokens;                     /* in tokens.all */
	char *uid, *ns, *account, *pod_name, *audience; /* owned */
	int64_t seconds;
	char *text; /* owned; null: none yet */
	struct client_call *call;
	struct loop_timer renew;
	struct backoff backoff;
};

struct tokens {
	struct agent *agent;
	void (*changed)(void *arg, struct slice pod_uid);
	void *arg;
	struct list all; /* token.in_tokens */
};

static void ask(struct token *t);

struct tokens *tokens_new(struct agent *a, void (*changed)(void *arg, struct slice pod_uid),
                          void *arg)
{
	struct tokens *t = NEW(struct tokens);

	t->agent = a;
	t->changed = changed;
	t->arg = arg;
	return t;
}

static void token_free(struct token *t)
{
	list_unlink(&t->in_tokens);
	loop_timer_stop(&t->renew);
	if (t->call) {
		client_cancel(t->call);
	}
	free(t->uid);
	free(t->ns);
	free(t->account);
	free(t->pod_name);
	free(t->audience);
	if (t->text) {
		explicit_bzero(t->text, strlen(t->text));
	}
	free(t->text);
	free(t);
}

struct tokens *tokens_free(struct tokens *t)
{
	if (t) {
		list_for_each (&t->all, it, struct token, in_tokens) {
			token_free(it);
		}
		free(t);
	}
	return NULL;
}

static void on_renew(struct loop_timer *timer)
{
	ask(container_of(timer, struct token, renew));
}

static void on_answer(void *arg, const struct client_answer *a)
{
	struct token *t = arg;
	struct loop *l = t->tokens->agent->loop;
	struct slice text =
		a->body ? val_str(val_path(a->body->root, "status.token")) : (struct slice){ 0 };
	struct slice expires =
		a->body ? val_str(val_path(a->body->root, "status.expirationTimestamp")) : text;
	int64_t end_us, left_us = t->seconds * US_PER_S;

	t->call = NULL;
	if ((a->status != 200 && a->status != 201) || text.len == 0) {
		int64_t wait_us = backoff_next_us(&t->backoff, 0);

		log_odd("No token for a pod pod=%s/%s error=%s", t->ns, t->pod_name,
		        a->why ? a->why->msg : "no token");
		loop_timer_start(l, &t->renew, wait_us, on_renew);
		return;
	}
	backoff_reset(&t->backoff);
	free(t->text);
	t->text = slice_dup(text);
	if (time_parse(expires, &end_us)) {
		left_us = end_us - clock_wall_us();
	}
	left_us = left_us * 4 / 5;
	loop_timer_start(l, &t->renew, left_us > US_PER_S ? left_us : US_PER_S, on_renew);
	t->tokens->changed(t->tokens->arg, slice_of(t->uid));
}

static void ask(struct token *t)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf path = { 0 };
	struct val *body = val_new_object(&a), *spec = val_need_object(&a, body, "spec"), *ref;

	val_set_cstr(&a, body, "apiVersion", "authentication.k8s.io/v1");
	val_set_cstr(&a, body, "kind", "TokenRequest");
	if (*t->audience) {
		val_append(val_need_array(&a, spec, "audiences"), val_new_cstr(&a, t->audience));
	}
	val_set_int(&a, spec, "expirationSeconds", t->seconds);
	ref = val_need_object(&a, spec, "boundObjectRef");
	val_set_cstr(&a, ref, "apiVersion", "v1");
	val_set_cstr(&a, ref, "kind", "Pod");
	val_set_cstr(&a, ref, "name", t->pod_name);
	val_set_cstr(&a, ref, "uid", t->uid);
	client_path(&path, "v1", "serviceaccounts", slice_of(t->ns), slice_of(t->account), "token");
	t->call = client_request(t->tokens->agent->client, "POST", strbuf_str(&path), NULL, body,
	                         on_answer, t);
}

struct slice tokens_get(struct tokens *all, const struct val *pod, const struct val *source)
{
	struct slice uid = val_str(val_path(pod, "metadata.uid")),
		     audience = val_get_str(source, "audience");
	struct slice account = val_str(val_path(pod, "spec.serviceAccountName"));
	int64_t seconds = val_int(val_get(source, "expirationSeconds"), 3600);
	struct token *t;

	list_for_each (&all->all, it, struct token, in_tokens) {
		if (slice_is(uid, it->uid) && slice_is(audience, it->audience) &&
		    it->seconds == seconds) {
			return slice_of(it->text);
		}
	}
	t = NEW(struct token);
	t->tokens = all;
	t->uid = slice_dup(uid);
	t->ns = slice_dup(val_str(val_path(pod, "metadata.namespace")));
	t->account = slice_dup(account.len ? account : SLICE("default"));
	t->pod_name = slice_dup(val_str(val_path(pod, "metadata.name")));
	t->audience = slice_dup(audience);
	t->seconds = seconds;
	t->backoff = (struct backoff){ .floor_us = 100 * US_PER_MS, .ceiling_us = 10 * US_PER_S };
	list_push(&all->all, &t->in_tokens);
	ask(t);
	return (struct slice){ 0 };
}

void tokens_forget(struct tokens *all, struct slice uid)
{
	list_for_each (&all->all, it, struct token, in_tokens) {
		if (slice_is(uid, it->uid)) {
			token_free(it);
		}
	}
}
