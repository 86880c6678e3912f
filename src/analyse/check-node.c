/* Why: NODE: the network of the host under the cluster. Most of it only the running system tells ('probe'); what is left
 * are sizes and ranges somebody wrote down. Each class is one entry in the table at the end. */
#include "analyse/calls.h"
#include "analyse/family.h"
#include "base/mem.h"
#include "codec/json.h"

enum {
	LINK_MTU = 1500,
	AWS_LINK_MTU = 9001,
	VXLAN_BYTES = 50,
	IPIP_BYTES = 20,
};

/* ---- NODE001: sizes of packets ---- */

struct encapsulation {
	const char *name; /* null: none */
	int bytes;
	const struct object *object;
	const struct val *at;
};

static void wrap(struct encapsulation *e, const struct object *o, const struct val *at,
                 const char *name, int bytes)
{
	if (bytes > e->bytes) {
		*e = (struct encapsulation){ name, bytes, o, at };
	}
}

static void pool_encapsulation(const struct object *o, struct encapsulation *e)
{
	const struct val *vxlan = val_get(object_spec(o), "vxlanMode"),
			 *ipip = val_get(object_spec(o), "ipipMode");

	if (vxlan && !slice_is(val_str(vxlan), "Never")) {
		wrap(e, o, vxlan, "VXLAN", VXLAN_BYTES);
	}
	if (ipip && !slice_is(val_str(ipip), "Never")) {
		wrap(e, o, ipip, "IP in IP", IPIP_BYTES);
	}
}

static void installed_encapsulation(const struct object *o, struct encapsulation *e)
{
	val_for_each (val_path(object_spec(o), "calicoNetwork.ipPools"), pool) {
		const struct val *at = val_get(pool, "encapsulation");

		if (slice_has_prefix(val_str(at), SLICE("VXLAN"))) {
			wrap(e, o, at, "VXLAN", VXLAN_BYTES);
		} else if (!at || slice_has_prefix(val_str(at), SLICE("IPIP"))) {
			wrap(e, o, at ? at : val_get(pool, "cidr"), "IP in IP", IPIP_BYTES);
		}
	}
}

static void too_big(struct check *c, const struct object *o, const struct val *at, int64_t mtu,
                    const struct encapsulation *e)
{
	int link = c->subject->profile->on_aws ? AWS_LINK_MTU : LINK_MTU;
	struct finding *f;

	if (!e->name || mtu <= 0 || mtu + e->bytes <= link) {
		return;
	}
	f = check_found(
		c, o, at,
		"Pods send packets of up to %lld bytes, %s adds %d, and the link carries %d.",
		(long long)mtu, e->name, e->bytes, link);
	finding_shows(c, f, e->object, e->at, "packets between nodes are wrapped: %s.", e->name);
	finding_repair(c, f, "Set the MTU to %d, or to 0 to let it be found out.", link - e->bytes);
	finding_replace(c, f, o, at, "%d", link - e->bytes);
}

static void node001(struct check *c)
{
	struct encapsulation pools = { 0 };

	object_each(c->subject, OBJECT_IPPOOL, o)
	{
		pool_encapsulation(o, &pools);
	}
	object_each(c->subject, OBJECT_CALICOPOOL, o)
	{
		pool_encapsulation(o, &pools);
	}
	written_each(c->subject, OBJECT_CALICOINSTALLATION, o)
	{
		const struct val *at = val_path(object_spec(o), "calicoNetwork.mtu");
		struct encapsulation own = pools;

		installed_encapsulation(o, &own);
		too_big(c, o, at, val_int(at, 0), &own);
	}
	written_each(c->subject, OBJECT_CONFIGMAP, o)
	{
		const struct val *at = val_get(val_get(o->v, "data"), "veth_mtu");
		int64_t mtu;

		if (slice_is(o->name, "calico-config") && slice_to_i64(val_str(at), &mtu)) {
			too_big(c, o, at, mtu, &pools);
		}
	}
}

/* ---- NODE007: ranges ---- */

static const char *taken_by(const struct profile *p, struct ip ip, const char **ret_range)
{
	/* nodes of kind are containers on a bridge of this range */
	const char *const ranges[] = { p->pod_cidr, p->service_cidr,
		                       strcmp(p->name, "kind") == 0 ? p->node_cidr : NULL };
	static const char *const owners[] = { "pods", "Services", "nodes" };

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		struct prefix net;

		if (ranges[i] && prefix_parse(slice_of(ranges[i]), &net) &&
		    prefix_contains(net, ip)) {
			*ret_range = ranges[i];
			return owners[i];
		}
	}
	return NULL;
}

static bool is_cluster_ip(const struct subject *s, struct ip ip)
{
	for (size_t i = 0; i < s->services.n; i++) {
		struct ip own;

		if (ip_parse(val_get_str(object_spec(s->services.at[i]->object), "clusterIP"),
		             &own) &&
		    ip_eq(own, ip)) {
			return true;
		}
	}
	return false;
}

static void calls_address(struct check *c, const struct call *x)
{
	const char *range, *owner = taken_by(c->subject->profile, x->r->ip, &range);
	struct finding *f;

	if (!owner || is_cluster_ip(c->subject, x->r->ip)) {
		return;
	}
	f = check_found(c, x->by, x->r->where.node,
	                OBJECT_FMT " calls %s, and on a cluster as '%s' %s is the range of %s: no "
	                           "packet for it leaves the cluster.",
	                OBJECT_ARG(x->from->object), x->r->host, c->subject->profile->name, range,
	                owner);
	finding_repair(c, f,
	               "Give the cluster another range of %s, or call a name that leads elsewhere.",
	               owner);
}

static void node007(struct check *c)
{
	if (c->subject->profile->on_aws) {
		return; /* pods live in the same network as everything else */
	}
	call_each(c->subject, x)
	{
		if (x->r->ip.family && !x->from->object->assumed) {
			calls_address(c, x);
		}
	}
}

/* ---- NODE008: to itself ---- */

/* The bridge plug-in of a network configuration that does not send packets back where they came from; else null. */
static const char *one_way_bridge(const struct val *config)
{
	val_for_each (val_get(config, "plugins"), p) {
		struct slice type = val_get_str(p, "type");
		const struct val *own = slice_is(type, "flannel") ? val_get(p, "delegate") : p;

		if ((slice_is(type, "flannel") || slice_is(type, "bridge")) &&
		    !val_bool(val_get(own, "hairpinMode"), false) &&
		    !val_bool(val_get(own, "promiscMode"), false)) {
			return slice_is(type, "flannel") ? "flannel" : "bridge";
		}
	}
	return NULL;
}

static const struct object *bridge_of(const struct subject *s, const struct val **ret_at,
                                      const char **ret_type)
{
	object_each(s, OBJECT_CONFIGMAP, o)
	{
		val_for_each (val_get(o->v, "data"), text) {
			scoped_arena struct arena a = { 0 };
			struct err err = { 0 };
			struct val *config;

			if (strstr(val_cstr(text), "\"cniVersion\"") &&
			    strstr(val_cstr(text), "\"plugins\"") &&
			    json_parse(&a, val_str(text), 0, &config, &err) == 0 &&
			    one_way_bridge(config)) {
				*ret_at = text;
				*ret_type = one_way_bridge(config);
				return o;
			}
		}
	}
	return NULL;
}

static bool is_behind(const struct svc *x, const struct workload *w)
{
	for (size_t i = 0; i < x->n_pods; i++) {
		if (x->pods[i] == w) {
			return true;
		}
	}
	return false;
}

static void node008(struct check *c)
{
	const struct val *at;
	const char *type;
	const struct object *bridge = bridge_of(c->subject, &at, &type);

	if (!bridge) {
		return;
	}
	call_each(c->subject, x)
	{
		const struct workload *w = x->from;
		struct finding *f;

		if (w->object->assumed || x->to.kind != TARGET_SERVICE ||
		    !is_behind(x->to.service, w)) {
			continue;
		}
		f = check_found(
			c, w->object, x->by == w->object ? x->r->where.node : NULL,
			OBJECT_FMT
			" calls its own Service " SLICE_FMT
			", and the bridge does not send packets back to the pod they came from.",
			OBJECT_ARG(w->object), SLICE_ARG(x->to.service->name));
		finding_shows(c, f, bridge, at, "plug-in %s without hairpinMode: true.", type);
	}
}

#define ONLY_RUNNING "Nothing in manifests; the running system tells."

static const struct rule rules[] = {
	{
		.id = "NODE001",
		.title = "Packets bigger than the way",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NODE,
		.symptom = "Small requests work; TLS handshakes and big bodies hang.",
		.cause = "Packets of pods get a header more between nodes and are then bigger than "
			 "the link carries; the message that "
			 "says so is dropped.",
		.evidence = "The MTU given to the network plug-in against the link's and what "
			    "encapsulation adds.",
		.probe = "Packets of growing size that may not be cut; the biggest that arrives.",
		.fix = "A smaller MTU for pods, or MSS clamping.",
		.sources = "flannel-io/flannel#1614, #1999; angelnu/pod-gateway#33; "
			   "open-cluster-management-io/ocm#1314",
		.check = node001,
	},
	{
		.id = "NODE002",
		.title = "Connection table full",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NODE,
		.symptom = "Random timeouts under load; the kernel logs \"table full, dropping "
			   "packet\".",
		.cause = "Every translated flow takes an entry, and nf_conntrack_max is reached.",
		.evidence = ONLY_RUNNING,
		.probe = "nf_conntrack_count against nf_conntrack_max; the drop counter.",
		.fix = "Raise the limit; fewer and longer connections.",
		.sources = "kubernetes/kubernetes#71261, #18604",
	},
	{
		.id = "NODE003",
		.title = "Old translation of UDP after endpoints changed",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NODE,
		.symptom = "Some pods resolve nothing after the DNS pods moved.",
		.cause = "The connection table keeps sending a busy source port to the pod that is "
			 "gone.",
		.evidence = ONLY_RUNNING,
		.probe = "Move the DNS pods under steady queries.",
		.fix = "A newer proxy; delete the entries.",
		.sources = "Preply post-mortem 2020; hjacobs/kubernetes-failure-stories#49",
	},
	{
		.id = "NODE004",
		.title = "Source ports used up",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NODE,
		.symptom = "Connections to one destination outside fail under load.",
		.cause = "Behind one address there are some 55,000 ports per destination, each "
			 "held for a while after its use.",
		.evidence = ONLY_RUNNING,
		.probe = "Count sockets in TIME_WAIT and translated ports per destination.",
		.fix = "Keep connections; more addresses.",
		.sources = "Amazon VPC user guide, NAT gateways",
	},
	{
		.id = "NODE005",
		.title = "Host does not forward",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NODE,
		.symptom = "Pods reach what is on their own node, nothing else.",
		.cause = "ip_forward is 0, rp_filter is strict, or the FORWARD chain drops.",
		.evidence = ONLY_RUNNING,
		.probe = "Follow one packet.",
		.fix = "Set the sysctls; accept forwarding for the ranges of pods.",
		.sources = "kubernetes.io, network plug-ins",
	},
	{
		.id = "NODE006",
		.title = "Firewall of the host",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NODE,
		.symptom = "Node ports or pods are cut off after a reload of the firewall.",
		.cause = "firewalld, ufw or rules of one's own stand before those of the cluster.",
		.evidence = ONLY_RUNNING,
		.probe = "Look whose rules count the packets.",
		.fix = "Trust the ranges of pods and Services.",
		.sources = "kubernetes-sigs/kind, known issues (firewalld)",
	},
	{
		.id = "NODE007",
		.title = "Range of the cluster hides addresses outside",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NODE,
		.symptom = "Pods reach everything but some hosts of the company.",
		.cause = "Pods, Services or the bridge use a range that is in use elsewhere as "
			 "well.",
		.evidence = "Addresses in values against the profile's ranges.",
		.probe = "Look the route to the address up.",
		.fix = "Another range for the cluster.",
		.sources = "kubernetes-sigs/kind, known issues (local subnet clashes)",
		.check = node007,
	},
	{
		.id = "NODE008",
		.title = "Pod cannot reach itself through its Service",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NODE,
		.symptom =
			"A pod's call to its own Service times out whenever it is chosen itself.",
		.cause = "The bridge does not send a packet back through the port it came from.",
		.evidence = "A workload that calls its own Service, and a bridge plug-in without "
			    "hairpinMode.",
		.probe = "Call the Service from its only pod.",
		.fix = "hairpinMode: true in the network configuration.",
		.sources = "kubernetes.io, debugging Services",
		.check = node008,
	},
	{
		.id = "NODE009",
		.title = "Limits of files or watches",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NODE,
		.symptom = "\"too many open files\"; a proxy or controller ends.",
		.cause = "fs.inotify limits or the number of open files are too low for so many "
			 "pods.",
		.evidence = ONLY_RUNNING,
		.probe = "Count watches and descriptors against their limits.",
		.fix = "Raise the limits.",
		.sources = "kubernetes-sigs/kind, known issues (inotify)",
	},
	{
		.id = "NODE010",
		.title = "Clock is wrong",
		.severity = SEVERITY_WARN,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NODE,
		.symptom = "Certificate not yet valid; token expired.",
		.cause = "The host slept, or nothing keeps its time.",
		.evidence = ONLY_RUNNING,
		.probe = "Compare clocks.",
		.fix = "Keep the time by NTP.",
		.sources = "general experience",
	},
	{
		.id = "NODE011",
		.title = "Two kinds of firewall rules at once",
		.severity = SEVERITY_ERROR,
		.certainty = CERTAINTY_CONTEXT,
		.hop = HOP_NODE,
		.symptom = "Services work now and then; rules are there and count nothing.",
		.cause = "Some components write legacy iptables, others nftables.",
		.evidence = ONLY_RUNNING,
		.probe = "List both sets of rules with their counters.",
		.fix = "One kind for all.",
		.sources = "k0sproject/k0s, networking (iptables modes)",
	},
	{ 0 },
};

const struct family family_node = { "NODE", "Host network", rules };
