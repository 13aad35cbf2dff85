#include "server/engine/commit.h"

#include "acme/base/log.h"
#include "server/engine/engine_private.h"
#include "store/account_limit.h"
#include "store/event.h"

#include <stdlib.h>

/*
 * After a commit that failed the database is asked first whether it takes writes again: on a full
 * disk each try would place another order, and forget it.
 */
static int write_trial(struct store_tx *tx, void *arg, struct err *e)
{
    const struct step_context *c = arg;
    const struct event_new event = {c->job.id, c->job.state, c->step->name,
                                    "the database takes writes again", NULL};
    return event_add(tx, &event, e);
}

bool commit_may_begin(struct step_context *c)
{
    struct engine *engine = c->engine;
    struct err error;
    if (!atomic_load(&engine->unwritable) && !refusals_has(engine->refusals, c->job.id))
        return true;
    if (store_write_wait(engine->options.store, write_trial, c, &error) == 0)
        return true;
    log_warn("a step waits for the database", "job", c->job.id, "step", c->step->name, "code",
             err_info(error.code)->name, "detail", error.detail, NULL);
    return false;
}

static int write_rows(struct store_tx *tx, struct step_context *c, struct err *e)
{
    if (c->directory && authority_set_directory(tx, c->authority.name, c->directory, e) < 0)
        return -1;
    if (c->order_changed && !c->order_new && order_update(tx, &c->order, e) < 0)
        return -1;
    for (size_t i = 0; i < c->authorization_count; i++)
        if (c->authorizations_changed[i / 64] >> i % 64 & 1 &&
            authorization_put(tx, &c->authorizations[i], e) < 0)
            return -1;
    return c->save ? c->save(tx, c, e) : 0;
}

static int tell(struct store_tx *tx, const struct step_context *c, enum job_state state,
                const struct step *step, const char *message, const char *about, struct err *e)
{
    const struct event_new event = {c->job.id, state, step->name, message, about};
    return event_add(tx, &event, e);
}

/* In the order of the steps, and before the rows that may refer to it. */
static int write_earlier(struct store_tx *tx, const struct commit *commit, struct err *e)
{
    struct step_context *c = commit->c;
    void *own = c->saved;
    int rc = 0;
    for (size_t i = 0; i < commit->earlier_count && rc == 0; i++) {
        const struct earlier *earlier = &commit->earlier[i];
        c->saved = earlier->saved;
        if (earlier->message)
            rc = tell(tx, c, JOB_RUNNING, earlier->step, earlier->message, earlier->about, e);
        if (rc == 0 && earlier->save)
            rc = earlier->save(tx, c, e);
    }
    c->saved = own;
    return rc;
}

void commit_forget_earlier(struct commit *commit)
{
    while (commit->earlier_count > 0) {
        struct earlier *earlier = &commit->earlier[--commit->earlier_count];
        if (earlier->saved_free)
            earlier->saved_free(earlier->saved);
        free(earlier->message);
        free(earlier->about);
    }
}

/* Whether the job would pass the point of no return although a cancel was accepted meanwhile. */
static int is_called_back(struct db *db, const struct commit *commit, bool *called, struct err *e)
{
    const struct step_context *c = commit->c;
    const struct step *next =
        commit->change.step ? job_kind_step(c->kind, commit->change.step) : NULL;
    *called = false;
    if (c->step->committed || !next || !next->committed)
        return 0;
    return job_is_called_back(db, c->job.id, called, e);
}

static bool is_there(struct db *db, const struct step_context *c, struct err *e)
{
    struct certificate certificate;
    struct order order;
    if (c->certificate.id) {
        if (certificate_load_by_id(db, c->certificate.id, &certificate, e) < 0)
            return false;
        certificate_finish(&certificate);
    } else if (c->order.id[0]) {
        if (order_load(db, c->order.id, &order, e) < 0)
            return false;
        order_finish(&order);
    }
    return true;
}

/* Whether the job failed only since its certificate, or the order that it is about, was deleted
   under the step. */
static int has_lost_resource(struct db *db, const struct commit *commit, bool *lost, struct err *e)
{
    struct err missing;
    *lost = commit->change.state == JOB_FAILED && !is_there(db, commit->c, &missing);
    return *lost && missing.code != ERR_NOT_FOUND ? context_fail(e, &missing) : 0;
}

void commit_take_requests(struct commit *commit)
{
    commit->requests = requests_append(commit->c->job.requests, &commit->c->requests);
}

int commit_write(struct store_tx *tx, void *arg, struct err *e)
{
    struct commit *commit = arg;
    struct step_context *c = commit->c;
    struct job_change change = commit->change;
    const char *message = commit->message;
    bool called, lost;
    if (is_called_back(store_tx_db(tx), commit, &called, e) < 0 ||
        has_lost_resource(store_tx_db(tx), commit, &lost, e) < 0)
        return -1;
    if (called || lost) {
        change = (struct job_change){.state = JOB_CANCELLED, .due_at = INT64_MAX};
        message = called ? "cancelled" : "its resource was deleted";
    }
    if (change.state == JOB_WAITING && c->ready && c->ready(c))
        change.due_at = c->now;
    if (commit->earlier_count && !change.step) {
        change.step = c->step->name;
        change.lane = c->job.lane;
    }
    change.requests = commit->requests;
    commit->written = change;
    if (job_commit(tx, c->job.id, c->job.epoch, &change, &commit->epoch, e) < 0)
        return -1;
    if (write_earlier(tx, commit, e) < 0)
        return -1;
    if (message && tell(tx, c, change.state, c->step, message, c->about, e) < 0)
        return -1;
    if (!c->gone && write_rows(tx, c, e) < 0)
        return -1;
    if (commit->limit_until && c->account.id) {
        if (account_limit_set(tx, c->account.id, c->step->name, commit->limit_until, e) < 0)
            return -1;
        atomic_store(&c->engine->limited, true);
    }
    if (commit->park_until >= 0 && c->authority.name && !c->gone &&
        authority_park(tx, c->authority.name, commit->park_until, commit->park_reason, e) < 0)
        return -1;
    if (job_state_is_final(change.state))
        return c->kind->end(tx, c, change.state, change.error, e);
    return 0;
}

/* What is sooner than that is not worth a commit, and a load of everything after it. */
enum { HOLD_MAX_MS = 200 };

bool commit_can_wait(const struct commit *commit)
{
    const struct step_context *c = commit->c;
    if (!c || (c->outcome == STEP_WAIT && (c->ready || c->due > c->now + HOLD_MAX_MS)))
        return false;
    return (c->outcome == STEP_NEXT || c->outcome == STEP_WAIT) && commit->change.step &&
           !commit->change.error && commit->earlier_count < EARLIER_MAX &&
           step_may_join(c->kind, c->step, commit->change.step);
}
