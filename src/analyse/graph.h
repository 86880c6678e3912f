/* What: the dependencies of an application as its values tell them: who calls whom, and where that is written.
 *
 * Nodes are workloads, Services, managed databases and caches, Ingresses, the world outside, names nobody has, the
 * browser. Edges go from the caller to the called; each knows the values it was read from. A Service leads on to the
 * workloads behind it, an Ingress to its Services.
 *
 * Never holds a secret: of values out of Secrets there is scheme, host and port (see value.h). */
#pragma once

#include "analyse/form.h"
#include "analyse/target.h"

enum graph_node_kind {
	NODE_BROWSER,
	NODE_INGRESS,
	NODE_WORKLOAD,
	NODE_SERVICE,
	NODE_STORE,
	NODE_OUTSIDE,
	NODE_MISSING, /* a name that nobody has */
	GRAPH_NODE_KINDS
};
enum graph_edge_kind {
	EDGE_CALLS,   /* read from a value */
	EDGE_SELECTS, /* a Service and its pods */
	EDGE_ROUTES,  /* an Ingress and its Services */
	EDGE_NAMES,   /* an ExternalName */
};
struct graph_node {
	enum graph_node_kind kind;
	const char *name;            /* "shop/web", "db.example.com" */
	const char *what;            /* "Deployment", "Service", "DBInstance", "outside"... */
	const struct object *object; /* or null */
	unsigned id;                 /* dense, in order of appearance */
	unsigned layer; /* for drawing: callers before the called, as far as there are no circles */
};
struct graph_edge {
	enum graph_edge_kind kind;
	struct graph_node *from, *to;
	const char *scheme;               /* "" when it is not known */
	uint16_t port;                    /* 0: not known */
	const char *problem;              /* null, or a sentence: the Service has no such port... */
	VEC(const struct reference *) at; /* where it was read; none for SELECTS and ROUTES */
};
struct graph {
	struct arena arena;
	struct subject *subject; /* borrowed */
	VEC(struct graph_node *) nodes;
	VEC(struct graph_edge *) edges; /* by from, then as read */
	struct map by_name, by_edge;    /* state */
};
/* ns: only what is in this namespace or concerns it; empty: all. */
struct graph *graph_new(struct subject *s, struct slice ns);
struct graph *graph_free(struct graph *g);

const char *graph_node_kind_text(enum graph_node_kind k); /* "workload" */
const char *graph_edge_kind_text(enum graph_edge_kind k); /* "calls" */
/* "http :5000" */
void graph_edge_label(struct strbuf *out, const struct graph_edge *e);
/* "config.yaml:7:3" */
void graph_place(struct strbuf *out, const struct graph *g, const struct reference *r);

void graph_text(struct strbuf *out, const struct graph *g);
void graph_json(struct strbuf *out, const struct graph *g);
void graph_yaml(struct strbuf *out, const struct graph *g);
void graph_dot(struct strbuf *out, const struct graph *g);
void graph_svg(struct strbuf *out, const struct graph *g);
void graph_html(struct strbuf *out, const struct graph *g); /* one page that needs nothing else */

struct graph_form {
	const char *name;
	void (*write)(struct strbuf *out, const struct graph *g);
};
extern const struct graph_form graph_forms[];
