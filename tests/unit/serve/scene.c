/* Why: see scene.h. */
#include "scene.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

int scene_set_up(void **state)
{
	struct scene *s = NEW(struct scene);

	if (geteuid() != 0) {
		free(s);
		*state = NULL;
		return 0;
	}
	*s = (struct scene){ .folder = "/tmp/kennel-serve-XXXXXX" };
	assert_non_null(mkdtemp(s->folder));
	assert_int_equal(chmod(s->folder, 0711), 0);
	s->path = mem_printf("%s/h", s->folder);
	s->loop = loop_new();
	home_init(&s->home, s->path, "test");
	assert_int_equal(home_make(&s->home, NULL), 0);
	*state = s;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

int scene_tear_down(void **state)
{
	struct scene *s = *state;

	if (s) {
		home_fini(&s->home);
		loop_run_once(s->loop);
		loop_free(s->loop);
		assert_int_equal(nftw(s->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
		free(s->path);
		free(s);
	}
	return 0;
}

static void on_tick(struct loop_timer *t)
{
	loop_stop(container_of(t, struct scene, tick)->loop);
}

void scene_turn(struct scene *s)
{
	loop_timer_start(s->loop, &s->tick, US_PER_MS, on_tick);
	loop_run(s->loop);
}

const char *scene_mode(struct scene *s, const char *name)
{
	static char text[64];
	scoped_free char *path = home_file(&s->home, "%s", name);
	struct stat st;

	if (lstat(path, &st) < 0) {
		return "none";
	}
	snprintf(text, sizeof(text), "%04o %u %u", (unsigned)st.st_mode & 07777, st.st_uid,
	         st.st_gid);
	return text;
}
