/* Why: what manifests do not tell about a cluster, as one table; see profile.h. */
#include "analyse/profile.h"

#include <stddef.h>

#include "base/mem.h"
#include "base/strbuf.h"

#define NAMESPACES                                                                                 \
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n---\n"                        \
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-system}\n---\n"                    \
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-public}\n---\n"                    \
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-node-lease}\n---\n"                \
	"apiVersion: v1\nkind: Service\nmetadata: {name: kubernetes, namespace: default}\n"        \
	"spec:\n  ports:\n  - {name: https, port: 443, targetPort: 6443}\n---\n"
#define DNS                                                                                        \
	"apiVersion: v1\nkind: Service\nmetadata: {name: kube-dns, namespace: kube-system}\n"      \
	"spec:\n  selector: {k8s-app: kube-dns}\n  ports:\n"                                       \
	"  - {name: dns, port: 53, protocol: UDP}\n  - {name: dns-tcp, port: 53, protocol: TCP}\n" \
	"  - {name: metrics, port: 9153}\n---\n"                                                   \
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: coredns, namespace: "             \
	"kube-system}\n"                                                                           \
	"spec:\n  replicas: 2\n  template:\n    metadata:\n      labels: {k8s-app: kube-dns}\n"    \
	"    spec:\n      dnsPolicy: Default\n      containers:\n      - name: coredns\n        "  \
	"ports:\n"                                                                                 \
	"        - {name: dns, containerPort: 53, protocol: UDP}\n"                                \
	"        - {name: dns-tcp, containerPort: 53, protocol: TCP}\n"                            \
	"        - {name: metrics, containerPort: 9153}\n---\n"
#define INGRESS_NGINX                                                                              \
	"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ingress-nginx\n  labels:\n"           \
	"    app.kubernetes.io/name: ingress-nginx\n    app.kubernetes.io/instance: "              \
	"ingress-nginx\n---\n"                                                                     \
	"apiVersion: apps/v1\nkind: Deployment\n"                                                  \
	"metadata: {name: ingress-nginx-controller, namespace: ingress-nginx}\n"                   \
	"spec:\n  template:\n    metadata:\n      labels:\n"                                       \
	"        app.kubernetes.io/name: ingress-nginx\n"                                          \
	"        app.kubernetes.io/instance: ingress-nginx\n"                                      \
	"        app.kubernetes.io/part-of: ingress-nginx\n"                                       \
	"        app.kubernetes.io/component: controller\n"                                        \
	"    spec:\n      containers:\n      - name: controller\n        ports:\n"                 \
	"        - {name: http, containerPort: 80}\n        - {name: https, containerPort: "       \
	"443}\n---\n"                                                                              \
	"apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: nginx}\n"          \
	"spec: {controller: k8s.io/ingress-nginx}\n---\n"
#define TRAEFIK                                                                                    \
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: traefik, namespace: "             \
	"kube-system}\n"                                                                           \
	"spec:\n  template:\n    metadata:\n      labels:\n"                                       \
	"        app.kubernetes.io/name: traefik\n"                                                \
	"        app.kubernetes.io/instance: traefik-kube-system\n"                                \
	"    spec:\n      containers:\n      - name: traefik\n        ports:\n"                    \
	"        - {name: web, containerPort: 8000}\n        - {name: websecure, containerPort: "  \
	"8443}\n---\n"                                                                             \
	"apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: traefik}\n"        \
	"spec: {controller: traefik.io/ingress-controller}\n---\n"
#define ALB                                                                                        \
	"apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: alb}\n"            \
	"spec: {controller: ingress.k8s.aws/alb}\n---\n"

static const struct profile profiles[] = {
	{
		.name = "usual",
		.summary = "what every usual cluster has: cluster DNS, a policy engine, "
			   "ingress-nginx when an Ingress "
			   "asks for class nginx",
		.enforces_policies = true,
		.supports_end_port = true,
		.cluster_domain = "cluster.local",
		.pod_cidr = "10.244.0.0/16",
		.service_cidr = "10.96.0.0/12",
		.node_cidr = "192.168.255.0/24",
		.has_load_balancer = true,
		.has_metrics = true,
		.assumed = NAMESPACES DNS INGRESS_NGINX,
	},
	{
		.name = "eks",
		.summary = "Amazon EKS, VPC CNI with network policies in standard mode, AWS Load "
			   "Balancer Controller",
		.declared = true,
		.enforces_policies = true,
		.enforces_late = true,
		.enforces_before_dnat = true,
		.supports_end_port = true,
		.cluster_domain = "cluster.local",
		.conntrack_dns = true,
		.pod_cidr = "10.0.0.0/16",
		.service_cidr = "172.20.0.0/16",
		.node_cidr = "10.0.0.0/16",
		.nodes = 2,
		.has_load_balancer = true,
		.on_aws = true,
		.assumed = NAMESPACES DNS INGRESS_NGINX ALB,
	},
	{
		.name = "eks-strict",
		.summary = "Amazon EKS as eks, network policies in strict mode: closed until rules "
			   "are in place",
		.declared = true,
		.enforces_policies = true,
		.enforces_before_dnat = true,
		.supports_end_port = true,
		.cluster_domain = "cluster.local",
		.conntrack_dns = true,
		.pod_cidr = "10.0.0.0/16",
		.service_cidr = "172.20.0.0/16",
		.node_cidr = "10.0.0.0/16",
		.nodes = 2,
		.has_load_balancer = true,
		.on_aws = true,
		.assumed = NAMESPACES DNS INGRESS_NGINX ALB,
	},
	{
		.name = "calico",
		.summary = "a cluster with Calico, several nodes, its own load balancer missing",
		.declared = true,
		.enforces_policies = true,
		.supports_end_port = true,
		.cluster_domain = "cluster.local",
		.conntrack_dns = true,
		.pod_cidr = "192.168.0.0/16",
		.service_cidr = "10.96.0.0/12",
		.node_cidr = "172.31.255.0/24",
		.nodes = 3,
		.has_metrics = true,
		.assumed = NAMESPACES DNS INGRESS_NGINX,
	},
	{
		.name = "cilium",
		.summary = "a cluster with Cilium instead of kube-proxy, several nodes",
		.declared = true,
		.enforces_policies = true,
		.supports_end_port = true,
		.cluster_domain = "cluster.local",
		.pod_cidr = "10.0.0.0/8",
		.service_cidr = "172.20.0.0/16",
		.node_cidr = "192.168.255.0/24",
		.nodes = 3,
		.has_metrics = true,
		.assumed = NAMESPACES DNS INGRESS_NGINX,
	},
	{
		.name = "k3s",
		.summary = "k3s as it comes: one node, Traefik, policies by kube-router, "
			   "ServiceLB, metrics-server",
		.declared = true,
		.enforces_policies = true,
		.enforces_late = true,
		.supports_end_port = true,
		.cluster_domain = "cluster.local",
		.conntrack_dns = true,
		.pod_cidr = "10.42.0.0/16",
		.service_cidr = "10.43.0.0/16",
		.node_cidr = "192.168.255.0/24",
		.nodes = 1,
		.has_load_balancer = true,
		.has_metrics = true,
		.default_ingress_class = "traefik",
		.assumed = NAMESPACES DNS TRAEFIK,
	},
	{
		.name = "kind",
		.summary = "kind with one node: policies by kindnet, no load balancer, no metrics, "
			   "no ingress controller",
		.declared = true,
		.enforces_policies = true,
		.supports_end_port = true,
		.cluster_domain = "cluster.local",
		.conntrack_dns = true,
		.pod_cidr = "10.244.0.0/16",
		.service_cidr = "10.96.0.0/16",
		.node_cidr = "172.18.0.0/16",
		.nodes = 1,
		.assumed = NAMESPACES DNS,
	},
	{
		.name = "none",
		.summary = "a bare cluster: nobody enforces policies, no controllers but those in "
			   "the files",
		.declared = true,
		.cluster_domain = "cluster.local",
		.pod_cidr = "10.244.0.0/16",
		.service_cidr = "10.96.0.0/12",
		.node_cidr = "192.168.255.0/24",
		.nodes = 1,
		.assumed = NAMESPACES DNS,
	},
};

const struct profile *profile_at(unsigned i)
{
	return i < ARRAY_SIZE(profiles) ? &profiles[i] : NULL;
}

const struct profile *profile_default(void)
{
	return &profiles[0];
}

const struct profile *profile_find(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++) {
		if (slice_is(name, profiles[i].name)) {
			return &profiles[i];
		}
	}
	return NULL;
}

const struct profile *profile_by_name(const char *name, struct err *err)
{
	const struct profile *found = name ? profile_find(slice_of(name)) : profile_default();
	scoped_strbuf struct strbuf all = { 0 };

	if (found) {
		return found;
	}
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++) {
		strbuf_addf(&all, "%s%s", i ? ", " : "", profiles[i].name);
	}
	(void)err_raise(err, ERR_USAGE, "there is no profile %s; there are %s", name,
	                strbuf_str(&all));
	return NULL;
}
