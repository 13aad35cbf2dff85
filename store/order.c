#include "store/order.h"

#include "store/record.h"

#include <stdlib.h>
#include <string.h>

void order_finish(struct order *order)
{
    free(order->job);
    free(order->certificate);
    free(order->account);
    free(order->authority);
    free(order->url);
    free(order->status);
    free(order->document);
    free(order->finalize_url);
    free(order->certificate_url);
    free(order->error);
    *order = (struct order){0};
}

#define SELECT                                                                                     \
    "SELECT id, job, certificate_id, certificate, version, account, authority, url, status,"       \
    " document, finalize_url, certificate_url, expires_at, error, created_at, updated_at"          \
    " FROM acme_order"

static void read_order(const struct db_row *row, void *out)
{
    struct order *order = out;
    int c = 0;
    memcpy(order->id, db_text(row, c++), ULID_SIZE);
    order->job = db_text_copy(row, c++);
    order->certificate_id = db_int(row, c++);
    order->certificate = db_text_copy(row, c++);
    order->version = db_int(row, c++);
    order->account = db_text_copy(row, c++);
    order->authority = db_text_copy(row, c++);
    order->url = db_text_copy(row, c++);
    order->status = db_text_copy(row, c++);
    order->document = db_text_copy(row, c++);
    order->finalize_url = db_text_copy(row, c++);
    order->certificate_url = db_text_copy(row, c++);
    order->expires_at = db_int(row, c++);
    order->error = db_text_copy(row, c++);
    order->created_at = db_int(row, c++);
    order->updated_at = db_int(row, c++);
}

static void finish_order(void *out)
{
    order_finish(out);
}

static const struct record_type order_type = {sizeof(struct order), read_order, finish_order};

int order_load(struct db *db, const char *id, struct order *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE id = ?1", "t", id) < 0)
        return -1;
    int found = record_load(row, &order_type, out, e);
    return found < 0 ? -1 : record_expect(found, e, "order", id);
}

int order_load_of_job(struct db *db, const char *job, struct order *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE job = ?1 ORDER BY n DESC LIMIT 1", "t", job) < 0)
        return -1;
    int found = record_load(row, &order_type, out, e);
    if (found < 0)
        return -1;
    return found ? 0 : err_set(e, ERR_NOT_FOUND, "The job \"%s\" has no order.", job);
}

int order_count_of_job(struct db *db, const char *job, int64_t *count, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, "SELECT COUNT (*) FROM acme_order WHERE job = ?1", "t", job) < 0)
        return -1;
    return record_int(row, count, e) < 0 ? -1 : 0;
}

int order_set_version(struct store_tx *tx, const char *id, int64_t version, struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE acme_order SET version = ?2, updated_at = ?3 WHERE id = ?1", "tii", id,
               version, store_tx_now(tx)) < 0)
        return -1;
    return record_expect(changed, e, "order", id);
}

/* The row's place in the order of commits; without id, behind all rows. */
static int place_of(struct db *db, const char *id, int64_t *place, struct err *e)
{
    struct db_row *row;
    *place = INT64_MAX;
    if (!id)
        return 0;
    if (db_query(db, &row, e, "SELECT n FROM acme_order WHERE id = ?1", "t", id) < 0)
        return -1;
    int found = record_int(row, place, e);
    return found < 0 ? -1 : record_expect(found, e, "order", id);
}

int order_list(struct db *db, const char *certificate, const char *after, size_t limit,
               struct order **out, size_t *count, struct err *e)
{
    int64_t before;
    if (place_of(db, after, &before, e) < 0)
        return -1;
    struct db_row *row;
    int rc;
    if (certificate)
        rc = db_query(db, &row, e,
                      SELECT " WHERE certificate = ?1 AND n < ?2 ORDER BY n DESC LIMIT ?3", "tii",
                      certificate, before, (int64_t)limit);
    else
        rc = db_query(db, &row, e, SELECT " WHERE n < ?1 ORDER BY n DESC LIMIT ?2", "ii", before,
                      (int64_t)limit);
    return rc < 0 ? -1 : record_list(row, &order_type, out, count, e);
}

int order_account_has_challenges(struct db *db, const char *account, bool *has, struct err *e)
{
    return record_exists(db, has, e,
                         "SELECT 1 FROM job j JOIN acme_order o ON o.job = j.id"
                         " JOIN authorization a ON a.acme_order = o.id"
                         " WHERE o.account = ?1 AND j.finished_at = 0"
                         " AND j.due_at < 9223372036854775807 AND a.step IN"
                         " ('chosen', 'announced', 'presented', 'visible', 'responded')"
                         " AND NOT EXISTS (SELECT 1 FROM acme_order later WHERE later.job = j.id"
                         "  AND later.n > o.n) LIMIT 1",
                         account);
}

int order_insert(struct store_tx *tx, struct order *order, struct err *e)
{
    if (!order->id[0])
        ulid_make(store_tx_now(tx), order->id);
    return db_run(
        store_tx_db(tx), NULL, e,
        "INSERT INTO acme_order (id, job, certificate_id, certificate, version, account,"
        " authority, url, status, document, finalize_url, certificate_url, expires_at, error,"
        " created_at, updated_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15)",
        "ttititttttttiti", order->id, order->job, order->certificate_id, order->certificate,
        order->version, order->account, order->authority, order->url,
        order->status ? order->status : "new", order->document, order->finalize_url,
        order->certificate_url, order->expires_at, order->error, store_tx_now(tx));
}

int order_update(struct store_tx *tx, const struct order *order, struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE acme_order SET url = ?2, status = ?3, document = ?4, finalize_url = ?5,"
               " certificate_url = ?6, expires_at = ?7, error = ?8, updated_at = ?9 WHERE id = ?1",
               "ttttttiti", order->id, order->url, order->status, order->document,
               order->finalize_url, order->certificate_url, order->expires_at, order->error,
               store_tx_now(tx)) < 0)
        return -1;
    return record_expect(changed, e, "order", order->id);
}
