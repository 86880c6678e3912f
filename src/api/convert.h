/* What: the same object under another version of its API. Pure. */
#pragma once

#include "schema/kind.h"

/* object as kind 'to' has it; itself when from and to are the same. In 'a', parts are shared with
 * the original. from and to share storage. */
const struct val *convert_object(struct arena *a, const struct kind *from, const struct kind *to,
                                 const struct val *object);
