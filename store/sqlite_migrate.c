/* Brings a database to the schema of this program, and checks one. */
#include "store/sqlite.h"

int sqlite_schema_version(struct db *db, int *version, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, "PRAGMA user_version", "") < 0)
        return -1;
    int rc = db_next(row, e);
    int found = rc > 0 ? (int)db_int(row, 0) : 0;
    db_row_finish(row);
    if (rc < 0)
        return -1;
    if (found < 0 || found > SQLITE_SCHEMA_VERSION)
        return err_set(
            e, ERR_STORE,
            "The database has schema %d, made by a newer certwright; this one, %s, knows "
            "%d: start the newer one again, or go back to a backup from before it.",
            found, CERTWRIGHT_VERSION, SQLITE_SCHEMA_VERSION);
    *version = found;
    return 0;
}

/* PRAGMA takes no parameters. */
static int set_version(struct db *db, int version, struct err *e)
{
    static const char *const statements[] = {"PRAGMA user_version = 1", "PRAGMA user_version = 2",
                                             "PRAGMA user_version = 3"};
    _Static_assert(sizeof statements / sizeof *statements == SQLITE_SCHEMA_VERSION,
                   "each migration has its number");
    return sqlite_execute(db, statements[version - 1], e);
}

static int run_migration(struct db *db, int version, struct err *e)
{
    if (store_driver->begin(db, e) < 0)
        return -1;
    int rc = 0;
    for (const char *const *sql = sqlite_migrations[version - 1]; *sql && rc == 0; sql++)
        rc = sqlite_execute(db, *sql, e);
    if (rc == 0)
        rc = set_version(db, version, e);
    if (rc == 0)
        rc = store_driver->commit(db, e);
    if (rc < 0)
        store_driver->rollback(db);
    return rc;
}

int sqlite_migrate(struct db *db, struct err *e)
{
    int version;
    if (sqlite_schema_version(db, &version, e) < 0)
        return -1;
    int rc = 0;
    sqlite_set_defensive(db, false);
    while (version < SQLITE_SCHEMA_VERSION && rc == 0)
        rc = run_migration(db, ++version, e);
    sqlite_set_defensive(db, true);
    return rc < 0 ? err_prefix(e, "Migration to schema %d: ", version) : 0;
}

/* Fails with the first line that the check has to say; none, or "ok", is sound. */
static int check_with(struct db *db, const char *sql, const char *what, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, sql, "") < 0)
        return -1;
    int rc = db_next(row, e);
    if (rc > 0) {
        const char *found = db_text(row, 0);
        rc = found && found[0] == 'o' && found[1] == 'k' && !found[2]
                 ? 0
                 : err_set(e, ERR_STORE, "%s %s.", what, found ? found : "NULL");
    }
    db_row_finish(row);
    return rc;
}

int sqlite_check(struct db *db, struct err *e)
{
    if (check_with(db, "PRAGMA integrity_check(1)", "The database is damaged:", e) < 0)
        return -1;
    return check_with(db, "PRAGMA foreign_key_check", "A reference leads nowhere in table", e);
}
