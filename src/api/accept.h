/* What: what a client takes as an answer (RFC 9110 12.5.1), and what of it we serve. Pure. */
#pragma once

#include "base/slice.h"

enum form {
	FORM_OBJECT,  /* the object or list itself */
	FORM_TABLE,   /* meta.k8s.io Table */
	FORM_PARTIAL, /* PartialObjectMetadata, or a list of them */
};

struct wanted {
	enum form form;
	const char *meta_version; /* "meta.k8s.io/v1" or "meta.k8s.io/v1beta1" */
	bool is_yaml, is_pretty;
};

/* The first clause, by q and then position, that can be served. An empty header takes JSON. False:
 * nothing fits (406). has_views: tables and metadata alone are served too. */
bool accept_choose(struct slice header, bool has_views, struct wanted *ret);
/* The version of aggregated discovery that is asked for: "v2", "v2beta1", or null: plain JSON. */
const char *accept_discovery(struct slice header);
/* Does any clause name that media type (or one that stands for all when 'or_any')? */
bool accept_has(struct slice header, const char *type, bool or_any);
