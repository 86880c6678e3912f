/* Why: an address or node port is given to one service only, also after a restart. See addresses.h.
 * Source: reference 7.1, 7.2, 8.12 */
#include "api/addresses.h"

#include "base/chance.h"
#include "base/mem.h"
#include "codec/json.h"

#define DNS_ADDRESS "10.0.0.10" /* outside of the range, for kube-system/kube-dns alone */

static void owner_of(struct strbuf *out, const struct val *service)
{
	strbuf_add_slice(out, val_str(val_path(service, "metadata.namespace")));
	strbuf_addc(out, '/');
	strbuf_add_slice(out, val_str(val_path(service, "metadata.name")));
}

static void map_empty(struct map *m)
{
	for (struct map_iter it = { 0 }; map_next(m, &it);) {
		free(it.value);
	}
	map_fini(m);
}

void addresses_fini(struct addresses *a)
{
	map_empty(&a->ips);
	map_empty(&a->ports);
}

static void reserve(struct map *m, struct slice what, struct slice owner)
{
	free(map_set(m, what, slice_dup(owner)));
}

static void release(struct map *m, struct slice what, struct slice owner)
{
	const char *holder = map_find(m, what);

	if (holder && slice_is(owner, holder)) {
		free(map_remove(m, what));
	}
}

static bool is_taken(const struct map *m, struct slice what, struct slice owner)
{
	const char *holder = map_find(m, what);

	return holder && !slice_is(owner, holder);
}

static void each_port(struct addresses *a, const struct val *service, struct slice owner,
                      void (*fn)(struct map *, struct slice, struct slice))
{
	const struct val *health = val_path(service, "spec.healthCheckNodePort");
	char text[16];

	val_for_each (val_path(service, "spec.ports"), it) {
		int64_t port = val_int(val_get(it, "nodePort"), 0);

		if (port) {
			snprintf(text, sizeof(text), "%d", (int)port);
			fn(&a->ports, slice_of(text), owner);
		}
	}
	if (val_int(health, 0)) {
		snprintf(text, sizeof(text), "%d", (int)val_int(health, 0));
		fn(&a->ports, slice_of(text), owner);
	}
}

static void each_address(struct addresses *a, const struct val *service,
                         void (*fn)(struct map *, struct slice, struct slice))
{
	scoped_strbuf struct strbuf owner = { 0 };
	char text[IP_TEXT_SIZE];
	struct ip ip;

	owner_of(&owner, service);
	val_for_each (val_path(service, "spec.clusterIPs"), it) {
		if (ip_parse(val_str(it), &ip)) {
			fn(&a->ips, slice_of(ip_format(ip, text)), strbuf_slice(&owner));
		}
	}
	each_port(a, service, strbuf_slice(&owner), fn);
}

void addresses_note(struct addresses *a, const struct val *service)
{
	each_address(a, service, reserve);
}

void addresses_forget(struct addresses *a, const struct val *service)
{
	each_address(a, service, release);
}

/* ---- types ---- */

static bool has_address(const struct val *spec)
{
	return !slice_is(val_get_str(spec, "type"), "ExternalName");
}

static bool is_balanced(const struct val *spec)
{
	return slice_is(val_get_str(spec, "type"), "LoadBalancer");
}

static bool has_node_ports(const struct val *spec)
{
	return slice_is(val_get_str(spec, "type"), "NodePort") ||
	       (is_balanced(spec) &&
	        val_bool(val_get(spec, "allocateLoadBalancerNodePorts"), true));
}

static bool has_health_port(const struct val *spec)
{
	return is_balanced(spec) && slice_is(val_get_str(spec, "externalTrafficPolicy"), "Local");
}

static const struct val *find_port(const struct val *spec, const struct val *like)
{
	val_for_each (val_get(spec, "ports"), it) {
		if (val_int(val_get(it, "port"), 0) == val_int(val_get(like, "port"), 0) &&
		    slice_eq(val_get_str(it, "protocol"), val_get_str(like, "protocol"))) {
			return it;
		}
	}
	return NULL;
}

/* One of clusterIP and clusterIPs was changed, the other left as it was: it follows. */
static void align_addresses(struct arena *a, struct val *spec, const struct val *old)
{
	struct slice ip = val_get_str(spec, "clusterIP");

	if (!val_get(spec, "clusterIPs") || slice_eq(ip, val_get_str(old, "clusterIP")) ||
	    !val_eq(val_get(spec, "clusterIPs"), val_get(old, "clusterIPs"))) {
		return;
	}
	val_remove(spec, "clusterIPs");
	if (ip.len) {
		val_append(val_need_array(a, spec, "clusterIPs"), val_new_str(a, ip));
	}
}

static void carry_address(struct arena *a, struct val *spec, const struct val *old)
{
	align_addresses(a, spec, old);
	if (!has_address(old)) {
		return;
	}
	if (!val_get_str(spec, "clusterIP").len && !val_len(val_get(spec, "clusterIPs"))) {
		val_set_str(a, spec, "clusterIP", val_get_str(old, "clusterIP"));
	}
	if (!val_len(val_get(spec, "clusterIPs")) && val_get(old, "clusterIPs") &&
	    slice_eq(val_get_str(spec, "clusterIP"), val_get_str(old, "clusterIP"))) {
		val_set(a, spec, "clusterIPs", val_copy(a, val_get(old, "clusterIPs")));
	}
}

/* Who gives one address means a list of it. */
static void complete_address(struct arena *a, struct val *spec)
{
	struct slice ip = val_get_str(spec, "clusterIP");

	if (ip.len && !val_len(val_get(spec, "clusterIPs"))) {
		val_append(val_need_array(a, spec, "clusterIPs"), val_new_str(a, ip));
	}
}

static bool has_port(const struct val *spec, int64_t port)
{
	val_for_each (val_get(spec, "ports"), it) {
		if (val_int(val_get(it, "nodePort"), 0) == port) {
			return true;
		}
	}
	return false;
}

static void carry_ports(struct arena *a, struct val *spec, const struct val *old)
{
	for (struct val *it = (struct val *)val_first(val_get(spec, "ports")); it; it = it->next) {
		const struct val *before = find_port(old, it);
		int64_t was = val_int(val_get(before, "nodePort"), 0);

		if (!has_node_ports(spec)) {
			/* the same type as before keeps an error an error */
			if (has_node_ports(old) && val_int(val_get(it, "nodePort"), 0) == was) {
				val_remove(it, "nodePort");
			}
		} else if (was && !val_int(val_get(it, "nodePort"), 0) && !has_port(spec, was)) {
			val_set_int(a, it, "nodePort", was);
		}
	}
}

/* What means nothing for the new type and was not touched goes. */
static void drop_same(struct val *spec, const struct val *old, const char *key)
{
	if (old && val_eq(val_get(spec, key), val_get(old, key))) {
		val_remove(spec, key);
	}
}

void service_carry_over(struct arena *arena, struct val *service, const struct val *old_service)
{
	struct val *spec = val_get(service, "spec");
	const struct val *old = val_get(old_service, "spec");
	int64_t health = val_int(val_get(old, "healthCheckNodePort"), 0);

	if (!spec) {
		return;
	}
	if (old && has_address(spec)) {
		carry_address(arena, spec, old);
	}
	if (has_address(spec)) {
		complete_address(arena, spec);
	}
	if (!has_address(spec) && old && has_address(old)) {
		val_remove(spec, "clusterIP");
		val_remove(spec, "clusterIPs");
		val_remove(spec, "ipFamilies");
		val_remove(spec, "ipFamilyPolicy");
	}
	if (old) {
		carry_ports(arena, spec, old);
	}
	if (!has_health_port(spec)) {
		if (val_int(val_get(spec, "healthCheckNodePort"), 0) == health) {
			val_remove(spec, "healthCheckNodePort");
		}
	} else if (health && !val_int(val_get(spec, "healthCheckNodePort"), 0)) {
		val_set_int(arena, spec, "healthCheckNodePort", health);
	}
	if (slice_is(val_get_str(spec, "type"), "ClusterIP") || !has_address(spec)) {
		drop_same(spec, old, "externalTrafficPolicy");
	}
	if (!is_balanced(spec)) {
		drop_same(spec, old, "loadBalancerClass");
		val_remove(spec, "allocateLoadBalancerNodePorts");
	} else if (!val_get(spec, "allocateLoadBalancerNodePorts")) {
		val_set_bool(arena, spec, "allocateLoadBalancerNodePorts", true);
	}
}

/* ---- giving ---- */

static struct prefix range_of(bool is_v6)
{
	struct prefix range = { 0 };

	(void)prefix_parse(is_v6 ? SLICE(SERVICE_RANGE6) : SLICE(SERVICE_RANGE), &range);
	return range;
}

static bool is_in_range(struct ip ip, struct slice owner)
{
	struct prefix range = range_of(ip.family == IP_V6);
	char text[IP_TEXT_SIZE];

	if (slice_is(slice_of(ip_format(ip, text)), DNS_ADDRESS)) {
		return slice_is(owner, "kube-system/kube-dns");
	}
	return prefix_contains(range, ip) && !ip_eq(ip, range.ip) && !ip_eq(ip, prefix_last(range));
}

static bool choose_ip(const struct addresses *a, bool is_v6, char *text)
{
	struct prefix range = range_of(is_v6);
	const uint32_t first = 256, n = 0xffff - first; /* the first 256 are for explicit wishes */
	uint32_t start = chance_u32() % n;

	for (uint32_t i = 0; i < n; i++) {
		ip_format(prefix_nth(range, first + (start + i) % n), text);
		if (!map_has(&a->ips, slice_of(text))) {
			return true;
		}
	}
	return false;
}

static void refuse_ip(struct field_errors *wrong, struct slice ip, size_t i, const char *why)
{
	field_errors_add(wrong, NULL, "FieldValueInvalid",
	                 arena_printf(wrong->arena, "spec.clusterIPs[%zu]", i),
	                 "Invalid value: [\"" SLICE_FMT "\"]: failed to allocate IP " SLICE_FMT
	                 ": %s",
	                 SLICE_ARG(ip), SLICE_ARG(ip), why);
}

/* May the service have the address it asks for? */
static bool check_wish(const struct addresses *a, struct arena *arena, struct slice wish, size_t i,
                       struct slice owner, struct field_errors *wrong)
{
	char text[IP_TEXT_SIZE];
	struct ip ip = { 0 };

	if (!ip_parse(wish, &ip) || !is_in_range(ip, owner)) {
		refuse_ip(wrong, wish, i,
		          arena_printf(arena,
		                       "the provided IP (" SLICE_FMT
		                       ") is not in the valid range. The range of valid IPs is %s",
		                       SLICE_ARG(wish),
		                       ip.family == IP_V6 ? SERVICE_RANGE6 : SERVICE_RANGE));
		return false;
	}
	if (is_taken(&a->ips, slice_of(ip_format(ip, text)), owner)) {
		refuse_ip(wrong, wish, i, "provided IP is already allocated");
		return false;
	}
	return true;
}

/* An address for each family: the one asked for, or a free one. */
static void assign_ips(struct addresses *a, struct arena *arena, struct val *spec,
                       struct slice owner, struct field_errors *wrong)
{
	struct val *ips = val_new_array(arena);
	size_t i = 0;

	if (slice_is(val_get_str(spec, "clusterIP"), "None")) {
		return;
	}
	val_for_each (val_get(spec, "ipFamilies"), family) {
		struct slice wish = val_str(val_at(val_get(spec, "clusterIPs"), i));
		char text[IP_TEXT_SIZE];

		if (wish.len && !check_wish(a, arena, wish, i, owner, wrong)) {
			return;
		}
		if (!wish.len && !choose_ip(a, slice_is(val_str(family), "IPv6"), text)) {
			field_errors_add(
				wrong, NULL, "InternalError", "spec.clusterIPs",
				"Internal error: failed to allocate a serviceIP: range is full");
			return;
		}
		val_append(ips, val_new_str(arena, wish.len ? wish : slice_of(text)));
		i++;
	}
	val_set(arena, spec, "clusterIPs", ips);
	val_set_str(arena, spec, "clusterIP", val_str(val_at(ips, 0)));
}

/* A free port, also among those that this service has been given in this very call. */
static int choose_port(const struct addresses *a, const struct val *spec)
{
	const int n = NODE_PORT_MAX - NODE_PORT_MIN + 1;
	int start = (int)(chance_u32() % (uint32_t)n);
	char text[16];

	for (int i = 0; i < n; i++) {
		int port = NODE_PORT_MIN + (start + i) % n;

		snprintf(text, sizeof(text), "%d", port);
		if (!map_has(&a->ports, slice_of(text)) && !has_port(spec, port)) {
			return port;
		}
	}
	return 0;
}

static void assign_port(struct addresses *a, struct arena *arena, struct val *spec, struct val *in,
                        const char *key, const char *path, struct slice owner,
                        struct field_errors *wrong)
{
	int64_t port = val_int(val_get(in, key), 0);
	char text[16];

	if (!port) {
		port = choose_port(a, spec);
		if (!port) {
			field_errors_add(
				wrong, NULL, "InternalError", path,
				"Internal error: failed to allocate a nodePort: range is full");
			return;
		}
		val_set_int(arena, in, key, port);
		return;
	}
	snprintf(text, sizeof(text), "%d", (int)port);
	if (port < NODE_PORT_MIN || port > NODE_PORT_MAX) {
		field_errors_add(wrong, NULL, "FieldValueInvalid", path,
		                 "Invalid value: %d: provided port is not in the valid range. The "
		                 "range of valid ports is %d-%d",
		                 (int)port, NODE_PORT_MIN, NODE_PORT_MAX);
	} else if (is_taken(&a->ports, slice_of(text), owner)) {
		field_errors_add(wrong, NULL, "FieldValueInvalid", path,
		                 "Invalid value: %d: provided port is already allocated",
		                 (int)port);
	}
}

void addresses_assign(struct addresses *a, struct arena *arena, struct val *service, bool is_trial,
                      struct field_errors *wrong)
{
	struct val *spec = val_get(service, "spec");
	scoped_strbuf struct strbuf owner = { 0 };
	size_t i = 0;

	owner_of(&owner, service);
	if (has_address(spec)) {
		assign_ips(a, arena, spec, strbuf_slice(&owner), wrong);
	}
	for (struct val *it = (struct val *)val_first(val_get(spec, "ports")); it; it = it->next) {
		const char *path = arena_printf(arena, "spec.ports[%zu].nodePort", i++);

		/* balancers without node ports may still ask for one */
		if (has_node_ports(spec) || val_int(val_get(it, "nodePort"), 0)) {
			assign_port(a, arena, spec, it, "nodePort", path, strbuf_slice(&owner),
			            wrong);
		}
	}
	if (has_health_port(spec)) {
		assign_port(a, arena, spec, spec, "healthCheckNodePort", "spec.healthCheckNodePort",
		            strbuf_slice(&owner), wrong);
	}
	if (!is_trial && !wrong->n) {
		addresses_note(a, service);
	}
}
