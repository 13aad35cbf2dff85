#include "acme/base/hash.h"

#include <string.h>

uint64_t hash_bytes(const char *bytes, size_t size, uint64_t seed)
{
    uint64_t hash = seed ^ 0xcbf29ce484222325U;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3U;
    hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93U;
    return hash ^ (hash >> 32);
}

uint64_t hash_text(const char *text, uint64_t seed)
{
    return hash_bytes(text, strlen(text), seed);
}
