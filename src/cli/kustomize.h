/* What: a kustomization built by kubectl's own kustomize. */
#pragma once

#include "base/err.h"
#include "base/strbuf.h"

/* Appends the objects as text. Failure: kubectl is not there, or what it says. */
MUST_USE int kustomize_build(const char *folder, struct strbuf *out, struct err *err);
