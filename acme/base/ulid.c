#include "acme/base/ulid.h"

#include <ctype.h>
#include <openssl/rand.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void ulid_make(int64_t now_ms, char out[ULID_SIZE])
{
    unsigned char random[16];
    if (RAND_bytes(random, sizeof random) != 1)
        abort();
    uint64_t time = (uint64_t)now_ms;
    for (int i = 9; i >= 0; i--, time >>= 5)
        out[i] = alphabet[time & 31];
    for (int i = 0; i < 16; i++)
        out[10 + i] = alphabet[random[i] & 31];
    out[ULID_SIZE - 1] = '\0';
}

bool ulid_is(const char *text)
{
    if (strlen(text) != ULID_SIZE - 1 || text[0] > '7')
        return false;
    for (; *text; text++)
        if (!strchr(alphabet, toupper((unsigned char)*text)))
            return false;
    return true;
}
