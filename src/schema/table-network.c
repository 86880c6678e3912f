/* Why: rows of services, endpoints, ingresses and policies. */
#include "base/mem.h"
#include "schema/table-priv.h"

static struct slice spec_str(const struct row *r, const char *field)
{
	return val_get_str(val_get(r->object, "spec"), field);
}

/* Addresses in status.loadBalancer.ingress: IP, else host name. */
static void add_load_balancer(struct strbuf *out, const struct row *r)
{
	val_for_each (val_path(r->object, "status.loadBalancer.ingress"), it) {
		struct slice ip = val_get_str(it, "ip");

		join(out, ",");
		strbuf_add_slice(out, ip.len ? ip : val_get_str(it, "hostname"));
	}
}

/* ---- services ---- */

static void cell_external(struct row *r)
{
	struct slice type = spec_str(r, "type");
	scoped_strbuf struct strbuf out = { 0 };
	bool is_balanced = slice_is(type, "LoadBalancer");

	if (slice_is(type, "ExternalName")) {
		cell_str(r, spec_str(r, "externalName"));
		return;
	}
	if (is_balanced) {
		add_load_balancer(&out, r);
	}
	val_for_each (val_path(r->object, "spec.externalIPs"), it) {
		join(&out, ",");
		strbuf_add_slice(&out, val_str(it));
	}
	cell_take(r, &out, is_balanced ? "<pending>" : "<none>");
}

static void service_row(struct row *r)
{
	const struct val *first = val_at(val_path(r->object, "spec.clusterIPs"), 0);
	scoped_strbuf struct strbuf ports = { 0 };

	cell_name(r);
	cell_str(r, spec_str(r, "type"));
	cell_str_or(r, first ? val_str(first) : spec_str(r, "clusterIP"), "<none>");
	cell_external(r);
	val_for_each (val_path(r->object, "spec.ports"), it) {
		long long node = (long long)val_int(val_get(it, "nodePort"), 0);

		join(&ports, ",");
		strbuf_addf(&ports, "%lld", (long long)val_int(val_get(it, "port"), 0));
		if (node) {
			strbuf_addf(&ports, ":%lld", node);
		}
		strbuf_addf(&ports, "/%s", val_cstr(val_get(it, "protocol")));
	}
	cell_take(r, &ports, "<none>");
	cell_created_age(r);
	cell_labels(r, val_path(r->object, "spec.selector"));
}

static const struct column service_columns[] = {
	COLUMN_NAME,
	{ "Type" },
	{ "Cluster-IP" },
	{ "External-IP" },
	{ "Port(s)" },
	{ "Age" },
	{ "Selector", .priority = 1 },
};

/* ---- endpoints ---- */

static void some_endpoint(struct some *list, struct slice ip, const struct val *port)
{
	scoped_strbuf struct strbuf text = { 0 };
	bool is_v6 = slice_find(ip, ':') >= 0;

	if (!port) {
		some_add(list, ip);
		return;
	}
	strbuf_addf(&text, "%s" SLICE_FMT "%s:%lld", is_v6 ? "[" : "", SLICE_ARG(ip),
	            is_v6 ? "]" : "", (long long)val_int(val_get(port, "port"), 0));
	some_add(list, strbuf_slice(&text));
}

static void endpoints_row(struct row *r)
{
	struct some list = { .most = 3 };

	val_for_each (val_get(r->object, "subsets"), subset) {
		const struct val *addresses = val_get(subset, "addresses");

		if (!val_len(val_get(subset, "ports"))) {
			val_for_each (addresses, it) {
				some_endpoint(&list, val_get_str(it, "ip"), NULL);
			}
		}
		val_for_each (val_get(subset, "ports"), port) {
			val_for_each (addresses, it) {
				some_endpoint(&list, val_get_str(it, "ip"), port);
			}
		}
	}
	cell_name(r);
	cell_some(r, &list, "<none>");
	cell_created_age(r);
}

static const struct column endpoints_columns[] = { COLUMN_NAME, { "Endpoints" }, { "Age" } };

static void slice_row(struct row *r)
{
	struct some ports = { .most = 3 }, addresses = { .most = 3 };
	char number[24];

	val_for_each (val_get(r->object, "ports"), it) {
		const struct val *port = val_get(it, "port"), *name = val_get(it, "name");

		snprintf(number, sizeof(number), "%lld", (long long)val_int(port, 0));
		some_add(&ports, !val_is_null(port)   ? slice_of(number)
		                 : !val_is_null(name) ? val_str(name)
		                                      : SLICE("*"));
	}
	val_for_each (val_get(r->object, "endpoints"), it) {
		val_for_each (val_get(it, "addresses"), address) {
			some_add(&addresses, val_str(address));
		}
	}
	cell_name(r);
	cell_str(r, val_get_str(r->object, "addressType"));
	cell_some(r, &ports, "<unset>");
	cell_some(r, &addresses, "<unset>");
	cell_created_age(r);
}

static const struct column slice_columns[] = {
	COLUMN_NAME, { "AddressType" }, { "Ports" }, { "Endpoints" }, { "Age" },
};

/* ---- ingresses ---- */

static void ingress_row(struct row *r)
{
	struct some hosts = { .most = 3 };
	scoped_strbuf struct strbuf address = { 0 };

	val_for_each (val_path(r->object, "spec.rules"), it) {
		if (val_get_str(it, "host").len) {
			some_add(&hosts, val_get_str(it, "host"));
		}
	}
	cell_name(r);
	cell_str_or(r, spec_str(r, "ingressClassName"), "<none>");
	cell_some(r, &hosts, "*");
	add_load_balancer(&address, r);
	cell_take(r, &address, "");
	cell_cstr(r, val_len(val_path(r->object, "spec.tls")) ? "80, 443" : "80");
	cell_created_age(r);
}

static const struct column ingress_columns[] = {
	COLUMN_NAME, { "Class" }, { "Hosts" }, { "Address" }, { "Ports" }, { "Age" },
};

static void class_row(struct row *r)
{
	const struct val *p = val_path(r->object, "spec.parameters");
	struct slice group = val_get_str(p, "apiGroup");

	cell_name(r);
	cell_str(r, spec_str(r, "controller"));
	if (val_is_null(p)) {
		cell_cstr(r, "<none>");
	} else {
		cell_strf(r, "%s%s" SLICE_FMT "/%s", val_cstr(val_get(p, "kind")),
		          group.len ? "." : "", SLICE_ARG(group), val_cstr(val_get(p, "name")));
	}
	cell_created_age(r);
}

static const struct column class_columns[] = {
	COLUMN_NAME,
	{ "Controller" },
	{ "Parameters" },
	{ "Age" },
};

static void policy_row(struct row *r)
{
	cell_name(r);
	cell_selector(r, val_path(r->object, "spec.podSelector"));
	cell_created_age(r);
}

static const struct column policy_columns[] = { COLUMN_NAME, { "Pod-Selector" }, { "Age" } };

const struct table table_network[] = {
	TABLE("", "Service", service_columns, service_row),
	TABLE("", "Endpoints", endpoints_columns, endpoints_row),
	TABLE("discovery.k8s.io", "EndpointSlice", slice_columns, slice_row),
	TABLE("networking.k8s.io", "Ingress", ingress_columns, ingress_row),
	TABLE("networking.k8s.io", "IngressClass", class_columns, class_row),
	TABLE("networking.k8s.io", "NetworkPolicy", policy_columns, policy_row),
	{ 0 },
};
