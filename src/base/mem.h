/* What: small allocations that abort without memory, hand-over and block-scoped release.
 *
 * What a client can size must not come from here unchecked: a limit refuses first. */
#pragma once

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

void *mem_alloc(size_t size);                      /* zeroed; never null */
void *mem_realloc(void *p, size_t n, size_t each); /* never null; overflow aborts */
char *mem_strdup(const char *s);                   /* null stays null */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define NEW(type) ((type *)mem_alloc(sizeof(type)))

/* Empties the variable and yields what was in it. */
#define take(ptr)                                                                                  \
	__extension__({                                                                            \
		__typeof__(ptr) taken = (ptr);                                                     \
		(ptr) = NULL;                                                                      \
		taken;                                                                             \
	})

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void scoped_free_fn(void *p)
{
	free(*(void **)p);
}

static inline void scoped_fd_fn(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
}

static inline void scoped_file_fn(FILE **f)
{
	if (*f) {
		fclose(*f);
	}
}

static inline void scoped_dir_fn(DIR **d)
{
	if (*d) {
		closedir(*d);
	}
}

#define scoped_free __attribute__((cleanup(scoped_free_fn)))
#define scoped_fd   __attribute__((cleanup(scoped_fd_fn)))
#define scoped_file __attribute__((cleanup(scoped_file_fn)))
#define scoped_dir  __attribute__((cleanup(scoped_dir_fn)))
