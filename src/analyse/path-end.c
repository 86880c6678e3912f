/* Why: what a person types for "from" and "to" is understood as objects of the set, or refused with the name
 * that was probably meant; see path.h. */
#include <ctype.h>
#include <stdlib.h>

#include "analyse/finding.h"
#include "analyse/nearest.h"
#include "analyse/path.h"
#include "base/mem.h"

enum { CANDIDATES_MAX = 6, PORT_MAX = 65535 };

/* ---- kinds by the words people use ---- */

struct kind_word {
	const char *word;
	enum object_kind id;
};
static const struct kind_word kind_words[] = {
	{ "deployment", OBJECT_DEPLOYMENT },
	{ "deployments", OBJECT_DEPLOYMENT },
	{ "deploy", OBJECT_DEPLOYMENT },
	{ "statefulset", OBJECT_STATEFULSET },
	{ "sts", OBJECT_STATEFULSET },
	{ "daemonset", OBJECT_DAEMONSET },
	{ "ds", OBJECT_DAEMONSET },
	{ "replicaset", OBJECT_REPLICASET },
	{ "rs", OBJECT_REPLICASET },
	{ "job", OBJECT_JOB },
	{ "cronjob", OBJECT_CRONJOB },
	{ "cj", OBJECT_CRONJOB },
	{ "rollout", OBJECT_ROLLOUT },
	{ "pod", OBJECT_POD },
	{ "pods", OBJECT_POD },
	{ "po", OBJECT_POD },
	{ "service", OBJECT_SERVICE },
	{ "services", OBJECT_SERVICE },
	{ "svc", OBJECT_SERVICE },
	{ "dbinstance", OBJECT_DBINSTANCE },
	{ "database", OBJECT_DBINSTANCE },
	{ "db", OBJECT_DBINSTANCE },
	{ "dbcluster", OBJECT_DBCLUSTER },
	{ "cachecluster", OBJECT_CACHECLUSTER },
	{ "cache", OBJECT_CACHECLUSTER },
	{ "replicationgroup", OBJECT_REPLICATIONGROUP },
};
/* Looked through for a name without a kind, in this order: what clients call comes first. */
static const enum object_kind target_kinds[] = {
	OBJECT_SERVICE,    OBJECT_DEPLOYMENT, OBJECT_STATEFULSET,  OBJECT_DAEMONSET,
	OBJECT_ROLLOUT,    OBJECT_REPLICASET, OBJECT_CONTROLLER,   OBJECT_POD,
	OBJECT_DBINSTANCE, OBJECT_DBCLUSTER,  OBJECT_CACHECLUSTER, OBJECT_REPLICATIONGROUP,
	OBJECT_JOB,        OBJECT_CRONJOB,
};
static const enum object_kind source_kinds[] = {
	OBJECT_DEPLOYMENT, OBJECT_STATEFULSET, OBJECT_DAEMONSET, OBJECT_ROLLOUT, OBJECT_REPLICASET,
	OBJECT_CONTROLLER, OBJECT_POD,         OBJECT_CRONJOB,   OBJECT_JOB,
};

static const struct kind_word *kind_by_word(struct slice word)
{
	for (size_t i = 0; i < ARRAY_SIZE(kind_words); i++) {
		if (slice_eq_nocase(word, slice_of(kind_words[i].word))) {
			return &kind_words[i];
		}
	}
	return NULL;
}

bool path_is_managed(enum object_kind id)
{
	return id == OBJECT_DBINSTANCE || id == OBJECT_DBCLUSTER || id == OBJECT_CACHECLUSTER ||
	       id == OBJECT_REPLICATIONGROUP;
}

/* ---- a name ---- */

struct asked {
	struct subject *s;
	struct arena *a;
	const char *word;      /* "source" or "destination" */
	struct slice text;     /* all of it */
	struct slice ns, name; /* ns may be empty: any */
	const enum object_kind *kinds;
	size_t n_kinds;
};

/* The name was said as "kind/name", "namespace/name" or "name"; kind, when given, becomes the only one. */
static void split_name(struct asked *q, enum object_kind *one, struct slice text)
{
	struct slice head, tail;
	const struct kind_word *k;

	if (slice_cut(text, '/', &head, &tail)) {
		k = kind_by_word(head);
		if (k) {
			*one = k->id;
			q->kinds = one;
			q->n_kinds = 1;
			split_name(q, one, tail); /* kind/namespace/name */
			return;
		}
		q->ns = head;
		text = tail;
	}
	q->name = text;
}

static const struct object *find_one(const struct asked *q, enum object_kind id,
                                     const struct object **ret_second)
{
	const struct object *o;

	*ret_second = NULL;
	if (q->ns.len) {
		return subject_find(q->s, id, q->ns, q->name);
	}
	o = subject_find_anywhere(q->s, id, q->name);
	*ret_second = o ? o->next_namesake : NULL;
	return o;
}

/* A pod's name that its controller made of the workload's: "web-5d8f7c9b6-x2x4z". */
static const struct object *find_owner_of_pod(const struct asked *q)
{
	struct asked up = *q;
	const struct object *second, *o;

	up.kinds = source_kinds;
	for (int cut = 0; cut < 2; cut++) {
		ptrdiff_t dash = slice_rfind(up.name, '-');

		if (dash <= 0) {
			return NULL;
		}
		up.name = slice_head(up.name, (size_t)dash);
		for (size_t i = 0; i < ARRAY_SIZE(source_kinds); i++) {
			o = find_one(&up, source_kinds[i], &second);
			/* what is made by another (a ReplicaSet by its Deployment) stands for nobody */
			if (o && o->id != OBJECT_POD && !second && subject_workload(q->s, o)) {
				return o;
			}
		}
	}
	return NULL;
}

static void nearest_of_kind(const struct asked *q, enum object_kind id, const struct object **best)
{
	for (size_t i = 0; i < q->s->spaces.n && !*best; i++) {
		if (!q->ns.len || slice_eq(q->s->spaces.at[i]->name, q->ns)) {
			*best = nearest_object(q->s, id, q->s->spaces.at[i]->name, q->name);
		}
	}
}

static int names_nothing(const struct asked *q, struct err *err)
{
	const struct object *near = NULL, *elsewhere = NULL;
	scoped_strbuf struct strbuf b = { 0 };

	for (size_t i = 0; i < q->n_kinds && !elsewhere; i++) {
		elsewhere = q->ns.len ? subject_find_anywhere(q->s, q->kinds[i], q->name) : NULL;
	}
	for (size_t i = 0; i < q->n_kinds && !near && !elsewhere; i++) {
		nearest_of_kind(q, q->kinds[i], &near);
	}
	if (near || elsewhere) {
		object_text(&b, near ? near : elsewhere);
		return err_raise(err, ERR_USAGE, "%s " SLICE_FMT " names nothing; %s is there",
		                 q->word, SLICE_ARG(q->text), strbuf_str(&b));
	}
	return err_raise(err, ERR_USAGE, "%s " SLICE_FMT " names nothing among the %zu objects",
	                 q->word, SLICE_ARG(q->text), q->s->n_objects);
}

static int names_several(const struct asked *q, const struct object *a, const struct object *b,
                         struct err *err)
{
	scoped_strbuf struct strbuf x = { 0 }, y = { 0 };

	object_text(&x, a);
	object_text(&y, b);
	return err_raise(err, ERR_USAGE,
	                 "%s " SLICE_FMT " is %s and %s; say which, as kind/namespace/name",
	                 q->word, SLICE_ARG(q->text), strbuf_str(&x), strbuf_str(&y));
}

static int find_object(const struct asked *q, const struct object **ret, struct err *err)
{
	const struct object *second, *o;

	for (size_t i = 0; i < q->n_kinds; i++) {
		o = find_one(q, q->kinds[i], &second);
		if (o && second) {
			return names_several(q, o, second, err);
		}
		if (o && path_is_managed(o->id) && q->n_kinds > 1) {
			for (size_t j = i + 1; j < q->n_kinds; j++) {
				const struct object *other =
					path_is_managed(q->kinds[j])
						? find_one(q, q->kinds[j], &second)
						: NULL;

				if (other) {
					return names_several(q, o, other, err);
				}
			}
		}
		if (o) {
			*ret = o;
			return 0;
		}
	}
	o = find_owner_of_pod(q);
	if (!o) {
		return names_nothing(q, err);
	}
	*ret = o;
	return 0;
}

/* A pod that a workload of the set made stands for it. */
static const struct workload *workload_of(const struct asked *q, const struct object *o)
{
	const struct workload *w = subject_workload(q->s, o);
	struct asked up = *q;

	if (!w && o->id == OBJECT_POD) {
		up.ns = o->ns;
		up.name = o->name;
		o = find_owner_of_pod(&up);
		w = o ? subject_workload(q->s, o) : NULL;
	}
	return w;
}

static const char *text_of(struct arena *a, const struct object *o)
{
	scoped_strbuf struct strbuf b = { 0 };

	object_text(&b, o);
	return arena_strdup(a, strbuf_str(&b));
}

static int end_of_object(const struct asked *q, const struct object *o, struct path_end *ret,
                         struct err *err)
{
	const struct workload *w;

	ret->text = text_of(q->a, o);
	if (o->id == OBJECT_SERVICE) {
		ret->type = END_SERVICE;
		ret->service = subject_service(q->s, o->ns, o->name);
		return 0;
	}
	if (path_is_managed(o->id)) {
		ret->type = END_MANAGED;
		ret->managed = o;
		ret->name = path_managed_endpoint(o);
		return 0;
	}
	w = workload_of(q, o);
	if (!w) {
		return err_raise(err, ERR_USAGE, "%s " SLICE_FMT ": %s has no pods", q->word,
		                 SLICE_ARG(q->text), ret->text);
	}
	ret->type = END_WORKLOADS;
	ret->text = text_of(q->a, w->object);
	vec_push(&ret->workloads, w);
	return 0;
}

/* ---- namespace:key=value,... ---- */

static bool labels_match(const struct workload *w, struct slice pairs)
{
	struct slice pair, key, value;

	while (slice_next(&pairs, ',', &pair)) {
		if (!slice_cut(slice_trim(pair), '=', &key, &value) ||
		    !val_get_slice(w->labels, key) ||
		    !slice_eq(val_str(val_get_slice(w->labels, key)), value)) {
			return false;
		}
	}
	return true;
}

static int read_selection(const struct asked *q, struct slice ns, struct slice pairs,
                          struct path_end *ret, struct err *err)
{
	if (!subject_space(q->s, ns)) {
		return err_raise(err, ERR_USAGE,
		                 "%s " SLICE_FMT ": there is no namespace " SLICE_FMT, q->word,
		                 SLICE_ARG(q->text), SLICE_ARG(ns));
	}
	ret->type = END_WORKLOADS;
	ret->text = arena_printf(q->a, "pods in " SLICE_FMT " labelled " SLICE_FMT, SLICE_ARG(ns),
	                         SLICE_ARG(pairs));
	for (size_t i = 0; i < q->s->workloads.n; i++) {
		const struct workload *w = q->s->workloads.at[i];

		if (slice_eq(w->ns, ns) && labels_match(w, pairs)) {
			vec_push(&ret->workloads, w);
		}
	}
	return ret->workloads.n ? 0
	                        : err_raise(err, ERR_USAGE,
	                                    "%s " SLICE_FMT ": no pod of namespace " SLICE_FMT
	                                    " carries these labels",
	                                    q->word, SLICE_ARG(q->text), SLICE_ARG(ns));
}

/* ---- addresses ---- */

static bool is_ip(const struct val *v, struct ip ip)
{
	struct ip own;

	return ip_parse(val_str(v), &own) && ip_eq(own, ip);
}

/* Is it an element of the list, or of a member of the elements? */
static bool is_among(const struct val *list, const char *member, struct ip ip)
{
	val_for_each (list, it) {
		if (is_ip(member ? val_get(it, member) : it, ip)) {
			return true;
		}
	}
	return false;
}

/* The workload one of whose pods has the address: by status of a live pod, else the invented one. */
static const struct workload *workload_at(const struct asked *q, struct ip ip)
{
	object_each(q->s, OBJECT_POD, o)
	{
		if (!val_bool(val_path(o->v, "spec.hostNetwork"), false) &&
		    (is_ip(val_path(o->v, "status.podIP"), ip) ||
		     is_among(val_path(o->v, "status.podIPs"), "ip", ip))) {
			return workload_of(q, o);
		}
	}
	return NULL;
}

static const struct svc *service_at(const struct subject *s, struct ip ip)
{
	for (size_t i = 0; i < s->services.n; i++) {
		const struct svc *x = s->services.at[i];
		const struct val *spec = object_spec(x->object);

		if (is_ip(val_get(spec, "clusterIP"), ip) ||
		    is_among(val_get(spec, "clusterIPs"), NULL, ip)) {
			return x;
		}
	}
	return NULL;
}

static const struct object *managed_at(const struct subject *s, struct ip ip)
{
	for (int id = 0; id < OBJECT_KINDS; id++) {
		struct ip own;

		if (!path_is_managed((enum object_kind)id)) {
			continue;
		}
		object_each(s, id, o)
		{
			if (path_managed_ip(s, o, &own) && ip_eq(own, ip)) {
				return o;
			}
		}
	}
	return NULL;
}

static void end_of_address(const struct asked *q, struct ip ip, struct path_end *ret)
{
	const struct workload *w = workload_at(q, ip);
	char text[IP_TEXT_SIZE];

	ip_format(ip, text);
	ret->ip = ip;
	ret->service = w ? NULL : service_at(q->s, ip);
	ret->managed = w || ret->service ? NULL : managed_at(q->s, ip);
	if (w) {
		ret->type = END_WORKLOADS;
		ret->text = arena_printf(q->a, "%s (%s)", text_of(q->a, w->object), text);
		vec_push(&ret->workloads, w);
	} else if (ret->service || ret->managed) {
		ret->type = ret->service ? END_SERVICE : END_MANAGED;
		ret->text = arena_printf(
			q->a, "%s (%s)",
			text_of(q->a, ret->service ? ret->service->object : ret->managed), text);
	} else {
		ret->type = END_ADDRESS;
		ret->text = arena_printf(q->a, "address %s", text);
	}
}

/* ---- the source ---- */

int path_source(struct subject *s, struct arena *a, struct slice text, struct path_end *ret,
                struct err *err)
{
	struct asked q = { .s = s,
		           .a = a,
		           .word = "source",
		           .text = text,
		           .kinds = source_kinds,
		           .n_kinds = ARRAY_SIZE(source_kinds) };
	const struct object *o = NULL;
	enum object_kind one;
	struct slice head, tail;
	struct ip ip;
	int r;

	if (slice_is(text, "internet") || slice_is(text, "browser")) {
		ret->type = slice_is(text, "browser") ? END_BROWSER : END_INTERNET;
		ret->text = ret->type == END_BROWSER ? "a browser on the internet" : "the internet";
		return 0;
	}
	if (ip_parse(text, &ip)) {
		end_of_address(&q, ip, ret);
		if (ret->type == END_SERVICE || ret->type == END_MANAGED) {
			ret->type = END_ADDRESS;
		}
		return 0;
	}
	if (slice_find(text, '=') > 0 && slice_cut(text, ':', &head, &tail)) {
		return read_selection(&q, head, tail, ret, err);
	}
	split_name(&q, &one, text);
	r = find_object(&q, &o, err);
	if (r < 0) {
		return r;
	}
	if (o->id == OBJECT_SERVICE || path_is_managed(o->id)) {
		return err_raise(err, ERR_USAGE,
		                 "source " SLICE_FMT ": %s opens no connections; name a workload",
		                 SLICE_ARG(text), text_of(a, o));
	}
	return end_of_object(&q, o, ret, err);
}

/* ---- the destination ---- */

static bool read_port(struct slice text, uint16_t *ret)
{
	uint64_t n;

	if (!slice_to_u64(text, &n) || n == 0 || n > PORT_MAX) {
		return false;
	}
	*ret = (uint16_t)n;
	return true;
}

static struct slice lower(struct arena *a, struct slice s)
{
	struct slice copy = arena_slice(a, s);
	char *p = (char *)copy.p;

	for (size_t i = 0; i < copy.len; i++) {
		p[i] = (char)tolower((unsigned char)p[i]);
	}
	if (copy.len && copy.p[copy.len - 1] == '.') {
		copy.len--;
	}
	return copy;
}

/* "svc.ns", "svc.ns.svc", "svc.ns.svc.cluster.local", or "svc" beside the source. */
static const struct svc *service_by_name(const struct asked *q, struct slice name,
                                         const struct path_end *from)
{
	struct slice svc, rest, ns, zone, domain = slice_of(q->s->profile->cluster_domain);

	if (!slice_cut(name, '.', &svc, &rest)) {
		for (size_t i = 0; i < from->workloads.n; i++) {
			const struct svc *x =
				subject_service(q->s, from->workloads.at[i]->ns, name);

			if (x) {
				return x;
			}
		}
		return NULL;
	}
	(void)slice_cut(rest, '.', &ns, &zone);
	if (zone.len && !slice_is(zone, "svc") &&
	    !(slice_has_prefix(zone, SLICE("svc.")) && slice_eq(slice_from(zone, 4), domain))) {
		return NULL;
	}
	return subject_service(q->s, ns, svc);
}

static const struct object *managed_by_endpoint(const struct subject *s, struct slice name)
{
	for (int id = 0; id < OBJECT_KINDS; id++) {
		if (!path_is_managed((enum object_kind)id)) {
			continue;
		}
		object_each(s, id, o)
		{
			struct slice endpoint = path_managed_endpoint(o);

			if (endpoint.len && slice_eq_nocase(endpoint, name)) {
				return o;
			}
		}
	}
	return NULL;
}

/* A host as programs write it. */
static bool end_of_host(const struct asked *q, struct slice host, const struct path_end *from,
                        struct path_end *ret)
{
	struct ip ip;

	if (ip_parse(host, &ip)) {
		end_of_address(q, ip, ret);
		return true;
	}
	ret->name = lower(q->a, host);
	ret->service = service_by_name(q, ret->name, from);
	if (ret->service) {
		ret->type = END_SERVICE;
		ret->text = arena_printf(q->a, "%s (" SLICE_FMT ")",
		                         text_of(q->a, ret->service->object), SLICE_ARG(ret->name));
		return true;
	}
	ret->managed = managed_by_endpoint(q->s, ret->name);
	if (ret->managed) {
		ret->type = END_MANAGED;
		ret->text = text_of(q->a, ret->managed);
		return true;
	}
	return false;
}

static void end_of_foreign_name(const struct asked *q, struct path_end *ret)
{
	bool is_public = path_is_public(q->s, ret->name);

	ret->type = is_public ? END_URL : END_NAME;
	if (is_public && !ret->scheme.len) {
		ret->scheme = ret->port == 80 ? SLICE("http") : SLICE("https");
		ret->path = SLICE("/");
	}
	ret->text = arena_printf(q->a, SLICE_FMT, SLICE_ARG(ret->name));
}

static int read_url(const struct asked *q, const struct path_end *from, struct path_end *ret,
                    struct err *err)
{
	ptrdiff_t sep = slice_find(q->text, ':');
	struct slice rest = slice_from(q->text, (size_t)sep + 3), authority = rest, host, port;
	struct slice query;
	ptrdiff_t slash = slice_find(rest, '/'), at;
	bool bracket;

	ret->scheme = lower(q->a, slice_head(q->text, (size_t)sep));
	ret->path = SLICE("/");
	if (slash >= 0) {
		authority = slice_head(rest, (size_t)slash);
		(void)slice_cut(slice_from(rest, (size_t)slash), '?', &ret->path, &query);
	}
	at = slice_rfind(authority, '@'); /* who asks does not matter, and is never printed */
	authority = slice_from(authority, (size_t)(at + 1));
	bracket = authority.len && authority.p[0] == '[';
	host = authority;
	at = slice_rfind(authority, bracket ? ']' : ':');
	if (bracket && at > 0) {
		host = slice_head(slice_from(authority, 1), (size_t)at - 1);
		port = slice_from(authority, (size_t)at + 2);
	} else if (at >= 0) {
		host = slice_head(authority, (size_t)at);
		port = slice_from(authority, (size_t)at + 1);
	} else {
		port = (struct slice){ "", 0 };
	}
	ret->port = slice_is(ret->scheme, "https") ? 443 : slice_is(ret->scheme, "http") ? 80 : 0;
	if (!host.len || (port.len && !read_port(port, &ret->port))) {
		return err_raise(err, ERR_USAGE,
		                 "destination " SLICE_FMT ": no host and port can be read in it",
		                 SLICE_ARG(q->text));
	}
	if (!end_of_host(q, host, from, ret)) {
		end_of_foreign_name(q, ret);
		if (ret->type == END_NAME &&
		    (slice_is(ret->scheme, "http") || slice_is(ret->scheme, "https"))) {
			ret->type = from->type == END_BROWSER || from->type == END_INTERNET
			                    ? END_URL
			                    : END_NAME;
		}
	}
	return 0;
}

/* "[fd00::7]:443" */
static int read_bracketed(const struct asked *q, const struct path_end *from, struct path_end *ret,
                          struct err *err)
{
	ptrdiff_t end = slice_find(q->text, ']');
	struct slice host = slice_head(slice_from(q->text, 1), end > 0 ? (size_t)end - 1 : 0),
		     port = slice_from(q->text, end > 0 ? (size_t)end + 1 : q->text.len);

	if (!end_of_host(q, host, from, ret) ||
	    (port.len && (port.p[0] != ':' || !read_port(slice_from(port, 1), &ret->port)))) {
		return err_raise(err, ERR_USAGE,
		                 "destination " SLICE_FMT ": no address and port can be read in it",
		                 SLICE_ARG(q->text));
	}
	return 0;
}

/* "database" and "cache" alone mean the only one there is. */
static const struct object *only_one(const struct asked *q)
{
	enum object_kind id = slice_is(q->text, "database") ? OBJECT_DBINSTANCE
	                      : slice_is(q->text, "cache")  ? OBJECT_CACHECLUSTER
	                                                    : OBJECT_OTHER;

	return id != OBJECT_OTHER && q->s->n[id] == 1 ? q->s->first[id] : NULL;
}

int path_target(struct subject *s, struct arena *a, struct slice text, const struct path_end *from,
                struct path_end *ret, struct err *err)
{
	struct asked q = { .s = s,
		           .a = a,
		           .word = "destination",
		           .text = text,
		           .kinds = target_kinds,
		           .n_kinds = ARRAY_SIZE(target_kinds) };
	const struct object *o = only_one(&q);
	struct slice name = text, head;
	enum object_kind one;
	ptrdiff_t colon;
	struct ip ip;
	int r;

	if (memmem(text.p, text.len, "://", 3)) {
		return read_url(&q, from, ret, err);
	}
	if (text.len && text.p[0] == '[') {
		return read_bracketed(&q, from, ret, err);
	}
	if (ip_parse(text, &ip)) {
		end_of_address(&q, ip, ret);
		return 0;
	}
	colon = slice_rfind(text, ':');
	if (colon > 0 && read_port(slice_from(text, (size_t)colon + 1), &ret->port)) {
		name = slice_head(text, (size_t)colon);
	} else if (slice_find(text, '=') > 0 && slice_cut(text, ':', &head, &name)) {
		return read_selection(&q, head, name, ret, err);
	}
	if (!o && slice_find(name, '/') < 0) {
		if (end_of_host(&q, name, from, ret)) {
			return 0;
		}
		if (slice_find(name, '.') > 0) {
			end_of_foreign_name(&q, ret);
			return 0;
		}
		ret->name = (struct slice){ "", 0 };
	}
	split_name(&q, &one, name);
	if (!o) {
		r = find_object(&q, &o, err);
		if (r < 0) {
			return r;
		}
	}
	return end_of_object(&q, o, ret, err);
}

void path_end_fini(struct path_end *e)
{
	vec_fini(&e->workloads);
}
