/* Why: see random-objects.h. */
#include "random-objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PODS_MAX 11u /* alive at once */

struct objects objects;
static unsigned next_name;

/* ---- chance ---- */

/* The same numbers for the same seed everywhere (splitmix64). */
unsigned below(unsigned limit)
{
	uint64_t z = (objects.random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((z ^ z >> 31) % limit);
}

bool one_in(unsigned n)
{
	return below(n) == 0;
}

const char *const space_names[SPACES] = { "red", "green", "blue" };
static const char *const apps[] = { "a", "b", "c" };
static const char *const tiers[] = { "front", "back" };
static const char *const teams[] = { "one", "two" };

/* ---- namespaces and pods ---- */

static void put_space(unsigned i)
{
	char *labels = objects.space_labels[i];

	snprintf(labels, sizeof(objects.space_labels[i]),
	         one_in(3) ? "{kubernetes.io/metadata.name: %s}"
	                   : "{kubernetes.io/metadata.name: %s, team: %s}",
	         space_names[i], ONE_OF(teams));
	world_put(objects.w, "{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: %s}}",
	          space_names[i], labels);
	strbuf_addf(&objects.story, "namespace %s is %s\n", space_names[i], labels);
}

static void put_box(struct box *b)
{
	snprintf(b->labels, sizeof(b->labels), one_in(4) ? "{app: %s}" : "{app: %s, tier: %s}",
	         ONE_OF(apps), ONE_OF(tiers));
	world_put(objects.w,
	          "apiVersion: v1\nkind: Pod\n"
	          "metadata: {name: %s, namespace: %s, uid: uid-%s-%s, labels: %s}\n"
	          "spec: {nodeName: node-1, containers: [{name: main, ports: [{name: web, "
	          "containerPort: %u}, "
	          "{name: dns, containerPort: %u, protocol: UDP}]}]}\n"
	          "status: {phase: Running, podIP: %s, podIPs: [{ip: %s}]}\n",
	          b->name, b->ns, b->ns, b->name, b->labels, b->web, b->dns, b->ip, b->ip);
	strbuf_addf(&objects.story, "pod %s/%s %s is %s, web %u, dns %u\n", b->ns, b->name, b->ip,
	            b->labels, b->web, b->dns);
}

static unsigned count_alive(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ADDRESSES; i++) {
		n += objects.boxes[i].alive;
	}
	return n;
}

static void add_box(struct box *b)
{
	*b = (struct box){ .web = (uint16_t)(80 + below(3)),
		           .dns = (uint16_t)(80 + below(3)),
		           .alive = true };
	snprintf(b->ns, sizeof(b->ns), "%s", ONE_OF(space_names));
	snprintf(b->name, sizeof(b->name), "p%u", next_name++);
	snprintf(b->ip, sizeof(b->ip), "10.244.0.%u", (unsigned)(b - objects.boxes) * 9 + 10);
	put_box(b);
	probes_add_place(objects.probes, ip_of(b->ip),
	                 attach_pod(objects.w, b->ns, b->name, b->ip));
}

static void remove_box(struct box *b)
{
	strbuf_addf(&objects.story, "pod %s/%s goes\n", b->ns, b->name);
	objects.leaves(ip_of(b->ip));
	probes_remove_place(objects.probes, ip_of(b->ip));
	remove_pod(objects.w, b->ns, b->name);
	b->alive = false;
}

struct box *any_box(bool alive)
{
	unsigned from = below(ADDRESSES);

	for (unsigned i = 0; i < ADDRESSES; i++) {
		struct box *b = &objects.boxes[(from + i) % ADDRESSES];

		if (b->alive == alive) {
			return b;
		}
	}
	return NULL;
}

/* ---- policies ---- */

static void add_selector(struct strbuf *out)
{
	switch (below(6)) {
	case 0:
		strbuf_adds(out, "{}");
		break;
	case 1:
		strbuf_addf(out, "{matchLabels: {app: %s, tier: %s}}", ONE_OF(apps), ONE_OF(tiers));
		break;
	case 2:
		strbuf_addf(out, "{matchExpressions: [{key: app, operator: NotIn, values: [%s]}]}",
		            ONE_OF(apps));
		break;
	case 3:
		strbuf_addf(out, "{matchExpressions: [{key: tier, operator: %s}]}",
		            one_in(2) ? "Exists" : "DoesNotExist");
		break;
	default:
		strbuf_addf(out, "{matchLabels: {app: %s}}", ONE_OF(apps));
	}
}

static void add_space_selector(struct strbuf *out)
{
	switch (below(4)) {
	case 0:
		strbuf_adds(out, "{}");
		break;
	case 1:
		strbuf_addf(out, "{matchLabels: {kubernetes.io/metadata.name: %s}}",
		            ONE_OF(space_names));
		break;
	case 2:
		strbuf_addf(out, "{matchExpressions: [{key: team, operator: NotIn, values: [%s]}]}",
		            ONE_OF(teams));
		break;
	default:
		strbuf_addf(out, "{matchLabels: {team: %s}}", ONE_OF(teams));
	}
}

static void add_block(struct strbuf *out)
{
	unsigned host = below(128), len = 25 + below(8);

	if (one_in(8)) {
		strbuf_adds(out, "ipBlock: {cidr: 10.0.2.0/24}"); /* the node */
	} else if (one_in(2)) {
		strbuf_addf(out, "ipBlock: {cidr: 10.244.0.%u/%u}", host, len);
	} else {
		strbuf_addf(out, "ipBlock: {cidr: 10.244.0.%u/24, except: [10.244.0.%u/%u]}", host,
		            below(128), len);
	}
}

static void add_peer(struct strbuf *out)
{
	unsigned kind = below(4);

	strbuf_addc(out, '{');
	if (kind == 0) {
		add_block(out);
	}
	if (kind == 1 || kind == 3) {
		strbuf_adds(out, "podSelector: ");
		add_selector(out);
	}
	if (kind >= 2) {
		strbuf_adds(out, kind == 3 ? ", namespaceSelector: " : "namespaceSelector: ");
		add_space_selector(out);
	}
	strbuf_addc(out, '}');
}

static void add_port(struct strbuf *out)
{
	static const char *const names[] = { "TCP", "UDP", "SCTP" };

	switch (below(6)) {
	case 0:
		strbuf_addf(out, "{protocol: %s}", ONE_OF(names));
		break;
	case 1:
		strbuf_addf(out, "{protocol: %s, port: %u, endPort: %u}", ONE_OF(names),
		            79 + below(2), 81 + below(2));
		break;
	case 2:
		strbuf_adds(out, one_in(2) ? "{port: web}" : "{protocol: UDP, port: dns}");
		break;
	default:
		strbuf_addf(out, "{protocol: %s, port: %u}", ONE_OF(names), 80 + below(3));
	}
}

static void add_list(struct strbuf *out, const char *name, void (*add)(struct strbuf *out))
{
	unsigned n = below(4); /* none: all */

	strbuf_addf(out, "%s: [", name);
	for (unsigned i = 0; i < n; i++) {
		strbuf_adds(out, i ? ", " : "");
		add(out);
	}
	strbuf_addc(out, ']');
}

static void add_rules(struct strbuf *out, bool ingress)
{
	unsigned n = below(3);

	strbuf_addf(out, "  %s: [", ingress ? "ingress" : "egress");
	for (unsigned i = 0; i < n; i++) {
		strbuf_adds(out, i ? ", {" : "{");
		add_list(out, ingress ? "from" : "to", add_peer);
		strbuf_adds(out, ", ");
		add_list(out, "ports", add_port);
		strbuf_adds(out, "}");
	}
	strbuf_adds(out, "]\n");
}

static const char *make_policy(unsigned slot)
{
	static const char *const types[] = { "[Ingress]", "[Egress]", "[Ingress, Egress]" };
	struct strbuf out = { 0 };

	strbuf_addf(&out,
	            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
	            "metadata: {name: n%u, namespace: %s}\nspec:\n  podSelector: ",
	            slot, space_names[slot % SPACES]);
	add_selector(&out);
	strbuf_addf(&out, "\n  policyTypes: %s\n", ONE_OF(types));
	add_rules(&out, true);
	add_rules(&out, false);
	return strbuf_steal(&out);
}

/* ---- policies of the whole cluster ---- */

static void add_namespaced_pods(struct strbuf *out)
{
	if (one_in(2)) {
		strbuf_adds(out, "namespaces: ");
		add_space_selector(out);
		return;
	}
	strbuf_adds(out, "pods: {namespaceSelector: ");
	add_space_selector(out);
	strbuf_adds(out, ", podSelector: ");
	add_selector(out);
	strbuf_addc(out, '}');
}

static void add_admin_source(struct strbuf *out)
{
	strbuf_addc(out, '{');
	add_namespaced_pods(out);
	strbuf_addc(out, '}');
}

static void add_admin_target(struct strbuf *out)
{
	if (one_in(4)) {
		strbuf_addf(out, "{networks: [10.244.0.%u/%u]}", below(128), 25 + below(8));
	} else if (one_in(6)) {
		strbuf_adds(out, "{nodes: {}}");
	} else {
		add_admin_source(out);
	}
}

static void add_admin_port(struct strbuf *out)
{
	static const char *const names[] = { "TCP", "UDP", "SCTP" };

	switch (below(3)) {
	case 0:
		strbuf_addf(out, "{portRange: {protocol: %s, start: %u, end: %u}}", ONE_OF(names),
		            79 + below(2), 81 + below(2));
		break;
	case 1:
		strbuf_addf(out, "{namedPort: %s}", one_in(2) ? "web" : "dns");
		break;
	default:
		strbuf_addf(out, "{portNumber: {protocol: %s, port: %u}}", ONE_OF(names),
		            80 + below(3));
	}
}

/* In order, and the first that matches decides. */
static void add_admin_rules(struct strbuf *out, bool ingress, bool may_pass)
{
	static const char *const actions[] = { "Allow", "Deny", "Pass" };
	unsigned n = below(4);

	strbuf_addf(out, "  %s: [", ingress ? "ingress" : "egress");
	for (unsigned i = 0; i < n; i++) {
		strbuf_addf(out, "%s{action: %s, %s: [", i ? ", " : "",
		            actions[below(may_pass ? 3 : 2)], ingress ? "from" : "to");
		(ingress ? add_admin_source : add_admin_target)(out);
		strbuf_adds(out, "]");
		if (one_in(2)) {
			strbuf_adds(out, ", ports: [");
			add_admin_port(out);
			strbuf_adds(out, "]");
		}
		strbuf_adds(out, "}");
	}
	strbuf_adds(out, "]\n");
}

/* The last slot has the baseline. */
static const char *make_admin_policy(unsigned slot)
{
	bool baseline = slot == POLICIES + ADMINS - 1;
	struct strbuf out = { 0 };

	strbuf_addf(&out,
	            "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: %sAdminNetworkPolicy\n",
	            baseline ? "Baseline" : "");
	if (baseline) {
		strbuf_adds(&out, "metadata: {name: default}\nspec:\n");
	} else {
		strbuf_addf(&out, "metadata: {name: n%u}\nspec:\n  priority: %u\n", slot, slot);
	}
	strbuf_adds(&out, "  subject: {");
	add_namespaced_pods(&out);
	strbuf_adds(&out, "}\n");
	add_admin_rules(&out, true, !baseline);
	add_admin_rules(&out, false, !baseline);
	return strbuf_steal(&out);
}

static void remove_policy(unsigned slot)
{
	world_remove(objects.w, "%s", objects.policies[slot]);
	strbuf_addf(&objects.story, "policy n%u goes\n", slot);
	free(objects.policies[slot]);
	objects.policies[slot] = NULL;
}

static void change_policy(unsigned slot)
{
	if (objects.policies[slot]) {
		remove_policy(slot);
	}
	if (!one_in(slot < POLICIES ? 4 : 2)) {
		objects.policies[slot] =
			(char *)(slot < POLICIES ? make_policy(slot) : make_admin_policy(slot));
		world_put(objects.w, "%s", objects.policies[slot]);
		strbuf_adds(&objects.story, objects.policies[slot]);
	}
}

/* ---- services ---- */

static void put_slices(unsigned slot)
{
	static const char *const names[] = { "TCP", "UDP", "SCTP" };
	struct service *service = &objects.services[slot];
	struct strbuf ends = { 0 };

	for (unsigned i = 0; i < ADDRESSES; i++) {
		const struct end *e = &service->ends[i];

		if (e->listed) {
			strbuf_addf(&ends,
			            "%s{addresses: [%s], nodeName: node-1, conditions: {ready: %s, "
			            "serving: %s, "
			            "terminating: %s}}",
			            ends.size ? ", " : "", objects.boxes[i].ip,
			            e->ready ? "true" : "false", e->serving ? "true" : "false",
			            e->terminating ? "true" : "false");
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		world_put(objects.w,
		          "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
		          "metadata: {name: s%u-%u, namespace: default, labels: "
		          "{kubernetes.io/service-name: s%u}}\n"
		          "addressType: IPv4\nports: [{name: %s, protocol: %s, port: "
		          "%u}]\nendpoints: [%s]\n",
		          slot, i, slot, names[i], names[i], service->targets[i],
		          strbuf_str(&ends));
	}
	strbuf_addf(&objects.story, "service s%u has [%s]\n", slot, strbuf_str(&ends));
	strbuf_fini(&ends);
}

static void change_service(unsigned slot)
{
	struct service *service = &objects.services[slot];

	world_put(objects.w,
	          "apiVersion: v1\nkind: Service\nmetadata: {name: s%u, namespace: default}\n"
	          "spec: {clusterIP: 10.1.0.%u, clusterIPs: [10.1.0.%u], ports: ["
	          "{name: TCP, protocol: TCP, port: %u}, {name: UDP, protocol: UDP, port: %u}, "
	          "{name: SCTP, protocol: SCTP, port: %u}]%s}\n",
	          slot, 20 + slot, 20 + slot, SERVICE_PORT, SERVICE_PORT, SERVICE_PORT,
	          one_in(4) ? ", sessionAffinity: ClientIP" : "");
	for (unsigned i = 0; i < ADDRESSES; i++) {
		service->ends[i] = (struct end){ .listed = objects.boxes[i].alive && one_in(3),
			                         .ready = !one_in(4),
			                         .serving = !one_in(4),
			                         .terminating = one_in(5) };
	}
	for (unsigned i = 0; i < ARRAY_SIZE(service->targets); i++) {
		service->targets[i] = (uint16_t)(80 + below(2));
	}
	put_slices(slot);
}

/* A pod leaves its services with it. */
static void leave_services(const struct box *b)
{
	for (unsigned slot = 0; slot < SERVICES; slot++) {
		struct end *e = &objects.services[slot].ends[b - objects.boxes];

		if (e->listed) {
			e->listed = false;
			put_slices(slot);
		}
	}
}

/* ---- a round's changes ---- */

void change_something(void)
{
	struct box *b;

	switch (below(10)) {
	case 0:
		put_space(below(SPACES));
		break;
	case 1:
		b = any_box(true);
		put_box(b);
		break;
	case 2:
		b = any_box(true);
		if (count_alive() > 5) {
			leave_services(b);
			remove_box(b);
		}
		break;
	case 3:
		b = any_box(false);
		if (b && count_alive() < PODS_MAX) {
			add_box(b);
		}
		break;
	case 4:
	case 5:
		change_service(below(SERVICES));
		break;
	default:
		change_policy(below(POLICIES + ADMINS));
	}
}

void objects_start(void)
{
	world_put(objects.w,
	          "{apiVersion: v1, kind: Node, metadata: {name: node-1}, status: {addresses: "
	          "[{type: InternalIP, "
	          "address: " NODE_IP "}]}}");
	for (unsigned i = 0; i < SPACES; i++) {
		put_space(i);
	}
	for (unsigned i = 0; i < 8; i++) {
		add_box(&objects.boxes[i]);
	}
	for (unsigned i = 0; i < SERVICES; i++) {
		change_service(i);
	}
}

void objects_fini(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(objects.policies); i++) {
		free(objects.policies[i]);
	}
	strbuf_fini(&objects.story);
}
