/* Telling the CA to look, and waiting for what it says. */
#include "acme/base/memory.h"
#include "server/engine/cleanup.h"
#include "server/engine/engine_private.h"
#include "server/engine/issue.h"
#include "server/engine/retry.h"
#include "store/failure.h"

#include <stdlib.h>
#include <string.h>

enum { POLLS_A_STEP = 16 };

int issue_authorization_failed(struct step_context *c, size_t i,
                               const struct acme_authorization *answer, struct err *e)
{
    struct authorization *row = &c->authorizations[i];
    const struct acme_challenge *failure = acme_authorization_failure(answer);
    row->step = AUTHORIZATION_INVALID;
    step_mark_authorization(c, i);
    if (failure) {
        *e = failure->error;
        err_prefix(e, "%s%s: ", row->wildcard ? "*." : "", row->identifier_value);
        acme_problem_finish(&c->client.problem);
        c->client.problem.document = mem_strdup(failure->problem.document);
    } else {
        err_set(e, ERR_CA_UNAUTHORIZED, "The CA's authorization for %s%s is %s.",
                row->wildcard ? "*." : "", row->identifier_value, row->status);
    }
    free(row->error);
    row->error = failure_write(e, &c->client.problem);
    return -1;
}

/* ---- respond ---- */

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
    if (c->resumed && was_answered(c, row, &answered, e) < 0)
        return -1;
    if (!answered && acme_challenge_respond(&c->client, row->challenge_url, &retry_after_ms, e) < 0)
        return -1;
    row->step = AUTHORIZATION_RESPONDED;
    step_mark_authorization(c, (size_t)i);
    if (issue_find(c, AUTHORIZATION_VISIBLE, 0) >= 0)
        return step_next(c, "respond", NULL);
    return step_wait(c, "validate", c->now + retry_poll_ms(0, retry_after_ms),
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
            !issue_is_http01(&c->authorizations[i]))
            return false;
    return true;
}

static int save_second_order(struct store_tx *tx, struct step_context *c, struct err *e)
{
    struct order order = {
        .job = c->job.id,
        .certificate_id = c->certificate.id,
        .certificate = c->certificate.name,
        .version = c->order.version,
        .account = c->account.name,
        .authority = c->authority.name,
        .status = (char[]){"new"},
    };
    if (cleanup_plan(tx, "order", c->order.id, e) < 0)
        return -1;
    return order_insert(tx, &order, e);
}

static int order_again(struct step_context *c)
{
    c->save = save_second_order;
    return step_next(c, "order", "the service was away while the CA looked: a second order");
}

static int poll_one(struct step_context *c, size_t i, int64_t *retry_after_ms, struct err *e)
{
    struct authorization *row = &c->authorizations[i];
    struct acme_authorization answer;
    if (acme_authorization_get(&c->client, row->url, &answer, e) < 0)
        return -1;
    int rc = 0;
    if (answer.status == ACME_AUTHORIZATION_PENDING) {
        if (answer.retry_after_ms > *retry_after_ms)
            *retry_after_ms = answer.retry_after_ms;
    } else {
        issue_set(&row->status, answer.status == ACME_AUTHORIZATION_VALID ? "valid" : "invalid");
        issue_set(&row->document, answer.document);
        step_mark_authorization(c, i);
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
    return cleanup_plan(tx, "order", c->order.id, e);
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
                       ? order_again(c)
                       : -1;
        i = issue_find(c, AUTHORIZATION_RESPONDED, (size_t)i + 1);
    }
    size_t valid = issue_count_from(c, AUTHORIZATION_VALID);
    if (valid == c->authorization_count) {
        c->save = save_validated;
        return step_next(c, "finalize", "the CA has validated all %zu names", valid);
    }
    return step_wait(c, NULL, c->now + retry_poll_ms(step_polls(c) + 1, retry_after_ms), NULL);
}
