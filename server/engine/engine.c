/*
 * The workers and what they wait for.
 *
 *   store's feed ──► lanes (when is each lane's next job due?) ──► a worker takes a lane
 *                      ▲                                             │ claims its earliest job
 *                      │                                             ▼
 *                      └──── lane, due ◄──── commit ◄──── run ◄──── load
 *
 * A worker that has committed a step goes on with the same job while its next step may run at once.
 * Slow keys are made by a thread that there is only while some are to be made.
 */
#include "server/engine/engine.h"

#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/engine/engine_private.h"
#include "server/engine/open_keys.h"
#include "server/engine/pace.h"
#include "server/engine/renewal.h"
#include "server/engine/responders.h"
#include "server/engine/step.h"
#include "store/account_limit.h"
#include "store/authority.h"
#include "store/job.h"
#include "store/order.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STEPS_IN_A_ROW = 16 };

/* Conditions count no time of a suspended machine, engine time does: so long may a look be late. */
enum { LOOK_MS = 30 * CLOCK_SECOND_MS };

/* ---- lanes ---- */

static void *work(void *arg);

static int start_worker(struct engine *engine, size_t i, struct err *e)
{
    bool keys = i == (size_t)engine->options.workers;
    struct worker *worker = &engine->workers[i];
    if (worker->has_thread)
        pthread_join(worker->thread, NULL);
    *worker = (struct worker){.engine = engine, .keys = keys, .serves = true};
    if (pthread_create(&worker->thread, NULL, work, worker)) {
        worker->serves = false;
        return err_set(e, ERR_INTERNAL, "A worker thread cannot be started.");
    }
    worker->has_thread = true;
    return 0;
}

/* One who had no keys to make has left the mutex for good, and is joined at once. With the mutex.
 */
static void call_key_maker(struct engine *engine)
{
    struct err error;
    if (engine->workers && !engine->stopping && !engine->workers[engine->options.workers].serves &&
        lanes_next(engine->lanes, true) < INT64_MAX &&
        start_worker(engine, (size_t)engine->options.workers, &error) < 0)
        log_warn("keys have to wait", "detail", error.detail, NULL);
}

void engine_wake(struct engine *engine)
{
    for (int keys = 0; keys < 2; keys++) {
        struct idle *idle = &engine->idle[keys];
        int64_t next = idle->count ? lanes_next(engine->lanes, keys) : INT64_MAX;
        if (next < idle->until) {
            idle->until = next;
            pthread_cond_signal(&idle->changed);
        }
    }
    call_key_maker(engine);
}

static void told(void *context, const struct store_news *news)
{
    struct engine *engine = context;
    if (!news->lane_count)
        return;
    pthread_mutex_lock(&engine->mutex);
    for (size_t i = 0; i < news->lane_count; i++) {
        const struct store_lane *lane = &news->lanes[i];
        lanes_due(engine->lanes, lane->name, lane->due_ms);
        if (lane->insisted)
            lanes_unpark(engine->lanes, lane->name, clock_engine_ms());
    }
    engine_wake(engine);
    pthread_mutex_unlock(&engine->mutex);
}

static void wait_until(struct engine *engine, struct idle *idle, int64_t due)
{
    if (due == INT64_MAX) {
        pthread_cond_wait(&idle->changed, &engine->mutex);
        return;
    }
    int64_t wait_ms = due - clock_engine_ms();
    if (wait_ms <= 0)
        return;
    if (wait_ms > LOOK_MS)
        wait_ms = LOOK_MS;
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += wait_ms / 1000;
    at.tv_nsec += wait_ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&idle->changed, &engine->mutex, &at);
}

/* Until there may be something to do; next is when there will be, for all that is known. */
static void idle_until(struct engine *engine, struct idle *idle, int64_t next)
{
    bool keeps_time = next < idle->until;
    if (keeps_time)
        idle->until = next;
    idle->count++;
    wait_until(engine, idle, keeps_time ? next : INT64_MAX);
    idle->count--;
    idle->until = INT64_MAX;
}

/* Blocks until a lane can be served; NULL when the engine stops, or no more keys are to be made. */
static struct lane *wait_for_lane(struct worker *worker)
{
    struct engine *engine = worker->engine;
    struct lane *lane = NULL;
    pthread_mutex_lock(&engine->mutex);
    while (!engine->stopping) {
        int64_t next;
        lane = lanes_take(engine->lanes, clock_engine_ms(), worker->keys, &next);
        if (lane || (worker->keys && next == INT64_MAX))
            break;
        idle_until(engine, &engine->idle[worker->keys], next);
    }
    worker->serves = lane;
    engine_wake(engine);
    pthread_mutex_unlock(&engine->mutex);
    return lane;
}

/* ---- steps ---- */

/* Claims the lane's first job, and learns when the next is due; news that came meanwhile are not
   forgotten. As job_claim. */
static int claim(struct engine *engine, struct db *db, struct lane *lane, struct job *out,
                 bool *found, struct err *e)
{
    int64_t due;
    pthread_mutex_lock(&engine->mutex);
    uint64_t changed = lane->changed;
    pthread_mutex_unlock(&engine->mutex);
    if (job_claim(engine->options.store, db, lane->name, clock_engine_ms(), out, found, &due, e) <
        0)
        return -1;
    pthread_mutex_lock(&engine->mutex);
    lanes_learn(lane, due, changed);
    engine_wake(engine);
    pthread_mutex_unlock(&engine->mutex);
    return 0;
}

static void leave(struct engine *engine, struct lane *lane)
{
    pthread_mutex_lock(&engine->mutex);
    lanes_leave(engine->lanes, lane);
    engine_wake(engine);
    pthread_mutex_unlock(&engine->mutex);
}

/* What the step's end means for the lane it ran in. */
static void judge(struct engine *engine, struct lane *lane, const struct step_result *result)
{
    pthread_mutex_lock(&engine->mutex);
    if (result->park_ms)
        lanes_park(engine->lanes, lane->name, clock_engine_ms() + result->park_ms);
    else if (!result->failed)
        lanes_open(lane);
    engine_wake(engine);
    pthread_mutex_unlock(&engine->mutex);
}

/* Moves the worker to the lane of the job's next step; NULL if that has no room now. What this
   machine does alone is done in any lane: the job might not get back into the one it left. */
static struct lane *change_lane(struct engine *engine, struct lane *lane, const char *next)
{
    pthread_mutex_lock(&engine->mutex);
    struct lane *entered = lane;
    if (engine->stopping) {
        entered = NULL;
    } else if (strcmp(lane->name, next) != 0 && strcmp(next, "local") != 0) {
        entered = lanes_enter(engine->lanes, next, clock_engine_ms());
        if (entered) {
            lanes_leave(engine->lanes, lane);
            engine_wake(engine);
        }
    }
    pthread_mutex_unlock(&engine->mutex);
    return entered;
}

/*
 * Ends the claim. When the job is due is asked of the database, not of the step: while it was
 * claimed it may have been hastened, and whoever was woken by that found it taken.
 */
static void give_back(struct engine *engine, struct db *db, const struct job *job,
                      const struct step_result *result)
{
    struct err error;
    int64_t due;
    job_unclaim(engine->options.store, job->id);
    if (result->final)
        return;
    if (result->uncommitted ||
        job_lane_due(engine->options.store, db, result->lane, &due, &error) < 0)
        due = result->due;
    pthread_mutex_lock(&engine->mutex);
    lanes_due(engine->lanes, result->lane, due);
    engine_wake(engine);
    pthread_mutex_unlock(&engine->mutex);
}

/* Nobody serves a parked lane, which may take hours: what is held for it is committed instead. */
static void commit_parked(struct engine *engine, struct worker *worker, struct db *db,
                          const char *lane)
{
    struct run *run;
    while ((run = engine_take_held(engine, lane, INT64_MAX))) {
        struct step_result result = {0};
        engine_run_move(run, worker, db);
        engine_run_commit(run, &result);
        give_back(engine, db, engine_run_job(run), &result);
        engine_run_destroy(run);
    }
}

/* Whether it may wait in memory for its next lane to have room: nobody has noticed anything of what
   only this machine has done. */
static bool waits_for_room(const struct lane *lane, const struct run *run)
{
    return engine_run_is_open(run) && !strcmp(lane->name, "local");
}

/* Steps the claimed job as far as it goes at once. Returns the lane the worker is in afterwards. */
static struct lane *step_job(struct worker *worker, struct db *db, struct lane *lane,
                             struct run *run)
{
    struct engine *engine = worker->engine;
    struct step_result result;
    for (int i = 1;; i++) {
        engine_run_step(run, &result);
        judge(engine, lane, &result);
        if (result.park_ms)
            commit_parked(engine, worker, db, lane->name);
        if (!result.go_on || i == STEPS_IN_A_ROW || worker->keys)
            break;
        bool later = result.due > clock_engine_ms();
        if (later && engine_hold(engine, run, &result))
            return lane;
        if (later)
            break;
        struct lane *next = change_lane(engine, lane, result.lane);
        if (!next && waits_for_room(lane, run) && engine_hold(engine, run, &result))
            return lane;
        if (!next)
            break;
        lane = next;
    }
    engine_run_commit(run, &result);
    give_back(engine, db, engine_run_job(run), &result);
    engine_run_destroy(run);
    return lane;
}

/* The database cannot be read: nothing of the lane is tried before that may have changed. */
static void pause_lane(struct engine *engine, struct lane *lane)
{
    pthread_mutex_lock(&engine->mutex);
    lanes_put_off(lane, clock_engine_ms() + CLOCK_SECOND_MS);
    pthread_mutex_unlock(&engine->mutex);
}

static void serve(struct worker *worker, struct lane *lane)
{
    struct engine *engine = worker->engine;
    struct job job = {0};
    struct db *db;
    struct err error;
    struct run *run = NULL;
    bool found = false;
    if (store_reader(engine->options.store, &db, &error) < 0) {
        log_error("the database cannot be read", "detail", error.detail, NULL);
        pause_lane(engine, lane);
    } else if ((run = engine_take_held(engine, lane->name, clock_engine_ms()))) {
        engine_run_move(run, worker, db);
    } else if (claim(engine, db, lane, &job, &found, &error) < 0) {
        log_warn("a job cannot be claimed", "lane", lane->name, "detail", error.detail, NULL);
        pause_lane(engine, lane);
    } else {
        run = found ? engine_run_create(worker, &job) : NULL;
    }
    if (run)
        lane = step_job(worker, db, lane, run);
    leave(engine, lane);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct lane *lane;
    while ((lane = wait_for_lane(worker)))
        serve(worker, lane);
    worker_finish(worker);
    return NULL;
}

/* ---- life ---- */

int engine_create(const struct engine_options *options, struct engine **out, struct err *e)
{
    (void)e;
    struct engine *engine = mem_new(1, sizeof *engine);
    engine->options = *options;
    engine->cas = ca_registry_create();
    engine->verdicts = verdicts_create(options->store, options->propagation);
    engine->pace = pace_create();
    engine->refusals = refusals_create();
    engine->open_keys = open_keys_create();
    engine->lanes = lanes_create(options->workers);
    engine->started_at = clock_engine_ms();
    pthread_mutex_init(&engine->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    for (int i = 0; i < 2; i++) {
        pthread_cond_init(&engine->idle[i].changed, &monotonic);
        engine->idle[i].until = INT64_MAX;
    }
    pthread_condattr_destroy(&monotonic);
    store_subscribe(options->store, told, engine);
    *out = engine;
    return 0;
}

static void take_up(void *context, const char *lane, int64_t due)
{
    struct engine *engine = context;
    lanes_due(engine->lanes, lane, due);
}

/* A CA that was parked stays so over a restart. */
static int park_authorities(struct engine *engine, struct db *db, struct err *e)
{
    char *after = NULL;
    size_t count;
    do {
        struct authority *list;
        if (authority_list(db, after, 100, &list, &count, e) < 0) {
            free(after);
            return -1;
        }
        for (size_t i = 0; i < count; i++) {
            char lane[LANE_NAME_SIZE];
            lane_name_of_authority(list[i].name, lane);
            if (list[i].parked_until > clock_engine_ms())
                lanes_park(engine->lanes, lane, list[i].parked_until);
            if (i + 1 == count) {
                free(after);
                after = mem_strdup(list[i].name);
            }
            authority_finish(&list[i]);
        }
        free(list);
    } while (count == 100);
    free(after);
    return 0;
}

/* Verdicts of DNS are in memory: who waited for one of the process before has to ask again. */
static int wake_waiting(struct store_tx *tx, void *arg, struct err *e)
{
    (void)arg;
    const char *kind = certificate_issue_kind.name;
    if (job_hasten_step(tx, kind, "present", e) < 0 ||
        job_hasten_step(tx, kind, "propagate", e) < 0)
        return -1;
    return job_hasten_step(tx, preflight_kind.name, "look", e);
}

int engine_start(struct engine *engine, struct err *e)
{
    struct db *db;
    bool limited;
    if (store_write_wait(engine->options.store, wake_waiting, NULL, e) < 0 ||
        renewal_plan_missing(engine->options.store, e) < 0 ||
        store_reader(engine->options.store, &db, e) < 0 ||
        responders_fill(&engine->options, db, e) < 0 || account_limit_any(db, &limited, e) < 0)
        return -1;
    atomic_store(&engine->limited, limited);
    pthread_mutex_lock(&engine->mutex);
    int rc = job_lanes(db, take_up, engine, e);
    if (rc == 0)
        rc = park_authorities(engine, db, e);
    engine->workers = mem_new((size_t)engine->options.workers + 1, sizeof *engine->workers);
    for (int i = 0; rc == 0 && i < engine->options.workers; i++)
        rc = start_worker(engine, (size_t)i, e);
    call_key_maker(engine);
    pthread_mutex_unlock(&engine->mutex);
    return rc;
}

void engine_stop(struct engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    engine->stopping = true;
    atomic_store(&engine->abort, true);
    for (int i = 0; i < 2; i++)
        pthread_cond_broadcast(&engine->idle[i].changed);
    pthread_mutex_unlock(&engine->mutex);
    for (int i = 0; engine->workers && i <= engine->options.workers; i++)
        if (engine->workers[i].has_thread)
            pthread_join(engine->workers[i].thread, NULL);
    engine_commit_held(engine);
    free(engine->workers);
    engine->workers = NULL;
}

void engine_destroy(struct engine *engine)
{
    if (!engine)
        return;
    lanes_destroy(engine->lanes);
    refusals_destroy(engine->refusals);
    open_keys_destroy(engine->open_keys);
    pace_destroy(engine->pace);
    verdicts_destroy(engine->verdicts);
    ca_registry_destroy(engine->cas);
    for (int i = 0; i < 2; i++)
        pthread_cond_destroy(&engine->idle[i].changed);
    pthread_mutex_destroy(&engine->mutex);
    free(engine);
}

const struct engine_counters *engine_counters(const struct engine *engine)
{
    return &engine->counters;
}
