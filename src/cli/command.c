/* Why: one table of commands, one reader of options; see command.h. */
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ip-range.h"
#include "base/mem.h"

#ifndef KENNEL_VERSION
#define KENNEL_VERSION "unknown"
#endif

static const struct cli_command *const commands[] = { &cli_up,        &cli_down,   &cli_status,
	                                              &cli_check,     &cli_matrix, &cli_diff,
	                                              &cli_explain,   &cli_verify, &cli_graph,
	                                              &cli_kubeconfig };

/* Listed by --help beside the commands above; their own rooms run them (main.c). */
static const char *const elsewhere[][2] = {
	{ "image", "Load, list, pull and remove images of an instance" },
};

static const struct cli_option instance_options[] = {
	{ "name", 0, "NAME", "instance (default kennel); several run side by side" },
	{ "home", 0, "DIR", "its home folder (default /var/lib/kennel, /var/lib/kennel-NAME)" },
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

static void usage(FILE *out)
{
	fprintf(out,
	        "kennel %s: a Kubernetes application's whole network on one machine\n\n"
	        "Usage: kennel COMMAND [OPTION]...\n\n",
	        KENNEL_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
	}
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++) {
		fprintf(out, "  %-12s %s\n", elsewhere[i][0], elsewhere[i][1]);
	}
	fputs("\n'kennel COMMAND --help' tells more. Exit status: 0 ok, 1 the answer is no, 2 "
	      "usage or "
	      "environment.\n",
	      out);
}

static void print_options(const struct cli_option *o)
{
	for (; o && o->name; o++) {
		char text[64];

		snprintf(text, sizeof(text), "%s%c%s--%s%s%s", o->letter ? "-" : "",
		         o->letter ? o->letter : ' ', o->letter ? ", " : "   ", o->name,
		         o->argument ? " " : "", o->argument ? o->argument : "");
		printf("  %-28s %s\n", text, o->help);
	}
}

static void help(const struct cli_command *c)
{
	printf("%s\n\nUsage: kennel %s [OPTION]...%s%s\n\n", c->summary, c->name,
	       *c->words ? " " : "", c->words);
	if (c->details) {
		printf("%s\n\n", c->details);
	}
	print_options(c->options);
	if (c->takes_instance) {
		print_options(instance_options);
	}
	print_options(help_option);
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
		   *port = cli_value(p, "api-port", "0");
	uint64_t port_number;
	struct ip_ranges ranges;

	if (!name_is_valid(name)) {
		return err_raise(err, ERR_USAGE,
		                 "--name %s: 1 to 20 of a-z, 0-9 and '-', not first '-'", name);
	}
	if (!ip_ranges_parse(slice_of(edge), &ranges)) {
		return err_raise(err, ERR_USAGE,
		                 "--edge-address %s: not an IP address, range (A-B) or prefix",
		                 edge);
	}
	if (!slice_to_u64(slice_of(port), &port_number) || port_number > 65535) {
		return err_raise(err, ERR_USAGE, "--api-port %s: not a port (1 to 65535)", port);
	}
	*ret = (struct cli_instance){
		.name = name,
		.edge_address = edge,
		.api_port = (uint16_t)port_number,
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

int cli_main(int argc, char **argv, const struct cli_ops *ops)
{
	const char *name = argc > 1 ? argv[1] : "--help";
	struct err err = { 0 };

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		usage(stdout);
		return argc > 1 ? 0 : 2;
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
		printf("kennel %s\n", KENNEL_VERSION);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct cli_command *c = commands[i];
		struct cli_parsed p = { 0 };
		int status;

		if (strcmp(c->name, name) != 0) {
			continue;
		}
		if (parse(c, argc - 2, argv + 2, &p, &err) < 0) {
			status = cli_fail(&err);
		} else if (cli_has(&p, "help")) {
			help(c);
			status = 0;
		} else if (p.words.n && !*c->words) {
			(void)err_raise(&err, ERR_USAGE, "%s: what is '%s'? It takes options only",
			                c->name, p.words.at[0]);
			status = cli_fail(&err);
		} else {
			status = c->run(c, &p, ops);
		}
		vec_fini(&p.words);
		vec_fini(&p.options);
		vec_fini(&p.values);
		return status;
	}
	fprintf(stderr, "kennel: no command '%s'; 'kennel --help' lists them\n", name);
	return 2;
}
