/* Why: two controllers publish the same facts in two shapes; the facts are found here. See
 * service-pods.h. */
#include "control/service-pods.h"

#include "base/ip.h"
#include "base/mem.h"
#include "control/pods.h"
#include "schema/selector.h"

bool service_has_selector(const struct val *service)
{
	return val_len(val_path(service, "spec.selector")) > 0;
}

bool service_is_headless(const struct val *service)
{
	struct slice ip = val_str(val_path(service, "spec.clusterIP"));

	return slice_is(ip, "None") || ip.len == 0;
}

bool service_has_pods(const struct val *service)
{
	return service_has_selector(service) &&
	       !slice_is(val_str(val_path(service, "spec.type")), "ExternalName");
}

/* ---- events ---- */

bool service_selector(const struct val *service, struct strbuf *ret)
{
	const struct val *first = val_first(val_path(service, "spec.selector"));

	if (first) {
		strbuf_add_slice(ret, first->key);
		strbuf_addc(ret, '=');
		strbuf_add_slice(ret, val_str(first));
	}
	return first;
}

struct seeing {
	struct controller *c;
	const struct val *labels; /* null: all services */
};

static bool selects(const struct val *service, const struct val *labels)
{
	const struct val *selector = val_path(service, "spec.selector");

	val_for_each (selector, it) {
		if (!val_eq(val_get_slice(labels, it->key), it)) {
			return false;
		}
	}
	return true;
}

static bool see_service(void *arg, const struct doc *d)
{
	struct seeing *s = arg;

	if (!s->labels || selects(d->root, s->labels)) {
		controller_add_object(s->c, d->root);
	}
	return true;
}

/* Services that select pods with these labels: each is found by one of them. */
static void see_services_of(struct controller *c, const struct val *pod)
{
	struct seeing s = { .c = c, .labels = meta_labels(pod) };

	val_for_each (s.labels, it) {
		scoped_strbuf struct strbuf pair = { 0 };

		strbuf_add_slice(&pair, it->key);
		strbuf_addc(&pair, '=');
		strbuf_add_slice(&pair, val_str(it));
		store_each_indexed(c->control->store, c->control->kinds.service, meta_ns(pod),
		                   strbuf_slice(&pair), see_service, &s);
	}
}

void service_pods_seen(struct controller *c, const struct store_event *e)
{
	const struct kinds *k = &c->control->kinds;
	struct seeing s = { .c = c };

	if (e->kind == k->service) {
		controller_add_object(c, e->object->root);
	} else if (e->kind == k->pod) {
		see_services_of(c, e->object->root);
		if (e->old) {
			see_services_of(c, e->old->root);
		}
	} else if (e->kind == k->node && e->type != STORE_MODIFIED) {
		store_each(c->control->store, k->service, SLICE(""), see_service, &s);
	}
}

/* ---- ports ---- */

/* The number behind a port's name in a container that serves: ordinary ones first, then sidecars.
 */
static int64_t named_port(const struct val *pod, struct slice name, struct slice protocol)
{
	static const char *const lists[] = { "containers", "initContainers" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		val_for_each (val_get(val_get(pod, "spec"), lists[i]), c) {
			if (i == 1 && !slice_is(val_get_str(c, "restartPolicy"), "Always")) {
				continue;
			}
			val_for_each (val_get(c, "ports"), p) {
				struct slice proto = val_get_str(p, "protocol");

				if (slice_eq(val_get_str(p, "name"), name) &&
				    slice_eq(proto.len ? proto : SLICE("TCP"), protocol)) {
					return val_int(val_get(p, "containerPort"), 0);
				}
			}
		}
	}
	return 0;
}

static struct val *resolve_ports(struct arena *a, const struct val *service, const struct val *pod)
{
	struct val *ports = val_new_array(a), *port;

	val_for_each (val_path(service, "spec.ports"), it) {
		const struct val *target = val_get(it, "targetPort");
		struct slice protocol = val_get_str(it, "protocol");
		int64_t number;

		protocol = protocol.len ? protocol : SLICE("TCP");
		if (target && target->type == VAL_STRING) {
			number = named_port(pod, target->s, protocol);
		} else {
			number = val_int(target, 0);
			number = number ? number : val_int(val_get(it, "port"), 0);
		}
		if (!number) {
			continue; /* this pod does not have it; the others of its ports count */
		}
		port = val_append(ports, val_new_object(a));
		val_set_str(a, port, "name", val_get_str(it, "name"));
		val_set_str(a, port, "protocol", protocol);
		val_set_int(a, port, "port", number);
		if (val_get_str(it, "appProtocol").len) {
			val_set_str(a, port, "appProtocol", val_get_str(it, "appProtocol"));
		}
	}
	return ports;
}

/* ---- pods ---- */

static struct slice pod_ip(const struct val *pod, enum ip_family family)
{
	struct slice first = val_str(val_path(pod, "status.podIP"));
	struct ip ip;

	val_for_each (val_path(pod, "status.podIPs"), it) {
		struct slice text = val_get_str(it, "ip");

		if (ip_parse(text, &ip) && ip.family == family) {
			return text;
		}
	}
	return ip_parse(first, &ip) && ip.family == family ? first : SLICE("");
}

void service_address_types(const struct val *service, const char *ret[2])
{
	size_t n = 0;

	ret[0] = "IPv4";
	ret[1] = NULL;
	val_for_each (val_path(service, "spec.ipFamilies"), it) {
		if (n < 2) {
			ret[n++] = slice_is(val_str(it), "IPv6") ? "IPv6" : "IPv4";
		}
	}
}

static int64_t newest_change(const struct val *pod)
{
	const struct val *ready = condition_find(val_path(pod, "status.conditions"), "Ready");
	int64_t us = time_of(val_get(ready, "lastTransitionTime"));
	int64_t created = meta_created_us(pod);

	return us > created ? us : created;
}

static void add_endpoint(struct work *w, const struct val *service, const struct val *pod,
                         const char *type, struct slice ip, struct endpoints *out)
{
	struct slice node = val_str(val_path(pod, "spec.nodeName"));
	const struct doc *on = work_find(w, w->kinds->node, SLICE(""), node);
	bool all = val_bool(val_path(service, "spec.publishNotReadyAddresses"), false);
	struct slice subdomain = val_str(val_path(pod, "spec.subdomain"));
	struct endpoint *e = &out->at[out->n];

	if (node.len && !on && !all) {
		return; /* the node's arrival brings the next look */
	}
	*e = (struct endpoint){ .pod = pod, .ip = ip, .address_type = type };
	e->node = on ? on->root : NULL;
	e->is_serving = pod_is_ready(pod);
	e->is_terminating = meta_is_deleting(pod);
	e->is_ready = all || (e->is_serving && !e->is_terminating);
	if (slice_eq(subdomain, meta_name(service))) {
		e->hostname = val_str(val_path(pod, "spec.hostname"));
	}
	e->ports = resolve_ports(w->arena, service, pod);
	e->changed_us = newest_change(pod);
	out->changed_us = e->changed_us > out->changed_us ? e->changed_us : out->changed_us;
	out->n++;
}

static bool is_selected(void *arg, const struct val *pod)
{
	return selects(arg, meta_labels(pod)) && !pod_is_finished(pod);
}

struct endpoints service_endpoints(struct work *w, const struct val *service)
{
	struct docs pods = work_list(w, w->kinds->pod, meta_ns(service), is_selected,
	                             (void *)(uintptr_t)service);
	struct endpoints out = { .at = ARENA_ARRAY(w->arena, struct endpoint, pods.n * 2 + 1),
		                 .changed_us = meta_created_us(service) };
	const char *types[2];

	service_address_types(service, types);
	for (size_t f = 0; f < ARRAY_SIZE(types) && types[f]; f++) {
		enum ip_family family = strcmp(types[f], "IPv6") == 0 ? IP_V6 : IP_V4;

		for (size_t i = 0; i < pods.n; i++) {
			struct slice ip = pod_ip(pods.at[i]->root, family);

			if (ip.len) {
				add_endpoint(w, service, pods.at[i]->root, types[f], ip, &out);
			}
		}
	}
	return out;
}

struct val *endpoint_target(struct arena *a, const struct endpoint *e)
{
	struct val *ref = val_new_object(a);

	val_set_cstr(a, ref, "kind", "Pod");
	val_set_str(a, ref, "namespace", meta_ns(e->pod));
	val_set_str(a, ref, "name", meta_name(e->pod));
	val_set_str(a, ref, "uid", meta_uid(e->pod));
	return ref;
}
