/* What: a home folder of its own and a loop for the tests of this room. They need root, as the room does. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/loop.h"
#include "serve/home.h"

struct scene {
	char folder[40]; /* temporary; may be entered by everybody */
	char *path;      /* folder/h */
	struct home home;
	struct loop *loop;
	struct loop_timer tick;
	int idle;
};

int scene_set_up(void **state); /* *state: a struct scene; skips without root */
int scene_tear_down(void **state);
void scene_turn(struct scene *s); /* at most a millisecond */
#define SCENE_WAIT(s, condition)                                                                   \
	do {                                                                                       \
		for ((s)->idle = 0; !(condition); (s)->idle++) {                                   \
			scene_turn(s);                                                             \
			if ((s)->idle > 20000) {                                                   \
				fail_msg("waited in vain for %s", #condition);                     \
			}                                                                          \
		}                                                                                  \
	} while (0)
/* "0711 0 0" of H/name; "none" when there is none. Borrowed until the next call. */
const char *scene_mode(struct scene *s, const char *name);
