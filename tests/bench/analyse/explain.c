/* Why: how long one explanation takes once the objects are read: the first, which makes the model and reads the values,
 * and the following ones. bench-explain NAME PATH SRC DST */
#include <stdio.h>
#include <stdlib.h>

#include "analyse/explain.h"
#include "base/clock.h"
#include "manifest/manifest.h"

enum { ROUNDS = 200 };

static void fail(const struct err *err)
{
	fprintf(stderr, "%s\n", err->msg);
	exit(1);
}

static int by_size(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int64_t explain_once(struct subject *s, char **argv)
{
	scoped_strbuf struct strbuf out = { 0 };
	int64_t start = clock_mono_us();
	struct explanation x = { 0 };
	struct err err = { 0 };

	if (explain_make(s, slice_of(argv[3]), slice_of(argv[4]), &x, &err) < 0) {
		fail(&err);
	}
	explain_text(&out, &x, &(struct explain_style){ 0 });
	explanation_fini(&x);
	return clock_mono_us() - start;
}

int main(int argc, char **argv)
{
	struct manifests m;
	struct err err = { 0 };
	struct subject *s;
	int64_t first, took[ROUNDS];

	if (argc != 5) {
		fprintf(stderr, "bench-explain NAME PATH SRC DST\n");
		return 2;
	}
	manifests_init(&m, NULL);
	if (manifests_read(&m, argv[2], &err) < 0) {
		fail(&err);
	}
	s = subject_new(profile_default());
	for (size_t i = 0; i < m.all.n; i++) {
		subject_add(s, m.all.at[i].file, m.all.at[i].object);
	}
	subject_ready(s);
	first = explain_once(s, argv);
	for (int i = 0; i < ROUNDS; i++) {
		took[i] = explain_once(s, argv);
	}
	qsort(took, ROUNDS, sizeof(*took), by_size);
	printf("explain_%s_first %.3f ms\n", argv[1], (double)first / 1000);
	printf("explain_%s %.3f ms\n", argv[1], (double)took[ROUNDS / 2] / 1000);
	subject_free(s);
	manifests_fini(&m);
	return 0;
}
