#include "acme/base/memory.h"
#include "store/order.h"
#include "store/record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const step_names[] = {"new",     "chosen",    "announced", "presented",
                                         "visible", "responded", "valid",     "invalid"};

const char *authorization_step_name(enum authorization_step step)
{
    return step_names[step];
}

void authorization_finish(struct authorization *authorization)
{
    free(authorization->url);
    free(authorization->status);
    free(authorization->document);
    free(authorization->identifier_type);
    free(authorization->identifier_value);
    free(authorization->challenge_type);
    free(authorization->challenge_url);
    free(authorization->token);
    free(authorization->key_authorization);
    free(authorization->solver);
    free(authorization->record_name);
    free(authorization->record_zone);
    free(authorization->record_value);
    free(authorization->detail);
    free(authorization->error);
    *authorization = (struct authorization){0};
}

static enum authorization_step stored_step(const char *name)
{
    int step = record_word(name, step_names, sizeof step_names / sizeof *step_names);
    assert(step >= 0);
    return (enum authorization_step)step;
}

static void read_authorization(const struct db_row *row, void *out)
{
    struct authorization *authorization = out;
    int c = 0;
    memcpy(authorization->order, db_text(row, c++), ULID_SIZE);
    authorization->index = db_int(row, c++);
    authorization->url = db_text_copy(row, c++);
    authorization->step = stored_step(db_text(row, c++));
    authorization->status = db_text_copy(row, c++);
    authorization->document = db_text_copy(row, c++);
    authorization->identifier_type = db_text_copy(row, c++);
    authorization->identifier_value = db_text_copy(row, c++);
    authorization->wildcard = db_int(row, c++);
    authorization->challenge_type = db_text_copy(row, c++);
    authorization->challenge_url = db_text_copy(row, c++);
    authorization->token = db_text_copy(row, c++);
    authorization->key_authorization = db_text_copy(row, c++);
    authorization->solver = db_text_copy(row, c++);
    authorization->record_name = db_text_copy(row, c++);
    authorization->record_zone = db_text_copy(row, c++);
    authorization->record_value = db_text_copy(row, c++);
    authorization->detail = db_text_copy(row, c++);
    authorization->error = db_text_copy(row, c++);
}

static void finish_authorization(void *out)
{
    authorization_finish(out);
}

int authorization_list(struct db *db, const char *order, struct authorization **out, size_t *count,
                       struct err *e)
{
    static const struct record_type type = {sizeof(struct authorization), read_authorization,
                                            finish_authorization};
    struct db_row *row;
    if (db_query(db, &row, e,
                 "SELECT acme_order, idx, url, step, status, document, identifier_type,"
                 " identifier_value, wildcard, challenge_type, challenge_url, token,"
                 " key_authorization, solver, record_name, record_zone, record_value, detail, error"
                 " FROM authorization WHERE acme_order = ?1 ORDER BY idx",
                 "t", order) < 0)
        return -1;
    return record_list(row, &type, out, count, e);
}

/* The rows are read before fn is called: it may write to them. */
int authorization_pending_orders(struct db *db, const char *job,
                                 int (*fn)(void *context, const char *order, struct err *e),
                                 void *context, struct err *e)
{
    struct db_row *row;
    char(*orders)[ULID_SIZE] = NULL;
    size_t count = 0;
    if (db_query(db, &row, e,
                 "SELECT DISTINCT a.acme_order FROM acme_order o JOIN authorization a"
                 " ON a.acme_order = o.id WHERE o.job = ?1 AND a.step NOT IN ('valid', 'invalid')"
                 " AND (a.status IS NULL OR a.status = 'pending')",
                 "t", job) < 0)
        return -1;
    int rc;
    while ((rc = db_next(row, e)) > 0) {
        orders = mem_grow(orders, count + 1, sizeof *orders);
        memcpy(orders[count++], db_text(row, 0), ULID_SIZE);
    }
    db_row_finish(row);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = fn(context, orders[i], e);
    free(orders);
    return rc;
}

int authorization_is_shared(struct db *db, const struct authorization *authorization, bool *shared,
                            struct err *e)
{
    struct db_row *row;
    int64_t one;
    if (db_query(db, &row, e,
                 "SELECT 1 FROM job j JOIN acme_order o ON o.job = j.id"
                 " JOIN authorization a ON a.acme_order = o.id"
                 " WHERE j.finished_at = 0 AND o.id <> ?1 AND a.url = ?2 LIMIT 1",
                 "tt", authorization->order, authorization->url) < 0)
        return -1;
    int found = record_int(row, &one, e);
    if (found >= 0)
        *shared = found;
    return found < 0 ? -1 : 0;
}

int authorization_put(struct store_tx *tx, const struct authorization *authorization, struct err *e)
{
    return db_run(
        store_tx_db(tx), NULL, e,
        "INSERT INTO authorization (acme_order, idx, url, step, status, document, identifier_type,"
        " identifier_value, wildcard, challenge_type, challenge_url, token, key_authorization,"
        " solver, record_name, record_zone, record_value, detail, error)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,"
        " ?19)"
        " ON CONFLICT (acme_order, idx) DO UPDATE SET url = ?3, step = ?4, status = ?5,"
        " document = ?6, identifier_type = ?7, identifier_value = ?8, wildcard = ?9,"
        " challenge_type = ?10, challenge_url = ?11, token = ?12, key_authorization = ?13,"
        " solver = ?14, record_name = ?15, record_zone = ?16, record_value = ?17, detail = ?18,"
        " error = ?19",
        "tittttttitttttttttt", authorization->order, authorization->index, authorization->url,
        step_names[authorization->step], authorization->status, authorization->document,
        authorization->identifier_type, authorization->identifier_value,
        (int64_t)authorization->wildcard, authorization->challenge_type,
        authorization->challenge_url, authorization->token, authorization->key_authorization,
        authorization->solver, authorization->record_name, authorization->record_zone,
        authorization->record_value, authorization->detail, authorization->error);
}
