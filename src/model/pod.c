/* Why: pods as policies and addresses see them: who lives at an address, with which labels and
 * named ports. Source: networking.md 3.3 */
#include "base/strbuf.h"
#include "model/model-priv.h"

static bool is_finished(const struct val *pod)
{
	struct slice phase = val_str(val_path(pod, "status.phase"));

	return slice_is(phase, "Succeeded") || slice_is(phase, "Failed");
}

/* ---- who lives at an address ---- */

/* Two pods may claim one address while it passes from one to the other; whoever is not leaving has
 * it. */
static bool has_precedence(const struct pod *a, const struct pod *b)
{
	int r;

	if (a->is_terminating != b->is_terminating) {
		return b->is_terminating;
	}
	r = strcmp(a->space->name, b->space->name);
	return r ? r < 0 : slice_cmp(a->name, b->name) < 0;
}

struct pod *pod_at(const struct model *m, struct ip ip)
{
	struct pod *best = NULL;

	for (struct pod_address *a = map_find(&m->pod_by_ip, key_of_ip(&ip)); a; a = a->next) {
		if (!best || has_precedence(a->pod, best)) {
			best = a->pod;
		}
	}
	return best;
}

static void index_address(struct model *m, struct pod_address *a)
{
	a->next = map_set(&m->pod_by_ip, key_of_ip(&a->ip), a);
	policy_compiler_address_changed(m->compiler, a->ip);
}

static void unindex_address(struct model *m, struct pod_address *a)
{
	struct pod_address *first = map_find(&m->pod_by_ip, key_of_ip(&a->ip)), *at = first;

	if (first == a && !a->next) {
		map_remove(&m->pod_by_ip, key_of_ip(&a->ip));
	} else if (first == a) {
		map_set(&m->pod_by_ip, key_of_ip(&a->ip), a->next);
	} else {
		while (at && at->next != a) {
			at = at->next;
		}
		if (at) {
			at->next = a->next;
		}
	}
	policy_compiler_address_changed(m->compiler, a->ip);
}

static void add_address(struct pod *p, struct slice text)
{
	struct ip ip;

	if (!ip_parse(text, &ip)) {
		return;
	}
	for (size_t i = 0; i < p->n_addresses; i++) {
		if (ip_eq(p->addresses[i].ip, ip)) {
			return;
		}
	}
	p->addresses[p->n_addresses++] = (struct pod_address){ .ip = ip, .pod = p };
}

/* ---- kinds ---- */

static int by_key(const void *a, const void *b)
{
	return slice_cmp((*(const struct val *const *)a)->key,
	                 (*(const struct val *const *)b)->key);
}

static void add_labels(struct strbuf *b, const struct val *labels)
{
	size_t n = val_len(labels), i = 0;
	scoped_free const struct val **sorted = mem_alloc((n + 1) * sizeof(*sorted));

	val_for_each (labels, it) {
		sorted[i++] = it;
	}
	qsort(sorted, i, sizeof(*sorted), by_key);
	for (i = 0; i < n; i++) {
		strbuf_add_slice(b, sorted[i]->key);
		strbuf_addc(b, '=');
		strbuf_add_slice(b, val_str(sorted[i]));
		strbuf_addc(b, '\n');
	}
}

static void add_ports(struct strbuf *b, const struct val *containers, bool only_sidecars)
{
	val_for_each (containers, c) {
		if (only_sidecars && !slice_is(val_get_str(c, "restartPolicy"), "Always")) {
			continue;
		}
		val_for_each (val_get(c, "ports"), p) {
			strbuf_add_slice(b, val_get_str(p, "name"));
			strbuf_addf(b, "/%d/%lld\n", proto_parse(val_get_str(p, "protocol")),
			            (long long)val_int(val_get(p, "containerPort"), 0));
		}
	}
}

static void set_kind(struct model *m, struct pod *p)
{
	scoped_strbuf struct strbuf key = { 0 };
	const struct val *spec = val_get(p->doc->root, "spec");

	add_labels(&key, p->labels);
	strbuf_addc(&key, '|');
	add_ports(&key, val_get(spec, "containers"), false);
	add_ports(&key, val_get(spec, "initContainers"), true);
	p->kind = map_find(&m->pod_kinds, strbuf_slice(&key));
	if (!p->kind) {
		p->kind = NEW(struct pod_kind);
		p->kind->id = ++m->next_id;
		map_set(&m->pod_kinds, strbuf_slice(&key), p->kind);
	}
	p->kind->n_pods++;
	p->kind_key = strbuf_steal(&key);
}

static void drop_kind(struct model *m, struct pod *p)
{
	if (--p->kind->n_pods == 0) {
		map_remove(&m->pod_kinds, slice_of(p->kind_key));
		free(p->kind);
	}
	free(p->kind_key);
}

/* ---- records ---- */

static struct pod *pod_new(struct model *m, const struct doc *d)
{
	const struct val *root = d->root, *ips = val_path(root, "status.podIPs");
	struct pod *p = NEW(struct pod);

	p->doc = doc_ref(d);
	p->space = space_need(m, val_str(val_path(root, "metadata.namespace")));
	p->name = val_str(val_path(root, "metadata.name"));
	p->node = val_str(val_path(root, "spec.nodeName"));
	p->labels = val_path(root, "metadata.labels");
	p->is_terminating = val_path(root, "metadata.deletionTimestamp") != NULL;
	p->is_peer = !val_bool(val_path(root, "spec.hostNetwork"), false) && !is_finished(root);
	p->addresses = mem_alloc(sizeof(*p->addresses) * (val_len(ips) + 1));
	add_address(p, val_str(val_path(root, "status.podIP")));
	val_for_each (ips, it) {
		add_address(p, val_get_str(it, "ip"));
	}
	set_kind(m, p);
	return p;
}

/* Does everything that this room reads of a pod say the same? */
static bool means_the_same(const struct val *a, const struct val *b)
{
	static const char *const paths[] = { "metadata.labels",    "spec.nodeName",
		                             "spec.hostNetwork",   "status.podIP",
		                             "status.podIPs",      "spec.containers",
		                             "spec.initContainers" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (!val_eq(val_path(a, paths[i]), val_path(b, paths[i]))) {
			return false;
		}
	}
	return is_finished(a) == is_finished(b) &&
	       !val_path(a, "metadata.deletionTimestamp") ==
	               !val_path(b, "metadata.deletionTimestamp");
}

static void link_pod(struct model *m, struct pod *p)
{
	vec_push(&p->space->pods, p);
	for (size_t i = 0; i < p->n_addresses && p->is_peer; i++) {
		index_address(m, &p->addresses[i]);
	}
	model_changed(m, MODEL_PODS);
	model_changed(m, MODEL_POLICIES);
}

static void unlink_pod(struct model *m, struct pod *p)
{
	for (size_t i = 0; i < p->n_addresses && p->is_peer; i++) {
		unindex_address(m, &p->addresses[i]);
	}
	for (size_t i = 0; i < p->space->pods.n; i++) {
		if (p->space->pods.at[i] == p) {
			p->space->pods.at[i] = p->space->pods.at[--p->space->pods.n];
			break;
		}
	}
	model_changed(m, MODEL_PODS);
	model_changed(m, MODEL_POLICIES);
}

void model_pod_free(struct model *m, struct pod *p)
{
	drop_kind(m, p);
	free(p->addresses);
	doc_unref(p->doc);
	free(p);
}

static void hold_document(struct pod *p, const struct doc *d)
{
	struct doc *old = p->doc;

	p->doc = doc_ref(d);
	p->name = val_str(val_path(d->root, "metadata.name"));
	p->node = val_str(val_path(d->root, "spec.nodeName"));
	p->labels = val_path(d->root, "metadata.labels");
	doc_unref(old);
}

void pod_put(struct model *m, const struct doc *d)
{
	struct key k;
	struct slice key = key_make(&k, val_str(val_path(d->root, "metadata.namespace")),
	                            val_str(val_path(d->root, "metadata.name")));
	struct pod *old = map_find(&m->pods, key), *p;

	if (old && means_the_same(old->doc->root, d->root)) {
		hold_document(old, d);
		return;
	}
	p = pod_new(m, d);
	if (old) {
		unlink_pod(m, old);
		model_pod_free(m, old);
	}
	map_set(&m->pods, key, p);
	link_pod(m, p);
	host_ports_put(m, p);
}

void pod_remove(struct model *m, const struct doc *d)
{
	struct key k;
	struct slice key = key_make(&k, val_str(val_path(d->root, "metadata.namespace")),
	                            val_str(val_path(d->root, "metadata.name")));
	struct pod *p = map_find(&m->pods, key);
	struct slice uid = val_str(val_path(d->root, "metadata.uid"));
	struct space *s;

	/* Made anew under the same name meanwhile, maybe elsewhere: that one stays. */
	if (p && (!uid.len || slice_eq(uid, val_str(val_path(p->doc->root, "metadata.uid"))))) {
		(void)map_remove(&m->pods, key);
		s = p->space;
		host_ports_remove(m, p);
		unlink_pod(m, p);
		model_pod_free(m, p);
		space_drop_unused(m, s);
	}
}

/* ---- named ports ---- */

static uint16_t port_of_container(const struct val *container, struct slice name, enum proto proto)
{
	val_for_each (val_get(container, "ports"), p) {
		int64_t number = val_int(val_get(p, "containerPort"), 0);

		if (slice_eq(val_get_str(p, "name"), name) &&
		    proto_parse(val_get_str(p, "protocol")) == proto && number > 0 &&
		    number <= UINT16_MAX) {
			return (uint16_t)number;
		}
	}
	return 0;
}

uint16_t pod_named_port(const struct pod *p, struct slice name, enum proto proto)
{
	uint16_t number;

	val_for_each (val_path(p->doc->root, "spec.containers"), c) {
		number = port_of_container(c, name, proto);
		if (number) {
			return number;
		}
	}
	val_for_each (val_path(p->doc->root, "spec.initContainers"), c) {
		number = slice_is(val_get_str(c, "restartPolicy"), "Always")
		                 ? port_of_container(c, name, proto)
		                 : 0;
		if (number) {
			return number;
		}
	}
	return 0;
}
