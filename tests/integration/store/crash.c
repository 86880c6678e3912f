/* Why: nothing that was acknowledged may be lost by kill -9.
 *
 *   child:  writes counters, objects that come and go -- "name value\n" once each is durable -->
 * pipe parent: reads what was acknowledged; after a while kills; opens the same file and compares
 *
 * A child that is started on a file goes on from what it finds there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store.h"

enum {
	COUNTERS = 20,
	ROUNDS = 12,
	AHEAD = 3, /* values that the child writes before it waits for the disk */
};

struct site {
	struct loop *loop;
	struct registry *registry;
	struct store *store;
	const struct kind *configmap;
};

static void site_open(struct site *s, const char *path, bool by_hand)
{
	struct store_config c = { .path = path };
	struct err err = { 0 };

	s->loop = by_hand ? loop_new_manual() : loop_new();
	s->registry = c.registry = registry_new();
	s->configmap = registry_find(s->registry, SLICE(""), SLICE("v1"), SLICE("ConfigMap"));
	if (store_open(s->loop, &c, &s->store, &err) < 0) {
		fail_msg("open: %s", err.msg);
	}
}

static void site_close(struct site *s)
{
	store_close(s->store);
	loop_free(s->loop);
	registry_free(s->registry);
}

static const struct doc *get(struct site *s, const char *name)
{
	return store_get(s->store, (struct key){ s->configmap, SLICE("default"), slice_of(name) });
}

static int64_t value_of(const struct doc *d)
{
	int64_t value = -1;

	return d && slice_to_i64(val_str(val_path(d->root, "data.v")), &value) ? value : -1;
}

/* ---- the child ---- */

struct ack {
	struct store_wait wait;
	int fd;
	char text[64];
};

static void acknowledge(struct store_wait *w)
{
	struct ack *a = container_of(w, struct ack, wait);
	size_t len = strlen(a->text);

	if (write(a->fd, a->text, len) != (ssize_t)len) {
		_exit(3);
	}
	free(a);
}

static void after_commit(struct site *s, int fd, const char *name, int64_t value)
{
	struct ack *a = NEW(struct ack);

	a->wait.fn = acknowledge;
	a->fd = fd;
	snprintf(a->text, sizeof(a->text), "%s %lld\n", name, (long long)value);
	store_after_commit(s->store, &a->wait);
}

/* Sets a counter; a value that is a multiple of seven removes it instead. */
static void count_on(struct site *s, int fd, const char *name, int64_t value)
{
	scoped_arena struct arena a = { 0 };
	struct val *v = val_new_object(&a), *meta = val_need_object(&a, v, "metadata");
	struct store_delete_opts o = { .grace_s = -1 };
	struct key key = { s->configmap, SLICE("default"), slice_of(name) };
	bool is_there = get(s, name) != NULL;
	int r;

	val_set_cstr(&a, meta, "name", name);
	val_set_cstr(&a, meta, "namespace", "default");
	val_set(&a, val_need_object(&a, v, "data"), "v",
	        val_new_strf(&a, "%lld", (long long)value));
	val_set(&a, val_get(v, "data"), "ballast", val_new_strf(&a, "%01000d", (int)value));
	if (value % 7 == 0) {
		r = is_there ? store_delete(s->store, key, &o, NULL, NULL) : 0;
	} else if (is_there) {
		r = store_update(s->store, s->configmap, v, NULL, NULL);
	} else {
		r = store_create(s->store, s->configmap, v, NULL, NULL);
	}
	if (r < 0) {
		_exit(2);
	}
	after_commit(s, fd, name, value);
}

static _Noreturn void write_for_ever(const char *path, int fd, int64_t from)
{
	struct site s;
	char name[16];

	site_open(&s, path, false);
	for (int64_t value = from;; value++) {
		for (int i = 0; i < COUNTERS; i++) {
			snprintf(name, sizeof(name), "c%d", i);
			count_on(&s, fd, name, value);
			if ((value + i) % 3 == 0) {
				loop_run_once(s.loop);
			}
		}
		if (value % AHEAD == 0) {
			loop_run(s.loop); /* until all is on the disk */
		}
	}
}

/* ---- the parent ---- */

struct acked {
	int64_t value[COUNTERS]; /* last acknowledged */
	int64_t most;
	size_t n;
};

static void take_line(struct acked *a, struct slice line)
{
	struct slice name, number;
	int64_t i, value;

	assert_true(slice_cut(line, ' ', &name, &number));
	assert_true(slice_to_i64(slice_from(name, 1), &i) && slice_to_i64(number, &value));
	assert_true(value > a->value[i]);
	a->value[i] = value;
	a->most = value > a->most ? value : a->most;
	a->n++;
}

/* Reads acknowledgements for some time, then kills, then reads what is left in the pipe. */
static void read_and_kill(struct acked *a, int fd, pid_t pid, int64_t for_us)
{
	int64_t end = 0;
	scoped_strbuf struct strbuf text = { 0 };
	bool killed = false;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char *to = strbuf_reserve(&text, 65536);
		ptrdiff_t at;
		ssize_t n;

		poll(&p, 1, 10);
		if (end && !killed && clock_mono_us() >= end) {
			kill(pid, SIGKILL);
			killed = true;
		}
		if (!p.revents) {
			continue;
		}
		n = read(fd, to, 65536);
		assert_true(n >= 0);
		if (n == 0) {
			break;
		}
		end = end ? end : clock_mono_us() + for_us; /* the clock runs from the first one */
		strbuf_added(&text, (size_t)n);
		while ((at = slice_find(strbuf_slice(&text), '\n')) >= 0) {
			take_line(a, slice_head(strbuf_slice(&text), (size_t)at));
			strbuf_consume(&text, (size_t)at + 1);
		}
	}
	assert_true(killed);
}

/* What is found must be the acknowledged state or a later one. A removed counter says less: some
 * state from the acknowledged one to the last that the child can have reached must be a removal. */
static void compare(const struct acked *a, const char *path, uint64_t *revision)
{
	struct site s;
	char name[16];

	site_open(&s, path, true);
	assert_true(store_revision(s.store) > *revision);
	*revision = store_revision(s.store);
	for (int i = 0; i < COUNTERS; i++) {
		int64_t acked = a->value[i], value;

		snprintf(name, sizeof(name), "c%d", i);
		value = value_of(get(&s, name));
		if (value >= 0 ? value < acked : (acked + 6) / 7 * 7 > acked + AHEAD) {
			fail_msg("%s is %lld, acknowledged was %lld", name, (long long)value,
			         (long long)acked);
		}
	}
	site_close(&s);
}

static void remove_files(const char *path)
{
	static const char *const files[] = { "", "-wal", "-shm", "-lock" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		scoped_free char *name = mem_printf("%s%s", path, files[i]);

		unlink(name);
	}
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
	const char *tmp = getenv("TMPDIR");
	scoped_free char *folder = mem_printf("%s/kennel-crash-XXXXXX", tmp ? tmp : "/tmp");
	scoped_free char *path = NULL;
	struct acked a = { 0 };
	uint64_t revision = 0;

	(void)state;
	assert_non_null(mkdtemp(folder));
	path = mem_printf("%s/store.db", folder);
	for (int round = 0; round < ROUNDS; round++) {
		size_t before = a.n;
		int fds[2], status;
		pid_t pid;

		assert_int_equal(pipe(fds), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			close(fds[0]);
			write_for_ever(path, fds[1], a.most + 1);
		}
		close(fds[1]);
		read_and_kill(&a, fds[0], pid, 20000 + round * 17000);
		close(fds[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		assert_true(a.n > before);
		compare(&a, path, &revision);
	}
	remove_files(path);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_acknowledged_survives_kill_9),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
