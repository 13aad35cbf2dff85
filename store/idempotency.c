#include "store/idempotency.h"

#include "acme/base/clock.h"

#include <stdio.h>
#include <string.h>

int idempotency_find(struct store_tx *tx, const struct idempotency *request, char job[ULID_SIZE],
                     bool *found, struct err *e)
{
    struct db_row *row;
    if (db_query(store_tx_db(tx), &row, e,
                 "SELECT job, body FROM idempotency WHERE scope = ?1 AND key = ?2 AND at > ?3",
                 "tti", request->scope, request->key, store_tx_now(tx) - CLOCK_DAY_MS) < 0)
        return -1;
    int rc = db_next(row, e);
    bool same = rc > 0 && !strcmp(db_text(row, 1), request->body);
    if (same)
        snprintf(job, ULID_SIZE, "%s", db_text(row, 0));
    db_row_finish(row);
    if (rc < 0)
        return -1;
    if (rc > 0 && !same)
        return err_set(e, ERR_INVALID, "This Idempotency-Key came with another body before.");
    *found = rc > 0;
    return 0;
}

int idempotency_put(struct store_tx *tx, const struct idempotency *request, const char *job,
                    struct err *e)
{
    int64_t now = store_tx_now(tx);
    if (db_run(store_tx_db(tx), NULL, e, "DELETE FROM idempotency WHERE at <= ?1", "i",
               now - CLOCK_DAY_MS) < 0)
        return -1;
    return db_run(store_tx_db(tx), NULL, e,
                  "INSERT INTO idempotency (scope, key, body, job, at) VALUES (?1, ?2, ?3, ?4, ?5)",
                  "tttti", request->scope, request->key, request->body, job, now);
}
