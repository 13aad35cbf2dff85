/* A hash for tables in memory (FNV-1a, stirred so that all its bits depend on all bytes). Nothing
   that is stored or sent may depend on it. */
#ifndef CERTWRIGHT_ACME_BASE_HASH_H
#define CERTWRIGHT_ACME_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* seed: 0, or what strangers who choose the bytes cannot know. */
uint64_t hash_bytes(const char *bytes, size_t size, uint64_t seed);
uint64_t hash_text(const char *text, uint64_t seed);

#endif
