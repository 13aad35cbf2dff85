#include "store/sqlite.h"

#include "acme/base/memory.h"
#include "store/claims.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STATEMENT_BUCKETS = 128, BUSY_TIMEOUT_MS = 5000 };

struct sqlite_db {
    struct db base;
    sqlite3 *handle;
    struct db_row *statements[STATEMENT_BUCKETS]; /* by the address of the literal */
};

/* A prepared statement. Two queries of one text may be open at once: then there are two of it. */
struct db_row {
    struct sqlite_db *db;
    sqlite3_stmt *statement;
    const char *sql;
    bool open;
    struct db_row *next;
};

/* Statements are kept by their text's address. */
static const char rollback_sql[] = "ROLLBACK";

static struct sqlite_db *sqlite_of(struct db *db)
{
    return (struct sqlite_db *)db;
}

/* What was to be written is at fault, and will be the next time. */
static bool is_fault_of_ours(int code)
{
    return code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH || code == SQLITE_TOOBIG ||
           code == SQLITE_RANGE;
}

/* What SQLite says of the last call. A full disk shows as an I/O error where a file is mapped. */
static int refused(const struct sqlite_db *db, struct err *e)
{
    int code = sqlite3_errcode(db->handle) & 0xff;
    int os = sqlite3_system_errno(db->handle);
    bool full = code == SQLITE_FULL || (code == SQLITE_IOERR && (os == ENOSPC || os == EDQUOT));
    enum err_code other = is_fault_of_ours(code) ? ERR_INTERNAL : ERR_STORE;
    return err_set(e, full ? ERR_STORE_FULL : other, "The database refuses: %s.",
                   sqlite3_errmsg(db->handle));
}

/* ---- statements ---- */

static struct db_row **bucket_of(struct sqlite_db *db, const char *sql)
{
    return &db->statements[((uintptr_t)sql >> 3) % STATEMENT_BUCKETS];
}

static int sqlite_prepare(struct db *base, const char *sql, struct db_row **row, struct err *e)
{
    struct sqlite_db *db = sqlite_of(base);
    struct db_row **bucket = bucket_of(db, sql);
    for (struct db_row *kept = *bucket; kept; kept = kept->next)
        if (kept->sql == sql && !kept->open) {
            kept->open = true;
            *row = kept;
            return 0;
        }
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL))
        return refused(db, e);
    struct db_row *made = mem_new(1, sizeof *made);
    *made = (struct db_row){
        .db = db, .statement = statement, .sql = sql, .open = true, .next = *bucket};
    *bucket = made;
    *row = made;
    return 0;
}

static int sqlite_bind_text(struct db_row *row, int index, const char *text, bool stays,
                            struct err *e)
{
    if (sqlite3_bind_text(row->statement, index, text, -1,
                          stays ? SQLITE_STATIC : SQLITE_TRANSIENT))
        return refused(row->db, e);
    return 0;
}

static int sqlite_bind_int(struct db_row *row, int index, int64_t value, struct err *e)
{
    if (sqlite3_bind_int64(row->statement, index, value))
        return refused(row->db, e);
    return 0;
}

static int sqlite_bind_blob(struct db_row *row, int index, const void *data, size_t size,
                            bool stays, struct err *e)
{
    if (sqlite3_bind_blob64(row->statement, index, data, size,
                            stays ? SQLITE_STATIC : SQLITE_TRANSIENT))
        return refused(row->db, e);
    return 0;
}

static int sqlite_next(struct db_row *row, struct err *e)
{
    int rc = sqlite3_step(row->statement);
    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : refused(row->db, e);
}

static const char *sqlite_text(const struct db_row *row, int column)
{
    return (const char *)sqlite3_column_text(row->statement, column);
}

static int64_t sqlite_integer(const struct db_row *row, int column)
{
    return sqlite3_column_int64(row->statement, column);
}

static const void *sqlite_blob(const struct db_row *row, int column, size_t *size)
{
    const void *data = sqlite3_column_blob(row->statement, column);
    *size = (size_t)sqlite3_column_bytes(row->statement, column);
    return data;
}

static bool sqlite_is_null(const struct db_row *row, int column)
{
    return sqlite3_column_type(row->statement, column) == SQLITE_NULL;
}

static void sqlite_reset(struct db_row *row)
{
    assert(row->open);
    sqlite3_reset(row->statement);
    sqlite3_clear_bindings(row->statement);
    row->open = false;
}

static int64_t sqlite_changes(struct db *db)
{
    return sqlite3_changes64(sqlite_of(db)->handle);
}

static int64_t sqlite_total_changes(struct db *db)
{
    return sqlite3_total_changes64(sqlite_of(db)->handle);
}

int sqlite_execute(struct db *db, const char *sql, struct err *e)
{
    struct db_row *row;
    if (sqlite_prepare(db, sql, &row, e) < 0)
        return -1;
    int rc;
    while ((rc = sqlite_next(row, e)) > 0)
        continue;
    sqlite_reset(row);
    return rc;
}

/* ---- transactions ---- */

/* A writer takes the lock at once: one that came later by upgrading could only be refused. */
static int sqlite_begin(struct db *db, struct err *e)
{
    return sqlite_execute(db, db->mode == DB_WRITER ? "BEGIN IMMEDIATE" : "BEGIN", e);
}

static int sqlite_commit(struct db *db, struct err *e)
{
    return sqlite_execute(db, "COMMIT", e);
}

static bool sqlite_in_transaction(struct db *db)
{
    return !sqlite3_get_autocommit(sqlite_of(db)->handle);
}

/* By a statement that is ready since the connection was opened: memory may be what is missing. */
static void sqlite_rollback(struct db *db)
{
    struct err ignored;
    if (sqlite_in_transaction(db))
        sqlite_execute(db, rollback_sql, &ignored);
}

/* SQLite rolls back by itself after some errors; a savepoint outside of a transaction would then
   quietly begin another one. */
static int expect_transaction(struct db *db, struct err *e)
{
    if (!sqlite_in_transaction(db))
        return err_set(e, ERR_STORE, "The database has ended the transaction.");
    return 0;
}

static int sqlite_savepoint(struct db *db, struct err *e)
{
    return expect_transaction(db, e) < 0 ? -1 : sqlite_execute(db, "SAVEPOINT write", e);
}

static int sqlite_release(struct db *db, struct err *e)
{
    return expect_transaction(db, e) < 0 ? -1 : sqlite_execute(db, "RELEASE write", e);
}

static int sqlite_rollback_to_savepoint(struct db *db, struct err *e)
{
    if (expect_transaction(db, e) < 0 || sqlite_execute(db, "ROLLBACK TO write", e) < 0)
        return -1;
    return sqlite_execute(db, "RELEASE write", e);
}

/* ---- connections ---- */

static void sqlite_close(struct db *base)
{
    struct sqlite_db *db = sqlite_of(base);
    if (!db)
        return;
    for (size_t i = 0; i < STATEMENT_BUCKETS; i++)
        while (db->statements[i]) {
            struct db_row *row = db->statements[i];
            db->statements[i] = row->next;
            sqlite3_finalize(row->statement);
            free(row);
        }
    int rc = sqlite3_close(db->handle);
    assert(rc == SQLITE_OK);
    (void)rc;
    free(db);
}

/* Made before SQLite makes it, since that goes by the umask; its other files take this one's mode.
   Never while a connection is open: closing a file ends SQLite's locks on it. */
static int make_private_file(const char *path, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return err_set(e, ERR_STORE, "Cannot open %s: %s.", path, strerror(errno));
    int rc = fchmod(fd, S_IRUSR | S_IWUSR);
    if (rc < 0)
        err_set(e, ERR_STORE, "Cannot make %s private: %s.", path, strerror(errno));
    close(fd);
    return rc;
}

void sqlite_set_defensive(struct db *base, bool defensive)
{
    struct sqlite_db *db = (struct sqlite_db *)base;
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, (int)defensive, NULL);
}

/* secure_delete: a destroyed key leaves no bytes. trusted_schema, defensive, no double-quoted
   strings: the file may have been in other hands. */
static int configure(struct sqlite_db *db, struct err *e)
{
    static const char *const settings[] = {
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        "PRAGMA secure_delete = ON",
        "PRAGMA trusted_schema = OFF",
        "PRAGMA temp_store = MEMORY",
        "PRAGMA cell_size_check = ON",
        "PRAGMA journal_size_limit = 67108864",
    };
    /* Every thread has a reader, each commit empties its cache, and the system keeps the file's
       pages anyway: so a small one (KiB, below zero) costs little time, and saves 2 MiB a thread.
     */
    static const char *const reader_settings[] = {
        "PRAGMA query_only = ON",
        "PRAGMA cache_size = -256",
    };
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    sqlite_set_defensive(&db->base, true);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (sqlite_execute(&db->base, settings[i], e) < 0)
            return -1;
    size_t count = sizeof reader_settings / sizeof *reader_settings;
    for (size_t i = 0; db->base.mode == DB_READER && i < count; i++)
        if (sqlite_execute(&db->base, reader_settings[i], e) < 0)
            return -1;
    struct db_row *rollback;
    if (sqlite_prepare(&db->base, rollback_sql, &rollback, e) < 0)
        return -1;
    sqlite_reset(rollback);
    return 0;
}

/* WAL stays with the file, so only the first writer of all changes anything here. */
static int use_wal(struct sqlite_db *db, struct err *e)
{
    struct db_row *row;
    if (sqlite_prepare(&db->base, "PRAGMA journal_mode = WAL", &row, e) < 0)
        return -1;
    int rc = sqlite_next(row, e);
    if (rc > 0 && strcmp(sqlite_text(row, 0), "wal") == 0)
        rc = 0;
    else if (rc >= 0)
        rc = err_set(e, ERR_STORE, "The data directory's file system cannot hold a WAL.");
    sqlite_reset(row);
    return rc;
}

/* Statistics of memory that nobody reads, under one mutex that each thread takes at each
   allocation: a fifth of the time of a POST. Refused, and left, in a process that used SQLite
   before. */
static void do_without_statistics(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int connect_to(struct sqlite_db *db, const char *path, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    pthread_once(&once, do_without_statistics);
    if (sqlite3_open_v2(path, &db->handle, flags, NULL)) {
        if (!db->handle)
            mem_exhausted();
        return refused(db, e);
    }
    if (configure(db, e) < 0)
        return -1;
    return db->base.mode == DB_WRITER ? use_wal(db, e) : 0;
}

static int sqlite_open(const char *directory, enum db_mode mode, struct db **out, struct err *e)
{
    struct sqlite_db *db = mem_new(1, sizeof *db);
    db->base.mode = mode;
    char *path = mem_printf("%s/certwright.db", directory);
    int rc = mode == DB_WRITER ? make_private_file(path, e) : 0;
    if (rc == 0)
        rc = connect_to(db, path, e);
    free(path);
    if (rc < 0)
        sqlite_close(&db->base);
    else
        *out = &db->base;
    return rc;
}

const struct db_driver sqlite_driver = {
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .schema_version = sqlite_schema_version,
    .migrate = sqlite_migrate,
    .check = sqlite_check,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .in_transaction = sqlite_in_transaction,
    .savepoint = sqlite_savepoint,
    .release = sqlite_release,
    .rollback_to_savepoint = sqlite_rollback_to_savepoint,
    .total_changes = sqlite_total_changes,
    .prepare = sqlite_prepare,
    .bind_text = sqlite_bind_text,
    .bind_int = sqlite_bind_int,
    .bind_blob = sqlite_bind_blob,
    .next = sqlite_next,
    .text = sqlite_text,
    .integer = sqlite_integer,
    .blob = sqlite_blob,
    .is_null = sqlite_is_null,
    .reset = sqlite_reset,
    .changes = sqlite_changes,
    .job_claim = claims_take_job,
    .job_unclaim = claims_drop_job,
    .job_lane_due = claims_lane_due,
};
