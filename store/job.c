/*
 * Jobs as rows.
 *
 * The wake epoch: cancelling or hastening a job makes it due, but a worker may be in the middle of
 * its step and would then commit a later time over it. So the row keeps the epoch in which it was
 * woken; a commit of that very epoch began before anyone could know, and leaves the job due at
 * once. The next step has seen it, and its times count again.
 */
#include "store/job.h"

#include "acme/base/memory.h"
#include "store/driver.h"
#include "store/event.h"
#include "store/record.h"
#include "store/writer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEP_MAX = 500 };

static const char *const state_names[] = {"queued",    "running", "waiting",
                                          "succeeded", "failed",  "cancelled"};

const char *job_state_name(enum job_state state)
{
    return state_names[state];
}

int job_state_by_name(const char *name, enum job_state *out)
{
    int state = record_word(name, state_names, sizeof state_names / sizeof *state_names);
    if (state >= 0)
        *out = (enum job_state)state;
    return state < 0 ? -1 : 0;
}

bool job_state_is_final(enum job_state state)
{
    return state >= JOB_SUCCEEDED;
}

enum job_state job_state_stored(const char *name)
{
    enum job_state state = JOB_QUEUED;
    int rc = job_state_by_name(name, &state);
    assert(rc == 0);
    (void)rc;
    return state;
}

/* ---- reading ---- */

void job_finish(struct job *job)
{
    free(job->kind);
    free(job->step);
    free(job->lane);
    free(job->resource_type);
    free(job->resource_name);
    free(job->args);
    free(job->error);
    free(job->requests);
    *job = (struct job){0};
}

#define COLUMNS                                                                                    \
    "id, kind, state, step, attempt, epoch, lane, due_at, resource_type, resource_name,"           \
    " resource_id, part, args, error, deadline_at, cancel_requested_at, created_at, updated_at,"   \
    " finished_at, requests"

static void read_job(const struct db_row *row, void *out)
{
    struct job *job = out;
    int c = 0;
    memcpy(job->id, db_text(row, c++), ULID_SIZE);
    job->kind = db_text_copy(row, c++);
    job->state = job_state_stored(db_text(row, c++));
    job->step = db_text_copy(row, c++);
    job->attempt = db_int(row, c++);
    job->epoch = db_int(row, c++);
    job->lane = db_text_copy(row, c++);
    job->due_at = db_int(row, c++);
    job->resource_type = db_text_copy(row, c++);
    job->resource_name = db_text_copy(row, c++);
    job->resource_id = db_int(row, c++);
    job->part = db_int(row, c++);
    job->args = db_text_copy(row, c++);
    job->error = db_text_copy(row, c++);
    job->deadline_at = db_int(row, c++);
    job->cancel_requested_at = db_int(row, c++);
    job->created_at = db_int(row, c++);
    job->updated_at = db_int(row, c++);
    job->finished_at = db_int(row, c++);
    job->requests = db_text_copy(row, c++);
}

static void finish_job(void *out)
{
    job_finish(out);
}

static const struct record_type job_type = {sizeof(struct job), read_job, finish_job};

int job_load(struct db *db, const char *id, struct job *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, "SELECT " COLUMNS " FROM job WHERE id = ?1", "t", id) < 0)
        return -1;
    int found = record_load(row, &job_type, out, e);
    return found < 0 ? -1 : record_expect(found, e, "job", id);
}

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
    "SELECT " COLUMNS " FROM job WHERE n < ?1 AND (?2 IS NULL OR kind = ?2)"                       \
    " AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR resource_type = ?4)"
#define NEWEST " ORDER BY n DESC LIMIT ?5"
int job_list(struct db *db, const struct job_filter *filter, const char *after, size_t limit,
             struct job **out, size_t *count, struct err *e)
{
    int64_t before;
    if (place_of(db, after, &before, e) < 0)
        return -1;
    const char *state = filter->state < 0 ? NULL : state_names[filter->state];
    struct db_row *row;
    int rc;
    /* One statement for all would keep the indexes from being used. */
    const char *sql = filter->state == JOB_FAILED || filter->state == JOB_CANCELLED ? LIST
                          " AND state IN ('failed', 'cancelled') AND state = ?3" NEWEST
                                                                                    : LIST NEWEST;
    if (filter->resource_name)
        rc = db_query(db, &row, e, LIST " AND resource_name = ?6" NEWEST, "itttit", before,
                      filter->kind, state, filter->resource_type, (int64_t)limit,
                      filter->resource_name);
    else
        rc = db_query(db, &row, e, sql, "ittti", before, filter->kind, state, filter->resource_type,
                      (int64_t)limit);
    return rc < 0 ? -1 : record_list(row, &job_type, out, count, e);
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
    if (db_query(db, &row, e, "SELECT kind, state, count (*) FROM job GROUP BY kind, state", "") <
        0)
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

int job_is_active(struct db *db, const char *kind, const char *resource_type, int64_t resource_id,
                  bool *active, struct err *e)
{
    struct db_row *row;
    int64_t one;
    if (db_query(db, &row, e,
                 "SELECT 1 FROM job WHERE kind = ?1 AND state IN ('queued', 'running', 'waiting')"
                 " AND resource_type = ?2 AND resource_id = ?3 LIMIT 1",
                 "tti", kind, resource_type, resource_id) < 0)
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

/* ---- claims ---- */

int job_claim(struct store *store, struct db *db, const char *lane, int64_t now, struct job *out,
              bool *found, int64_t *next_due, struct err *e)
{
    return store_driver->job_claim(store, db, lane, now, out, found, next_due, e);
}

void job_unclaim(struct store *store, const char *id)
{
    store_driver->job_unclaim(store, id);
}

int job_lane_due(struct store *store, struct db *db, const char *lane, int64_t *due, struct err *e)
{
    return store_driver->job_lane_due(store, db, lane, due, e);
}

/* ---- writing ---- */

/* What waits for someone is no news for a lane. */
static void touch_lane(struct store_tx *tx, const char *lane, int64_t due)
{
    if (due < INT64_MAX)
        store_tx_touch(tx, lane, due);
}

static int find_twin(struct db *db, const struct job_new *job, char id[ULID_SIZE], struct err *e)
{
    struct db_row *row;
    struct job twin;
    if (db_query(db, &row, e,
                 "SELECT " COLUMNS " FROM job WHERE kind = ?1 AND resource_type = ?2"
                 " AND resource_name = ?3 AND resource_id = ?4 AND part = ?5 AND exclusive = 1"
                 " AND finished_at = 0 AND cancel_requested_at = 0",
                 "tttii", job->kind, job->resource_type, job->resource_name, job->resource_id,
                 job->part) < 0)
        return -1;
    int found = record_load(row, &job_type, &twin, e);
    if (found <= 0)
        return found < 0 ? -1 : err_set(e, ERR_STORE, "A new job was not inserted.");
    memcpy(id, twin.id, ULID_SIZE);
    job_finish(&twin);
    return 0;
}

int job_insert(struct store_tx *tx, const struct job_new *job, char id[ULID_SIZE], bool *existing,
               struct err *e)
{
    struct db *db = store_tx_db(tx);
    char fresh[ULID_SIZE];
    int64_t inserted;
    ulid_make(store_tx_now(tx), fresh);
    if (db_run(db, &inserted, e,
               "INSERT INTO job (id, kind, state, step, lane, due_at, resource_type,"
               " resource_name, resource_id, part, args, exclusive, deadline_at, created_at,"
               " updated_at)"
               " VALUES (?1, ?2, 'queued', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13)"
               " ON CONFLICT DO NOTHING",
               "ttttittiitiii", fresh, job->kind, job->step, job->lane, job->due_at,
               job->resource_type, job->resource_name, job->resource_id, job->part,
               job->args ? job->args : "{}", (int64_t)job->exclusive, job->deadline_at,
               store_tx_now(tx)) < 0)
        return -1;
    if (inserted == 0) {
        if (find_twin(db, job, id, e) < 0)
            return -1;
        *existing = true;
        return 0;
    }
    const struct event_new queued = {fresh, JOB_QUEUED, job->step, "queued", NULL};
    if (event_add(tx, &queued, e) < 0)
        return -1;
    touch_lane(tx, job->lane, job->due_at);
    memcpy(id, fresh, ULID_SIZE);
    *existing = false;
    return 0;
}

/* What an UPDATE of a job tells of it. */
struct touched {
    char *lane;
    int64_t due_at;
    int64_t epoch;
};

#define RETURNING_TOUCHED " RETURNING lane, due_at, epoch"

static void read_touched(const struct db_row *row, void *out)
{
    struct touched *touched = out;
    touched->lane = db_text_copy(row, 0);
    touched->due_at = db_int(row, 1);
    touched->epoch = db_int(row, 2);
}

static void finish_touched(void *out)
{
    struct touched *touched = out;
    free(touched->lane);
}

static const struct record_type touched_type = {sizeof(struct touched), read_touched,
                                                finish_touched};

/* No row was updated: why? */
static int stale_or_missing(struct db *db, const char *id, struct err *e)
{
    struct job job;
    if (job_load(db, id, &job, e) < 0)
        return -1;
    job_finish(&job);
    return err_set(e, ERR_STORE_STALE, "The job \"%s\" has moved on meanwhile.", id);
}

/* A NULL step or lane, or a state that is not final, leaves a COALESCE's or CASE's second value. */
static int update_job(struct store_tx *tx, const char *id, int64_t epoch,
                      const struct job_change *change, struct touched *touched, struct err *e)
{
    struct db_row *row;
    int64_t now = store_tx_now(tx);
    if (db_query(
            store_tx_db(tx), &row, e,
            "UPDATE job SET state = ?3, step = COALESCE (?4, step), lane = COALESCE (?5, lane),"
            " attempt = ?6, error = ?7, epoch = epoch + 1, updated_at = ?8, finished_at = ?9,"
            " due_at = CASE WHEN wake_epoch = ?2 AND ?10 > ?8 THEN ?8 ELSE ?10 END,"
            " requests = COALESCE (?11, requests)"
            " WHERE id = ?1 AND epoch = ?2 AND finished_at = 0" RETURNING_TOUCHED,
            "titttitiiit", id, epoch, job_state_name(change->state), change->step, change->lane,
            change->attempt, change->error, now,
            job_state_is_final(change->state) ? now : (int64_t)0, change->due_at,
            change->requests) < 0)
        return -1;
    return record_load(row, &touched_type, touched, e);
}

int job_commit(struct store_tx *tx, const char *id, int64_t epoch, const struct job_change *change,
               int64_t *new_epoch, struct err *e)
{
    struct touched touched;
    int found = update_job(tx, id, epoch, change, &touched, e);
    if (found <= 0)
        return found < 0 ? -1 : stale_or_missing(store_tx_db(tx), id, e);
    if (job_state_is_final(change->state))
        store_tx_end_job(tx);
    else
        touch_lane(tx, touched.lane, touched.due_at);
    *new_epoch = touched.epoch;
    finish_touched(&touched);
    return 0;
}

/* Runs an UPDATE that makes a job due: news for its lane. 1, 0 if it hit no row, -1. */
static int run_waking(struct store_tx *tx, struct db_row *row, struct err *e)
{
    struct touched touched;
    int found = record_load(row, &touched_type, &touched, e);
    if (found > 0) {
        touch_lane(tx, touched.lane, touched.due_at);
        finish_touched(&touched);
    }
    return found;
}

/* ERR_NOT_FOUND, or ERR_CONFLICT: the job JOB WHY: it is STATE. */
static int refuse(struct db *db, const char *id, const char *why, struct err *e)
{
    struct job job;
    if (job_load(db, id, &job, e) < 0)
        return -1;
    err_set(e, ERR_CONFLICT, "The job \"%s\" %s: it is %s.", id, why, job_state_name(job.state));
    job_finish(&job);
    return -1;
}

int job_request_cancel(struct store_tx *tx, const char *id, struct err *e)
{
    struct db *db = store_tx_db(tx);
    struct db_row *row;
    if (db_query(db, &row, e,
                 "UPDATE job SET wake_epoch = epoch, updated_at = ?2,"
                 " cancel_requested_at = CASE WHEN cancel_requested_at > 0"
                 "  THEN cancel_requested_at ELSE ?2 END,"
                 " due_at = CASE WHEN due_at > ?2 THEN ?2 ELSE due_at END"
                 " WHERE id = ?1 AND finished_at = 0" RETURNING_TOUCHED,
                 "ti", id, store_tx_now(tx)) < 0)
        return -1;
    int found = run_waking(tx, row, e);
    return found ? (found < 0 ? -1 : 0) : refuse(db, id, "has ended", e);
}

/* A job that is not due yet is under no step: then nothing has to survive a commit, and what fails
   once more waits as it should. */
int job_hasten(struct store_tx *tx, const char *id, struct err *e)
{
    struct db *db = store_tx_db(tx);
    struct db_row *row;
    if (db_query(db, &row, e,
                 "UPDATE job SET updated_at = ?2,"
                 " wake_epoch = CASE WHEN due_at > ?2 THEN wake_epoch ELSE epoch END,"
                 " due_at = CASE WHEN due_at > ?2 THEN ?2 ELSE due_at END"
                 " WHERE id = ?1 AND state = 'waiting'" RETURNING_TOUCHED,
                 "ti", id, store_tx_now(tx)) < 0)
        return -1;
    int found = run_waking(tx, row, e);
    return found ? (found < 0 ? -1 : 0) : refuse(db, id, "is not waiting", e);
}

void job_insist(struct store_tx *tx, const struct job *job)
{
    store_tx_insist(tx, job->lane);
}

int job_bring_forward(struct store_tx *tx, const char *id, struct err *e)
{
    struct db_row *row;
    if (db_query(
            store_tx_db(tx), &row, e,
            "UPDATE job SET due_at = ?2, updated_at = ?2"
            " WHERE id = ?1 AND state IN ('queued', 'waiting') AND due_at > ?2" RETURNING_TOUCHED,
            "ti", id, store_tx_now(tx)) < 0)
        return -1;
    return run_waking(tx, row, e) < 0 ? -1 : 0;
}

int job_hasten_of(struct store_tx *tx, const char *kind, const char *resource_type,
                  const char *resource_name, int64_t resource_id, struct err *e)
{
    struct db_row *row;
    if (db_query(store_tx_db(tx), &row, e,
                 "UPDATE job SET wake_epoch = epoch, updated_at = ?5,"
                 " due_at = CASE WHEN due_at > ?5 THEN ?5 ELSE due_at END"
                 " WHERE kind = ?1 AND resource_type = ?2 AND resource_name = ?3"
                 " AND resource_id = ?4 AND exclusive = 1 AND finished_at = 0"
                 " AND cancel_requested_at = 0" RETURNING_TOUCHED,
                 "tttii", kind, resource_type, resource_name, resource_id, store_tx_now(tx)) < 0)
        return -1;
    return run_waking(tx, row, e) < 0 ? -1 : 0;
}

int job_hasten_step(struct store_tx *tx, const char *kind, const char *step, struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "UPDATE job SET due_at = ?3 WHERE kind = ?1 AND state = 'waiting'"
                  " AND step = ?2 AND error IS NULL AND due_at > ?3 AND finished_at = 0",
                  "tti", kind, step, store_tx_now(tx));
}

int job_sweep(struct store_tx *tx, int64_t before, int64_t *swept, struct err *e)
{
    if (db_run(store_tx_db(tx), NULL, e,
               "DELETE FROM deleted_certificate WHERE deleted_at < ?1 AND NOT EXISTS"
               " (SELECT 1 FROM job WHERE resource_type = 'certificate'"
               "  AND resource_name = deleted_certificate.name"
               "  AND resource_id = deleted_certificate.id)",
               "i", before) < 0)
        return -1;
    return db_run(store_tx_db(tx), swept, e,
                  "DELETE FROM job WHERE n IN (SELECT n FROM job"
                  " WHERE finished_at > 0 AND finished_at < ?1 AND NOT EXISTS"
                  "  (SELECT 1 FROM acme_order o JOIN duty d ON d.acme_order = o.id"
                  "   WHERE o.job = job.id) LIMIT ?2)",
                  "ii", before, (int64_t)SWEEP_MAX);
}
