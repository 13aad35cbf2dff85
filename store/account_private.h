/* What the files of accounts share. Private to the store. */
#ifndef CERTWRIGHT_STORE_ACCOUNT_PRIVATE_H
#define CERTWRIGHT_STORE_ACCOUNT_PRIVATE_H

#include "store/account.h"

/* Seals the key into the row, in the place of the one before, with all that is public of it. */
int account_put_key(struct store_tx *tx, int64_t id, const struct key *key, struct err *e);
int account_put_eab_key(struct db *db, int64_t id, const void *eab_key, size_t size, struct err *e);

#endif
