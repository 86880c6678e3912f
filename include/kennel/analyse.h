/* What: libkennel-analyse: what is wrong with the manifests of a Kubernetes application, who reaches whom and why, from
 * text alone. No network, no root, no daemon; no file is opened but those that kennel_input_add_path is given.
 *
 *     struct kennel_error error;
 *     struct kennel_input *in = kennel_input_new(NULL, &error);
 *     struct kennel_answer *found;
 *
 *     if (kennel_input_add_path(in, "manifests", &error) < 0)
 *             errx(2, "%s", error.message);
 *     found = kennel_check(in, NULL, &error);
 *     for (size_t i = 0; i < kennel_answer_n_findings(found); i++)
 *             puts(kennel_answer_finding(found, i)->cause);
 *     kennel_answer_free(found);
 *     kennel_input_free(in);
 *
 * Ownership: what a function named _new, or a question, returns is the caller's and goes back by its _free; text that
 * kennel_answer_write and kennel_catalogue_write return goes back by kennel_text_free. Every const pointer is borrowed
 * and lives as long as the handle it came from. An answer borrows its inputs: free answers first. All _free accept null.
 *
 * Failures: functions that return int give 0 or a negative enum kennel_status; those that return a pointer give null. The
 * last argument, which may be null, then holds the status and one sentence in English. Without a failure it is not
 * touched. Out of memory ends the process, as does an inconsistency inside; both are told on standard error.
 *
 * Threads: there is no state outside of handles. Different inputs may be used by different threads at the same time; one
 * input, its answers included, by one thread at a time.
 *
 * Stability: version 1 of this interface only grows: functions, enumerators and members at the end of structs that the
 * library hands out are added, nothing is taken away or changed. Options that the caller fills in begin with their size.
 * The text of an answer (its words, not its form) may change with any release; so may which findings there are. */
#ifndef KENNEL_ANALYSE_H
#define KENNEL_ANALYSE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KENNEL_ANALYSE_API 1

/* The interface that the library at hand has (KENNEL_ANALYSE_API when it was built), and its release ("0.1.0"). */
unsigned kennel_analyse_api(void);
const char *kennel_analyse_version(void);

enum kennel_status {
	KENNEL_OK = 0,
	KENNEL_ERROR_USAGE = -1,       /* an argument that means nothing here */
	KENNEL_ERROR_NOT_FOUND = -2,   /* a name that nothing has */
	KENNEL_ERROR_SYNTAX = -3,      /* text that cannot be understood */
	KENNEL_ERROR_LIMIT = -4,       /* larger than the library will look at */
	KENNEL_ERROR_IO = -5,          /* a file that cannot be read */
	KENNEL_ERROR_UNSUPPORTED = -6, /* a kustomization that needs kustomize */
	KENNEL_ERROR_OTHER = -7,
};
struct kennel_error {
	int status; /* enum kennel_status */
	char message[256];
};

/* ---- input: a set of manifests, and what is known of their target ---- */

struct kennel_input;

/* profile: facts of the target: "eks", "eks-strict", "calico", "cilium", "k3s", "kind", "none"; null: what holds on every
 * usual cluster. Failure: KENNEL_ERROR_USAGE. */
struct kennel_input *kennel_input_new(const char *profile, struct kennel_error *error);
void kennel_input_free(struct kennel_input *in);
/* The profiles' names; null past the last. Static. */
const char *kennel_profile_name(unsigned i);

/* Adds YAML or JSON: one object or several, a List, documents with "---" between. 'file' is how positions name it.
 * Everything is copied. Mistakes in the text are no failure: they become problems, and the rest is looked at. Objects
 * are added before the first question; after it, KENNEL_ERROR_USAGE. */
int kennel_input_add_text(struct kennel_input *in, const char *file, const char *text, size_t size,
                          struct kennel_error *error);
/* Adds a file, a folder (its kustomization, or every .yaml, .yml and .json by name) or standard input ("-"). A
 * kustomization of more than resources and namespace is KENNEL_ERROR_UNSUPPORTED: add what 'kubectl kustomize' prints. */
int kennel_input_add_path(struct kennel_input *in, const char *path, struct kennel_error *error);

/* What could not be read: "file:3:4: sentence"; null past the last. An answer is about the rest. */
size_t kennel_input_n_problems(const struct kennel_input *in);
const char *kennel_input_problem(const struct kennel_input *in, size_t i);
size_t kennel_input_n_objects(const struct kennel_input *in);

/* ---- questions ---- */

struct kennel_answer;

enum kennel_severity { KENNEL_INFO, KENNEL_WARN, KENNEL_ERROR };
struct kennel_check_options {
	size_t size;                /* sizeof(struct kennel_check_options) */
	enum kennel_severity least; /* milder findings are left away */
	const char *
		baseline; /* an earlier answer in form "json": what it tells is left away; or null */
	size_t baseline_size;
};
/* What is wrong. options: null for all findings. */
struct kennel_answer *kennel_check(struct kennel_input *in,
                                   const struct kennel_check_options *options,
                                   struct kennel_error *error);
/* Why the source reaches the destination or not, hop by hop. source: "internet", "browser", an address, [kind/]name,
 * namespace/name, namespace:key=value,...; destination: a URL, host:port, an address, [kind/]name[:port], a database's
 * name or endpoint. Failure: KENNEL_ERROR_USAGE or _NOT_FOUND, with the nearest name. */
struct kennel_answer *kennel_explain(struct kennel_input *in, const char *source,
                                     const char *destination, struct kennel_error *error);
/* Who reaches whom on which ports. from, to: only these places ("shop/web", "shop" and a star for all of it,
 * "10.0.0.0/16", "internet"); null: all. */
struct kennel_answer *kennel_matrix(struct kennel_input *in, const char *from, const char *to,
                                    struct kennel_error *error);
/* Which flows a change opens, closes or alters. */
struct kennel_answer *kennel_diff(struct kennel_input *before, struct kennel_input *after,
                                  struct kennel_error *error);
/* Are the expectations (YAML) met? 'file' is how positions name them. */
struct kennel_answer *kennel_verify(struct kennel_input *in, const char *file, const char *text,
                                    size_t size, struct kennel_error *error);
/* Who depends on whom, as values tell it. space: only what is in this namespace or concerns it; null: all. */
struct kennel_answer *kennel_graph(struct kennel_input *in, const char *space,
                                   struct kennel_error *error);

/* ---- answers ---- */

void kennel_answer_free(struct kennel_answer *answer);

/* 1 when all is as one would wish: nothing found (check), it reaches (explain), no flow differs (diff), all
 * expectations are met (verify); always for matrix and graph. Else 0. */
int kennel_answer_is_fine(const struct kennel_answer *answer);
/* diff: does the change open (close) a flow? Others: 0. */
int kennel_answer_opens(const struct kennel_answer *answer);
int kennel_answer_closes(const struct kennel_answer *answer);

/* The forms in which this answer can be written ("text" first, "json" among them); null past the last. Static. */
const char *kennel_answer_form(const struct kennel_answer *answer, unsigned i);
/* The answer in that form, terminated; *size (may be null) without the terminator. Secrets are never in it. Failure:
 * KENNEL_ERROR_USAGE with the forms there are. */
char *kennel_answer_write(const struct kennel_answer *answer, const char *form, size_t *size,
                          struct kennel_error *error);
/* All checks there are, as "text", "json", "yaml" or "markdown". */
char *kennel_catalogue_write(const char *form, size_t *size, struct kennel_error *error);
void kennel_text_free(char *text);

/* ---- findings, one by one ---- */

struct kennel_place {
	const char *kind, *space,
		*name;         /* of the object; space: its namespace, "" when it is in none */
	const char *file;      /* as it was added */
	uint32_t line, column; /* from 1; 0: not known */
};
struct kennel_evidence {
	struct kennel_place place;
	const char *text; /* what is there */
};
enum kennel_certainty {
	KENNEL_CONTEXT, /* by what the profile says */
	KENNEL_LIKELY,  /* manifests alone cannot prove it */
	KENNEL_EXACT,
};
struct kennel_finding {
	const char *id, *title; /* of the check: "SVC001" */
	enum kennel_severity severity;
	enum kennel_certainty certainty;
	const char *hop;           /* what on the way it breaks: "network policy" */
	struct kennel_place place; /* what has to be changed */
	const char *field;         /* in the object: "spec.ports[0].targetPort"; "" for all of it */
	const char *cause;         /* one sentence */
	const char *symptom, *repair; /* what a user sees; what to do */
	const char *fingerprint;      /* stays the same when lines move */
	const char *because;          /* id of the finding that explains this one; null: none */
	size_t n_evidence;
	const struct kennel_evidence *const *evidence;
};
/* Of an answer of kennel_check, the cause first; 0 and null for others. */
size_t kennel_answer_n_findings(const struct kennel_answer *answer);
const struct kennel_finding *kennel_answer_finding(const struct kennel_answer *answer, size_t i);

#ifdef __cplusplus
}
#endif
#endif
