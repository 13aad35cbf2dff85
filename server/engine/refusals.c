#include "server/engine/refusals.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/base/ulid.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { REFUSALS_FINAL = 4, REFUSALS_PASSING = 12 };

struct refusal {
    char job[ULID_SIZE];
    int count;
};

struct refusals {
    pthread_mutex_t mutex;
    struct refusal *items;
    size_t count;
    size_t capacity;
};

struct refusals *refusals_create(void)
{
    struct refusals *refusals = mem_new(1, sizeof *refusals);
    pthread_mutex_init(&refusals->mutex, NULL);
    return refusals;
}

void refusals_destroy(struct refusals *refusals)
{
    if (!refusals)
        return;
    pthread_mutex_destroy(&refusals->mutex);
    free(refusals->items);
    free(refusals);
}

static struct refusal *find(const struct refusals *refusals, const char *job)
{
    for (size_t i = 0; i < refusals->count; i++)
        if (!strcmp(refusals->items[i].job, job))
            return &refusals->items[i];
    return NULL;
}

bool refusals_has(struct refusals *refusals, const char *job)
{
    pthread_mutex_lock(&refusals->mutex);
    bool found = find(refusals, job);
    pthread_mutex_unlock(&refusals->mutex);
    return found;
}

static struct refusal *append(struct refusals *refusals, const char *job)
{
    if (refusals->count == refusals->capacity) {
        refusals->capacity = refusals->capacity ? 2 * refusals->capacity : 16;
        refusals->items = mem_grow(refusals->items, refusals->capacity, sizeof *refusals->items);
    }
    struct refusal *refusal = &refusals->items[refusals->count++];
    memcpy(refusal->job, job, ULID_SIZE);
    refusal->count = 0;
    return refusal;
}

int refusals_add(struct refusals *refusals, const char *job)
{
    pthread_mutex_lock(&refusals->mutex);
    struct refusal *refusal = find(refusals, job);
    if (!refusal)
        refusal = append(refusals, job);
    int count = ++refusal->count;
    pthread_mutex_unlock(&refusals->mutex);
    return count;
}

void refusals_forget(struct refusals *refusals, const char *job)
{
    pthread_mutex_lock(&refusals->mutex);
    struct refusal *refusal = find(refusals, job);
    if (refusal)
        *refusal = refusals->items[--refusals->count];
    pthread_mutex_unlock(&refusals->mutex);
}

bool refusals_may_pass(enum err_code code)
{
    return code == ERR_STORE || code == ERR_STORE_FULL || code == ERR_STORE_STALE ||
           code == ERR_SHUTDOWN;
}

bool refusals_are_enough(int count, enum err_code code)
{
    return count >= (refusals_may_pass(code) ? REFUSALS_PASSING : REFUSALS_FINAL);
}

int64_t refusals_delay_ms(int count)
{
    int64_t ms = CLOCK_SECOND_MS;
    for (; count > 1 && ms < CLOCK_HOUR_MS; count--)
        ms *= 2;
    return ms < CLOCK_HOUR_MS ? ms : CLOCK_HOUR_MS;
}
