#include "server/engine/pace.h"

#include "acme/base/memory.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    char *authority;
    int64_t next;         /* the next place; what is long past is a burst's */
    int64_t silent_until; /* no questions before then */
};

struct pace {
    struct entry *entries;
    size_t count;
};

struct pace *pace_create(void)
{
    return mem_new(1, sizeof(struct pace));
}

void pace_destroy(struct pace *pace)
{
    if (!pace)
        return;
    for (size_t i = 0; i < pace->count; i++)
        free(pace->entries[i].authority);
    free(pace->entries);
    free(pace);
}

static struct entry *entry_of(struct pace *pace, const char *authority)
{
    for (size_t i = 0; i < pace->count; i++)
        if (!strcmp(pace->entries[i].authority, authority))
            return &pace->entries[i];
    pace->entries = mem_grow(pace->entries, pace->count + 1, sizeof *pace->entries);
    struct entry *entry = &pace->entries[pace->count++];
    *entry = (struct entry){
        .authority = mem_strdup(authority), .next = INT64_MIN, .silent_until = INT64_MIN};
    return entry;
}

int64_t pace_take(struct pace *pace, const char *authority, int64_t now)
{
    struct entry *entry = entry_of(pace, authority);
    int64_t earliest = now - (PACE_BURST - 1) * (int64_t)PACE_INTERVAL_MS;
    int64_t place = entry->next > earliest ? entry->next : earliest;
    entry->next = place + PACE_INTERVAL_MS;
    return place > now ? place : now;
}

void pace_silence(struct pace *pace, const char *authority, int64_t now)
{
    entry_of(pace, authority)->silent_until = now + PACE_SILENCE_MS;
}

bool pace_is_silent(struct pace *pace, const char *authority, int64_t now)
{
    return now < entry_of(pace, authority)->silent_until;
}
