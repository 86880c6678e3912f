/* What: the peer of the store's writes: plain SQLite with the same durability. */
#pragma once

#include <stddef.h>

/* Seconds that n inserts of 'size' bytes took, 'batch' to a transaction, into a new file. */
double peer_insert_s(const char *path, size_t n, size_t batch, size_t size);
