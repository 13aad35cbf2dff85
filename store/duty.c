#include "store/order.h"
#include "store/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void duty_finish(struct duty *duty)
{
    free(duty->solver);
    free(duty->record_name);
    free(duty->record_zone);
    free(duty->record_value);
    free(duty->state);
    *duty = (struct duty){0};
}

#define SELECT                                                                                     \
    "SELECT id, acme_order, idx, solver, record_name, record_zone, record_value, state FROM duty"

static void read_duty(const struct db_row *row, void *out)
{
    struct duty *duty = out;
    duty->id = db_int(row, 0);
    memcpy(duty->order, db_text(row, 1), ULID_SIZE);
    duty->index = db_int(row, 2);
    duty->solver = db_text_copy(row, 3);
    duty->record_name = db_text_copy(row, 4);
    duty->record_zone = db_text_copy(row, 5);
    duty->record_value = db_text_copy(row, 6);
    duty->state = db_text_copy(row, 7);
}

static void finish_duty(void *out)
{
    duty_finish(out);
}

static const struct record_type duty_type = {sizeof(struct duty), read_duty, finish_duty};

int duty_insert(struct store_tx *tx, const struct duty *duty, struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "INSERT INTO duty (acme_order, idx, solver, record_name, record_zone,"
                  " record_value, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                  " ON CONFLICT (acme_order, idx, record_name, record_value) DO NOTHING",
                  "tittttt", duty->order, duty->index, duty->solver, duty->record_name,
                  duty->record_zone, duty->record_value, duty->state);
}

int duty_set_state(struct store_tx *tx, const char *order, int64_t index, const char *state,
                   struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE duty SET state = ?3 WHERE acme_order = ?1 AND idx = ?2", "tit", order, index,
               state) < 0)
        return -1;
    if (changed == 0)
        return err_set(e, ERR_NOT_FOUND,
                       "Authorization %" PRId64 " of the order \"%s\" has nothing to clean up.",
                       index, order);
    return 0;
}

int duty_list(struct db *db, const char *order, struct duty **out, size_t *count, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE acme_order = ?1 ORDER BY idx, id", "t", order) < 0)
        return -1;
    return record_list(row, &duty_type, out, count, e);
}

int duty_list_of_solver(struct db *db, const char *solver, struct duty **out, size_t *count,
                        struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE solver = ?1 ORDER BY id", "t", solver) < 0)
        return -1;
    return record_list(row, &duty_type, out, count, e);
}

int duty_is_shared(struct db *db, const struct duty *duty, bool *shared, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 "SELECT 1 FROM duty WHERE solver = ?1 AND record_name = ?2 AND record_value = ?3"
                 " AND id <> ?4 LIMIT 1",
                 "ttti", duty->solver, duty->record_name, duty->record_value, duty->id) < 0)
        return -1;
    int rc = db_next(row, e);
    db_row_finish(row);
    if (rc < 0)
        return -1;
    *shared = rc > 0;
    return 0;
}

int duty_delete(struct store_tx *tx, int64_t id, struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e, "DELETE FROM duty WHERE id = ?1", "i", id);
}
