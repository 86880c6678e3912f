/* Why: flows outlive the endpoints they were translated to; some must be forgotten when services
 * change. */
#include "host/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "host/netlink.h"

static struct ip ip_of(const struct nlattr *attr)
{
	size_t size = mnl_attr_get_payload_len(attr);
	struct ip ip = { .family = size == 16 ? IP_V6 : IP_V4 };

	memcpy(ip.bytes, mnl_attr_get_payload(attr), size < 16 ? size : 16);
	return ip;
}

static void parse_addresses(const struct nlattr *nest, struct conntrack_side *ret)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		switch (mnl_attr_get_type(attr)) {
		case CTA_IP_V4_SRC:
		case CTA_IP_V6_SRC:
			ret->src = ip_of(attr);
			break;
		case CTA_IP_V4_DST:
		case CTA_IP_V6_DST:
			ret->dst = ip_of(attr);
			break;
		default:
			break;
		}
	}
}

static void parse_ports(const struct nlattr *nest, struct conntrack_side *ret, uint8_t *ret_proto)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		switch (mnl_attr_get_type(attr)) {
		case CTA_PROTO_NUM:
			*ret_proto = mnl_attr_get_u8(attr);
			break;
		case CTA_PROTO_SRC_PORT:
			ret->sport = ntohs(mnl_attr_get_u16(attr));
			break;
		case CTA_PROTO_DST_PORT:
			ret->dport = ntohs(mnl_attr_get_u16(attr));
			break;
		default:
			break;
		}
	}
}

static void parse_side(const struct nlattr *nest, struct conntrack_side *ret, uint8_t *ret_proto)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == CTA_TUPLE_IP) {
			parse_addresses(attr, ret);
		} else if (mnl_attr_get_type(attr) == CTA_TUPLE_PROTO) {
			parse_ports(attr, ret, ret_proto);
		}
	}
}

static bool parse(const struct nlmsghdr *nlh, struct conntrack_flow *ret)
{
	const struct nlattr *attr;

	*ret = (struct conntrack_flow){ 0 };
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		switch (mnl_attr_get_type(attr)) {
		case CTA_TUPLE_ORIG:
			parse_side(attr, &ret->orig, &ret->proto);
			ret->tuple_size = mnl_attr_get_payload_len(attr);
			if (ret->tuple_size > CONNTRACK_TUPLE_MAX) {
				return false;
			}
			memcpy(ret->tuple, mnl_attr_get_payload(attr), ret->tuple_size);
			break;
		case CTA_TUPLE_REPLY:
			parse_side(attr, &ret->reply, &ret->proto);
			break;
		case CTA_MARK:
			ret->mark = ntohl(mnl_attr_get_u32(attr));
			break;
		default:
			break;
		}
	}
	return ret->tuple_size > 0;
}

struct each {
	uint8_t proto;
	conntrack_fn *fn;
	void *arg;
};

static int show(void *arg, const struct nlmsghdr *nlh)
{
	struct each *e = arg;
	struct conntrack_flow f;

	if (parse(nlh, &f) && (e->proto == 0 || f.proto == e->proto)) {
		e->fn(e->arg, &f);
	}
	return 0;
}

static struct nlmsghdr *begin(struct netlink *nl, uint8_t type, uint8_t family, int tolerate)
{
	struct nlmsghdr *nlh = netlink_begin(nl, NFNL_SUBSYS_CTNETLINK << 8 | type, 0,
	                                     sizeof(struct nfgenmsg), tolerate);
	struct nfgenmsg *nf = netlink_header(nlh);

	nf->nfgen_family = family == IP_V6 ? AF_INET6 : family == IP_V4 ? AF_INET : AF_UNSPEC;
	nf->version = NFNETLINK_V0;
	return nlh;
}

int conntrack_each(struct netlink *nl, enum ip_family family, uint8_t proto, conntrack_fn *fn,
                   void *arg, struct err *err)
{
	struct each e = { proto, fn, arg };
	int r;

	begin(nl, IPCTNL_MSG_CT_GET, family, 0);
	r = netlink_dump(nl, show, NULL, &e, err);
	return r < 0 ? err_while(err, r, "read tracked flows") : 0;
}

void conntrack_queue_delete(struct netlink *nl, const struct conntrack_flow *f)
{
	struct nlmsghdr *nlh = begin(nl, IPCTNL_MSG_CT_DELETE, f->orig.src.family, ENOENT);

	mnl_attr_put(nlh, CTA_TUPLE_ORIG | NLA_F_NESTED, f->tuple_size, f->tuple);
}
