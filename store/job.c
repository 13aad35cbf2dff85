/* Jobs as rows: how they come, change and go. */
#include "acme/base/memory.h"
#include "store/driver.h"
#include "store/event.h"
#include "store/job_private.h"
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

/* ---- rows ---- */

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
    free(job->result);
    *job = (struct job){0};
}

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
    job->result = db_text_copy(row, c++);
}

static void finish_job(void *out)
{
    job_finish(out);
}

const struct record_type job_record = {sizeof(struct job), read_job, finish_job};

int job_load(struct db *db, const char *id, struct job *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, "SELECT " JOB_COLUMNS " FROM job WHERE id = ?1", "t", id) < 0)
        return -1;
    int found = record_load(row, &job_record, out, e);
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

static int find_twin(struct db *db, const struct job_new *job, char id[ULID_SIZE], struct err *e)
{
    struct db_row *row;
    struct job twin;
    if (db_query(db, &row, e,
                 "SELECT " JOB_COLUMNS " FROM job WHERE kind = ?1 AND resource_type = ?2"
                 " AND resource_name = ?3 AND resource_id = ?4 AND part = ?5 AND exclusive = 1"
                 " AND finished_at = 0 AND cancel_requested_at = 0",
                 "tttii", job->kind, job->resource_type, job->resource_name, job->resource_id,
                 job->part) < 0)
        return -1;
    int found = record_load(row, &job_record, &twin, e);
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
               " VALUES (?1, ?2, ?14, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13)"
               " ON CONFLICT DO NOTHING",
               "ttttittiitiiit", fresh, job->kind, job->step, job->lane, job->due_at,
               job->resource_type, job->resource_name, job->resource_id, job->part,
               job->args ? job->args : "{}", (int64_t)job->exclusive, job->deadline_at,
               store_tx_now(tx), job_state_name(job->waits ? JOB_WAITING : JOB_QUEUED)) < 0)
        return -1;
    if (inserted == 0) {
        if (find_twin(db, job, id, e) < 0)
            return -1;
        *existing = true;
        return 0;
    }
    const struct event_new queued = {fresh, JOB_QUEUED, job->step, "queued", NULL};
    const struct event_new waiting = {fresh, JOB_WAITING, job->step, job->waits, NULL};
    if (event_add(tx, &queued, e) < 0 || (job->waits && event_add(tx, &waiting, e) < 0))
        return -1;
    job_touch_lane(tx, job->lane, job->due_at);
    memcpy(id, fresh, ULID_SIZE);
    *existing = false;
    return 0;
}

/* No row was updated: why? */
static int stale_or_missing(struct db *db, const char *id, struct err *e)
{
    struct job job;
    if (job_load(db, id, &job, e) < 0)
        return -1;
    job_finish(&job);
    return err_set(e, ERR_STORE_STALE, "The job \"%s\" has moved on meanwhile.", id);
}

#define MOVE                                                                                       \
    "UPDATE job SET state = ?3, step = COALESCE (?4, step), lane = COALESCE (?5, lane),"           \
    " attempt = ?6, error = ?7, epoch = epoch + 1, updated_at = ?8,"                               \
    " due_at = CASE WHEN wake_epoch = ?2 AND ?9 > ?8 THEN ?8 ELSE ?9 END,"                         \
    " requests = COALESCE (?10, requests)"
#define OF_EPOCH " WHERE id = ?1 AND epoch = ?2 AND finished_at = 0"

/* A NULL step or lane leaves a COALESCE's second value. finished_at is set only at the end: the
   indexes that it is in are written anew with it, whether it has another value or not. */
static int update_job(struct store_tx *tx, const char *id, int64_t epoch,
                      const struct job_change *change, int64_t *updated, struct err *e)
{
    const char *sql =
        job_state_is_final(change->state) ? MOVE ", finished_at = ?8" OF_EPOCH : MOVE OF_EPOCH;
    return db_run(store_tx_db(tx), updated, e, sql, "titttitiit", id, epoch,
                  job_state_name(change->state), change->step, change->lane, change->attempt,
                  change->error, store_tx_now(tx), change->due_at, change->requests);
}

/* Of a job that goes on: asked for behind the UPDATE, since most that commit have ended, and what
   an UPDATE returns goes by a table of its own. */
static int touch_committed(struct store_tx *tx, const char *id, struct err *e)
{
    struct db_row *row;
    struct job_touched touched;
    if (db_query(store_tx_db(tx), &row, e, "SELECT lane, due_at FROM job WHERE id = ?1", "t", id) <
        0)
        return -1;
    int found = record_load(row, &job_touched_record, &touched, e);
    if (found <= 0)
        return found < 0 ? -1 : record_expect(found, e, "job", id);
    job_touch_lane(tx, touched.lane, touched.due_at);
    job_touched_finish(&touched);
    return 0;
}

int job_commit(struct store_tx *tx, const char *id, int64_t epoch, const struct job_change *change,
               int64_t *new_epoch, struct err *e)
{
    int64_t updated;
    if (update_job(tx, id, epoch, change, &updated, e) < 0)
        return -1;
    if (updated == 0)
        return stale_or_missing(store_tx_db(tx), id, e);
    if (job_state_is_final(change->state))
        store_tx_end_job(tx);
    else if (touch_committed(tx, id, e) < 0)
        return -1;
    *new_epoch = epoch + 1;
    return 0;
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

int job_set_result(struct store_tx *tx, const char *id, const char *result, struct err *e)
{
    int64_t changed;
    if (db_run(store_tx_db(tx), &changed, e, "UPDATE job SET result = ?2 WHERE id = ?1", "tt", id,
               result) < 0)
        return -1;
    return record_expect(changed, e, "job", id);
}
