/*
 * "solver.test": rehearses what an issue does with a DNS solver, without a CA.
 *
 *   locate ──────────► place ──► look ─────────────► remove ──► done
 *   wait: the zone     TXT       wait: seen by        TXT
 *                                every name server
 *
 * The record is of the very name that a challenge would use, so that CNAMEs and narrow rights count
 * too; its value is known by the job's id. The duty to take it back is durable before it is placed:
 * a test that fails leaves that to a clean-up job.
 */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/challenge.h"
#include "server/engine/cleanup.h"
#include "server/engine/engine_private.h"
#include "server/engine/solver_use.h"
#include "server/engine/step.h"
#include "store/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
    struct duty *duties; /* the record to be taken back: none before it is located */
    size_t count;
    struct duty planned; /* located in this step */
    struct buf state;    /* as the provider left it in this step */
};

static void test_free(void *saved)
{
    struct test *test = saved;
    if (!test)
        return;
    for (size_t i = 0; i < test->count; i++)
        duty_finish(&test->duties[i]);
    free(test->duties);
    duty_finish(&test->planned);
    buf_finish(&test->state);
    free(test);
}

static int load(struct step_context *c, struct err *e)
{
    struct test *test = mem_new(1, sizeof *test);
    c->saved = test;
    c->saved_free = test_free;
    return duty_list(c->db, c->job.id, &test->duties, &test->count, e);
}

static int find_duty(struct step_context *c, const struct duty **out, struct err *e)
{
    const struct test *test = c->saved;
    if (!test->count)
        return err_set(e, ERR_INTERNAL, "The test has lost its record.");
    *out = &test->duties[0];
    return 0;
}

static bool is_ready(struct step_context *c)
{
    return verdicts_ready(c->engine->verdicts, c->job.id);
}

/* ---- locate ---- */

static int save_duty(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct test *test = c->saved;
    return duty_insert(tx, &test->planned, e);
}

static int plan_record(struct step_context *c, const struct propagation_zone *zone,
                       const char *fallback)
{
    char value[CHALLENGE_DNS01_VALUE_SIZE];
    struct test *test = c->saved;
    challenge_dns01_value(c->job.id, value);
    memcpy(test->planned.order, c->job.id, ULID_SIZE);
    test->planned.solver = mem_strdup(c->job.resource_name);
    test->planned.record_name = mem_strdup(zone->fqdn);
    test->planned.record_zone = mem_strdup(zone->zone[0] ? zone->zone : fallback);
    test->planned.record_value = mem_strdup(value);
    c->save = save_duty;
    return step_next(c, "place", "TXT %s goes to the zone %s", test->planned.record_name,
                     test->planned.record_zone[0] ? test->planned.record_zone : "(not known)");
}

static int locate_with(struct step_context *c, const struct solver_use *use, struct err *e)
{
    const char *name = context_arg(c, "name");
    const char *hint = solver_zone_for(use->context.settings, name);
    char record[CHALLENGE_DNS01_NAME_SIZE];
    struct propagation_zone zone;
    struct err error;
    challenge_dns01_name(name, record);
    if (verdicts_zone(c->engine->verdicts, c->job.id, 0, record, hint, &zone, &error) ==
        VERDICT_PENDING) {
        c->ready = is_ready;
        return step_wait(c, NULL, c->now + CLOCK_MINUTE_MS, NULL);
    }
    if (error.code != ERR_NONE && use->provider->needs_zone)
        return context_fail(e, &error);
    if (error.code != ERR_NONE) {
        zone.zone[0] = '\0';
        snprintf(zone.fqdn, sizeof zone.fqdn, "%.*s", (int)sizeof zone.fqdn - 1, record);
    }
    return plan_record(c, &zone, hint ? hint : "");
}

static int locate(struct step_context *c, struct err *e)
{
    struct solver_use use;
    if (solver_use_open(c, c->job.resource_name, &use, e) < 0)
        return -1;
    int rc = locate_with(c, &use, e);
    solver_use_finish(&use);
    return rc;
}

/* ---- place and remove ---- */

static void record_lane(const struct step_context *c, char out[LANE_NAME_SIZE])
{
    const struct test *test = c->saved;
    const struct duty *duty = test->count ? &test->duties[0] : &test->planned;
    solver_use_lane(c->job.resource_name, duty->record_zone, out);
}

static struct solver_record record_of(const struct duty *duty)
{
    return (struct solver_record){
        .zone = duty->record_zone ? duty->record_zone : "",
        .fqdn = duty->record_name,
        .value = duty->record_value,
    };
}

static int save_state(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct test *test = c->saved;
    return duty_set_state(tx, c->job.id, 0, buf_string(&test->state), e);
}

static int place(struct step_context *c, struct err *e)
{
    struct test *test = c->saved;
    const struct duty *duty = NULL;
    struct solver_use use;
    if (find_duty(c, &duty, e) < 0 || solver_use_open(c, duty->solver, &use, e) < 0)
        return -1;
    struct solver_record record = record_of(duty);
    record.ttl_seconds = solver_use_ttl_seconds(&use);
    int rc = solver_present(use.provider, &use.context, &record, &test->state, e);
    bool looks = solver_use_checks_propagation(&use);
    solver_use_finish(&use);
    if (rc < 0)
        return -1;
    c->save = save_state;
    return step_next(c, looks ? "look" : "remove", "TXT %s is placed", duty->record_name);
}

static int delete_duty(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct test *test = c->saved;
    return duty_delete(tx, test->duties[0].id, e);
}

static int take_away(struct step_context *c, struct err *e)
{
    const struct duty *duty = NULL;
    struct solver_use use;
    if (find_duty(c, &duty, e) < 0 || solver_use_open(c, duty->solver, &use, e) < 0)
        return -1;
    struct solver_record record = record_of(duty);
    int rc = solver_cleanup(use.provider, &use.context, &record, duty->state ? duty->state : "", e);
    bool looked = solver_use_checks_propagation(&use);
    solver_use_finish(&use);
    if (rc < 0)
        return -1;
    c->save = delete_duty;
    return step_done(c, "TXT %s was placed%s and taken back", duty->record_name,
                     looked ? ", seen" : ", not looked for since the solver says so,");
}

/* ---- look ---- */

static int look_with(struct step_context *c, const struct duty *duty, const struct solver_use *use,
                     struct err *e)
{
    struct propagation_verdict verdict;
    struct propagation_check check = {
        .fqdn = duty->record_name,
        .value = duty->record_value,
        .zone_hint = duty->record_zone && duty->record_zone[0] ? duty->record_zone : NULL,
        .deadline_ms = c->now + solver_use_propagation_timeout_ms(use),
    };
    if (verdicts_record(c->engine->verdicts, c->job.id, 0, &check, &verdict) == VERDICT_PENDING) {
        struct propagation_progress progress = {0};
        bool known = verdicts_progress(c->engine->verdicts, c->job.id, 0, &progress);
        c->ready = is_ready;
        return step_wait(c, NULL, c->now + 15 * (int64_t)CLOCK_SECOND_MS, known ? "%s" : NULL,
                         progress.text);
    }
    if (!verdict.found)
        return context_fail(e, &verdict.error);
    return step_next(c, "remove", "%d of %d name servers have it", verdict.have, verdict.total);
}

static int look(struct step_context *c, struct err *e)
{
    const struct duty *duty = NULL;
    struct solver_use use;
    if (find_duty(c, &duty, e) < 0 || solver_use_open(c, duty->solver, &use, e) < 0)
        return -1;
    int rc = look_with(c, duty, &use, e);
    solver_use_finish(&use);
    return rc;
}

static int end(struct store_tx *tx, struct step_context *c, enum job_state state, const char *error,
               struct err *e)
{
    (void)state, (void)error;
    return cleanup_plan(tx, c, "job", c->job.id, e);
}

static const struct step steps[] = {
    {"locate", locate, lane_local, false, {"place"}},
    {"place", place, record_lane, false, {"look", "remove"}},
    {"look", look, lane_local, false, {"remove"}},
    {"remove", take_away, record_lane, false, {NULL}},
};

const struct job_kind solver_test_kind = {
    .name = "solver.test",
    .steps = steps,
    .step_count = sizeof steps / sizeof *steps,
    .load = load,
    .end = end,
};
