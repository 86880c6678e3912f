/* What: the schema, step by step, and the pets one sees first. */
#pragma once

#include <stdbool.h>

#include "db.h"

/* Brings the database to the present schema; replicas that start together take turns. False when
 * the database is away or a step fails: try again. */
bool migrations_run(struct db *db);
