#include "store/target.h"

#include "store/record.h"

#include <stdlib.h>

void target_finish(struct target *target)
{
    free(target->name);
    free(target->type);
    free(target->credential);
    free(target->settings);
    *target = (struct target){0};
}

#define SELECT "SELECT name, type, credential, settings, origin, created_at, updated_at FROM target"

static void read_target(const struct db_row *row, void *out)
{
    struct target *target = out;
    target->name = db_text_copy(row, 0);
    target->type = db_text_copy(row, 1);
    target->credential = db_text_copy(row, 2);
    target->settings = db_text_copy(row, 3);
    target->origin = origin_by_name(db_text(row, 4));
    target->created_at = db_int(row, 5);
    target->updated_at = db_int(row, 6);
}

static void finish_target(void *out)
{
    target_finish(out);
}

static const struct record_type target_record = {sizeof(struct target), read_target, finish_target};

int target_load(struct db *db, const char *name, struct target *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE name = ?1", "t", name) < 0)
        return -1;
    int found = record_load(row, &target_record, out, e);
    return found < 0 ? -1 : record_expect(found, e, "target", name);
}

int target_list(struct db *db, const char *after, size_t limit, struct target **out, size_t *count,
                struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE name > ?1 ORDER BY name LIMIT ?2", "ti",
                 after ? after : "", (int64_t)limit) < 0)
        return -1;
    return record_list(row, &target_record, out, count, e);
}

int target_put(struct store_tx *tx, const struct target *target, bool *created, struct err *e)
{
    struct db *db = store_tx_db(tx);
    bool credential = true;
    bool exists;
    if (target->credential &&
        record_exists(db, &credential, e, "SELECT 1 FROM credential WHERE name = ?1",
                      target->credential) < 0)
        return -1;
    if (!credential)
        return err_set(e, ERR_INVALID, "There is no credential \"%s\".", target->credential);
    if (record_exists(db, &exists, e, "SELECT 1 FROM target WHERE name = ?1", target->name) < 0 ||
        db_run(db, NULL, e,
               "INSERT INTO target (name, type, credential, settings, origin, created_at,"
               " updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)"
               " ON CONFLICT (name) DO UPDATE SET type = ?2, credential = ?3, settings = ?4,"
               " origin = ?5, updated_at = ?6",
               "ttttti", target->name, target->type, target->credential, target->settings,
               origin_name(target->origin), store_tx_now(tx)) < 0)
        return -1;
    *created = !exists;
    return 0;
}

int target_check_unused(struct db *db, const char *name, struct err *e)
{
    return record_unused(db, e,
                         "SELECT DISTINCT certificate.name FROM deployment CROSS JOIN certificate"
                         " ON certificate.id = deployment.certificate_id WHERE target = ?1",
                         "Certificates are installed on the target", name);
}

int target_delete(struct store_tx *tx, const char *name, struct err *e)
{
    struct db *db = store_tx_db(tx);
    int64_t deleted;
    if (target_check_unused(db, name, e) < 0 ||
        db_run(db, &deleted, e, "DELETE FROM target WHERE name = ?1", "t", name) < 0)
        return -1;
    return record_expect(deleted, e, "target", name);
}
