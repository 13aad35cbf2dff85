/* Rows as structs: what the concepts' files share. Private to the store. */
#ifndef CERTWRIGHT_STORE_RECORD_H
#define CERTWRIGHT_STORE_RECORD_H

#include "store/db.h"

/* How a row of a concept's SELECT becomes its struct. */
struct record_type {
    size_t size;
    void (*read)(const struct db_row *row, void *out); /* out is zeroed */
    void (*finish)(void *out);
};

/* Both finish the row, and run the query to its end. */

/* At most one row: 1 with *out, 0 if there is none, -1. */
int record_load(struct db_row *row, const struct record_type *type, void *out, struct err *e);
/* All rows as an array. The caller finishes each item and frees *out. */
int record_list(struct db_row *row, const struct record_type *type, void *out, size_t *count,
                struct err *e);

/* The one integer of a query's only row: 1, 0 if there is none, -1. Finishes the row. */
int record_int(struct db_row *row, int64_t *out, struct err *e);

/* Whether a query by one name has a row. */
int record_exists(struct db *db, bool *exists, struct err *e, const char *sql, const char *name);

/*
 * ERR_IN_USE with what and the name, and the first of those that the query by that name finds:
 * their names are its only column. 0 if there are none. No more than about a thousand are read, so
 * the query should need no sort.
 */
int record_unused(struct db *db, struct err *e, const char *sql, const char *what,
                  const char *name);

/* ERR_NOT_FOUND: There is no WHAT "NAME". */
int record_missing(struct err *e, const char *what, const char *name);
int record_missing_id(struct err *e, const char *what, int64_t id);

/* For what must have found or changed a row: 0, or ERR_NOT_FOUND as above. */
int record_expect(int64_t rows, struct err *e, const char *what, const char *name);
int record_expect_id(int64_t rows, struct err *e, const char *what, int64_t id);

/* The index of an enum's stored word, or -1. */
int record_word(const char *word, const char *const words[], size_t count);

#endif
