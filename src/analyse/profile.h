/* What: facts about the cluster that manifests do not tell: what enforces policies, which controllers and
 * ranges there are. A profile names them; without one, only what holds on every usual cluster is assumed,
 * and classes whose certainty is 'context' stay silent. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ip.h"
#include "base/slice.h"

struct profile {
	const char *name;    /* "eks" */
	const char *summary; /* one line */
	bool declared;       /* somebody said so: context classes speak */
	/* policies */
	bool enforces_policies;
	bool enforces_late;        /* a pod runs before its rules do */
	bool enforces_before_dnat; /* wants the Service's port equal to the pod's (VPC CNI) */
	bool supports_end_port;
	/* names */
	const char *cluster_domain;
	const char *dns_cache; /* node-local cache's address; null: none */
	bool conntrack_dns;    /* DNS goes through iptables' DNAT: UDP race */
	/* addresses */
	const char *pod_cidr, *service_cidr, *node_cidr;
	bool ipv6;
	int64_t nodes; /* how many, at least; 0: not known */
	/* controllers */
	bool has_load_balancer; /* somebody answers Services of type LoadBalancer */
	bool has_metrics;       /* metrics.k8s.io is served */
	bool on_aws;
	const char *default_ingress_class; /* null: none */
	/* Objects that are there although the set does not bring them; YAML; may be null. */
	const char *assumed;
};

/* By name, or the default one for null. Failure: null and ERR_USAGE, with the names there are. */
const struct profile *profile_by_name(const char *name, struct err *err);
/* By name; null when there is none of that name. */
const struct profile *profile_find(struct slice name);
/* What is assumed when nobody says anything. */
const struct profile *profile_default(void);
/* In the order of the manual; null past the end. */
const struct profile *profile_at(unsigned i);
