/* Why: in a small world in which everything works, each hop is broken once; the first broken hop, its class and what is
 * said of near misses must be what a person would find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyse/explain.h"
#include "base/mem.h"
#include "codec/json.h"
#include "codec/yaml.h"

/* ---- the world ---- */

/* A pair for shop.example.com, made for this test alone: openssl req -x509 -newkey ec ... */
#define CERTIFICATE                                                                                \
	"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJrVENDQVRpZ0F3SUJBZ0lVVjlnaW1wVEM3UkxHOEhU"     \
	"aWZ2Smd3WUpoeGlRd0NnWUlLb1pJemowRUF3SXcKRHpFTk1Bc0dBMVVFQXd3RWMyaHZjREFnRncweU5qRXhN"     \
	"all4T1RNek1qTmFHQTh5TVRJMk1URXdNakU1TXpNeQpNMW93RHpFTk1Bc0dBMVVFQXd3RWMyaHZjREJaTUJN"     \
	"R0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSEEwSUFCT204CjMrZTdNQk5wVHhHYW5iSzRQamJlaXVQcWZIT0tK"     \
	"VTJJcWFsVmdkZzFIZGdnelFJN0U2WmxmOUVDeE8xUElwRkoKb2VWK1hQTFFHUnhTRlhtVW1oQ2pjREJ1TUIw"     \
	"R0ExVWREZ1FXQkJUQ1JQU3BrZkZyMEJGOWVHS3h3bVJwUXV2QQpHREFmQmdOVkhTTUVHREFXZ0JUQ1JQU3Br"     \
	"ZkZyMEJGOWVHS3h3bVJwUXV2QUdEQVBCZ05WSFJNQkFmOEVCVEFECkFRSC9NQnNHQTFVZEVRUVVNQktDRUhO"     \
	"b2IzQXVaWGhoYlhCc1pTNWpiMjB3Q2dZSUtvWkl6ajBFQXdJRFJ3QXcKUkFJZ0UzTDZYZDRoQVNrMnNUTHpa"     \
	"aXdOVnhpNUhkM1FtT2F6VVYxdm11Yk5WNk1DSUhpZHJ1RnBROWZEcUE3egptTytISXNtKzdHdHpiS2R2RmU1"     \
	"MitDL1FFWk1ICi0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K"
#define PRIVATE_KEY                                                                                \
	"LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JR0hBZ0VBTUJNR0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdF"     \
	"SEJHMHdhd0lCQVFRZzhWb2F6a1BaemU5WVI0MFEKaUJWeUtJeXVWKzZZVzdBSXN1ZlViQVFUejhHaFJBTkNB"     \
	"QVRwdk4vbnV6QVRhVThSbXAyeXVENDIzb3JqNm54egppaVZOaUttcFZZSFlOUjNZSU0wQ094T21aWC9SQXNU"     \
	"dFR5S1JTYUhsZmx6eTBCa2NVaFY1bEpvUQotLS0tLUVORCBQUklWQVRFIEtFWS0tLS0tCg=="

static const char world[] =
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: shop}}\n---\n"
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n"
	"spec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: "
	"web}}\n"
	"    spec:\n      containers:\n      - name: web\n        ports: [{name: http, "
	"containerPort: 8080}]\n"
	"        env:\n        - {name: API_URL, value: 'http://api:5000/v1'}\n        - {name: "
	"PORT, value: '8080'}\n---\n"
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api, namespace: shop}\n"
	"spec:\n  replicas: 2\n  selector: {matchLabels: {app: api}}\n  template:\n    metadata: "
	"{labels: {app: api}}\n"
	"    spec:\n      containers:\n      - name: api\n        ports: [{name: rest, "
	"containerPort: 5000}]\n"
	"        env: [{name: LISTEN_ADDR, value: '0.0.0.0:5000'}, {name: CORS_ORIGIN, value: "
	"'https://shop.example.com'}]\n"
	"        readinessProbe: {httpGet: {path: /, port: rest}}\n---\n"
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: stranger, namespace: other}\n"
	"spec:\n  selector: {matchLabels: {app: stranger}}\n  template:\n    metadata: {labels: "
	"{app: stranger}}\n"
	"    spec: {containers: [{name: c}]}\n---\n"
	"apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
	"spec:\n  selector: {app: web}\n  ports: [{name: http, port: 80, targetPort: http}]\n---\n"
	"apiVersion: v1\nkind: Service\nmetadata: {name: api, namespace: shop}\n"
	"spec:\n  selector: {app: api}\n  ports: [{name: rest, port: 5000, targetPort: "
	"rest}]\n---\n"
	"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: "
	"shop}\n"
	"spec:\n  podSelector: {}\n  policyTypes: [Ingress, Egress]\n---\n"
	"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: dns, namespace: "
	"shop}\n"
	"spec:\n  podSelector: {}\n  policyTypes: [Egress]\n  egress:\n  - to:\n    - "
	"namespaceSelector: {matchLabels: "
	"{kubernetes.io/metadata.name: kube-system}}\n    ports: [{protocol: UDP, port: 53}]\n---\n"
	"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: "
	"shop}\n"
	"spec:\n  podSelector: {matchLabels: {app: web}}\n  ingress:\n  - from:\n    - "
	"namespaceSelector: {matchLabels: "
	"{kubernetes.io/metadata.name: ingress-nginx}}\n    ports: [{port: 8080}]\n"
	"  egress:\n  - to: [{podSelector: {matchLabels: {app: api}}}]\n    ports: [{port: "
	"5000}]\n---\n"
	"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: api, namespace: "
	"shop}\n"
	"spec:\n  podSelector: {matchLabels: {app: api}}\n  ingress:\n"
	"  - from:\n    - podSelector: {matchLabels: {app: web}}\n    - namespaceSelector: "
	"{matchLabels: "
	"{kubernetes.io/metadata.name: ingress-nginx}}\n    ports: [{port: 5000}]\n"
	"  egress:\n  - to: [{ipBlock: {cidr: 10.0.2.0/23}}]\n    ports: [{port: 3306}]\n---\n"
	"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: shop, namespace: shop}\n"
	"spec:\n  ingressClassName: nginx\n  tls: [{hosts: [shop.example.com], secretName: "
	"shop-tls}]\n  rules:\n"
	"  - host: shop.example.com\n    http:\n      paths:\n"
	"      - {path: /api, pathType: Prefix, backend: {service: {name: api, port: {number: "
	"5000}}}}\n"
	"      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {name: "
	"http}}}}\n---\n"
	"apiVersion: v1\nkind: Secret\nmetadata: {name: shop-tls, namespace: shop}\ntype: "
	"kubernetes.io/tls\n"
	"data: {tls.crt: " CERTIFICATE ", tls.key: " PRIVATE_KEY "}\n---\n"
	"apiVersion: rds.services.k8s.aws/v1alpha1\nkind: DBInstance\nmetadata: {name: db, "
	"namespace: shop}\n"
	"spec: {dbInstanceIdentifier: db, engine: mysql}\n---\n"
	"apiVersion: v1\nkind: Service\nmetadata: {name: lb, namespace: ingress-nginx}\n"
	"spec:\n  type: LoadBalancer\n  selector: {app.kubernetes.io/name: ingress-nginx}\n"
	"  ports: [{name: http, port: 80, targetPort: http}, {name: https, port: 443, targetPort: "
	"https}]\n";

struct fixture {
	struct arena arena;
	struct subject *subject;
	struct explanation x;
	struct strbuf text;
};

static int add(void *arg, struct val *root, struct err *err)
{
	struct fixture *f = arg;

	(void)err;
	subject_add(f->subject, "world.yaml", root);
	return 0;
}

/* The world with 'from' replaced by 'to' (both may be null), and 'more' behind it. */
static void make(struct fixture *f, const char *profile, const char *from, const char *to,
                 const char *more)
{
	scoped_strbuf struct strbuf text = { 0 };
	const char *at = from ? strstr(world, from) : NULL;
	struct err err = { 0 };

	*f = (struct fixture){ .subject = subject_new(profile ? profile_find(slice_of(profile))
		                                              : profile_default()) };
	if (from) {
		assert_non_null(at);
		strbuf_add(&text, world, (size_t)(at - world));
		strbuf_adds(&text, to);
		strbuf_adds(&text, at + strlen(from));
	} else {
		strbuf_adds(&text, world);
	}
	strbuf_addf(&text, "---\n%s", more ? more : "");
	if (yaml_parse_all(&f->arena, strbuf_slice(&text), add, f, &err) != 0) {
		fail_msg("%s in:\n%s", err.msg, strbuf_str(&text));
	}
	subject_ready(f->subject);
}

static void ask(struct fixture *f, const char *src, const char *dst)
{
	struct err err = { 0 };

	explanation_fini(&f->x);
	if (explain_make(f->subject, slice_of(src), slice_of(dst), &f->x, &err) < 0) {
		fail_msg("%s -> %s: %s", src, dst, err.msg);
	}
	strbuf_reset(&f->text);
	explain_text(&f->text, &f->x, &(struct explain_style){ .everything = true });
}

static void fini(struct fixture *f)
{
	explanation_fini(&f->x);
	subject_free(f->subject);
	strbuf_fini(&f->text);
	arena_fini(&f->arena);
}

/* ---- one mistake each ---- */

struct broken {
	const char *name;
	const char *from, *to, *more; /* change of the world; null: none */
	const char *profile;
	const char *src, *dst;
	const char *hop;     /* null: it reaches */
	const char *id;      /* may be null */
	const char *says[4]; /* parts of the text */
};

#define API  "https://shop.example.com/api/pets"
#define PAGE "https://shop.example.com/"
#define SHOP ", namespace: shop}\n"
#define SHOP_OF(kind, name)                                                                        \
	", namespace: shop, ownerReferences: [{kind: " kind ", name: " name                        \
	", controller: true}]}\n"

#define CLUSTER_POLICY(version, kind)                                                              \
	"apiVersion: policy.networking.k8s.io/" version "\nkind: " kind "\n"
#define ADMIN_DENY                                                                                 \
	CLUSTER_POLICY("v1alpha1", "AdminNetworkPolicy")                                           \
	"metadata: {name: quarantine}\n"                                                           \
	"spec: {priority: 5, subject: {namespaces: {}}, ingress: [{action: Allow, from: "          \
	"[{namespaces: {}}], ports: [{portNumber: {protocol: TCP, port: 80}}, "                    \
	"{portNumber: {protocol: UDP, port: 53}}]}, {name: rest, "                                 \
	"action: Deny, from: [{namespaces: {matchLabels: {team: shop}}}]}]}\n"
#define ADMIN_ALLOW                                                                                \
	CLUSTER_POLICY("v1alpha2", "ClusterNetworkPolicy")                                         \
	"metadata: {name: open}\n"                                                                 \
	"spec: {tier: Admin, priority: 5, subject: {namespaces: {}}, ingress: [{action: Accept, "  \
	"from: [{namespaces: {}}]}]}\n"
/* ... and a service without policies, which shop's egress may open. */
#define BASELINE_DENY                                                                              \
	CLUSTER_POLICY("v1alpha1", "BaselineAdminNetworkPolicy")                                   \
	"metadata: {name: default}\n"                                                              \
	"spec: {subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: other}}}, "      \
	"ingress: [{action: Deny, from: [{namespaces: {}}]}]}\n"                                   \
	"---\n"                                                                                    \
	"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: out" SHOP         \
	"spec: {podSelector: {}, policyTypes: [Egress], egress: [{}]}\n---\n"                      \
	"apiVersion: v1\nkind: Service\nmetadata: {name: stranger, namespace: other}\n"            \
	"spec: {selector: {app: stranger}, ports: [{port: 9}]}\n"

/* A Gateway for plain HTTP, TLS and TCP, and a route of namespace shop; %s: the route's parts. */
#define GATEWAY_CLASS                                                                              \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: envoy}\n"  \
	"spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}\n---\n"
#define GATEWAY_OF(listeners)                                                                      \
	GATEWAY_CLASS                                                                              \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: edge" SHOP      \
	"spec:\n  gatewayClassName: envoy\n  listeners:\n" listeners "---\n"
#define HTTP_LISTENER "  - {name: http, protocol: HTTP, port: 80}\n"
#define HTTPS_LISTENER                                                                             \
	"  - {name: https, protocol: HTTPS, port: 443, hostname: '*.example.com', tls: "           \
	"{certificateRefs: [{name: shop-tls}]}}\n"
#define TCP_LISTENER "  - {name: tcp, protocol: TCP, port: 5000}\n"
#define ROUTE(kind, parent, hosts, rules)                                                          \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: " kind "\nmetadata: {name: r" SHOP        \
	"spec:\n  parentRefs: [{name: edge" parent "}]\n  hostnames: [" hosts                      \
	"]\n  rules:\n" rules
#define TO_WEB "  - backendRefs: [{name: web, port: 80}]\n"
#define GW     "http://gw.example.com/api/pets"

static const struct broken cases[] = {
	{ "everything works: workload to service", .src = "web", .dst = "api",
	  .says = { "Deployment shop/web -> Service shop/api",
	            "egress rule 1 of policy shop/web admits Deployment shop/api",
	            "LISTEN_ADDR says port 5000", "api.shop.svc.cluster.local found" } },
	{ "everything works: browser to API", .src = "browser", .dst = API,
	  .says = { "Prefix /api of ingress shop/shop answers /api/pets",
	            "Secret shop/shop-tls holds a certificate for shop.example.com",
	            "load balancer", "the balancer of Service ingress-nginx/lb takes TCP 443" } },
	{ "everything works: page", .src = "internet", .dst = PAGE },
	{ "everything works: database", .src = "api", .dst = "database",
	  .says = { "admits address 10.0.3.20" } },
	{ "everything works: by workload", .src = "shop:app=web", .dst = "deployment/api",
	  .says = { "(another way)" } },
	{ "a wildcard host answers", "host: shop.example.com", "host: '*.example.com'", NULL, NULL,
	  "internet", "http://shop.example.com/api", NULL },

	{ "the administrator denies what the namespace admits", .more = ADMIN_DENY, .src = "web",
	  .dst = "api", .hop = "ingress policy", .id = "NP025",
	  .says = { "ingress rule 2 (rest) of AdminNetworkPolicy quarantine denies Deployment "
	            "shop/web on TCP 5000, before NetworkPolicies are asked",
	            "ingress rule 1 of AdminNetworkPolicy quarantine nearly admits: TCP 5000 is "
	            "not among TCP 80",
	            "a policy of smaller priority, allow TCP 5000 or pass it on" } },
	{ "the administrator admits what the namespace isolates", .more = ADMIN_ALLOW,
	  .src = "stranger", .dst = "api.shop:5000",
	  .says = { "ingress rule 1 of ClusterNetworkPolicy open admits Deployment "
	            "other/stranger on TCP 5000" } },
	{ "the baseline denies where nobody isolates", .more = BASELINE_DENY, .src = "web",
	  .dst = "http://stranger.other:9/", .hop = "ingress policy", .id = "NP025",
	  .says = { "ingress rule 1 of BaselineAdminNetworkPolicy default denies Deployment "
	            "shop/web on TCP 9, as no NetworkPolicy isolates the pod",
	            "Let a NetworkPolicy that selects Deployment other/stranger admit it" } },

	{ "name of a service that is not there", .src = "web", .dst = "http://apj:5000/",
	  .hop = "name", .id = "DNS001",
	  .says = { "Service shop/api has nearly that name", "Call it api" } },
	{ "short name across namespaces", .src = "stranger", .dst = "http://api:5000/",
	  .hop = "name", .id = "DNS001", .says = { "Call it api.shop." } },
	{ "egress without DNS",
	  "{protocol: UDP, port: 53}",
	  "{protocol: UDP, port: 54}",
	  NULL,
	  NULL,
	  "web",
	  "api",
	  "egress policy",
	  "NP008",
	  { "before it connects, it asks the cluster's DNS" } },
	{ "host network with ClusterFirst",
	  "    spec: {containers: [{name: c}]}",
	  "    spec: {hostNetwork: true, containers: [{name: c}]}",
	  NULL,
	  NULL,
	  "stranger",
	  "api.shop:5000",
	  "name",
	  "DNS010",
	  { "Set dnsPolicy: ClusterFirstWithHostNet" } },

	{ "port that the service does not expose", .src = "web", .dst = "api:8000",
	  .hop = "service", .id = "SVC007", .says = { "has no port 8000; it has 5000 (rest)" } },
	{ "the pods' port asked of the service", .src = "web", .dst = "web:8080", .hop = "service",
	  .id = "SVC007", .says = { "port 80 leads to the pods' http" } },
	{ "selector that differs in a letter",
	  "selector: {app: api}",
	  "selector: {app: ap1}",
	  NULL,
	  NULL,
	  "web",
	  "api",
	  "endpoints",
	  "SVC001",
	  { "Deployment shop/api is labelled app=api", "Select app=api" } },
	{ "selector with one label too many",
	  "selector: {app: api}",
	  "selector: {app: api, tier: back}",
	  NULL,
	  NULL,
	  "web",
	  "api",
	  "endpoints",
	  "SVC001",
	  { "Deployment shop/api lacks the label tier=back" } },
	{ "named port that no container has",
	  "targetPort: rest",
	  "targetPort: http",
	  NULL,
	  NULL,
	  "web",
	  "api",
	  "endpoints",
	  "SVC006",
	  { "has no TCP port named \"http\" (it has rest)" } },
	{ "probe of a port that no container has",
	  "port: rest}}",
	  "port: http}}",
	  NULL,
	  NULL,
	  "web",
	  "api",
	  "endpoints",
	  "POD003",
	  { "never becomes ready" } },
	{ "no replicas",
	  "replicas: 2",
	  "replicas: 0",
	  NULL,
	  NULL,
	  "web",
	  "api",
	  "endpoints",
	  NULL,
	  { "has no replicas" } },
	{ "service without selector", "  selector: {app: api}\n  ports", "  ports", NULL, NULL,
	  "web", "api", "endpoints", "SVC015" },
	{ "wrong targetPort",
	  "targetPort: rest",
	  "targetPort: 5001",
	  NULL,
	  NULL,
	  "web",
	  "api",
	  "pod port",
	  "SVC005",
	  { "nearly admits: TCP 5001 is not among TCP 5000", "declared: 5000 (rest)" } },
	{ "wrong targetPort where policies are open",
	  "targetPort: http",
	  "targetPort: 8081",
	  "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: all" SHOP
	  "spec:\n  podSelector: {}\n  ingress: [{}]\n  egress: [{}]\n",
	  NULL,
	  "internet",
	  PAGE,
	  "pod port",
	  "SVC005",
	  { "declares port 8081; declared: 8080 (http)" } },

	{ "egress rule's label differs",
	  "egress:\n  - to: [{podSelector: {matchLabels: {app: api}}}]",
	  "egress:\n  - to: [{podSelector: {matchLabels: {app: backend}}}]",
	  NULL,
	  NULL,
	  "web",
	  "api",
	  "egress policy",
	  "NP008",
	  { "nearly admits: Deployment shop/api is not meant: its labels do not match podSelector "
	    "app=backend (label app is \"api\")",
	    "Add to the spec of a NetworkPolicy that selects Deployment shop/web" } },
	{ "ingress rule's label differs",
	  "- podSelector: {matchLabels: {app: web}}",
	  "- podSelector: {matchLabels: {app: wep}}",
	  NULL,
	  NULL,
	  "web",
	  "api",
	  "ingress policy",
	  "NP007",
	  { "label app is \"web\"" } },
	{ "stranger is kept out", .src = "stranger", .dst = "api", .hop = "ingress policy",
	  .id = "NP007",
	  .says = { "isolates Deployment shop/api for ingress",
	            "namespace other is not the policy's own" } },
	{ "ingress controller is not admitted",
	  "- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}\n    "
	  "ports: [{port: 8080}]",
	  "- namespaceSelector: {matchLabels: {name: ingress-nginx}}\n    ports: [{port: 8080}]",
	  NULL,
	  NULL,
	  "internet",
	  PAGE,
	  "ingress policy",
	  "NP007",
	  { "label name is absent" } },
	{ "policy names the service's port",
	  "ports: [{port: 8080}]",
	  "ports: [{port: 80}]",
	  NULL,
	  NULL,
	  "internet",
	  PAGE,
	  "ingress policy",
	  "NP007",
	  { "TCP 8080 is not among TCP 80" } },
	{ "nobody enforces policies", .profile = "none", .src = "stranger", .dst = "api" },

	{ "listens on loopback", "0.0.0.0:5000", "127.0.0.1:5000", NULL, NULL, "web", "api",
	  "listening process", "POD001" },

	{ "host differs",
	  "- host: shop.example.com",
	  "- host: shop.exmaple.com",
	  NULL,
	  NULL,
	  "internet",
	  API,
	  "ingress rule",
	  "ING009",
	  { "host shop.exmaple.com of ingress shop/shop is not shop.example.com",
	    "host with a rule: shop.exmaple.com (Ingress shop/shop)" } },
	{ "host that nothing resembles", .src = "internet", .dst = "https://unknown.test/",
	  .hop = "ingress rule", .id = "ING009",
	  .says = { "host with a rule: shop.example.com (Ingress shop/shop)",
	            "Add a rule with host: unknown.test to an Ingress" } },
	{ "class of another controller", "ingressClassName: nginx", "ingressClassName: other",
	  "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: other}\nspec: "
	  "{controller: example.com/other}\n",
	  NULL, "internet", API, "ingress controller", "ING004" },
	{ "class that is not there",
	  "ingressClassName: nginx",
	  "ingressClassName: ngnix",
	  NULL,
	  NULL,
	  "internet",
	  API,
	  "ingress rule",
	  "ING004",
	  { "its ingressClassName names no IngressClass", "Set spec.ingressClassName: nginx" } },
	{ "no class", "  ingressClassName: nginx\n", "", NULL, NULL, "internet", API,
	  "ingress rule", "ING004" },
	{ "path type Exact",
	  "path: /api, pathType: Prefix",
	  "path: /api, pathType: Exact",
	  NULL,
	  NULL,
	  "internet",
	  API,
	  NULL,
	  NULL,
	  { "Exact /api of ingress shop/shop does not answer /api/pets: pathType Exact takes "
	    "nothing below it",
	    "Prefix / of ingress shop/shop answers" } },
	{ "no path takes it",
	  "      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {name: "
	  "http}}}}\n",
	  "",
	  NULL,
	  NULL,
	  "internet",
	  "https://shop.example.com/apis",
	  "ingress rule",
	  "ING005",
	  { "pathType Prefix compares whole elements between slashes" } },
	{ "backend service is missing",
	  "backend: {service: {name: api,",
	  "backend: {service: {name: apo,",
	  NULL,
	  NULL,
	  "internet",
	  API,
	  "service",
	  "ING001",
	  { "Service shop/api has nearly that name" } },
	{ "backend service is elsewhere",
	  "backend: {service: {name: api,",
	  "backend: {service: {name: far,",
	  "apiVersion: v1\nkind: Service\nmetadata: {name: far, namespace: other}\nspec: {ports: "
	  "[{port: 5000}]}\n",
	  NULL,
	  "internet",
	  API,
	  "service",
	  "ING001",
	  { "Put the Ingress into namespace other" } },
	{ "backend port is missing",
	  "{name: api, port: {number: 5000}}",
	  "{name: api, port: {number: 80}}",
	  NULL,
	  NULL,
	  "internet",
	  API,
	  "service",
	  "SVC007",
	  { "the rule asks for that port" } },
	{ "backend port name is unknown",
	  "{name: web, port: {name: http}}",
	  "{name: web, port: {name: web}}",
	  NULL,
	  NULL,
	  "internet",
	  PAGE,
	  "service",
	  "SVC007",
	  { "has no port \"web\"; it has 80 (http)" } },

	{ "TLS secret is in another namespace",
	  "metadata: {name: shop-tls, namespace: shop}",
	  "metadata: {name: shop-tls, namespace: other}",
	  NULL,
	  NULL,
	  "internet",
	  API,
	  "TLS",
	  "TLS001",
	  { "but in other", "Put the Secret into namespace shop" } },
	{ "TLS secret lacks its key", ", tls.key: ", ", tls.pem: ", NULL, NULL, "internet", API,
	  "TLS", "TLS002" },
	{ "TLS secret holds no PEM",
	  "tls.crt: ",
	  "tls.crt: QQ==, other: ",
	  NULL,
	  NULL,
	  "internet",
	  API,
	  "TLS",
	  "TLS002",
	  { "tls.crt of Secret shop/shop-tls has no certificate" } },
	{ "certificate is for another host", .src = "internet", .dst = "https://www.example.com/",
	  .more = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: www" SHOP
	          "spec:\n  ingressClassName: nginx\n  tls: [{hosts: [www.example.com], "
	          "secretName: shop-tls}]\n"
	          "  rules: [{host: www.example.com, http: {paths: [{path: /, pathType: Prefix, "
	          "backend: "
	          "{service: {name: web, port: {number: 80}}}}]}}]\n",
	  .hop = "TLS", .id = "TLS003",
	  .says = { "is for shop.example.com, not for www.example.com" } },
	{ "certificate that will not be for the host",
	  "metadata: {name: shop-tls, namespace: shop}",
	  "metadata: {name: old-tls, namespace: shop}",
	  "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: shop" SHOP
	  "spec: {secretName: shop-tls, dnsNames: [www.example.com], issuerRef: {name: x}}\n",
	  NULL,
	  "internet",
	  API,
	  "TLS",
	  "TLS003",
	  { "Add shop.example.com to dnsNames of Certificate shop/shop" } },
	{ "certificate that will be",
	  "metadata: {name: shop-tls, namespace: shop}",
	  "metadata: {name: old-tls, namespace: shop}",
	  "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: shop" SHOP
	  "spec: {secretName: shop-tls, dnsNames: ['*.example.com'], issuerRef: {name: x}}\n",
	  NULL,
	  "internet",
	  API,
	  NULL,
	  NULL,
	  { "Secret shop-tls is made by Certificate shop/shop" } },
	{ "certificate out of another store",
	  "metadata: {name: shop-tls, namespace: shop}",
	  "metadata: {name: old-tls, namespace: shop}",
	  "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: shop-tls" SHOP
	  "spec: {target: {name: shop-tls}}\n",
	  NULL,
	  "internet",
	  API,
	  NULL,
	  NULL,
	  { "is made by an operator out of another store" } },
	{ "TLS entry is for another host",
	  "tls: [{hosts: [shop.example.com]",
	  "tls: [{hosts: [www.example.com]",
	  NULL,
	  NULL,
	  "internet",
	  API,
	  "TLS",
	  "TLS003",
	  { "a tls entry is for www.example.com" } },
	{ "TLS does not matter to plain HTTP", "tls: [{hosts: [shop.example.com]",
	  "tls: [{hosts: [www.example.com]", NULL, NULL, "internet",
	  "http://shop.example.com/api" },

	{ "balancer without the port", ", {name: https, port: 443, targetPort: https}", "", NULL,
	  NULL, "internet", API, "load balancer", "SVC007" },
	{ "balancer is internal", "metadata: {name: lb, namespace: ingress-nginx}",
	  "metadata: {name: lb, namespace: ingress-nginx, annotations: "
	  "{service.beta.kubernetes.io/aws-load-balancer-scheme: internal}}",
	  NULL, NULL, "internet", API, "load balancer", "LB003" },
	{ "balancer for others only", "  type: LoadBalancer\n",
	  "  type: LoadBalancer\n  loadBalancerSourceRanges: [198.51.100.0/24]\n", NULL, NULL,
	  "203.0.113.9", API, "load balancer", NULL },
	{ "balancer for this client", "  type: LoadBalancer\n",
	  "  type: LoadBalancer\n  loadBalancerSourceRanges: [198.51.100.0/24]\n", NULL, NULL,
	  "198.51.100.9", API, NULL },
	{ "no ingress controller", .profile = "none", .src = "internet", .dst = API,
	  .hop = "ingress controller", .id = "ING004" },
	{ "controller is isolated",
	  .more = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
	          "metadata: {name: deny, namespace: ingress-nginx}\n"
	          "spec: {podSelector: {}, policyTypes: [Ingress]}\n",
	  .src = "internet", .dst = API, .hop = "ingress policy", .id = "NP007" },
	{ "nothing leads to a service from outside", .src = "internet", .dst = "hidden",
	  .more = "apiVersion: v1\nkind: Service\nmetadata: {name: hidden" SHOP
	          "spec: {selector: {app: api}, ports: [{port: 1}]}\n",
	  .hop = "load balancer" },
	{ "a service from outside by its rule", .src = "internet", .dst = "svc/web",
	  .says = { "through Ingress shop/shop, https://shop.example.com/" } },

	{ "gateway: a route takes it", .src = "internet", .dst = GW,
	  .more = GATEWAY_OF(HTTP_LISTENER) ROUTE("HTTPRoute", "", "gw.example.com", TO_WEB),
	  .says = { "Gateway shop/edge takes http for gw.example.com on 80",
	            "HTTPRoute shop/r answers", "depends on the labels of the gateway's pods" } },
	{ "gateway: its pods are kept out", .src = "internet", .dst = GW,
	  .more = GATEWAY_OF(HTTP_LISTENER)
	          ROUTE("HTTPRoute", "", "gw.example.com",
	                TO_WEB) "---\n"
	                        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: envoy" SHOP
	                        "spec: {selector: {matchLabels: {a: b}}, template: {metadata: "
	                        "{labels: {a: b, "
	                        "gateway.networking.k8s.io/gateway-name: edge}}, spec: "
	                        "{containers: [{name: c}]}}}\n",
	  .hop = "egress policy", .id = "NP008" },
	{ "gateway: the longest path wins", .src = "internet", .dst = GW,
	  .more = GATEWAY_OF(HTTP_LISTENER)
	          ROUTE("HTTPRoute", "", "'*.example.com'",
	                TO_WEB "  - matches: [{path: {type: PathPrefix, value: /api/}}]\n"
	                       "    backendRefs: [{name: api, port: 5000}]\n"
	                       "  - matches: [{path: {type: PathPrefix, value: /ap}}, {path: "
	                       "{value: /api/pets}, method: POST}]\n"
	                       "    backendRefs: [{name: gone, port: 1}]\n"),
	  .says = { "HTTPRoute shop/r, path /api/ answers", "Service shop/api has TCP port 5000",
	            "path /ap of HTTPRoute shop/r does not take it: its path differs",
	            "it is for another method than GET" } },
	{ "gateway: exact beats prefix, a named host beats a wildcard", .src = "internet",
	  .dst = GW,
	  .more = GATEWAY_OF(HTTP_LISTENER) ROUTE(
		  "HTTPRoute", "", "'*.example.com'",
		  "  - matches: [{path: {type: Exact, value: /api/pets}}]\n    backendRefs: "
		  "[{name: gone, port: 1}]\n") "---\n"
	                                       "apiVersion: gateway.networking.k8s.io/v1\nkind: "
	                                       "HTTPRoute\nmetadata: {name: s" SHOP
	                                       "spec: {parentRefs: [{name: edge}], hostnames: "
	                                       "[gw.example.com], rules: [{backendRefs: [{name: "
	                                       "web, port: 80}]}]}\n",
	  .says = { "HTTPRoute shop/s answers" } },
	{ "gateway: no rule has the path", .src = "internet", .dst = GW,
	  .more = GATEWAY_OF(HTTP_LISTENER)
	          ROUTE("HTTPRoute", "", "gw.example.com",
	                "  - matches: [{path: {type: PathPrefix, value: /apis}}]\n    backendRefs: "
	                "[{name: web, port: 80}]\n"),
	  .hop = "gateway route", .says = { "No rule takes /api/pets of host gw.example.com" } },
	{ "gateway: route's host and listener's differ", .src = "internet", .dst = GW,
	  .more = GATEWAY_OF(
		  "  - {name: http, protocol: HTTP, port: 80, hostname: gw.example.com}\n")
	          ROUTE("HTTPRoute", "", "gv.example.com", TO_WEB),
	  .hop = "gateway route", .id = "GW001",
	  .says = { "HTTPRoute shop/r is for gv.example.com" } },
	{ "gateway: another section", .src = "internet", .dst = GW,
	  .more = GATEWAY_OF(HTTP_LISTENER HTTPS_LISTENER)
	          ROUTE("HTTPRoute", ", sectionName: https", "gw.example.com", TO_WEB),
	  .hop = "gateway route", .id = "GW001",
	  .says = { "its parentRef means another listener" } },
	{ "gateway: a route of another namespace is not let in", .src = "internet", .dst = GW,
	  .more = GATEWAY_OF(HTTP_LISTENER) "apiVersion: gateway.networking.k8s.io/v1\nkind: "
	                                    "HTTPRoute\nmetadata: {name: r, namespace: other}\n"
	                                    "spec: {parentRefs: [{name: edge, namespace: shop}], "
	                                    "hostnames: [gw.example.com]}\n",
	  .hop = "gateway route", .id = "GW002", .says = { "allowedRoutes do not let it in" } },
	{ "gateway: there is none of that name", .src = "internet", .dst = GW,
	  .more = ROUTE("HTTPRoute", "", "gw.example.com", TO_WEB), .hop = "gateway route",
	  .id = "GW001", .says = { "There is no Gateway edge in namespace shop" } },
	{ "gateway: of a class that is not there", .src = "internet", .dst = GW,
	  .from = "name: web, namespace: shop}\nspec", .to = "name: web, namespace: shop}\nspec",
	  .more = "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: "
	          "other}\n---\n"
	          "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: "
	          "edge" SHOP
	          "spec: {gatewayClassName: envoy, listeners: [{name: http, protocol: HTTP, port: "
	          "80}]}\n---\n" ROUTE("HTTPRoute", "", "gw.example.com", TO_WEB),
	  .hop = "load balancer", .id = "GW006" },
	{ "gateway: no listener on the port", .src = "internet", .dst = "https://gw.example.com/",
	  .more = GATEWAY_OF(HTTP_LISTENER) ROUTE("HTTPRoute", "", "gw.example.com", TO_WEB),
	  .hop = "load balancer", .id = "GW003",
	  .says = { "listener http takes HTTP on 80 for every host" } },
	{ "gateway: the certificate is for another host", .src = "internet",
	  .dst = "https://gw.example.com/",
	  .more = GATEWAY_OF(HTTPS_LISTENER) ROUTE("HTTPRoute", "", "gw.example.com", TO_WEB),
	  .hop = "TLS", .id = "TLS003",
	  .says = { "is for shop.example.com, not for gw.example.com" } },
	{ "gateway: the certificate is nowhere", .src = "internet",
	  .dst = "https://gw.example.com/", .from = "metadata: {name: shop-tls, namespace: shop}",
	  .to = "metadata: {name: old, namespace: shop}",
	  .more = GATEWAY_OF(HTTPS_LISTENER) ROUTE("HTTPRoute", "", "gw.example.com", TO_WEB),
	  .hop = "TLS", .id = "TLS001", .says = { "the listener is not programmed" } },
	{ "gateway: passthrough by SNI", .src = "internet", .dst = "https://gw.example.com/",
	  .more = GATEWAY_OF(
		  "  - {name: tls, protocol: TLS, port: 443, tls: {mode: Passthrough}}\n")
	          ROUTE("TLSRoute", "", "gw.example.com", TO_WEB),
	  .says = { "mode Passthrough", "TLSRoute shop/r answers" } },
	{ "gateway: gRPC by service and method", .src = "internet",
	  .dst = "http://gw.example.com/pets.Pets/List",
	  .more = GATEWAY_OF(HTTP_LISTENER)
	          ROUTE("GRPCRoute", "", "gw.example.com",
	                "  - matches: [{method: {service: pets.Pets, method: Get}}]\n    "
	                "backendRefs: [{name: gone, port: 1}]\n"
	                "  - matches: [{method: {service: pets.Pets}}]\n    backendRefs: [{name: "
	                "web, port: 80}]\n"),
	  .says = { "GRPCRoute shop/r answers", "its service or method differs" } },
	{ "gateway: a backend that is not there", .src = "internet", .dst = GW,
	  .more = GATEWAY_OF(HTTP_LISTENER) ROUTE("HTTPRoute", "", "gw.example.com",
	                                          "  - backendRefs: [{name: wep, port: 80}]\n"),
	  .hop = "service", .id = "GW005", .says = { "Write name: web" } },
	{ "gateway: a backend without the port", .src = "internet", .dst = GW,
	  .more = GATEWAY_OF(HTTP_LISTENER) ROUTE("HTTPRoute", "", "gw.example.com",
	                                          "  - backendRefs: [{name: web, port: 8080}]\n"),
	  .hop = "service", .id = "GW005", .says = { "Service shop/web has no port 8080" } },
	{ "gateway: a backend elsewhere without a grant", .src = "internet", .dst = GW,
	  .more = GATEWAY_OF(HTTP_LISTENER)
	          ROUTE("HTTPRoute", "", "gw.example.com",
	                "  - backendRefs: [{name: far, namespace: other, port: "
	                "5000}]\n") "---\napiVersion: v1\nkind: Service\nmetadata: "
	                            "{name: far, namespace: other}\n"
	                            "spec: {selector: {app: stranger}, ports: "
	                            "[{port: 5000}]}\n",
	  .hop = "service", .id = "GW004" },
	{ "gateway: a backend elsewhere with a grant", .src = "internet", .dst = GW,
	  .more = GATEWAY_OF(HTTP_LISTENER)
	          ROUTE("HTTPRoute", "", "gw.example.com",
	                "  - backendRefs: [{name: far, namespace: other, port: "
	                "5000}]\n") "---\napiVersion: v1\nkind: Service\nmetadata: "
	                            "{name: far, namespace: other}\n"
	                            "spec: {selector: {app: stranger}, ports: "
	                            "[{port: 5000}]}\n---\n"
	                            "apiVersion: "
	                            "gateway.networking.k8s.io/v1beta1\nkind: "
	                            "ReferenceGrant\nmetadata: {name: g, namespace: "
	                            "other}\n"
	                            "spec: {from: [{group: "
	                            "gateway.networking.k8s.io, kind: HTTPRoute, "
	                            "namespace: shop}], to: [{group: '', kind: "
	                            "Service}]}\n",
	  .says = { "Service other/far has TCP port 5000" } },
	{ "gateway: shares of two backends", .src = "internet", .dst = GW,
	  .more = GATEWAY_OF(HTTP_LISTENER)
	          ROUTE("HTTPRoute", "", "gw.example.com",
	                "  - backendRefs: [{name: web, port: 80, weight: 9}, {name: api, port: "
	                "5000}, {name: gone, port: 1, weight: 0}]\n"),
	  .says = { "9 of 10", "1 of 10" } },
	{ "gateway: a redirect", .src = "internet", .dst = GW,
	  .more = GATEWAY_OF(HTTP_LISTENER)
	          ROUTE("HTTPRoute", "", "gw.example.com",
	                "  - filters: [{type: RequestRedirect, requestRedirect: {scheme: https, "
	                "statusCode: 301}}]\n"),
	  .says = { "answers with a redirect (301)" } },
	{ "gateway: from outside to a Service, by a TCP route", .src = "internet", .dst = "svc/api",
	  .from = "backend: {service: {name: api,", .to = "backend: {service: {name: web,",
	  .more = GATEWAY_OF(TCP_LISTENER) "apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: "
	                                   "TCPRoute\nmetadata: {name: t" SHOP
	                                   "spec: {parentRefs: [{name: edge, sectionName: tcp}], "
	                                   "rules: [{backendRefs: [{name: api, port: 5000}]}]}\n",
	  .says = { "Gateway shop/edge takes tcp on 5000", "TCPRoute shop/t answers" } },
	{ "gateway: a host that nobody names, where gateways are the only way in",
	  .src = "internet", .dst = "http://unknown.test/", .from = "kind: Ingress\n",
	  .to = "kind: Ingres\n",
	  .more = GATEWAY_OF(HTTP_LISTENER) ROUTE("HTTPRoute", "", "gw.example.com", TO_WEB),
	  .hop = "gateway route", .id = "GW001",
	  .says = { "No route that is attached to Gateway shop/edge has host unknown.test",
	            "HTTPRoute shop/r is for gw.example.com" } },

	{ "page calls a name of the cluster", .src = "browser", .dst = PAGE,
	  .from = "{name: PORT, value: '8080'}",
	  .to = "{name: VITE_API_URL, value: 'http://api:5000'}", .hop = "browser",
	  .id = "APP001" },
	{ "page calls a name of the cluster, as accepted", .src = "browser", .dst = PAGE,
	  .more = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop, "
	          "annotations: "
	          "{kennel.dev/ignore: APP001 nginx of the image reads it}}\nspec:\n  template:\n"
	          "    metadata: {labels: {app: web}}\n    spec:\n      containers:\n      - name: "
	          "web\n"
	          "        ports: [{name: http, containerPort: 8080}]\n"
	          "        env: [{name: VITE_API_URL, value: 'http://api:5000'}]\n" },
	{ "origin of another site",
	  "https://shop.example.com'}",
	  "https://www.example.com'}",
	  NULL,
	  NULL,
	  "browser",
	  API,
	  "browser",
	  "APP003",
	  { "allows https://www.example.com" } },

	{ "database: egress to its subnets is missing",
	  "cidr: 10.0.2.0/23",
	  "cidr: 10.0.4.0/23",
	  NULL,
	  NULL,
	  "api",
	  "database",
	  "egress policy",
	  "NP008",
	  { "not in ipBlock 10.0.4.0/23", "cidr: 10.0.2.0/23" } },
	{ "database: another port than its own", "value: '8080'", "value: '8080'", NULL, NULL,
	  "web", "db:3307", "egress policy" },
	{ "database: not from the internet", .src = "internet", .dst = "database", .hop = "route" },
	{ "database: security group is missing", "engine: mysql}",
	  "engine: mysql, vpcSecurityGroupRefs: [{from: {name: gone}}]}", NULL, NULL, "api",
	  "database", "security group", "LB019" },
	{ "database: security group closes it",
	  "engine: mysql}",
	  "engine: mysql, vpcSecurityGroupRefs: [{from: {name: sg}}]}",
	  "apiVersion: ec2.services.k8s.aws/v1alpha1\nkind: SecurityGroup\nmetadata: {name: sg" SHOP
	  "spec: {ingressRules: [{ipProtocol: tcp, fromPort: 5432, toPort: 5432, ipRanges: "
	  "[{cidrIP: 10.0.0.0/16}]}]}\n",
	  NULL,
	  "api",
	  "database",
	  "security group",
	  "LB006",
	  { "ports 5432-5432 do not include it" } },
	{ "database: security group admits it", "engine: mysql}",
	  "engine: mysql, vpcSecurityGroupRefs: [{from: {name: sg}}]}",
	  "apiVersion: ec2.services.k8s.aws/v1alpha1\nkind: SecurityGroup\nmetadata: {name: sg" SHOP
	  "spec: {ingressRules: [{ipProtocol: tcp, fromPort: 3306, toPort: 3306, ipRanges: "
	  "[{cidrIP: 10.0.2.0/24}]}]}\n",
	  NULL, "api", "database", NULL },
	{ "database: an exception takes one of its subnets",
	  "cidr: 10.0.2.0/23",
	  "cidr: 10.0.2.0/23, except: [10.0.3.0/24]",
	  NULL,
	  NULL,
	  "api",
	  "database",
	  "egress policy",
	  "NP008",
	  { "excepted from ipBlock 10.0.2.0/23" } },
	{ "database: the VPC's range is used for services", .src = "api", .dst = "database",
	  .hop = "route", .id = "LB008",
	  .more = "apiVersion: eks.services.k8s.aws/v1alpha1\nkind: Cluster\nmetadata: {name: "
	          "c" SHOP
	          "spec: {kubernetesNetworkConfig: {serviceIPv4CIDR: 10.0.128.0/17}}\n---\n"
	          "apiVersion: ec2.services.k8s.aws/v1alpha1\nkind: VPC\nmetadata: {name: v" SHOP
	          "spec: {cidrBlocks: [10.0.0.0/16]}\n" },
	{ "database: a caller that is told another port",
	  "value: '0.0.0.0:5000'}",
	  "value: '0.0.0.0:5000'}, {name: DATABASE_URL, value: "
	  "'mysql://u@db.x.us-east-1.rds.amazonaws.com:3307/d'}",
	  "apiVersion: rds.services.k8s.aws/v1alpha1\nkind: DBInstance\nmetadata: {name: db" SHOP
	  "spec: {dbInstanceIdentifier: db, engine: mysql}\n"
	  "status: {endpoint: {address: db.x.us-east-1.rds.amazonaws.com}}\n",
	  NULL,
	  "api",
	  "database",
	  "configuration",
	  "DB004",
	  { "DATABASE_URL asks port 3307" } },
	{ "ACME challenges are kept out",
	  "metadata: {name: shop, namespace: shop}\nspec:\n  ingressClassName: nginx\n  tls: "
	  "[{hosts: "
	  "[shop.example.com], secretName: shop-tls}]",
	  "metadata: {name: shop, namespace: shop, annotations: "
	  "{cert-manager.io/cluster-issuer: acme}}\nspec:\n  ingressClassName: nginx\n  tls: "
	  "[{hosts: "
	  "[shop.example.com], secretName: made}]",
	  "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: acme}\n"
	  "spec: {acme: {solvers: [{http01: {ingress: {ingressClassName: nginx}}}]}}\n",
	  NULL, "internet", PAGE, "TLS", "NP014" },
	{ "an address of the internet", .src = "api", .dst = "203.0.113.7:443",
	  .hop = "egress policy" },
	{ "an address of the internet from an open pod", .src = "stranger",
	  .dst = "203.0.113.7:443" },
	{ "a foreign name", .src = "stranger", .dst = "https://payments.example.net/",
	  .says = { "Files cannot tell" } },
};

static const struct explain_step *first_broken(const struct fixture *f)
{
	for (size_t i = 0; i < f->x.paths.n; i++) {
		if (!f->x.paths.at[i]->is_alternative && f->x.paths.at[i]->broken) {
			return f->x.paths.at[i]->broken;
		}
	}
	return NULL;
}

static void the_first_broken_hop_is_found(void **state)
{
	const struct broken *c = *state;
	const struct explain_step *s;
	struct fixture f;

	make(&f, c->profile, c->from, c->to, c->more);
	ask(&f, c->src, c->dst);
	s = first_broken(&f);
	if (f.x.reaches != !c->hop ||
	    (c->hop && (!s || strcmp(explain_hop_text(s->hop), c->hop) != 0)) ||
	    (c->id && (!s || !s->id || strcmp(s->id, c->id) != 0))) {
		fail_msg("wanted %s %s in:\n%s", c->hop ? c->hop : "to reach", c->id ? c->id : "",
		         strbuf_str(&f.text));
	}
	for (size_t i = 0; i < ARRAY_SIZE(c->says) && c->says[i]; i++) {
		if (!strstr(strbuf_str(&f.text), c->says[i])) {
			fail_msg("not said: %s\nin:\n%s", c->says[i], strbuf_str(&f.text));
		}
	}
	if (s) {
		assert_non_null(s->cause);
		assert_non_null(s->repair);
	}
	fini(&f);
}

/* ---- ends ---- */

static void expect_refusal(const char *src, const char *dst, const char *says)
{
	struct err err = { 0 };
	struct fixture f;

	make(&f, NULL, NULL, NULL,
	     "apiVersion: v1\nkind: Service\nmetadata: {name: twin, namespace: a}\n---\n"
	     "apiVersion: v1\nkind: Service\nmetadata: {name: twin, namespace: b}\n");
	if (explain_make(f.subject, slice_of(src), slice_of(dst), &f.x, &err) == 0) {
		fail_msg("%s -> %s is understood", src, dst);
	}
	if (!strstr(err.msg, says)) {
		fail_msg("not said: %s\nin: %s", says, err.msg);
	}
	fini(&f);
}

static void what_names_nothing_is_refused_with_the_nearest_name(void **state)
{
	(void)state;
	expect_refusal("wbe", "api", "source wbe names nothing; Deployment shop/web is there");
	expect_refusal("web", "apii", "destination apii names nothing; Service shop/api is there");
	expect_refusal("web", "zzzzzzzzzz", "names nothing among the");
	expect_refusal("web", "twin",
	               "destination twin is Service a/twin and Service b/twin; say which");
	expect_refusal("other/web", "api",
	               "source other/web names nothing; Deployment shop/web is there");
	expect_refusal("shop:app=nobody", "api", "no pod of namespace shop carries these labels");
	expect_refusal("nowhere:app=web", "api", "there is no namespace nowhere");
	expect_refusal("svc/web", "api", "Service shop/web opens no connections; name a workload");
	expect_refusal("web", "http://:80/", "no host and port");
}

static void a_pod_is_its_workload(void **state)
{
	struct fixture f;

	(void)state;
	make(&f, NULL, NULL, NULL, NULL);
	ask(&f, "pod/web-5d8f7c9b6-x2x4z", "api.shop.svc.cluster.local:5000");
	assert_string_equal(f.x.source, "Deployment shop/web");
	assert_true(f.x.reaches);
	fini(&f);
}

static void a_live_pod_is_the_deployment_above_its_replica_set(void **state)
{
	struct fixture f;

	(void)state;
	make(&f, NULL, NULL, NULL,
	     "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: web-5d8f7c9b6" SHOP_OF(
		     "Deployment",
		     "web") "spec: {template: {metadata: {labels: {app: web}}, spec: {containers: "
	                    "[{name: web}]}}}\n---\n"
	                    "apiVersion: v1\nkind: Pod\nmetadata: {name: web-5d8f7c9b6-x2x4z, "
	                    "labels: {app: web}" SHOP_OF(
				    "ReplicaSet",
				    "web-5d8f7c9b6") "spec: {containers: [{name: web}]}\nstatus: "
	                                             "{phase: Running, podIP: 10.244.7.7, "
	                                             "podIPs: [{ip: 10.244.7.7}, "
	                                             "{ip: \"fd00:10:244::7\"}]}\n");
	ask(&f, "pod/web-5d8f7c9b6-x2x4z", "api");
	assert_string_equal(f.x.source, "Deployment shop/web");
	ask(&f, "10.244.7.7", "api");
	assert_string_equal(f.x.source, "Deployment shop/web (10.244.7.7)");
	ask(&f, "fd00:10:244::7", "api");
	assert_string_equal(f.x.source, "Deployment shop/web (fd00:10:244::7)");
	ask(&f, "web", "[fd00:10:244::7]:80");
	assert_string_equal(f.x.target, "Deployment shop/web (fd00:10:244::7)");
	fini(&f);
}

/* ---- formats, observations ---- */

static void json_tells_hops_rules_and_positions(void **state)
{
	struct fixture f;
	struct val *v = NULL;
	const struct val *hops;
	bool found = false;

	(void)state;
	make(&f, NULL, NULL, NULL, NULL);
	ask(&f, "stranger", "api");
	strbuf_reset(&f.text);
	explain_json(&f.text, &f.x, &(struct explain_style){ 0 });
	assert_int_equal(json_parse(&f.arena, strbuf_slice(&f.text), JSON_STRICT, &v, NULL), 0);
	assert_false(val_bool(val_get(v, "reaches"), true));
	assert_string_equal(val_cstr(val_get(val_at(val_get(v, "paths"), 0), "breaksAt")),
	                    "ingress policy");
	hops = val_get(val_at(val_get(v, "paths"), 0), "hops");
	val_for_each (hops, hop) {
		val_for_each (val_get(hop, "notes"), note) {
			found |= slice_is(val_get_str(note, "type"), "near") &&
			         val_int(val_get(note, "line"), 0) > 0 &&
			         slice_is(val_get_str(note, "object"), "NetworkPolicy shop/api");
		}
	}
	assert_true(found);
	strbuf_reset(&f.text);
	explain_markdown(&f.text, &f.x, &(struct explain_style){ 0 });
	assert_non_null(strstr(strbuf_str(&f.text), "| ingress policy | **broken** |"));
	strbuf_reset(&f.text);
	explain_yaml(&f.text, &f.x, &(struct explain_style){ 0 });
	assert_non_null(strstr(strbuf_str(&f.text), "breaksAt: ingress policy"));
	fini(&f);
}

static struct explain_step *step_of(struct fixture *f, enum explain_hop hop)
{
	for (size_t i = 0; i < f->x.paths.at[0]->steps.n; i++) {
		if (f->x.paths.at[0]->steps.at[i]->hop == hop) {
			return f->x.paths.at[0]->steps.at[i];
		}
	}
	fail_msg("no hop %s", explain_hop_text(hop));
	return NULL;
}

static void what_is_seen_agrees_or_not(void **state)
{
	struct explain_path *p;
	struct fixture f;

	(void)state;
	make(&f, NULL, NULL, NULL, NULL);
	ask(&f, "stranger", "api");
	p = f.x.paths.at[0];
	explain_observe(&f.x, &step_of(&f, EXPLAIN_ADMISSION)->seen, false, "lost");
	explain_observe(&f.x, &step_of(&f, EXPLAIN_PROCESS)->seen, true, "connected");
	explain_observe(&f.x, &p->seen, false, "lost");
	explain_conclude(&f.x);
	assert_false(f.x.disagrees);
	assert_ptr_equal(p->seen_broken, p->broken);
	explain_observe(&f.x, &step_of(&f, EXPLAIN_ADMISSION)->seen, true, "connected");
	explain_observe(&f.x, &p->seen, true, "connected");
	explain_conclude(&f.x);
	assert_true(f.x.disagrees);
	strbuf_reset(&f.text);
	explain_text(&f.text, &f.x, &(struct explain_style){ 0 });
	assert_non_null(strstr(strbuf_str(&f.text), "SEEN OTHERWISE"));
	fini(&f);
}

int main(void)
{
	enum { OTHERS = 5 };
	struct CMUnitTest tests[ARRAY_SIZE(cases) + OTHERS] = { 0 };
	size_t n = 0;

	for (; n < ARRAY_SIZE(cases); n++) {
		tests[n] = (struct CMUnitTest){ .name = cases[n].name,
			                        .test_func = the_first_broken_hop_is_found,
			                        .initial_state = (void *)&cases[n] };
	}
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(
		what_names_nothing_is_refused_with_the_nearest_name);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_pod_is_its_workload);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(
		a_live_pod_is_the_deployment_above_its_replica_set);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(json_tells_hops_rules_and_positions);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(what_is_seen_agrees_or_not);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
