/* Why: what all containers of a pod stand on: namespaces pinned to files (no pause process), an
 * address that a restart keeps, the three files of names, and the pod's control group. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "host/cgroup.h"
#include "host/mount.h"
#include "node/file.h"
#include "node/names.h"
#include "node/pod-priv.h"
#include "node/pod-status.h"
#include "node/resources.h"

enum { FIRST_ADDRESS = 2, LAST_ADDRESS = 254 };

/* ---- addresses ---- */

/* The n-th address of each of the node's ranges: a pod's number is the same in both families. */
static struct ip_pair addresses_of(const struct agent *a, unsigned n)
{
	struct ip_pair ips = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(ips.at) && a->pod_ranges[i].ip.family; i++) {
		ips.at[i] = prefix_nth(a->pod_ranges[i], n);
	}
	return ips;
}

/* The number that an address has in the node's first range. */
static uint8_t number_of(struct ip_pair ips)
{
	return (uint8_t)ip_to_v4(ips.at[0]);
}

static bool take_address(struct pods *pods, struct pod *p)
{
	for (unsigned i = 0; i <= LAST_ADDRESS - FIRST_ADDRESS; i++) {
		unsigned last = FIRST_ADDRESS +
		                (pods->next_address + i) % (LAST_ADDRESS - FIRST_ADDRESS + 1);

		if (!pods->used[last]) {
			pods->used[last] = 1;
			pods->next_address = last - FIRST_ADDRESS +
			                     1; /* a fresh pod never gets what one just left */
			p->ips = addresses_of(pods->agent, last);
			return true;
		}
	}
	return false;
}

static void give_address(struct pods *pods, const struct pod *p)
{
	if (p->ips.at[0].family && !p->host_network) {
		pods->used[number_of(p->ips)] = 0;
	}
}

static void set_text(struct pod *p)
{
	ip_pair_format(p->ips, p->ip_text);
}

static int choose_address(struct pod *p, struct err *err)
{
	scoped_free char *path = mem_printf("%s/ip", p->dir);

	if (p->host_network) {
		p->ips = p->pods->agent->node_ips;
		set_text(p);
		return 0;
	}
	if (p->ips.at[0].family == IP_NONE && !take_address(p->pods, p)) {
		char range[PREFIX_TEXT_SIZE];

		return err_raise(err, ERR_LIMIT, "no address is left in %s",
		                 prefix_format(p->pods->agent->pod_ranges[0], range));
	}
	set_text(p);
	return file_write(path, slice_of(p->ip_text), 0644, err);
}

/* ---- files ---- */

static int write_names(struct pod *p, struct err *err)
{
	struct pods *pods = p->pods;
	scoped_free char *hosts = mem_printf("%s/hosts", p->dir),
			 *resolv = mem_printf("%s/resolv.conf", p->dir),
			 *hostname = mem_printf("%s/hostname", p->dir);
	scoped_strbuf struct strbuf a = { 0 }, b = { 0 }, c = { 0 };
	char dns[IP_TEXT_SIZE];
	int r;

	names_hosts(pod_val(p), p->ip_text, slice_of(pods->host_hosts), "cluster.local", &a);
	names_resolv(pod_val(p), ip_format(pods->agent->dns_ip, dns), slice_of(pods->host_resolv),
	             "cluster.local", &b);
	names_hostname(pod_val(p), &c);
	strbuf_addc(&c, '\n');
	r = file_write(hosts, strbuf_slice(&a), 0644, err);
	if (r == 0) {
		r = file_write(resolv, strbuf_slice(&b), 0644, err);
	}
	return r < 0 ? r : file_write(hostname, strbuf_slice(&c), 0644, err);
}

static int make_cgroup(struct pod *p, struct err *err)
{
	struct resources r = resources_of_pod(pod_val(p));

	return cgroup_make(runtime_cgroups(p->pods->agent->runtime), p->cgroup,
	                   &(struct cgroup_limits){ .cpu_shares = cpu_shares(r.cpu_request_milli),
	                                            .cpu_weight = cpu_weight(r.cpu_request_milli),
	                                            .cpu_quota_us = cpu_quota_us(r.cpu_limit_milli),
	                                            .memory_bytes = r.memory_limit_bytes },
	                   err);
}

/* ---- network ---- */

static int attach(struct pod *p, struct err *err)
{
	scoped_free char *path = mem_printf("%s/net", p->pins);
	scoped_fd int fd = -1;
	int r;

	if (p->host_network) {
		return 0;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return err_sys(err, "open %s", path);
	}
	r = dataplane_pod_attach(p->pods->agent->dataplane, pod_uid(p), p->ips, fd, err);
	p->is_attached = r == 0;
	return r;
}

/* The model has to know the pod's address before its first packet. */
static void tell_model(struct pod *p)
{
	struct doc *d;
	struct val *status;

	if (val_str(val_path(pod_val(p), "status.podIP")).len > 0 || p->host_network) {
		model_put(p->pods->agent->model, p->doc);
		return;
	}
	d = doc_copy_of(pod_val(p));
	status = val_need_object(&d->arena, d->root, "status");
	pod_status_set_ips(&d->arena, status, "podIP", "podIPs", p->ip_text);
	model_put(p->pods->agent->model, d);
	doc_unref(d);
}

static unsigned kinds_of(const struct pod *p)
{
	const struct val *spec = val_get(pod_val(p), "spec");

	return (p->host_network ? 0u : PIN_NET | PIN_UTS) |
	       (val_bool(val_get(spec, "hostIPC"), false) ? 0u : PIN_IPC);
}

int sandbox_make(struct pod *p, struct err *err)
{
	scoped_strbuf struct strbuf hostname = { 0 };
	unsigned kinds = kinds_of(p);
	int r = dir_make(p->dir, 0700, err); /* volumes hold secrets */

	if (r == 0) {
		r = choose_address(p, err);
	}
	if (r == 0) {
		r = write_names(p, err);
	}
	if (r == 0) {
		r = make_cgroup(p, err);
	}
	if (r == 0) {
		r = dir_make(p->pins, 0755, err);
	}
	if (r == 0 && kinds) {
		names_hostname(pod_val(p), &hostname);
		r = namespaces_pin(p->pins, kinds, strbuf_str(&hostname), err);
	}
	if (r == 0) {
		tell_model(p);
		r = attach(p, err);
	}
	return r;
}

bool sandbox_adopt(struct pod *p)
{
	scoped_free char *path = mem_printf("%s/ip", p->dir), *net = mem_printf("%s/net", p->pins),
			 *ipc = mem_printf("%s/ipc", p->pins);
	scoped_strbuf struct strbuf text = { 0 };
	struct err err = { 0 };
	unsigned kinds = kinds_of(p);

	if (file_read(path, IP_PAIR_TEXT_SIZE, &text, NULL) == 0 &&
	    ip_pair_parse(slice_trim(strbuf_slice(&text)), &p->ips) && !p->host_network) {
		/* Also when the machine was restarted: it keeps the address. Families may have come
		 * or gone since. */
		p->ips = addresses_of(p->pods->agent, number_of(p->ips));
		p->pods->used[number_of(p->ips)] = 1;
	}
	if (p->host_network) {
		p->ips = p->pods->agent->node_ips;
	}
	if (p->ips.at[0].family == IP_NONE || ((kinds & PIN_NET) && !mount_is_there(net)) ||
	    ((kinds & PIN_IPC) && !mount_is_there(ipc)) || access(p->pins, F_OK) < 0) {
		return false;
	}
	set_text(p);
	tell_model(p);
	if (attach(p, &err) < 0) {
		log_odd("Network of a running pod could not be taken up pod=%s/%s error=%s", p->ns,
		        p->name, err.msg);
	}
	return true;
}

void sandbox_remove(struct pod *p)
{
	if (p->is_attached) {
		dataplane_pod_detach(p->pods->agent->dataplane, pod_uid(p), p->ips);
		p->is_attached = false;
	}
	namespaces_unpin(p->pins);
	(void)rmdir(p->pins);
	give_address(p->pods, p);
	p->ips = (struct ip_pair){ 0 };
	model_remove(p->pods->agent->model, p->doc);
	agent_sync(p->pods->agent);
}

bool sandbox_is_made(const struct pod *p)
{
	return p->state == POD_READY || p->state == POD_STOPPING;
}
