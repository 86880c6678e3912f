/* Why: libc in every container finds the cluster through these two files. */
#include "node/names.h"

#include "base/mem.h"

enum { MAX_NAMESERVERS = 3, MAX_SEARCHES = 32, MAX_OPTIONS = 32 };

void names_hostname(const struct val *pod, struct strbuf *out)
{
	struct slice name = val_str(val_path(pod, "spec.hostname"));

	if (name.len == 0) {
		name = val_str(val_path(pod, "metadata.name"));
	}
	name = slice_head(name, 63);
	while (name.len > 0 && (name.p[name.len - 1] == '-' || name.p[name.len - 1] == '.')) {
		name.len--;
	}
	strbuf_add_slice(out, name);
}

static void add_aliases(const struct val *pod, struct strbuf *out)
{
	const struct val *aliases = val_path(pod, "spec.hostAliases");

	if (val_len(aliases) == 0) {
		return;
	}
	strbuf_adds(out, "\n# Entries added by HostAliases.\n");
	val_for_each (aliases, it) {
		strbuf_add_slice(out, val_get_str(it, "ip"));
		val_for_each (val_get(it, "hostnames"), name) {
			strbuf_addf(out, "\t" SLICE_FMT, SLICE_ARG(val_str(name)));
		}
		strbuf_addc(out, '\n');
	}
}

void names_hosts(const struct val *pod, const char *pod_ips, struct slice host_hosts,
                 const char *cluster_domain, struct strbuf *out)
{
	struct slice rest = slice_of(pod_ips), ip;
	struct slice subdomain = val_str(val_path(pod, "spec.subdomain"));
	scoped_strbuf struct strbuf host = { 0 };

	if (val_bool(val_path(pod, "spec.hostNetwork"), false)) {
		strbuf_adds(out, "# Kubernetes-managed hosts file (host network).\n");
		strbuf_add_slice(out, host_hosts);
		add_aliases(pod, out);
		return;
	}
	names_hostname(pod, &host);
	strbuf_adds(out, "# Kubernetes-managed hosts file.\n"
	                 "127.0.0.1\tlocalhost\n"
	                 "::1\tlocalhost ip6-localhost ip6-loopback\n"
	                 "fe00::0\tip6-localnet\n"
	                 "fe00::0\tip6-mcastprefix\n"
	                 "fe00::1\tip6-allnodes\n"
	                 "fe00::2\tip6-allrouters\n");
	while (slice_next(&rest, ',', &ip)) {
		strbuf_addf(out, SLICE_FMT "\t", SLICE_ARG(ip));
		if (subdomain.len > 0) {
			strbuf_addf(out, "%s." SLICE_FMT "." SLICE_FMT ".svc.%s\t",
			            strbuf_str(&host), SLICE_ARG(subdomain),
			            SLICE_ARG(val_str(val_path(pod, "metadata.namespace"))),
			            cluster_domain);
		}
		strbuf_addf(out, "%s\n", strbuf_str(&host));
	}
	add_aliases(pod, out);
}

/* An ordered list without doubles and with a maximum. */
struct words {
	struct arena *arena;
	struct slice at[MAX_SEARCHES];
	size_t n, max;
};

static void words_add(struct words *w, struct slice s)
{
	for (size_t i = 0; i < w->n; i++) {
		if (slice_eq(w->at[i], s)) {
			return;
		}
	}
	if (s.len > 0 && w->n < w->max) {
		w->at[w->n++] = arena_slice(w->arena, s);
	}
}

static void words_print(const struct words *w, const char *head, struct strbuf *out)
{
	if (w->n == 0) {
		return;
	}
	strbuf_adds(out, head);
	for (size_t i = 0; i < w->n; i++) {
		strbuf_addf(out, " " SLICE_FMT, SLICE_ARG(w->at[i]));
	}
	strbuf_addc(out, '\n');
}

/* An option "ndots:5" replaces an earlier one of its name. */
static void options_add(struct words *w, struct slice option)
{
	struct slice name, value, have, rest;

	slice_cut(option, ':', &name, &value);
	for (size_t i = 0; i < w->n; i++) {
		slice_cut(w->at[i], ':', &have, &rest);
		if (slice_eq(have, name)) {
			w->at[i] = arena_slice(w->arena, option);
			return;
		}
	}
	words_add(w, option);
}

struct resolver {
	struct words servers, searches, options;
};

static void resolver_read(struct resolver *r, struct slice text, bool searches_only)
{
	struct slice line, word, rest;

	while (slice_next(&text, '\n', &line)) {
		line = slice_trim(line);
		for (size_t i = 0; i < line.len; i++) {
			if (line.p[i] == '\t') {
				line.len =
					i; /* tabs are rare; what follows the first is left out */
			}
		}
		slice_cut(line, ' ', &word, &rest);
		if (slice_is(word, "nameserver") && !searches_only) {
			words_add(&r->servers, slice_trim(rest));
		} else if (slice_is(word, "search") || slice_is(word, "domain")) {
			while (slice_next(&rest, ' ', &word)) {
				words_add(&r->searches, word);
			}
		} else if (slice_is(word, "options") && !searches_only) {
			while (slice_next(&rest, ' ', &word)) {
				options_add(&r->options, word);
			}
		}
	}
}

void names_resolv(const struct val *pod, const char *dns_ip, struct slice host_resolv,
                  const char *cluster_domain, struct strbuf *out)
{
	scoped_arena struct arena a = { 0 };
	struct resolver r = {
		.servers = { .arena = &a, .max = MAX_NAMESERVERS },
		.searches = { .arena = &a, .max = MAX_SEARCHES },
		.options = { .arena = &a, .max = MAX_OPTIONS },
	};
	const struct val *config = val_path(pod, "spec.dnsConfig");
	struct slice policy = val_str(val_path(pod, "spec.dnsPolicy"));
	struct slice ns = val_str(val_path(pod, "metadata.namespace"));
	bool host_net = val_bool(val_path(pod, "spec.hostNetwork"), false);
	bool cluster = policy.len == 0 || slice_is(policy, "ClusterFirstWithHostNet") ||
	               (slice_is(policy, "ClusterFirst") && !host_net);

	if (cluster) {
		words_add(&r.servers, slice_of(dns_ip));
		words_add(&r.searches, slice_of(arena_printf(&a, SLICE_FMT ".svc.%s", SLICE_ARG(ns),
		                                             cluster_domain)));
		words_add(&r.searches, slice_of(arena_printf(&a, "svc.%s", cluster_domain)));
		words_add(&r.searches, slice_of(cluster_domain));
		resolver_read(&r, host_resolv, true);
		options_add(&r.options, SLICE("ndots:5"));
	} else if (!slice_is(policy, "None")) {
		resolver_read(&r, host_resolv, false);
	}
	val_for_each (val_get(config, "nameservers"), it) {
		words_add(&r.servers, val_str(it));
	}
	val_for_each (val_get(config, "searches"), it) {
		words_add(&r.searches, val_str(it));
	}
	val_for_each (val_get(config, "options"), it) {
		struct slice value = val_get_str(it, "value");

		options_add(&r.options,
		            slice_of(arena_printf(&a, SLICE_FMT "%s" SLICE_FMT,
		                                  SLICE_ARG(val_get_str(it, "name")),
		                                  value.len ? ":" : "", SLICE_ARG(value))));
	}
	words_print(&r.searches, "search", out);
	for (size_t i = 0; i < r.servers.n; i++) {
		strbuf_addf(out, "nameserver " SLICE_FMT "\n", SLICE_ARG(r.servers.at[i]));
	}
	words_print(&r.options, "options", out);
}
