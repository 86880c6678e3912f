/* Why: what of a Corefile is followed, and that what is not is said with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "dns/corefile.h"

/* "zone server server\n" for each zone, "note: ...\n" for each note; or "error: ...". */
static void expect(const char *text, const char *wanted)
{
	const struct upstream others[] = { { ip_v4(0xc0000201), 53 }, { ip_v4(0xc0000202), 5353 } };
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf b = { 0 };
	struct corefile c;
	struct err err = { 0 };
	char name[300], ip[IP_TEXT_SIZE];

	if (corefile_parse(&a, slice_of(text), others, 2, &c, &err) < 0) {
		strbuf_addf(&b, "error: %s\n", err.msg);
	}
	for (size_t i = 0; i < c.zones.n; i++) {
		const struct forward_zone *z = &c.zones.at[i];

		strbuf_adds(&b, knot_dname_to_str(name, z->name, sizeof(name)));
		for (size_t k = 0; k < z->n; k++) {
			strbuf_addf(&b, " %s:%u", ip_format(z->servers[k].ip, ip),
			            z->servers[k].port);
		}
		strbuf_addc(&b, '\n');
	}
	for (size_t i = 0; i < c.notes.n; i++) {
		strbuf_addf(&b, "note: %s\n", c.notes.at[i]);
	}
	bool autopath = c.autopath;

	corefile_fini(&c);
	strbuf_adds(&b, autopath ? "autopath\n" : "");
	assert_string_equal(strbuf_str(&b), wanted);
}

static void the_shipped_one_asks_the_node_s_servers(void **state)
{
	(void)state;
	expect(".:53 {\n    errors\n    health {\n       lameduck 5s\n    }\n    ready\n"
	       "    kubernetes cluster.local in-addr.arpa ip6.arpa {\n       pods insecure\n"
	       "       fallthrough in-addr.arpa ip6.arpa\n       ttl 30\n    }\n"
	       "    prometheus :9153\n    forward . /etc/resolv.conf {\n       max_concurrent "
	       "1000\n"
	       "    }\n    cache 30\n    loop\n    reload\n    loadbalance\n}\n",
	       ". 192.0.2.1:53 192.0.2.2:5353\n");
}

static void zones_have_servers_of_their_own(void **state)
{
	(void)state;
	expect("# the company's\nCorp.Example:53, dns://lab.example. {\n"
	       "  forward . 10.0.0.53 dns://10.0.1.53:5353 [fd00::1]:53 # two\n}\n"
	       ". { \n forward sub.example.org 10.1.1.1\n forward . \"10.2.2.2\"\r\n}\n",
	       "corp.example. 10.0.0.53:53 10.0.1.53:5353 fd00::1:53\n"
	       "lab.example. 10.0.0.53:53 10.0.1.53:5353 fd00::1:53\n"
	       "sub.example.org. 10.1.1.1:53\n"
	       ". 10.2.2.2:53\n");
	/* what does not come to that server is not its own to forward */
	expect("a.example {\n forward b.example 10.0.0.1\n}\n", "");
	expect(". {\n autopath @kubernetes\n}\n", "autopath\n");
	expect(". {\n autopath resolv.conf\n}\n",
	       "note: line 2: plugin autopath is not known here and left out\n");
	expect("", "");
	expect("\n# nothing\n", "");
}

static void what_is_not_followed_is_noted(void **state)
{
	(void)state;
	expect(". {\n  rewrite name a b\n  hosts {\n    10.0.0.1 x\n  }\n"
	       "  forward . tls://9.9.9.9 10.0.0.1 {\n tls_servername x\n }\n  forward .\n}\n"
	       "10.0.0.0/24 {\n  cache\n}\n(snippet) {\n forward . 1.1.1.1\n}\n",
	       ". 10.0.0.1:53\n"
	       "note: line 2: plugin rewrite is not known here and left out\n"
	       "note: line 3: plugin hosts is not known here and left out\n"
	       "note: line 6: forward to tls://9.9.9.9 is not possible: no address of a server\n"
	       "note: line 9: forward needs a zone and servers\n"
	       "note: line 11: 10.0.0.0/24 is no zone that can be served here\n"
	       "note: line 14: snippets are not followed\n");
}

static void what_is_no_corefile_is_refused_with_its_line(void **state)
{
	(void)state;
	expect("\n. {\n  cache {\n", "error: line 3: the block is not closed\n");
	expect(". {\n  cache\n", "error: line 1: the server block is not closed\n");
	expect("forward . 1.1.1.1\n", "error: line 1: a server block is ZONE... {\n");
	expect("}\n", "error: line 1: a server block is ZONE... {\n");
	expect(". { cache }\n", "error: line 1: a brace ends its line\n");
	expect(". {\n {\n }\n}\n", "error: line 2: a block without a plugin\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shipped_one_asks_the_node_s_servers),
		cmocka_unit_test(zones_have_servers_of_their_own),
		cmocka_unit_test(what_is_not_followed_is_noted),
		cmocka_unit_test(what_is_no_corefile_is_refused_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
