/* Why: NP: NetworkPolicies. The table of the family. */
#include "analyse/check-np-priv.h"

static void np_enforced(struct check *c)
{
	const struct object *first = c->subject->first[OBJECT_NETWORKPOLICY];

	if (first && !c->subject->profile->enforces_policies) {
		(void)check_found(c, first, object_spec(first),
		                  "%zu NetworkPolic%s in the set, and nobody enforces them there "
		                  "(profile %s).",
		                  c->subject->n[OBJECT_NETWORKPOLICY],
		                  c->subject->n[OBJECT_NETWORKPOLICY] == 1 ? "y is" : "ies are",
		                  c->subject->profile->name);
	}
}

static void np_both(struct check *c)
{
	np_calls(c);
	np_one_side(c);
}

static const struct rule rules[] = {
	{
		.id = "NP001",
		.title = "Policy does not admit the ingress controller",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "The path answers 504 after the proxy gave up connecting, while other "
			   "paths work.",
		.cause = "The policy of the back end admits only another workload; the Ingress "
			 "sends the controller "
			 "straight to it.",
		.evidence = "A back end of an Ingress that is isolated for ingress, and the model "
			    "denies the flow from the "
			    "controller's pods to the pod's port.",
		.probe = "Request the path; connect to the pod from the controller's pod.",
		.fix = "Admit the controller's namespace and pods on the pod's port.",
		.sources = "kubernetes/kubernetes#112467; rancher/backup-restore-operator#257",
		.after = "SVC005 SVC006 NP002 NP003 NP004 NP006 NP019 NP021 NP022 NP023",
		.check = np_controller_not_admitted,
	},
	{
		.id = "NP002",
		.title = "namespaceSelector asks for a label that no namespace has",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Time-outs, 504 at an Ingress, although the policy looks right.",
		.cause = "The policy expects a label such as name: ingress-nginx; the namespace "
			 "has only "
			 "kubernetes.io/metadata.name and labels of its own.",
		.evidence = "The selector matches no namespace of the set or the profile.",
		.probe = "Compare the labels of the namespaces; connect.",
		.fix = "Use kubernetes.io/metadata.name, or label the namespace.",
		.sources = "akash-network/node#911, #1539; equinor/radix-operator#500",
		.check = np_selector_space,
	},
	{
		.id = "NP003",
		.title = "\"And\" and \"or\" mixed up in peers",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Too much is admitted, or too little.",
		.cause = "namespaceSelector and podSelector as two items of a list mean either, in "
			 "one item they mean "
			 "both.",
		.evidence = "Two items whose podSelector has no pods in the policy's namespace and "
			    "some in the other's, or "
			    "the reverse.",
		.probe = "Connect from a pod that fulfils only one of them.",
		.fix = "Join the items, or split them.",
		.sources = "kubernetes.io, Network Policies, behaviour of to and from selectors",
		.check = np_selector_dash,
	},
	{
		.id = "NP004",
		.title = "Rule names the port of the Service instead of the pod's",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Open on paper, dropped in fact: time-outs.",
		.cause = "A policy sees the packet after the Service was translated.",
		.evidence = "The port is that of a Service with another targetPort, and no pod of "
			    "the rule declares it.",
		.probe = "Connect through the Service with only this rule.",
		.fix = "Write the target port, or the port's name.",
		.sources = "kubernetes/website#8295; projectcalico/calico#8049; "
			   "rowanruseler/helm-charts#16",
		.check = np_port_of_service,
	},
	{
		.id = "NP005",
		.title = "Policy selects no pod",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "A protection, or an opening, has no effect.",
		.cause = "A typo, another namespace, or a label that pods do not have.",
		.evidence = "podSelector matches no template of the policy's namespace.",
		.probe = "No pod is isolated by it.",
		.fix = "Correct the selector.",
		.sources =
			"kubescape/regolibrary C-0299; zegl/kube-score networkpolicy-targets-pod",
		.check = np_selector_subject,
	},
	{
		.id = "NP006",
		.title = "Label of the policy is on the workload, not on its pods",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "The policy has no effect, though kubectl get deployments --show-labels "
			   "shows the label.",
		.cause = "Labels in a workload's own metadata do not reach its pods.",
		.evidence = "The selector matches a workload's metadata and no template.",
		.probe = "Show the labels of the pods.",
		.fix = "Put the label into the template.",
		.sources = "kubernetes.io, Labels and Selectors",
		.check = np_selector_outside,
	},
	{
		.id = "NP007",
		.title = "Only one side is open",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Time-outs, although a rule admits the flow.",
		.cause = "A connection needs the caller's egress and the target's ingress; one has "
			 "a rule, the other is "
			 "isolated without.",
		.evidence = "A flow that a value asks for, or that one policy's rule names, is "
			    "denied by the model.",
		.probe = "Connect with the policies of each side taken away in a copy.",
		.fix = "Add the missing side.",
		.sources = "kubernetes-sigs/network-policy-api, policy-assistant",
		.after = "SVC005 SVC006 NP002 NP004 NP006 NP019 NP021 NP023",
		.check = np_both,
	},
	{
		.id = "NP008",
		.title = "Egress isolation without a rule for what is outside",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Calls to the database, the cache, mail or an API time out.",
		.cause = "Egress is denied by default, with rules for DNS and the own namespace "
			 "alone; the database is "
			 "outside.",
		.evidence = "An outside host and port in values, and no rule with an ipBlock (or "
			    "for everybody) on that port.",
		.probe = "Connect to it from the pod.",
		.fix = "ipBlock of its subnets on the port.",
		.sources = "koti.dev",
		.after = "DB004 NP010 NP019",
		.check = np_outside,
	},
	{
		.id = "NP009",
		.title = "ipBlock for what is not seen under that address",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "The rule never matches, or matches too much.",
		.cause = "Pods are not addressed by range, cluster IPs are translated before, and "
			 "client addresses get "
			 "lost at nodes and balancers.",
		.evidence = "A range of cluster IPs or pods; or an ingress ipBlock behind a "
			    "Service with "
			    "externalTrafficPolicy Cluster.",
		.probe = "Log the source address that the pod sees.",
		.fix = "Selectors for pods; policy Local or the PROXY protocol for client "
		       "addresses.",
		.sources = "kubernetes.io, Network Policies, ipBlock",
		.check = np_address_unseen,
	},
	{
		.id = "NP010",
		.title = "except takes out what is needed",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "The internet works, the private database does not.",
		.cause = "0.0.0.0/0 except 10.0.0.0/8 leaves the private network out.",
		.evidence = "A called address within an except and in no other rule.",
		.probe = "Connect.",
		.fix = "A rule for that range and port.",
		.sources = "kubernetes.io, Network Policies",
		.check = np_except,
	},
	{
		.id = "NP011",
		.title = "Source of credentials blocked",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Cloud SDK calls hang, or say they find no credentials.",
		.cause = "Egress to the instance or pod identity endpoint, or to the token "
			 "service, is closed.",
		.evidence = "Pods with an IAM role or an SDK's variables, isolated for egress "
			    "without these addresses.",
		.probe = "Connect to the endpoint from the pod.",
		.fix = "Allow it for those pods alone.",
		.sources = "docs.aws.amazon.com, EKS Pod Identity",
		.after = "NP019",
		.check = np_credentials,
	},
	{
		.id = "NP012",
		.title = "API server blocked for a client in the cluster",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Operators and leader elections fail with i/o timeout to the first "
			   "address of the service range.",
		.cause = "Egress is isolated; the Service kubernetes is translated to node "
			 "addresses, which no selector "
			 "means.",
		.evidence = "A service account with rights and a token, isolated for egress "
			    "without an ipBlock on 443 or "
			    "6443.",
		.probe = "Connect to kubernetes.default:443 from the pod.",
		.fix = "Allow the API server's addresses on their real port.",
		.sources = "kubernetes.io, Network Policies",
		.after = "NP019",
		.check = np_api_server,
	},
	{
		.id = "NP013",
		.title = "Metrics scraper blocked",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_METRICS,
		.symptom = "The target is down; dashboards are empty.",
		.cause = "The pods are isolated for ingress without a rule from the monitoring "
			 "namespace.",
		.evidence = "A scrape annotation or a ServiceMonitor for pods, and no rule that "
			    "would admit a scraper on the "
			    "port.",
		.probe = "GET the metrics from the scraper's pod.",
		.fix = "Admit the monitoring namespace on that port.",
		.sources = "skyhook-io/radar#1737",
		.check = np_scraper,
	},
	{
		.id = "NP014",
		.title = "ACME HTTP-01 solver blocked",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_TLS,
		.symptom = "The certificate does not become ready, the challenge stays pending, "
			   "/.well-known/acme-challenge/ "
			   "answers 504.",
		.cause = "The solver pod lives in the certificate's namespace and listens on 8089; "
			 "a default deny holds "
			 "for it too.",
		.evidence = "An issuer with HTTP-01, a namespace that isolates such a pod, and no "
			    "rule from the ingress "
			    "controller to 8089.",
		.probe = "Start a pod with the solver's label and port and request the path "
			 "through the ingress.",
		.fix = "A policy for the solver's label that admits the ingress controller on "
		       "8089.",
		.sources = "cert-manager/cert-manager#2334, #3968; fluxcd/flux2#1863; "
			   "cert-manager/website#2151",
		.check = np_solver,
	},
	{
		.id = "NP015",
		.title = "Admission webhook blocked",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Applying fails: failed calling webhook, context deadline exceeded.",
		.cause = "A policy stands between the API server and the webhook's port; the API "
			 "server is no pod that a "
			 "selector could mean.",
		.evidence = "The Service of a webhook configuration, its pods isolated for "
			    "ingress, no rule without from or "
			    "with an ipBlock.",
		.probe = "Apply something with --dry-run=server.",
		.fix = "Open the webhook's port to the control plane.",
		.sources = "kubernetes/ingress-nginx#7132",
		.check = np_webhook,
	},
	{
		.id = "NP016",
		.title = "Peer on the node's network cannot be selected",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_POLICY,
		.symptom = "A rule by pod label never matches.",
		.cause = "Traffic of a hostNetwork pod has the node's address.",
		.evidence = "A peer selector that picks hostNetwork pods alone.",
		.probe = "Look at the source address at the target.",
		.fix = "ipBlock of the nodes, or no hostNetwork.",
		.sources = "kubernetes.io, NetworkPolicy and hostNetwork pods",
		.check = np_selector_node,
	},
	{
		.id = "NP017",
		.title = "Policies present, nobody enforces them",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_POLICY,
		.symptom = "All works in the test cluster and breaks in production, or the "
			   "isolation does not exist.",
		.cause = "The network plug-in ignores policies.",
		.evidence = "NetworkPolicies in the set and a profile without enforcement.",
		.probe = "Deny everything in a scratch namespace and connect.",
		.fix = "Switch it on (VPC CNI enableNetworkPolicy, Calico, Cilium).",
		.sources = "docker/roadmap#888; docker/for-win#12596; "
			   "rancher-sandbox/rancher-desktop#5247; "
			   "aws/containers-roadmap#1478",
		.check = np_enforced,
	},
	{
		.id = "NP018",
		.title = "Enforcement starts after the pod",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_POLICY,
		.symptom = "The first calls of a pod fail, or its first seconds are open.",
		.cause = "Rules are put in place after the pod starts; strict modes deny until "
			 "then.",
		.evidence = "A profile that is known to lag, and an init container that calls out "
			    "once.",
		.probe = "Connect in a tight loop from the start of the process.",
		.fix = "Try again at start, or wait in an init container until it works.",
		.sources = "k3s-io/k3s#13432, #947; cloudnativelabs/kube-router#873; "
			   "aws/aws-network-policy-agent#271",
		.check = np_late,
	},
	{
		.id = "NP019",
		.title = "policyTypes contradicts the rules",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Egress rules have no effect, or all egress is closed by surprise.",
		.cause = "policyTypes decides which sides are isolated; rules of a side that is "
			 "not listed are ignored, a "
			 "listed side without rules is closed.",
		.evidence = "The field and the rules of both sides.",
		.probe = "Evaluate and connect.",
		.fix = "State both types and the rules that go with them.",
		.sources = "kubernetes.io, NetworkPolicy reference; aws/amazon-vpc-cni-k8s#3068",
		.check = np_rule_types,
	},
	{
		.id = "NP020",
		.title = "Empty entry means more than intended",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Open to all.",
		.cause = "An empty rule, an empty list of peers, an empty namespaceSelector mean "
			 "everybody.",
		.evidence = "An empty rule beside others, from or to without entries, "
			    "namespaceSelector: {} beside narrower "
			    "entries.",
		.probe = "Connect from a foreign namespace.",
		.fix = "Write whom it is for.",
		.sources = "k8sgpt-ai/k8sgpt netpol analyzer; "
			   "ahmetb/kubernetes-network-policy-recipes",
		.check = np_rule_empty,
	},
	{
		.id = "NP021",
		.title = "Named port that the pods do not have",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "The rule never matches.",
		.cause = "The name is not one of a container port at the receiving end.",
		.evidence = "The name looked up at the templates the rule is about.",
		.probe = "Evaluate and connect.",
		.fix = "Name the port in the pods, or write its number.",
		.sources = "np-guard/netpol-analyzer#205",
		.check = np_port_name,
	},
	{
		.id = "NP022",
		.title = "endPort misused",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "The policy is refused, or the range ignored.",
		.cause = "endPort without port, below it, beside a name, or with a plug-in that "
			 "does not know it.",
		.evidence = "The fields and the profile.",
		.probe = "Apply; connect to the last port of the range.",
		.fix = "A number in port and a greater one in endPort.",
		.sources = "kubernetes.io, Targeting a range of ports",
		.check = np_port_range,
	},
	{
		.id = "NP023",
		.title = "Protocol left at TCP for a UDP flow",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Datagrams are dropped.",
		.cause = "A port without protocol is TCP.",
		.evidence = "The receiving pods declare the port with UDP alone.",
		.probe = "Exchange a datagram.",
		.fix = "Write protocol: UDP.",
		.sources = "kubernetes.io, NetworkPolicy reference",
		.check = np_port_protocol,
	},
	{
		.id = "NP024",
		.title = "Helper pods forgotten",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "A migration, a cron job or a backup does not reach the database.",
		.cause = "The rule admits the application's label, and the job has another.",
		.evidence = "A job whose values name the same as an admitted workload's, and no "
			    "rule admits it.",
		.probe = "Connect from a pod with the job's labels.",
		.fix = "A common label such as db-client: \"true\".",
		.sources = "k8sgpt-ai/k8sgpt#157",
		.check = np_helpers,
	},
	{
		.id = "NP025",
		.title = "An admin policy comes first",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "A rule of the namespace has no effect, or a call is dropped though no "
			   "NetworkPolicy forbids it.",
		.cause = "AdminNetworkPolicy (ClusterNetworkPolicy of tier Admin) is judged before "
			 "NetworkPolicy; the baseline is judged where no NetworkPolicy isolates "
			 "the pod.",
		.evidence = "A Deny rule decides a flow that a NetworkPolicy's rule admits, or "
			    "that values call for, when policies are asked tier by tier.",
		.probe = "Walk the policies of both tiers.",
		.fix = "A Pass rule, or an Allow of higher priority; over the baseline a "
		       "NetworkPolicy.",
		.sources = "kubernetes-sigs/network-policy-api",
		.check = np_admin_first,
	},
	{
		.id = "NP026",
		.title = "Port of the mesh blocked",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_MESH,
		.symptom = "All traffic of the mesh to the pod fails, or the proxy never gets its "
			   "configuration.",
		.cause = "Ambient mode tunnels on 15008; proxies call the control plane on 15012.",
		.evidence = "A namespace in a mesh and rules by port without that one.",
		.probe = "Connect with the mesh switched on.",
		.fix = "Admit 15008 among pods of the mesh, 15012 to its control plane.",
		.sources = "istio/istio#51034",
		.check = np_mesh,
	},
	{
		.id = "NP027",
		.title = "Plug-in judges before the Service is translated",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_POLICY,
		.symptom = "The rule is right by the standard and still drops on EKS.",
		.cause = "The VPC CNI's agent wants the Service's port equal to the container's.",
		.evidence =
			"A profile with it, pods with rules by port, and a port unlike its target.",
		.probe = "Compare a connection to the cluster IP with one to the pod.",
		.fix = "Make the ports equal, or open both.",
		.sources = "aws/aws-network-policy-agent#166, #493",
		.check = np_before_translation,
	},
	{
		.id = "NP028",
		.title = "Load balancer and its health checks blocked",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Targets are unhealthy after a default deny.",
		.cause = "Their source is an address of a node or a balancer, which no selector "
			 "means.",
		.evidence = "A Service of type LoadBalancer or NodePort whose pods are isolated "
			    "for ingress without ipBlock "
			    "or open rule.",
		.probe = "Probe the port from another node.",
		.fix = "ipBlock of nodes and balancer.",
		.sources = "kubernetes.io, Network Policies",
		.check = np_balancer,
	},
	{
		.id = "NP029",
		.title = "Rule that does nothing",
		.severity = SEVERITY_INFO,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "Nothing today; a surprise with the next change.",
		.cause = "Policies only add: a rule is covered by another, or is for pods that do "
			 "not exist.",
		.evidence = "Rules compared within a policy, and peers that pick nobody in their "
			    "namespace.",
		.probe = "Compare the matrix without the rule.",
		.fix = "Take it out, or correct its labels.",
		.sources = "np-guard/netpol-analyzer, exposure analysis",
		.check = np_rule_idle,
	},
	{
		.id = "NP030",
		.title = "Workload without a policy where others are isolated",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POLICY,
		.symptom = "An unintended way to a protected part.",
		.cause = "The labels of a new workload are selected by no policy.",
		.evidence =
			"A workload not isolated for ingress in a namespace that isolates others.",
		.probe = "The matrix.",
		.fix = "A default deny for the namespace.",
		.sources = "stackrox/kube-linter non-isolated-pod; deggja/netfetch",
		.after = "NP005 NP006",
		.check = np_without_policy,
	},
	{ 0 },
};

const struct family family_np = { "NP", "Network policies", rules };
