/* Why: the roles of the one executable. Each role is a set of rooms; here they are chosen and joined, and what one
 * room needs of another that it may not know is handed over as functions. docs/architecture.md draws it. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/command.h"
#include "codec/json.h"
#include "dns/dns.h"
#include "edge/ingress.h"
#include "edge/lb.h"
#include "node/image.h"
#include "node/node.h"
#include "role-api.h"
#include "serve/control.h"
#include "serve/guard.h"
#include "serve/home.h"
#include "serve/nodes.h"
#include "serve/serve.h"

extern const struct cli_builtin builtin_manifests[]; /* src/cli/builtin, by dev/embed */
static const int64_t door_timeout_us = 2 * US_PER_S;

/* ---- command line: instances and images are other rooms' business ---- */

_Static_assert(CLI_NODES_MAX == NODES_MAX, "the command line and the supervisor know one limit");

static struct serve_options serve_options_of(const struct cli_instance *i)
{
	return (struct serve_options){
		.name = i->name,
		.home = i->home,
		.edge_address = i->edge_address,
		.ip_families = i->ip_families,
		.api_port = i->api_port,
		.service_dataplane = i->service_dataplane,
		.nodes = i->nodes,
	};
}

static int start_instance(const struct cli_instance *i, struct err *err)
{
	struct serve_options o = serve_options_of(i);

	return serve_launch(&o, err);
}

static int stop_instance(const struct cli_instance *i, bool purge, struct err *err)
{
	struct serve_options o = serve_options_of(i);

	return serve_down(&o, purge, err);
}

static int status_of_instance(const struct cli_instance *i, struct strbuf *out, struct err *err)
{
	struct serve_options o = serve_options_of(i);

	return serve_status(&o, out, err);
}

static int load_images(const struct cli_instance *i, const char *path,
                       void (*loaded)(void *arg, const char *name), void *arg, struct err *err)
{
	scoped_strbuf struct strbuf names = { 0 };
	struct image_store *store;
	int r = image_store_open(i->home, &store, err);

	if (r < 0) {
		return r;
	}
	r = image_store_load(store, path, NULL, &names, err);
	for (char *name = names.p; name && *name;) {
		size_t len = strcspn(name, "\n");
		scoped_free char *one = mem_printf("%.*s", (int)len, name);

		loaded(arg, one);
		name += len + (name[len] == '\n');
	}
	image_store_close(store);
	return r;
}

static const struct cli_ops ops = {
	.start = start_instance,
	.stop = stop_instance,
	.status = status_of_instance,
	.load_images = load_images,
	.builtins = builtin_manifests,
};

/* ---- the balancer gets its sockets from the supervisor ---- */

static int ask_door(const struct home *h, const char *verb, struct ip ip, uint16_t port,
                    int *ret_fd, struct err *err)
{
	scoped_strbuf struct strbuf answer = { 0 };
	scoped_free char *request = NULL;
	scoped_doc struct doc *said = NULL;
	char address[IP_TEXT_SIZE];
	struct slice error;
	int r;

	ip_format(ip, address);
	request = mem_printf(ip.family == IP_V6 ? "{\"%s\":\"[%s]:%u\"}" : "{\"%s\":\"%s:%u\"}",
	                     verb, address, port);
	r = control_ask(h, request, door_timeout_us, &answer, ret_fd, err);
	if (r >= 0) {
		r = json_parse_doc(strbuf_slice(&answer), 0, &said, err);
	}
	if (r < 0) {
		return r;
	}
	error = val_get_str(said->root, "error");
	return error.len ? err_raise(err, ERR_EXISTS, SLICE_FMT, SLICE_ARG(error)) : 0;
}

static int door_listen(void *arg, struct ip ip, uint16_t port, int *ret_fd, struct err *err)
{
	return ask_door(arg, "listen", ip, port, ret_fd, err);
}

static void door_close(void *arg, struct ip ip, uint16_t port)
{
	struct err err;

	if (ask_door(arg, "close", ip, port, NULL, &err) < 0) {
		log_odd("Port of the edge stays open port=%u: %s", port, err.msg);
	}
}

static const char *option_of(int argc, char **argv, const char *name, const char *otherwise)
{
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], name) == 0) {
			return argv[i + 1];
		}
	}
	return otherwise;
}

static int role_lb(int argc, char **argv)
{
	struct home h;
	const struct lb_provider provider = { .listen = door_listen,
		                              .close = door_close,
		                              .arg = &h };

	home_init(&h, option_of(argc, argv, "--home", "/var/lib/kennel"),
	          option_of(argc, argv, "--name", "kennel"));
	return lb_main(argc, argv, &provider);
}

/* ---- which role ---- */

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} roles[] = {
	{ "serve", serve_main },     { "guard", guard_main }, { "api", api_main },
	{ "node", node_main },       { "lb", role_lb },       { "dns", dns_main },
	{ "ingress", ingress_main }, { "image", image_main },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(roles); i++) {
		if (strcmp(argv[1], roles[i].name) == 0) {
			return roles[i].run(argc - 1, argv + 1);
		}
	}
	return cli_main(argc, argv, &cli_kennel, &ops);
}
