/* What: what the values of manifests say about the network: the addresses they name (references),
 * the ports they open (listenings), and the variables each container gets (settings).
 *
 * A value counts where a program reads it: a URL in a ConfigMap is one reference per container that
 * gets the key as a variable or as a file, with the ConfigMap's key as the place where it is
 * written. Keys that nobody reads are references without a workload.
 *
 * Why this way: rules ask "who calls what from where", never "what does this text look like"; so
 * every reading of text is here, once, and says how sure it is.
 *
 * Ownership: everything lives in struct values and the objects it was read from, which must outlive
 * it.
 *
 * Secrets: a reference out of a Secret keeps scheme, host and port, which are no secret, and only
 * when the text could not be read in another way; user, password, path and query are never kept.
 * Texts of settings with is_secret must not be printed.
 *
 * Sources: RFC 3986; kubernetes-api.md section 8.6 (environment). */
#pragma once

#include "base/arena.h"
#include "base/ip.h"
#include "base/map.h"
#include "base/slice.h"
#include "codec/value.h"
#include "model/model.h"

/* What kind of place the text was read from. */
#define VALUE_SOURCES(X)                                                                           \
	X(ENV, "env")               /* env[].value, written in the workload */                     \
	X(ENV_KEY, "env-key")       /* env[].valueFrom a key */                                    \
	X(ENV_FROM, "env-from")     /* envFrom */                                                  \
	X(FILE, "file")             /* a key that a volume makes a file */                         \
	X(KEY, "key")               /* a key of a ConfigMap or Secret that nobody reads */         \
	X(ARGUMENT, "argument")     /* command, args */                                            \
	X(PROBE, "probe")           /* startup, readiness, liveness */                             \
	X(HOOK, "hook")             /* lifecycle */                                                \
	X(PORT, "port")             /* containers[].ports (listenings only) */                     \
	X(ANNOTATION, "annotation") /* of an Ingress or Service */                                 \
	X(EXTERNAL_NAME, "external-name")                                                          \
	X(HOST_ALIAS, "host-alias")
enum value_source {
#define X(name, text) VALUE_##name,
	VALUE_SOURCES(X)
#undef X
		VALUE_SOURCE_COUNT
};

/* Where the address is used from. */
enum value_place {
	PLACE_POD,     /* the container itself */
	PLACE_BROWSER, /* a page the container serves: VITE_, REACT_APP_, NEXT_PUBLIC_... read at
	                  run time */
	PLACE_BUILD, /* such a variable where nothing can read it at run time: the image has its own
	                value */
	PLACE_NODE,  /* the kubelet: probes and hooks */
	PLACE_INGRESS, /* the ingress controller */
	PLACE_RESOLVER /* only a name behind a name: ExternalName */
};

/* What it is for. */
enum value_use {
	USE_CONNECT, /* somebody opens a connection to it */
	USE_ORIGIN,  /* an allowed origin, compared with what the browser sends (CORS) */
	USE_SELF,    /* the program's own public address (BASE_URL, redirect target) */
	USE_RESOLVE  /* a DNS server */
};

enum value_confidence {
	CONFIDENCE_LOW,    /* looks like an address; the name of the key does not say so */
	CONFIDENCE_MEDIUM, /* the key or the form says so */
	CONFIDENCE_HIGH    /* both, or the format defines it */
};

/* Where a text stands. */
struct value_where {
	const struct val
		*object; /* the whole object it is written in: ConfigMap, Deployment, Ingress... */
	const struct val *node; /* the value there; null when there is none */
	const char *path; /* "data.nginx.conf", "spec.template.spec.containers[0].env[2].value" */
	uint32_t line; /* in the object's file, from 1; 0 unknown. Inside a text of several lines */
	uint32_t col;  /* (a literal block) that of the address itself, else that of the node */
};

struct reference {
	struct value_where where;
	enum value_source source;
	enum value_place place;
	enum value_use use;
	enum value_confidence confidence;
	/* who reads it */
	const struct val *workload;  /* Deployment, StatefulSet, Pod...; null for Ingress, Service,
	                                unread keys */
	const struct val *container; /* null as well when no container is concerned */
	const char *name; /* variable, key, option or directive: "DATABASE_URL", "--upstream",
	                     "proxy_pass" */
	const char *file; /* FILE: its path in the container; else "" */
	/* what it names; texts are lower case where case does not matter, "" when absent */
	const char *scheme; /* "http", "mysql", "rediss", "grpc"...; by the format where it defines
	                       one */
	const char *host;   /* name without final dot, or address without brackets */
	struct ip ip;       /* when the host is an address */
	uint16_t port;      /* 0: not given and none known for the scheme */
	const char *url_path; /* "" in secrets */
	bool port_given;      /* written down; else by scheme */
	bool tls;             /* the scheme or an option asks for TLS */
	bool tls_off;         /* an option forbids it, or leaves it to chance */
	bool has_user, has_password;
	bool is_secret;   /* part of it comes from a Secret */
	bool is_template; /* a part is filled at run time ("${HOST}"); what is here is the rest */
	const char *problem; /* null, or why it will not be read as meant: a sentence without the
	                        text */
	/* The host or port is written by a FieldExport (in it: from.resource), or null. The host is
	 * then empty until the object is in status. */
	const struct val *exported;
};

/* A port that a container opens, or says so. */
enum value_scope { SCOPE_ANY, SCOPE_LOOPBACK, SCOPE_ADDRESS };
struct listening {
	struct value_where where;
	enum value_source source; /* PORT, ENV..., ARGUMENT, FILE, PROBE */
	enum value_scope scope;
	enum value_confidence confidence;
	const struct val *workload, *container;
	const char *name; /* port's name, variable, option, directive */
	const char *file; /* FILE: its path in the container; else "" */
	uint16_t port;    /* 0: only the address is given */
	enum proto proto;
	bool tls;
};

/* One variable of a container as the kubelet makes it. */
struct setting {
	struct value_where where; /* where its text is written */
	enum value_source source; /* ENV, ENV_KEY, ENV_FROM */
	const struct val *workload, *container;
	struct slice name, value; /* expanded; terminated */
	bool is_secret;           /* never print the value */
	bool is_known; /* false: the key or object is not among the files, or known at run time only
	                */
	const struct val *exported; /* the FieldExport that writes the key, or null */
};

struct values {
	struct arena arena;
	struct reference *references; /* by workload in the order of the objects, then as found */
	size_t n_references;
	struct listening *listenings; /* likewise */
	size_t n_listenings;
	struct setting
		*settings; /* likewise; by container in the pod's order, variables as they come */
	size_t n_settings;
	struct map by_workload; /* state */
};

/* Reads all objects (whole Kubernetes objects; null ones are passed over). Never fails: what cannot
 * be read is no reference. v need not be initialised. */
void values_read(struct values *v, const struct val *const *objects, size_t n_objects);
void values_fini(struct values *v); /* accepts zeroed */

/* Those of one workload (the object itself, by pointer), as a part of the arrays above. */
const struct reference *values_references(const struct values *v, const struct val *workload,
                                          size_t *ret_n);
const struct listening *values_listenings(const struct values *v, const struct val *workload,
                                          size_t *ret_n);
const struct setting *values_settings(const struct values *v, const struct val *workload,
                                      size_t *ret_n);
/* One variable of a container; null when it has none of that name. */
const struct setting *values_setting(const struct values *v, const struct val *container,
                                     const char *name);

/* What findings point at: the node, or a copy of it in 'a' that stands at the line within the text. */
const struct val *value_at(struct arena *a, const struct value_where *w);
const char *value_source_text(enum value_source s); /* "env-from" */
/* The pod template's spec of a workload of any kind (a Pod's own spec), or null. */
const struct val *value_pod_spec(const struct val *workload);
/* Is it a variable that bundlers put into the page: VITE_, REACT_APP_, NEXT_PUBLIC_...? */
bool value_is_browser_name(struct slice name);
/* Port of a scheme (443 for https), or 0; and the scheme usual on a port ("" when none). */
uint16_t value_scheme_port(struct slice scheme);
const char *value_port_scheme(uint16_t port);
/* "http://backend:5000" for people: scheme, host, port; never user, password, path. */
void value_reference_format(struct strbuf *out, const struct reference *r);
