#include "store/db.h"

#include "acme/base/memory.h"
#include "store/driver.h"

#include <assert.h>
#include <stdarg.h>

const struct db_driver *const store_driver = &sqlite_driver;

/* Binds the parameters that types describes, from ?1 on. */
static int bind_all(struct db_row *row, bool stays, struct err *e, const char *types, va_list args)
{
    int rc = 0;
    for (int i = 1; *types && rc == 0; types++, i++) {
        if (*types == 't') {
            rc = store_driver->bind_text(row, i, va_arg(args, const char *), stays, e);
        } else if (*types == 'i') {
            rc = store_driver->bind_int(row, i, va_arg(args, int64_t), e);
        } else {
            assert(*types == 'b');
            const void *data = va_arg(args, const void *);
            rc = store_driver->bind_blob(row, i, data, va_arg(args, size_t), stays, e);
        }
    }
    return rc;
}

static int start(struct db *db, struct db_row **row, bool stays, struct err *e, const char *sql,
                 const char *types, va_list args)
{
    struct db_row *started;
    if (store_driver->prepare(db, sql, &started, e) < 0)
        return -1;
    if (bind_all(started, stays, e, types, args) < 0) {
        store_driver->reset(started);
        return -1;
    }
    *row = started;
    return 0;
}

int db_run(struct db *db, int64_t *changed, struct err *e, const char *sql, const char *types, ...)
{
    struct db_row *row;
    va_list args;
    /* Some errors end a transaction, of reads too: what comes after must not stand alone. */
    if (!store_driver->in_transaction(db))
        return err_set(e, ERR_STORE, "The database has ended the transaction.");
    va_start(args, types);
    int rc = start(db, &row, true, e, sql, types, args);
    va_end(args);
    if (rc < 0)
        return -1;
    rc = store_driver->next(row, e);
    assert(rc <= 0);
    store_driver->reset(row);
    if (rc == 0 && changed)
        *changed = store_driver->changes(db);
    return rc;
}

int db_query(struct db *db, struct db_row **row, struct err *e, const char *sql, const char *types,
             ...)
{
    va_list args;
    va_start(args, types);
    int rc = start(db, row, false, e, sql, types, args);
    va_end(args);
    return rc;
}

int db_next(struct db_row *row, struct err *e)
{
    return store_driver->next(row, e);
}

void db_row_finish(struct db_row *row)
{
    store_driver->reset(row);
}

const char *db_text(const struct db_row *row, int column)
{
    return store_driver->text(row, column);
}

int64_t db_int(const struct db_row *row, int column)
{
    return store_driver->integer(row, column);
}

const void *db_blob(const struct db_row *row, int column, size_t *size)
{
    return store_driver->blob(row, column, size);
}

bool db_is_null(const struct db_row *row, int column)
{
    return store_driver->is_null(row, column);
}

char *db_text_copy(const struct db_row *row, int column)
{
    return mem_strdup(store_driver->text(row, column));
}

int db_snapshot_begin(struct db *db, struct err *e)
{
    return db->mode == DB_WRITER ? 0 : store_driver->begin(db, e);
}

void db_snapshot_end(struct db *db)
{
    if (db->mode == DB_READER)
        store_driver->rollback(db);
}

const struct seal *db_seal(const struct db *db)
{
    assert(db->seal);
    return db->seal;
}
