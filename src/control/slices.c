/* Why: endpoints change all the time, and every changed slice is sent to every watcher. See
 * slices.h. */
#include "control/slices.h"

#include "base/clock.h"
#include "base/mem.h"

#define LABEL_SERVICE      "kubernetes.io/service-name"
#define LABEL_MANAGED      "endpointslice.kubernetes.io/managed-by"
#define ANNOTATION_TRIGGER "endpoints.kubernetes.io/last-change-trigger-time"

/* A slice as it is to be. */
struct packed {
	const struct doc *stored; /* null: to be made */
	struct slice_group *group;
	struct val *endpoints; /* array in the arena */
	bool is_dirty;         /* some endpoint went or changed */
	struct packed *next;
};

struct packing {
	struct work *w;
	const struct slice_plan *plan;
	struct packed *slices;  /* to keep or make */
	struct packed *surplus; /* stored ones that nobody needs as they are */
};

bool slice_service(const struct val *slice, struct strbuf *ret)
{
	const struct val *name = val_get(meta_labels(slice), LABEL_SERVICE);

	strbuf_add_slice(ret, val_str(name));
	return name;
}

struct slice_group *slice_plan_group(struct work *w, struct slice_plan *p, const char *address_type,
                                     const struct val *ports)
{
	struct slice_group **at = &p->groups;

	for (; *at; at = &(*at)->next) {
		if (strcmp((*at)->address_type, address_type) == 0 && val_eq((*at)->ports, ports)) {
			return *at;
		}
	}
	*at = ARENA_NEW(w->arena, struct slice_group);
	(*at)->address_type = address_type;
	(*at)->ports = val_copy(w->arena, ports);
	(*at)->endpoints = val_new_array(w->arena);
	return *at;
}

/* ---- what is there ---- */

static bool is_ours(void *arg, const struct val *object)
{
	const struct slice_plan *p = arg;
	const struct val *labels = meta_labels(object);

	return !meta_is_deleting(object) &&
	       slice_is(val_get_str(labels, LABEL_MANAGED), p->managed_by);
}

static struct slice address_of(const struct val *endpoint)
{
	return val_str(val_at(val_get(endpoint, "addresses"), 0));
}

/* Takes the endpoint with that address out of the group's wishes. */
static struct val *take_wish(struct slice_group *g, struct slice address)
{
	for (size_t i = 0; i < val_len(g->endpoints); i++) {
		struct val *e = val_at(g->endpoints, i);

		if (slice_eq(address_of(e), address)) {
			val_unlink(g->endpoints, e);
			return e;
		}
	}
	return NULL;
}

static struct slice_group *group_of(const struct slice_plan *p, const struct val *slice)
{
	struct slice type = val_get_str(slice, "addressType");
	const struct val *ports = val_get(slice, "ports");

	for (struct slice_group *g = p->groups; g; g = g->next) {
		if (slice_is(type, g->address_type) &&
		    (val_eq(g->ports, ports) || (!val_len(g->ports) && !val_len(ports)))) {
			return g;
		}
	}
	return NULL;
}

static struct packed *add(struct packing *k, struct packed **list, const struct doc *stored,
                          struct slice_group *g)
{
	struct packed *p = ARENA_NEW(k->w->arena, struct packed);

	p->stored = stored;
	p->group = g;
	p->endpoints = val_new_array(k->w->arena);
	p->next = *list;
	*list = p;
	return p;
}

/* Step 1: what vanished is dropped, what changed is rewritten, in place. */
static void walk_stored(struct packing *k, const struct doc *stored)
{
	struct slice_group *g = group_of(k->plan, stored->root);
	struct packed *p;

	if (!g) {
		add(k, &k->surplus, stored, NULL);
		return;
	}
	p = add(k, &k->slices, stored, g);
	val_for_each (val_get(stored->root, "endpoints"), it) {
		struct val *wish = take_wish(g, address_of(it));

		if (!wish) {
			p->is_dirty = true;
			continue;
		}
		p->is_dirty |= !val_eq(it, wish);
		val_append(p->endpoints, wish);
	}
}

/* ---- where new ones go ---- */

static void fill(struct packed *p)
{
	struct val *from = p->group->endpoints;

	while (val_len(from) && val_len(p->endpoints) < SLICE_ENDPOINTS_MAX) {
		struct val *e = val_at(from, 0);

		val_unlink(from, e);
		val_append(p->endpoints, e);
		p->is_dirty = true;
	}
}

/* The fullest slice of the group that is not full; dirty ones only, or one that takes all the rest.
 */
static struct packed *find_room(struct packing *k, struct slice_group *g, bool dirty)
{
	size_t need = dirty ? 1 : val_len(g->endpoints);
	struct packed *best = NULL;

	for (struct packed *p = k->slices; p; p = p->next) {
		size_t n = val_len(p->endpoints);

		if (p->group == g && (!dirty || p->is_dirty) && n + need <= SLICE_ENDPOINTS_MAX &&
		    (!best || n > val_len(best->endpoints))) {
			best = p;
		}
	}
	return best;
}

static void place(struct packing *k, struct slice_group *g)
{
	struct packed *p;

	while (val_len(g->endpoints) && (p = find_room(k, g, true))) {
		fill(p);
	}
	if (val_len(g->endpoints) && (p = find_room(k, g, false))) {
		fill(p);
	}
	while (val_len(g->endpoints)) {
		fill(add(k, &k->slices, NULL, g));
	}
}

static size_t count_of_type(const struct packing *k, const char *type)
{
	size_t n = 0;

	for (const struct packed *p = k->slices; p; p = p->next) {
		n += !type || strcmp(p->group->address_type, type) == 0;
	}
	return n;
}

/* Empty slices go, but the last one of a type that is asked for stays as the sign that somebody
 * looked. */
static bool is_sign(const struct packing *k, const struct packed *p)
{
	const char *type = p->group->address_type;

	if (!k->plan->types[0]) {
		return count_of_type(k, NULL) == 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(k->plan->types) && k->plan->types[i]; i++) {
		if (strcmp(k->plan->types[i], type) == 0) {
			return count_of_type(k, type) == 1;
		}
	}
	return false;
}

static void drop_empty(struct packing *k)
{
	struct packed **at = &k->slices;

	while (*at) {
		struct packed *p = *at;

		if (val_len(p->endpoints) || is_sign(k, p)) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		if (p->stored) {
			p->next = k->surplus;
			k->surplus = p;
		}
	}
}

static void add_sign(struct packing *k, const char *type)
{
	struct slice_group *empty = ARENA_NEW(k->w->arena, struct slice_group);

	empty->address_type = type;
	empty->ports = val_new_array(k->w->arena);
	add(k, &k->slices, NULL, empty);
}

static void add_signs(struct packing *k)
{
	if (!k->plan->types[0] && !k->slices) {
		add_sign(k, k->plan->groups ? k->plan->groups->address_type : "IPv4");
	}
	for (size_t i = 0; i < ARRAY_SIZE(k->plan->types) && k->plan->types[i]; i++) {
		if (count_of_type(k, k->plan->types[i]) == 0) {
			add_sign(k, k->plan->types[i]);
		}
	}
}

/* A slice to make and one to remove are one slice to change. */
static void recycle(struct packing *k)
{
	for (struct packed *p = k->slices; p; p = p->next) {
		for (struct packed **s = &k->surplus; !p->stored && *s; s = &(*s)->next) {
			if (slice_is(val_get_str((*s)->stored->root, "addressType"),
			             p->group->address_type)) {
				p->stored = (*s)->stored;
				p->is_dirty = true;
				*s = (*s)->next;
				break;
			}
		}
	}
}

/* ---- writing ---- */

static struct val *labels_of(struct packing *k)
{
	struct arena *a = k->w->arena;
	struct val *labels = k->plan->labels ? val_copy(a, k->plan->labels) : val_new_object(a);

	val_set_cstr(a, labels, LABEL_SERVICE, k->plan->service);
	val_set_cstr(a, labels, LABEL_MANAGED, k->plan->managed_by);
	return labels;
}

static void fill_in(struct packing *k, const struct packed *p, struct val *slice)
{
	struct arena *a = k->w->arena;
	struct val *m = val_need_object(a, slice, "metadata");
	char text[TIME_TEXT_SIZE];

	val_set(a, m, "labels", labels_of(k));
	val_for_each (k->plan->annotations, it) {
		set_annotation(a, slice, it->key.p, val_str(it));
	}
	if (k->plan->trigger_us && p->is_dirty) {
		set_annotation(a, slice, ANNOTATION_TRIGGER,
		               slice_of(time_format(k->plan->trigger_us, text)));
	}
	val_set_cstr(a, slice, "addressType", p->group->address_type);
	val_set(a, slice, "ports", val_copy(a, p->group->ports));
	val_set(a, slice, "endpoints", p->endpoints);
}

static int write_one(struct packing *k, struct packed *p, struct err *err)
{
	struct work *w = k->w;
	struct arena *a = w->arena;
	struct val *slice, *m, *refs;
	int r;

	if (p->stored) {
		slice = work_edit(w, p->stored);
		fill_in(k, p, slice);
		r = work_save_changed(w, w->kinds->endpointslice, p->stored, slice, err);
		return r < 0 ? r : 0;
	}
	p->is_dirty = true;
	slice = val_new_object(a);
	m = val_need_object(a, slice, "metadata");
	val_set(a, m, "generateName", val_new_strf(a, "%s-", k->plan->service));
	val_set_str(a, m, "namespace", meta_ns(k->plan->owner));
	refs = val_need_array(a, m, "ownerReferences");
	val_append(refs, owner_ref(a, k->plan->owner_kind, k->plan->owner));
	fill_in(k, p, slice);
	return work_create(w, w->kinds->endpointslice, slice, NULL, err);
}

int slice_plan_carry_out(struct work *w, const struct slice_plan *plan, struct err *err)
{
	struct packing k = { .w = w, .plan = plan };
	struct docs stored = work_slices(w, meta_ns(plan->owner), slice_of(plan->service), is_ours,
	                                 (void *)(uintptr_t)plan);
	int r;

	for (size_t i = 0; i < stored.n; i++) {
		walk_stored(&k, stored.at[i]);
	}
	for (struct slice_group *g = plan->groups; g; g = g->next) {
		place(&k, g);
	}
	drop_empty(&k);
	add_signs(&k);
	recycle(&k);
	for (struct packed *p = k.slices; p; p = p->next) {
		r = write_one(&k, p, err);
		if (r < 0) {
			return r;
		}
	}
	for (struct packed *p = k.surplus; p; p = p->next) {
		r = work_delete(w, w->kinds->endpointslice, p->stored->root, err);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}
