/* What: which rule of which Ingress answers a request: class, merge of all Ingresses into hosts and
 * paths with their conflicts, and the choice for one host and path. Pure. The ingress controller
 * renders this table; the analyser asks it.
 *
 * Rules that several Ingresses give to one host are merged, the oldest Ingress first: it wins the
 * same path. A host is matched exactly, then by "*." (one label), else the table's host without
 * name answers. Within a host: Exact, then the longest Prefix by whole elements or raw prefix by
 * characters. One rewrite or use-regex makes all paths of the host regular expressions, the longest
 * text tried first, case ignored.
 *
 * Source: k8s/ingress, ingress-nginx/basic-usage, ingress-nginx/ingress-path-matching. */
#pragma once

#include "base/arena.h"
#include "codec/value.h"
#include "model/model.h"

/* ---- class ---- */

struct ingress_classes {
	const struct val *const *at; /* IngressClass objects */
	size_t n;
	const char *controller; /* spec.controller of the classes that are ours */
	const char *class_name; /* of the annotation kubernetes.io/ingress.class */
	bool without_class;     /* Ingresses without a class are ours too */
};
enum ingress_claim {
	INGRESS_OURS,
	INGRESS_CLASS_MISSING, /* spec.ingressClassName names no IngressClass */
	INGRESS_CLASS_FOREIGN, /* ... one of another controller */
	INGRESS_WORD_FOREIGN,  /* the old annotation names another class */
	INGRESS_UNCLAIMED,     /* no class, and no default class of ours */
};
enum ingress_claim ingress_claim_of(const struct ingress_classes *c, const struct val *ingress);

/* ---- what is read ---- */

/* An Ingress, with what its annotations mean for the choice. */
struct ingress_reading {
	const struct val *ingress;
	struct slice ns, name;
	bool use_regex, canary, from_to_www;
	struct slice rewrite_target; /* may be empty */
	struct slice aliases;        /* of server-alias: comma-separated */
	void *owner;                 /* the asker's */
};
/* As the annotations stand, unchecked. */
struct ingress_reading ingress_reading_of(const struct val *ingress);
/* Order of precedence: canaries (by annotation) last, then oldest, namespace, name. */
int ingress_precedence(const struct val *a, const struct val *b);

/* A DNS-1123 subdomain, or "*." and one; at most 253 characters. */
bool ingress_host_is_valid(struct slice host);
/* Path of type Exact or Prefix: begins with '/', letters, digits, "-._~/%+,@:=!*" only, without
 * "//", "/./", "/../", and an encoded slash. */
bool ingress_path_is_strict(struct slice path);
/* Path of type ImplementationSpecific, or on a host of regular expressions: begins with '/',
 * printable characters without quotes, blanks, ';', '#', '<', '>' and '`'; brackets and braces are
 * balanced and it does not end in '\'. */
bool ingress_path_is_regex(struct slice path);

/* ---- the table ---- */

enum ingress_match { PATH_EXACT, PATH_PREFIX, PATH_RAW /* ImplementationSpecific */ };

struct ingress_path {
	struct slice path; /* "/" at least; a Prefix without its final '/' */
	enum ingress_match match;
	const struct ingress_reading *of;  /* who asked for it */
	const struct val *at;              /* element of paths, or spec.defaultBackend */
	const struct val *backend;         /* IngressBackend */
	bool is_default;                   /* by spec.defaultBackend */
	const struct ingress_path *canary; /* may be null */
};
struct ingress_host {
	struct slice host; /* empty: every other host */
	bool is_regex;     /* every path is a regular expression */
	struct slice *aliases;
	size_t n_aliases;
	struct slice redirect_from;        /* the www twin that redirects here; may be empty */
	const struct ingress_reading *of;  /* the first Ingress of the host */
	const struct ingress_reading **by; /* all that have a rule for it, in order */
	size_t n_by;
	struct ingress_path *paths; /* in the order of trying: longest first */
	size_t n_paths;
};
struct ingress_table {
	struct ingress_host *hosts; /* the one without name first, then by name */
	size_t n_hosts;
};
/* Told of what is left out: reason is a word (PathIgnored, InvalidPath, InvalidHost, CanaryIgnored),
 * 'at' the rule or path. Texts live in the table's arena. */
typedef void ingress_problem_fn(void *arg, const struct ingress_reading *of, const struct val *at,
                                const char *reason, const char *text);
/* in: Ingresses of ours in order of precedence; borrowed while the table lives, which is in a.
 * problem may be null. */
struct ingress_table ingress_table_make(struct arena *a, const struct ingress_reading *in, size_t n,
                                        ingress_problem_fn *problem, void *arg);

/* ---- the choice ---- */

struct ingress_choice {
	const struct ingress_host *host; /* null: no such host, and none for all others */
	const struct ingress_path *path; /* null: the host has no path for it: 404 */
	bool by_other;                   /* the host without name answers */
	bool redirects;                  /* the www twin: answered by a redirect to 'host' */
	bool unsure; /* an expression before this one is beyond what is understood here */
};
/* host in lower case without port, path without query. The trace gets a line for every path of the
 * host and for hosts that nearly match; its objects are rules' paths or Ingresses. */
struct ingress_choice ingress_choose(const struct ingress_table *t, struct slice host,
                                     struct slice path, const struct trace *trace);
/* The entry of spec.tls that serves the host: the one that lists it, else one whose certificate
 * covers it. covers may be null. Null: none. */
typedef bool ingress_covers_fn(void *arg, struct slice secret, struct slice host);
const struct val *ingress_tls_for(const struct val *ingress, struct slice host,
                                  ingress_covers_fn *covers, void *arg);
