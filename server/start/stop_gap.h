/* What a TLS listener shows until its certificate is there: a key of this process alone, signed by
   itself. Clients cannot verify it, but can pin the key, which the log tells. */
#ifndef CERTWRIGHT_SERVER_START_STOP_GAP_H
#define CERTWRIGHT_SERVER_START_STOP_GAP_H

#include "acme/base/error.h"
#include "acme/key.h"

/* The caller frees both. */
int stop_gap_make(struct key **key, char **pem, struct err *e);

/* "sha256//BASE64", as `curl --pinnedpubkey` takes it; the caller frees. */
int stop_gap_pin(const struct key *key, char **out, struct err *e);

#endif
