/*
 * Putting the challenges' responses in place, one authorization after the other:
 *
 *   CHOSEN ──► (a record: where does it go?) ──► ANNOUNCED ──► PRESENTED ──► VISIBLE
 *                                                the duty to    the record    seen by all
 *                                                clean up is    is there      name servers
 *                                                durable
 *
 * http-01 and tls-alpn-01 need no other host: they are answered from the commit on, and VISIBLE at
 * once. The record of dns-persist-01 stays, so it has no duty, and is looked for before it is
 * placed: renewals find it there.
 */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/engine/engine_private.h"
#include "server/engine/issue.h"
#include "server/engine/responders.h"
#include "server/engine/retry.h"
#include "server/engine/solver_use.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_AGAIN_MS = 10 * CLOCK_SECOND_MS, LOOK_LATER_MS = CLOCK_MINUTE_MS };

/* ---- answered by ourselves ---- */

/* What stands for the authorization's record; all of it borrowed. */
static struct duty duty_of(const struct step_context *c, const struct authorization *row)
{
    bool own = responders_do(row->challenge_type);
    bool http01 = own && !strcmp(row->challenge_type, "http-01");
    struct duty duty = {
        .index = row->index,
        .solver = own ? row->challenge_type : row->solver,
        .record_name = http01 ? row->token
                       : own  ? row->identifier_value
                              : row->record_name,
        .record_zone = row->record_zone,
        .record_value = own ? row->key_authorization : row->record_value,
    };
    memcpy(duty.order, c->order.id, ULID_SIZE);
    return duty;
}

static bool is_own_choice(const struct authorization *row)
{
    return row->step == AUTHORIZATION_CHOSEN && responders_do(row->challenge_type);
}

/* All of them or none: two orders that wait for each other's names would wait for ever. */
static int answer_all(struct step_context *c, struct err *e)
{
    for (size_t i = 0; i < c->authorization_count; i++) {
        struct duty duty = duty_of(c, &c->authorizations[i]);
        if (!is_own_choice(&c->authorizations[i]) ||
            responders_add(&c->engine->options, &duty, e) == 0)
            continue;
        while (i-- > 0) {
            duty = duty_of(c, &c->authorizations[i]);
            if (is_own_choice(&c->authorizations[i]))
                responders_remove(&c->engine->options, &duty);
        }
        return -1;
    }
    return 0;
}

/* The tables are filled before the commit, so that no answer of ours comes too early for them; the
   duties fill them again after a restart. */
static int answer(struct step_context *c, size_t *answered, bool *taken, struct err *e)
{
    struct err error;
    *taken = false;
    if (answer_all(c, &error) < 0) {
        *taken = error.code == ERR_CONFLICT;
        return *taken ? 0 : context_fail(e, &error);
    }
    for (size_t i = 0; i < c->authorization_count; i++) {
        if (!is_own_choice(&c->authorizations[i]))
            continue;
        c->authorizations[i].step = AUTHORIZATION_VISIBLE;
        step_mark_authorization(c, i);
        ++*answered;
    }
    return 0;
}

bool issue_is_changed(const struct step_context *c, size_t i)
{
    return c->authorizations_changed[i / 64] >> i % 64 & 1;
}

/* A duty for each authorization that this step has announced. */
static int save_duties(struct store_tx *tx, struct step_context *c, struct err *e)
{
    for (size_t i = 0; i < c->authorization_count; i++) {
        const struct authorization *row = &c->authorizations[i];
        bool own = responders_do(row->challenge_type);
        if (!issue_is_changed(c, i) || issue_is_persist(row) ||
            row->step != (own ? AUTHORIZATION_VISIBLE : AUTHORIZATION_ANNOUNCED))
            continue;
        struct duty duty = duty_of(c, row);
        if (duty_insert(tx, &duty, e) < 0)
            return -1;
    }
    return 0;
}

/* ---- where the record goes ---- */

bool issue_is_answered(struct step_context *c)
{
    return verdicts_ready(c->engine->verdicts, c->job.id);
}

/* use is NULL where a person is shown the record. *pending if DNS is being asked. */
static int look_up_zone(struct step_context *c, struct authorization *row,
                        const struct solver_use *use, bool *pending, struct err *e)
{
    struct propagation_zone found;
    struct err error;
    const char *hint = use ? solver_zone_for(use->context.settings, row->identifier_value) : NULL;
    *pending = verdicts_zone(c->engine->verdicts, c->job.id, row->index, row->record_name, hint,
                             &found, &error) == VERDICT_PENDING;
    if (*pending)
        return 0;
    if (error.code == ERR_NONE) {
        issue_set(&row->record_zone, found.zone);
        issue_set(&row->record_name, found.fqdn);
        return 0;
    }
    if (use && use->provider->needs_zone)
        return context_fail(e, &error);
    issue_set(&row->record_zone, hint ? hint : "");
    return 0;
}

/* Fills record_zone and record_name (at the end of the CNAMEs). */
static int find_zone(struct step_context *c, struct authorization *row, bool *pending,
                     struct err *e)
{
    struct solver_use use;
    if (!row->solver)
        return look_up_zone(c, row, NULL, pending, e);
    if (solver_use_open(c, row->solver, &use, e) < 0)
        return -1;
    int rc = look_up_zone(c, row, &use, pending, e);
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
        c->ready = issue_is_answered;
        return step_wait(c, NULL, c->now + CLOCK_MINUTE_MS, NULL);
    }
    row->step = AUTHORIZATION_ANNOUNCED;
    step_mark_authorization(c, i);
    c->save = save_duties;
    return step_next(c, "present", NULL);
}

/* ---- the record itself ---- */

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
    if (!issue_is_persist(row))
        c->save = save_state;
    step_about(c, i);
    return step_next(c, "present", "TXT %s is placed", row->record_name);
}

/* ---- what is there already, and what a person places ---- */

/* What an announced record waits for. */
struct waits {
    size_t person; /* POST /continue, or a record that comes by itself */
    size_t look;   /* the answer of a look for a record */
};

static int is_by_hand(struct step_context *c, const struct authorization *row, bool *by_hand,
                      struct err *e)
{
    struct solver_use use;
    *by_hand = !row->solver;
    if (*by_hand)
        return 0;
    if (solver_use_open(c, row->solver, &use, e) < 0)
        return -1;
    *by_hand = use.provider->manual;
    solver_use_finish(&use);
    return 0;
}

void issue_mark_visible(struct step_context *c, size_t i, const char *detail)
{
    struct authorization *row = &c->authorizations[i];
    row->step = AUTHORIZATION_VISIBLE;
    issue_set(&row->detail, detail);
    step_mark_authorization(c, i);
}

/* Looks for a fitting record: once before we place one, again and again for a person's. */
static enum verdict_state look(struct step_context *c, const struct authorization *row,
                               bool by_hand, struct propagation_verdict *verdict)
{
    char *wanted = issue_persist_wanted(c, row);
    bool is_fresh = c->now < c->job.created_at + CLOCK_HOUR_MS; /* somebody may be at it */
    struct propagation_check check = {
        .fqdn = row->record_name,
        .value = wanted,
        .matches = issue_persist_matches,
        .zone_hint = row->record_zone && row->record_zone[0] ? row->record_zone : NULL,
        .deadline_ms = c->now + (by_hand ? CLOCK_HOUR_MS : 0),
        .interval_ms = is_fresh ? LOOK_AGAIN_MS : LOOK_LATER_MS,
    };
    enum verdict_state state =
        verdicts_record(c->engine->verdicts, c->job.id, row->index, &check, verdict);
    free(wanted);
    return state;
}

/* The job shows what it waits for. */
static void show_wish(struct step_context *c, size_t i)
{
    struct authorization *row = &c->authorizations[i];
    char *wish = issue_is_persist(row)
                     ? mem_printf("add %s. TXT \"%s\"; it is looked for again and again",
                                  row->record_name, row->record_value)
                     : mem_printf("add %s. TXT \"%s\", then POST /jobs/%s/continue",
                                  row->record_name, row->record_value, c->job.id);
    if (!row->detail || strcmp(row->detail, wish) != 0)
        step_mark_authorization(c, i);
    free(row->detail);
    row->detail = wish;
}

/* After persist_until no record is placed any more, but one that is there may do. */
static int wait_for_the_last(const struct authorization *row, enum verdict_state state,
                             struct waits *waits, struct err *e)
{
    if (state == VERDICT_READY)
        return err_set(e, ERR_INVALID,
                       "The certificate's persist_until is over, and %s has no fitting record.",
                       row->record_name);
    waits->look++;
    return 0;
}

/* What is to be done with an announced record: *place if a provider can be asked for it now. */
static int advance(struct step_context *c, size_t i, struct waits *waits, bool *place,
                   struct err *e)
{
    struct propagation_verdict verdict;
    bool by_hand;
    *place = false;
    if (is_by_hand(c, &c->authorizations[i], &by_hand, e) < 0)
        return -1;
    if (issue_is_persist(&c->authorizations[i])) {
        bool is_over = issue_persist_is_over(c);
        enum verdict_state state = look(c, &c->authorizations[i], by_hand && !is_over, &verdict);
        if (state == VERDICT_READY && verdict.found) {
            issue_mark_visible(c, i, "a fitting record is there");
            return 0;
        }
        if (is_over)
            return wait_for_the_last(&c->authorizations[i], state, waits, e);
        if (state == VERDICT_READY && by_hand)
            state = look(c, &c->authorizations[i], by_hand, &verdict);
        waits->look += state == VERDICT_PENDING;
        *place = state == VERDICT_READY && !by_hand;
    } else {
        *place = !by_hand;
    }
    if (by_hand) {
        show_wish(c, i);
        waits->person++;
    }
    return 0;
}

/* *found: the next record that a provider can place; -1 if there is none. */
static int next_to_place(struct step_context *c, ptrdiff_t *found, struct waits *waits,
                         struct err *e)
{
    *waits = (struct waits){0};
    *found = -1;
    for (ptrdiff_t i = issue_find(c, AUTHORIZATION_ANNOUNCED, 0); i >= 0;
         i = issue_find(c, AUTHORIZATION_ANNOUNCED, (size_t)i + 1)) {
        bool place;
        if (advance(c, (size_t)i, waits, &place, e) < 0)
            return -1;
        if (place) {
            *found = i;
            return 0;
        }
    }
    return 0;
}

/* The records are shown by the job until they are there, or somebody says so. */
static int wait_for_records(struct step_context *c, const struct waits *waits)
{
    c->ready = issue_is_answered;
    if (!waits->person)
        return step_wait(c, NULL, c->now + CLOCK_MINUTE_MS, NULL);
    return step_wait(c, NULL, INT64_MAX,
                     step_polls(c) ? NULL : "waits for records to be placed by hand");
}

/* ---- the step ---- */

void issue_present_lane(const struct step_context *c, char out[LANE_NAME_SIZE])
{
    ptrdiff_t i = issue_find(c, AUTHORIZATION_ANNOUNCED, 0);
    if (i < 0 || !c->authorizations[i].solver) {
        lane_local(c, out);
        return;
    }
    const struct authorization *row = &c->authorizations[i];
    solver_use_lane(row->solver, row->record_zone, out);
}

/* After what we answer ourselves: the records. */
static int present_records(struct step_context *c, struct err *e)
{
    struct waits waits;
    ptrdiff_t i;
    if (next_to_place(c, &i, &waits, e) < 0)
        return -1;
    if (i >= 0)
        return place(c, (size_t)i, e);
    i = issue_find(c, AUTHORIZATION_CHOSEN, 0);
    if (i >= 0)
        return announce(c, (size_t)i, e);
    if (waits.person || waits.look)
        return wait_for_records(c, &waits);
    if (issue_find(c, AUTHORIZATION_PRESENTED, 0) >= 0)
        return step_next(c, "propagate", NULL);
    return step_next(c, "respond", NULL);
}

int issue_present(struct step_context *c, struct err *e)
{
    size_t answered = 0;
    bool taken;
    if (answer(c, &answered, &taken, e) < 0)
        return -1;
    if (taken)
        return step_wait(c, NULL, c->now + retry_poll_ms(step_polls(c) + 6, 0),
                         step_polls(c) ? NULL : "waits for tls-alpn-01 of another order");
    if (!answered)
        return present_records(c, e);
    c->save = save_duties;
    bool all = issue_count_from(c, AUTHORIZATION_VISIBLE) == c->authorization_count;
    return step_next(c, all ? "respond" : "present", "%zu challenge%s answered by ourselves",
                     answered, answered == 1 ? " is" : "s are");
}
