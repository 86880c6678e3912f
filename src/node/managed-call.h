/* What: one dialog (managed-dialog.h) with a managed server over its socket, on the loop. */
#pragma once

#include "loop/loop.h"
#include "node/managed-dialog.h"

struct managed_call;
/* why null: everything was said and answered. Called once, never from inside; the call is gone
 * then. */
typedef void managed_call_fn(void *arg, const struct err *why);
/* folder: holds server.sock; may be longer than a socket's path can be. statement: one to run,
 * copied; null: only log in. Takes at most 10 s. */
struct managed_call *managed_call_start(struct loop *l, const char *folder,
                                        enum managed_dialog_kind kind, struct slice statements,
                                        managed_call_fn *done, void *arg);
struct managed_call *managed_call_cancel(struct managed_call *c); /* forgets it; accepts null */
