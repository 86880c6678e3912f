/* Why: what services, edges and policies must obey beyond the tables. Source: reference 7.2 */
#include "base/ip.h"
#include "base/map.h"
#include "base/mem.h"
#include "schema/check.h"
#include "schema/format.h"

/* ---- services ---- */

static bool has_type(const struct val *spec, const char *type)
{
	return slice_is(val_get_str(spec, "type"), type);
}

static void check_node_port(struct checker *c, const struct val *spec, const struct val *port,
                            size_t i, struct map *seen)
{
	const struct val *node = val_get(port, "nodePort");
	scoped_strbuf struct strbuf key = { 0 };

	if (val_int(node, 0) == 0) {
		return;
	}
	if (has_type(spec, "ClusterIP") || has_type(spec, "ExternalName")) {
		bad_forbidden(c, sub_path(c, "ports[%zu].nodePort", i), node,
		              sub_path(c, "may not be used when `type` is '%s'",
		                       val_cstr(val_get(spec, "type"))));
		return;
	}
	strbuf_addf(&key, "%lld/%s", (long long)val_int(node, 0),
	            val_cstr(val_get(port, "protocol")));
	if (map_set(seen, strbuf_slice(&key), seen)) {
		bad_duplicate(c, sub_path(c, "ports[%zu].nodePort", i), node);
	}
}

static void check_service_ports(struct checker *c, const struct val *spec, const struct val *ports)
{
	scoped_map struct map seen = { 0 };
	scoped_map struct map nodes = { 0 };
	size_t i = 0;

	val_for_each (ports, it) {
		scoped_strbuf struct strbuf key = { 0 };
		const struct val *port = val_get(it, "port");

		if (!val_str(val_get(it, "name")).len && val_len(ports) > 1) {
			bad_required(c, sub_path(c, "ports[%zu].name", i), it, NULL);
		}
		if (!port) {
			bad_int(c, sub_path(c, "ports[%zu].port", i), it, 0,
			        "must be between 1 and 65535, inclusive");
		}
		check_port_value(c, sub_path(c, "ports[%zu].targetPort", i),
		                 val_get(it, "targetPort"));
		check_node_port(c, spec, it, i, &nodes);
		strbuf_addf(&key, "%lld/%s", (long long)val_int(port, 0),
		            val_cstr(val_get(it, "protocol")));
		if (port && map_set(&seen, strbuf_slice(&key), &seen)) {
			struct val *shown = val_new_object(c->wrong->arena);

			shown->line = it->line;
			shown->col = it->col;
			val_set_int(c->wrong->arena, shown, "port", val_int(port, 0));
			val_set_str(c->wrong->arena, shown, "protocol",
			            val_get_str(it, "protocol"));
			bad_duplicate(c, sub_path(c, "ports[%zu]", i), shown);
		}
		i++;
	}
	check_unique(c, "ports", ports, "name");
}

static const char *family_name(struct ip ip)
{
	return ip.family == IP_V6 ? "IPv6" : "IPv4";
}

/* The n-th cluster address, which has to be of the n-th family, if that is given. */
static void check_address(struct checker *c, const struct val *spec, const struct val *v, size_t n)
{
	const struct val *family = val_at(val_get(spec, "ipFamilies"), n);
	const char *path = sub_path(c, "clusterIPs[%zu]", n);
	struct ip ip;

	if (slice_is(v->s, "None")) {
		if (!has_type(spec, "ClusterIP")) {
			bad_value(c, path, v, "may not be set to 'None' for %s services",
			          val_cstr(val_get(spec, "type")));
		} else if (val_len(val_get(spec, "clusterIPs")) > 1) {
			bad_value(c, "clusterIPs", val_get(spec, "clusterIPs"),
			          "'None' must be the first and only value");
		}
	} else if (!ip_parse(v->s, &ip)) {
		bad_value(c, path, v, "must be empty, 'None', or a valid IP address");
	} else if (family && !slice_is(val_str(family), family_name(ip))) {
		bad_value(c, path, v, "expected an %s value as indicated by `ipFamilies[%zu]`",
		          val_cstr(family), n);
	}
}

static bool are_of_two_families(const struct val *ips)
{
	struct ip first, second;

	return !ip_parse(val_str(val_at(ips, 0)), &first) ||
	       !ip_parse(val_str(val_at(ips, 1)), &second) || first.family != second.family;
}

static void check_cluster_ips(struct checker *c, const struct val *spec)
{
	const struct val *ip = val_get(spec, "clusterIP"), *ips = val_get(spec, "clusterIPs");
	size_t n = 0;

	if (val_str(ip).len && val_len(ips) && !val_eq(val_at(ips, 0), ip)) {
		bad_value(c, "clusterIPs", ips, "first value must match `clusterIP`");
	} else if (!val_str(ip).len && val_len(ips)) {
		bad_value(c, "clusterIPs", ips, "must be empty when `clusterIP` is not specified");
	}
	if (val_str(ip).len && !val_len(ips)) {
		check_address(c, spec, ip, 0);
	}
	val_for_each (ips, it) {
		check_address(c, spec, it, n++);
	}
	if (n > 2) {
		bad_value(c, "clusterIPs", ips, "may only hold up to 2 values");
	} else if (n == 2 && !are_of_two_families(ips)) {
		bad_value(c, "clusterIPs", ips,
		          "may specify no more than one IP for each IP family");
	}
}

static void check_families(struct checker *c, const struct val *families)
{
	static const char *const supported[] = { "IPv4", "IPv6", NULL };
	size_t i = 0;

	val_for_each (families, it) {
		const char *path = sub_path(c, "ipFamilies[%zu]", i);

		if (!slice_is(val_str(it), "IPv4") && !slice_is(val_str(it), "IPv6")) {
			bad_unsupported(c, path, it, supported);
		}
		for (size_t k = 0; k < i; k++) {
			if (val_eq(val_at(families, k), it)) {
				bad_duplicate(c, path, it);
				break;
			}
		}
		i++;
	}
}

static void check_no_families(struct checker *c, const struct val *spec)
{
	static const char *const keys[] = { "clusterIPs", "ipFamilies", "ipFamilyPolicy" };

	if (val_get_str(spec, "clusterIP").len) {
		bad_forbidden(c, "clusterIPs", val_get(spec, "clusterIP"),
		              "may not be set when `type` is 'ExternalName'");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct val *v = val_get(spec, keys[i]);

		if (val_len(v) || val_str(v).len) {
			bad_forbidden(c, keys[i], v,
			              "may not be set when `type` is 'ExternalName'");
		}
	}
}

void check_service_spec(struct checker *c, const struct val *v)
{
	bool is_name = has_type(v, "ExternalName"),
	     is_headless = slice_is(val_get_str(v, "clusterIP"), "None");
	const struct val *external = val_get(v, "externalName"),
			 *policy = val_get(v, "externalTrafficPolicy");
	size_t i = 0;

	if (!val_len(val_get(v, "ports")) && !is_name && !is_headless) {
		bad_required(c, "ports", v, NULL);
	}
	check_service_ports(c, v, val_get(v, "ports"));
	if (is_name) {
		check_no_families(c, v);
	} else {
		check_cluster_ips(c, v);
		check_families(c, val_get(v, "ipFamilies"));
	}
	check_labels(c, "selector", val_get(v, "selector"));
	if (is_name) {
		struct slice name = val_str(external);
		const char *words;

		if (name.len && name.p[name.len - 1] == '.') {
			name.len--;
		}
		words = name.len ? format_wrong(FORMAT_SUBDOMAIN, name) : NULL;
		if (!name.len) {
			bad_required(c, "externalName", v, NULL);
		} else if (words) {
			bad_value(c, "externalName", external, "%s", words);
		}
	}
	if (policy && !has_type(v, "NodePort") && !has_type(v, "LoadBalancer") &&
	    !val_len(val_get(v, "externalIPs"))) {
		bad_value(c, "externalTrafficPolicy", policy,
		          "may only be set for externally-accessible services");
	}
	val_for_each (val_get(v, "loadBalancerSourceRanges"), it) {
		const char *words = format_wrong(FORMAT_CIDR, slice_trim(val_str(it)));

		if (words) {
			bad_value(c, sub_path(c, "loadBalancerSourceRanges[%zu]", i), it, "%s",
			          words);
		}
		i++;
	}
}

/* A list may lose or get its second entry (the policy has been asked before); nothing else changes. */
static void check_change(struct checker *c, const struct val *was, const struct val *now,
                         const char *key, const char *unset)
{
	const struct val *had = val_get(was, key), *has = val_get(now, key);
	size_t n_had = val_len(had), n_has = val_len(has), i = 0;

	if (n_had > 0 && n_has == 0) {
		bad_value(c, sub_path(c, "spec.%s[0]", key), has, "%s", unset);
		return;
	}
	val_for_each (had, it) {
		if (i < n_has && (i == 0 || n_had == n_has) && !val_eq(it, val_at(has, i))) {
			bad_value(c, sub_path(c, "spec.%s[%zu]", key, i), has,
			          "may not change once set");
		}
		i++;
	}
}

void update_service(struct checker *c, const struct val *v, const struct val *old)
{
	const struct val *was = val_get(old, "spec"), *now = val_get(v, "spec");
	bool was_headless = slice_is(val_get_str(was, "clusterIP"), "None"),
	     is_headless = slice_is(val_get_str(now, "clusterIP"), "None");

	if (!val_get_str(was, "clusterIP").len || has_type(now, "ExternalName") ||
	    has_type(was, "ExternalName")) {
		return;
	}
	if (!was_headless || !is_headless) {
		check_change(c, was, now, "clusterIPs", "primary clusterIP can not be unset");
	}
	/* A headless service may change its families as it likes. */
	if (!was_headless && !is_headless && val_len(val_get(now, "ipFamilies"))) {
		check_change(c, was, now, "ipFamilies", "primary ipFamily can not be unset");
	}
}

/* ---- endpoints ---- */

void check_endpoint_subset(struct checker *c, const struct val *v)
{
	if (!val_len(val_get(v, "addresses")) && !val_len(val_get(v, "notReadyAddresses"))) {
		bad_required(c, "", v, "must specify `addresses` or `notReadyAddresses`");
	}
	if (val_len(val_get(v, "ports")) > 1) {
		check_unique(c, "ports", val_get(v, "ports"), "name");
	}
}

static const char *address_wrong(struct slice type, struct slice address)
{
	struct ip ip;

	if (slice_is(type, "FQDN")) {
		return format_wrong(FORMAT_SUBDOMAIN, address);
	}
	if (!ip_parse(address, &ip)) {
		return format_wrong(FORMAT_IP, address);
	}
	if (slice_is(type, "IPv4") && ip.family != IP_V4) {
		return "must be an IPv4 address";
	}
	return slice_is(type, "IPv6") && ip.family != IP_V6 ? "must be an IPv6 address" : NULL;
}

void check_endpoint_slice(struct checker *c, const struct val *v)
{
	const struct val *endpoints = val_get(v, "endpoints");
	size_t i = 0;

	if (val_len(endpoints) > 1000) {
		field_errors_add(c->wrong, endpoints, "FieldValueTooMany", "endpoints",
		                 "Too many: %zu: must have at most 1000 items", val_len(endpoints));
		return;
	}
	val_for_each (endpoints, it) {
		size_t n = 0;

		val_for_each (val_get(it, "addresses"), address) {
			const char *words =
				address_wrong(val_get_str(v, "addressType"), val_str(address));

			if (words) {
				bad_value(c, sub_path(c, "endpoints[%zu].addresses[%zu]", i, n),
				          address, "%s", words);
			}
			n++;
		}
		i++;
	}
	check_unique(c, "ports", val_get(v, "ports"), "name");
}

/* ---- ingresses ---- */

void check_ingress_spec(struct checker *c, const struct val *v)
{
	const struct val *class = val_get(v, "ingressClassName");
	struct val none = { .type = VAL_ARRAY };
	const char *words;

	if (!val_get(v, "defaultBackend") && !val_len(val_get(v, "rules"))) {
		none.line = v->line;
		none.col = v->col;
		bad_value(c, "", &none, "either `defaultBackend` or `rules` must be specified");
	}
	words = class ? format_wrong(FORMAT_SUBDOMAIN, val_str(class)) : NULL;
	if (words) {
		bad_value(c, "ingressClassName", class, "%s", words);
	}
}

void check_ingress_rule(struct checker *c, const struct val *v)
{
	const struct val *host = val_get(v, "host");
	const char *words;
	struct ip ip;

	if (!val_str(host).len) {
		return;
	}
	if (ip_parse(host->s, &ip)) {
		bad_value(c, "host", host, "must be a DNS name, not an IP address");
		return;
	}
	words = format_wrong(FORMAT_WILDCARD_SUBDOMAIN, host->s);
	if (words) {
		bad_value(c, "host", host, "%s", words);
	}
}

void check_ingress_path(struct checker *c, const struct val *v)
{
	static const char *const banned[] = { "//", "/./", "/../", "%2f", "%2F" };
	const struct val *path = val_get(v, "path");
	struct slice type = val_get_str(v, "pathType"), s = val_str(path);

	if (slice_is(type, "ImplementationSpecific")) {
		if (s.len && s.p[0] != '/') {
			bad_value(c, "path", path, "must be an absolute path");
		}
		return;
	}
	if (!s.len || s.p[0] != '/') {
		bad_value(c, "path", path, "must be an absolute path");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(banned); i++) {
		if (memmem(s.p, s.len, banned[i], strlen(banned[i]))) {
			bad_value(c, "path", path, "must not contain '%s'", banned[i]);
		}
	}
	if (slice_has_suffix(s, SLICE("/..")) || slice_has_suffix(s, SLICE("/."))) {
		bad_value(c, "path", path, "must not end with '%s'",
		          slice_has_suffix(s, SLICE("/..")) ? "/.." : "/.");
	}
}

void check_ingress_backend(struct checker *c, const struct val *v)
{
	const struct val *service = val_get(v, "service"), *resource = val_get(v, "resource");
	const struct val *port = val_get(service, "port");
	bool has_name = val_get_str(port, "name").len > 0;
	bool has_number = val_int(val_get(port, "number"), 0) != 0;

	if (resource && service) {
		bad_value(c, "", NULL, "cannot set both resource and service backends");
	} else if (!resource && !service) {
		bad_required(c, "", v, "a service or resource backend must be specified");
	} else if (service && has_name && has_number) {
		bad_value(c, "service.port", NULL, "cannot set both port name & port number");
	} else if (service && !has_name && !has_number) {
		bad_required(c, "service.port", service, "port name or number is required");
	}
}

void update_ingress_class(struct checker *c, const struct val *v, const struct val *old)
{
	const struct val *now = val_path(v, "spec.controller"),
			 *was = val_path(old, "spec.controller");

	if (!val_eq(now, was)) {
		bad_value(c, "spec.controller", now, "field is immutable");
	}
}

/* ---- policies ---- */

void check_policy_spec(struct checker *c, const struct val *v)
{
	if (val_len(val_get(v, "policyTypes")) > 2) {
		bad_value(c, "policyTypes", val_get(v, "policyTypes"),
		          "may not specify more than two policyTypes");
	}
}

void check_policy_port(struct checker *c, const struct val *v)
{
	const struct val *port = val_get(v, "port"), *end = val_get(v, "endPort");

	check_port_value(c, "port", port);
	if (!end) {
		return;
	}
	if (!port) {
		bad_required(c, "port", v, "must be specified when `endPort` is specified");
	} else if (port->type != VAL_INT) {
		bad_value(c, "endPort", end, "may not be specified when `port` is non-numeric");
	} else if (val_int(end, 0) < port->i) {
		bad_value(c, "endPort", end, "must be greater than or equal to `port`");
	}
}

void check_policy_peer(struct checker *c, const struct val *v)
{
	const struct val *block = val_get(v, "ipBlock");
	bool has_other = val_get(v, "podSelector") || val_get(v, "namespaceSelector");

	if (!block && !has_other) {
		bad_required(c, "", v, "must specify a peer");
	} else if (block && has_other) {
		bad_forbidden(c, "", v, "may not specify both ipBlock and another peer");
	}
}

void check_ip_block(struct checker *c, const struct val *v)
{
	const struct val *cidr = val_get(v, "cidr");
	struct prefix whole, part;
	size_t i = 0;

	if (!val_str(cidr).len) {
		return;
	}
	if (format_wrong(FORMAT_CIDR, val_str(cidr))) {
		bad_value(c, "cidr", cidr, "%s", format_wrong(FORMAT_CIDR, val_str(cidr)));
		return;
	}
	prefix_parse(val_str(cidr), &whole);
	val_for_each (val_get(v, "except"), it) {
		const char *sub = sub_path(c, "except[%zu]", i++);
		const char *words = format_wrong(FORMAT_CIDR, val_str(it));

		if (words) {
			bad_value(c, sub, it, "%s", words);
		} else if (prefix_parse(val_str(it), &part) &&
		           (!prefix_contains(whole, part.ip) || part.len <= whole.len)) {
			bad_value(c, sub, it, "must be a strict subset of `cidr`");
		}
	}
}
