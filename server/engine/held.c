/* Runs that wait in memory for their next step, instead of being committed and loaded again. */
#include "acme/base/clock.h"
#include "server/engine/engine_private.h"

#include <string.h>

/* When the lane's first is due. With the mutex. */
static int64_t held_due(const struct engine *engine, const char *lane)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < engine->held_count; i++)
        if (engine->held[i].due < due && !strcmp(engine->held[i].lane, lane))
            due = engine->held[i].due;
    return due;
}

/* With the mutex. */
static void tell_held(struct engine *engine, const char *lane)
{
    lanes_held(engine->lanes, lane, held_due(engine, lane));
}

bool engine_hold(struct engine *engine, struct run *run, const struct step_result *result)
{
    engine_run_rest(run);
    pthread_mutex_lock(&engine->mutex);
    bool held = engine->held_count < ENGINE_HELD_MAX && !engine->stopping &&
                !lanes_is_parked(engine->lanes, result->lane, clock_engine_ms());
    if (held) {
        struct held *place = &engine->held[engine->held_count++];
        *place = (struct held){.run = run, .due = result->due};
        memcpy(place->lane, result->lane, sizeof place->lane);
        tell_held(engine, result->lane);
        engine_wake(engine);
    }
    pthread_mutex_unlock(&engine->mutex);
    return held;
}

struct run *engine_take_held(struct engine *engine, const char *lane, int64_t by)
{
    struct run *run = NULL;
    pthread_mutex_lock(&engine->mutex);
    int64_t due = held_due(engine, lane);
    for (size_t i = 0; !run && due <= by && due < INT64_MAX && i < engine->held_count; i++) {
        struct held *held = &engine->held[i];
        if (held->due == due && !strcmp(held->lane, lane)) {
            run = held->run;
            *held = engine->held[--engine->held_count];
        }
    }
    if (run)
        tell_held(engine, lane);
    pthread_mutex_unlock(&engine->mutex);
    return run;
}

void engine_commit_held(struct engine *engine)
{
    while (engine->held_count > 0) {
        struct step_result result = {0};
        struct run *run = engine->held[--engine->held_count].run;
        engine_run_commit(run, &result);
        engine_run_destroy(run);
    }
}
