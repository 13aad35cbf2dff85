/* Telling the CA which proofs are not needed any more. */
#ifndef CERTWRIGHT_SERVER_ENGINE_AUTHORIZATION_JOB_H
#define CERTWRIGHT_SERVER_ENGINE_AUTHORIZATION_JOB_H

#include "acme/base/ulid.h"
#include "store/store.h"

/* Inserts an "authorization.deactivate" for each order of the issue job, which ends, that may have
   left authorizations pending at the CA. */
int authorization_deactivate_plan(struct store_tx *tx, const char *job, struct err *e);

/* Once more for that order. */
int authorization_deactivate_again(struct store_tx *tx, const char *order, char id[ULID_SIZE],
                                   bool *existing, struct err *e);

#endif
