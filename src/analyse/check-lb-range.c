/* Why: LB, ranges that overlap (LB008) and references among cloud objects (LB019). */
#include "analyse/check-lb.h"
#include "analyse/cloud.h"
#include "analyse/family.h"
#include "analyse/nearest.h"
#include "base/mem.h"

/* ---- LB008 ---- */

enum range_use { RANGE_VPC, RANGE_SUBNET, RANGE_SERVICES, RANGE_PODS };
struct range {
	struct prefix net;
	enum range_use use;
	const struct object *object;
	const struct val *at;
	const struct object *vpc; /* of a subnet, of a cluster; may be null */
};
struct ranges {
	VEC(struct range) all;
};

static const char *use_text(enum range_use u)
{
	static const char *const texts[] = { "the VPC", "the subnet", "the Services", "the pods" };

	return texts[u];
}

static void take_range(struct ranges *r, enum range_use use, const struct object *o,
                       const struct val *at, const struct object *vpc)
{
	struct range x = { .use = use, .object = o, .at = at, .vpc = vpc };

	if (prefix_parse(val_str(at), &x.net)) {
		vec_push(&r->all, x);
	}
}

static const struct object *cluster_vpc(const struct subject *s, const struct object *cluster)
{
	scoped_cloud_list struct cloud_list subnets = { 0 };

	cloud_links(s, cluster, val_get(object_spec(cluster), "resourcesVPCConfig"), "subnetRefs",
	            "subnetIDs", "subnetID", OBJECT_SUBNET, &subnets);
	return subnets.at.n ? cloud_vpc(s, subnets.at.at[0]) : NULL;
}

static void gather_ranges(const struct subject *s, struct ranges *r)
{
	object_each(s, OBJECT_VPC, o)
	{
		val_for_each (val_get(object_spec(o), "cidrBlocks"), cidr) {
			take_range(r, RANGE_VPC, o, cidr, o);
		}
	}
	object_each(s, OBJECT_SUBNET, o)
	{
		take_range(r, RANGE_SUBNET, o, val_get(object_spec(o), "cidrBlock"),
		           cloud_vpc(s, o));
	}
	object_each(s, OBJECT_EKSCLUSTER, o)
	{
		take_range(r, RANGE_SERVICES, o,
		           val_path(object_spec(o), "kubernetesNetworkConfig.serviceIPv4CIDR"),
		           cluster_vpc(s, o));
	}
	object_each(s, OBJECT_IPPOOL, o)
	{
		take_range(r, RANGE_PODS, o, val_get(object_spec(o), "cidr"), NULL);
	}
	object_each(s, OBJECT_CALICOPOOL, o)
	{
		take_range(r, RANGE_PODS, o, val_get(object_spec(o), "cidr"), NULL);
	}
	object_each(s, OBJECT_CALICOINSTALLATION, o)
	{
		val_for_each (val_path(object_spec(o), "calicoNetwork.ipPools"), pool) {
			take_range(r, RANGE_PODS, o, val_get(pool, "cidr"), NULL);
		}
	}
}

static bool are_peers(const struct subject *s, const struct object *a, const struct object *b)
{
	object_each(s, OBJECT_VPCPEERING, o)
	{
		const struct object *x = cloud_vpc(s, o);
		const struct object *y =
			cloud_ref(s, o, val_get(object_spec(o), "peerVPCRef"), OBJECT_VPC);

		if ((x == a && y == b) || (x == b && y == a)) {
			return true;
		}
	}
	return false;
}

/* Do packets of one have to find the other? */
static bool must_differ(const struct subject *s, const struct range *a, const struct range *b)
{
	if (a->use == RANGE_VPC && b->use == RANGE_VPC) {
		return a->object != b->object && are_peers(s, a->object, b->object);
	}
	if (a->use == RANGE_SUBNET && b->use == RANGE_SUBNET) {
		return a->vpc && a->vpc == b->vpc;
	}
	if (a->use == RANGE_SUBNET || b->use == RANGE_SUBNET) {
		return false; /* its VPC tells */
	}
	if (a->use == b->use) {
		return false;
	}
	if (a->use == RANGE_VPC && b->vpc) {
		return a->object == b->vpc || are_peers(s, a->object, b->vpc);
	}
	return true;
}

static void overlap(struct check *c, const struct range *a, const struct range *b)
{
	char x[PREFIX_TEXT_SIZE], y[PREFIX_TEXT_SIZE];
	struct finding *f = check_found(
		c, b->object, b->at,
		"The range of %s (" OBJECT_FMT ", %s) overlaps that of %s (" OBJECT_FMT ", %s).",
		use_text(b->use), OBJECT_ARG(b->object), prefix_format(b->net, y), use_text(a->use),
		OBJECT_ARG(a->object), prefix_format(a->net, x));

	finding_shows(c, f, a->object, a->at, "%s.", x);
}

static void subnet_in_vpc(struct check *c, const struct range *subnet)
{
	const struct val *blocks =
		subnet->vpc ? val_get(object_spec(subnet->vpc), "cidrBlocks") : NULL;
	char text[PREFIX_TEXT_SIZE];
	struct finding *f;

	val_for_each (blocks, cidr) {
		struct prefix net;

		if (!prefix_parse(val_str(cidr), &net) ||
		    (net.len <= subnet->net.len && prefix_contains(net, subnet->net.ip))) {
			return;
		}
	}
	if (!val_len(blocks)) {
		return;
	}
	f = check_found(c, subnet->object, subnet->at,
	                "Subnet " SLICE_FMT " (%s) is not inside its VPC " SLICE_FMT ".",
	                SLICE_ARG(subnet->object->name), prefix_format(subnet->net, text),
	                SLICE_ARG(subnet->vpc->name));
	finding_shows(c, f, subnet->vpc, val_first(blocks), SLICE_FMT ".",
	              SLICE_ARG(val_str(val_first(blocks))));
}

/* A cluster IP that is written down lies in the range of Services, so that range reaches into the VPC. */
static void cluster_ip_in_vpc(struct check *c, const struct svc *x, const struct ranges *r)
{
	const struct val *at = val_get(object_spec(x->object), "clusterIP");
	char text[PREFIX_TEXT_SIZE];
	struct ip ip;

	for (size_t i = 0; ip_parse(val_str(at), &ip) && i < r->all.n; i++) {
		const struct range *v = &r->all.at[i];

		if ((v->use == RANGE_VPC || v->use == RANGE_SUBNET) &&
		    prefix_contains(v->net, ip)) {
			struct finding *f =
				check_found(c, x->object, at,
			                    "Service " SLICE_FMT " has the cluster IP " SLICE_FMT
			                    ", an address of " OBJECT_FMT " (%s).",
			                    SLICE_ARG(x->name), SLICE_ARG(val_str(at)),
			                    OBJECT_ARG(v->object), prefix_format(v->net, text));

			finding_shows(c, f, v->object, v->at, "%s.", text);
			return;
		}
	}
}

/* What the declared profile says about the cluster. On AWS pods live in the VPC and EKS chooses a range of Services
 * that does not meet it. */
static void profile_meets(struct check *c, const struct range *vpc)
{
	const struct profile *p = c->subject->profile;
	const char *const ranges[] = { p->service_cidr, p->pod_cidr };

	for (size_t i = 0;
	     vpc->use == RANGE_VPC && p->declared && !p->on_aws && i < ARRAY_SIZE(ranges); i++) {
		struct prefix net;

		if (prefix_parse(slice_of(ranges[i]), &net) && prefix_overlaps(net, vpc->net)) {
			char text[PREFIX_TEXT_SIZE];

			check_found(c, vpc->object, vpc->at,
			            "VPC " SLICE_FMT
			            " (%s) overlaps the range of %s on a cluster as '%s' (%s).",
			            SLICE_ARG(vpc->object->name), prefix_format(vpc->net, text),
			            i ? "pods" : "Services", p->name, ranges[i]);
			return;
		}
	}
}

void lb008(struct check *c)
{
	struct ranges r = { 0 };

	gather_ranges(c->subject, &r);
	for (size_t i = 0; i < r.all.n; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct range *a = &r.all.at[j], *b = &r.all.at[i];

			if (prefix_overlaps(a->net, b->net) && must_differ(c->subject, a, b)) {
				overlap(c, a, b);
			}
		}
		if (r.all.at[i].use == RANGE_SUBNET) {
			subnet_in_vpc(c, &r.all.at[i]);
		}
		profile_meets(c, &r.all.at[i]);
	}
	for (size_t i = 0; r.all.n && i < c->subject->services.n; i++) {
		if (!c->subject->services.at[i]->object->assumed) {
			cluster_ip_in_vpc(c, c->subject->services.at[i], &r);
		}
	}
	vec_fini(&r.all);
}

/* ---- LB019 ---- */

static const struct {
	const char *field; /* "x" stands for xRef and xRefs */
	enum object_kind id;
} targets[] = {
	{ "vpc", OBJECT_VPC },
	{ "peerVPC", OBJECT_VPC },
	{ "subnet", OBJECT_SUBNET },
	{ "routeTable", OBJECT_ROUTETABLE },
	{ "gateway", OBJECT_INTERNETGATEWAY },
	{ "natGateway", OBJECT_NATGATEWAY },
	{ "transitGateway", OBJECT_TRANSITGATEWAY },
	{ "vpcPeeringConnection", OBJECT_VPCPEERING },
	{ "vpcEndpoint", OBJECT_VPCENDPOINT },
	{ "allocation", OBJECT_ELASTICIP },
	{ "securityGroup", OBJECT_SECURITYGROUP },
	{ "vpcSecurityGroup", OBJECT_SECURITYGROUP },
	{ "dbSubnetGroup", OBJECT_DBSUBNETGROUP },
	{ "dbParameterGroup", OBJECT_DBPARAMETERGROUP },
	{ "cacheSubnetGroup", OBJECT_CACHESUBNETGROUP },
	{ "cacheParameterGroup", OBJECT_CACHEPARAMETERGROUP },
	{ "hostedZone", OBJECT_HOSTEDZONE },
	{ "acmCertificate", OBJECT_ACMCERTIFICATE },
	{ "loadBalancer", OBJECT_LOADBALANCER },
	{ "listener", OBJECT_LISTENER },
	{ "targetGroup", OBJECT_TARGETGROUP },
	{ "cluster", OBJECT_EKSCLUSTER },
};

static enum object_kind target_of(const struct object *o, struct slice key)
{
	struct slice name = slice_has_suffix(key, SLICE("Refs"))  ? slice_head(key, key.len - 4)
	                    : slice_has_suffix(key, SLICE("Ref")) ? slice_head(key, key.len - 3)
	                                                          : (struct slice){ "", 0 };

	if (slice_is(name, "group") && o->id == OBJECT_SECURITYGROUP) {
		return OBJECT_SECURITYGROUP;
	}
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		if (slice_is(name, targets[i].field)) {
			return targets[i].id;
		}
	}
	return OBJECT_OTHER;
}

static const char *kind_text(enum object_kind id)
{
	static const char *const names[OBJECT_KINDS] = {
#define OBJECT(id, group, kind, namespaced) [OBJECT_##id] = kind,
#include "analyse/objects.def"
#undef OBJECT
		[OBJECT_OTHER] = "object",
	};

	return names[id];
}

static void one_reference(struct check *c, const struct object *o, const struct val *ref,
                          enum object_kind id)
{
	const struct val *at = val_path(ref, "from.name");
	struct slice ns = val_str(val_path(ref, "from.namespace")), name = val_str(at);
	const struct object *other, *near;
	struct finding *f;

	if (!name.len || cloud_ref(c->subject, o, ref, id)) {
		return;
	}
	ns = ns.len ? ns : o->ns;
	f = check_found(c, o, at,
	                OBJECT_FMT " refers to %s " SLICE_FMT ", which namespace " SLICE_FMT
	                           " does not have.",
	                OBJECT_ARG(o), kind_text(id), SLICE_ARG(name), SLICE_ARG(ns));
	other = subject_find_elsewhere(c->subject, id, ns, name);
	near = nearest_object(c->subject, id, ns, name);
	if (other) {
		finding_shows(c, f, other, NULL, "this one is in namespace " SLICE_FMT ".",
		              SLICE_ARG(other->ns));
	} else if (near) {
		finding_shows(c, f, near, NULL, "there is %s " SLICE_FMT ".", kind_text(id),
		              SLICE_ARG(near->name));
		finding_replace(c, f, o, at, SLICE_FMT, SLICE_ARG(near->name));
	}
}

static void walk_references(struct check *c, const struct object *o, const struct val *v)
{
	val_for_each (v, m) {
		enum object_kind id = v->type == VAL_OBJECT ? target_of(o, m->key) : OBJECT_OTHER;

		if (id == OBJECT_OTHER) {
			walk_references(c, o, m);
		} else if (m->type == VAL_OBJECT) {
			one_reference(c, o, m, id);
		} else {
			val_for_each (m, ref) {
				one_reference(c, o, ref, id);
			}
		}
	}
}

static void exported(struct check *c, const struct object *o)
{
	const struct val *from = val_path(object_spec(o), "from.resource"),
			 *to = val_get(object_spec(o), "to");
	struct slice group = val_get_str(from, "group"), ns = val_get_str(to, "namespace");
	scoped_strbuf struct strbuf version = { 0 };
	enum object_kind id, target = slice_is(val_get_str(to, "kind"), "secret")
	                                      ? OBJECT_SECRET
	                                      : OBJECT_CONFIGMAP;

	strbuf_addf(&version, SLICE_FMT "/v1alpha1", SLICE_ARG(group));
	id = object_kind_of(strbuf_slice(&version), val_get_str(from, "kind"));
	if (id != OBJECT_OTHER && !subject_find(c->subject, id, o->ns, val_get_str(from, "name"))) {
		check_found(c, o, val_get(from, "name"),
		            "FieldExport " SLICE_FMT " reads %s " SLICE_FMT
		            ", which namespace " SLICE_FMT " does not have.",
		            SLICE_ARG(o->name), kind_text(id), SLICE_ARG(val_get_str(from, "name")),
		            SLICE_ARG(o->ns));
	}
	ns = ns.len ? ns : o->ns;
	if (to && !subject_find(c->subject, target, ns, val_get_str(to, "name")) &&
	    !subject_find(c->subject, OBJECT_EXTERNALSECRET, ns, val_get_str(to, "name")) &&
	    !subject_find(c->subject, OBJECT_SEALEDSECRET, ns, val_get_str(to, "name"))) {
		struct finding *f = check_found(
			c, o, val_get(to, "name"),
			"FieldExport " SLICE_FMT " writes into %s " SLICE_FMT
			", which does not exist.",
			SLICE_ARG(o->name), kind_text(target), SLICE_ARG(val_get_str(to, "name")));

		finding_repair(c, f,
		               "Add an empty %s " SLICE_FMT " in namespace " SLICE_FMT
		               ": the export makes none.",
		               kind_text(target), SLICE_ARG(val_get_str(to, "name")),
		               SLICE_ARG(ns));
	}
}

static bool is_ack(const struct object *o)
{
	struct slice group, version;

	(void)slice_cut(val_get_str(o->v, "apiVersion"), '/', &group, &version);
	return slice_has_suffix(group, SLICE(".services.k8s.aws"));
}

void lb019(struct check *c)
{
	for (int id = 0; id < OBJECT_OTHER; id++) {
		written_each(c->subject, id, o)
		{
			if (is_ack(o)) {
				walk_references(c, o, object_spec(o));
			}
		}
	}
	written_each(c->subject, OBJECT_FIELDEXPORT, o)
	{
		exported(c, o);
	}
}
