/* Why: rights are objects, so that a manifest can bring its own. Purely additive: one rule that
 * allows is enough. See authorize.h. Source: reference 5.3 */
#include "api/authorize.h"

#include "api/api-priv.h"
#include "api/authenticate.h"
#include "api/fail.h"
#include "base/mem.h"

/* ---- one rule ---- */

static bool has(const struct val *list, struct slice s)
{
	val_for_each (list, it) {
		if (slice_is(val_str(it), "*") || slice_eq(val_str(it), s)) {
			return true;
		}
	}
	return false;
}

static bool has_resource(const struct val *list, const struct access *x)
{
	val_for_each (list, it) {
		struct slice head, tail;
		bool has_sub;

		if (slice_is(val_str(it), "*")) {
			return true;
		}
		has_sub = slice_cut(val_str(it), '/', &head, &tail);
		if ((slice_eq(head, x->resource) || (has_sub && slice_is(head, "*"))) &&
		    slice_eq(has_sub ? tail : SLICE(""), x->subresource)) {
			return true;
		}
	}
	return false;
}

static bool has_path(const struct val *list, struct slice path)
{
	val_for_each (list, it) {
		struct slice s = val_str(it);

		if (slice_eq(s, path) || (slice_has_suffix(s, SLICE("*")) &&
		                          slice_has_prefix(path, slice_head(s, s.len - 1)))) {
			return true;
		}
	}
	return false;
}

static bool has_name(const struct val *names, struct slice name)
{
	if (!val_len(names)) {
		return true;
	}
	val_for_each (names, it) {
		if (name.len && slice_eq(val_str(it), name)) {
			return true;
		}
	}
	return false;
}

bool rule_allows(const struct val *rule, const struct access *x)
{
	if (!has(val_get(rule, "verbs"), x->verb)) {
		return false;
	}
	if (x->path.len) {
		return has_path(val_get(rule, "nonResourceURLs"), x->path);
	}
	return has(val_get(rule, "apiGroups"), x->group) &&
	       has_resource(val_get(rule, "resources"), x) &&
	       has_name(val_get(rule, "resourceNames"), x->name);
}

/* ---- bindings ---- */

static bool is_account_name(struct slice user, struct slice ns, struct slice name)
{
	struct slice rest = slice_from(user, 22), head, tail;

	return slice_has_prefix(user, SLICE("system:serviceaccount:")) &&
	       slice_cut(rest, ':', &head, &tail) && slice_eq(head, ns) && slice_eq(tail, name);
}

static bool is_subject(const struct val *subject, const struct user *u, struct slice binding_ns)
{
	struct slice kind = val_get_str(subject, "kind"), name = val_get_str(subject, "name");
	struct slice ns = val_get_str(subject, "namespace");

	if (slice_is(kind, "User")) {
		return slice_eq(name, u->name);
	}
	if (slice_is(kind, "ServiceAccount")) {
		return is_account_name(u->name, ns.len ? ns : binding_ns, name);
	}
	for (size_t i = 0; slice_is(kind, "Group") && i < u->n_groups; i++) {
		if (slice_eq(name, u->groups[i])) {
			return true;
		}
	}
	return false;
}

const struct val *role_rules(const struct api *api, const struct val *ref, struct slice ns)
{
	bool is_cluster = slice_is(val_get_str(ref, "kind"), "ClusterRole");
	struct key key = { is_cluster ? api->kinds.cluster_role : api->kinds.role,
		           is_cluster ? SLICE("") : ns, val_get_str(ref, "name") };
	const struct doc *d = store_get(api->store, key);
	const struct val *rules = d ? val_get(d->root, "rules") : NULL;

	return rules;
}

struct walk {
	const struct api *api;
	const struct user *user;
	access_rule_fn *fn;
	void *arg;
	bool is_cluster;
};

static bool visit_binding(void *arg, const struct doc *d)
{
	struct walk *w = arg;
	struct slice ns = val_str(val_path(d->root, "metadata.namespace"));

	val_for_each (val_get(d->root, "subjects"), it) {
		if (is_subject(it, w->user, ns)) {
			val_for_each (role_rules(w->api, val_get(d->root, "roleRef"), ns), rule) {
				w->fn(w->arg, rule);
			}
			break;
		}
	}
	return true;
}

void access_each_rule(const struct api *api, const struct user *u, struct slice ns,
                      access_rule_fn *fn, void *arg)
{
	struct walk w = { .api = api, .user = u, .fn = fn, .arg = arg };

	store_each(api->store, api->kinds.cluster_role_binding, SLICE(""), visit_binding, &w);
	if (ns.len) {
		store_each(api->store, api->kinds.role_binding, ns, visit_binding, &w);
	}
}

struct search {
	const struct access *access;
	bool found;
};

static void try_rule(void *arg, const struct val *rule)
{
	struct search *s = arg;

	s->found = s->found || rule_allows(rule, s->access);
}

bool access_is_allowed(const struct api *api, const struct access *x)
{
	struct search s = { .access = x };

	if (user_has_group(x->user, "system:masters")) {
		return true;
	}
	access_each_rule(api, x->user, x->ns, try_rule, &s);
	return s.found;
}

/* ---- refusals ---- */

void access_refusal(struct strbuf *out, const struct access *x)
{
	if (x->path.len) {
		strbuf_addf(out,
		            "User \"" SLICE_FMT "\" cannot " SLICE_FMT " path \"" SLICE_FMT "\"",
		            SLICE_ARG(x->user->name), SLICE_ARG(x->verb), SLICE_ARG(x->path));
		return;
	}
	strbuf_addf(out,
	            "User \"" SLICE_FMT "\" cannot " SLICE_FMT " resource \"" SLICE_FMT
	            "%s" SLICE_FMT "\" in API group \"" SLICE_FMT "\"",
	            SLICE_ARG(x->user->name), SLICE_ARG(x->verb), SLICE_ARG(x->resource),
	            x->subresource.len ? "/" : "", SLICE_ARG(x->subresource), SLICE_ARG(x->group));
	if (x->ns.len) {
		strbuf_addf(out, " in the namespace \"" SLICE_FMT "\"", SLICE_ARG(x->ns));
	} else {
		strbuf_adds(out, " at the cluster scope");
	}
}

static int refuse(struct call *c, const struct access *x)
{
	scoped_strbuf struct strbuf text = { 0 };
	const struct route *r = &c->route;

	if (user_is_anonymous(&c->user) && !call_header(c, "Impersonate-User").len) {
		return fail_code(c, ERR_UNAUTHORIZED, "Unauthorized");
	}
	access_refusal(&text, x);
	if (x->path.len) {
		return fail_code(c, ERR_FORBIDDEN, "forbidden: %s", strbuf_str(&text));
	}
	if (c->kind) {
		return fail_forbidden(c, c->kind, r->name, strbuf_str(&text));
	}
	return fail_code(c, ERR_FORBIDDEN, SLICE_FMT "%s" SLICE_FMT " is forbidden: %s",
	                 SLICE_ARG(r->resource), r->group.len ? "." : "", SLICE_ARG(r->group),
	                 strbuf_str(&text));
}

/* Rights by name hold for a list that asks for one name only. */
static struct slice selected_name(struct call *c)
{
	struct slice s = http_query_get(c->arena, c->http->query, "fieldSelector", 0);
	struct slice prefix = SLICE("metadata.name=");

	if (!s.p || !slice_has_prefix(s, prefix) || slice_find(s, ',') >= 0) {
		return SLICE("");
	}
	return slice_from(s, prefix.len);
}

static bool is_stream(struct slice subresource)
{
	return slice_is(subresource, "exec") || slice_is(subresource, "attach") ||
	       slice_is(subresource, "portforward");
}

static struct slice path_verb(const struct call *c)
{
	return slice_of(verb_name(c->route.verb == DO_LIST ? DO_GET : c->route.verb));
}

int authorize(struct call *c)
{
	const struct route *r = &c->route;
	struct access x = { .user = &c->user, .verb = slice_of(verb_name(r->verb)) };

	if (!r->is_resource) {
		x.path = r->path;
		x.verb = path_verb(c);
	} else {
		x.group = r->group;
		x.resource = r->resource;
		x.subresource = r->subresource;
		x.ns = r->ns;
		x.name = r->name;
		if (is_stream(r->subresource)) {
			x.verb = SLICE("create"); /* also when a WebSocket client has to say GET */
		} else if (!r->name.len && (r->verb == DO_LIST || r->verb == DO_WATCH)) {
			x.name = selected_name(c);
		}
	}
	return access_is_allowed(c->api, &x) ? 0 : refuse(c, &x);
}

bool call_may(struct call *c, const char *verb, const char *group, const char *resource,
              struct slice ns, struct slice name)
{
	struct access x = { .user = &c->user,
		            .verb = slice_of(verb),
		            .group = slice_of(group),
		            .resource = slice_of(resource),
		            .ns = ns,
		            .name = name };

	return access_is_allowed(c->api, &x);
}

/* ---- giving rights away ---- */

static bool covers_resource(const struct api *api, struct access *x, const struct val *rule,
                            const struct val *verb, const struct val *group)
{
	const struct val *names = val_get(rule, "resourceNames");

	val_for_each (val_get(rule, "resources"), resource) {
		struct slice head, tail;

		slice_cut(val_str(resource), '/', &head, &tail);
		x->verb = val_str(verb);
		x->group = val_str(group);
		x->resource = head;
		x->subresource = tail;
		x->name = SLICE("");
		if (access_is_allowed(api, x)) {
			continue;
		}
		if (!val_len(names)) {
			return false;
		}
		val_for_each (names, name) {
			x->name = val_str(name);
			if (!access_is_allowed(api, x)) {
				return false;
			}
		}
	}
	return true;
}

static bool covers_rule(const struct api *api, struct access *x, const struct val *rule)
{
	val_for_each (val_get(rule, "verbs"), verb) {
		val_for_each (val_get(rule, "apiGroups"), group) {
			if (!covers_resource(api, x, rule, verb, group)) {
				return false;
			}
		}
		val_for_each (val_get(rule, "nonResourceURLs"), path) {
			struct access p = { .user = x->user,
				            .verb = val_str(verb),
				            .path = val_str(path) };

			if (!access_is_allowed(api, &p)) {
				return false;
			}
		}
	}
	return true;
}

bool access_covers_rules(const struct api *api, const struct user *u, struct slice ns,
                         const struct val *rules)
{
	struct access x = { .user = u, .ns = ns };

	val_for_each (rules, rule) {
		if (!covers_rule(api, &x, rule)) {
			return false;
		}
	}
	return true;
}
