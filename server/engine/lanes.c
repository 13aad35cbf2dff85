#include "server/engine/lanes.h"

#include "acme/base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lanes {
    struct lane **items; /* sorted by name */
    size_t count;
    size_t capacity;
    int workers;
    uint64_t turn;
};

struct lanes *lanes_create(int workers)
{
    struct lanes *lanes = mem_new(1, sizeof *lanes);
    lanes->workers = workers;
    return lanes;
}

void lanes_destroy(struct lanes *lanes)
{
    if (!lanes)
        return;
    for (size_t i = 0; i < lanes->count; i++)
        free(lanes->items[i]);
    free(lanes->items);
    free(lanes);
}

static bool has_prefix(const char *name, const char *prefix)
{
    return !strncmp(name, prefix, strlen(prefix));
}

static int limit_of(const char *name, int workers)
{
    if (has_prefix(name, "zone:") || has_prefix(name, "target:") ||
        has_prefix(name, "preflight:") || !strcmp(name, "keys"))
        return 1;
    if (has_prefix(name, "ca:"))
        return workers > 1 ? workers / 2 : 1;
    return workers;
}

/* Where name is, or would be inserted. */
static size_t position(const struct lanes *lanes, const char *name, bool *found)
{
    size_t low = 0, high = lanes->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(lanes->items[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < lanes->count && !strcmp(lanes->items[low]->name, name);
    return low;
}

static struct lane *lane_of(struct lanes *lanes, const char *name)
{
    bool found;
    size_t at = position(lanes, name, &found);
    if (found)
        return lanes->items[at];
    assert(strlen(name) < LANE_NAME_SIZE);
    if (lanes->count == lanes->capacity) {
        lanes->capacity = lanes->capacity ? 2 * lanes->capacity : 16;
        lanes->items = mem_grow(lanes->items, lanes->capacity, sizeof *lanes->items);
    }
    memmove(lanes->items + at + 1, lanes->items + at, (lanes->count - at) * sizeof *lanes->items);
    struct lane *lane = mem_new(1, sizeof *lane);
    snprintf(lane->name, sizeof lane->name, "%s", name);
    lane->due = INT64_MAX;
    lane->held_due = INT64_MAX;
    lane->limit = limit_of(name, lanes->workers);
    lanes->items[at] = lane;
    lanes->count++;
    return lane;
}

struct lane *lanes_due(struct lanes *lanes, const char *name, int64_t due)
{
    struct lane *lane = lane_of(lanes, name);
    if (due < lane->due)
        lane->due = due;
    lane->changed++;
    return lane;
}

void lanes_held(struct lanes *lanes, const char *name, int64_t due)
{
    lane_of(lanes, name)->held_due = due;
}

static bool is_full(const struct lane *lane)
{
    return lane->running >= (lane->probing ? 1 : lane->limit);
}

/* When the lane can be served next: at once (a time that is past), at a time, or never as it is. */
static int64_t ready_at(const struct lane *lane)
{
    int64_t due = lane->due < lane->held_due ? lane->due : lane->held_due;
    if (due == INT64_MAX || is_full(lane))
        return INT64_MAX;
    return due > lane->parked_until ? due : lane->parked_until;
}

static struct lane *serve(struct lanes *lanes, struct lane *lane)
{
    if (lane->parked_until) {
        lane->parked_until = 0;
        lane->probing = true;
    }
    lane->running++;
    lane->served = ++lanes->turn;
    return lane;
}

struct lane *lanes_take(struct lanes *lanes, int64_t now, bool keys, int64_t *next)
{
    struct lane *best = NULL;
    int64_t soonest = INT64_MAX;
    for (size_t i = 0; i < lanes->count; i++) {
        struct lane *lane = lanes->items[i];
        if (keys != !strcmp(lane->name, "keys"))
            continue;
        int64_t at = ready_at(lane);
        if (at < soonest)
            soonest = at;
        if (at <= now && (!best || lane->served < best->served))
            best = lane;
    }
    *next = soonest;
    return best ? serve(lanes, best) : NULL;
}

int64_t lanes_next(const struct lanes *lanes, bool keys)
{
    int64_t soonest = INT64_MAX;
    for (size_t i = 0; i < lanes->count; i++) {
        int64_t at = ready_at(lanes->items[i]);
        if (at < soonest && keys == !strcmp(lanes->items[i]->name, "keys"))
            soonest = at;
    }
    return soonest;
}

struct lane *lanes_enter(struct lanes *lanes, const char *name, int64_t now)
{
    if (!strcmp(name, "keys"))
        return NULL;
    struct lane *lane = lane_of(lanes, name);
    if (is_full(lane) || lane->parked_until > now)
        return NULL;
    return serve(lanes, lane);
}

static void forget(struct lanes *lanes, const struct lane *lane)
{
    bool found;
    size_t at = position(lanes, lane->name, &found);
    assert(found);
    free(lanes->items[at]);
    lanes->count--;
    memmove(lanes->items + at, lanes->items + at + 1, (lanes->count - at) * sizeof *lanes->items);
}

void lanes_leave(struct lanes *lanes, struct lane *lane)
{
    assert(lane->running > 0);
    lane->running--;
    /* Zones come and go with the certificates; an empty lane need not be remembered. */
    bool is_empty = lane->due == INT64_MAX && lane->held_due == INT64_MAX;
    if (!lane->running && is_empty && !lane->parked_until && !lane->probing)
        forget(lanes, lane);
}

void lanes_learn(struct lane *lane, int64_t due, uint64_t changed)
{
    if (lane->changed == changed || due < lane->due)
        lane->due = due;
}

void lanes_put_off(struct lane *lane, int64_t until)
{
    lane->due = until;
    lane->changed++;
}

void lanes_park(struct lanes *lanes, const char *name, int64_t until)
{
    struct lane *lane = lane_of(lanes, name);
    if (until > lane->parked_until)
        lane->parked_until = until;
}

void lanes_unpark(struct lanes *lanes, const char *name, int64_t now)
{
    struct lane *lane = lane_of(lanes, name);
    if (lane->parked_until > now)
        lane->parked_until = now;
}

bool lanes_is_parked(const struct lanes *lanes, const char *name, int64_t now)
{
    bool found;
    size_t at = position(lanes, name, &found);
    return found && lanes->items[at]->parked_until > now;
}

void lanes_open(struct lane *lane)
{
    lane->probing = false;
}
