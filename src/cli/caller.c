/* Why: a command is a script, the client is not; see caller.h. */
#include "cli/caller.h"

#include "base/mem.h"

struct asking {
	struct caller *caller;
	struct doc *body;
	struct err why;
	int status;
	bool done;
};

int caller_open(struct caller *c, const char *kubeconfig, struct err *err)
{
	int r;

	*c = (struct caller){ .loop = loop_new() };
	r = client_new(c->loop, kubeconfig, "kennel", &c->client, err);
	if (r < 0) {
		caller_close(c);
	}
	return r;
}

void caller_close(struct caller *c)
{
	c->client = client_free(c->client);
	c->loop = loop_free(c->loop);
}

static void on_answer(void *arg, const struct client_answer *a)
{
	struct asking *asking = arg;

	asking->status = a->status;
	asking->body = a->body ? doc_ref(a->body) : NULL;
	if (a->why) {
		asking->why = *a->why;
	}
	asking->done = true;
	loop_stop(asking->caller->loop);
}

static enum err_code code_of_status(int status)
{
	for (int code = ERR_NONE + 1; code < ERR_CODE_COUNT; code++) {
		if (code != ERR_LIMIT && err_code_http((enum err_code)code) == status) {
			return (enum err_code)code;
		}
	}
	return ERR_UNAVAILABLE;
}

int caller_ask(struct caller *c, const char *method, const char *target, const char *content_type,
               const struct val *body, struct doc **ret, struct err *err)
{
	struct asking asking = { .caller = c };

	(void)client_request(c->client, method, target, content_type, body, on_answer, &asking);
	while (!asking.done) {
		loop_run(c->loop);
	}
	if (asking.status < 200 || asking.status > 299) {
		doc_unref(asking.body);
		return err_raise(err,
		                 asking.status ? code_of_status(asking.status) : ERR_UNAVAILABLE,
		                 "%s", asking.why.msg);
	}
	if (ret) {
		*ret = asking.body;
	} else {
		doc_unref(asking.body);
	}
	return 0;
}

struct waiting {
	struct loop_timer timer;
	struct loop *loop;
	bool over;
};

static void on_over(struct loop_timer *t)
{
	struct waiting *w = container_of(t, struct waiting, timer);

	w->over = true;
	loop_stop(w->loop);
}

void caller_wait_us(struct caller *c, int64_t us)
{
	struct waiting w = { .loop = c->loop };

	loop_timer_start(c->loop, &w.timer, us, on_over);
	while (!w.over) {
		loop_run(c->loop);
	}
}
