/* What: random bytes from the kernel. Pure code takes chance as an argument instead. */
#pragma once

#include <stddef.h>
#include <stdint.h>

void chance_bytes(void *to, size_t size);
uint32_t chance_u32(void);
#define UUID_TEXT_SIZE 37
const char *chance_uuid(char *buf); /* version 4, RFC 9562; returns buf */
/* n characters as generateName and pod suffixes have them ("bcdfghjklmnpqrstvwxz2456789"),
 * terminated; buf holds n + 1. */
const char *chance_suffix(char *buf, size_t n);
