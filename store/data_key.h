/*
 * The data key's row: what the master key opens, and how another master key takes its place. While
 * it does, the row holds the data key under both, so that either opens the database, whatever
 * happens in between. What is sealed under the data key is not touched.
 */
#ifndef CERTWRIGHT_STORE_DATA_KEY_H
#define CERTWRIGHT_STORE_DATA_KEY_H

#include "store/store.h"

/*
 * Opens the data key, once the schema's version is known, with the master keys of options: 1 with
 * *seal and how; 0 if the database has none yet; -1, ERR_SEAL if neither opens either form.
 */
int data_key_open(struct db *db, int version, const struct store_options *options,
                  struct seal **seal, struct store_opening *opening, struct err *e);

/*
 * Lets another master key open the database as well; the one that opens it now becomes the former
 * one. ERR_CONFLICT while there is a former one already, unless it is the one in use.
 */
int data_key_wrap_again(struct store *store, struct store_tx *tx,
                        const unsigned char master[SEAL_KEY_SIZE], struct err *e);

/* Once that is committed, on the writer thread: the key that opened the store is no longer the only
   one that may be in place by now. */
void data_key_was_wrapped(struct store *store);

/* Whether there is a former master key that opens the database. */
int data_key_has_former(struct db *db, bool *has, struct err *e);

/* The former master key opens the database no longer. A store_fn; unused may be NULL. */
int data_key_forget_former(struct store_tx *tx, void *unused, struct err *e);

#endif
