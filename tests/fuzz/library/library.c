/* Why: whatever manifests are handed in, every question gets an answer or a sentence, and every answer can be written in
 * every form: the whole way from foreign bytes to a report. */
#include <stdint.h>
#include <string.h>

#include "base/must.h"
#include "kennel/analyse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MOST = 16 << 10 }; /* larger ones only take longer */

static void finish(struct kennel_answer *answer, const struct kennel_error *error)
{
	const char *form;

	must(answer || (error->status < 0 && error->message[0]));
	for (unsigned i = 0; answer && (form = kennel_answer_form(answer, i)); i++) {
		size_t length;
		char *text = kennel_answer_write(answer, form, &length, NULL);

		must(text && strlen(text) <= length);
		kennel_text_free(text);
	}
	for (size_t i = 0; answer && i < kennel_answer_n_findings(answer); i++) {
		const struct kennel_finding *f = kennel_answer_finding(answer, i);

		must(f->id && f->cause[0] && f->place.file[0] && f->fingerprint[0] && f->repair);
	}
	kennel_answer_free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char wish[] = "flows: [{from: internet, to: every workload, expect: deny}]";
	static const char *const ends[][2] = { { "internet", "web" },
		                               { "browser", "https://shop.example.com/api" },
		                               { "web", "http://api:5000/" },
		                               { "web", "database" } };
	struct kennel_error error = { 0 };
	struct kennel_input *in, *none;

	if (size > SIZE_MOST) {
		return 0;
	}
	in = kennel_input_new(NULL, NULL);
	none = kennel_input_new("eks", NULL);
	must(kennel_input_add_text(in, "fuzz.yaml", (const char *)data, size, &error) == 0);
	finish(kennel_check(in, NULL, &error), &error);
	finish(kennel_matrix(in, NULL, NULL, &error), &error);
	finish(kennel_graph(in, NULL, &error), &error);
	finish(kennel_verify(in, "wish.yaml", wish, strlen(wish), &error), &error);
	finish(kennel_diff(none, in, &error), &error);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		finish(kennel_explain(in, ends[i][0], ends[i][1], &error), &error);
	}
	kennel_input_free(none);
	kennel_input_free(in);
	return 0;
}
