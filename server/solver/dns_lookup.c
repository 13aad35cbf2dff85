#include "server/solver/dns_lookup.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/solver/dns_silence.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DENIAL_CACHE_MAX_MS = 30 * CLOCK_SECOND_MS, /* a zone that is being set up appears soon */
    FAILURE_CACHE_MS = 3 * CLOCK_SECOND_MS,     /* enough to ask once for a burst of jobs */
    SILENCE_MS = CLOCK_MINUTE_MS,               /* how long a silent resolver comes last */
    CACHE_MIN_MS = CLOCK_SECOND_MS,
    /* Enough for zones and their servers; that a name has no record yet is asked again anyway. */
    KNOWN_MAX = 1024,
};

struct waiter {
    dns_done *done;
    void *context;
    struct waiter *next;
};

/* One name and type: being asked for, or known until its timer ends it. */
struct cached {
    struct dns_lookup *lookup;
    char *name;
    enum dns_type type;
    bool known;
    enum dns_outcome outcome;
    struct dns_answer answer; /* if outcome is DNS_ANSWERED */
    size_t resolver;          /* that is asked */
    size_t resolvers_left;    /* after this one */
    struct waiter *waiters, **waiters_end;
    struct timer deliver; /* to who asked for what was known */
    struct timer expire;
    struct cached *newer, *older; /* of those that are known */
};

struct dns_lookup {
    struct dns_lookup_options options;
    void *root;                     /* of tsearch */
    struct cached *newest, *oldest; /* that are known, by when they were asked for last */
    size_t known_count;
    size_t current; /* the resolver that could tell last */
    struct dns_silence silence;
};

static int cached_compare(const void *a, const void *b)
{
    const struct cached *x = a, *y = b;
    return x->type != y->type ? (x->type < y->type ? -1 : 1) : strcmp(x->name, y->name);
}

/* Tells all who wait now; they may ask for the same again. */
static void cached_tell(struct cached *c, enum dns_outcome outcome)
{
    struct waiter *waiter = c->waiters;
    c->waiters = NULL;
    c->waiters_end = &c->waiters;
    while (waiter) {
        struct waiter *next = waiter->next;
        waiter->done(waiter->context, outcome, outcome == DNS_ANSWERED ? &c->answer : NULL);
        free(waiter);
        waiter = next;
    }
}

static void cached_deliver(void *context)
{
    struct cached *c = context;
    cached_tell(c, c->outcome);
}

/* ---- the list of those that are known ---- */

static void known_remove(struct cached *c)
{
    struct dns_lookup *lookup = c->lookup;
    *(c->newer ? &c->newer->older : &lookup->newest) = c->older;
    *(c->older ? &c->older->newer : &lookup->oldest) = c->newer;
    lookup->known_count--;
}

static void known_add(struct cached *c)
{
    struct dns_lookup *lookup = c->lookup;
    c->newer = NULL;
    c->older = lookup->newest;
    *(c->older ? &c->older->newer : &lookup->oldest) = c;
    lookup->newest = c;
    lookup->known_count++;
}

static void cached_destroy(void *p)
{
    struct cached *c = p;
    cached_tell(c, DNS_CLOSED);
    timers_unset(c->lookup->options.timers, &c->deliver);
    timers_unset(c->lookup->options.timers, &c->expire);
    dns_answer_finish(&c->answer);
    free(c->name);
    free(c);
}

static void cached_forget(struct cached *c)
{
    known_remove(c);
    tdelete(c, &c->lookup->root, cached_compare);
    cached_destroy(c);
}

static void cached_expire(void *context)
{
    struct cached *c = context;
    if (c->waiters) { /* a delivery is due at this very moment */
        timers_set(c->lookup->options.timers, &c->expire, clock_monotonic_ms() + CACHE_MIN_MS);
        return;
    }
    cached_forget(c);
}

/* Whoever is about to be told is so first. */
static void known_limit(struct dns_lookup *lookup)
{
    struct cached *newer;
    for (struct cached *c = lookup->oldest; lookup->known_count > KNOWN_MAX && !c->waiters;
         c = newer) {
        newer = c->newer;
        cached_forget(c);
    }
}

static int64_t cached_life_ms(const struct cached *c)
{
    int64_t life = (int64_t)c->answer.ttl_seconds * CLOCK_SECOND_MS;
    int64_t max = c->lookup->options.max_cache_ms;
    if (c->outcome != DNS_ANSWERED ||
        (c->answer.rcode != DNS_NOERROR && c->answer.rcode != DNS_NXDOMAIN))
        return FAILURE_CACHE_MS < max ? FAILURE_CACHE_MS : max;
    bool denial =
        c->answer.rcode == DNS_NXDOMAIN || (c->answer.value_count == 0 && !c->answer.alias &&
                                            strcmp(c->answer.zone, c->answer.name) != 0);
    if (denial && max > DENIAL_CACHE_MAX_MS)
        max = DENIAL_CACHE_MAX_MS;
    life = life < CACHE_MIN_MS ? CACHE_MIN_MS : life;
    return life < max ? life : max;
}

static void cached_answered(void *context, enum dns_outcome outcome,
                            const struct dns_answer *answer);

static bool is_silent(const struct dns_lookup *lookup, size_t resolver)
{
    return dns_silence_has(&lookup->silence, &lookup->options.resolvers[resolver]);
}

static size_t first_resolver(const struct dns_lookup *lookup)
{
    size_t count = lookup->options.resolver_count;
    for (size_t i = 0; i < count; i++)
        if (!is_silent(lookup, (lookup->current + i) % count))
            return (lookup->current + i) % count;
    return lookup->current;
}

static void note_silence(struct dns_lookup *lookup, size_t resolver, enum dns_outcome outcome)
{
    const struct dns_address *server = &lookup->options.resolvers[resolver];
    if (outcome == DNS_ANSWERED)
        dns_silence_forget(&lookup->silence, server);
    else
        dns_silence_note(&lookup->silence, server, SILENCE_MS);
}

/*
 * What the last resolver said counts, unless it said nothing. Keeps this one's word then, and finds
 * who else is to be asked: with a word in hand none that was silent just now. False: nobody.
 */
static bool cached_pass_over(struct cached *c, enum dns_outcome outcome,
                             const struct dns_answer *answer)
{
    const struct dns_lookup *lookup = c->lookup;
    if (outcome == DNS_ANSWERED) {
        dns_answer_finish(&c->answer);
        dns_answer_copy(answer, &c->answer);
        c->outcome = outcome;
    }
    while (c->resolvers_left > 0) {
        c->resolvers_left--;
        c->resolver = (c->resolver + 1) % lookup->options.resolver_count;
        if (c->outcome != DNS_ANSWERED || !is_silent(lookup, c->resolver))
            return true;
    }
    return false;
}

static void cached_ask(struct cached *c)
{
    const struct dns_lookup_options *options = &c->lookup->options;
    dns_client_ask(options->client, &options->resolvers[c->resolver], c->name, c->type, true,
                   cached_answered, c);
}

static void cached_answered(void *context, enum dns_outcome outcome,
                            const struct dns_answer *answer)
{
    struct cached *c = context;
    struct dns_lookup *lookup = c->lookup;
    size_t asked = c->resolver;
    bool good =
        outcome == DNS_ANSWERED && (answer->rcode == DNS_NOERROR || answer->rcode == DNS_NXDOMAIN);
    if (outcome == DNS_CLOSED)
        return; /* dns_lookup_destroy tells the waiters */
    note_silence(lookup, asked, outcome);
    if (!good && cached_pass_over(c, outcome, answer)) {
        cached_ask(c);
        return;
    }
    if (good) {
        lookup->current = asked;
        dns_answer_finish(&c->answer);
        dns_answer_copy(answer, &c->answer);
        c->outcome = outcome;
    }
    c->known = true;
    known_add(c);
    timers_set(lookup->options.timers, &c->expire, clock_monotonic_ms() + cached_life_ms(c));
    cached_tell(c, c->outcome);
    known_limit(lookup);
}

static struct cached *cached_create(struct dns_lookup *lookup, const char *name, enum dns_type type)
{
    struct cached *c = mem_new(1, sizeof *c);
    c->lookup = lookup;
    c->type = type;
    c->name = mem_strdup(name);
    c->outcome = DNS_SILENT; /* until somebody has answered */
    c->resolver = first_resolver(lookup);
    c->resolvers_left = lookup->options.resolver_count - 1;
    c->waiters_end = &c->waiters;
    c->deliver.fire = cached_deliver;
    c->deliver.context = c;
    c->expire.fire = cached_expire;
    c->expire.context = c;
    if (!tsearch(c, &lookup->root, cached_compare))
        mem_exhausted();
    return c;
}

struct dns_lookup *dns_lookup_create(const struct dns_lookup_options *options)
{
    struct dns_lookup *lookup = mem_new(1, sizeof *lookup);
    lookup->options = *options;
    lookup->silence.timers = options->timers;
    return lookup;
}

void dns_lookup_destroy(struct dns_lookup *lookup)
{
    if (!lookup)
        return;
    tdestroy(lookup->root, cached_destroy);
    dns_silence_finish(&lookup->silence);
    free(lookup);
}

void dns_lookup_ask(struct dns_lookup *lookup, const char *name, enum dns_type type, dns_done *done,
                    void *context)
{
    char text[DNS_NAME_SIZE];
    snprintf(text, sizeof text, "%s", name);
    struct cached key = {.name = text, .type = type};
    struct cached **found = tfind(&key, &lookup->root, cached_compare);
    struct cached *c = found ? *found : cached_create(lookup, name, type);

    struct waiter *waiter = mem_new(1, sizeof *waiter);
    waiter->done = done;
    waiter->context = context;
    *c->waiters_end = waiter;
    c->waiters_end = &waiter->next;
    if (c->known) {
        known_remove(c);
        known_add(c);
        timers_set(lookup->options.timers, &c->deliver, clock_monotonic_ms());
    } else if (!found) {
        cached_ask(c);
    }
}
