/* Sealed columns, and the places that bind each to its row. Private to the store. */
#ifndef CERTWRIGHT_STORE_SEALED_H
#define CERTWRIGHT_STORE_SEALED_H

#include "acme/key.h"
#include "store/db.h"

enum { SEALED_PLACE_SIZE = 256 };

/* "account/7/key", and of a version "version/7.2/key". */
void sealed_place(char out[SEALED_PLACE_SIZE], const char *table, int64_t id, const char *column);
void sealed_version_place(char out[SEALED_PLACE_SIZE], int64_t certificate_id, int64_t n);

/* Appends the key's sealed PKCS#8 to out. */
int sealed_key(const struct db *db, const char *place, const struct key *key, struct buf *out,
               struct err *e);

/*
 * Opens the key in a query's first column and finishes the row: 1 with *out, 0 if there is no row
 * or no key in it, -1.
 */
int sealed_key_open(const struct db *db, struct db_row *row, const char *place, struct key **out,
                    struct err *e);
/* The same of bytes, appended to out. */
int sealed_open(const struct db *db, struct db_row *row, const char *place, struct buf *out,
                struct err *e);

#endif
