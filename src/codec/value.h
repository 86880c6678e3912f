/* What: a JSON/YAML document as a tree of nodes that live in one arena.
 *
 * Why this way: one node type with sibling links is cheap to build, cheap to change and keeps
 * pointers to nodes valid while neighbours come and go. Objects keep the order of their members.
 *
 * Ownership: nodes belong to an arena; a struct doc is an arena with a root and a share count.
 * Once shared (put into a store, handed to a callback) a document is immutable: to change one, copy
 * it (val_copy) into an arena of your own.
 *
 * Null safety: every reader accepts a null node and answers as for an absent value, so
 * val_get(val_get(pod, "spec"), "nodeName") needs no checks between. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "base/strbuf.h"

enum val_type {
	VAL_NULL,
	VAL_BOOL,
	VAL_INT,   /* fits int64_t */
	VAL_FLOAT, /* any other number */
	VAL_STRING,
	VAL_ARRAY,
	VAL_OBJECT,
};

struct val {
	uint8_t type;  /* enum val_type */
	uint8_t flags; /* free for the user of the tree; parsers leave 0 */
	uint16_t col; /* position in the source text (of a member: of its name): character from 1 in
	               * its line, 0 unknown, 65535 beyond */
	uint32_t line;    /* line from 1, 0 unknown */
	struct val *next; /* next sibling */
	struct slice key; /* in an object: the member's name; terminated */
	union {
		struct {                /* not of containers: */
			struct slice s; /* string: its text, terminated; number: as written, not
			                   * terminated, may be empty */
			union {
				bool b;
				int64_t i;
				double d;
				struct { /* string out of YAML: where the text itself stands; 0
					  * unknown */
					uint32_t text_line; /* of its first character; from 1 */
					uint16_t text_col;  /* likewise */
					bool is_literal; /* a block (|): its lines are lines of the
					                  * source, each text_col - 1 columns
					                  * further right */
				};
			};
		};
		struct { /* of containers: */
			struct val *first, *last;
			uint32_t n; /* children */
		};
	};
};

/* ---- documents ---- */

struct doc {
	struct arena arena; /* owns every node */
	struct val *root;
	unsigned refs;
};

struct doc *doc_new(void); /* one share, root null */
struct doc *doc_ref(const struct doc *d);
struct doc *doc_unref(const struct doc *d); /* accepts null; returns null */
static inline void scoped_doc_fn(struct doc **d)
{
	doc_unref(*d);
}
#define scoped_doc __attribute__((cleanup(scoped_doc_fn)))
/* A new document holding a deep copy of v. */
struct doc *doc_copy_of(const struct val *v);

/* ---- reading ---- */

#define val_for_each(parent, it) for (const struct val *it = val_first(parent); it; it = it->next)

const struct val *val_first(const struct val *v);               /* null unless container */
struct val *val_get(const struct val *object, const char *key); /* member or null */
struct val *val_get_slice(const struct val *object, struct slice key);
struct val *val_at(const struct val *array, size_t i); /* element or null */
/* Walks members by a dotted path, "spec.template.metadata"; keys with dots need val_get. */
struct val *val_path(const struct val *v, const char *dotted);
size_t val_len(const struct val *v); /* children */
/* The string, or an empty slice (p "") when absent or of another type. */
struct slice val_str(const struct val *v);
/* Same, terminated; borrowed while the document lives; "" when absent. */
const char *val_cstr(const struct val *v);
int64_t val_int(const struct val *v, int64_t otherwise);
bool val_bool(const struct val *v, bool otherwise);
bool val_is_null(const struct val *v); /* absent or null */
static inline struct slice val_get_str(const struct val *object, const char *key)
{
	return val_str(val_get(object, key));
}
/* Of a string its text, of a number the text as written (not terminated, may be empty); empty for
 * all else. */
struct slice val_text(const struct val *v);
/* Deep equality; order of object members does not matter; 1 and 1.0 are equal. */
bool val_eq(const struct val *a, const struct val *b);

/* ---- building (all in 'a'; strings are copied) ---- */

struct val *val_new_null(struct arena *a);
struct val *val_new_bool(struct arena *a, bool b);
struct val *val_new_int(struct arena *a, int64_t i);
struct val *val_new_float(struct arena *a, double d);
struct val *val_new_str(struct arena *a, struct slice s);
struct val *val_new_cstr(struct arena *a, const char *s);
struct val *val_new_strf(struct arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
struct val *val_new_array(struct arena *a);
struct val *val_new_object(struct arena *a);
struct val *val_copy(struct arena *a, const struct val *v); /* deep; null stays null */

/* Sets a member, replacing one of that name in place; v becomes part of object (v must not be in
 * another container). Returns v. */
struct val *val_set(struct arena *a, struct val *object, const char *key, struct val *v);
struct val *val_set_slice(struct arena *a, struct val *object, struct slice key, struct val *v);
struct val *val_set_str(struct arena *a, struct val *object, const char *key, struct slice s);
struct val *val_set_cstr(struct arena *a, struct val *object, const char *key, const char *s);
struct val *val_set_int(struct arena *a, struct val *object, const char *key, int64_t i);
struct val *val_set_bool(struct arena *a, struct val *object, const char *key, bool b);
/* The member, made as an empty object (array) when absent or of another type. */
struct val *val_need_object(struct arena *a, struct val *object, const char *key);
struct val *val_need_array(struct arena *a, struct val *object, const char *key);
struct val *val_append(struct val *array, struct val *v); /* returns v */
bool val_remove(struct val *object, const char *key);     /* true when it was there */
bool val_remove_slice(struct val *object, struct slice key);
/* Takes one child out of its container; true when it was there. */
bool val_unlink(struct val *parent, struct val *child);
