/* Why: manifests come in as text or files and stay as long as anything is asked about them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "library/library-priv.h"

unsigned kennel_analyse_api(void)
{
	return KENNEL_ANALYSE_API;
}

const char *kennel_analyse_version(void)
{
	return KENNEL_VERSION;
}

static enum kennel_status status_of(enum err_code code)
{
	switch (code) {
	case ERR_USAGE:
		return KENNEL_ERROR_USAGE;
	case ERR_NOTFOUND:
		return KENNEL_ERROR_NOT_FOUND;
	case ERR_SYNTAX:
	case ERR_INVALID:
		return KENNEL_ERROR_SYNTAX;
	case ERR_LIMIT:
		return KENNEL_ERROR_LIMIT;
	case ERR_IO:
	case ERR_FORBIDDEN:
		return KENNEL_ERROR_IO;
	case ERR_UNSUPPORTED:
		return KENNEL_ERROR_UNSUPPORTED;
	default:
		return KENNEL_ERROR_OTHER;
	}
}

int error_give(struct kennel_error *error, const struct err *err)
{
	enum kennel_status status = status_of(err->code);

	if (error) {
		error->status = status;
		snprintf(error->message, sizeof(error->message), "%s", err->msg);
	}
	return status;
}

const char *kennel_profile_name(unsigned i)
{
	const struct profile *p = profile_at(i);

	return p ? p->name : NULL;
}

struct kennel_input *kennel_input_new(const char *profile, struct kennel_error *error)
{
	struct err err = { 0 };
	const struct profile *p = profile_by_name(profile, &err);
	struct kennel_input *in;

	if (!p) {
		(void)error_give(error, &err);
		return NULL;
	}
	in = NEW(struct kennel_input);
	manifests_init(&in->manifests, NULL);
	in->profile = *p;
	in->subject = subject_new(&in->profile);
	return in;
}

void kennel_input_free(struct kennel_input *in)
{
	if (in) {
		subject_free(in->subject);
		manifests_fini(&in->manifests);
		free(in);
	}
}

static int closed(struct kennel_error *error)
{
	struct err err;

	(void)err_raise(&err, ERR_USAGE, "objects are added before the first question");
	return error_give(error, &err);
}

int kennel_input_add_text(struct kennel_input *in, const char *file, const char *text, size_t size,
                          struct kennel_error *error)
{
	struct err err = { 0 };

	if (in->ready) {
		return closed(error);
	}
	return manifests_read_text(&in->manifests, file, (struct slice){ text, size }, &err) < 0
	               ? error_give(error, &err)
	               : 0;
}

int kennel_input_add_path(struct kennel_input *in, const char *path, struct kennel_error *error)
{
	struct err err = { 0 };

	if (in->ready) {
		return closed(error);
	}
	return manifests_read(&in->manifests, path, &err) < 0 ? error_give(error, &err) : 0;
}

size_t kennel_input_n_problems(const struct kennel_input *in)
{
	return in->manifests.problems.n;
}

const char *kennel_input_problem(const struct kennel_input *in, size_t i)
{
	return i < in->manifests.problems.n ? in->manifests.problems.at[i] : NULL;
}

size_t kennel_input_n_objects(const struct kennel_input *in)
{
	return in->manifests.all.n;
}

void input_ready(struct kennel_input *in)
{
	if (in->ready) {
		return;
	}
	for (size_t i = 0; i < in->manifests.all.n; i++) {
		subject_add(in->subject, in->manifests.all.at[i].file,
		            in->manifests.all.at[i].object);
	}
	subject_ready(in->subject);
	in->ready = true;
}
