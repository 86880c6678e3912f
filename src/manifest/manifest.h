/* What: manifests as a person keeps them: files, folders, kustomizations, standard input; read into
 * objects that know their file and line, and checked against the kinds before anything is sent.
 *
 * Limits: 512 MiB of one file, 64 MiB of one YAML text, 1 GiB of memory for all objects, 1,000 problems told; what
 * is beyond is refused or summed up, and what was read by then stays. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "codec/value.h"
#include "schema/kind.h"

struct manifest {
	const char *file;        /* as a person would name it; in the arena */
	struct val *object;      /* in the arena; nodes know line and column */
	const struct kind *kind; /* null: of a CRD that only the server may know */
};

/* Builds a kustomization as 'kubectl kustomize FOLDER' does: appends its objects as text. */
typedef int manifests_build_fn(const char *folder, struct strbuf *out, struct err *err);

struct manifests {
	struct arena arena;
	manifests_build_fn *build; /* or null */
	struct registry *registry; /* owned: built-in kinds and those of CRDs among the manifests */
	VEC(struct manifest)
	all;                  /* in the order of apply: namespaces and CRDs first, then as read */
	VEC(char *) problems; /* "file:line:column: Deployment x: spec.y: sentence"; owned */
};

/* build: for kustomizations that use more than resources and namespace; null: those are refused. */
void manifests_init(struct manifests *m, manifests_build_fn *build);
void manifests_fini(struct manifests *m);
/* Reads a file, a folder (its kustomization, or every .yaml, .yml and .json by name) or "-". Mistakes inside
 * the files go to problems. Failure: unreadable. */
MUST_USE int manifests_read(struct manifests *m, const char *path, struct err *err);
/* Reads one text as if it were that file. */
MUST_USE int manifests_read_text(struct manifests *m, const char *file, struct slice text,
                                 struct err *err);
/* Decodes strictly and validates every object of a known kind; mistakes go to problems. Call it once all is
 * read. */
void manifests_check(struct manifests *m);
