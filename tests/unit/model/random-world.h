/* What: random worlds of namespaces, pods and policies, that change; seeds are fixed, so a failure
 * repeats. Shared by the tests that hold two answers to one question against each other. */
#pragma once

#include "base/mem.h"
#include "base/strbuf.h"
#include "model/policy-table.h"
#include "world.h"

enum { SPACES = 4, PODS = 12, POLICIES = 6, CLUSTER_POLICIES = 4 };

struct random_world {
	uint64_t state;
	struct model *m;
	char *spaces[SPACES]; /* the object's text, or null */
	char *pods[PODS];
	char *policies[POLICIES];
	char *cluster[CLUSTER_POLICIES]; /* policies of the whole cluster */
	char *host;                      /* a database outside */
	char *node;
};

static inline unsigned roll(struct random_world *w, unsigned n)
{
	w->state ^= w->state << 13;
	w->state ^= w->state >> 7;
	w->state ^= w->state << 17;
	return (unsigned)((w->state >> 11) % n);
}

static inline const char *pick(struct random_world *w, const char *const *of, size_t n)
{
	return of[roll(w, (unsigned)n)];
}
#define PICK(w, ...)                                                                               \
	pick((w), (const char *const[]){ __VA_ARGS__ },                                            \
	     sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

/* ---- random objects ---- */

static inline void add_labels(struct random_world *w, struct strbuf *b)
{
	strbuf_adds(b, "{");
	for (unsigned i = 0, n = roll(w, 3); i < n; i++) {
		strbuf_addf(b, "%s%s: %s", i ? ", " : "", i ? "tier" : "app",
		            PICK(w, "x", "y", "z"));
	}
	strbuf_adds(b, "}");
}

static inline char *random_space(struct random_world *w, unsigned i)
{
	scoped_strbuf struct strbuf b = { 0 };

	strbuf_addf(&b, "{apiVersion: v1, kind: Namespace, metadata: {name: n%u, labels: ", i);
	add_labels(w, &b);
	strbuf_adds(&b, "}}");
	return strbuf_steal(&b);
}

static inline void add_pod_ports(struct random_world *w, struct strbuf *b)
{
	strbuf_adds(b, "containers: [{name: c, ports: [");
	for (unsigned i = 0, n = roll(w, 3); i < n; i++) {
		strbuf_addf(b, "{name: %s, containerPort: %s, protocol: %s}, ",
		            PICK(w, "web", "dns"), PICK(w, "53", "80", "81", "8080"),
		            PICK(w, "TCP", "UDP", "SCTP"));
	}
	strbuf_adds(b, "]}], initContainers: [{name: i, ");
	strbuf_addf(b, "restartPolicy: %s, ports: [{name: web, containerPort: 81}]}]",
	            PICK(w, "Always", "OnFailure"));
}

static inline char *random_pod(struct random_world *w, unsigned i)
{
	scoped_strbuf struct strbuf b = { 0 };
	bool host = roll(w, 8) == 0;

	strbuf_addf(&b,
	            "{apiVersion: v1, kind: Pod, metadata: {name: p%u, namespace: n%u, labels: ", i,
	            roll(w, SPACES));
	add_labels(w, &b);
	strbuf_addf(&b, "%s}, spec: {nodeName: node, hostNetwork: %s, ",
	            roll(w, 6) == 0 ? ", deletionTimestamp: '2026-01-01T00:00:00Z'" : "",
	            host ? "true" : "false");
	add_pod_ports(w, &b);
	strbuf_addf(&b, "}, status: {phase: %s",
	            PICK(w, "Running", "Running", "Pending", "Failed", "Succeeded"));
	if (host) {
		strbuf_adds(&b, ", podIP: 10.0.2.10, podIPs: [{ip: 10.0.2.10}]");
	} else if (roll(w, 6)) {
		/* two pods may claim one address for a while */
		unsigned at = roll(w, 5) ? i : roll(w, PODS);

		strbuf_addf(&b,
		            ", podIP: 10.244.0.%u, podIPs: [{ip: 10.244.0.%u}, {ip: 'fd00::%x'}]",
		            at, at, at);
	}
	strbuf_adds(&b, "}}");
	return strbuf_steal(&b);
}

static inline void add_selector(struct random_world *w, struct strbuf *b)
{
	switch (roll(w, 7)) {
	case 0:
		strbuf_adds(b, "{}");
		break;
	case 1:
		strbuf_addf(b, "{matchExpressions: [{key: %s, operator: %s}]}",
		            PICK(w, "app", "tier"), PICK(w, "Exists", "DoesNotExist"));
		break;
	case 2:
		strbuf_addf(b, "{matchExpressions: [{key: app, operator: %s, values: [x, %s]}]}",
		            PICK(w, "In", "NotIn"), PICK(w, "y", "z"));
		break;
	case 3:
		strbuf_addf(b,
		            "{matchLabels: {app: %s}, matchExpressions: [{key: tier, operator: "
		            "Exists}]}",
		            PICK(w, "x", "y", "z"));
		break;
	case 4:
		strbuf_addf(b, "{matchLabels: {kubernetes.io/metadata.name: n%u}}",
		            roll(w, SPACES));
		break;
	default:
		strbuf_addf(b, "{matchLabels: {%s: %s}}", PICK(w, "app", "tier"),
		            PICK(w, "x", "y", "z"));
	}
}

static inline void add_block(struct random_world *w, struct strbuf *b)
{
	switch (roll(w, 6)) {
	case 0:
		strbuf_adds(b, "ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}");
		break;
	case 1:
		strbuf_adds(
			b,
			"ipBlock: {cidr: 10.244.0.0/24, except: [10.244.0.4/30, 10.244.0.9/32]}");
		break;
	case 2:
		strbuf_addf(b, "ipBlock: {cidr: 10.244.0.%u/%u}", roll(w, 16), 28 + roll(w, 5));
		break;
	case 3:
		strbuf_adds(b, "ipBlock: {cidr: '::/0', except: ['fd00::/125']}");
		break;
	case 4:
		strbuf_addf(b, "ipBlock: {cidr: 255.255.255.%u/%u}", roll(w, 256), 24 + roll(w, 9));
		break;
	default:
		strbuf_addf(b, "ipBlock: {cidr: 192.0.2.7/%u}", roll(w, 33));
	}
}

static inline void add_peer(struct random_world *w, struct strbuf *b)
{
	strbuf_adds(b, "{");
	switch (roll(w, 4)) {
	case 0:
		add_block(w, b);
		break;
	case 1:
		strbuf_adds(b, "podSelector: ");
		add_selector(w, b);
		break;
	case 2:
		strbuf_adds(b, "namespaceSelector: ");
		add_selector(w, b);
		break;
	default:
		strbuf_adds(b, "namespaceSelector: ");
		add_selector(w, b);
		strbuf_adds(b, ", podSelector: ");
		add_selector(w, b);
	}
	strbuf_adds(b, "}, ");
}

static inline void add_port(struct random_world *w, struct strbuf *b)
{
	strbuf_adds(b, "{");
	if (roll(w, 3)) {
		strbuf_addf(b, "protocol: %s, ", PICK(w, "TCP", "UDP", "SCTP"));
	}
	switch (roll(w, 5)) {
	case 0:
		break;
	case 1:
		strbuf_addf(b, "port: %s", PICK(w, "web", "dns", "none"));
		break;
	case 2:
		strbuf_addf(b, "port: %u, endPort: %s", 50 + roll(w, 35),
		            PICK(w, "85", "8080", "65535"));
		break;
	default:
		strbuf_addf(b, "port: %s", PICK(w, "53", "80", "81", "8080"));
	}
	strbuf_adds(b, "}, ");
}

static inline void add_rules(struct random_world *w, struct strbuf *b, const char *direction,
                             const char *peers)
{
	strbuf_addf(b, ", %s: [", direction);
	for (unsigned i = 0, n = roll(w, 3); i < n; i++) {
		strbuf_adds(b, "{");
		if (roll(w, 4)) {
			strbuf_addf(b, "%s: [", peers);
			for (unsigned k = 0, count = roll(w, 4); k < count; k++) {
				add_peer(w, b);
			}
			strbuf_adds(b, "], ");
		}
		if (roll(w, 3)) {
			strbuf_adds(b, "ports: [");
			for (unsigned k = 0, count = roll(w, 4); k < count; k++) {
				add_port(w, b);
			}
			strbuf_adds(b, "]");
		}
		strbuf_adds(b, "}, ");
	}
	strbuf_adds(b, "]");
}

static inline char *random_policy(struct random_world *w, unsigned i)
{
	scoped_strbuf struct strbuf b = { 0 };

	strbuf_addf(&b,
	            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: q%u, "
	            "namespace: n%u}, "
	            "spec: {podSelector: ",
	            i, i % SPACES);
	add_selector(w, &b);
	strbuf_adds(&b, PICK(w, "", "", ", policyTypes: [Ingress]", ", policyTypes: [Egress]",
	                     ", policyTypes: [Ingress, Egress]"));
	if (roll(w, 4)) {
		add_rules(w, &b, "ingress", "from");
	}
	if (roll(w, 2)) {
		add_rules(w, &b, "egress", "to");
	}
	strbuf_adds(&b, "}}");
	return strbuf_steal(&b);
}

/* ---- policies of the whole cluster ---- */

static inline void add_cluster_pods(struct random_world *w, struct strbuf *b)
{
	if (roll(w, 2)) {
		strbuf_adds(b, "{namespaces: ");
		add_selector(w, b);
	} else {
		strbuf_adds(b, "{pods: {namespaceSelector: ");
		add_selector(w, b);
		strbuf_adds(b, ", podSelector: ");
		add_selector(w, b);
		strbuf_adds(b, "}");
	}
	strbuf_adds(b, "}");
}

static inline void add_cluster_peer(struct random_world *w, struct strbuf *b, bool egress)
{
	switch (egress ? roll(w, 8) : 7) {
	case 0:
		strbuf_addf(b, "{networks: [%s, 192.0.2.7/%u]}",
		            PICK(w, "0.0.0.0/0", "10.244.0.0/29", "'::/0'", "255.255.255.0/24"),
		            roll(w, 33));
		break;
	case 1:
		strbuf_adds(b, "{nodes: ");
		add_selector(w, b);
		strbuf_adds(b, "}");
		break;
	case 2:
		strbuf_addf(b, "{domainNames: [%s]}",
		            PICK(w, "db.example.com", "'*.example.com'", "'*.example.org'",
		                 "DB.example.com."));
		break;
	case 3:
		/* what nobody knows */
		strbuf_addf(b, "{%s: {}}", PICK(w, "tomorrow", "namespaces: {}, pods"));
		break;
	default:
		add_cluster_pods(w, b);
	}
	strbuf_adds(b, ", ");
}

static inline void add_cluster_port(struct random_world *w, struct strbuf *b, bool alpha1)
{
	const char *proto = PICK(w, "TCP", "UDP", "SCTP"), *lower = PICK(w, "tcp", "udp", "sctp");

	switch (roll(w, 4)) {
	case 0:
		strbuf_addf(b, "{%s: %s}, ", alpha1 ? "namedPort" : "destinationNamedPort",
		            PICK(w, "web", "dns", "none"));
		break;
	case 1:
		strbuf_addf(b,
		            alpha1 ? "{portRange: {protocol: %s, start: %u, end: %s}}, "
		                   : "{%s: {destinationPort: {range: {start: %u, end: %s}}}}, ",
		            alpha1 ? proto : lower, 50 + roll(w, 35),
		            PICK(w, "85", "8080", "65535"));
		break;
	default:
		strbuf_addf(b,
		            alpha1 ? "{portNumber: {protocol: %s, port: %s}}, "
		                   : "{%s: {destinationPort: {number: %s}}}, ",
		            alpha1 ? proto : lower, PICK(w, "53", "80", "81", "8080"));
	}
}

static inline void add_cluster_rules(struct random_world *w, struct strbuf *b, bool egress,
                                     bool alpha1, bool may_pass)
{
	strbuf_addf(b, ", %s: [", egress ? "egress" : "ingress");
	for (unsigned i = 0, n = roll(w, 4); i < n; i++) {
		strbuf_addf(b, "{action: %s, %s: [",
		            may_pass && roll(w, 3) == 0 ? "Pass"
		            : roll(w, 2)                ? "Deny"
		            : alpha1                    ? "Allow"
		                                        : "Accept",
		            egress ? "to" : "from");
		for (unsigned k = 0, count = roll(w, 6) ? 1 + roll(w, 2) : 0; k < count; k++) {
			add_cluster_peer(w, b, egress);
		}
		strbuf_adds(b, "]");
		if (roll(w, 2)) {
			strbuf_addf(b, ", %s: [", alpha1 ? "ports" : "protocols");
			for (unsigned k = 0, count = 1 + roll(w, 3); k < count; k++) {
				add_cluster_port(w, b, alpha1);
			}
			strbuf_adds(b, "]");
		}
		strbuf_adds(b, "}, ");
	}
	strbuf_adds(b, "]");
}

static inline char *random_cluster_policy(struct random_world *w, unsigned i)
{
	scoped_strbuf struct strbuf b = { 0 };
	/* by slot, so that an object keeps its kind and a change is a change */
	bool alpha1 = i < 3, baseline = i == 2 || (i > 2 && roll(w, 2));

	strbuf_addf(&b,
	            "{apiVersion: policy.networking.k8s.io/%s, kind: %s, metadata: {name: %s%u}, ",
	            alpha1 ? "v1alpha1" : "v1alpha2",
	            i == 2   ? "BaselineAdminNetworkPolicy"
	            : alpha1 ? "AdminNetworkPolicy"
	                     : "ClusterNetworkPolicy",
	            "c", i);
	strbuf_addf(&b, "spec: {%spriority: %u, subject: ",
	            alpha1     ? ""
	            : baseline ? "tier: Baseline, "
	                       : "tier: Admin, ",
	            roll(w, 3));
	add_cluster_pods(w, &b);
	if (roll(w, 4)) {
		add_cluster_rules(w, &b, false, alpha1, i != 2);
	}
	if (roll(w, 4)) {
		add_cluster_rules(w, &b, true, alpha1, i != 2);
	}
	strbuf_adds(&b, "}}");
	return strbuf_steal(&b);
}

static inline char *random_host(struct random_world *w)
{
	return mem_printf("{apiVersion: rds.services.k8s.aws/v1alpha1, kind: DBInstance, metadata: "
	                  "{name: db, namespace: n0, annotations: {kennel.dev/vpc-address: %s}}, "
	                  "status: {endpoint: {address: %s}}}",
	                  PICK(w, "192.0.2.7", "192.0.2.8"),
	                  PICK(w, "db.example.com", "a.db.example.com", "db.example.org"));
}

static inline char *random_node(struct random_world *w)
{
	scoped_strbuf struct strbuf b = { 0 };

	strbuf_adds(&b, "{apiVersion: v1, kind: Node, metadata: {name: node, labels: ");
	add_labels(w, &b);
	strbuf_adds(&b, "}, status: {addresses: [{type: InternalIP, address: 10.0.2.10}, "
	                "{type: Hostname, address: node}]}}");
	return strbuf_steal(&b);
}

/* ---- a world that changes ---- */

static inline void replace(struct random_world *w, char **slot, char *text)
{
	if (*slot && (!text || roll(w, 2))) {
		drop(w->m, *slot);
	} else if (*slot && strstr(*slot, "kind: Pod")) {
		drop(w->m, *slot); /* it may come back in another namespace */
	}
	if (text) {
		put(w->m, text);
	}
	free(*slot);
	*slot = text;
}

static inline void change_something(struct random_world *w)
{
	unsigned i;

	switch (roll(w, 9)) {
	case 6:
		i = roll(w, CLUSTER_POLICIES);
		replace(w, &w->cluster[i], roll(w, 4) ? random_cluster_policy(w, i) : NULL);
		break;
	case 7:
		replace(w, &w->host, roll(w, 4) ? random_host(w) : NULL);
		break;
	case 8:
		replace(w, &w->node, random_node(w));
		break;
	case 0:
		i = roll(w, SPACES);
		replace(w, &w->spaces[i], roll(w, 4) ? random_space(w, i) : NULL);
		break;
	case 1:
		i = roll(w, POLICIES);
		replace(w, &w->policies[i], roll(w, 4) ? random_policy(w, i) : NULL);
		break;
	default:
		i = roll(w, PODS);
		replace(w, &w->pods[i], roll(w, 4) ? random_pod(w, i) : NULL);
	}
}

static inline void begin(struct random_world *w, uint64_t seed)
{
	*w = (struct random_world){ .state = seed * 0x9e3779b97f4a7c15u + 1, .m = model_new() };
	for (unsigned i = 0; i < 8; i++) {
		roll(w, 2);
	}
	replace(w, &w->node, random_node(w));
	replace(w, &w->host, random_host(w));
	for (unsigned i = 0; i < SPACES - 1; i++) {
		replace(w, &w->spaces[i], random_space(w, i));
	}
	for (unsigned i = 0; i < PODS; i++) {
		replace(w, &w->pods[i], random_pod(w, i));
	}
	for (unsigned i = 0, n = roll(w, POLICIES + 1); i < n; i++) {
		replace(w, &w->policies[i], random_policy(w, i));
	}
	for (unsigned i = 0; i < CLUSTER_POLICIES; i++) {
		replace(w, &w->cluster[i], roll(w, 2) ? random_cluster_policy(w, i) : NULL);
	}
}

static inline void end(struct random_world *w)
{
	for (unsigned i = 0; i < SPACES; i++) {
		free(w->spaces[i]);
	}
	for (unsigned i = 0; i < PODS; i++) {
		free(w->pods[i]);
	}
	for (unsigned i = 0; i < POLICIES; i++) {
		free(w->policies[i]);
	}
	for (unsigned i = 0; i < CLUSTER_POLICIES; i++) {
		free(w->cluster[i]);
	}
	free(w->host);
	free(w->node);
	model_free(w->m);
}

/* ---- addresses that matter in it ---- */

static inline struct ip random_address(struct random_world *w)
{
	static const char *const others[] = { "10.0.2.10",       "192.0.2.7",     "192.0.2.8",
		                              "255.255.255.255", "0.0.0.0",       "10.9.9.9",
		                              "2001:db8::1",     "fd00::f",       "::",
		                              "10.244.0.200",    "255.255.255.7", "10.244.0.14" };
	char text[32];

	if (roll(w, 3) == 0) {
		return ip_of(others[roll(w, ARRAY_SIZE(others))]);
	}
	snprintf(text, sizeof(text), roll(w, 4) ? "10.244.0.%u" : "fd00::%u", roll(w, PODS));
	return ip_of(text);
}
