/* What: what the files of family CDN share; the table is in check-cdn.c. */
#pragma once

#include "analyse/family.h"

void cdn010(struct check *c); /* check-cdn-alias.c */
