/* Why: what a program that uses libkennel-analyse looks like; the test builds it against the installed header alone.
 *
 *     example PATH [SRC DST]      each finding on a line; then, with SRC and DST, why one reaches the other
 *     example --selftest          every function once, with what it must not do */
#include <kennel/analyse.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int fail(const struct kennel_error *error)
{
	fprintf(stderr, "example: %s (%d)\n", error->message, error->status);
	return 2;
}

static int print_as(struct kennel_answer *answer, const char *form)
{
	struct kennel_error error;
	size_t size;
	char *text = kennel_answer_write(answer, form, &size, &error);

	if (!text) {
		return fail(&error);
	}
	fwrite(text, 1, size, stdout);
	kennel_text_free(text);
	return 0;
}

static int print_findings(struct kennel_input *in)
{
	struct kennel_error error;
	struct kennel_check_options options = { 0 };
	struct kennel_answer *answer;

	options.size = sizeof(options);
	options.least = KENNEL_WARN;
	answer = kennel_check(in, &options, &error);
	if (!answer) {
		return fail(&error);
	}
	for (size_t i = 0; i < kennel_answer_n_findings(answer); i++) {
		const struct kennel_finding *f = kennel_answer_finding(answer, i);

		printf("%s:%u:%u: %s %s/%s: %s [%s]\n", f->place.file, (unsigned)f->place.line,
		       (unsigned)f->place.column, f->place.kind, f->place.space, f->place.name,
		       f->cause, f->id);
		for (size_t j = 0; j < f->n_evidence; j++) {
			printf("    %s %s: %s\n", f->evidence[j]->place.kind,
			       f->evidence[j]->place.name, f->evidence[j]->text);
		}
	}
	kennel_answer_free(answer);
	return 0;
}

static int explain(struct kennel_input *in, const char *source, const char *destination)
{
	struct kennel_error error;
	struct kennel_answer *answer = kennel_explain(in, source, destination, &error);
	int r;

	if (!answer) {
		return fail(&error);
	}
	r = print_as(answer, "text");
	printf("%s\n", kennel_answer_is_fine(answer) ? "it reaches" : "it does not reach");
	kennel_answer_free(answer);
	return r;
}

/* ---- selftest ---- */

static int n_bad, n_tests;

static void expect(int fine, const char *what)
{
	printf("%sok %d - %s\n", fine ? "" : "not ", ++n_tests, what);
	n_bad += !fine;
}

static const char manifests[] =
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n"
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n"
	"spec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: "
	"web}}\n"
	"    spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}\n---\n"
	"apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
	"spec:\n  selector: {app: wbe}\n  ports: [{port: 80, targetPort: 8080}]\n";
static const char denial[] = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
			     "metadata: {name: deny, namespace: shop}\nspec: {podSelector: {}, "
			     "policyTypes: [Ingress]}\n";

static struct kennel_input *input_of(const char *more)
{
	struct kennel_error error;
	struct kennel_input *in = kennel_input_new(NULL, &error);

	expect(in && kennel_input_add_text(in, "shop.yaml", manifests, strlen(manifests), &error) ==
	                       0,
	       "text is taken in");
	if (more) {
		expect(kennel_input_add_text(in, "more.yaml", more, strlen(more), &error) == 0,
		       "more text is taken in");
	}
	return in;
}

static void forms_of(struct kennel_answer *answer, const char *what)
{
	const char *form;

	expect(answer != NULL, what);
	for (unsigned i = 0; answer && (form = kennel_answer_form(answer, i)); i++) {
		size_t size = 0;
		char *text = kennel_answer_write(answer, form, &size, NULL);

		expect(text && size == strlen(text) && (size > 0 || strcmp(form, "csv") == 0),
		       form);
		kennel_text_free(text);
	}
}

static void refusals(struct kennel_input *in)
{
	struct kennel_error error = { 0, "" };
	struct kennel_answer *answer = kennel_check(in, NULL, &error);

	expect(!kennel_answer_write(answer, "pdf", NULL, &error) &&
	               error.status == KENNEL_ERROR_USAGE && strstr(error.message, "sarif"),
	       "a form that is not there is refused with those that are");
	kennel_answer_free(answer);
	expect(kennel_input_add_text(in, "late", "", 0, &error) == KENNEL_ERROR_USAGE,
	       "nothing is added after a question");
	expect(!kennel_explain(in, "web", "wbe", &error) && error.status < 0 && error.message[0],
	       "a name that is not there is refused with a sentence");
	expect(!kennel_input_new("mars", &error) && strstr(error.message, "eks"),
	       "a profile that is not there is refused with those that are");
	expect(!kennel_graph(in, "nowhere", NULL), "a failure needs no place to be told");
	expect(!kennel_verify(in, "e.yaml", "flows: 3", 8, &error) &&
	               strstr(error.message, "e.yaml:1"),
	       "expectations that are wrong are told with their place");
}

/* Inputs of their own may be used at the same time. */
static void *check_alone(void *arg)
{
	size_t *n_wrong = arg;

	for (int i = 0; i < 20; i++) {
		struct kennel_input *in = kennel_input_new(NULL, NULL);
		struct kennel_answer *answer;
		char *text;

		(void)kennel_input_add_text(in, "shop.yaml", manifests, strlen(manifests), NULL);
		answer = kennel_check(in, NULL, NULL);
		text = kennel_answer_write(answer, "sarif", NULL, NULL);
		*n_wrong += kennel_answer_n_findings(answer) != 1 || !strstr(text, "SVC001");
		kennel_text_free(text);
		kennel_answer_free(answer);
		kennel_input_free(in);
	}
	return NULL;
}

static void threads(void)
{
	enum { THREADS = 4 };
	pthread_t all[THREADS];
	size_t n_wrong[THREADS] = { 0 }, sum = 0;

	for (int i = 0; i < THREADS; i++) {
		expect(pthread_create(&all[i], NULL, check_alone, &n_wrong[i]) == 0,
		       "a thread begins");
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(all[i], NULL);
		sum += n_wrong[i];
	}
	expect(sum == 0, "threads with inputs of their own do not meet");
}

static int selftest(void)
{
	static const char wish[] =
		"flows: [{from: shop/web, to: shop/web, port: 8080, expect: allow}]";
	struct kennel_error error;
	struct kennel_input *before = input_of(NULL), *after = input_of(denial), *broken;
	struct kennel_answer *answer;
	char *catalogue = kennel_catalogue_write("markdown", NULL, &error);

	expect(kennel_analyse_api() == KENNEL_ANALYSE_API, "header and library are one");
	expect(strchr(kennel_analyse_version(), '.') != NULL, "the library has a version");
	expect(catalogue && strstr(catalogue, "SVC001"), "there is a catalogue");
	kennel_text_free(catalogue);

	answer = kennel_check(before, NULL, &error);
	expect(kennel_answer_n_findings(answer) == 1 && !kennel_answer_is_fine(answer),
	       "the typo is the one finding");
	if (kennel_answer_n_findings(answer)) {
		const struct kennel_finding *f = kennel_answer_finding(answer, 0);

		expect(strcmp(f->id, "SVC001") == 0 && f->severity == KENNEL_ERROR &&
		               f->certainty == KENNEL_EXACT,
		       "it is SVC001");
		expect(strcmp(f->place.file, "shop.yaml") == 0 && f->place.line == 18 &&
		               strcmp(f->place.kind, "Service") == 0 &&
		               strcmp(f->field, "spec.selector.app") == 0,
		       "it knows its place");
		expect(f->n_evidence > 0 && strcmp(f->evidence[0]->place.name, "web") == 0,
		       "it has evidence");
	}
	expect(kennel_answer_finding(answer, 1) == NULL, "past the end there is none");
	forms_of(answer, "check");
	{
		size_t size;
		char *report = kennel_answer_write(answer, "json", &size, &error);
		struct kennel_check_options options = { sizeof(options), KENNEL_INFO, report,
			                                size };
		struct kennel_answer *again = kennel_check(before, &options, &error);

		expect(again && kennel_answer_is_fine(again), "what the baseline tells is known");
		kennel_answer_free(again);
		kennel_text_free(report);
	}
	kennel_answer_free(answer);

	answer = kennel_explain(before, "internet", "deployment/web:8080", &error);
	forms_of(answer, "explain");
	kennel_answer_free(answer);
	answer = kennel_matrix(before, "shop/web", NULL, &error);
	forms_of(answer, "matrix");
	kennel_answer_free(answer);
	answer = kennel_graph(before, "shop", &error);
	forms_of(answer, "graph");
	kennel_answer_free(answer);
	answer = kennel_verify(before, "wish.yaml", wish, strlen(wish), &error);
	expect(answer && kennel_answer_is_fine(answer), "the wish is met");
	forms_of(answer, "verify");
	kennel_answer_free(answer);
	answer = kennel_verify(after, "wish.yaml", wish, strlen(wish), &error);
	expect(answer && !kennel_answer_is_fine(answer), "... and no more after the denial");
	kennel_answer_free(answer);
	answer = kennel_diff(before, after, &error);
	expect(kennel_answer_closes(answer) && !kennel_answer_opens(answer), "the denial closes");
	forms_of(answer, "diff");
	kennel_answer_free(answer);
	refusals(before);
	threads();

	broken = input_of("kind: [\n");
	expect(kennel_input_n_problems(broken) == 1 &&
	               strncmp(kennel_input_problem(broken, 0), "more.yaml:", 10) == 0,
	       "what cannot be read is told");
	expect(kennel_input_n_objects(broken) == 3 && !kennel_input_problem(broken, 1),
	       "... and the rest is there");
	kennel_input_free(broken);
	kennel_input_free(after);
	kennel_input_free(before);
	kennel_input_free(NULL);
	kennel_answer_free(NULL);
	kennel_text_free(NULL);
	printf("1..%d\n", n_tests);
	return n_bad > 0;
}

int main(int argc, char **argv)
{
	struct kennel_error error;
	struct kennel_input *in;
	int r;

	if (argc == 2 && strcmp(argv[1], "--selftest") == 0) {
		return selftest();
	}
	if (argc != 2 && argc != 4) {
		fprintf(stderr, "example PATH [SRC DST]\n");
		return 2;
	}
	in = kennel_input_new(NULL, &error);
	r = in && kennel_input_add_path(in, argv[1], &error) == 0 ? 0 : fail(&error);
	if (r == 0) {
		r = argc == 4 ? explain(in, argv[2], argv[3]) : print_findings(in);
	}
	kennel_input_free(in);
	return r;
}
