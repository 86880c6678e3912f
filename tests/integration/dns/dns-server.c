/* Why: the server without the role around it, for server.test: objects from a YAML file, upstream
 * servers from the command line. Says its port, ends on SIGTERM.
 *
 *     dns-server FILE ADDRESS:PORT... */
#include <signal.h>
#include <stdio.h>

#include "base/mem.h"
#include "codec/yaml.h"
#include "dns/server.h"

static int put(void *arg, struct val *root, struct err *err)
{
	scoped_doc struct doc *d = doc_copy_of(root);

	(void)err;
	model_put(arg, d);
	return 0;
}

static void read_objects(struct model *m, const char *path)
{
	scoped_arena struct arena a = { 0 };
	scoped_strbuf struct strbuf text = { 0 };
	scoped_file FILE *f = fopen(path, "r");
	struct err err = { 0 };
	char buf[4096];
	size_t n;

	while (f && (n = fread(buf, 1, sizeof(buf), f)) > 0) {
		strbuf_add(&text, buf, n);
	}
	if (!f || yaml_parse_all(&a, strbuf_slice(&text), put, m, &err) != 0) {
		fprintf(stderr, "%s: %s\n", path, err.msg);
		exit(2);
	}
}

static void on_signal(void *arg, int signum)
{
	(void)signum;
	loop_stop(arg);
}

int main(int argc, char **argv)
{
	struct forward_zone others = { 0 };
	struct loop *l = loop_new();
	struct model *m = model_new();
	struct dns_server_config c = {
		.loop = l, .model = m, .zones = &others, .n_zones = 1, .address = ip_v4(0x7f000001)
	};
	struct dns_server *s;
	struct err err = { 0 };

	if (argc < 2) {
		return 2;
	}
	read_objects(m, argv[1]);
	for (int i = 2; i < argc && others.n < FORWARD_SERVERS; i++) {
		if (!upstream_parse(slice_of(argv[i]), &others.servers[others.n++])) {
			return 2;
		}
	}
	if (dns_server_new(&c, &s, &err) < 0 ||
	    loop_on_signal(l, SIGTERM, on_signal, l, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	dns_server_set_synced(s, true);
	printf("%u\n", dns_server_port(s));
	fflush(stdout);
	loop_run(l);
	dns_server_free(s);
	model_free(m);
	loop_free(l);
	return 0;
}
