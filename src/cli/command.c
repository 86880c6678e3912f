/* Why: one table of commands, one reader of options; see command.h. */
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ip.h"
#include "base/mem.h"

#ifndef KENNEL_VERSION
#define KENNEL_VERSION "unknown"
#endif

static const struct cli_option instance_options[] = {
	{ "name", 0, "NAME", "instance (default kennel); several run side by side", true },
	{ "home", 0, "DIR", "its home folder (default /var/lib/kennel, /var/lib/kennel-NAME)",
	  true },
	{ 0 },
};
static const struct cli_option help_option[] = {
	{ "help", 'h', NULL, "this text" },
	{ 0 },
};

bool cli_is_terminal(int fd)
{
	return isatty(fd) && !getenv("NO_COLOR");
}

int cli_fail(const struct err *err)
{
	fprintf(stderr, "kennel: %s\n", err->msg);
	return err_code_exit(err->code);
}

static void usage(FILE *out, const struct cli_program *p)
{
	fprintf(out, "%s %s: %s\n\nUsage: %s COMMAND [OPTION]...\n\n", p->name, KENNEL_VERSION,
	        p->about, p->name);
	for (size_t i = 0; p->commands[i]; i++) {
		fprintf(out, "  %-12s %s\n", p->commands[i]->name, p->commands[i]->summary);
	}
	for (size_t i = 0; p->elsewhere && p->elsewhere[i][0]; i++) {
		fprintf(out, "  %-12s %s\n", p->elsewhere[i][0], p->elsewhere[i][1]);
	}
	fprintf(out,
	        "\n'%s COMMAND --help' tells more. Exit status: 0 ok, 1 the answer is no, 2 "
	        "usage or environment.\n",
	        p->name);
}

static void print_options(const struct cli_program *p, const struct cli_option *o)
{
	for (; o && o->name; o++) {
		char text[64];

		if (o->live && !p->live) {
			continue;
		}
		snprintf(text, sizeof(text), "%s%c%s--%s%s%s", o->letter ? "-" : "",
		         o->letter ? o->letter : ' ', o->letter ? ", " : "   ", o->name,
		         o->argument ? " " : "", o->argument ? o->argument : "");
		printf("  %-28s %s\n", text, o->help);
	}
}

static void help(const struct cli_program *p, const struct cli_command *c)
{
	printf("%s\n\nUsage: %s %s [OPTION]...%s%s\n\n", c->summary, p->name, c->name,
	       *c->words ? " " : "", c->words);
	if (c->details) {
		printf("%s\n", c->details);
	}
	if (c->live_details && p->live) {
		printf("%s\n", c->live_details);
	}
	if (c->details || (c->live_details && p->live)) {
		printf("\n");
	}
	print_options(p, c->options);
	if (c->takes_instance) {
		print_options(p, instance_options);
	}
	print_options(p, help_option);
}

static const struct cli_option *find_in(const struct cli_option *o, struct slice name, char letter)
{
	for (; o && o->name; o++) {
		if (letter ? o->letter == letter : slice_is(name, o->name)) {
			return o;
		}
	}
	return NULL;
}

static const struct cli_option *find_option(const struct cli_command *c, struct slice name,
                                            char letter)
{
	const struct cli_option *o = find_in(c->options, name, letter);

	if (!o && c->takes_instance) {
		o = find_in(instance_options, name, letter);
	}
	return o ? o : find_in(help_option, name, letter);
}

static int parse(const struct cli_command *c, int argc, char **argv, struct cli_parsed *p,
                 struct err *err)
{
	for (int i = 0; i < argc; i++) {
		struct slice word = slice_of(argv[i]), name = { 0 }, value = { 0 };
		const struct cli_option *o;
		bool attached = false;

		if (word.len < 2 || word.p[0] != '-') {
			vec_push(&p->words, (const char *)argv[i]);
			continue;
		}
		if (slice_is(word, "--")) {
			for (i++; i < argc; i++) {
				vec_push(&p->words, (const char *)argv[i]);
			}
			break;
		}
		if (word.p[1] == '-') {
			attached = slice_cut(slice_from(word, 2), '=', &name, &value);
			o = find_option(c, name, 0);
		} else {
			o = find_option(c, name, word.p[1]);
			attached = word.len > 2;
			value = slice_from(word, 2);
		}
		if (!o) {
			return err_raise(err, ERR_USAGE,
			                 "%s: no option %s; 'kennel %s --help' lists them", c->name,
			                 argv[i], c->name);
		}
		if (o->live && !p->program->live) {
			return err_raise(
				err, ERR_USAGE,
				"%s: --%s asks a running cluster; %s reads files only (what "
				"'kubectl get -o yaml' prints is one)",
				c->name, o->name, p->program->name);
		}
		if (!o->argument && attached) {
			return err_raise(err, ERR_USAGE, "%s: --%s takes no value", c->name,
			                 o->name);
		}
		if (o->argument && !attached && ++i >= argc) {
			return err_raise(err, ERR_USAGE, "%s: --%s needs a value (%s)", c->name,
			                 o->name, o->argument);
		}
		vec_push(&p->options, o);
		vec_push(&p->values, !o->argument ? NULL : attached ? value.p : argv[i]);
	}
	return 0;
}

const char *cli_value(const struct cli_parsed *p, const char *name, const char *otherwise)
{
	for (size_t i = p->options.n; i > 0; i--) {
		if (strcmp(p->options.at[i - 1]->name, name) == 0) {
			return p->values.at[i - 1];
		}
	}
	return otherwise;
}

bool cli_has(const struct cli_parsed *p, const char *name)
{
	for (size_t i = 0; i < p->options.n; i++) {
		if (strcmp(p->options.at[i]->name, name) == 0) {
			return true;
		}
	}
	return false;
}

static bool name_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= 20 && name[0] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

int cli_instance_of(const struct cli_parsed *p, struct cli_instance *ret, struct err *err)
{
	const char *name = cli_value(p, "name", "kennel"), *home = cli_value(p, "home", NULL),
		   *edge = cli_value(p, "edge-address", "127.0.0.1"),
		   *families = cli_value(p, "ip-families", NULL),
		   *port = cli_value(p, "api-port", "0"), *nodes = cli_value(p, "nodes", NULL),
		   *dataplane = cli_value(p, "service-dataplane", "auto");
	uint64_t port_number, n_nodes = 0;
	struct ip ip;

	if (!name_is_valid(name)) {
		return err_raise(err, ERR_USAGE,
		                 "--name %s: 1 to 20 of a-z, 0-9 and '-', not first '-'", name);
	}
	if (!ip_parse(slice_of(edge), &ip)) {
		return err_raise(err, ERR_USAGE, "--edge-address %s: not an IP address", edge);
	}
	if (families && strcmp(families, IP_FAMILIES_SINGLE) != 0 &&
	    strcmp(families, IP_FAMILIES_DUAL) != 0) {
		return err_raise(err, ERR_USAGE, "--ip-families %s: %s or %s", families,
		                 IP_FAMILIES_SINGLE, IP_FAMILIES_DUAL);
	}
	if (!slice_to_u64(slice_of(port), &port_number) || port_number > 65535) {
		return err_raise(err, ERR_USAGE, "--api-port %s: not a port (1 to 65535)", port);
	}
	if (strcmp(dataplane, "auto") != 0 && strcmp(dataplane, "ebpf") != 0 &&
	    strcmp(dataplane, "nftables") != 0) {
		return err_raise(err, ERR_USAGE, "--service-dataplane %s: auto, ebpf or nftables",
		                 dataplane);
	}
	if (nodes &&
	    (!slice_to_u64(slice_of(nodes), &n_nodes) || n_nodes < 1 || n_nodes > CLI_NODES_MAX)) {
		return err_raise(err, ERR_USAGE, "--nodes %s: 1 to %d", nodes, CLI_NODES_MAX);
	}
	*ret = (struct cli_instance){
		.name = name,
		.nodes = (unsigned)n_nodes,
		.edge_address = edge,
		.ip_families = families,
		.api_port = (uint16_t)port_number,
		.service_dataplane = dataplane,
	};
	if (home && home[0] == '/') {
		ret->home = mem_strdup(home);
	} else if (home) {
		scoped_free char *here = getcwd(NULL, 0);

		ret->home = mem_printf("%s/%s", here ? here : "", home);
	} else {
		ret->home = strcmp(name, "kennel") == 0 ? mem_strdup("/var/lib/kennel")
		                                        : mem_printf("/var/lib/kennel-%s", name);
	}
	return 0;
}

void cli_instance_fini(struct cli_instance *i)
{
	free((char *)i->home);
	*i = (struct cli_instance){ 0 };
}

static int run(const struct cli_command *c, int argc, char **argv,
               const struct cli_program *program, const struct cli_ops *ops)
{
	struct cli_parsed p = { .program = program };
	struct err err = { 0 };
	int status;

	if (parse(c, argc, argv, &p, &err) < 0) {
		status = cli_fail(&err);
	} else if (cli_has(&p, "help")) {
		help(program, c);
		status = 0;
	} else if (p.words.n && !*c->words) {
		(void)err_raise(&err, ERR_USAGE, "%s: what is '%s'? It takes options only", c->name,
		                p.words.at[0]);
		status = cli_fail(&err);
	} else {
		status = c->run(c, &p, ops);
	}
	vec_fini(&p.words);
	vec_fini(&p.options);
	vec_fini(&p.values);
	return status;
}

int cli_main(int argc, char **argv, const struct cli_program *program, const struct cli_ops *ops)
{
	const char *name = argc > 1 ? argv[1] : "--help";

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		usage(stdout, program);
		return argc > 1 ? 0 : 2;
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
		printf("%s %s\n", program->name, KENNEL_VERSION);
		return 0;
	}
	for (size_t i = 0; program->commands[i]; i++) {
		if (strcmp(program->commands[i]->name, name) == 0) {
			return run(program->commands[i], argc - 2, argv + 2, program, ops);
		}
	}
	fprintf(stderr, "kennel: no command '%s'; '%s --help' lists them\n", name, program->name);
	return 2;
}
