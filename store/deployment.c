#include "store/deployment.h"

#include "store/record.h"

#include <stdlib.h>
#include <string.h>

void deployment_finish(struct deployment *deployment)
{
    free(deployment->target);
    free(deployment->parameters);
    free(deployment->memory);
    free(deployment->error);
    free(deployment->active_job);
    free(deployment->active_error);
    *deployment = (struct deployment){0};
}

void deployment_list_finish(struct deployment *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        deployment_finish(&list[i]);
    free(list);
}

#define SELECT                                                                                     \
    "SELECT id, certificate_id, position, target, parameters, version, deployed_at, memory,"       \
    " failures, error, active_job, (SELECT j.error FROM job j WHERE j.id = active_job),"           \
    " created_at, updated_at FROM deployment"

static void read_deployment(const struct db_row *row, void *out)
{
    struct deployment *deployment = out;
    int c = 0;
    deployment->id = db_int(row, c++);
    deployment->certificate_id = db_int(row, c++);
    deployment->position = db_int(row, c++);
    deployment->target = db_text_copy(row, c++);
    deployment->parameters = db_text_copy(row, c++);
    deployment->version = db_int(row, c++);
    deployment->deployed_at = db_int(row, c++);
    deployment->memory = db_text_copy(row, c++);
    deployment->failures = db_int(row, c++);
    deployment->error = db_text_copy(row, c++);
    deployment->active_job = db_text_copy(row, c++);
    deployment->active_error = db_text_copy(row, c++);
    deployment->created_at = db_int(row, c++);
    deployment->updated_at = db_int(row, c++);
}

static void finish_deployment(void *out)
{
    deployment_finish(out);
}

static const struct record_type deployment_record = {sizeof(struct deployment), read_deployment,
                                                     finish_deployment};

int deployment_load(struct db *db, int64_t id, struct deployment *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE id = ?1", "i", id) < 0)
        return -1;
    int found = record_load(row, &deployment_record, out, e);
    return found < 0 ? -1 : record_expect_id(found, e, "deployment", id);
}

int deployment_list(struct db *db, int64_t certificate_id, struct deployment **out, size_t *count,
                    struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE certificate_id = ?1 ORDER BY position", "i",
                 certificate_id) < 0)
        return -1;
    return record_list(row, &deployment_record, out, count, e);
}

int deployment_list_of_target(struct db *db, const char *target, struct deployment **out,
                              size_t *count, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE target = ?1 ORDER BY id", "t", target) < 0)
        return -1;
    return record_list(row, &deployment_record, out, count, e);
}

int deployment_last_id(struct db *db, int64_t *id, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, "SELECT COALESCE (max (id), 0) FROM deployment", "") < 0)
        return -1;
    return record_int(row, id, e) < 0 ? -1 : 0;
}

/* ---- the list ---- */

static bool is_item(const struct deployment *row, const struct deployment_item *item)
{
    return !strcmp(row->target, item->target) && !strcmp(row->parameters, item->parameters);
}

static int delete_others(struct store_tx *tx, const struct deployment *rows, size_t row_count,
                         const struct deployment_item *items, size_t count, bool *changed,
                         struct err *e)
{
    for (size_t i = 0; i < row_count; i++) {
        bool wanted = false;
        for (size_t k = 0; k < count; k++)
            wanted = wanted || is_item(&rows[i], &items[k]);
        if (wanted)
            continue;
        *changed = true;
        if (db_run(store_tx_db(tx), NULL, e, "DELETE FROM deployment WHERE id = ?1", "i",
                   rows[i].id) < 0)
            return -1;
    }
    return 0;
}

static int put_item(struct store_tx *tx, int64_t certificate_id, int64_t position,
                    const struct deployment_item *item, struct err *e)
{
    struct db *db = store_tx_db(tx);
    bool exists;
    if (record_exists(db, &exists, e, "SELECT 1 FROM target WHERE name = ?1", item->target) < 0)
        return -1;
    if (!exists)
        return err_set(e, ERR_INVALID, "There is no target \"%s\".", item->target);
    return db_run(db, NULL, e,
                  "INSERT INTO deployment (certificate_id, position, target, parameters,"
                  " created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)"
                  " ON CONFLICT (certificate_id, target, parameters) DO UPDATE SET position = ?2",
                  "iitti", certificate_id, position, item->target, item->parameters,
                  store_tx_now(tx));
}

static int set(struct store_tx *tx, int64_t certificate_id, const struct deployment *rows,
               size_t row_count, const struct deployment_item *items, size_t count, bool *changed,
               struct err *e)
{
    if (delete_others(tx, rows, row_count, items, count, changed, e) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (i < row_count && is_item(&rows[i], &items[i]))
            continue;
        *changed = true;
        if (put_item(tx, certificate_id, (int64_t)i, &items[i], e) < 0)
            return -1;
    }
    return 0;
}

int deployment_set(struct store_tx *tx, int64_t certificate_id, const struct deployment_item *items,
                   size_t count, bool *changed, struct err *e)
{
    struct deployment *rows;
    size_t row_count;
    bool different = false;
    if (deployment_list(store_tx_db(tx), certificate_id, &rows, &row_count, e) < 0)
        return -1;
    int rc = set(tx, certificate_id, rows, row_count, items, count, &different, e);
    deployment_list_finish(rows, row_count);
    if (rc == 0)
        *changed = different;
    return rc;
}

/* ---- its course ---- */

int deployment_set_memory(struct store_tx *tx, int64_t id, const char *memory, struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e, "UPDATE deployment SET memory = ?2 WHERE id = ?1",
               "it", id, memory) < 0)
        return -1;
    return record_expect_id(changed, e, "deployment", id);
}

int deployment_set_job(struct store_tx *tx, int64_t id, const char *job, struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE deployment SET active_job = ?2, updated_at = ?3 WHERE id = ?1", "iti", id,
               job, store_tx_now(tx)) < 0)
        return -1;
    return record_expect_id(changed, e, "deployment", id);
}

int deployment_succeed(struct store_tx *tx, int64_t id, int64_t version, struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE deployment SET version = ?2, deployed_at = ?3, updated_at = ?3,"
               " failures = 0, error = NULL, active_job = NULL WHERE id = ?1",
               "iii", id, version, store_tx_now(tx)) < 0)
        return -1;
    return record_expect_id(changed, e, "deployment", id);
}

int deployment_fail(struct store_tx *tx, int64_t id, const char *error, struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e,
               "UPDATE deployment SET failures = failures + 1, error = ?2, updated_at = ?3,"
               " active_job = NULL WHERE id = ?1",
               "iti", id, error, store_tx_now(tx)) < 0)
        return -1;
    return record_expect_id(changed, e, "deployment", id);
}
