/* Telling the CA to look, and waiting for what it says. */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/engine/cleanup.h"
#include "server/engine/engine_private.h"
#include "server/engine/issue.h"
#include "server/engine/responders.h"
#include "server/engine/retry.h"
#include "store/failure.h"

#include <stdlib.h>
#include <string.h>

enum { POLLS_A_STEP = 16 };

/* The CA's error goes to e and, with its document, to the client's problem. */
static void take_complaint(struct step_context *c, size_t i, const struct acme_challenge *challenge,
                           struct err *e)
{
    const struct authorization *row = &c->authorizations[i];
    *e = challenge->error;
    err_prefix(e, "%s%s: ", row->wildcard ? "*." : "", row->identifier_value);
    acme_problem_finish(&c->client.problem);
    c->client.problem.document = mem_strdup(challenge->problem.document);
}

static void show_complaint(struct step_context *c, size_t i, const struct err *e)
{
    struct authorization *row = &c->authorizations[i];
    free(row->error);
    row->error = failure_write(e, &c->client.problem);
    step_mark_authorization(c, i);
}

/* Not for anything the CA saw: another order gets another authorization. */
static bool is_lost(enum acme_authorization_status status)
{
    return status == ACME_AUTHORIZATION_EXPIRED || status == ACME_AUTHORIZATION_DEACTIVATED ||
           status == ACME_AUTHORIZATION_REVOKED;
}

int issue_authorization_failed(struct step_context *c, size_t i,
                               const struct acme_authorization *answer, struct err *e)
{
    struct authorization *row = &c->authorizations[i];
    const struct acme_challenge *failure = acme_authorization_failure(answer);
    step_about(c, i);
    row->step = AUTHORIZATION_INVALID;
    /* RFC 8555 section 7.1.6: it takes its order with it, which may never be looked at again. */
    issue_set(&c->order.status, "invalid");
    c->order_changed = true;
    if (failure)
        take_complaint(c, i, failure, e);
    else
        err_set(e, is_lost(answer->status) ? ERR_ORDER_EXPIRED : ERR_CA_UNAUTHORIZED,
                "The CA's authorization for %s%s is %s.", row->wildcard ? "*." : "",
                row->identifier_value, issue_authorization_status_name(answer->status));
    show_complaint(c, i, e);
    return -1;
}

/* ---- what the CA has not given up ---- */

enum { ASK_AGAIN_MIN_MS = 5 * CLOCK_SECOND_MS, ASK_AGAIN_MAX_MS = 10 * CLOCK_MINUTE_MS };

/* The challenge that was answered, if the CA told what is wrong with it; or NULL. */
static const struct acme_challenge *complaint_of(const struct authorization *row,
                                                 const struct acme_authorization *answer)
{
    for (size_t i = 0; i < answer->challenge_count; i++)
        if (!strcmp(answer->challenges[i].url, row->challenge_url) &&
            answer->challenges[i].error.code != ERR_NONE)
            return &answer->challenges[i];
    return NULL;
}

/* The challenges of one order are asked again together, each time after half the time since the
   order was placed: so it takes ever longer, and nothing has to be counted. */
static int64_t ask_again_ms(const struct step_context *c, int64_t retry_after_ms)
{
    int64_t ms = (c->now - c->order.created_at) / 2;
    if (ms < ASK_AGAIN_MIN_MS)
        ms = ASK_AGAIN_MIN_MS;
    if (ms > ASK_AGAIN_MAX_MS)
        ms = ASK_AGAIN_MAX_MS;
    int64_t asked = retry_after_ms ? retry_poll_ms(0, retry_after_ms) : 0;
    return asked > ms ? asked : ms;
}

/*
 * RFC 8555 section 8.2: a challenge that is processing with an error is tried again by the CA
 * itself; one that is pending with an error (smallstep has them) takes another answer. The job
 * shows the error while it waits, and fails with it when the time to retry is over.
 */
static int bear_complaint(struct step_context *c, size_t i, const struct acme_challenge *challenge,
                          int64_t delay, struct err *e)
{
    take_complaint(c, i, challenge, e);
    show_complaint(c, i, e);
    step_about(c, i);
    if (c->job.deadline_at != INT64_MAX && c->now + delay > c->job.deadline_at)
        return -1;
    if (!strcmp(challenge->status, "pending"))
        c->authorizations[i].step = AUTHORIZATION_VISIBLE;
    free(c->shown);
    c->shown = failure_write(e, &c->client.problem);
    return 0;
}

/* ---- respond ---- */

/* Whether the response was made under the key that the account has now. */
static bool has_account_key(const struct step_context *c, const struct authorization *row)
{
    const char *dot = row->key_authorization ? strchr(row->key_authorization, '.') : NULL;
    return !dot || !c->account.thumbprint || !strcmp(dot + 1, c->account.thumbprint);
}

/* After a lost answer the challenge may be under way already: then nothing is sent again. */
static int was_answered(struct step_context *c, const struct authorization *row, bool *answered,
                        struct err *e)
{
    struct acme_authorization answer;
    if (acme_authorization_get(&c->client, row->url, &answer, e) < 0)
        return -1;
    *answered = answer.status != ACME_AUTHORIZATION_PENDING;
    for (size_t i = 0; i < answer.challenge_count; i++)
        if (!strcmp(answer.challenges[i].url, row->challenge_url) && answer.challenges[i].status &&
            strcmp(answer.challenges[i].status, "pending") != 0)
            *answered = true;
    acme_authorization_finish(&answer);
    return 0;
}

int issue_respond(struct step_context *c, struct err *e)
{
    ptrdiff_t i = issue_find(c, AUTHORIZATION_VISIBLE, 0);
    if (i < 0)
        return step_next(c, "validate", NULL);
    if (context_client(c, e) < 0)
        return -1;
    struct authorization *row = &c->authorizations[i];
    bool answered = false;
    int64_t retry_after_ms = 0;
    if (!has_account_key(c, row))
        return issue_order_again(c, "the account has another key now");
    if (c->resumed && was_answered(c, row, &answered, e) < 0)
        return -1;
    if (!answered && acme_challenge_respond(&c->client, row->challenge_url, &retry_after_ms, e) < 0)
        return -1;
    row->step = AUTHORIZATION_RESPONDED;
    step_mark_authorization(c, (size_t)i);
    if (issue_find(c, AUTHORIZATION_VISIBLE, 0) >= 0)
        return step_next(c, "respond", NULL);
    return step_wait(c, "validate", c->now + polls_wait_ms(&c->ca->validation, 0, retry_after_ms),
                     "the CA was asked to look");
}

/* ---- validate ---- */

/*
 * Whether the CA may have looked while nobody was there to answer it: this process did not place
 * the order. Once after a start that is worth a second order; the next one is this process's own.
 */
static bool was_away(const struct step_context *c)
{
    if (c->order.created_at >= c->engine->started_at)
        return false;
    for (size_t i = 0; i < c->authorization_count; i++)
        if (c->authorizations[i].step == AUTHORIZATION_INVALID &&
            !responders_do(c->authorizations[i].challenge_type))
            return false;
    return true;
}

static int poll_one(struct step_context *c, size_t i, int64_t *retry_after_ms, struct err *e)
{
    struct authorization *row = &c->authorizations[i];
    struct acme_authorization answer;
    if (acme_authorization_get(&c->client, row->url, &answer, e) < 0)
        return -1;
    int rc = 0;
    if (answer.status == ACME_AUTHORIZATION_PENDING) {
        const struct acme_challenge *challenge = complaint_of(row, &answer);
        if (answer.retry_after_ms > *retry_after_ms)
            *retry_after_ms = answer.retry_after_ms;
        if (challenge)
            rc = bear_complaint(c, i, challenge, ask_again_ms(c, *retry_after_ms), e);
    } else {
        issue_set(&row->status, issue_authorization_status_name(answer.status));
        issue_set(&row->document, answer.document);
        step_mark_authorization(c, i);
        issue_set(&row->error, NULL);
        if (answer.status == ACME_AUTHORIZATION_VALID)
            row->step = AUTHORIZATION_VALID;
        else
            rc = issue_authorization_failed(c, i, &answer, e);
    }
    acme_authorization_finish(&answer);
    return rc;
}

/* The CA has seen all it wanted: what was put up for it comes down. */
static int save_validated(struct store_tx *tx, struct step_context *c, struct err *e)
{
    return cleanup_plan(tx, c, "order", c->order.id, e);
}

/* What the CA takes another answer for is answered again; else it is looked at again. */
static int wait_with_complaint(struct step_context *c, int64_t retry_after_ms,
                               const struct err *complaint)
{
    const char *next = issue_find(c, AUTHORIZATION_VISIBLE, 0) >= 0 ? "respond" : NULL;
    return step_wait(c, next, c->now + ask_again_ms(c, retry_after_ms),
                     "the CA has not given up: %s", complaint->detail);
}

int issue_validate(struct step_context *c, struct err *e)
{
    if (context_client(c, e) < 0)
        return -1;
    int64_t retry_after_ms = 0;
    int polled = 0;
    ptrdiff_t i = issue_find(c, AUTHORIZATION_RESPONDED, 0);
    while (i >= 0 && polled++ < POLLS_A_STEP) {
        if (poll_one(c, (size_t)i, &retry_after_ms, e) < 0)
            return was_away(c) && c->authorizations[i].step == AUTHORIZATION_INVALID
                       ? issue_order_again(c, "the service was away while the CA looked")
                       : -1;
        i = issue_find(c, AUTHORIZATION_RESPONDED, (size_t)i + 1);
    }
    size_t valid = issue_count_from(c, AUTHORIZATION_VALID);
    if (valid == c->authorization_count) {
        c->save = save_validated;
        if (polled && !c->job.error)
            polls_learn(&c->ca->validation, step_polls(c));
        return step_next(c, "finalize", "the CA has validated all %zu names", valid);
    }
    if (c->shown)
        return wait_with_complaint(c, retry_after_ms, e);
    int64_t wait_ms = polls_wait_ms(&c->ca->validation, step_polls(c) + 1, retry_after_ms);
    return step_wait(c, NULL, c->now + wait_ms, NULL);
}
