/* What: what the files value*.c share: the reader that walks the objects, and one text with all
 * that is known about where it stands and who reads it. */
#pragma once

#include "analyse/address.h"
#include "analyse/config.h"
#include "analyse/value.h"
#include "base/vec.h"
#include "schema/env.h"

/* Bytes of one container's variables after $(NAME): Linux starts no program with more (execve(2): 6 MiB at
 * most). */
#define VALUE_ENV_MAX  ((size_t)6 << 20)
#define VALUE_TEXT_MAX ((size_t)1 << 20) /* bytes of one value: a ConfigMap cannot hold more */

struct value_reader {
	struct values *v;
	struct arena *arena; /* v's */
	VEC(struct reference) references;
	VEC(struct listening) listenings;
	VEC(struct setting) settings;
	struct map objects; /* "ConfigMap/ns/name" -> struct val: ConfigMaps and Secrets */
	struct map exports; /* "ConfigMap/ns/name/key" -> FieldExport */
	struct map read;    /* node of a key, by pointer: somebody reads it */
	struct map files;   /* node of a key and format, by pointer -> struct parsed_file */
	/* the workload at hand */
	const struct val *workload, *spec, *container;
	struct slice ns;
	const char *spec_path;      /* "spec.template.spec" */
	const char *container_path; /* "spec.template.spec.containers[0]" */
	struct env env;             /* of the container; parallel to settings from first_setting */
	size_t first_setting;
	size_t expanded;      /* bytes so far */
	bool templates_pages; /* something in the container writes values into pages at run time */
};

/* A text and all around it. */
struct value_text {
	struct slice text;
	struct value_where where; /* line, col: where the text begins */
	bool by_line;             /* its lines are lines of the file, each at where.col */
	enum value_source source;
	const char *name, *file;
	bool is_secret;
	enum value_place place;
	const struct val *exported;
};

/* ---- one text (value-text.c) ---- */
/* Where 'node' stands; path is kept. */
struct value_where value_where_of(const struct val *object, const struct val *node,
                                  const char *path);
/* Starts a text at a string node; the text may be another one (decoded, expanded). */
struct value_text value_text_of(const struct val *object, const struct val *node, const char *path);
/* The line and column of byte 'at' of the text. */
void value_text_position(const struct value_text *t, size_t at, struct value_where *ret);
/* Reads addresses and listening ports out of a text that is the value of 'key'. 'port': of a
 * sibling, or empty. 'scheme': known from elsewhere, or "". */
void value_read_text(struct value_reader *r, const struct value_text *t, struct slice key,
                     struct slice port, const char *scheme);
/* A port or address the container opens. */
void value_add_listening(struct value_reader *r, const struct value_text *t, struct slice address,
                         enum proto proto, bool tls, enum value_confidence confidence);
/* One address that is known to be called (a directive of a server). */
void value_add_call(struct value_reader *r, const struct value_text *t, struct slice address,
                    struct slice port, const char *scheme, bool tls, enum value_use use);

/* ---- variables (value-env.c) ---- */
/* Fills r->env and settings of r->container, then reads them. */
void value_read_env(struct value_reader *r);
/* A key of a ConfigMap or Secret: its node (null: none) and text; decodes. */
const struct val *value_key(struct value_reader *r, const struct val *object, struct slice key,
                            bool *ret_is_secret, struct slice *ret_text);
/* The same for 'it', a member of the object's "data" or "stringData": the node that its key means. */
const struct val *value_key_at(struct value_reader *r, const struct val *object, const char *map,
                               const struct val *it, bool *ret_is_secret, struct slice *ret_text);
const struct val *value_object(struct value_reader *r, const char *kind, struct slice name);
const char *value_key_path(struct arena *a, const struct val *object, struct slice key);

/* ---- the rest of a pod ---- */
void value_read_arguments(struct value_reader *r);
/* The words of one command; path: of the list; first: index of its first word in node's list. */
void value_read_command(struct value_reader *r, const struct val *const *lists,
                        const char *const *paths, size_t n_lists, enum value_source source,
                        enum value_place place);
void value_read_probes(struct value_reader *r);
void value_read_ports(struct value_reader *r);
void value_read_files(struct value_reader *r);
/* A text that is a file of the container (or of nobody: then r->container is null). */
void value_read_file(struct value_reader *r, const struct value_text *t);

/* ---- what is no pod (value-edge.c) ---- */
void value_read_ingress(struct value_reader *r, const struct val *ingress);
void value_read_service(struct value_reader *r, const struct val *service);

struct slice value_pointer_key(const void *const *p);
