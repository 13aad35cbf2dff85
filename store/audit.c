#include "store/audit.h"

#include "acme/base/buffer.h"
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "store/record.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEP_MAX = 500 };

/* ---- the chain ---- */

/* No value holds a line feed: they are names, paths and words that passed the gate. */
static void add_line(struct buf *text, const char *value)
{
    buf_printf(text, "%s\n", value ? value : "");
}

static int hash_of(int64_t n, const char *previous, const struct audit_note *note,
                   char out[AUDIT_HASH_SIZE], struct err *e)
{
    const char *const values[] = {note->request, note->principal, note->address, note->method,
                                  note->route,   note->resource,  note->job};
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    char at[CLOCK_RFC3339_SIZE];
    struct buf text = {0};
    clock_rfc3339(note->at, at);
    buf_printf(&text, "%s\n%" PRId64 "\n%s\n", previous, n, at);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        add_line(&text, values[i]);
    buf_printf(&text, "%d\n%s\n%" PRId64 "\n", note->status, note->code ? note->code : "",
               note->count);
    int done = EVP_Digest(text.data, text.size, digest, &size, EVP_sha256(), NULL);
    buf_finish(&text);
    if (done != 1 || 2 * size + 1 != AUDIT_HASH_SIZE)
        return err_set(e, ERR_CRYPTO, "An audit entry cannot be hashed.");
    for (unsigned int i = 0; i < size; i++)
        snprintf(out + 2 * (size_t)i, 3, "%02x", digest[i]);
    return 0;
}

/* The number and hash of the last entry, also when that was swept. */
static int read_tip(struct db *db, int64_t *n, char hash[AUDIT_HASH_SIZE], struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, "SELECT n, hash FROM audit_tip", "") < 0)
        return -1;
    int rc = db_next(row, e);
    if (rc > 0) {
        *n = db_int(row, 0);
        snprintf(hash, AUDIT_HASH_SIZE, "%s", db_text(row, 1));
    }
    db_row_finish(row);
    if (rc == 0)
        return err_set(e, ERR_STORE, "The audit trail has no end.");
    return rc < 0 ? -1 : 0;
}

int audit_add(struct store_tx *tx, const struct audit_note *note, struct err *e)
{
    struct db *db = store_tx_db(tx);
    int64_t n = 0;
    char previous[AUDIT_HASH_SIZE] = "";
    char hash[AUDIT_HASH_SIZE];
    if (read_tip(db, &n, previous, e) < 0 || hash_of(n + 1, previous, note, hash, e) < 0)
        return -1;
    if (db_run(db, NULL, e,
               "INSERT INTO audit (n, at, request, principal, address, method, route, resource,"
               " job, status, code, count, previous, hash)"
               " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
               "iitttttttititt", n + 1, note->at, note->request, note->principal, note->address,
               note->method, note->route, note->resource, note->job, (int64_t)note->status,
               note->code, note->count, previous, hash) < 0)
        return -1;
    return db_run(db, NULL, e, "UPDATE audit_tip SET n = ?1, hash = ?2", "it", n + 1, hash);
}

/* ---- reading ---- */

void audit_entry_finish(struct audit_entry *entry)
{
    free(entry->request);
    free(entry->principal);
    free(entry->address);
    free(entry->method);
    free(entry->route);
    free(entry->resource);
    free(entry->job);
    free(entry->code);
    *entry = (struct audit_entry){0};
}

static void read_entry(const struct db_row *row, void *out)
{
    struct audit_entry *entry = out;
    entry->n = db_int(row, 0);
    entry->at = db_int(row, 1);
    entry->request = db_text_copy(row, 2);
    entry->principal = db_text_copy(row, 3);
    entry->address = db_text_copy(row, 4);
    entry->method = db_text_copy(row, 5);
    entry->route = db_text_copy(row, 6);
    entry->resource = db_text_copy(row, 7);
    entry->job = db_text_copy(row, 8);
    entry->status = (int)db_int(row, 9);
    entry->code = db_text_copy(row, 10);
    entry->count = db_int(row, 11);
    snprintf(entry->previous, sizeof entry->previous, "%s", db_text(row, 12));
    snprintf(entry->hash, sizeof entry->hash, "%s", db_text(row, 13));
}

static void finish_entry(void *out)
{
    audit_entry_finish(out);
}

#define SELECT_ENTRIES                                                                             \
    "SELECT n, at, request, principal, address, method, route, resource, job, status, code,"       \
    " count, previous, hash FROM audit"                                                            \
    " WHERE n < ?1 AND at >= ?2"

/* One statement for all filters would keep the indexes from being used. '0' comes after '/', so
   that what begins with a path and a slash lies between. */
int audit_list(struct db *db, const struct audit_filter *filter, int64_t before, size_t limit,
               struct audit_entry **out, size_t *count, struct err *e)
{
    static const struct record_type type = {sizeof(struct audit_entry), read_entry, finish_entry};
    struct db_row *row;
    int rc;
    if (filter->resource)
        rc = db_query(db, &row, e,
                      SELECT_ENTRIES " AND (resource = ?3"
                                     " OR (resource > ?3 || '/' AND resource < ?3 || '0'))"
                                     " AND (?4 IS NULL OR principal = ?4)"
                                     " ORDER BY n DESC LIMIT ?5",
                      "iitti", before, filter->since, filter->resource, filter->principal,
                      (int64_t)limit);
    else if (filter->principal)
        rc = db_query(db, &row, e, SELECT_ENTRIES " AND principal = ?3 ORDER BY n DESC LIMIT ?4",
                      "iiti", before, filter->since, filter->principal, (int64_t)limit);
    else
        rc = db_query(db, &row, e, SELECT_ENTRIES " ORDER BY n DESC LIMIT ?3", "iii", before,
                      filter->since, (int64_t)limit);
    return rc < 0 ? -1 : record_list(row, &type, out, count, e);
}

/* ---- the end of what is too old ---- */

/* How far all are from before that time: the number of the last such one, 0 if there is none. */
static int find_end(struct db *db, int64_t before, int64_t *end, struct err *e)
{
    struct db_row *row;
    int rc;
    *end = 0;
    if (db_query(db, &row, e, "SELECT n, at FROM audit ORDER BY n LIMIT ?1", "i",
                 (int64_t)SWEEP_MAX) < 0)
        return -1;
    while ((rc = db_next(row, e)) > 0 && db_int(row, 1) < before)
        *end = db_int(row, 0);
    db_row_finish(row);
    return rc < 0 ? -1 : 0;
}

int audit_sweep(struct store_tx *tx, int64_t before, int64_t *swept, struct err *e)
{
    struct db *db = store_tx_db(tx);
    int64_t end;
    *swept = 0;
    if (find_end(db, before, &end, e) < 0)
        return -1;
    if (end == 0)
        return 0;
    /* Which allows their deletion. */
    if (db_run(db, NULL, e, "UPDATE audit_tip SET swept = ?1", "i", end) < 0)
        return -1;
    return db_run(db, swept, e, "DELETE FROM audit WHERE n <= ?1", "i", end);
}
