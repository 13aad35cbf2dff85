/*
 * Jobs: the durable rows that the engine steps. Waiting is a time in the row; a lane is what jobs
 * queue for (a CA, a DNS zone), and (lane, due) the index by which they are found.
 */
#ifndef CERTWRIGHT_STORE_JOB_H
#define CERTWRIGHT_STORE_JOB_H

#include "acme/base/ulid.h"
#include "store/store.h"

enum job_state {
    JOB_QUEUED,
    JOB_RUNNING,
    JOB_WAITING,
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_CANCELLED,
};
const char *job_state_name(enum job_state state);
int job_state_by_name(const char *name, enum job_state *out);
bool job_state_is_final(enum job_state state);
/* Of a name that the database has. */
enum job_state job_state_stored(const char *name);

struct job {
    char id[ULID_SIZE];
    char *kind; /* "certificate.issue", … */
    enum job_state state;
    char *step;
    int64_t attempt; /* of the step, from 0 */
    int64_t epoch;   /* raised by each commit: a result with an old one is stale */
    char *lane;
    int64_t due_at;      /* engine time; INT64_MAX: waits for someone, not for a time */
    char *resource_type; /* "certificate", "account", "authority" */
    char *resource_name;
    int64_t resource_id;         /* 0 where names are the ids */
    int64_t part;                /* the deployment that it is for; 0: the resource as a whole;
                                    -1: the certificate's renewal, which others run beside */
    char *args;                  /* JSON object, by kind */
    char *error;                 /* problem JSON; also while it waits to try again; NULL */
    int64_t deadline_at;         /* transient errors are tried until then; INT64_MAX: never ends */
    int64_t cancel_requested_at; /* 0 */
    int64_t created_at;
    int64_t updated_at;
    int64_t finished_at; /* 0 */
    char *requests;      /* that were made of the CA: JSON, bounded; NULL: none */
    char *result;        /* JSON object, by kind; NULL: none (yet) */
};

void job_finish(struct job *job);

/* ERR_NOT_FOUND. */
int job_load(struct db *db, const char *id, struct job *out, struct err *e);

/* NULL and -1 (state) match everything. Newest first; after is the last row's id of the page
   before, ERR_NOT_FOUND if that job is gone meanwhile. */
struct job_filter {
    const char *kind;
    int state;
    const char *resource_type;
    const char *resource_name;
};
int job_list(struct db *db, const struct job_filter *filter, const char *after, size_t limit,
             struct job **out, size_t *count, struct err *e);

/* What a new job starts with; borrowed. */
struct job_new {
    const char *kind;
    const char *step;
    const char *lane;
    int64_t due_at;
    const char *resource_type;
    const char *resource_name;
    int64_t resource_id;
    int64_t part;
    const char *args; /* NULL: {} */
    int64_t deadline_at;
    const char *waits; /* what the timeline tells of a job that waits for due_at; NULL: queued */
    /* At most one unfinished job of this kind, resource and part; one that is to be cancelled is
       none. */
    bool exclusive;
};

/*
 * Inserts and adds an event. With exclusive, an unfinished twin is answered instead: *existing, and
 * nothing is written. id gets the job's.
 */
int job_insert(struct store_tx *tx, const struct job_new *job, char id[ULID_SIZE], bool *existing,
               struct err *e);

/* How a step leaves its job; borrowed. NULL step or lane: unchanged. */
struct job_change {
    enum job_state state;
    const char *step;
    const char *lane;
    int64_t attempt;
    int64_t due_at;
    const char *error;    /* NULL clears */
    const char *requests; /* NULL: unchanged */
};

/*
 * ERR_STORE_STALE unless the row's epoch is still this one; raises it, and *new_epoch tells. A job
 * that was cancelled or hastened since this epoch began stays due at once, whatever due_at says.
 */
int job_commit(struct store_tx *tx, const char *id, int64_t epoch, const struct job_change *change,
               int64_t *new_epoch, struct err *e);

/* What the job has found out; in the transaction of its commit. */
int job_set_result(struct store_tx *tx, const char *id, const char *result, struct err *e);

/*
 * The earliest unclaimed job of the lane that is due; *found false if there is none. *next_due is
 * that of the earliest one left, as job_lane_due tells it. Claims live in memory with this driver;
 * job_unclaim ends one, after the step's commit or without it. Not within a snapshot, which would
 * show the job as it was before another's commit.
 */
int job_claim(struct store *store, struct db *db, const char *lane, int64_t now, struct job *out,
              bool *found, int64_t *next_due, struct err *e);
void job_unclaim(struct store *store, const char *id);

/* When the lane's earliest unclaimed job is due; INT64_MAX if it has none. */
int job_lane_due(struct store *store, struct db *db, const char *lane, int64_t *due, struct err *e);

/* At the start: every lane with unfinished jobs, and its earliest due time. fn is called for each.
 */
int job_lanes(struct db *db, void (*fn)(void *context, const char *lane, int64_t due),
              void *context, struct err *e);

/* Whether an unfinished job of that kind serves the resource. */
int job_is_active(struct db *db, const char *kind, const char *resource_type,
                  const char *resource_name, int64_t resource_id, bool *active, struct err *e);

/* Whether a cancel was accepted for it; ERR_NOT_FOUND. Cheaper than to load it. */
int job_is_called_back(struct db *db, const char *id, bool *called, struct err *e);

/* The id of another unfinished job of the same resource and part that is not called back; "" if
   none is. */
int job_other(struct db *db, const struct job *job, char id[ULID_SIZE], struct err *e);

/* Sets cancel_requested_at and makes the job due. ERR_NOT_FOUND; ERR_CONFLICT if it has ended. */
int job_request_cancel(struct store_tx *tx, const char *id, struct err *e);
/* A waiting job is due at once; keeps epoch. ERR_NOT_FOUND, ERR_CONFLICT (it is not waiting). */
int job_hasten(struct store_tx *tx, const char *id, struct err *e);
/* The job is to be tried now even if its lane is parked: its work is the probe then. */
void job_insist(struct store_tx *tx, const struct job *job);

/*
 * The same for one that is to run later, and nothing for any other: unlike a wish of somebody's it
 * says nothing to a step that is under way, whose commit may put the job off as it likes.
 */
int job_bring_forward(struct store_tx *tx, const char *id, struct err *e);

/*
 * The unfinished job of that kind and resource, if there is one, is due at once; a step of it that
 * is under way cannot put that off.
 */
int job_hasten_of(struct store_tx *tx, const char *kind, const char *resource_type,
                  const char *resource_name, int64_t resource_id, struct err *e);

/* Makes every job of that kind due that waits at that step ("present", "propagate" or "look", of
   which there is an index) without an error: at the start, when
   what would have woken it was in the memory of the process before. Who waits for a person looks
   and waits on. */
int job_hasten_step(struct store_tx *tx, const char *kind, const char *step, struct err *e);

/*
 * Deletes finished jobs from before, with their events and orders: some hundreds a call, so that no
 * other write waits long; repeat until *swept is 0. One whose duties are open stays.
 */
int job_sweep(struct store_tx *tx, int64_t before, int64_t *swept, struct err *e);

/* Calls fn for each (kind, state) with its count: for metrics. */
int job_count(struct db *db,
              void (*fn)(void *context, const char *kind, enum job_state state, int64_t count),
              void *context, struct err *e);

#endif
