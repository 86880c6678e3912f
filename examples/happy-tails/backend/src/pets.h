/* What: what other handlers must tell the pets. */
#pragma once

struct app;

/* A pet, or what is shown of it, changed: every cached list is stale. */
void pets_changed(struct app *app);
