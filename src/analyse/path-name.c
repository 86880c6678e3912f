/* Why: a name is asked the way the pod's resolver asks it: through its search domains, of the cluster's DNS, which
 * its egress policy must let it reach; see path.h. Source: networking.md 5. */
#include <stdlib.h>

#include "analyse/nearest.h"
#include "analyse/path.h"
#include "base/mem.h"

enum { NDOTS = 5, SEARCH_MAX = 32, DNS_PORT = 53 };

struct resolver {
	struct walk *w;
	const struct workload *from;
	struct slice search[SEARCH_MAX];
	size_t n_search;
	int64_t ndots;
	bool asks_cluster; /* the cluster's DNS is its server */
	struct slice tries[SEARCH_MAX + 2];
	size_t n_tries;
};

static struct slice policy_of(const struct workload *w)
{
	struct slice policy = val_get_str(w->spec, "dnsPolicy");

	if (!policy.len) {
		policy = SLICE("ClusterFirst");
	}
	return w->host_network && slice_is(policy, "ClusterFirst") ? SLICE("Default") : policy;
}

static void add_search(struct resolver *r, struct slice domain)
{
	if (r->n_search < SEARCH_MAX) {
		r->search[r->n_search++] = domain;
	}
}

static void read_config(struct resolver *r)
{
	struct arena *a = &r->w->x->arena;
	const struct val *config = val_get(r->from->spec, "dnsConfig");
	struct slice policy = policy_of(r->from),
		     domain = model_cluster_domain(subject_model(r->w->s));

	r->ndots = 1;
	r->asks_cluster =
		slice_is(policy, "ClusterFirst") || slice_is(policy, "ClusterFirstWithHostNet");
	if (r->asks_cluster) {
		r->ndots = NDOTS;
		add_search(r, slice_of(arena_printf(a, SLICE_FMT ".svc." SLICE_FMT,
		                                    SLICE_ARG(r->from->ns), SLICE_ARG(domain))));
		add_search(r, slice_of(arena_printf(a, "svc." SLICE_FMT, SLICE_ARG(domain))));
		add_search(r, domain);
	}
	val_for_each (val_get(config, "searches"), it) {
		add_search(r, val_str(it));
	}
	val_for_each (val_get(config, "options"), it) {
		int64_t n;

		if (slice_is(val_get_str(it, "name"), "ndots") &&
		    slice_to_i64(val_get_str(it, "value"), &n)) {
			r->ndots = n;
		}
	}
	val_for_each (val_get(config, "nameservers"), it) {
		const struct svc *dns =
			subject_service(r->w->s, SLICE("kube-system"), SLICE("kube-dns"));

		r->asks_cluster |=
			dns &&
			slice_eq(val_get_str(object_spec(dns->object), "clusterIP"), val_str(it));
	}
}

/* ---- may it ask? ---- */

/* Policies towards the cluster's DNS, as for any Service. Returns the step that breaks, or null. */
static struct explain_step *ask_policies(struct resolver *r, struct explain_path *p)
{
	const struct svc *dns = subject_service(r->w->s, SLICE("kube-system"), SLICE("kube-dns"));
	struct origin from = { .workload = r->from, .ip = r->from->ip };
	const struct svc_port *port = dns ? svc_port_numbered(dns, DNS_PORT, PROTO_UDP) : NULL;
	struct explain_step *s, *broken = NULL;
	size_t before;
	struct flow f;

	if (!port || !dns->n_pods || r->from->host_network) {
		return NULL;
	}
	f = (struct flow){ r->from->ip, dns->pods[0]->ip, PROTO_UDP,
		           svc_port_target(port, dns->pods[0]) };
	if (policy_decide(subject_model(r->w->s), &f, NULL) == VERDICT_ALLOW) {
		return NULL;
	}
	before = p->steps.n;
	path_policies(r->w, p, &from, dns->pods[0], PROTO_UDP, f.dst_port);
	for (size_t i = before; i < p->steps.n; i++) {
		s = p->steps.at[i];
		s->says =
			arena_printf(&r->w->x->arena,
		                     "before it connects, it asks the cluster's DNS: %s", s->says);
		s->probe = (struct explain_probe){ 0 };
		broken = broken || s->verdict != EXPLAIN_BROKEN ? broken : s;
	}
	return broken;
}

/* ---- one try after the other ---- */

static enum name_result look(struct resolver *r, struct slice name, struct strbuf *answer)
{
	struct name_record *records;
	char text[IP_TEXT_SIZE];
	size_t n;
	enum name_result result =
		name_lookup(subject_model(r->w->s), name, NAME_A, &r->w->x->arena, &records, &n);

	for (size_t i = 0; i < n && i < 4; i++) {
		strbuf_adds(answer, answer->size ? ", " : "");
		if (records[i].type == NAME_CNAME) {
			strbuf_addf(answer, "CNAME " SLICE_FMT, SLICE_ARG(records[i].target));
		} else {
			strbuf_adds(answer, ip_format(records[i].ip, text));
		}
	}
	return result;
}

static bool try_name(struct resolver *r, struct explain_step *s, struct slice name,
                     enum name_result *ret)
{
	static const char *const words[] = { [NAME_FOUND] = "found",
		                             [NAME_NODATA] = "exists without an address",
		                             [NAME_MISSING] = "does not exist",
		                             [NAME_FOREIGN] =
		                                     "is not the cluster's: asked outside" };
	scoped_strbuf struct strbuf answer = { 0 };

	*ret = look(r, name, &answer);
	r->tries[r->n_tries++] = name;
	step_note(r->w, s, *ret == NAME_FOUND ? NOTE_DECIDED : NOTE_OTHER, NULL, NULL,
	          SLICE_FMT " %s%s%s", SLICE_ARG(name), words[*ret], answer.size ? ": " : "",
	          strbuf_str(&answer));
	/* A name that exists without this type ends the search, as resolvers have it. */
	return *ret == NAME_FOUND || *ret == NAME_NODATA;
}

static enum name_result try_all(struct resolver *r, struct explain_step *s, struct slice name)
{
	struct arena *a = &r->w->x->arena;
	enum name_result result = NAME_MISSING, last;
	int64_t dots = 0;
	bool first;

	for (size_t i = 0; i < name.len; i++) {
		dots += name.p[i] == '.';
	}
	first = dots >= r->ndots;
	if (first && try_name(r, s, name, &result)) {
		return result;
	}
	for (size_t i = 0; i < r->n_search; i++) {
		struct slice full = slice_of(arena_printf(
			a, SLICE_FMT "." SLICE_FMT, SLICE_ARG(name), SLICE_ARG(r->search[i])));

		if (try_name(r, s, full, &last)) {
			return last;
		}
	}
	if (!first) {
		(void)try_name(r, s, name, &result);
	}
	return result;
}

/* ---- verdicts ---- */

static void say_missing(struct resolver *r, struct explain_step *s, const struct path_end *e)
{
	struct walk *w = r->w;
	struct slice svc, rest;
	const struct object *other, *near;

	(void)slice_cut(e->name, '.', &svc, &rest);
	other = subject_find_elsewhere(w->s, OBJECT_SERVICE, r->from->ns, svc);
	near = nearest_object(w->s, OBJECT_SERVICE, r->from->ns, svc);
	step_breaks(w, s, "DNS001", SLICE_FMT " does not resolve from namespace " SLICE_FMT ".",
	            SLICE_ARG(e->name), SLICE_ARG(r->from->ns));
	if (!rest.len && other) {
		step_note(w, s, NOTE_NEAR, other, NULL,
		          "Service " SLICE_FMT " is in namespace " SLICE_FMT, SLICE_ARG(svc),
		          SLICE_ARG(other->ns));
		step_repair(w, s, "Call it " SLICE_FMT "." SLICE_FMT ".", SLICE_ARG(svc),
		            SLICE_ARG(other->ns));
	} else if (near) {
		step_note(w, s, NOTE_NEAR, near, NULL, "%s has nearly that name",
		          path_name_of(w, near));
		step_repair(w, s, "Call it " SLICE_FMT ", or name the Service so.",
		            SLICE_ARG(near->name));
	} else {
		step_repair(w, s,
		            "Make a Service of that name in namespace " SLICE_FMT
		            ", or call an existing one.",
		            SLICE_ARG(r->from->ns));
	}
}

static void judge(struct resolver *r, struct explain_step *s, const struct path_end *e,
                  enum name_result result)
{
	struct walk *w = r->w;

	switch (result) {
	case NAME_FOUND:
		return;
	case NAME_NODATA:
		step_breaks(w, s, "SVC011",
		            SLICE_FMT
		            " exists and has no address: a headless Service without ready pods.",
		            SLICE_ARG(e->name));
		step_repair(w, s,
		            "Make its pods ready, or set publishNotReadyAddresses where peers must "
		            "find each other.");
		return;
	case NAME_MISSING:
		say_missing(r, s, e);
		return;
	case NAME_FOREIGN:
		if (e->managed) {
			step_unsure(w, s, "The endpoint gets its address when %s is created.",
			            path_name_of(w, e->managed));
		} else if (slice_find(e->name, '.') < 0) {
			say_missing(r, s, e);
		} else {
			step_unsure(w, s,
			            "Files cannot tell what the world's DNS answers for " SLICE_FMT
			            ".",
			            SLICE_ARG(e->name));
		}
	}
}

static void resolve_outside(struct walk *w, struct explain_path *p, const struct origin *from,
                            const struct path_end *e)
{
	struct explain_step *s = path_step(
		w, p, EXPLAIN_NAME, SLICE_FMT " is asked of the world's DNS", SLICE_ARG(e->name));
	(void)from;
	step_unsure(w, s, "Files cannot tell what the world's DNS answers for " SLICE_FMT ".",
	            SLICE_ARG(e->name));
}

/* A managed service has no name before it is made; whether the cluster's DNS can be asked is known all the same. */
static void resolve_unborn(struct resolver *r, struct explain_path *p, const struct path_end *e)
{
	struct explain_step *s;

	if (!r->from) {
		return;
	}
	read_config(r);
	if (r->asks_cluster) {
		(void)ask_policies(r, p);
	}
	s = path_step(r->w, p, EXPLAIN_NAME, "its endpoint's name leads to its address");
	step_unsure(r->w, s, "The name is made when %s is created.",
	            path_name_of(r->w, e->managed));
}

void path_resolve(struct walk *w, struct explain_path *p, const struct origin *from,
                  const struct path_end *e)
{
	struct resolver r = { .w = w, .from = from->workload };
	struct explain_step *s, *shut;

	if (!e->name.len && e->managed) {
		resolve_unborn(&r, p, e);
		return;
	}
	if (!e->name.len) {
		return;
	}
	if (!r.from) {
		resolve_outside(w, p, from, e);
		return;
	}
	read_config(&r);
	if (!r.asks_cluster) {
		s = path_step(w, p, EXPLAIN_NAME,
		              SLICE_FMT " is asked of the node's resolver (dnsPolicy " SLICE_FMT
		                        ")",
		              SLICE_ARG(e->name), SLICE_ARG(policy_of(r.from)));
		if (e->service) {
			step_breaks(w, s, "DNS010",
			            "The node's resolver does not know names of the cluster.");
			step_repair(w, s,
			            r.from->host_network ? "Set dnsPolicy: ClusterFirstWithHostNet."
			                                 : "Set dnsPolicy: ClusterFirst.");
		}
		return;
	}
	shut = ask_policies(&r, p);
	s = path_step(w, p, EXPLAIN_NAME,
	              SLICE_FMT " is asked of the cluster's DNS, search " SLICE_FMT,
	              SLICE_ARG(e->name), SLICE_ARG(r.n_search ? r.search[0] : SLICE("none")));
	judge(&r, s, e, try_all(&r, s, e->name));
	/* When DNS may not be asked, it is that hop which the silence tells of. */
	s = shut ? shut : s;
	s->probe = (struct explain_probe){ .type = PROBE_NAME,
		                           .place = AT_SOURCE,
		                           .from = r.from,
		                           .service = e->service,
		                           .name = e->name,
		                           .tries = arena_dup(&w->x->arena, r.tries,
		                                              r.n_tries * sizeof(*r.tries)),
		                           .n_tries = r.n_tries };
}
