/*
 * Events: what happened to jobs, in the order of commits. seq counts them all; it is never used
 * twice, and is what a caller who follows them resumes by. They go with their job.
 */
#ifndef CERTWRIGHT_STORE_EVENT_H
#define CERTWRIGHT_STORE_EVENT_H

#include "store/job.h"

struct event {
    int64_t seq;
    int64_t at;
    char *job;
    enum job_state state; /* of the job from then on */
    char *step;
    char *message;
    char *identifier; /* that it is about; NULL: the whole job */
    /* Of the job. */
    char *kind;
    char *resource_type;
    char *resource_name;
    int64_t resource_id;
};
void event_finish(struct event *event);

/* What a new one says; borrowed. */
struct event_new {
    const char *job;
    enum job_state state;
    const char *step;
    const char *message;
    const char *identifier; /* NULL: the whole job */
};
int event_add(struct store_tx *tx, const struct event_new *event, struct err *e);

/* The job's newest limit events, oldest first. */
int event_list(struct db *db, const char *job, size_t limit, struct event **out, size_t *count,
               struct err *e);

/* NULL and -1 (state) match everything. */
struct event_filter {
    const char *job;
    const char *certificate; /* events of jobs for the certificate of that name */
    const char *kind;
    int state;
};
bool event_matches(const struct event *event, const struct event_filter *filter);

/*
 * Up to limit events behind seq after, oldest first. Some thousands of events are looked at in one
 * call at most: *reached is the seq up to which there is nothing more that matches, and a call with
 * it as after goes on. It is after itself once there is nothing left.
 */
int event_find(struct db *db, const struct event_filter *filter, int64_t after, size_t limit,
               struct event **out, size_t *count, int64_t *reached, struct err *e);

struct event_bounds {
    int64_t last;  /* the seq of the last event; 0 if there was none yet */
    int64_t swept; /* up to it some are no longer kept; 0: all are */
};
int event_bounds(struct db *db, struct event_bounds *out, struct err *e);

/* The last seq of all; 0 if there is none. */
int event_last_seq(struct db *db, int64_t *seq, struct err *e);

#endif
