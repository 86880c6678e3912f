/* What: feeds a model from YAML text; shared by the tests of this room. */
#pragma once

#include "codec/yaml.h"
#include "model/model.h"

struct feeding {
	struct model *m;
	bool remove;
};

static inline int feed_one(void *arg, struct val *root, struct err *err)
{
	struct feeding *f = arg;
	scoped_doc struct doc *d = doc_copy_of(root);

	(void)err;
	if (f->remove) {
		model_remove(f->m, d);
	} else {
		model_put(f->m, d);
	}
	return 0;
}

static inline void feed(struct model *m, const char *yaml, bool remove)
{
	scoped_arena struct arena a = { 0 };
	struct feeding f = { m, remove };
	struct err err = { 0 };

	if (yaml_parse_all(&a, slice_of(yaml), feed_one, &f, &err) != 0) {
		fail_msg("%s in:\n%s", err.msg, yaml);
	}
}

static inline void put(struct model *m, const char *yaml)
{
	feed(m, yaml, false);
}

static inline void drop(struct model *m, const char *yaml)
{
	feed(m, yaml, true);
}

static inline struct ip ip_of(const char *text)
{
	struct ip ip = { 0 };

	assert_true(ip_parse(slice_of(text), &ip));
	return ip;
}
