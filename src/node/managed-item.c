/* Why: one server's life: facts are gathered, managed-step.h decides, and what the state asks for
 * is done.
 *
 * Everything that happens (object, Secret, container, timer) only asks for a look; a look computes
 * the facts anew, so no event can be missed or come in a wrong order. */
#include "node/managed-priv.h"

#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "base/chance.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/must.h"
#include "node/managed-host.h"

#define STARTING_US                                                                                \
	(600 *                                                                                     \
	 US_PER_S) /* a database mends itself after a crash: that may take long              \
	                  */
#define POLL_QUICK_US   (10 * US_PER_MS)
#define POLL_SLOW_US    (200 * US_PER_MS)
#define QUICK_US        (3 * US_PER_S)  /* how long it is asked often */
#define STABLE_US       (30 * US_PER_S) /* runs that long: its failures are forgotten */
#define ASK_AGAIN_US    (1 * US_PER_S)  /* to end */
#define EARLY_GRACE_US  (5 * US_PER_S)  /* MariaDB may hang when told to end before it is up */
#define REST_FLOOR_US   (1 * US_PER_S)
#define REST_CEILING_US (60 * US_PER_S)

static void on_look(struct loop_defer *d);

/* ---- life ---- */

struct managed_item *item_new(struct managed *m, enum managed_kind kind, struct slice ns,
                              struct slice name)
{
	struct managed_item *i = NEW(struct managed_item);
	const char *folder = managed_kind_info(kind)->folder;
	scoped_free char *key =
		mem_printf("%s/" SLICE_FMT "/" SLICE_FMT, folder, SLICE_ARG(ns), SLICE_ARG(name));

	i->m = m;
	i->kind = kind;
	i->ns = slice_dup(ns);
	i->name = slice_dup(name);
	i->dir = mem_printf("%s/managed/%s", m->agent->home, key);
	snprintf(i->id, sizeof(i->id), "%s-%012llx", kind == MANAGED_DATABASE ? "db" : "ca",
	         (unsigned long long)(slice_hash(slice_of(key)) & 0xffffffffffff));
	i->pins = mem_printf("%s/managed/%s", m->agent->run_dir, i->id);
	i->uid = managed_uid(i->id, m->agent->api_uid);
	i->backoff = (struct backoff){ .floor_us = REST_FLOOR_US, .ceiling_us = REST_CEILING_US };
	i->wish.kind = kind;
	list_push(&m->items, &i->in_managed);
	return i;
}

void item_free(struct managed_item *i)
{
	list_unlink(&i->in_managed);
	loop_timer_stop(&i->rest);
	loop_timer_stop(&i->poll);
	loop_timer_stop(&i->grace);
	loop_timer_stop(&i->stable);
	loop_timer_stop(&i->write_again);
	loop_defer_cancel(&i->look);
	managed_call_cancel(i->call);
	if (i->write) {
		client_cancel(i->write);
	}
	if (i->status_write) {
		client_cancel(i->status_write);
	}
	if (i->ca_write) {
		client_cancel(i->ca_write);
	}
	if (i->pending) {
		i->pending->item = NULL; /* its end finds nobody */
	}
	if (i->bootstrap) {
		process_kill(i->bootstrap, SIGKILL);
	}
	managed_unwatch(i->secret);
	managed_unwatch(i->group);
	doc_unref(i->group_doc);
	doc_unref(i->doc);
	arena_fini(&i->arena);
	free(i->ns);
	free(i->name);
	free(i->dir);
	free(i->pins);
	free(i->endpoint);
	free(i);
}

void item_look(struct managed_item *i)
{
	loop_defer(i->m->agent->loop, &i->look, on_look);
}

void item_fail(struct managed_item *i, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(i->trouble, sizeof(i->trouble), fmt, ap);
	va_end(ap);
	i->failed = true;
	log_odd("Managed server is in trouble: %s kind=%s name=%s/%s", i->trouble,
	        managed_kind_info(i->kind)->kind, i->ns, i->name);
	item_look(i);
}

void item_set_object(struct managed_item *i, const struct doc *d)
{
	struct val *object;

	doc_unref(take(i->doc));
	if (d) {
		i->doc = doc_ref(d);
		/* The wish outlives the object: removing needs it too. */
		arena_reset(&i->arena);
		object = val_copy(&i->arena, d->root);
		managed_wish_of(&i->arena, i->kind, object, &i->wish);
		i->was_deleted = i->was_deleted ||
		                 !val_is_null(val_path(object, "metadata.deletionTimestamp"));
		if (!i->endpoint || i->state == MANAGED_WAITING) {
			scoped_strbuf struct strbuf name = { 0 };

			managed_endpoint(&name, &i->wish, i->m->agent->instance);
			free(i->endpoint);
			i->endpoint = strbuf_steal(&name);
		}
	}
	item_look(i);
}

/* ---- facts ---- */

static bool is_wanted(const struct managed_item *i)
{
	return i->doc && (!i->was_deleted || i->wish.is_protected);
}

/* Its settings are others than those it was started with; a wish that cannot be fulfilled changes
 * nothing for a server that runs. */
static bool is_stale(struct managed_item *i)
{
	scoped_strbuf struct strbuf text = { 0 };
	uint64_t hash;

	return is_wanted(i) && !i->wish.terminal && !i->waits_for &&
	       item_settings(i, &text, &hash, NULL) == 0 && hash != i->settings;
}

static struct managed_facts facts_of(struct managed_item *i)
{
	bool stale = i->settings && is_stale(i);

	return (struct managed_facts){
		.wanted = is_wanted(i),
		.acceptable = !i->wish.terminal && !i->waits_for,
		.claimed = item_is_claimed(i),
		.busy = i->busy,
		.prepared = i->prepared,
		.failed = i->failed,
		.process = i->container != NULL,
		.answers = i->answers,
		.stale = stale,
		.rested = i->rested || (stale && !i->waits_for),
		.removed = i->removed,
		.released = item_is_released(i),
	};
}

/* ---- does it answer? ---- */

static void on_poll(struct loop_timer *t);

static void poll_again(struct managed_item *i)
{
	int64_t passed = loop_now_us(i->m->agent->loop) - i->since_us;

	loop_timer_start(i->m->agent->loop, &i->poll,
	                 passed < QUICK_US ? POLL_QUICK_US : POLL_SLOW_US, on_poll);
}

static void on_called(void *arg, const struct err *why)
{
	struct managed_item *i = arg;

	i->call = NULL;
	if (why) {
		if (why->code == ERR_INVALID) { /* it speaks, and says no */
			snprintf(i->trouble, sizeof(i->trouble), "%s", why->msg);
			item_report(i);
		}
		if (i->state == MANAGED_STARTING || i->state == MANAGED_RUNNING) {
			poll_again(i);
		}
		return;
	}
	i->trouble[0] = '\0';
	if (i->kind == MANAGED_DATABASE && strcmp(i->applied, i->password) != 0 && *i->password) {
		if (i->state == MANAGED_RUNNING) {
			item_event(i, "Normal", "PasswordChanged",
			           "The master user has a new password");
		}
		memcpy(i->applied, i->password, sizeof(i->applied));
	}
	i->answers = true;
	item_save(i);
	item_look(i);
}

/* Logs in; gives the master user another password on the way when the Secret has one. */
static void call_server(struct managed_item *i)
{
	scoped_free char *folder = mem_printf("%s/run", i->dir);
	scoped_strbuf struct strbuf statements = { 0 };

	if (i->call) {
		return;
	}
	if (i->kind == MANAGED_DATABASE && *i->password && strcmp(i->applied, i->password) != 0) {
		managed_password_statements(&statements, &i->wish, i->password);
	}
	i->call = managed_call_start(i->m->agent->loop, folder,
	                             i->kind == MANAGED_DATABASE ? MANAGED_DIALOG_MYSQL
	                                                         : MANAGED_DIALOG_REDIS,
	                             strbuf_slice(&statements), on_called, i);
}

static void on_poll(struct loop_timer *t)
{
	struct managed_item *i = container_of(t, struct managed_item, poll);

	if (i->state == MANAGED_STARTING &&
	    loop_now_us(i->m->agent->loop) - i->since_us > STARTING_US && i->container) {
		item_fail(i, "server does not answer after %d s", (int)(STARTING_US / US_PER_S));
		runtime_kill_all(i->container);
		return;
	}
	call_server(i);
}

/* ---- what its container tells ---- */

static void on_removed(void *arg)
{
	struct managed_item *i = arg;

	i->container = NULL;
	i->container_id[0] = '\0';
	item_save(i);
	item_look(i);
}

static void drop_container(struct managed_item *i)
{
	i->answers = false;
	i->call = managed_call_cancel(i->call);
	loop_timer_stop(&i->poll);
	loop_timer_stop(&i->grace);
	runtime_remove(i->container, on_removed, i);
}

static void on_created(void *arg, const struct err *why)
{
	struct managed_item *i = arg;

	if (why) {
		item_fail(i, "%s", why->msg);
		drop_container(i);
		return;
	}
	runtime_start(i->container);
}

static void on_started(void *arg, const struct err *why)
{
	struct managed_item *i = arg;

	if (why) {
		item_fail(i, "%s", why->msg);
		drop_container(i);
	} else if (i->state == MANAGED_STARTING) {
		poll_again(i);
	}
}

static void on_exited(void *arg, const struct runtime_exit *e)
{
	struct managed_item *i = arg;
	scoped_strbuf struct strbuf line = { 0 };

	if (i->state != MANAGED_STOPPING) {
		managed_last_error(i->dir, &line);
		item_fail(i, "server ended with exit code %d%s%s%s", e->code,
		          e->oom_killed ? " (out of memory)" : "", line.size ? ": " : "",
		          strbuf_str(&line));
		/* It never came up with what the group asks for. */
		i->is_incompatible =
			i->state == MANAGED_STARTING && val_len(i->overrides) && !i->was_available;
		item_event(i, "Warning", "ServerEnded", "%s", i->trouble);
	}
	drop_container(i);
}

const struct runtime_events item_container_events = {
	.created = on_created,
	.started = on_started,
	.exited = on_exited,
};

/* ---- entering a state ---- */

static void on_rested(struct loop_timer *t)
{
	struct managed_item *i = container_of(t, struct managed_item, rest);

	i->rested = true;
	item_look(i);
}

/* Asks again every second: the first process of a pid namespace does not hear what it has not set
 * up a handler for yet. */
static void on_grace(struct loop_timer *t)
{
	struct managed_item *i = container_of(t, struct managed_item, grace);
	struct loop *l = i->m->agent->loop;

	if (!i->container) {
		return;
	}
	if (loop_now_us(l) - i->since_us <
	    (i->answers ? managed_kind_info(i->kind)->grace_us : EARLY_GRACE_US)) {
		runtime_kill(i->container, SIGTERM);
		loop_timer_start(l, &i->grace, ASK_AGAIN_US, on_grace);
		return;
	}
	log_odd("A server did not end in time and is killed dir=%s", i->dir);
	runtime_kill_all(i->container);
}

static void on_stable(struct loop_timer *t)
{
	backoff_reset(&container_of(t, struct managed_item, stable)->backoff);
}

static void enter_running(struct managed_item *i)
{
	if (!i->was_available) {
		item_sync(i);
		item_event(i, "Normal", "Available", "%s answers at %s:%u",
		           i->kind == MANAGED_DATABASE ? "Database" : "Cache", i->endpoint,
		           i->wish.port);
	}
	i->was_available = true;
	i->is_incompatible = false;
	i->trouble[0] = '\0';
	item_save(i);
	loop_timer_start(i->m->agent->loop, &i->stable, STABLE_US, on_stable);
}

static void enter(struct managed_item *i, enum managed_state to)
{
	struct loop *l = i->m->agent->loop;

	switch (to) {
	case MANAGED_PREPARING:
		i->prepared = i->failed = false;
		break;
	case MANAGED_STARTING:
		if (!i->container) {
			item_start(i);
		} else {
			poll_again(i); /* adopted */
		}
		break;
	case MANAGED_RUNNING:
		enter_running(i);
		break;
	case MANAGED_RESTING:
		i->failed = i->rested = false;
		loop_timer_start(l, &i->rest, backoff_next_us(&i->backoff, chance_u32()),
		                 on_rested);
		break;
	case MANAGED_STOPPING:
		runtime_kill(i->container, SIGTERM);
		loop_timer_start(l, &i->grace, ASK_AGAIN_US, on_grace);
		break;
	case MANAGED_RELEASING:
		item_event(i, "Normal", "Deleted", "Nothing is left on the host%s",
		           i->wish.keeps_data || !i->was_deleted ? " but its data" : "");
		break;
	case MANAGED_WAITING:
	case MANAGED_CLAIMING:
	case MANAGED_REMOVING:
	case MANAGED_GONE:
	case MANAGED_STATE_COUNT:
		break;
	}
}

static void set_state(struct managed_item *i, enum managed_state to)
{
	must(managed_can_move(i->state, to));
	log_info("Managed server changes from=%s to=%s kind=%s name=%s/%s",
	         managed_state_name(i->state), managed_state_name(to),
	         managed_kind_info(i->kind)->kind, i->ns, i->name);
	i->state = to;
	i->since_us = loop_now_us(i->m->agent->loop);
	loop_timer_stop(&i->rest);
	loop_timer_stop(&i->stable);
	enter(i, to);
}

/* ---- being in a state ---- */

static void act(struct managed_item *i)
{
	switch (i->state) {
	case MANAGED_CLAIMING:
		item_claim(i);
		break;
	case MANAGED_PREPARING:
		if (!i->busy && !i->container && !i->failed && !i->prepared) {
			item_prepare(i);
		}
		break;
	case MANAGED_RUNNING:
		if (i->kind == MANAGED_DATABASE && *i->password &&
		    strcmp(i->password, i->applied) != 0) {
			call_server(i);
		}
		break;
	case MANAGED_REMOVING:
		if (!i->busy && !i->removed) {
			item_remove(i);
		}
		break;
	case MANAGED_RELEASING:
		item_release(i);
		break;
	case MANAGED_WAITING:
	case MANAGED_STARTING:
	case MANAGED_RESTING:
	case MANAGED_STOPPING:
	case MANAGED_GONE:
	case MANAGED_STATE_COUNT:
		break;
	}
}

static void on_look(struct loop_defer *d)
{
	struct managed_item *i = container_of(d, struct managed_item, look);
	bool acted = false;

	if (!managed_is_synced(i->m)) {
		return; /* taken up from the host; its object may come yet */
	}
	item_refresh(i);
	for (;;) {
		struct managed_facts f = facts_of(i);
		enum managed_state next = managed_step(i->state, &f);

		if (next != i->state) {
			set_state(i, next);
			acted = false;
		} else if (!acted) {
			act(i);
			acted = true;
		} else {
			break;
		}
	}
	if (i->state == MANAGED_GONE) {
		managed_forget(i->m, i);
	} else if (!i->is_looking_up) {
		item_report(i);
	}
}
