/* What: an intrusive doubly linked list. Say in the member's remark which list the link is for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct list_link {
	struct list_link *prev, *next; /* null when in no list */
};

struct list {
	struct list_link head; /* zeroed or list_init: empty */
};

static inline void list_init(struct list *l)
{
	l->head.prev = l->head.next = &l->head;
}

static inline bool list_is_empty(const struct list *l)
{
	return !l->head.next || l->head.next == &l->head;
}

static inline bool list_has_link(const struct list_link *link)
{
	return link->next != NULL;
}

static inline void list_push(struct list *l, struct list_link *link)
{
	if (!l->head.next) {
		list_init(l);
	}
	link->prev = l->head.prev;
	link->next = &l->head;
	l->head.prev->next = link;
	l->head.prev = link;
}

static inline void list_push_front(struct list *l, struct list_link *link)
{
	if (!l->head.next) {
		list_init(l);
	}
	link->next = l->head.next;
	link->prev = &l->head;
	l->head.next->prev = link;
	l->head.next = link;
}

static inline void list_unlink(struct list_link *link)
{
	if (link->next) {
		link->prev->next = link->next;
		link->next->prev = link->prev;
		link->prev = link->next = NULL;
	}
}

static inline struct list_link *list_first(const struct list *l)
{
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not see what unlinking writes through neighbours */
	return list_is_empty(l) ? NULL : l->head.next;
}

static inline struct list_link *list_after(const struct list *l, const struct list_link *link)
{
	return link->next == &l->head
	               ? NULL
	               : link->next; /* NOLINT(clang-analyzer-unix.Malloc): as above */
}

/* Visits every entry; the visited one may be unlinked and freed. */
#define list_for_each(l, it, type, member)                                                         \
	for (struct list_link *it##_at = list_first(l),                                            \
	                      *it##_after = it##_at ? list_after((l), it##_at) : NULL;             \
	     it##_at;                                                                              \
	     it##_at = it##_after, it##_after = it##_at ? list_after((l), it##_at) : NULL)         \
		for (type *it = container_of(it##_at, type, member), *it##_once = it; it##_once;   \
		     it##_once = NULL)
