/* Why: every class of failure that files can show has an example that fires it and one that nearly does, and the
 * page of the catalogue says what the program says. Speaks TAP.
 *
 *     test-analyse-checks checks/ docs/checks.md [ID...]
 *
 * An example may begin with comments:  # profile: NAME   the target's facts
 *                                      # cause: TEXT     the cause must contain it (fires*.yaml) */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/report.h"
#include "base/mem.h"
#include "cli/gather.h"

static unsigned n_tests, n_bad;

static void result(bool fine, const char *name, const char *why)
{
	printf("%sok %u - %s\n", fine ? "" : "not ", ++n_tests, name);
	if (!fine) {
		printf("#   %s\n", why);
		n_bad++;
	}
}

static void read_text(const char *path, struct strbuf *out)
{
	scoped_file FILE *f = fopen(path, "re");
	size_t n;

	while (f && (n = fread(strbuf_reserve(out, 4096), 1, 4096, f)) > 0) {
		strbuf_added(out, n);
	}
}

/* The value of a comment "# key: value" among the first lines; the caller frees. */
static char *header(const char *path, const char *key)
{
	scoped_strbuf struct strbuf text = { 0 };
	scoped_free char *start = mem_printf("# %s: ", key);
	struct slice rest, line;

	read_text(path, &text);
	rest = strbuf_slice(&text);
	while (slice_next(&rest, '\n', &line) && line.len && line.p[0] == '#') {
		if (slice_has_prefix(line, slice_of(start))) {
			return slice_dup(slice_trim(slice_from(line, strlen(start))));
		}
	}
	return NULL;
}

static void tell(const struct findings *found, struct strbuf *why)
{
	for (size_t i = 0; i < found->all.n; i++) {
		strbuf_addf(why, "; %s %s", found->all.at[i]->rule->id, found->all.at[i]->cause);
	}
}

static void judge(const struct rule *rule, const char *path, const struct findings *found,
                  bool fires)
{
	scoped_free char *cause = header(path, "cause");
	scoped_strbuf struct strbuf why = { 0 };
	size_t n = 0;
	bool said = !cause, placed = true;

	for (size_t i = 0; i < found->all.n; i++) {
		const struct finding *f = found->all.at[i];

		if (f->rule == rule) {
			n++;
			said = said || strstr(f->cause, cause);
			placed = placed && (f->at ? f->at->line : f->object->v->line) > 0;
		}
	}
	if (fires) {
		strbuf_addf(&why,
		            n ? !said ? "no cause has \"%s\"" : "a finding has no position (%s)"
		              : "does not fire (%s)",
		            cause ? cause : "");
	} else {
		strbuf_adds(&why, "fires");
	}
	tell(found, &why);
	result(fires ? n && said && placed : !n, path, strbuf_str(&why));
}

static void example(const struct rule *rule, const char *path, bool fires)
{
	scoped_free char *name = header(path, "profile");
	const struct profile *profile = name ? profile_find(slice_of(name)) : profile_default();
	struct findings_filter filter = { 0 };
	struct findings found = { 0 };
	struct gathered g = { 0 };
	struct err err = { 0 };

	if (!profile || gather_path(&g, path, profile, NULL, &err) < 0 || g.manifests.problems.n) {
		result(false, path,
		       !profile                 ? "no such profile"
		       : g.manifests.problems.n ? g.manifests.problems.at[0]
		                                : err.msg);
	} else {
		check_all(g.subject, &found);
		findings_finish(&found, g.subject, &filter);
		judge(rule, path, &found, fires);
	}
	findings_fini(&found);
	gathered_fini(&g);
}

static int visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void examples_of(const struct rule *rule, const char *folder)
{
	scoped_free char *own = mem_printf("%s/%s", folder, rule->id);
	struct dirent **names = NULL;
	int n = scandir(own, &names, visible, alphasort);
	unsigned fires = 0, near = 0;

	for (int i = 0; i < n; i++) {
		scoped_free char *path = mem_printf("%s/%s", own, names[i]->d_name);
		bool f = strncmp(names[i]->d_name, "fires", 5) == 0;

		fires += f;
		near += strncmp(names[i]->d_name, "near", 4) == 0;
		example(rule, path, f);
		free(names[i]);
	}
	free(names);
	result(fires && near, own,
	       fires ? "no near*.yaml: what nearly fires must be shown too" : "no fires*.yaml");
}

static bool is_asked_for(const struct rule *rule, int argc, char **argv)
{
	for (int i = 3; i < argc; i++) {
		if (strncmp(rule->id, argv[i], strlen(argv[i])) == 0) {
			return true;
		}
	}
	return argc <= 3;
}

static void every_profile_parses(void)
{
	for (unsigned i = 0; profile_at(i); i++) {
		struct subject *s = subject_new(profile_at(i));
		struct findings found = { 0 };

		subject_ready(s);
		check_all(s, &found);
		result(!found.all.n && subject_space(s, SLICE("kube-system")), profile_at(i)->name,
		       found.all.n ? found.all.at[0]->cause : "kube-system is missing");
		findings_fini(&found);
		subject_free(s);
	}
}

static void page_is_new(const char *path)
{
	scoped_strbuf struct strbuf page = { 0 }, now = { 0 };

	read_text(path, &page);
	catalogue_markdown(&now);
	result(slice_eq(strbuf_slice(&page), strbuf_slice(&now)), path,
	       "is not what 'kennel check --list -o markdown' prints; make it anew");
}

static void ids_are_distinct(void)
{
	scoped_map struct map seen = { 0 };

	rule_each(rule)
	{
		if (map_set(&seen, slice_of(rule->id), (void *)rule)) {
			result(false, rule->id, "this id is there twice");
		}
		if (strncmp(rule->id, (*rule_family)->prefix, strlen((*rule_family)->prefix)) !=
		            0 ||
		    !rule->title || !rule->symptom || !rule->cause || !rule->evidence ||
		    !rule->probe || !rule->fix || !rule->sources) {
			result(false, rule->id, "its entry has a gap, or stands in another family");
		}
	}
	result(seen.n > 0, "the catalogue", "is empty");
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: %s FOLDER PAGE [ID...]\n", argv[0]);
		return 2;
	}
	ids_are_distinct();
	every_profile_parses();
	page_is_new(argv[2]);
	rule_each(rule)
	{
		if (rule->check && is_asked_for(rule, argc, argv)) {
			examples_of(rule, argv[1]);
		}
	}
	printf("1..%u\n", n_tests);
	return n_bad ? 1 : 0;
}
