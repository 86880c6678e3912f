/* What: the thread that writes batches, so that the loop does not wait for the disk.
 *
 * Threads: the thread touches the batch it was given and db_write's connection, nothing else.
 * Between writer_submit and the call of done (or writer_wait) the batch's changes, fold_to, result
 * and why belong to it; its waits stay the loop's. */
#pragma once

#include "loop/loop.h"
#include "store/db.h"

struct writer;
typedef void writer_done_fn(void *arg);
/* Failure: ERR_UNSUPPORTED on a loop without descriptors. done: on the loop, once a batch. */
MUST_USE int writer_new(struct loop *l, struct db *db, writer_done_fn *done, void *arg,
                        struct writer **ret, struct err *err);
struct writer *writer_free(struct writer *w); /* accepts null; waits for the batch in hand */
/* One batch at a time. */
void writer_submit(struct writer *w, struct batch *b);
/* Waits until the batch in hand is written; done will not be called for it. */
void writer_wait(struct writer *w);
