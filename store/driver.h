/*
 * What a database driver supplies. One is chosen when the program is built; the conformance tests
 * (tests/unit/test_store_*.c) run against the headers above it, so that a second one runs them too.
 */
#ifndef CERTWRIGHT_STORE_DRIVER_H
#define CERTWRIGHT_STORE_DRIVER_H

#include "store/db.h"
#include "store/job.h"

/* What every driver's connection begins with. */
struct db {
    enum db_mode mode;
    const struct seal *seal; /* set by the store once the data key is open; borrowed */
};

struct db_driver {
    const char *name;

    /* A connection to the database in that folder, which a writer makes if there is none. */
    int (*open)(const char *directory, enum db_mode mode, struct db **out, struct err *e);
    void (*close)(struct db *db);

    /* DDL, on the writer's connection. The schema's version, 0 of an empty database; a newer one
       than this program's is ERR_STORE. Then bringing it to this program's. */
    int (*schema_version)(struct db *db, int *version, struct err *e);
    int (*migrate)(struct db *db, struct err *e);
    int (*check)(struct db *db, struct err *e);

    /* A writer's transaction, or a reader's snapshot. rollback is fine without a transaction. */
    int (*begin)(struct db *db, struct err *e);
    int (*commit)(struct db *db, struct err *e);
    void (*rollback)(struct db *db);
    bool (*in_transaction)(struct db *db);
    /* A second one lies within the first, and ends before it. Each fails if the database has ended
       the transaction by itself, as some do when the disk is full. */
    int (*savepoint)(struct db *db, struct err *e);
    int (*release)(struct db *db, struct err *e);
    int (*rollback_to_savepoint)(struct db *db, struct err *e);
    /* Rows changed on this connection so far, cascades counted: only ever compared. */
    int64_t (*total_changes)(struct db *db);

    /* A prepared statement for this literal, kept; and its parameters, columns, end. */
    int (*prepare)(struct db *db, const char *sql, struct db_row **row, struct err *e);
    int (*bind_int)(struct db_row *row, int index, int64_t value, struct err *e);
    /* stays: the bytes outlive the statement's run, so they need not be copied. */
    int (*bind_text)(struct db_row *row, int index, const char *text, bool stays, struct err *e);
    int (*bind_blob)(struct db_row *row, int index, const void *data, size_t size, bool stays,
                     struct err *e);
    int (*next)(struct db_row *row, struct err *e);
    const char *(*text)(const struct db_row *row, int column);
    int64_t (*integer)(const struct db_row *row, int column);
    const void *(*blob)(const struct db_row *row, int column, size_t *size);
    bool (*is_null)(const struct db_row *row, int column);
    void (*reset)(struct db_row *row);
    /* Rows that the last finished statement changed, cascades not counted. */
    int64_t (*changes)(struct db *db);

    /* See job_claim: with claims in memory, or with leases in the database. */
    int (*job_claim)(struct store *store, struct db *db, const char *lane, int64_t now,
                     struct job *out, bool *found, int64_t *next_due, struct err *e);
    void (*job_unclaim)(struct store *store, const char *id);
    int (*job_lane_due)(struct store *store, struct db *db, const char *lane, int64_t *due,
                        struct err *e);
};

extern const struct db_driver sqlite_driver;

/* The one that this program was built with. */
extern const struct db_driver *const store_driver;

#endif
