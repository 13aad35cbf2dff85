#include "store/solver.h"

#include "store/record.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

void solver_finish(struct solver *solver)
{
    free(solver->name);
    free(solver->type);
    free(solver->zones);
    free(solver->credential);
    free(solver->settings);
    *solver = (struct solver){0};
}

#define SELECT                                                                                     \
    "SELECT name, type, zones, credential, settings, origin, created_at, updated_at FROM solver"

static void read_solver(const struct db_row *row, void *out)
{
    struct solver *solver = out;
    solver->name = db_text_copy(row, 0);
    solver->type = db_text_copy(row, 1);
    solver->zones = db_text_copy(row, 2);
    solver->credential = db_text_copy(row, 3);
    solver->settings = db_text_copy(row, 4);
    solver->origin = origin_by_name(db_text(row, 5));
    solver->created_at = db_int(row, 6);
    solver->updated_at = db_int(row, 7);
}

static void finish_solver(void *out)
{
    solver_finish(out);
}

static const struct record_type solver_type = {sizeof(struct solver), read_solver, finish_solver};

int solver_load(struct db *db, const char *name, struct solver *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE name = ?1", "t", name) < 0)
        return -1;
    int found = record_load(row, &solver_type, out, e);
    return found < 0 ? -1 : record_expect(found, e, "solver", name);
}

int solver_list(struct db *db, const char *after, size_t limit, struct solver **out, size_t *count,
                struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, SELECT " WHERE name > ?1 ORDER BY name LIMIT ?2", "ti",
                 after ? after : "", (int64_t)limit) < 0)
        return -1;
    return record_list(row, &solver_type, out, count, e);
}

int solver_for_name(struct db *db, const char *name, bool needs_records, struct solver *out,
                    struct err *e)
{
    const char *suffix = strncmp(name, "*.", 2) == 0 ? name + 2 : name;
    int found = 0;
    while (found == 0 && suffix) {
        struct db_row *row;
        if (db_query(db, &row, e,
                     SELECT " WHERE name IN (SELECT solver FROM solver_zone WHERE zone = ?1)"
                            " AND (NOT ?2 OR type NOT IN ('http-01', 'tls-alpn-01'))"
                            " ORDER BY name LIMIT 1",
                     "ti", suffix, (int64_t)needs_records) < 0)
            return -1;
        found = record_load(row, &solver_type, out, e);
        const char *dot = strchr(suffix, '.');
        suffix = dot ? dot + 1 : NULL;
    }
    if (found == 0)
        return err_set(e, ERR_SOLVER_MISSING, "No solver has a zone that holds \"%s\".", name);
    return found < 0 ? -1 : 0;
}

/* ---- writing ---- */

static int require_credential(struct db *db, const struct solver *solver, struct err *e)
{
    bool exists = true;
    if (solver->credential &&
        record_exists(db, &exists, e, "SELECT 1 FROM credential WHERE name = ?1",
                      solver->credential) < 0)
        return -1;
    if (!exists)
        return err_set(e, ERR_INVALID, "There is no credential \"%s\".", solver->credential);
    return 0;
}

static int upsert(struct store_tx *tx, const struct solver *solver, struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "INSERT INTO solver (name, type, zones, credential, settings, origin, created_at,"
                  " updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)"
                  " ON CONFLICT (name) DO UPDATE SET type = ?2, zones = ?3, credential = ?4,"
                  " settings = ?5, origin = ?6, updated_at = ?7",
                  "tttttti", solver->name, solver->type, solver->zones, solver->credential,
                  solver->settings, origin_name(solver->origin), store_tx_now(tx));
}

static int insert_zones(struct db *db, const char *solver, const struct json_object *zones,
                        struct err *e)
{
    for (size_t i = 0; i < json_object_array_length(zones); i++) {
        struct json_object *zone = json_object_array_get_idx(zones, i);
        if (!json_object_is_type(zone, json_type_string))
            return err_set(e, ERR_INVALID, "A zone of the solver \"%s\" is not a string.", solver);
        if (db_run(db, NULL, e,
                   "INSERT INTO solver_zone (zone, solver) VALUES (?1, ?2)"
                   " ON CONFLICT (zone, solver) DO NOTHING",
                   "tt", json_object_get_string(zone), solver) < 0)
            return -1;
    }
    return 0;
}

static int replace_zones(struct db *db, const struct solver *solver, struct err *e)
{
    if (db_run(db, NULL, e, "DELETE FROM solver_zone WHERE solver = ?1", "t", solver->name) < 0)
        return -1;
    struct json_object *zones = json_tokener_parse(solver->zones);
    int rc;
    if (json_object_is_type(zones, json_type_array))
        rc = insert_zones(db, solver->name, zones, e);
    else
        rc = err_set(e, ERR_INVALID, "The zones of the solver \"%s\" are not an array.",
                     solver->name);
    json_object_put(zones);
    return rc;
}

int solver_put(struct store_tx *tx, const struct solver *solver, bool *created, struct err *e)
{
    struct db *db = store_tx_db(tx);
    bool exists;
    if (require_credential(db, solver, e) < 0 ||
        record_exists(db, &exists, e, "SELECT 1 FROM solver WHERE name = ?1", solver->name) < 0 ||
        upsert(tx, solver, e) < 0 || replace_zones(db, solver, e) < 0)
        return -1;
    *created = !exists;
    return 0;
}

/* Whoever takes them back is told of first; a test's duties name the test itself. */
int solver_expect_no_records(struct db *db, const char *name, struct err *e)
{
    return record_unused(
        db, e,
        "SELECT DISTINCT coalesce ((SELECT id FROM job WHERE resource_name = d.acme_order"
        "  AND resource_type IN ('order', 'job') AND kind = 'challenge.cleanup'"
        "  ORDER BY n DESC LIMIT 1),"
        " (SELECT job FROM acme_order WHERE id = d.acme_order), d.acme_order)"
        " FROM duty d WHERE solver = ?1",
        "Jobs have records to take back with the solver", name);
}

int solver_delete(struct store_tx *tx, const char *name, struct err *e)
{
    struct db *db = store_tx_db(tx);
    int64_t deleted;
    if (record_unused(db, e,
                      "SELECT name FROM certificate WHERE challenge_solver = ?1 ORDER BY name",
                      "Certificates name the solver", name) < 0 ||
        solver_expect_no_records(db, name, e) < 0 ||
        db_run(db, &deleted, e, "DELETE FROM solver WHERE name = ?1", "t", name) < 0)
        return -1;
    return record_expect(deleted, e, "solver", name);
}
