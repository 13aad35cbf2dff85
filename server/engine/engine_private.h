/* The engine's inside, for its own files. */
#ifndef CERTWRIGHT_SERVER_ENGINE_ENGINE_PRIVATE_H
#define CERTWRIGHT_SERVER_ENGINE_ENGINE_PRIVATE_H

#include "server/engine/ca_registry.h"
#include "server/engine/engine.h"
#include "server/engine/lanes.h"
#include "server/engine/refusals.h"
#include "server/engine/verdicts.h"
#include "store/job.h"

#include <pthread.h>

enum { WORKER_CLIENTS = 8, ENGINE_HELD_MAX = 64 };

struct step_context;

/* A connection to one authority, kept by a worker between steps. */
struct worker_client {
    char *authority; /* NULL: free */
    struct ca *ca;   /* shared */
    struct acme_http *http;
    uint64_t used; /* the turn it was last used in */
};

struct worker {
    struct engine *engine;
    pthread_t thread;
    bool has_thread; /* one to be joined */
    bool keys;       /* serves the lane "keys", and nothing else */
    bool serves;     /* the maker of keys: its thread will look for work; with the engine's mutex */
    struct worker_client clients[WORKER_CLIENTS];
    uint64_t turn;
    struct acme_http *solver_http; /* to DNS providers; NULL until needed */
    struct step_context *running;  /* whose requests are on their way; NULL: nobody's */
};

/* Workers without work. One of them keeps the time for all; to wake all of them for each commit
   costs more than what they then do. */
struct idle {
    pthread_cond_t changed;
    size_t count;
    int64_t until; /* one of them looks again by then, or is awake already */
};

/* A run whose next step comes so soon that nothing is committed before, or that has done nothing
   outside and waits for room in a lane. Its job stays claimed. */
struct held {
    struct run *run;
    int64_t due;
    char lane[LANE_NAME_SIZE];
};

struct engine {
    struct engine_options options;
    struct ca_registry *cas;
    struct verdicts *verdicts;
    struct pace *pace; /* of renewals; guarded by the mutex */
    struct engine_counters counters;
    struct refusals *refusals;
    struct open_keys *open_keys;
    atomic_bool limited;    /* some account may have met a limit (store/account_limit.h) */
    atomic_bool unwritable; /* the last commit of a step was refused: the disk may be full */
    int64_t started_at;     /* what was committed before is another process's work */
    atomic_bool abort;

    struct worker *workers; /* NULL before the start; the last one makes keys, while there are any
                               to be made */

    pthread_mutex_t mutex; /* guards what follows */
    struct idle idle[2];   /* [1]: the lane "keys" alone */
    struct lanes *lanes;
    bool stopping;
    struct held held[ENGINE_HELD_MAX];
    size_t held_count;
};

/* After whatever may have made room or work: wakes one who has none, unless one is awake by then.
   With the mutex. */
void engine_wake(struct engine *engine);

/* The worker's connection to the authority, made at the first use; borrowed. */
int worker_client(struct worker *worker, const struct authority *authority,
                  struct worker_client **out, struct err *e);
int worker_solver_http(struct worker *worker, struct acme_http **out, struct err *e);
void worker_finish(struct worker *worker);

/* What is left to do with a job after one of its steps (run.c). */
struct step_result {
    bool go_on; /* its next step can run at once, in `lane` */
    bool final;
    bool uncommitted; /* the row is as it was: try again at due */
    bool failed;      /* the step failed; park_ms counts then */
    int64_t park_ms;  /* park the lane of the step */
    char lane[LANE_NAME_SIZE];
    int64_t due;
};

/* The steps of a claimed job, one after the other. */
struct run;
/* Takes the job over. */
struct run *engine_run_create(struct worker *worker, const struct job *job);
/* As it was committed last. */
const struct job *engine_run_job(const struct run *run);
/* Lets go of what is the worker's, who goes on with other work. */
void engine_run_rest(struct run *run);
/* This worker goes on with it, with a reader of its own. */
void engine_run_move(struct run *run, struct worker *worker, struct db *db);
void engine_run_destroy(struct run *run);
/* Whether steps were run that are not committed. */
bool engine_run_is_open(const struct run *run);
/* Loads the job unless its last step is still to be committed, runs its next step, and commits it,
   unless the one after it may join: result->go_on then says nothing of what is durable. If it is to
   come later, at result->due, the run is worth being held until then. */
void engine_run_step(struct run *run, struct step_result *result);
/* Commits what is not yet, and fills *result anew; leaves it alone if there is nothing. */
void engine_run_commit(struct run *run, struct step_result *result);

/* ---- runs that are held (held.c) ---- */

/* Takes the run over until result->due. False if there is no room, or it would take long: then what
   there is has to be committed. */
bool engine_hold(struct engine *engine, struct run *run, const struct step_result *result);
/* The lane's first that is due by then; NULL if there is none. */
struct run *engine_take_held(struct engine *engine, const char *lane, int64_t by);
/* Once the worker threads have ended. What cannot be committed is observed by the next start. */
void engine_commit_held(struct engine *engine);

#endif
