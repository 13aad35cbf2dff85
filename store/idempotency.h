/*
 * Requests that were made with an Idempotency-Key, for 24 hours: the same one again is answered
 * with the job of the first. Bodies are kept as a keyed hash only.
 */
#ifndef CERTWRIGHT_STORE_IDEMPOTENCY_H
#define CERTWRIGHT_STORE_IDEMPOTENCY_H

#include "acme/base/ulid.h"
#include "store/store.h"

struct idempotency {
    const char *scope; /* who asks, method and path */
    const char *key;
    const char *body; /* fingerprint of the body */
};

/* Whether there was such a request; job gets its job. ERR_INVALID if it had another body. */
int idempotency_find(struct store_tx *tx, const struct idempotency *request, char job[ULID_SIZE],
                     bool *found, struct err *e);

/* Remembers it, and forgets those of more than 24 hours ago. */
int idempotency_put(struct store_tx *tx, const struct idempotency *request, const char *job,
                    struct err *e);

#endif
