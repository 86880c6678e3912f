/* What: why A reaches B or not: every way from one to the other, hop by hop, each with its verdict, the
 * rule that decided, and why what nearly matched did not; the first broken hop with cause and repair.
 *
 * Flows, names, Services and Ingress rules are decided by model/, whose narration this is: what is told
 * here is what the kernel, the cluster's DNS and the ingress controller do. What files cannot tell (does
 * the program listen, does the public name lead here) is said as such and counts as passing.
 *
 * How to use: explain_make, then one of the writers; with a running system, observations are put beside
 * the predictions by explain_observe before writing. */
#pragma once

#include "analyse/form.h"
#include "analyse/subject.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "base/vec.h"

/* The hops, in the order in which a packet meets them. */
#define EXPLAIN_HOPS(X)                                                                            \
	X(CONFIG, "configuration") /* what a program was told to call */                           \
	X(BROWSER, "browser")      /* what a page makes a browser do */                            \
	X(NAME, "name")            /* public or cluster DNS */                                     \
	X(CDN, "CDN")                                                                              \
	X(BALANCER, "load balancer")        /* the Service of type LoadBalancer */                 \
	X(CONTROLLER, "ingress controller") /* is there one, may the balancer reach it */          \
	X(INGRESS, "ingress rule")          /* host, path, class */                                \
	X(GATEWAY, "gateway route")         /* of the Gateway API: listener, host, rule */         \
	X(TLS, "TLS")                                                                              \
	X(SERVICE, "service")          /* which port, of what type */                              \
	X(ENDPOINTS, "endpoints")      /* pods behind it */                                        \
	X(EGRESS, "egress policy")     /* of the source */                                         \
	X(ADMISSION, "ingress policy") /* of the destination */                                    \
	X(MESH, "mesh")                /* mutual TLS, authorization */                             \
	X(PORT, "pod port")                                                                        \
	X(PROCESS, "listening process")                                                            \
	X(DATABASE, "database")                                                                    \
	X(GROUP, "security group")                                                                 \
	X(ROUTE, "route")
enum explain_hop {
#define X(name, text) EXPLAIN_##name,
	EXPLAIN_HOPS(X)
#undef X
		EXPLAIN_HOP_COUNT
};
const char *explain_hop_text(enum explain_hop h);

enum explain_verdict { EXPLAIN_PASSES, EXPLAIN_UNSURE /* counts as passing */, EXPLAIN_BROKEN };
enum explain_note_type {
	NOTE_DECIDED, /* the rule that decided */
	NOTE_NEAR,    /* nearly matched, and why it did not */
	NOTE_FACT,    /* worth knowing */
	NOTE_OTHER,   /* was considered; for those who ask for everything */
};
struct explain_note {
	enum explain_note_type type;
	const struct object *object; /* may be null */
	const struct val *at;        /* part of it; may be null */
	const char *text;
};

/* How the hop can be asked of a running system. */
enum explain_place {
	AT_SOURCE, /* a pod of 'from' */
	AT_NODE,
	AT_VPC, /* where the balancer is */
	AT_HOST,
};
enum explain_probe_type {
	PROBE_NOTHING,
	PROBE_NAME,    /* resolve 'name' there, through the pod's search domains */
	PROBE_CONNECT, /* a connection is accepted */
	PROBE_PASSAGE, /* packets get through: a connection is accepted or refused, not lost */
	PROBE_TLS,   /* a handshake for 'name' through the edge, with a certificate that names it */
	PROBE_ROUTE, /* a request for 'name' and 'path' through the edge finds a rule */
	PROBE_HTTP,  /* ... and is answered by the program; AT_SOURCE: asked of it directly */
	PROBE_ORIGIN,   /* ... which admits the page's origin */
	PROBE_GREETING, /* a connection on which the server speaks first */
};
struct explain_probe {
	enum explain_probe_type type;
	enum explain_place place;
	const struct workload *from;  /* a pod of it */
	const struct workload *to;    /* a pod of it, or ... */
	const struct svc *service;    /* ... the Service's address, or ... */
	const struct object *managed; /* ... the managed service's, or ... */
	struct ip ip;                 /* ... this address */
	struct slice name, path;
	const struct slice
		*tries; /* PROBE_NAME: the full names in the order in which they are asked */
	size_t n_tries;
	enum proto proto;
	uint16_t port;
	bool tls;
};

struct explain_observation {
	bool made;
	bool passes;
	int status;       /* of HTTP, when the probe was a request that was answered; else 0 */
	const char *text; /* "connected in 0.4 ms from pod happy-tails/frontend-x" */
};

struct explain_step {
	enum explain_hop hop;
	enum explain_verdict verdict;
	const char *says;   /* what happens there, one sentence */
	const char *id;     /* of the catalogue's class when it breaks; may be null */
	const char *cause;  /* why it breaks or is unsure; else null */
	const char *repair; /* what to do; null unless broken */
	int answer;         /* HTTP status with which a request ends at this hop; 0: it goes on */
	VEC(struct explain_note) notes;
	struct explain_probe probe;      /* of this hop alone */
	struct explain_observation seen; /* set by explain_observe */
};

/* What a request over a path is answered with, where it is no status. */
enum { EXPLAIN_SILENCE = 0 /* nobody answers */, EXPLAIN_PROGRAM = -1 /* as the program likes */ };

struct explain_path {
	const char *title;   /* "through ingress happy-tails/happy-tails" */
	bool is_alternative; /* another way to the same; does not count for the answer */
	VEC(struct explain_step *) steps;
	struct explain_probe whole;             /* of all hops together */
	struct explain_observation seen;        /* of 'whole' */
	const struct explain_step *broken;      /* the first that is; null: it reaches */
	const struct explain_step *seen_broken; /* likewise by observation */
	bool disagrees;                         /* some observation is not what was predicted */
	int answer; /* predicted: an HTTP status, EXPLAIN_SILENCE or EXPLAIN_PROGRAM */
	const struct explain_step
		*ends; /* where a request ends before the program; null: nowhere */
};

struct explanation {
	struct arena arena; /* owns everything */
	const struct subject *subject;
	const char *source, *target;      /* as understood: "Deployment happy-tails/frontend" */
	VEC(struct explain_path *) paths; /* the asked ones first */
	VEC(struct explain_step *) steps; /* all, each once; paths share them */
	bool reaches, observed, disagrees;
};

/* SRC: internet, browser, an address, [kind/]name, namespace/name, namespace:key=value,...
 * DST: a URL, host:port, an address, [kind/]name[:port], a database's name or endpoint, database, cache.
 * Failure: ERR_USAGE for what names nothing (with the nearest name) or more than one thing. */
MUST_USE int explain_make(struct subject *s, struct slice src, struct slice dst,
                          struct explanation *ret, struct err *err);
void explanation_fini(struct explanation *x); /* accepts zeroed */

/* Puts an observation beside a prediction ('text' is copied); after the last, explain_conclude. */
void explain_observe(struct explanation *x, struct explain_observation *seen, bool passes,
                     const char *text);
void explain_conclude(struct explanation *x);

struct explain_style {
	bool colours, everything; /* everything: NOTE_OTHER too */
};
void explain_text(struct strbuf *out, const struct explanation *x,
                  const struct explain_style *style);
void explain_markdown(struct strbuf *out, const struct explanation *x,
                      const struct explain_style *style);
void explain_json(struct strbuf *out, const struct explanation *x,
                  const struct explain_style *style);
void explain_yaml(struct strbuf *out, const struct explanation *x,
                  const struct explain_style *style);

/* A graph whose nodes are hops; paths share those they have in common. */
void explain_dot(struct strbuf *out, const struct explanation *x,
                 const struct explain_style *style);
void explain_svg(struct strbuf *out, const struct explanation *x,
                 const struct explain_style *style);
/* One page that needs nothing else. */
void explain_html(struct strbuf *out, const struct explanation *x,
                  const struct explain_style *style);

struct explain_form {
	const char *name;
	void (*write)(struct strbuf *out, const struct explanation *x,
	              const struct explain_style *style);
};
extern const struct explain_form explain_forms[];
