/* Why: registries are slow and need tools that block; the node only waits for a child. */
#include "node/pulls.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "codec/json.h"
#include "loop/process.h"
#include "node/file.h"

static const int64_t limit_us = 1800 * US_PER_S;

struct pull {
	struct pulls *pulls;
	char *image, *authfile; /* owned */
	struct list waits;      /* pull_wait.in_pull */
	int64_t since_us;
	struct err failed; /* it could not even be started */
	struct loop_defer later;
};

struct pull_wait {
	struct list_link in_pull; /* in pull.waits */
	pull_done_fn *done;
	void *arg;
};

struct pulls {
	struct agent *agent;
	struct map running; /* image -> struct pull */
	int host_net;       /* the host's network namespace; -1: ours */
	unsigned n;         /* names auth files */
};

/* The host's network, where registries are: that of whoever started us, or of the first process.
 * -1: only ours. */
static int open_host_net(void)
{
	scoped_free char *parent = mem_printf("/proc/%d/ns/net", getppid());
	const char *const candidates[] = { parent, "/proc/1/ns/net" };
	struct stat own, other;

	for (size_t i = 0; i < ARRAY_SIZE(candidates) && stat("/proc/self/ns/net", &own) == 0;
	     i++) {
		if (stat(candidates[i], &other) == 0 && other.st_ino != own.st_ino) {
			return open(candidates[i], O_RDONLY | O_CLOEXEC);
		}
	}
	return -1;
}

struct pulls *pulls_new(struct agent *a)
{
	struct pulls *p = NEW(struct pulls);

	p->agent = a;
	p->host_net = open_host_net();
	return p;
}

static void pull_free(struct pull *u)
{
	if (u->authfile) {
		(void)unlink(u->authfile);
	}
	list_for_each (&u->waits, w, struct pull_wait, in_pull) {
		list_unlink(&w->in_pull);
		free(w);
	}
	loop_defer_cancel(&u->later);
	free(u->image);
	free(u->authfile);
	free(u);
}

struct pulls *pulls_free(struct pulls *p)
{
	if (p) {
		for (struct map_iter it = { 0 }; map_next(&p->running, &it);) {
			pull_free(it.value);
		}
		map_fini(&p->running);
		if (p->host_net >= 0) {
			close(p->host_net);
		}
		free(p);
	}
	return NULL;
}

static void finish(struct pull *u, const struct err *why)
{
	int64_t took_us = loop_now_us(u->pulls->agent->loop) - u->since_us;

	map_remove(&u->pulls->running, slice_of(u->image));
	for (struct list_link *at; (at = list_first(&u->waits));) { /* done may cancel others */
		struct pull_wait *w = container_of(at, struct pull_wait, in_pull);

		list_unlink(&w->in_pull);
		w->done(w->arg, why, took_us);
		free(w);
	}
	pull_free(u);
}

static void on_pulled(void *arg, const struct process_result *r)
{
	struct pull *u = arg;
	struct slice said = slice_trim((struct slice){ r->err, r->err_size });
	struct err why = { 0 };

	if (WIFEXITED(r->status) && WEXITSTATUS(r->status) == 0) {
		finish(u, NULL);
		return;
	}
	if (slice_has_prefix(said, SLICE("kennel image: "))) {
		said = slice_from(said, strlen("kennel image: "));
	}
	(void)err_raise(&why, r->timed_out ? ERR_TIMEOUT : ERR_UNAVAILABLE, SLICE_FMT,
	                SLICE_ARG(said.len ? said : SLICE("the pull was ended")));
	finish(u, &why);
}

static void on_failed(struct loop_defer *d)
{
	struct pull *u = container_of(d, struct pull, later);

	finish(u, &u->failed);
}

static int start(struct pull *u, const struct val *auth, struct err *err)
{
	struct agent *a = u->pulls->agent;
	const char *argv[12] = { a->exe, "image", "pull", "--home", a->home };
	scoped_strbuf struct strbuf text = { 0 };
	struct process *p;
	size_t n = 5;
	int r;

	if (val_len(auth) > 0) {
		u->authfile = mem_printf("%s/run/pull-%u.json", a->home, u->pulls->n++);
		json_write(&text, auth);
		r = file_write(u->authfile, strbuf_slice(&text), 0600, err);
		if (r < 0) {
			return r;
		}
		argv[n++] = "--authfile";
		argv[n++] = u->authfile;
	}
	argv[n] = u->image;
	return process_start(
		a->loop,
		&(struct process_spec){ .argv = argv,
	                                .netns_fd = u->pulls->host_net > 0 ? u->pulls->host_net : 0,
	                                .timeout_us = limit_us },
		on_pulled, u, &p, err);
}

struct pull_wait *pulls_start(struct pulls *p, struct slice image, const struct val *auth,
                              pull_done_fn *done, void *arg)
{
	struct pull *u = map_find(&p->running, image);
	struct pull_wait *w = NEW(struct pull_wait);

	w->done = done;
	w->arg = arg;
	if (!u) {
		u = NEW(struct pull);
		u->pulls = p;
		u->image = slice_dup(image);
		u->since_us = loop_now_us(p->agent->loop);
		map_set(&p->running, image, u);
		if (start(u, auth, &u->failed) < 0) {
			loop_defer(p->agent->loop, &u->later, on_failed);
		}
	}
	list_push(&u->waits, &w->in_pull);
	return w;
}

void pulls_cancel(struct pull_wait *w)
{
	list_unlink(&w->in_pull);
	free(w);
}
