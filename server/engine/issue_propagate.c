/* Waiting until the name servers of its zone show each record, and telling how far that is. */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/engine/engine_private.h"
#include "server/engine/issue.h"
#include "server/engine/solver_use.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void note_progress(struct step_context *c, size_t i)
{
    struct authorization *row = &c->authorizations[i];
    struct propagation_progress progress;
    if (!verdicts_progress(c->engine->verdicts, c->job.id, row->index, &progress))
        return;
    if (row->detail && !strcmp(row->detail, progress.text))
        return;
    issue_set(&row->detail, progress.text);
    step_mark_authorization(c, i);
}

/* What the solver's settings say of the check. */
static int check_settings(struct step_context *c, const struct authorization *row, bool *wanted,
                          int64_t *timeout_ms, struct err *e)
{
    struct solver_use use;
    if (solver_use_open(c, row->solver, &use, e) < 0)
        return -1;
    *wanted = solver_use_checks_propagation(&use);
    *timeout_ms = solver_use_propagation_timeout_ms(&use);
    solver_use_finish(&use);
    return 0;
}

static int check_one(struct step_context *c, size_t i, struct err *e)
{
    struct authorization *row = &c->authorizations[i];
    struct propagation_verdict verdict;
    bool wanted;
    int64_t timeout_ms;
    if (check_settings(c, row, &wanted, &timeout_ms, e) < 0)
        return -1;
    if (!wanted) {
        issue_mark_visible(c, i, "not checked: the solver says so");
        return 0;
    }
    char *text = issue_is_persist(row) ? issue_persist_wanted(c, row) : NULL;
    struct propagation_check check = {
        .fqdn = row->record_name,
        .value = text ? text : row->record_value,
        .matches = text ? issue_persist_matches : NULL,
        .zone_hint = row->record_zone && row->record_zone[0] ? row->record_zone : NULL,
        .deadline_ms = c->now + timeout_ms,
    };
    enum verdict_state state =
        verdicts_record(c->engine->verdicts, c->job.id, row->index, &check, &verdict);
    free(text);
    if (state == VERDICT_PENDING) {
        note_progress(c, i);
        return 0;
    }
    if (!verdict.found)
        return context_fail(e, &verdict.error);
    char *detail = mem_printf("%d of %d name servers have it", verdict.have, verdict.total);
    issue_mark_visible(c, i, detail);
    free(detail);
    return 0;
}

/* What this step has learnt of the records: "www.example.com: 2 of 3 name servers have it". */
static void describe(struct step_context *c, char out[STEP_MESSAGE_SIZE])
{
    size_t used = 0, told = 0, last = 0;
    out[0] = '\0';
    for (size_t i = 0; i < c->authorization_count && used < STEP_MESSAGE_SIZE; i++) {
        const struct authorization *row = &c->authorizations[i];
        if (!issue_is_changed(c, i) || !row->detail)
            continue;
        used +=
            (size_t)snprintf(out + used, STEP_MESSAGE_SIZE - used, "%s%s%s: %s", told ? "; " : "",
                             row->wildcard ? "*." : "", row->identifier_value, row->detail);
        told++;
        last = i;
    }
    if (told == 1)
        step_about(c, last);
}

int issue_propagate(struct step_context *c, struct err *e)
{
    char learnt[STEP_MESSAGE_SIZE];
    for (ptrdiff_t i = issue_find(c, AUTHORIZATION_PRESENTED, 0); i >= 0;
         i = issue_find(c, AUTHORIZATION_PRESENTED, (size_t)i + 1))
        if (check_one(c, (size_t)i, e) < 0)
            return -1;
    describe(c, learnt);
    if (issue_find(c, AUTHORIZATION_PRESENTED, 0) < 0)
        return step_next(c, "respond", "the name servers show the records%s%s",
                         learnt[0] ? ": " : "", learnt);
    /* The verdict wakes the job; in between it only looks how far things are, ever more rarely. */
    int64_t polls = c->job.error ? 5 : step_polls(c);
    int64_t again = (int64_t)(15 * CLOCK_SECOND_MS) << (polls < 5 ? polls : 5);
    c->ready = issue_is_answered;
    if (learnt[0])
        return step_wait(c, NULL, c->now + again, "%s", learnt);
    return step_wait(c, NULL, c->now + again, polls ? NULL : "waits for the name servers");
}
