/* Why: `kennel image ...`: puts images into an instance's store, with or without a running
 * instance. */
#include <getopt.h>
#include <inttypes.h>

#include "base/mem.h"
#include "codec/json.h"
#include "node/image.h"

static const char USAGE[] = "usage: kennel image load [--home DIR] [--name NAME] ARCHIVE|DIR...\n"
			    "       kennel image pull [--home DIR] [--authfile FILE] NAME...\n"
			    "       kennel image ls   [--home DIR] [-o text|json]\n"
			    "       kennel image rm   [--home DIR] NAME...\n";

struct options {
	const char *home, *name, *authfile;
	bool json;
};

static int fail(const struct err *err)
{
	fprintf(stderr, "kennel image: %s\n", err->msg);
	return err_code_exit(err->code);
}

static void print_one(void *arg, const struct image *i)
{
	(void)arg;
	val_for_each (i->names, it) {
		printf("%-60s %.12s %8.1f MB\n", val_cstr(it), i->id, (double)i->size / 1e6);
	}
	if (val_len(i->names) == 0) {
		printf("%-60s %.12s %8.1f MB\n", "<none>", i->id, (double)i->size / 1e6);
	}
}

static void add_one(void *arg, const struct image *i)
{
	struct doc *d = arg;
	struct val *v = val_append(d->root, val_new_object(&d->arena));

	val_set_cstr(&d->arena, v, "id", i->id);
	val_set(&d->arena, v, "names", val_copy(&d->arena, i->names));
	val_set_int(&d->arena, v, "size", i->size);
}

static int list(struct image_store *s, const struct options *o)
{
	if (o->json) {
		scoped_doc struct doc *d = doc_new();
		scoped_strbuf struct strbuf text = { 0 };

		d->root = val_new_array(&d->arena);
		image_store_each(s, add_one, d);
		json_write_pretty(&text, d->root);
		puts(strbuf_str(&text));
		return 0;
	}
	printf("%-60s %-12s %11s\n", "NAME", "ID", "SIZE");
	image_store_each(s, print_one, NULL);
	return 0;
}

static int each_argument(struct image_store *s, const char *verb, char **args,
                         const struct options *o)
{
	struct err err = { 0 };

	for (; *args; args++) {
		scoped_strbuf struct strbuf loaded = { 0 };
		int r;

		if (strcmp(verb, "load") == 0) {
			r = image_store_load(s, *args, o->name, &loaded, &err);
		} else if (strcmp(verb, "pull") == 0) {
			r = image_store_pull(s, *args, o->authfile, &err);
		} else {
			r = image_store_remove(s, *args, &err);
		}
		if (r < 0) {
			return fail(&err);
		}
		fputs(strbuf_str(&loaded), stdout);
	}
	return 0;
}

int image_main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "home", required_argument, NULL, 'H' },
		{ "name", required_argument, NULL, 'n' },
		{ "authfile", required_argument, NULL, 'a' },
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options o = { .home = "/var/lib/kennel" };
	struct image_store *s = NULL;
	struct err err = { 0 };
	const char *verb;
	int c, status;

	optind = 1;
	while ((c = getopt_long(argc, argv, "o:h", longs, NULL)) != -1) {
		switch (c) {
		case 'H':
			o.home = optarg;
			break;
		case 'n':
			o.name = optarg;
			break;
		case 'a':
			o.authfile = optarg;
			break;
		case 'o':
			o.json = strcmp(optarg, "json") == 0;
			if (!o.json && strcmp(optarg, "text") != 0) {
				fprintf(stderr, "kennel image: -o takes text or json\n");
				return 2;
			}
			break;
		case 'h':
			fputs(USAGE, stdout);
			return 0;
		default:
			fputs(USAGE, stderr);
			return 2;
		}
	}
	verb = optind < argc ? argv[optind++] : "";
	if (strcmp(verb, "ls") != 0 &&
	    ((strcmp(verb, "load") != 0 && strcmp(verb, "pull") != 0 && strcmp(verb, "rm") != 0) ||
	     optind == argc)) {
		fputs(USAGE, stderr);
		return 2;
	}
	if (image_store_open(o.home, &s, &err) < 0) {
		return fail(&err);
	}
	status = strcmp(verb, "ls") == 0 ? list(s, &o) : each_argument(s, verb, argv + optind, &o);
	image_store_close(s);
	return status;
}
