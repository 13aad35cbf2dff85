/*
 * One database connection, whatever the database: statements, and the few things that drivers do
 * each in their own way (DDL and the claim of a job). Everything above this header is plain SQL
 * with ?1 … ?n, understood by every driver.
 *
 * A connection belongs to one thread at a time. Ids and cursors compare as bytes; times are int64_t
 * milliseconds UTC; booleans are 0 and 1.
 */
#ifndef CERTWRIGHT_STORE_DB_H
#define CERTWRIGHT_STORE_DB_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct db_row;
struct seal;

enum db_mode { DB_READER, DB_WRITER };

/* ---- statements; when the database refuses, ERR_STORE or ERR_STORE_FULL for what may pass,
   ERR_INTERNAL for a row that breaks the schema's rules ---- */

/*
 * Runs a statement that returns no rows; sql must be a string literal (statements are kept prepared
 * by address). types has a letter for each parameter: 't' const char * (NULL is SQL NULL),
 * 'i' int64_t (cast it!), 'b' const void * and size_t (NULL pointer is SQL NULL). changed, unless
 * NULL, gets the number of rows that were inserted, updated or deleted.
 */
int db_run(struct db *db, int64_t *changed, struct err *e, const char *sql, const char *types, ...);

/*
 * Starts a query, or a statement with RETURNING; such a one counts only once db_next has returned
 * 0. The parameters are copied. Then db_next until it returns 0 (end) or -1; db_row_finish always,
 * once. struct db_row *row; if (db_query(db, &row, e, SQL, "t", name) < 0) return -1; while ((rc =
 * db_next(row, e)) > 0) … db_row_finish(row);
 */
int db_query(struct db *db, struct db_row **row, struct err *e, const char *sql, const char *types,
             ...);
/* 1: a row, 0: no more, -1: e. */
int db_next(struct db_row *row, struct err *e);
void db_row_finish(struct db_row *row);

/* Columns from 0. Borrowed until the next db_next; NULL for SQL NULL. */
const char *db_text(const struct db_row *row, int column);
int64_t db_int(const struct db_row *row, int column); /* 0 for SQL NULL */
const void *db_blob(const struct db_row *row, int column, size_t *size);
bool db_is_null(const struct db_row *row, int column);
/* A copy that the caller frees; NULL for SQL NULL. */
char *db_text_copy(const struct db_row *row, int column);

/* Several reads that see one state. Not nested; pairs. Nothing to do on a write's connection, which
   is in a transaction anyway. */
int db_snapshot_begin(struct db *db, struct err *e);
void db_snapshot_end(struct db *db);

/* For sealed columns. Borrowed. */
const struct seal *db_seal(const struct db *db);

#endif
