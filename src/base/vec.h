/* What: a growable array, typed at the use: VEC(struct pod *) pods = { 0 }; */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define VEC(type)                                                                                  \
	struct {                                                                                   \
		type *at; /* owned */                                                              \
		size_t n;                                                                          \
		size_t room;                                                                       \
	}

#define vec_push(v, value)                                                                         \
	do {                                                                                       \
		if ((v)->n == (v)->room) {                                                         \
			(v)->room = (v)->room ? (v)->room * 2 : 8;                                 \
			(v)->at = mem_realloc((v)->at, (v)->room, sizeof(*(v)->at));               \
		}                                                                                  \
		(v)->at[(v)->n++] = (value);                                                       \
	} while (0)

/* Removes element i, keeping the order. */
#define vec_remove(v, i)                                                                           \
	do {                                                                                       \
		size_t i_ = (i);                                                                   \
		memmove(&(v)->at[i_], &(v)->at[i_ + 1], ((v)->n - i_ - 1) * sizeof(*(v)->at));     \
		(v)->n--;                                                                          \
	} while (0)

#define vec_clear(v) ((void)((v)->n = 0))
#define vec_fini(v)                                                                                \
	do {                                                                                       \
		free((v)->at);                                                                     \
		(v)->at = NULL;                                                                    \
		(v)->n = (v)->room = 0;                                                            \
	} while (0)
