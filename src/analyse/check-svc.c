/* Why: SVC: a Service and the pods that should be behind it. The table of the family. */
#include "analyse/check-svc-priv.h"

static const struct rule rules[] = {
	{
		.id = "SVC001",
		.title = "Service selector matches no pod",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "Connections to the Service are refused at once; behind an Ingress the "
			   "answer is 503.",
		.cause = "The selector asks for labels that no pod template of the namespace has: "
			 "a typo, a renamed label, "
			 "another release name.",
		.evidence = "A selector that is not empty, and no template in the Service's "
			    "namespace with all its pairs; the "
			    "nearest one is shown.",
		.probe = "The Service's EndpointSlices are empty; a connection to its cluster IP "
			 "is refused without delay.",
		.fix = "Make the selector and the labels of the pod template equal.",
		.sources = "kubescape/regolibrary C-0293; k8sgpt-ai/k8sgpt service analyzer; "
			   "kubernetes.io, Debug Services",
		.after = "SVC004",
		.check = svc_selector_nobody,
	},
	{
		.id = "SVC002",
		.title = "Selector matches pods in another namespace only",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "Connections to the Service are refused, although pods with its labels "
			   "run.",
		.cause = "Service and workload are in different namespaces, and a selector never "
			 "looks into another one.",
		.evidence =
			"The selector fits a template of another namespace and none of its own.",
		.probe = "EndpointSlices are empty in the Service's namespace; the pods are Ready "
			 "in the other.",
		.fix = "Move the Service or the workload, or call the Service of the other "
		       "namespace by NAME.NAMESPACE.",
		.sources = "kubernetes.io, Debug Services",
		.check = svc_selector_elsewhere,
	},
	{
		.id = "SVC003",
		.title = "Selector too broad: pods of several programs behind one Service",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_SERVICE,
		.symptom = "A share of the requests fails or is answered by the wrong program.",
		.cause = "The selector names only a label that web, worker and job pods have in "
			 "common.",
		.evidence = "Pods of a job, or of another image without the target port, match as "
			    "well.",
		.probe = "Repeat one request and note which pod answers; list the endpoints by "
			 "owner.",
		.fix = "Give each program a component label and select by it.",
		.sources = "kubernetes.io, Debug Services; "
			   "learnk8s/kubernetes-production-best-practices",
		.check = svc_selector_strangers,
	},
	{
		.id = "SVC004",
		.title = "Workload selector does not match its own template",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_POD,
		.symptom = "The API server refuses the object, so nothing of it runs.",
		.cause = "spec.selector and the labels of spec.template differ.",
		.evidence = "The selector, evaluated over the template's labels.",
		.probe = "Applying it answers that the selector does not match template labels.",
		.fix = "Make both equal; an existing object's selector cannot be changed.",
		.sources = "stackrox/kube-linter mismatching-selector; zegl/kube-score",
		.check = svc_selector_own,
	},
	{
		.id = "SVC005",
		.title = "Numeric targetPort on which nothing listens",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_SERVICE,
		.symptom = "The pod refuses the connection; behind an Ingress the answer is 502.",
		.cause = "The number was guessed, or the image changed its port. A declared "
			 "container port is only information, so "
			 "this is strong evidence and no proof.",
		.evidence = "The number is in no ports of the selected containers, although they "
			    "declare some.",
		.probe = "Connect to the pod's address on that port, and compare with the sockets "
			 "that listen in the pod.",
		.fix = "Set targetPort to the real port, best by its name.",
		.sources = "kubernetes/kubernetes#73049",
		.check = svc_port_number,
	},
	{
		.id = "SVC006",
		.title = "Named targetPort that a selected pod does not define",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "The pods are Ready and still no endpoints for the port; without "
			   "others, 503.",
		.cause = "The Service calls the port one thing, the container another.",
		.evidence = "No container of a selected template has a port of that name.",
		.probe = "The EndpointSlice has no address for the port.",
		.fix = "Use the container's name for the port, or its number.",
		.sources = "derailed/popeye 1106",
		.check = svc_port_name,
	},
	{
		.id = "SVC007",
		.title = "Caller uses a port that the Service does not have",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_CONFIG,
		.symptom = "Refused or timed out at the Service, although the pod is healthy.",
		.cause = "Clients use the container's port instead of the Service's, or the "
			 "reverse.",
		.evidence = "An address in a value means a Service without such a port.",
		.probe = "Connect to the Service and to the pod on that port; only the second "
			 "answers.",
		.fix = "Correct the address, or add the port.",
		.sources = "kubernetes.io, Debug Services",
		.check = svc_caller_port,
	},
	{
		.id = "SVC008",
		.title = "Protocol differs between Service and program",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_SERVICE,
		.symptom = "Datagrams (names, metrics, logs, QUIC) vanish, or connections are "
			   "refused.",
		.cause = "A port without protocol is TCP.",
		.evidence = "The container declares the target port with another protocol, or the "
			    "number is used with UDP by custom.",
		.probe = "Exchange datagrams through the Service and with the pod directly.",
		.fix = "Write the protocol at the Service's port, the container's and in policies.",
		.sources = "kubernetes.io, Service reference",
		.check = svc_port_protocol,
	},
	{
		.id = "SVC009",
		.title = "Headless Service with another target port",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "Refused on the Service's port, answered on the pod's.",
		.cause = "A headless Service gives pod addresses; nothing translates port to "
			 "targetPort.",
		.evidence =
			"A caller uses the port of a headless Service that its pods do not have.",
		.probe = "Look the name up and connect to both ports.",
		.fix = "Make port and targetPort equal, or give the Service a cluster IP.",
		.sources = "kubernetes.io, Headless Services",
		.check = svc_caller_headless,
	},
	{
		.id = "SVC010",
		.title = "Governing Service of a StatefulSet missing or not headless",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_NAME,
		.symptom = "Names such as NAME-0.SERVICE do not exist; members of a cluster never "
			   "meet.",
		.cause = "spec.serviceName names no Service, one with a cluster IP, or one that "
			 "selects other pods.",
		.evidence = "The reference, clusterIP and the selector.",
		.probe = "Look a pod's own name up.",
		.fix = "Create a headless Service with the labels of the template.",
		.sources = "zegl/kube-score statefulset-has-servicename",
		.check = svc_peers_governing,
	},
	{
		.id = "SVC011",
		.title = "Peers cannot find each other before they are ready",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_NAME,
		.symptom = "A clustered store never becomes ready: each pod waits for the others' "
			   "names.",
		.cause = "DNS has names of ready pods alone.",
		.evidence = "A StatefulSet with a readiness probe whose values name its own pods, "
			    "and a headless Service "
			    "without publishNotReadyAddresses.",
		.probe = "Look a peer's name up while it is not ready.",
		.fix = "publishNotReadyAddresses: true on the Service for peers.",
		.sources = "kubernetes.io, Service reference",
		.check = svc_peers_unready,
	},
	{
		.id = "SVC012",
		.title = "Session affinity that does not do what is wanted",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "Clients are not kept on one pod, or all of them land on the same.",
		.cause = "Affinity by client address happens at the cluster IP: an ingress "
			 "controller goes to the pods directly, "
			 "and a proxy in front makes all clients one.",
		.evidence = "sessionAffinity: ClientIP on a Service that an Ingress without "
			    "service-upstream names.",
		.probe = "Count the answers by pod over many requests of one client.",
		.fix = "Keep clients by cookie at the Ingress, or not at all.",
		.sources = "kubernetes/ingress-nginx annotations, Service Upstream",
		.check = svc_traffic_affinity,
	},
	{
		.id = "SVC013",
		.title = "externalTrafficPolicy Local without a pod on every node",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_BALANCER,
		.symptom = "Some of the load balancer's targets are unhealthy; some nodes do not "
			   "answer.",
		.cause = "With this policy a node answers only when one of its own pods is ready.",
		.evidence =
			"Fewer replicas than the profile has nodes, or nothing that spreads them.",
		.probe =
			"Ask the health check port of every node; connect from inside and outside.",
		.fix = "Spread the pods, run them as a DaemonSet, or use policy Cluster.",
		.sources = "kubernetes/ingress-nginx#2582",
		.check = svc_traffic_external,
	},
	{
		.id = "SVC014",
		.title = "internalTrafficPolicy Local drops callers on other nodes",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_SERVICE,
		.symptom = "The Service answers from some nodes only.",
		.cause = "There is no ready endpoint on the caller's node.",
		.evidence = "The policy on a Service whose pods are no DaemonSet's, with several "
			    "nodes.",
		.probe = "Connect from a pod on each node.",
		.fix = "Use policy Cluster, or run a DaemonSet.",
		.sources = "kubernetes.io, Service reference",
		.check = svc_traffic_internal,
	},
	{
		.id = "SVC015",
		.title = "Service without selector and without endpoints",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "Connections are refused.",
		.cause = "The selector was forgotten, or the EndpointSlice by hand is missing or "
			 "lacks its label.",
		.evidence = "No selector, not an external name, and neither Endpoints nor "
			    "EndpointSlice for it.",
		.probe = "EndpointSlices are empty.",
		.fix = "Add a selector, or an EndpointSlice with the label "
		       "kubernetes.io/service-name.",
		.sources = "k8sgpt-ai/k8sgpt service analyzer",
		.check = svc_endpoints_none,
	},
	{
		.id = "SVC016",
		.title = "Endpoint address that no packet reaches",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "Connections time out, or the API server refuses the object.",
		.cause = "A loopback, link-local or cluster address, or a host name, was given as "
			 "endpoint.",
		.evidence = "The class of each address in Endpoints and EndpointSlices.",
		.probe = "Connect to the address directly.",
		.fix = "Give the real address, or use an ExternalName for a name.",
		.sources = "kubernetes.io, EndpointSlice reference",
		.check = svc_endpoints_unroutable,
	},
	{
		.id = "SVC017",
		.title = "ExternalName used for HTTP or TLS",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_NAME,
		.symptom = "404 or 421, a certificate for another name, redirects elsewhere.",
		.cause = "An ExternalName is an alias in DNS: the client still asks for the name "
			 "of the Service.",
		.evidence = "A caller of an ExternalName uses http, https or TLS.",
		.probe = "Request with either name as host.",
		.fix = "Call the real name, or a proxy that sets host and server name.",
		.sources = "kubernetes.io, ExternalName; skyhook-io/radar#1037",
		.check = svc_caller_host,
	},
	{
		.id = "SVC018",
		.title = "ExternalName expected to translate ports, or given an address",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_NAME,
		.symptom = "The wrong port is called, or the name is not found.",
		.cause = "Such a Service is an alias in DNS and nothing else: its ports mean "
			 "nothing, and an address is taken for a "
			 "name.",
		.evidence = "A port with another targetPort, or an externalName that looks like an "
			    "address.",
		.probe = "Look the name up and connect.",
		.fix = "Use a Service without selector and an EndpointSlice.",
		.sources = "kubernetes.io, Service reference",
		.check = svc_caller_alias,
	},
	{
		.id = "SVC019",
		.title = "Node or host port conflict",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_NODE,
		.symptom = "The Service is refused, or pods stay Pending.",
		.cause = "A node port outside the range or taken, or two pods that want one host "
			 "port.",
		.evidence = "Node ports and host ports compared over all objects.",
		.probe = "The error of the apply, or the scheduler's event.",
		.fix = "Let the port be chosen.",
		.sources = "FairwindsOps/polaris hostPortSet",
		.check = svc_port_taken,
	},
	{
		.id = "SVC020",
		.title = "A Service's variables take the place of the program's own",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_LIKELY,
		.hop = HOP_CONFIG,
		.symptom = "The program does not understand its own port: it reads "
			   "tcp://10.96.1.2:6379.",
		.cause = "For every Service of the namespace Kubernetes sets NAME_PORT and others "
			 "in all pods.",
		.evidence = "A command that reads NAME_PORT of a Service without its being set; "
			    "enableServiceLinks is not false.",
		.probe = "Print the container's environment.",
		.fix = "enableServiceLinks: false, or set the variable.",
		.sources = "kubernetes.io, Accessing the Service",
		.check = svc_caller_variables,
	},
	{
		.id = "SVC021",
		.title = "Address families that do not fit",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_EXACT,
		.hop = HOP_SERVICE,
		.symptom = "The Service is refused, or gives an address on which nothing listens.",
		.cause = "ipFamilies or ipFamilyPolicy ask for what the cluster or the program "
			 "does not have.",
		.evidence = "The fields against each other and against the profile.",
		.probe = "Connect over each family.",
		.fix = "PreferDualStack, and let the program listen on ::.",
		.sources = "kubernetes.io, IPv4/IPv6 dual-stack",
		.check = svc_traffic_families,
	},
	{ 0 },
};

const struct family family_svc = { "SVC", "Services and endpoints", rules };
