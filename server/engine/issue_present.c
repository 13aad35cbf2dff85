/*
 * Putting the challenges' responses in place, one authorization after the other:
 *
 *   CHOSEN ──► (dns-01: where does the record go?) ──► ANNOUNCED ──► PRESENTED ──► VISIBLE
 *                                                      the duty to    the record    seen by all
 *                                                      clean up is    is there      name servers
 *                                                      durable
 *
 * http-01 needs no other host: its token is served from the commit on, and VISIBLE at once.
 */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/engine/engine_private.h"
#include "server/engine/issue.h"
#include "server/engine/solver_use.h"
#include "server/solver/http01.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- http-01 ---- */

/* The responder's table is filled before the commit, so that no answer of ours comes too early for
   it; the duties fill it again after a restart. */
static int serve_tokens(struct step_context *c, size_t *served, struct err *e)
{
    for (size_t i = 0; i < c->authorization_count; i++) {
        struct authorization *row = &c->authorizations[i];
        if (row->step != AUTHORIZATION_CHOSEN || !issue_is_http01(row))
            continue;
        if (http01_add(c->engine->options.http01, row->order, row->token, row->key_authorization,
                       e) < 0)
            return -1;
        row->step = AUTHORIZATION_VISIBLE;
        step_mark_authorization(c, i);
        (*served)++;
    }
    return 0;
}

static bool is_changed(const struct step_context *c, size_t i)
{
    return c->authorizations_changed[i / 64] >> i % 64 & 1;
}

/* A duty for each authorization that this step has announced. */
static int save_duties(struct store_tx *tx, struct step_context *c, struct err *e)
{
    for (size_t i = 0; i < c->authorization_count; i++) {
        const struct authorization *row = &c->authorizations[i];
        bool http01 = issue_is_http01(row);
        if (!is_changed(c, i) ||
            row->step != (http01 ? AUTHORIZATION_VISIBLE : AUTHORIZATION_ANNOUNCED))
            continue;
        struct duty duty = {
            .index = row->index,
            .solver = row->solver,
            .record_name = http01 ? row->token : row->record_name,
            .record_zone = row->record_zone,
            .record_value = http01 ? row->key_authorization : row->record_value,
        };
        memcpy(duty.order, c->order.id, ULID_SIZE);
        if (duty_insert(tx, &duty, e) < 0)
            return -1;
    }
    return 0;
}

/* ---- dns-01: where the record goes ---- */

static bool is_ready(struct step_context *c)
{
    return verdicts_ready(c->engine->verdicts, c->job.id);
}

/* Fills record_zone and record_name (at the end of the CNAMEs); *pending if DNS is being asked. */
static int find_zone(struct step_context *c, struct authorization *row, bool *pending,
                     struct err *e)
{
    struct solver_use use;
    struct propagation_zone found;
    struct err error;
    if (solver_use_open(c, row->solver, &use, e) < 0)
        return -1;
    const char *hint = solver_zone_for(use.context.settings, row->identifier_value);
    *pending = verdicts_zone(c->engine->verdicts, c->job.id, row->index, row->record_name, hint,
                             &found, &error) == VERDICT_PENDING;
    int rc = 0;
    if (!*pending && error.code == ERR_NONE) {
        issue_set(&row->record_zone, found.zone);
        issue_set(&row->record_name, found.fqdn);
    } else if (!*pending && use.provider->needs_zone) {
        *e = error;
        rc = -1;
    } else if (!*pending) {
        issue_set(&row->record_zone, hint ? hint : "");
    }
    solver_use_finish(&use);
    return rc;
}

static int announce(struct step_context *c, size_t i, struct err *e)
{
    struct authorization *row = &c->authorizations[i];
    bool pending;
    if (find_zone(c, row, &pending, e) < 0)
        return -1;
    if (pending) {
        c->ready = is_ready;
        return step_wait(c, NULL, c->now + CLOCK_MINUTE_MS, NULL);
    }
    row->step = AUTHORIZATION_ANNOUNCED;
    step_mark_authorization(c, i);
    c->save = save_duties;
    return step_next(c, "present", NULL);
}

/* ---- dns-01: the record itself ---- */

struct placed {
    int64_t index;
    struct buf state; /* what the provider wants back for clean-up */
};

static void placed_free(void *saved)
{
    struct placed *placed = saved;
    if (!placed)
        return;
    buf_finish(&placed->state);
    free(placed);
}

static int save_state(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct placed *placed = c->saved;
    return duty_set_state(tx, c->order.id, placed->index, buf_string(&placed->state), e);
}

static int place(struct step_context *c, size_t i, struct err *e)
{
    struct authorization *row = &c->authorizations[i];
    struct solver_use use;
    if (solver_use_open(c, row->solver, &use, e) < 0)
        return -1;
    struct solver_record record = {
        .zone = row->record_zone ? row->record_zone : "",
        .fqdn = row->record_name,
        .value = row->record_value,
        .ttl_seconds = solver_use_ttl_seconds(&use),
    };
    struct placed *placed = mem_new(1, sizeof *placed);
    placed->index = row->index;
    c->saved = placed;
    c->saved_free = placed_free;
    int rc = solver_present(use.provider, &use.context, &record, &placed->state, e);
    solver_use_finish(&use);
    if (rc < 0)
        return -1;
    row->step = AUTHORIZATION_PRESENTED;
    step_mark_authorization(c, i);
    c->save = save_state;
    return step_next(c, "present", "TXT %s is placed", row->record_name);
}

/* ---- the step ---- */

static bool is_manual(struct step_context *c, const struct authorization *row, struct err *e,
                      int *rc)
{
    struct solver_use use;
    *rc = solver_use_open(c, row->solver, &use, e);
    if (*rc < 0)
        return false;
    bool manual = use.provider->manual;
    solver_use_finish(&use);
    return manual;
}

/* The next record that a provider can place; -1 in *found if only a person's are left. */
static int next_to_place(struct step_context *c, ptrdiff_t *found, size_t *manual, struct err *e)
{
    *found = -1;
    *manual = 0;
    for (ptrdiff_t i = issue_find(c, AUTHORIZATION_ANNOUNCED, 0); i >= 0;
         i = issue_find(c, AUTHORIZATION_ANNOUNCED, (size_t)i + 1)) {
        int rc;
        bool by_hand = is_manual(c, &c->authorizations[i], e, &rc);
        if (rc < 0)
            return -1;
        if (!by_hand) {
            *found = i;
            return 0;
        }
        ++*manual;
    }
    return 0;
}

/* The records are shown by the job until somebody says that they are there. */
static int wait_for_a_person(struct step_context *c)
{
    for (ptrdiff_t i = issue_find(c, AUTHORIZATION_ANNOUNCED, 0); i >= 0;
         i = issue_find(c, AUTHORIZATION_ANNOUNCED, (size_t)i + 1)) {
        struct authorization *row = &c->authorizations[i];
        char *wish = mem_printf("add %s. TXT \"%s\", then POST /jobs/%s/continue", row->record_name,
                                row->record_value, c->job.id);
        free(row->detail);
        row->detail = wish;
        step_mark_authorization(c, (size_t)i);
    }
    return step_wait(c, NULL, INT64_MAX, "waits for records to be placed by hand");
}

void issue_present_lane(const struct step_context *c, char out[LANE_NAME_SIZE])
{
    ptrdiff_t i = issue_find(c, AUTHORIZATION_ANNOUNCED, 0);
    if (i < 0) {
        lane_local(c, out);
        return;
    }
    const struct authorization *row = &c->authorizations[i];
    solver_use_lane(row->solver, row->record_zone, out);
}

int issue_present(struct step_context *c, struct err *e)
{
    size_t served = 0, manual;
    ptrdiff_t i;
    if (serve_tokens(c, &served, e) < 0)
        return -1;
    if (served) {
        c->save = save_duties;
        bool all = issue_count_from(c, AUTHORIZATION_VISIBLE) == c->authorization_count;
        return step_next(c, all ? "respond" : "present", "%zu http-01 token%s served", served,
                         served == 1 ? " is" : "s are");
    }
    if (next_to_place(c, &i, &manual, e) < 0)
        return -1;
    if (i >= 0)
        return place(c, (size_t)i, e);
    i = issue_find(c, AUTHORIZATION_CHOSEN, 0);
    if (i >= 0)
        return announce(c, (size_t)i, e);
    if (manual)
        return wait_for_a_person(c);
    if (issue_find(c, AUTHORIZATION_PRESENTED, 0) >= 0)
        return step_next(c, "propagate", NULL);
    return step_next(c, "respond", NULL);
}

/* ---- propagate ---- */

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

static void mark_visible(struct step_context *c, size_t i, const char *detail)
{
    struct authorization *row = &c->authorizations[i];
    row->step = AUTHORIZATION_VISIBLE;
    issue_set(&row->detail, detail);
    step_mark_authorization(c, i);
}

static int check_one(struct step_context *c, size_t i, struct err *e)
{
    struct authorization *row = &c->authorizations[i];
    struct solver_use use;
    struct propagation_verdict verdict;
    if (solver_use_open(c, row->solver, &use, e) < 0)
        return -1;
    bool wanted = solver_use_checks_propagation(&use);
    struct propagation_check check = {
        .fqdn = row->record_name,
        .value = row->record_value,
        .zone_hint = row->record_zone && row->record_zone[0] ? row->record_zone : NULL,
        .deadline_ms = c->now + solver_use_propagation_timeout_ms(&use),
    };
    int rc = 0;
    if (!wanted) {
        mark_visible(c, i, "not checked: the solver says so");
    } else if (verdicts_record(c->engine->verdicts, c->job.id, row->index, &check, &verdict) ==
               VERDICT_PENDING) {
        note_progress(c, i);
    } else if (verdict.found) {
        char *detail = mem_printf("%d of %d name servers have it", verdict.have, verdict.total);
        mark_visible(c, i, detail);
        free(detail);
    } else {
        *e = verdict.error;
        rc = -1;
    }
    solver_use_finish(&use);
    return rc;
}

int issue_propagate(struct step_context *c, struct err *e)
{
    for (ptrdiff_t i = issue_find(c, AUTHORIZATION_PRESENTED, 0); i >= 0;
         i = issue_find(c, AUTHORIZATION_PRESENTED, (size_t)i + 1))
        if (check_one(c, (size_t)i, e) < 0)
            return -1;
    if (issue_find(c, AUTHORIZATION_PRESENTED, 0) < 0)
        return step_next(c, "respond", "the name servers show the records");
    /* The verdict wakes the job; in between it only looks how far things are, ever more rarely. */
    int64_t polls = c->job.error ? 5 : step_polls(c);
    int64_t again = (int64_t)(15 * CLOCK_SECOND_MS) << (polls < 5 ? polls : 5);
    c->ready = is_ready;
    return step_wait(c, NULL, c->now + again, polls ? NULL : "waits for the name servers");
}
