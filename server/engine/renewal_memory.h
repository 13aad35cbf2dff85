/* What is remembered between the steps of a renewal's plan: the column `renewal` of a certificate.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_RENEWAL_MEMORY_H
#define CERTWRIGHT_SERVER_ENGINE_RENEWAL_MEMORY_H

#include <stdint.h>

/* Times are wall time in ms, 0 where there is none. */
struct renewal_memory {
    int64_t window_start; /* the CA's suggestion */
    int64_t window_end;
    char *explanation_url; /* the CA's page on it; NULL */
    int64_t asked_at;      /* the CA, for the last time */
    int64_t ask_again_at;
    char *error; /* why the last question had no answer; NULL */
};

/* json NULL, or of another version: all zeros. */
void renewal_memory_read(const char *json, int64_t version, struct renewal_memory *out);
/* The caller frees. */
char *renewal_memory_write(const struct renewal_memory *memory, int64_t version);
void renewal_memory_finish(struct renewal_memory *memory);

#endif
