/* Why: "kubectl logs" reads a file that somebody else writes, at the pace of whoever reads; see
 * logs-reader.h for the file.
 *
 *            client is full                     end of file, following
 *   READING <--------------> (waits for drain)  READING <-----------> FOLLOWING
 *      |  end of file, container over or not following                   | file changed, or a
 * second
 *      +---------> (answered)                                            + passed
 *
 * Whether the container has ended is asked before the file is read to its end: whatever it said is
 * in the file by then, since conmon writes the log before it reports the end. */
#include "node/logs.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/outlet.h"
#include "node/logs-reader.h"
#include "node/logs-watch.h"
#include "node/server-priv.h"

enum { TURN_MAX = 512 << 10 }; /* bytes of the file that one reader takes in a turn */

#define LOOK_AGAIN_US US_PER_S /* for the container's end, and a log that was begun anew */

struct logs_stream {
	struct list_link in_server; /* in server.logs */
	struct server *server;
	struct http_request *request; /* null: over WebSocket, or gone */
	struct outlet *outlet;        /* null: a plain answer, or finished */
	struct logs_reader reader;
	struct logs_watch_entry watched;
	struct loop_timer timer;
	char *path;      /* of the log; owned */
	char *ns, *pod;  /* owned */
	char *container; /* owned */
	char *uid;       /* of the pod; owned */
};

static void pump(struct logs_stream *g);

/* ---- which file ---- */

/* The file to read, or null with the request answered: the choices are those of the kubelet. */
static const char *choose_log(struct http_request *r, const struct server_target *t, bool previous,
                              struct pod_container_view *c)
{
	struct err err;
	struct slice name;

	if (pods_container(&t->view, t->container, c, &err) < 0) {
		server_refuse(r, 404, "NotFound", "%s", err.msg);
		return NULL;
	}
	name = val_get_str(c->spec, "name");
	if (previous) {
		/* While it waits for its next start the latest run is the previous one. */
		const char *path =
			c->waiting_reason && c->log_path ? c->log_path : c->previous_log_path;

		if (!path) {
			server_refuse(r, 400, "BadRequest",
			              "previous terminated container \"" SLICE_FMT
			              "\" in pod \"" SLICE_FMT "\" not found",
			              SLICE_ARG(name), SLICE_ARG(t->pod));
		}
		return path;
	}
	if (!c->log_path) {
		const char *why = c->waiting_reason ? c->waiting_reason : "PodInitializing";

		if (strcmp(why, "ErrImagePull") == 0) {
			why = "image can't be pulled";
		} else if (strcmp(why, "ImagePullBackOff") == 0) {
			why = "trying and failing to pull image";
		}
		server_refuse(r, 400, "BadRequest",
		              "container \"" SLICE_FMT "\" in pod \"" SLICE_FMT
		              "\" is waiting to start: %s",
		              SLICE_ARG(name), SLICE_ARG(t->pod), why);
	}
	return c->log_path;
}

/* The run whose log this is has ended, or is not there any more. */
static bool has_ended(const struct logs_stream *g)
{
	struct pod_view v;
	struct pod_container_view c;

	return !pods_find(g->server->agent->pods, slice_of(g->ns), slice_of(g->pod), &v) ||
	       !slice_is(v.uid, g->uid) ||
	       pods_container(&v, slice_of(g->container), &c, NULL) < 0 || !c.runtime ||
	       runtime_state(c.runtime) == RUNTIME_EXITED || !c.log_path ||
	       strcmp(c.log_path, g->path) != 0;
}

/* ---- life of a stream ---- */

/* Takes it out of the server's hands. */
static void detach(struct logs_stream *g)
{
	if (g->server) {
		list_unlink(&g->in_server);
		loop_timer_stop(&g->timer);
		logs_watch_remove(g->server->watch, &g->watched);
		g->server = NULL;
	}
}

static void stream_free(struct logs_stream *g)
{
	detach(g);
	if (g->reader.malformed) {
		log_debug("Passed over %u malformed lines of %s", g->reader.malformed, g->path);
	}
	logs_reader_fini(&g->reader);
	free(g->path);
	free(g->ns);
	free(g->pod);
	free(g->container);
	free(g->uid);
	free(g);
}

/* ---- to the client ---- */

static bool is_full(const struct logs_stream *g)
{
	return g->outlet ? outlet_is_full(g->outlet) : http_reply_is_full(g->request);
}

static void put(struct logs_stream *g, struct slice bytes)
{
	if (g->outlet) {
		outlet_write(g->outlet, bytes);
	} else {
		http_reply_chunk(g->request, bytes);
	}
}

static void finish(struct logs_stream *g)
{
	if (g->outlet) {
		detach(g);
		outlet_finish(g->outlet); /* freed once it is gone */
	} else {
		http_reply_end(g->request);
		stream_free(g);
	}
}

static void on_gone(struct http_request *r)
{
	stream_free(r->user);
}

static void on_drain(struct http_request *r)
{
	pump(r->user);
}

static void on_outlet_gone(void *arg)
{
	stream_free(arg);
}

static void on_outlet_drain(void *arg)
{
	struct logs_stream *g = arg;

	if (g->server) {
		pump(g);
	}
}

static const struct outlet_events outlet_events = {
	.drain = on_outlet_drain,
	.gone = on_outlet_gone,
};

static void on_changed(struct logs_watch_entry *e)
{
	pump(container_of(e, struct logs_stream, watched));
}

static void on_timer(struct loop_timer *t)
{
	pump(container_of(t, struct logs_stream, timer));
}

/* The file is read to its end. */
static void at_end(struct logs_stream *g, bool ended)
{
	if (!g->reader.query.follow) {
		finish(g);
		return;
	}
	if (logs_reader_reopen(&g->reader, g->path)) {
		loop_timer_start(g->server->agent->loop, &g->timer, 0, on_timer);
		return;
	}
	if (ended) {
		finish(g);
		return;
	}
	loop_timer_start(g->server->agent->loop, &g->timer, LOOK_AGAIN_US, on_timer);
}

static void pump(struct logs_stream *g)
{
	scoped_strbuf struct strbuf out = { 0 };
	bool ended = g->reader.query.follow && has_ended(g);
	size_t taken = 0;
	struct err err;
	int r = LOGS_READER_MORE;

	while (r == LOGS_READER_MORE && !is_full(g) && taken < TURN_MAX) {
		strbuf_reset(&out);
		r = logs_reader_read(&g->reader, &out, &err);
		taken += LOGS_READER_PIECE;
		if (out.size) {
			put(g, strbuf_slice(&out));
		}
	}
	if (r < 0) {
		log_odd("Log stopped in the middle: %s path=%s", err.msg, g->path);
		finish(g);
	} else if (r == LOGS_READER_FULL) {
		finish(g);
	} else if (r == LOGS_READER_END) {
		at_end(g, ended);
	} else if (!is_full(g)) {
		loop_timer_start(g->server->agent->loop, &g->timer, 0, on_timer);
	}
}

static void start(struct server *s, struct http_request *r, const struct server_target *t,
                  const struct pod_container_view *c, const char *path, struct logs_reader *reader)
{
	struct logs_stream *g = NEW(struct logs_stream);
	struct err err;

	g->server = s;
	g->reader = *reader;
	g->path = mem_strdup(path);
	g->ns = slice_dup(t->ns);
	g->pod = slice_dup(t->pod);
	g->container = slice_dup(val_get_str(c->spec, "name"));
	g->uid = slice_dup(t->view.uid);
	list_push(&s->logs, &g->in_server);
	if (r->wants_upgrade) {
		g->outlet = outlet_accept(r, &outlet_events, g);
		if (!g->outlet) {
			stream_free(g);
			return;
		}
	} else {
		g->request = r;
		r->user = g;
		r->on_gone = on_gone;
		r->on_drain = on_drain;
		http_reply_start(r, 200, "text/plain", NULL);
	}
	if (reader->query.follow &&
	    logs_watch_add(s->watch, &g->watched, path, on_changed, &err) < 0) {
		log_odd("Following a log by looking every second: %s", err.msg);
	}
	pump(g);
}

void logs_serve(struct server *s, struct http_request *r, const struct server_target *t)
{
	struct logs_query q;
	struct logs_reader reader;
	struct pod_container_view c;
	const char *path;
	struct err err;

	if (logs_query_parse(&r->arena, r->query, clock_wall_us(), &q, &err) < 0) {
		server_refuse_err(r, &err);
		return;
	}
	path = choose_log(r, t, q.previous, &c);
	if (!path) {
		return;
	}
	if (logs_reader_open(&reader, path, &q, &err) < 0) {
		if (err.code == ERR_NOTFOUND) { /* as the kubelet: the log was cleaned away */
			server_refuse(r, 404, "NotFound",
			              "unable to retrieve container logs for \"" SLICE_FMT
			              "\": the log file is gone",
			              SLICE_ARG(val_get_str(c.spec, "name")));
		} else {
			server_refuse_err(r, &err);
		}
		return;
	}
	q.follow = q.follow && !q.previous; /* what has ended says nothing new */
	reader.query.follow = q.follow;
	start(s, r, t, &c, path, &reader);
}

void logs_detach_all(struct server *s)
{
	list_for_each (&s->logs, g, struct logs_stream, in_server) {
		detach(g);
	}
}

void server_pod_changed(struct server *s, struct slice uid)
{
	list_for_each (&s->logs, g, struct logs_stream, in_server) {
		if (slice_is(uid, g->uid)) {
			loop_timer_start(s->agent->loop, &g->timer, 0, on_timer);
		}
	}
}
