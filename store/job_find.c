/* Jobs as rows: which there are. */
#include "store/job_private.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* The row's place in the order of commits; without id, behind all rows. */
static int place_of(struct db *db, const char *id, int64_t *place, struct err *e)
{
    struct db_row *row;
    *place = INT64_MAX;
    if (!id)
        return 0;
    if (db_query(db, &row, e, "SELECT n FROM job WHERE id = ?1", "t", id) < 0)
        return -1;
    int found = record_int(row, place, e);
    return found < 0 ? -1 : record_expect(found, e, "job", id);
}

#define LIST                                                                                       \
    "SELECT " JOB_COLUMNS " FROM job WHERE n < ?1 AND (?2 IS NULL OR kind = ?2)"                   \
    " AND (?3 IS NULL OR state = ?3)"
#define OF_TYPE " AND (?4 IS NULL OR resource_type = ?4)"
#define NEWEST  " ORDER BY n DESC LIMIT ?5"
int job_list(struct db *db, const struct job_filter *filter, const char *after, size_t limit,
             struct job **out, size_t *count, struct err *e)
{
    int64_t before;
    if (place_of(db, after, &before, e) < 0)
        return -1;
    const char *state = filter->state < 0 ? NULL : job_state_name((enum job_state)filter->state);
    struct db_row *row;
    int rc;
    /* One statement for all would keep the indexes from being used. */
    const char *sql = filter->state == JOB_FAILED || filter->state == JOB_CANCELLED
                          ? LIST OF_TYPE
                          " AND state IN ('failed', 'cancelled') AND state = ?3" NEWEST
                          : LIST OF_TYPE NEWEST;
    assert(!filter->resource_name || filter->resource_type);
    if (filter->resource_name)
        rc = db_query(db, &row, e, LIST " AND resource_type = ?4 AND resource_name = ?6" NEWEST,
                      "itttit", before, filter->kind, state, filter->resource_type, (int64_t)limit,
                      filter->resource_name);
    else
        rc = db_query(db, &row, e, sql, "ittti", before, filter->kind, state, filter->resource_type,
                      (int64_t)limit);
    return rc < 0 ? -1 : record_list(row, &job_record, out, count, e);
}

/* From one lane to the next, since a single one may hold the jobs of a million certificates. */
int job_lanes(struct db *db, void (*fn)(void *context, const char *lane, int64_t due),
              void *context, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 "WITH RECURSIVE lane (name) AS (SELECT min (lane) FROM job WHERE finished_at = 0"
                 " UNION ALL SELECT (SELECT min (job.lane) FROM job WHERE job.lane > lane.name"
                 "  AND job.finished_at = 0) FROM lane WHERE lane.name IS NOT NULL)"
                 " SELECT name, (SELECT min (due_at) FROM job WHERE job.lane = lane.name"
                 "  AND job.finished_at = 0) FROM lane WHERE name IS NOT NULL",
                 "") < 0)
        return -1;
    int rc;
    while ((rc = db_next(row, e)) > 0)
        fn(context, db_text(row, 0), db_int(row, 1));
    db_row_finish(row);
    return rc;
}

int job_count(struct db *db,
              void (*fn)(void *context, const char *kind, enum job_state state, int64_t count),
              void *context, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, "SELECT kind, state, number FROM job_total WHERE number > 0", "") < 0)
        return -1;
    int rc;
    while ((rc = db_next(row, e)) > 0)
        fn(context, db_text(row, 0), job_state_stored(db_text(row, 1)), db_int(row, 2));
    db_row_finish(row);
    return rc;
}

int job_other(struct db *db, const struct job *job, char id[ULID_SIZE], struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 "SELECT id FROM job WHERE resource_type = ?1 AND resource_name = ?2"
                 " AND resource_id = ?3 AND part = ?4 AND id <> ?5 AND finished_at = 0"
                 " AND cancel_requested_at = 0 ORDER BY n LIMIT 1",
                 "ttiit", job->resource_type, job->resource_name, job->resource_id, job->part,
                 job->id) < 0)
        return -1;
    int rc = db_next(row, e);
    if (rc > 0)
        memcpy(id, db_text(row, 0), ULID_SIZE);
    else if (rc == 0)
        id[0] = '\0';
    db_row_finish(row);
    return rc < 0 ? -1 : 0;
}

int job_is_active(struct db *db, const char *kind, const char *resource_type,
                  const char *resource_name, int64_t resource_id, bool *active, struct err *e)
{
    struct db_row *row;
    int64_t one;
    if (db_query(db, &row, e,
                 "SELECT 1 FROM job WHERE resource_type = ?2 AND resource_name = ?3"
                 " AND resource_id = ?4 AND kind = ?1 AND finished_at = 0 LIMIT 1",
                 "ttti", kind, resource_type, resource_name, resource_id) < 0)
        return -1;
    int found = record_int(row, &one, e);
    if (found >= 0)
        *active = found;
    return found < 0 ? -1 : 0;
}

int job_is_called_back(struct db *db, const char *id, bool *called, struct err *e)
{
    struct db_row *row;
    int64_t at;
    if (db_query(db, &row, e, "SELECT cancel_requested_at FROM job WHERE id = ?1", "t", id) < 0)
        return -1;
    int found = record_int(row, &at, e);
    if (found > 0)
        *called = at > 0;
    return found < 0 ? -1 : record_expect(found, e, "job", id);
}
