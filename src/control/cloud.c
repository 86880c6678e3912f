/* Why: a network written down as objects gets what the controllers of AWS would give it: an id, a state, conditions; and
 * what cannot be is refused in the service's words. The nodes make it so in the kernel. See cloud.h.
 *
 * Every change of any of these objects is a reason to look at all of them: there are few, and what one waits for is
 * another. */
#include "control/cloud.h"

#include "base/clock.h"
#include "base/mem.h"

#define RETRY_US (30 * US_PER_S)

/* ---- what to look at ---- */

struct adding {
	struct controller *controller;
	enum vpc_kind kind;
};

/* Databases and caches have a keeper of their own: the node. */
static bool is_ours(enum vpc_kind k)
{
	return k < VPC_DATABASE;
}

static void add(void *arg, const struct val *object)
{
	struct adding *a = arg;
	scoped_free char *ns = mem_printf("%s." SLICE_FMT, vpc_kind_info(a->kind)->kind,
	                                  SLICE_ARG(meta_ns(object)));

	controller_add(a->controller, slice_of(ns), meta_name(object));
}

static void seen(struct controller *c, const struct store_event *e)
{
	enum vpc_kind kind = vpc_kind_of(e->object->root);

	if (kind == VPC_KINDS) {
		return;
	}
	if (e->type == STORE_DELETED) {
		vpc_remove(c->state, e->object);
	} else {
		vpc_put(c->state, e->object);
	}
	for (int k = 0; k < VPC_KINDS; k++) {
		struct adding a = { c, (enum vpc_kind)k };

		if (is_ours(a.kind)) {
			vpc_each(c->state, a.kind, add, &a);
		}
	}
}

/* ---- references ---- */

static bool is_synced(enum vpc_kind k, const struct val *object)
{
	return vpc_kind_info(k)->id ? vpc_id(k, object).len > 0
	                            : condition_is_true(val_path(object, "status.conditions"),
	                                                "ACK.ResourceSynced");
}

static void resolve_ref(struct cloud_look *l, const struct val *ref, enum vpc_kind to)
{
	const struct val *target = vpc_by_ref(l->all, to, l->object, ref);
	const struct vpc_kind_info *info = vpc_kind_info(to);
	struct slice name = val_str(val_path(ref, "from.name"));

	l->has_references = true;
	if (l->unresolved) {
		return;
	}
	if (!target) {
		l->unresolved = arena_printf(l->w->arena, "%s.%s \"" SLICE_FMT "\" not found",
		                             info->plural, info->group, SLICE_ARG(name));
	} else if (!is_synced(to, target)) {
		l->unresolved = arena_printf(
			l->w->arena,
			"the referenced resource is not synced yet. resource:%s, name:" SLICE_FMT,
			info->kind, SLICE_ARG(name));
	}
}

static void resolve_id(struct cloud_look *l, struct slice id, enum vpc_kind to)
{
	if (vpc_kind_info(to)->id && !vpc_by_id(l->all, to, id)) {
		l->terminal = arena_printf(
			l->w->arena,
			"Invalid%sID.NotFound: The %s ID '" SLICE_FMT "' does not exist",
			vpc_kind_info(to)->kind, vpc_kind_info(to)->kind, SLICE_ARG(id));
	}
}

void cloud_resolve(struct cloud_look *l, const struct val *spec, const struct cloud_ref *r)
{
	const struct val *ref = val_get(spec, r->ref), *literal = val_get(spec, r->literal);
	bool by_ref = r->is_list ? val_len(ref) > 0 : !val_is_null(ref),
	     by_id = r->is_list ? val_len(literal) > 0 : val_str(literal).len > 0;

	if (by_ref && by_id) {
		l->terminal = arena_printf(
			l->w->arena,
			"'%s' field should not be present when using reference field: '%s'",
			r->literal, r->ref);
	} else if (!by_ref && !by_id && r->required) {
		l->terminal = arena_printf(l->w->arena,
		                           "at least one of '%s' or '%s' field should be present",
		                           r->literal, r->ref);
	} else if (!r->is_list && by_ref) {
		resolve_ref(l, ref, r->to);
	} else if (!r->is_list && by_id) {
		resolve_id(l, val_str(literal), r->to);
	}
	val_for_each (r->is_list ? ref : NULL, it) {
		resolve_ref(l, it, r->to);
	}
	val_for_each (r->is_list ? literal : NULL, it) {
		resolve_id(l, val_str(it), r->to);
	}
}

static void resolve_all(struct cloud_look *l)
{
	for (const struct cloud_ref *r = cloud_refs(l->kind); r->ref; r++) {
		cloud_resolve(l, val_get(l->object, "spec"), r);
	}
	cloud_check_deep(l);
}

/* ---- status ---- */

static bool has_arn(enum vpc_kind k)
{
	return k == VPC_SUBNET || k == VPC_GROUP;
}

static void write_metadata(struct cloud_look *l)
{
	struct arena *a = l->w->arena;
	struct val *meta = val_need_object(a, l->status, "ackResourceMetadata");

	val_set_cstr(a, meta, "ownerAccountID", CLOUD_ACCOUNT);
	val_set_cstr(a, meta, "partition", "aws");
	val_set_cstr(a, meta, "region", CLOUD_REGION);
	if (has_arn(l->kind)) {
		val_set(a, meta, "arn",
		        val_new_strf(
				a, "arn:aws:ec2:" CLOUD_REGION ":" CLOUD_ACCOUNT ":%s/" SLICE_FMT,
				l->kind == VPC_SUBNET ? "subnet" : "security-group",
				SLICE_ARG(val_get_str(l->status, vpc_kind_info(l->kind)->id))));
	}
}

/* Ids never change, and differ in every life of an object. */
static void write_id(struct cloud_look *l)
{
	const struct vpc_kind_info *info = vpc_kind_info(l->kind);

	if (info->id && !val_get_str(l->status, info->id).len) {
		val_set(l->w->arena, l->status, info->id,
		        val_new_strf(l->w->arena, "%s0%016llx", info->prefix,
		                     (unsigned long long)slice_hash(meta_uid(l->object))));
	}
}

static void set_condition(struct cloud_look *l, const char *type, const char *status,
                          const char *reason, const char *message)
{
	struct val *list = val_need_array(l->w->arena, l->status, "conditions");

	if (message) {
		condition_set(l->w, list,
		              &(struct condition){ type, status, reason, message, false });
	} else {
		condition_remove(list, type);
	}
}

static void report(struct cloud_look *l)
{
	const char *hinders = l->terminal ? l->terminal : l->recoverable;
	const char *synced = hinders ? "Resource not synced" : "Resource synced successfully";
	bool waits = l->unresolved && !l->terminal;

	set_condition(l, "ACK.Terminal", "True", "", l->terminal);
	set_condition(l, "ACK.Recoverable", "True", "",
	              l->terminal || waits ? NULL : l->recoverable);
	set_condition(l, "ACK.Advisory", "True", "", waits ? NULL : l->advisory);
	set_condition(l, "ACK.ReferencesResolved", waits ? "Unknown" : "True",
	              waits ? l->unresolved : "",
	              waits               ? "Reference resolution failed"
	              : l->has_references ? ""
	                                  : NULL);
	set_condition(l, "ACK.ResourceSynced", hinders ? "False" : "True", "",
	              waits ? NULL : synced);
	set_condition(l, "Ready", hinders ? "False" : "True",
	              l->terminal      ? "ACK.Terminal"
	              : l->recoverable ? "ACK.Recoverable"
	                               : "",
	              waits ? NULL : synced);
}

/* ---- life ---- */

static void set_finalizer(struct cloud_look *l, struct val *copy, bool wanted)
{
	const struct vpc_kind_info *info = vpc_kind_info(l->kind);
	const char *name = arena_printf(l->w->arena, "finalizers.%s/%s", info->group, info->kind);
	struct val *meta = val_need_object(l->w->arena, copy, "metadata");
	struct val *list = val_need_array(l->w->arena, meta, "finalizers");

	for (size_t i = 0; i < val_len(list); i++) {
		if (slice_is(val_str(val_at(list, i)), name)) {
			if (!wanted) {
				val_unlink(list, val_at(list, i));
			}
			return;
		}
	}
	if (wanted) {
		val_append(list, val_new_cstr(l->w->arena, name));
	}
}

static bool is_retained(const struct val *object)
{
	return slice_is(meta_annotation(object, "services.k8s.aws/deletion-policy"), "retain");
}

static void look_at(struct cloud_look *l, struct val *copy)
{
	if (meta_is_deleting(l->object)) {
		l->recoverable = is_retained(l->object) ? NULL : cloud_in_use(l);
		if (!l->recoverable) {
			set_finalizer(l, copy, false);
			return;
		}
	} else {
		set_finalizer(l, copy, true);
		resolve_all(l);
		if (!l->unresolved && !l->terminal) {
			cloud_fill(l);
		}
		if (!l->unresolved && !l->terminal) {
			write_id(l);
			write_metadata(l);
		}
	}
	report(l);
	if (l->recoverable || l->unresolved) {
		work_again(l->w, RETRY_US);
	}
}

static const struct kind *stored_kind(const struct work *w, enum vpc_kind k)
{
	return registry_find(store_registry(w->store), slice_of(vpc_kind_info(k)->group),
	                     SLICE("v1alpha1"), slice_of(vpc_kind_info(k)->kind));
}

static int step(struct work *w, struct slice key, struct err *err)
{
	struct cloud_look l = { .w = w, .all = w->controller->state };
	struct slice kind_name, rest;
	const struct kind *kind = NULL;
	const struct doc *d;
	struct val *copy;
	int r;

	(void)slice_cut(key, '.', &kind_name, &rest);
	for (int k = 0; k < VPC_KINDS && !kind; k++) {
		if (slice_is(kind_name, vpc_kind_info((enum vpc_kind)k)->kind)) {
			l.kind = (enum vpc_kind)k;
			kind = stored_kind(w, l.kind);
		}
	}
	d = kind ? work_get(w, kind, rest) : NULL;
	if (!d) {
		return 0;
	}
	copy = work_edit(w, d);
	l.object = d->root;
	l.status = val_need_object(w->arena, copy, "status");
	look_at(&l, copy);
	r = work_save_changed(w, kind, d, copy, err);
	return r < 0 ? r : 0;
}

static void start(struct controller *c)
{
	c->state = vpc_new();
}

static void stop(struct controller *c)
{
	vpc_free(c->state);
}

static bool can_run(const struct control *c)
{
	return registry_find(store_registry(c->store), slice_of(vpc_kind_info(VPC_VPC)->group),
	                     SLICE("v1alpha1"), SLICE("VPC"));
}

const struct controller_type control_cloud = {
	.name = "ec2-controller",
	.can_run = can_run,
	.start = start,
	.stop = stop,
	.seen = seen,
	.step = step,
};
