#include "server/start/clock_watch.h"

#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "store/clock_shift.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Clocks are steered by less without anybody setting them. */
enum { TOLD_FROM_MS = CLOCK_MINUTE_MS };

struct seconds {
    char text[32];
};

static struct seconds in_seconds(int64_t ms)
{
    struct seconds out;
    snprintf(out.text, sizeof out.text, "%+" PRId64, ms / CLOCK_SECOND_MS);
    return out;
}

struct past {
    int64_t moved_ms, rest_ms;
};

static int settle(struct store_tx *tx, void *arg, struct err *e)
{
    struct past *past = arg;
    return clock_shift_settle(tx, &past->moved_ms, e) < 0 ? -1
                                                          : clock_shift_rest(tx, &past->rest_ms, e);
}

int clock_watch_begin(struct clock_watch *watch, struct store *store, struct err *e)
{
    struct past past;
    watch->since_ms = clock_engine_ms();
    if (store_write_wait(store, settle, &past, e) < 0)
        return -1;
    watch->rested_ms = past.rest_ms;
    if (past.moved_ms)
        log_warn("the machine's clock was set since the last start; waits were moved with it",
                 "seconds", in_seconds(past.moved_ms).text, NULL);
    return 0;
}

static int note(struct store_tx *tx, void *arg, struct err *e)
{
    const struct clock_watch *watch = arg;
    return clock_shift_note(tx, watch->since_ms, watch->shifted_ms, e);
}

void clock_watch_look(struct clock_watch *watch, struct store *store)
{
    char now[CLOCK_RFC3339_SIZE];
    struct err error;
    int64_t shifted = clock_shifted_ms();
    if (llabs(shifted - watch->shifted_ms) < TOLD_FROM_MS)
        return;
    clock_rfc3339(clock_wall_ms(), now);
    log_warn("the machine's clock was set; no wait changes, renewals go by the new time", "seconds",
             in_seconds(shifted - watch->shifted_ms).text, "clock", now, NULL);
    watch->shifted_ms = shifted;
    if (store_write_wait(store, note, watch, &error) < 0)
        log_warn("that the clock was set cannot be noted", "detail", error.detail, NULL);
}
