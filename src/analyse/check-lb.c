/* Why: LB: load balancers of the cloud and the network around them. Each class is one function (those about balancers
 * in check-lb-front.c and check-lb-idle.c, those about cloud objects in check-lb-cloud.c and check-lb-range.c) and one
 * entry in the table at the end. */
#include "analyse/check-lb.h"

#include "analyse/family.h"
#include "base/mem.h"

/* ---- LB001: nobody answers ---- */

/* Does the set bring a provider: one of its usual images, or an object only a provider has? */
static bool brings_provider(const struct subject *s)
{
	static const char *const images[] = { "metallb",
		                              "kube-vip",
		                              "purelb",
		                              "loxilb",
		                              "cloud-controller-manager",
		                              "cloud-provider-kind" };

	for (size_t i = 0; i < s->workloads.n; i++) {
		container_each(s->workloads.at[i]->spec, k)
		{
			for (size_t j = 0; j < ARRAY_SIZE(images); j++) {
				if (strstr(val_cstr(val_get(k, "image")), images[j])) {
					return true;
				}
			}
		}
	}
	for (size_t i = 0; i < s->left_out.n; i++) {
		if (slice_is(s->left_out.at[i].kind, "IPAddressPool") ||
		    slice_is(s->left_out.at[i].kind, "CiliumLoadBalancerIPPool")) {
			return true;
		}
	}
	return false;
}

static void nobody_answers(struct check *c, const struct svc *x)
{
	const struct profile *p = c->subject->profile;
	const struct val *class = val_get(object_spec(x->object), "loadBalancerClass");
	struct slice name = val_str(class);

	if (class && !p->on_aws &&
	    (slice_is(name, "service.k8s.aws/nlb") || slice_is(name, "eks.amazonaws.com/nlb"))) {
		check_found(c, x->object, class,
		            "Service " SLICE_FMT " wants a load balancer of class " SLICE_FMT
		            ", which nobody on a cluster as '%s' makes.",
		            SLICE_ARG(x->name), SLICE_ARG(name), p->name);
	} else if (!class && !p->has_load_balancer && !brings_provider(c->subject)) {
		check_found(
			c, x->object, val_get(object_spec(x->object), "type"),
			"Service " SLICE_FMT
			" is of type LoadBalancer, and a cluster as '%s' has nobody who makes one.",
			SLICE_ARG(x->name), p->name);
	}
}

/* One node that takes the Service's ports itself: each port once. */
static void port_is_taken(struct check *c, const struct svc *x, size_t before)
{
	const struct profile *p = c->subject->profile;

	if (p->on_aws || p->nodes != 1 || !p->has_load_balancer || brings_provider(c->subject)) {
		return;
	}
	for (size_t i = 0; i < before; i++) {
		const struct svc *y = c->subject->services.at[i];

		for (size_t j = 0; j < x->n_ports && slice_is(y->type, "LoadBalancer"); j++) {
			if (svc_port_numbered(y, x->ports[j].port, x->ports[j].proto)) {
				struct finding *f =
					check_found(c, x->object, val_get(x->ports[j].v, "port"),
				                    "Service " SLICE_FMT
				                    " stays pending: the only node's port %u is "
				                    "taken by Service " SLICE_FMT "/" SLICE_FMT ".",
				                    SLICE_ARG(x->name), x->ports[j].port,
				                    SLICE_ARG(y->ns), SLICE_ARG(y->name));

				finding_shows(c, f, y->object, NULL,
				              "it is of type LoadBalancer too.");
				return;
			}
		}
	}
}

static void lb001(struct check *c)
{
	service_each(c, x)
	{
		if (slice_is(x->type, "LoadBalancer")) {
			nobody_answers(c, x);
			port_is_taken(c, x, x_i);
		}
	}
}

static const struct rule rules[] = {
	{
		.id = "LB001",
		.title = "LoadBalancer Service that stays pending",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_BALANCER,
		.symptom = "EXTERNAL-IP says pending for ever; nobody outside reaches the Service.",
		.cause = "No controller makes balancers of this type or class there, or the only "
			 "node's port is taken.",
		.evidence = "Type and class against what the profile has; ports used twice where "
			    "one node serves them all.",
		.probe = "Read status.loadBalancer.",
		.fix = "Install a provider, or put the Service behind the ingress.",
		.sources = "paulbouwer/hello-kubernetes#14; docker/roadmap#272; "
			   "kubernetes/website#31988",
		.check = lb001,
	},
	{
		.id = "LB002",
		.title = "No subnet is fit for the load balancer",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_BALANCER,
		.symptom = "The controller's event says that it could not discover subnets; no "
			   "balancer is made.",
		.cause = "Subnets are neither tagged for the scheme nor reachable as it needs, or "
			 "lie in one zone only.",
		.evidence = "Tags, routes and zones of the subnets in the set, for each balancer "
			    "asked for.",
		.probe = "Read the controller's events.",
		.fix = "Tag the subnets kubernetes.io/role/elb or internal-elb, or name them in an "
		       "annotation.",
		.sources = "kubernetes-sigs/aws-load-balancer-controller, subnet discovery",
		.check = lb002,
	},
	{
		.id = "LB003",
		.title = "Balancer internal where the host is public",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_BALANCER,
		.symptom = "The name resolves to private addresses; people outside wait until they "
			   "give up.",
		.cause = "AWS Load Balancer Controller makes internal balancers unless it is told "
			 "otherwise.",
		.evidence = "A public host, and no scheme; or an internal scheme in front of which "
			    "stands a distribution.",
		.probe = "Resolve the name and look whether the address is private.",
		.fix = "Annotate the scheme internet-facing.",
		.sources = "kubernetes-sigs/aws-load-balancer-controller, annotations",
		.check = lb003,
	},
	{
		.id = "LB004",
		.title = "Target type needs a node port",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_BALANCER,
		.symptom = "The Ingress gets no address, or the target group is empty.",
		.cause = "Nodes are registered as targets (the default), and the Service has no "
			 "port on nodes.",
		.evidence = "Target type instance, said or by default, with a Service of type "
			    "ClusterIP.",
		.probe = "Read the controller's events.",
		.fix = "Target type ip, or a Service of type NodePort.",
		.sources = "kubernetes-sigs/aws-load-balancer-controller, configuration",
		.check = lb004,
	},
	{
		.id = "LB005",
		.title = "Security group between load balancer and targets is closed",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_BALANCER,
		.symptom = "Targets are unhealthy, requests end in 504.",
		.cause = "The targets' group admits the balancer's group on other ports than those "
			 "it sends to.",
		.evidence = "Rules that name the balancer's group, against the target port or the "
			    "node ports.",
		.probe = "Read the target health; connect from the balancer's subnet.",
		.fix = "Admit the balancer's group on the target port.",
		.sources = "AWS Reachability Analyzer explanation codes",
		.check = lb005,
	},
	{
		.id = "LB006",
		.title = "Security group keeps pods from database or cache",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_DATABASE,
		.symptom = "Connections to the database's or the cache's port time out, everything "
			   "else works.",
		.cause = "No rule of its groups admits the port, or only from ranges in which no "
			 "worker is.",
		.evidence = "Ingress rules of the groups in the set against the port and the "
			    "workers' subnets.",
		.probe = "Connect from a pod.",
		.fix = "Admit the port from the workers' group or subnets.",
		.sources = "aws/amazon-vpc-cni-k8s#352",
		.after = "LB019",
		.check = lb006,
	},
	{
		.id = "LB007",
		.title = "Database in another network, without a route",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_DATABASE,
		.symptom =
			"The name resolves, connections time out; or the instance is never made.",
		.cause = "Its subnets belong to another VPC than the cluster's and no peering is "
			 "routed, or to two, or its groups "
			 "do.",
		.evidence =
			"VPCs of subnet group, security groups and cluster; routes between them.",
		.probe = "Walk the routes.",
		.fix = "The same VPC, or a peering with routes in both directions.",
		.sources = "aws/amazon-vpc-cni-k8s#352",
		.check = lb007,
	},
	{
		.id = "LB008",
		.title = "Ranges that overlap",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_BALANCER,
		.symptom = "Some addresses outside lead nowhere, or to a Service of the cluster.",
		.cause = "The range of cluster IPs or pods lies in a VPC that must be reached, or "
			 "two networks use the same "
			 "addresses.",
		.evidence = "Ranges of VPCs, subnets, Services, pods and peers, and cluster IPs "
			    "that are written down, compared.",
		.probe = "Look the route to the address up.",
		.fix = "Ranges that do not meet.",
		.sources = "aws/containers-roadmap#216; Amazon EKS user guide, creating a cluster; "
			   "coreos/tectonic-installer#897",
		.check = lb008,
	},
	{
		.id = "LB009",
		.title = "Network ACL lets no answers through",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_BALANCER,
		.symptom = "Connections time out although the port is open.",
		.cause = "ACLs keep no state: answers go to a high port and need a rule of their "
			 "own.",
		.evidence = "An ACL that admits a port in one direction and not ports 32768-60999 "
			    "in the other.",
		.probe = "Walk the path.",
		.fix = "Open 1024-65535 for answers.",
		.sources = "AWS Reachability Analyzer explanation codes",
		.check = lb009,
	},
	{
		.id = "LB010",
		.title = "Health check does not fit the program",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_BALANCER,
		.symptom = "All targets are unhealthy, the balancer answers 503.",
		.cause = "It asks for '/' and wants 200, or on a port nobody has, where the "
			 "program answers elsewhere.",
		.evidence = "Health check path and port against the Ingress's paths, readiness "
			    "probes and ports.",
		.probe = "Ask as the checker does.",
		.fix = "Set path, port and codes of the check.",
		.sources = "kubernetes-sigs/aws-load-balancer-controller, annotations",
		.check = lb010,
	},
	{
		.id = "LB011",
		.title = "Program closes idle connections before its balancer does",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_BALANCER,
		.symptom = "Now and then a 502 without a trace in the program's log.",
		.cause = "A request is sent on a connection that the program is just closing.",
		.evidence = "Idle time of the server, written or its default, against that of what "
			    "stands in front.",
		.probe = "Leave a connection idle for the program's time, use it again, count "
			 "resets.",
		.fix = "Let the program wait longer than what is in front.",
		.sources = "shuheikagawa.com 2019; flightcontrol.dev troubleshooting; "
			   "hivebook.wiki, ALB idle timeouts",
		.check = lb011,
	},
	{
		.id = "LB012",
		.title = "Pods end before the balancer stops sending",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_BALANCER,
		.symptom = "502 and 504 at each rollout and each time pods become fewer.",
		.cause = "Taking a target out takes seconds, the program ends at SIGTERM.",
		.evidence = "Pods that are targets by address, without preStop.",
		.probe = "Steady requests during a rollout.",
		.fix = "A preStop sleep of some 15 s, a grace period above it, and readiness "
		       "gates.",
		.sources = "kubernetes-sigs/aws-load-balancer-controller#1719, #1064, #814, #2366",
		.check = lb012,
	},
	{
		.id = "LB013",
		.title = "Back to itself through a balancer that keeps client addresses",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_BALANCER,
		.symptom = "A pod that calls its own public name waits in vain, now and then.",
		.cause = "When the balancer chooses the node the call came from, source and "
			 "destination are the same.",
		.evidence = "A pod that calls a public host whose balancer keeps client addresses.",
		.probe = "Call repeatedly from a node that is a target.",
		.fix = "Call the Service inside, or switch preserve_client_ip off.",
		.sources = "kubernetes/ingress-nginx#6758; kubernetes/cloud-provider-aws#1160",
		.check = lb013,
	},
	{
		.id = "LB014",
		.title = "Zone without targets",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_BALANCER,
		.symptom = "A share of the connections fails, by the address that was resolved.",
		.cause = "The balancer has an address in each zone and sends within the zone only.",
		.evidence = "No cross-zone balancing, pods as targets, and nothing that spreads "
			    "them over zones.",
		.probe = "Connect to the address of each zone.",
		.fix = "Spread the pods, or switch cross-zone balancing on.",
		.sources = "AWS Reachability Analyzer explanation codes",
		.check = lb014,
	},
	{
		.id = "LB015",
		.title = "Private subnet without a way out",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_BALANCER,
		.symptom =
			"Images cannot be pulled; certificates, tokens and foreign APIs time out.",
		.cause = "The subnet's table has no default route, or one to a NAT gateway that "
			 "itself stands in a private subnet.",
		.evidence = "Route tables of the workers' subnets; endpoints of the VPC.",
		.probe = "Connect out from a node.",
		.fix = "A route to a NAT gateway in a public subnet, or endpoints for what is "
		       "needed.",
		.sources = "Amazon EKS user guide, private clusters",
		.check = lb015,
	},
	{
		.id = "LB016",
		.title = "Subnets too small for the pods",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_SCALING,
		.symptom = "Pods hang in ContainerCreating: no address could be assigned.",
		.cause = "Each pod takes an address of the subnet, and there are fewer than pods "
			 "at full scale.",
		.evidence = "Sizes of the workers' subnets against the most pods the workloads may "
			    "have.",
		.probe = "Read the plug-in's events.",
		.fix = "Bigger or further subnets, or lower maxima.",
		.sources = "QT-DevOps/DevOpsIssues#521; aws/amazon-vpc-cni-k8s#131",
		.check = lb016,
	},
	{
		.id = "LB017",
		.title = "Security group of pods incomplete",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_BALANCER,
		.symptom = "Only these pods resolve no names, or are never ready.",
		.cause = "A group of their own replaces the node's: DNS out and probes in must be "
			 "in it.",
		.evidence =
			"SecurityGroupPolicy, the pods it selects, and the rules of its groups.",
		.probe = "Resolve a name in the pod; see whether the probe answers.",
		.fix = "Admit 53 to the DNS pods, and the probe's port from the nodes.",
		.sources = "Amazon EKS user guide, security groups for pods",
		.check = lb017,
	},
	{
		.id = "LB018",
		.title = "Idle connections are forgotten on the way",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_BALANCER,
		.symptom = "The first request after a quiet time hangs or is reset.",
		.cause = "Network balancers and NAT gateways drop connections that were quiet for "
			 "350 s.",
		.evidence = "Timeouts that let connections be quiet for longer, behind a network "
			    "balancer.",
		.probe = "Leave a connection idle for six minutes, then use it.",
		.fix = "Keep connections alive more often, or close them earlier.",
		.sources = "hivebook.wiki, ALB and NLB idle timeouts",
		.check = lb018,
	},
	{
		.id = "LB019",
		.title = "Cloud object refers to one that is not there",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_DATABASE,
		.symptom = "The object never becomes ready; endpoints are never written, pods wait "
			   "for their keys.",
		.cause = "A reference names a group, subnet, table or other object that does not "
			 "exist, or the FieldExport's source "
			 "or target does not.",
		.evidence = "Every reference resolved within the set.",
		.probe = "Read the conditions (ACK.ReferencesResolved).",
		.fix = "Correct the name, or add the object.",
		.sources = "aws-controllers-k8s/runtime, references",
		.check = lb019,
	},
	{
		.id = "LB020",
		.title = "Database open to the internet",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_DATABASE,
		.symptom = "None; anybody may try passwords.",
		.cause = "It has a public address and a group that admits everybody.",
		.evidence = "publiclyAccessible, and a rule from 0.0.0.0/0 or ::/0 on its port.",
		.probe = "Connect from outside.",
		.fix = "publiclyAccessible: false, and a rule for the workers only.",
		.sources = "kubescape C-0256",
		.check = lb020,
	},
	{ 0 },
};

const struct family family_lb = { "LB", "Load balancer and cloud network", rules };
