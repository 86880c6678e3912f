/* Why: joins a client's channels with a program's pipes so that neither outruns the other; see
 * exec.h and kubernetes-api.md 4.3.
 *
 *   ACCEPTED --ready--> RUNNING --program ended--> ENDED --flushed--> (gone)
 *      |                   | client gone: the program is dropped, which closes its pipes or
 * terminal;
 *      +-------------------+ it lives on if it ignores that, as under Kubernetes
 */
#include "node/exec.h"

#include "base/mem.h"
#include "codec/json.h"
#include "node/server-priv.h"

struct exec {
	struct runtime *runtime; /* borrowed */
	struct channels *channels;
	struct runtime_exec *program; /* null: not yet, or ended */
	struct arena arena;           /* args */
	struct val *args;
	struct channel_ask ask;
	char id[RUNTIME_ID_SIZE]; /* of the container */
	char *name;               /* of the container; owned */
	struct strbuf status;     /* what it ended with, while the client is full */
};

/* ---- how it ended ---- */

void exec_status(struct strbuf *out, const struct runtime_exec_result *result)
{
	scoped_strbuf struct strbuf message = { 0 };

	if (result->why || result->timed_out) {
		strbuf_addf(&message,
		            "Internal error occurred: error executing command in container: %s",
		            result->why ? result->why->msg : "timed out");
		strbuf_adds(out, "{\"metadata\":{},\"status\":\"Failure\",\"message\":");
		json_write_str(out, strbuf_slice(&message));
		strbuf_adds(out,
		            ",\"reason\":\"InternalError\",\"details\":{\"causes\":[{\"message\":");
		json_write_str(out, slice_from(strbuf_slice(&message),
		                               sizeof("Internal error occurred: ") - 1));
		strbuf_adds(out, "}]},\"code\":500}");
	} else if (result->code) {
		strbuf_addf(
			out,
			"{\"metadata\":{},\"status\":\"Failure\",\"message\":\"command terminated "
			"with "
			"non-zero exit code: exit status %d\",\"reason\":\"NonZeroExitCode\","
			"\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"%d\"}]}}",
			result->code, result->code);
	} else {
		strbuf_adds(out, "{\"metadata\":{},\"status\":\"Success\"}");
	}
}

/* ---- from the program ---- */

static void on_output(void *arg, int stream, struct slice bytes)
{
	struct exec *x = arg;

	channel_write(x->channels, stream == 2 ? CHANNEL_STDERR : CHANNEL_STDOUT, bytes);
	if (channel_is_full(x->channels)) {
		runtime_exec_pause(x->program, true);
	}
}

static void on_program_drain(void *arg)
{
	struct exec *x = arg;

	channel_pause(x->channels, false);
}

static void on_done(void *arg, const struct runtime_exec_result *result)
{
	struct exec *x = arg;

	x->program = NULL;
	exec_status(&x->status, result);
	channel_pause(x->channels, false);
	if (!channel_is_full(x->channels)) {
		channel_finish(x->channels, strbuf_slice(&x->status));
	}
}

static const struct runtime_exec_events program_events = {
	.data = on_output,
	.drain = on_program_drain,
	.done = on_done,
};

/* ---- from the client ---- */

static void on_ready(void *arg, struct channels *c)
{
	struct exec *x = arg;
	struct runtime_container *container = runtime_find(x->runtime, x->id);
	struct err err;

	x->channels = c;
	if (!container || runtime_state(container) != RUNTIME_RUNNING) {
		(void)err_raise(&err, ERR_NOTFOUND, "container not found (\"%s\")", x->name);
		on_done(x, &(struct runtime_exec_result){ .why = &err });
		return;
	}
	x->program = runtime_exec(container,
	                          &(struct runtime_exec_spec){
					  .args = x->args,
					  .tty = x->ask.tty,
					  .stdin_open = x->ask.stdin_,
					  .stdout_open = x->ask.stdout_ || x->ask.tty,
					  .stderr_open = x->ask.stderr_,
				  },
	                          &program_events, x);
}

static void on_input(void *arg, enum channel_id id, struct slice bytes)
{
	struct exec *x = arg;

	(void)id;
	if (x->program) {
		runtime_exec_write(x->program, bytes);
		if (runtime_exec_is_full(x->program)) {
			channel_pause(x->channels, true);
		}
	}
}

static void on_input_end(void *arg, enum channel_id id)
{
	struct exec *x = arg;

	(void)id;
	if (x->program) {
		runtime_exec_eof(x->program);
	}
}

static void on_resize(void *arg, uint16_t width, uint16_t height)
{
	struct exec *x = arg;

	if (x->program) {
		runtime_exec_resize(x->program, width, height);
	}
}

static void on_client_drain(void *arg)
{
	struct exec *x = arg;

	if (x->program) {
		runtime_exec_pause(x->program, false);
	} else if (x->status.size) {
		channel_finish(x->channels, strbuf_slice(&x->status));
	}
}

static void exec_free(struct exec *x)
{
	arena_fini(&x->arena);
	strbuf_fini(&x->status);
	free(x->name);
	free(x);
}

static void on_client_gone(void *arg)
{
	struct exec *x = arg;

	if (x->program) {
		runtime_exec_drop(take(x->program));
	}
	exec_free(x);
}

static const struct channel_events client_events = {
	.ready = on_ready,
	.data = on_input,
	.eof = on_input_end,
	.resize = on_resize,
	.drain = on_client_drain,
	.gone = on_client_gone,
};

/* ---- accepting ---- */

/* False for a malformed or missing command. */
static bool read_args(struct http_request *r, struct exec *x)
{
	struct slice rest = r->query, pair, key, value, arg;

	x->args = val_new_array(&x->arena);
	while (slice_next(&rest, '&', &pair)) {
		slice_cut(pair, '=', &key, &value);
		if (!slice_is(key, "command")) {
			continue;
		}
		if (!http_percent_decode(&r->arena, value, true, &arg) ||
		    memchr(arg.p, 0, arg.len)) {
			return false;
		}
		val_append(x->args, val_new_str(&x->arena, arg));
	}
	return val_len(x->args) > 0;
}

void exec_serve(struct server *s, struct http_request *r, const struct server_target *t)
{
	struct pod_container_view c;
	struct channel_ask ask;
	struct exec *x;

	if (!server_channel_ask(r, &ask) || !server_running_container(r, t, &c)) {
		return;
	}
	x = NEW(struct exec);
	if (!read_args(r, x)) {
		server_refuse(r, 400, "BadRequest", "you must specify a command");
		exec_free(x);
		return;
	}
	x->runtime = s->agent->runtime;
	x->ask = ask;
	x->name = slice_dup(val_get_str(c.spec, "name"));
	snprintf(x->id, sizeof(x->id), "%s", runtime_id(c.runtime));
	x->channels = channel_accept(r, &ask, &client_events, x);
	if (!x->channels) {
		exec_free(x);
	}
}
