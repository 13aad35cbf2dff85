/*
 * Jobs that are made due.
 *
 * The wake epoch: cancelling or hastening a job makes it due, but a worker may be in the middle of
 * its step and would then commit a later time over it. So the row keeps the epoch in which it was
 * woken; a commit of that very epoch began before anyone could know, and leaves the job due at
 * once. The next step has seen it, and its times count again.
 */
#include "store/job_private.h"
#include "store/writer.h"

#include <stdint.h>
#include <stdlib.h>

/* What waits for someone is no news for a lane. */
void job_touch_lane(struct store_tx *tx, const char *lane, int64_t due)
{
    if (due < INT64_MAX)
        store_tx_touch(tx, lane, due);
}

static void read_touched(const struct db_row *row, void *out)
{
    struct job_touched *touched = out;
    touched->lane = db_text_copy(row, 0);
    touched->due_at = db_int(row, 1);
}

void job_touched_finish(struct job_touched *touched)
{
    free(touched->lane);
}

static void finish_touched(void *out)
{
    job_touched_finish(out);
}

const struct record_type job_touched_record = {sizeof(struct job_touched), read_touched,
                                               finish_touched};

/* Runs an UPDATE that makes a job due: news for its lane. 1, 0 if it hit no row, -1. */
static int run_waking(struct store_tx *tx, struct db_row *row, struct err *e)
{
    struct job_touched touched;
    int found = record_load(row, &job_touched_record, &touched, e);
    if (found > 0) {
        job_touch_lane(tx, touched.lane, touched.due_at);
        job_touched_finish(&touched);
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
                 " WHERE id = ?1 AND finished_at = 0" JOB_RETURNING_TOUCHED,
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
                 " WHERE id = ?1 AND state = 'waiting'" JOB_RETURNING_TOUCHED,
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
    if (db_query(store_tx_db(tx), &row, e,
                 "UPDATE job SET due_at = ?2, updated_at = ?2"
                 " WHERE id = ?1 AND state IN ('queued', 'waiting') AND due_at > "
                 "?2" JOB_RETURNING_TOUCHED,
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
                 " AND cancel_requested_at = 0" JOB_RETURNING_TOUCHED,
                 "tttii", kind, resource_type, resource_name, resource_id, store_tx_now(tx)) < 0)
        return -1;
    return run_waking(tx, row, e) < 0 ? -1 : 0;
}

int job_hasten_step(struct store_tx *tx, const char *kind, const char *step, struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "UPDATE job SET due_at = ?3 WHERE kind = ?1 AND state = 'waiting'"
                  " AND step = ?2 AND error IS NULL AND due_at > ?3 AND finished_at = 0"
                  " AND step IN ('present', 'propagate', 'look')",
                  "tti", kind, step, store_tx_now(tx));
}
