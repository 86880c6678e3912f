/* What: what the files of family MESH share; the table is in check-mesh.c. */
#pragma once

#include "analyse/family.h"

/* check-mesh-route.c */
void mesh002(struct check *c);
void mesh003(struct check *c);
void mesh004(struct check *c);
void mesh008(struct check *c);
