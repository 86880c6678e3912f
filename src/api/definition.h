/* What: CustomResourceDefinitions as the server keeps them: accepted names, conditions, the life of
 * the kinds they define. */
#pragma once

#include "schema/kind.h"
#include "store/store.h"

struct api;

/* Status and finalizer of a definition before it is stored; other kinds are left alone. */
void definition_prepare(struct api *api, struct arena *a, const struct kind *k, struct val *object,
                        const struct val *old);
/* A committed change: kinds come and go with their definitions; a definition that is being deleted
 * takes its objects along. */
void definition_changed(struct api *api, const struct store_event *e);
