/*
 * "challenge.cleanup": takes back what an order's challenges have put up at others, one duty after
 * the other. It is a job of its own, so that a dead DNS API never delays a certificate; a duty that
 * fails is tried again later, and the others go on. What this process answers itself needs no job.
 */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/engine/cleanup.h"
#include "server/engine/engine_private.h"
#include "server/engine/responders.h"
#include "server/engine/solver_use.h"
#include "server/engine/step.h"

#include <stdlib.h>
#include <string.h>

struct sweep {
    struct duty *duties;
    size_t count;
    size_t done; /* which one this step has fulfilled */
};

static void sweep_free(void *saved)
{
    struct sweep *sweep = saved;
    if (!sweep)
        return;
    for (size_t i = 0; i < sweep->count; i++)
        duty_finish(&sweep->duties[i]);
    free(sweep->duties);
    free(sweep);
}

static int load(struct step_context *c, struct err *e)
{
    struct sweep *sweep = mem_new(1, sizeof *sweep);
    c->saved = sweep;
    c->saved_free = sweep_free;
    return duty_list(c->db, c->job.resource_name, &sweep->duties, &sweep->count, e);
}

/* After a failure the next one has its turn; after a success the first that is left. */
static const struct duty *turn(const struct step_context *c)
{
    const struct sweep *sweep = c->saved;
    if (!c->save)
        return &sweep->duties[(size_t)c->job.attempt % sweep->count];
    return &sweep->duties[sweep->done == 0 ? 1 : 0];
}

static void duty_lane(const struct duty *duty, char out[LANE_NAME_SIZE])
{
    solver_use_lane(duty->solver, duty->record_zone, out);
}

static void lane(const struct step_context *c, char out[LANE_NAME_SIZE])
{
    const struct sweep *sweep = c->saved;
    if (sweep->count)
        duty_lane(turn(c), out);
    else
        lane_local(c, out);
}

static int take_record_back(struct step_context *c, const struct duty *duty, struct err *e)
{
    struct solver_use use;
    bool shared;
    if (duty_is_shared(c->db, duty, &shared, e) < 0)
        return -1;
    if (shared)
        return 0; /* the last one takes it back; its lane lets one at a time look */
    if (solver_use_open(c, duty->solver, &use, e) < 0)
        return -1;
    struct solver_record record = {
        .zone = duty->record_zone ? duty->record_zone : "",
        .fqdn = duty->record_name,
        .value = duty->record_value,
    };
    int rc = solver_cleanup(use.provider, &use.context, &record, duty->state ? duty->state : "", e);
    solver_use_finish(&use);
    return rc;
}

static int save(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct sweep *sweep = c->saved;
    return duty_delete(tx, sweep->duties[sweep->done].id, e);
}

static int run(struct step_context *c, struct err *e)
{
    struct sweep *sweep = c->saved;
    if (!sweep->count)
        return step_done(c, "nothing is left behind");
    const struct duty *duty = turn(c);
    char wanted[LANE_NAME_SIZE];
    duty_lane(duty, wanted);
    if (strcmp(wanted, c->job.lane) != 0)
        return step_next(c, "sweep", NULL); /* only the move to the zone's lane */
    sweep->done = (size_t)(duty - sweep->duties);
    if (take_record_back(c, duty, e) < 0)
        return err_prefix(e, "Taking back %s: ", duty->record_name);
    c->save = save;
    if (sweep->count == 1)
        return step_done(c, "%s is taken back", duty->record_name);
    return step_next(c, "sweep", "%s is taken back", duty->record_name);
}

static int end(struct store_tx *tx, struct step_context *c, enum job_state state, const char *error,
               struct err *e)
{
    (void)tx, (void)c, (void)state, (void)error, (void)e;
    return 0;
}

static const struct step steps[] = {
    {"sweep", run, lane, true, {NULL}},
};

const struct job_kind challenge_cleanup_kind = {
    .name = "challenge.cleanup",
    .steps = steps,
    .step_count = 1,
    .load = load,
    .end = end,
};

static int insert_job(struct store_tx *tx, const char *type, const char *name, const char *lane,
                      struct err *e)
{
    char id[ULID_SIZE];
    bool existing;
    struct job_new job = {
        .kind = "challenge.cleanup",
        .step = "sweep",
        .lane = lane,
        .due_at = store_tx_now(tx),
        .resource_type = type,
        .resource_name = name,
        .deadline_at = store_tx_now(tx) + 7 * (int64_t)CLOCK_DAY_MS,
        .exclusive = true,
    };
    return job_insert(tx, &job, id, &existing, e);
}

/* If the commit comes to nothing, the duty is still there, and whoever comes to this end again
   takes it back again; nobody needs the answer by then. */
static int stop_answering(struct store_tx *tx, const struct engine_options *options,
                          const struct duty *duty, struct err *e)
{
    responders_remove(options, duty);
    return duty_delete(tx, duty->id, e);
}

int cleanup_plan(struct store_tx *tx, const struct step_context *c, const char *type,
                 const char *name, struct err *e)
{
    struct duty *duties;
    size_t count;
    int rc = 0;
    char lane[LANE_NAME_SIZE] = "";
    if (duty_list(store_tx_db(tx), name, &duties, &count, e) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (rc == 0 && responders_do(duties[i].solver))
            rc = stop_answering(tx, &c->engine->options, &duties[i], e);
        else if (!lane[0])
            duty_lane(&duties[i], lane);
        duty_finish(&duties[i]);
    }
    free(duties);
    return rc == 0 && lane[0] ? insert_job(tx, type, name, lane, e) : rc;
}
