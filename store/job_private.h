/* What the files of jobs share. Private to the store. */
#ifndef CERTWRIGHT_STORE_JOB_PRIVATE_H
#define CERTWRIGHT_STORE_JOB_PRIVATE_H

#include "store/job.h"
#include "store/record.h"

#define JOB_COLUMNS                                                                                \
    "id, kind, state, step, attempt, epoch, lane, due_at, resource_type, resource_name,"           \
    " resource_id, part, args, error, deadline_at, cancel_requested_at, created_at, updated_at,"   \
    " finished_at, requests, result"

/* Reads a struct job from JOB_COLUMNS. */
extern const struct record_type job_record;

/* What an UPDATE of a job tells of it; a struct job_touched from JOB_RETURNING_TOUCHED. */
struct job_touched {
    char *lane;
    int64_t due_at;
};
#define JOB_RETURNING_TOUCHED " RETURNING lane, due_at"
extern const struct record_type job_touched_record;
void job_touched_finish(struct job_touched *touched);

/* News for the lane, once it is committed: one of its jobs is due then. */
void job_touch_lane(struct store_tx *tx, const char *lane, int64_t due);

#endif
