/* What the files of the SQLite driver share. Private to it. */
#ifndef CERTWRIGHT_STORE_SQLITE_H
#define CERTWRIGHT_STORE_SQLITE_H

#include "store/driver.h"

/* Runs one statement that has neither parameters nor rows that matter; sql is a literal. */
int sqlite_execute(struct db *db, const char *sql, struct err *e);

/* Whether the schema's own table is out of reach for SQL, as it is but for migrations. */
void sqlite_set_defensive(struct db *db, bool defensive);

/* ---- sqlite_schema.c ---- */

/* Each a list of statements that ends with NULL. */
enum { SQLITE_SCHEMA_VERSION = 3 };
extern const char *const *const sqlite_migrations[SQLITE_SCHEMA_VERSION];
extern const char *const sqlite_access_schema[]; /* sqlite_schema_access.c */
extern const char *const sqlite_totals_schema[]; /* sqlite_schema_totals.c */

/* ---- sqlite_migrate.c ---- */

int sqlite_schema_version(struct db *db, int *version, struct err *e);
int sqlite_migrate(struct db *db, struct err *e);
int sqlite_check(struct db *db, struct err *e);

#endif
