/* What: all Ingresses of our class as one table of servers, paths and certificates. Pure: objects
 * in, routes and complaints out; nginx.c writes the table down.
 *
 * Which hosts and paths there are, and whose they are, is decided in model/ingress.h; here they get
 * what the annotations and Secrets say. What belongs to the whole server (certificate, aliases,
 * app-root) is taken from the first Ingress that has it. Source: ingress-nginx/basic-usage. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "codec/value.h"
#include "edge/settings.h"
#include "model/ingress.h"

struct route_backend {
	const char *key; /* "ns/service:port", also "ns/service:port@ip" with service-upstream */
	struct slice ns, service, port; /* port: a number or a name */
	bool to_cluster_ip;
};

struct route_location {
	struct slice path; /* "/" at least */
	enum ingress_match match;
	const struct ingress_settings *settings; /* null: no Ingress behind it, 404 */
	struct slice ns, ingress;                /* who asked for it */
	const struct route_backend *backend;     /* null: denied */
	const struct route_backend *canary;      /* may be null */
	const struct ingress_settings *canary_settings;
	const char *denied; /* answers 503, for this reason */
};

struct route_cert {
	struct slice ns, name; /* Secret; empty name: our own default */
	const char *file;      /* name of its file, derived from the content */
	struct slice pem;      /* chain, then key */
};

struct route_server {
	struct slice host; /* empty: every other host */
	struct slice *aliases;
	size_t n_aliases;
	struct route_location *locations; /* in the order nginx has to see them */
	size_t n_locations;
	bool is_regex;                 /* every path of the host is a regular expression */
	bool has_tls;                  /* some tls entry speaks of the host */
	const struct route_cert *cert; /* null: the default one */
	struct slice app_root;         /* may be empty */
	struct slice ns, ingress;      /* the first Ingress of the host */
	struct slice redirect_from;    /* the www twin that redirects here; may be empty */
	const struct ingress_settings *settings; /* of the first Ingress; null: none */
};

struct route_file {       /* of passwords */
	const char *name; /* derived from the content */
	struct slice text;
};

struct route_problem {
	const struct doc *ingress;
	const char *reason; /* of the event */
	const char *text;
};

struct routes {
	struct route_server *servers; /* the one without host first, then by host */
	size_t n_servers;
	struct route_cert *certs;
	size_t n_certs;
	struct route_file *auths;
	size_t n_auths;
	struct route_backend *backends;
	size_t n_backends;
	struct route_problem *problems;
	size_t n_problems;
	const struct doc **ingresses; /* of our class, oldest first, canaries last */
	size_t n_ingresses;
};

struct routes_input {
	const struct doc *const *ingresses;
	size_t n_ingresses;
	const struct doc *const *classes;
	size_t n_classes;
	const struct nginx_settings *global;
	const char *class_name; /* of the annotation kubernetes.io/ingress.class */
	const char *controller; /* spec.controller of the classes that are ours */
	bool without_class;     /* Ingresses without a class are ours too */
	/* The Secret, or null when there is none (yet). */
	const struct doc *(*secret)(void *arg, struct slice ns, struct slice name);
	/* True for an Ingress that the engine refused; *ret_why says why. May be null. */
	bool (*refused)(void *arg, struct slice ns, struct slice name, const char **ret_why);
	/* The same for a certificate's file. May be null. */
	bool (*cert_refused)(void *arg, const char *file, const char **ret_why);
	void *arg;
};

/* Everything lives in a; documents are borrowed. */
struct routes routes_make(struct arena *a, const struct routes_input *in);
/* Whether an Ingress is ours, by class. */
bool routes_is_ours(const struct routes_input *in, const struct val *ingress);
/* Calls fn for every Secret that the Ingress names. */
void routes_each_secret(const struct val *ingress,
                        void (*fn)(void *arg, struct slice ns, struct slice name), void *arg);
