/*
 * One step of one job, or several that are joined: load, run, commit. What a commit holds is
 * decided before it begins, so that it can be run again.
 */
#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/engine/abandon.h"
#include "server/engine/account_job.h"
#include "server/engine/commit.h"
#include "server/engine/engine_private.h"
#include "server/engine/responders.h"
#include "server/engine/retry.h"
#include "server/engine/step.h"
#include "store/account_limit.h"
#include "store/failure.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
    struct worker *worker;
    struct job *job;
    struct step_context c;
    struct commit commit;
    bool loaded; /* the context is there: nothing of it is committed yet */
};

static int load_context(struct step_context *c, struct err *e)
{
    c->resumed = c->job.error || c->job.updated_at < c->engine->started_at ||
                 refusals_has(c->engine->refusals, c->job.id);
    c->kind = job_kind_by_name(c->job.kind);
    c->step = c->kind ? job_kind_step(c->kind, c->job.step) : NULL;
    if (!c->kind)
        return err_set(e, ERR_INTERNAL, "This program knows no job %s.", c->job.kind);
    c->args = c->job.args ? json_tokener_parse(c->job.args) : NULL;
    if (!c->args)
        c->args = json_object_new_object();
    c->loaded = c->kind->load(c, e) == 0;
    if (c->loaded && !c->step)
        return err_set(e, ERR_INTERNAL, "This program knows no step %s of %s.", c->job.step,
                       c->job.kind);
    return c->loaded ? 0 : -1;
}

static void end_as(struct commit *commit, enum job_state state, const char *message)
{
    commit->change.state = state;
    commit->change.due_at = INT64_MAX;
    commit->message = message;
}

static void after_success(struct commit *commit)
{
    struct step_context *c = commit->c;
    assert(c->outcome != STEP_NONE);
    commit->message = c->message[0] ? c->message : NULL;
    if (c->authority.parked_until && context_is_at_authority(c))
        commit->park_until = 0;
    context_silence_ms(c, context_is_at_authority(c), NULL);
    if (c->outcome == STEP_DONE) {
        end_as(commit, JOB_SUCCEEDED, commit->message ? commit->message : "done");
        return;
    }
    const char *next = c->next ? c->next : c->step->name;
    assert(step_may_follow(c->step, next));
    bool same = !strcmp(next, c->step->name);
    const struct step *step = job_kind_step(c->kind, next);
    assert(step);
    step->lane(c, commit->lane);
    commit->change.step = next;
    commit->change.lane = commit->lane;
    commit->change.due_at = c->due;
    commit->change.state = c->outcome == STEP_WAIT ? JOB_WAITING : JOB_RUNNING;
    commit->change.attempt = same && c->outcome == STEP_WAIT ? step_polls(c) + 1 : 0;
    /* To have asked again is no success yet: the failure stands until the answer is there. */
    if (same && c->ready && c->job.error) {
        commit->change.attempt = c->job.attempt;
        commit->change.error = c->job.error;
    }
    if (c->shown)
        commit->change.error = c->shown;
}

static void after_failure(struct commit *commit, struct err *error, struct step_result *result)
{
    struct step_context *c = commit->c;
    int64_t attempt = c->job.error ? c->job.attempt : 0;
    int64_t now = clock_engine_ms(); /* a call that hung has taken its time */
    int64_t left = context_left_ms(c, now);
    struct retry retry = retry_decide(error, attempt, left, context_patience_ms(c));
    int64_t silent_ms = context_silence_ms(c, context_is_at_authority(c), error);
    retry.park_ms = retry.park_ms < silent_ms ? silent_ms : retry.park_ms;
    retry_tell_why_not(&retry, left, error);
    context_doubt_directory(c, error);
    commit->error = failure_write(error, &c->client.problem);
    commit->change.error = commit->error;
    commit->message = error->detail;
    result->failed = true;
    atomic_fetch_add(&c->engine->counters.step_failures, 1);
    log_info("step failed", "job", c->job.id, "kind", c->job.kind, "step", c->job.step, "code",
             err_info(error->code)->name, "detail", error->detail, "again",
             retry.again ? "yes" : "no", NULL);
    if (!retry.again) {
        end_as(commit, JOB_FAILED, error->detail);
        return;
    }
    commit->change.state = JOB_WAITING;
    commit->change.attempt = attempt + 1;
    commit->change.due_at = retry.person ? INT64_MAX : now + retry.delay_ms;
    if (remedy_is_account_wide(error))
        commit->limit_until = commit->change.due_at;
    if (c->authority.name)
        result->park_ms = retry.park_ms;
    if (retry.park_ms && context_is_at_authority(c)) {
        log_info("a CA is left alone", "authority", c->authority.name, NULL);
        commit->park_until = now + retry.park_ms;
        commit->park_reason = error->detail;
    }
}

/*
 * A wait for something that never comes ends with the time to retry, as failures do; but who wants
 * no second try after a failure still grants the first one an hour. Only a person may take longer.
 */
static bool waits_too_long(const struct step_context *c, struct err *e)
{
    bool is_patient = c->now < context_deadline(c) || c->now < c->job.created_at + CLOCK_HOUR_MS;
    if (c->outcome != STEP_WAIT || c->due == INT64_MAX || is_patient)
        return false;
    err_set(e, ERR_JOB_GAVE_UP, "What the step \"%s\" waits for did not come in time.",
            c->step->name);
    return true;
}

/*
 * Whether another job of the account has met a limit of the account at this step: then this one
 * asks when that is over. They do not all ask in the same second.
 */
static bool is_limited(struct step_context *c)
{
    struct err ignored;
    int64_t until;
    if (!atomic_load(&c->engine->limited) || !c->account.id || c->job.error ||
        !context_is_at_authority(c) ||
        account_limit_load(c->db, c->account.id, c->step->name, &until, &ignored) < 0 ||
        until <= c->now)
        return false;
    step_wait(c, NULL, until + retry_spread_ms(until - c->now),
              "waits: the CA's limit for the account or address is reached");
    return true;
}

/* What the job's kind can do about the failure; if nothing, *error is what counts. */
static bool is_remedied(struct step_context *c, struct err *error)
{
    if (!c->kind->remedy)
        return false;
    struct err failure = *error;
    if (c->kind->remedy(c, remedy_for(error).first, error) < 0)
        return false;
    log_info("step failed", "job", c->job.id, "kind", c->job.kind, "step", c->job.step, "code",
             err_info(failure.code)->name, "detail", failure.detail, "again", "in another way",
             NULL);
    atomic_fetch_add(&c->engine->counters.step_failures, 1);
    return true;
}

/* The next start takes the step up; what it would have joined is there by then. */
static void after_shutdown(struct commit *commit)
{
    if (!commit->earlier_count)
        commit->c = NULL;
    commit->change =
        (struct job_change){.state = JOB_RUNNING, .due_at = commit->c ? commit->c->now : 0};
}

static void run_step(struct step_context *c, struct commit *commit, struct step_result *result)
{
    struct err *error = &commit->failure;
    if (c->gone) {
        end_as(commit, JOB_CANCELLED, "its resource was deleted");
    } else if (c->job.cancel_requested_at && !c->step->committed) {
        end_as(commit, JOB_CANCELLED, "cancelled");
    } else if ((is_limited(c) || c->step->run(c, error) == 0) && !waits_too_long(c, error)) {
        after_success(commit);
    } else if (account_key_has_moved(c, error) || is_remedied(c, error)) {
        after_success(commit);
    } else if (error->code == ERR_SHUTDOWN) {
        after_shutdown(commit);
        result->failed = true;
    } else {
        after_failure(commit, error, result);
    }
}

/* The job as the commit left it, without asking the database again. */
static void move_on(struct job *job, const struct commit *commit)
{
    const struct job_change *change = &commit->written;
    job->state = change->state;
    job->attempt = change->attempt;
    job->due_at = change->due_at;
    job->epoch = commit->epoch;
    if (change->step) {
        free(job->step);
        job->step = mem_strdup(change->step);
    }
    if (change->lane) {
        free(job->lane);
        job->lane = mem_strdup(change->lane);
    }
    free(job->error);
    job->error = mem_strdup(change->error);
}

/*
 * A commit can be refused for what the step wants to write (the certificate was deleted meanwhile,
 * the key turned out to serve an account). Doing it again would be refused again: the step fails.
 */
static int write_or_fail(struct commit *commit, struct step_result *result, struct err *e)
{
    struct step_context *c = commit->c;
    struct store *store = c->engine->options.store;
    if (store_write_wait(store, commit_write, commit, e) == 0)
        return 0;
    if (refusals_may_pass(e->code))
        return -1;
    struct err refusal = *e;
    free(commit->error);
    commit_forget_earlier(commit);
    commit->change = (struct job_change){0};
    commit->park_until = -1;
    after_failure(commit, &refusal, result);
    c->order_changed = false;
    memset(c->authorizations_changed, 0, sizeof c->authorizations_changed);
    c->save = NULL;
    c->ready = NULL;
    return store_write_wait(store, commit_write, commit, e);
}

/* The context gets a copy of the job's row: what the worker holds moves on with the commit. */
static int begin(struct worker *worker, const struct job *job, struct step_context *c,
                 struct err *e)
{
    struct engine *engine = worker->engine;
    c->engine = engine;
    c->worker = worker;
    c->now = clock_engine_ms();
    if (store_reader(engine->options.store, &c->db, e) < 0 || db_snapshot_begin(c->db, e) < 0)
        return -1;
    int rc = job_load(c->db, job->id, &c->job, e) < 0 ? -1 : load_context(c, e);
    db_snapshot_end(c->db);
    return rc;
}

/* The job ends here, since it would be refused for ever. */
static void give_up(struct worker *worker, const struct job *job, const struct err *why,
                    struct step_result *result)
{
    struct step_context c = {0};
    struct err error;
    log_error("a job is given up", "job", job->id, "kind", job->kind, "step", job->step, "code",
              err_info(why->code)->name, "detail", why->detail, NULL);
    begin(worker, job, &c, &error); /* as far as it goes: c.loaded tells */
    if (abandon_job(worker->engine->options.store, &c, job, why, &error) < 0) {
        log_warn("it could not even be ended", "job", job->id, "detail", error.detail, NULL);
    } else {
        refusals_forget(worker->engine->refusals, job->id);
        verdicts_forget(worker->engine->verdicts, job->id);
        result->final = true;
    }
    context_finish(&c);
}

/* What a step came to is not durable, or the job cannot be loaded: it is tried again, ever later,
   or given up. */
static void put_off(struct worker *worker, const struct job *job, struct err *error,
                    const char *what, bool hopeless, struct step_result *result)
{
    int count = refusals_add(worker->engine->refusals, job->id);
    log_warn(what, "job", job->id, "kind", job->kind, "step", job->step, "code",
             err_info(error->code)->name, "detail", error->detail, NULL);
    result->uncommitted = true;
    result->due = clock_engine_ms() + refusals_delay_ms(count);
    if (!hopeless && !refusals_are_enough(count, error->code))
        return;
    err_prefix(error, "Refused %d times in a row; %s: ", count, what);
    give_up(worker, job, error, result);
}

static void settle(struct worker *worker, struct job *job, struct commit *commit,
                   struct step_result *result)
{
    struct engine *engine = worker->engine;
    struct err error;
    if (!commit->c) {
        result->due = clock_engine_ms() + CLOCK_SECOND_MS;
        result->uncommitted = true;
        return;
    }
    commit_take_requests(commit);
    if (write_or_fail(commit, result, &error) < 0) {
        bool may_pass = refusals_may_pass(error.code);
        atomic_store(&engine->unwritable, may_pass);
        put_off(worker, job, &error, "a step's commit failed", !may_pass, result);
        if (result->final)
            responders_take_back(commit->c);
        return;
    }
    atomic_store(&engine->unwritable, false);
    refusals_forget(engine->refusals, job->id);
    atomic_fetch_add(&engine->counters.steps, 1);
    move_on(job, commit);
    result->uncommitted = false;
    result->final = job_state_is_final(job->state);
    result->due = job->due_at;
    result->go_on = job->state == JOB_RUNNING;
    if (result->final) {
        verdicts_forget(engine->verdicts, job->id);
        responders_take_back(commit->c);
        log_info("job ended", "job", job->id, "kind", job->kind, "resource",
                 job->resource_name ? job->resource_name : "", "state", job_state_name(job->state),
                 NULL);
    }
}

/* ---- joined steps ---- */

/* A look into the database at each step would cost more than the cancels that come in between. */
enum { SHORT_MS = 50 };

/* Whether a cancel was accepted meanwhile; the commit asks once more, where it matters. */
static void heed_cancel(struct step_context *c, bool waited)
{
    struct err ignored;
    bool called = false;
    int64_t now = clock_engine_ms();
    if ((waited || now - c->now > SHORT_MS) &&
        job_is_called_back(c->db, c->job.id, &called, &ignored) == 0 && called)
        c->job.cancel_requested_at = now;
}

/* On to the next step, with what the last one has left. */
static void advance(struct run *run)
{
    struct step_context *c = &run->c;
    struct commit *commit = &run->commit;
    commit->earlier[commit->earlier_count++] = (struct earlier){
        c->step, mem_strdup(commit->message), c->about, c->save, c->saved, c->saved_free};
    c->about = NULL;
    heed_cancel(c, c->outcome == STEP_WAIT);
    c->save = NULL;
    c->saved = NULL;
    c->saved_free = NULL;
    c->ready = NULL;
    c->step = job_kind_step(c->kind, commit->change.step);
    free(c->job.step);
    c->job.step = mem_strdup(c->step->name);
    free(c->job.lane);
    c->job.lane = mem_strdup(commit->lane);
    free(c->job.error);
    c->job.error = NULL;
    c->job.attempt = commit->change.attempt;
    c->outcome = STEP_NONE;
    c->next = NULL;
    c->resumed = false;
    c->now = clock_engine_ms();
    commit->change = (struct job_change){0};
    commit->message = NULL;
}

struct run *engine_run_create(struct worker *worker, const struct job *job)
{
    struct run *run = mem_new(1, sizeof *run);
    *run = (struct run){.worker = worker,
                        .job = mem_new(1, sizeof *job),
                        .commit = {.c = &run->c, .park_until = -1}};
    *run->job = *job;
    return run;
}

static void unload(struct run *run)
{
    free(run->commit.error);
    free(run->commit.requests);
    commit_forget_earlier(&run->commit);
    context_finish(&run->c);
    run->c = (struct step_context){0};
    run->commit = (struct commit){.c = &run->c, .park_until = -1};
    run->loaded = false;
}

void engine_run_destroy(struct run *run)
{
    unload(run);
    job_finish(run->job);
    free(run->job);
    free(run);
}

bool engine_run_is_open(const struct run *run)
{
    return run->loaded;
}

void engine_run_rest(struct run *run)
{
    run->c.ca = NULL;
    run->c.client.ca = NULL;
    run->c.client.http = NULL;
}

void engine_run_move(struct run *run, struct worker *worker, struct db *db)
{
    run->worker = worker;
    run->c.worker = worker;
    run->c.db = db;
}

const struct job *engine_run_job(const struct run *run)
{
    return run->job;
}

static void name_lane(const struct run *run, struct step_result *result)
{
    if (run->job->lane)
        snprintf(result->lane, sizeof result->lane, "%s", run->job->lane);
}

void engine_run_commit(struct run *run, struct step_result *result)
{
    if (!run->loaded)
        return;
    settle(run->worker, run->job, &run->commit, result);
    name_lane(run, result);
    unload(run);
}

/* A job without a row was deleted since it was claimed. */
static void cannot_load(struct run *run, struct err *error, struct step_result *result)
{
    if (error->code == ERR_NOT_FOUND && !run->c.job.kind)
        result->final = true;
    else
        put_off(run->worker, run->job, error, "a job cannot be loaded", false, result);
}

/* 0: it may run. */
static int load(struct run *run, struct step_result *result)
{
    struct err error;
    if (begin(run->worker, run->job, &run->c, &error) < 0) {
        cannot_load(run, &error, result);
    } else if (commit_may_begin(&run->c)) {
        run->loaded = true;
        return 0;
    } else {
        result->due = clock_engine_ms() + CLOCK_SECOND_MS;
        result->uncommitted = true;
        result->failed = true;
    }
    name_lane(run, result);
    unload(run);
    return -1;
}

void engine_run_step(struct run *run, struct step_result *result)
{
    *result = (struct step_result){0};
    if (run->loaded)
        advance(run);
    else if (load(run, result) < 0)
        return;
    run->worker->running = &run->c;
    run_step(&run->c, &run->commit, result);
    run->worker->running = NULL;
    if (!commit_can_wait(&run->commit)) {
        engine_run_commit(run, result);
        return;
    }
    result->go_on = true;
    result->due = run->commit.change.due_at;
    memcpy(result->lane, run->commit.lane, sizeof result->lane);
}
