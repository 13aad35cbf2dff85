#include "server/solver/dns_silence.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct silent {
    struct dns_silence *silence;
    char text[sizeof((struct dns_address *)0)->text];
    struct timer timer;
};

static int silent_compare(const void *a, const void *b)
{
    const struct silent *x = a, *y = b;
    return strcmp(x->text, y->text);
}

static struct silent *silent_find(const struct dns_silence *silence,
                                  const struct dns_address *server)
{
    struct silent key;
    snprintf(key.text, sizeof key.text, "%s", server->text);
    struct silent **found = tfind(&key, &silence->root, silent_compare);
    return found ? *found : NULL;
}

static void silent_free(void *p)
{
    struct silent *silent = p;
    timers_unset(silent->silence->timers, &silent->timer);
    free(silent);
}

static void silent_end(void *p)
{
    struct silent *silent = p;
    tdelete(silent, &silent->silence->root, silent_compare);
    silent_free(silent);
}

void dns_silence_finish(struct dns_silence *silence)
{
    tdestroy(silence->root, silent_free);
    silence->root = NULL;
}

void dns_silence_note(struct dns_silence *silence, const struct dns_address *server,
                      int64_t duration_ms)
{
    struct silent *silent = silent_find(silence, server);
    if (!silent) {
        silent = mem_new(1, sizeof *silent);
        silent->silence = silence;
        silent->timer.fire = silent_end;
        silent->timer.context = silent;
        snprintf(silent->text, sizeof silent->text, "%s", server->text);
        if (!tsearch(silent, &silence->root, silent_compare))
            mem_exhausted();
    }
    timers_set(silence->timers, &silent->timer, clock_monotonic_ms() + duration_ms);
}

void dns_silence_forget(struct dns_silence *silence, const struct dns_address *server)
{
    struct silent *silent = silent_find(silence, server);
    if (silent)
        silent_end(silent);
}

bool dns_silence_has(const struct dns_silence *silence, const struct dns_address *server)
{
    return silent_find(silence, server) != NULL;
}
