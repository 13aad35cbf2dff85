/*
 * A check's rounds:
 *
 *   begin ──delay──▶ round: zone ─▶ name servers ─▶ TXT at each ─▶ judge ──all have it──▶ verdict
 *                      ▲      │ (known ones are asked at once)       │  └─deadline over──▶ verdict
 *                      │      └──────── look-up failed ─────────────▶│
 *                      └───────────────── interval ──────────────────┘
 *
 * A server that had the value once is not asked again. While none has it, each round looks zone
 * and servers up anew (in the cache, mostly), since a CNAME or a delegation may be what is missing.
 */
#include "acme/base/clock.h"
#include "acme/base/hash.h"
#include "acme/base/memory.h"
#include "server/solver/propagation_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_INTERVAL_MS = 5000,
    AGE_PARTS = 12, /* of the time that a check has taken, one goes by until its next round */
    AGED_INTERVAL_MAX_MS = 30 * CLOCK_SECOND_MS,
};

struct probe_question {
    struct check *check;
    struct probe *probe;
};

struct check **check_place(const struct propagation *p, const char *id)
{
    struct check **place = &p->by_id[hash_text(id, 0) % CHECK_BUCKETS];
    while (*place && strcmp(check_id(*place), id) != 0)
        place = &(*place)->next_of_id;
    return place;
}

void check_forget(struct check *check)
{
    struct check **place = check_place(check->p, check_id(check));
    *place = check->next_of_id;
    check->forgotten = true;
}

static const char *check_value(const struct check *check)
{
    return check->text + check->value_at;
}

static void round_free(struct round *round)
{
    if (!round)
        return;
    probed_servers_finish(&round->servers);
    free(round->name);
    free(round->error);
    free(round);
}

void check_free(struct check *check)
{
    round_free(check->round);
    remarks_release(&check->p->remarks, check->progress);
    if (check->text != check->short_text)
        free(check->text);
    pool_give(&check->p->checks_pool, check);
}

/* Takes it off the thread's list first. */
static void check_end(struct check *check)
{
    struct propagation *p = check->p;
    if (check->next)
        check->next->link = check->link;
    *check->link = check->next;
    pthread_mutex_lock(&p->lock);
    check_free(check);
    pthread_mutex_unlock(&p->lock);
}

static bool check_is_forgotten(struct check *check)
{
    pthread_mutex_lock(&check->p->lock);
    bool forgotten = check->forgotten;
    pthread_mutex_unlock(&check->p->lock);
    return forgotten;
}

/* Tells the verdict, unless nobody waits for it any more, and ends the check. */
static void check_tell(struct check *check, const struct propagation_progress *progress,
                       const struct err *e)
{
    pthread_mutex_lock(&check->p->lock);
    bool forgotten = check->forgotten;
    if (!forgotten)
        check_forget(check);
    pthread_mutex_unlock(&check->p->lock);
    if (!forgotten) {
        struct propagation_verdict verdict = {
            .found = e == NULL,
            .have = progress->have,
            .total = progress->total,
        };
        if (e)
            verdict.error = *e;
        check->callback(check->context, check_id(check), &verdict);
    }
    check_end(check);
}

static void check_fail(struct check *check, const struct err *e)
{
    struct round *round = check->round;
    if (!round->error)
        round->error = mem_new(1, sizeof *round->error);
    *round->error = *e;
}

/* Most of what is told has been told before, and of others too. */
static void check_note(struct check *check, const struct propagation_progress *progress)
{
    struct remarks *remarks = &check->p->remarks;
    pthread_mutex_lock(&check->p->lock);
    check->have = progress->have;
    check->total = progress->total;
    if (!check->progress || strcmp(check->progress, progress->text) != 0) {
        remarks_release(remarks, check->progress);
        check->progress = remarks_take(remarks, progress->text);
    }
    pthread_mutex_unlock(&check->p->lock);
}

/* What has been long in coming may be seen a little later: thousands share the servers. */
static int64_t check_interval(const struct check *check)
{
    int64_t aged = (clock_monotonic_ms() - check->begun_ms) / AGE_PARTS;
    if (aged > AGED_INTERVAL_MAX_MS)
        aged = AGED_INTERVAL_MAX_MS;
    return aged > check->interval_ms ? aged : check->interval_ms;
}

/* What the round has found: the verdict's error, code ERR_NONE if all have the value. */
static void round_judge(const struct round *round, struct propagation_progress *progress,
                        struct err *e)
{
    *progress = (struct propagation_progress){0};
    *e = (struct err){0};
    if (round->error) {
        *e = *round->error;
        snprintf(progress->text, sizeof progress->text, "%s", e->detail);
        return;
    }
    enum err_code code = probed_servers_judge(&round->servers, progress);
    if (code != ERR_NONE)
        err_set(e, code, "TXT at %s: %s", round->name, progress->text);
}

static void check_round_ended(struct check *check)
{
    struct propagation_progress progress;
    struct err e;
    check->p->rounds--;
    round_judge(check->round, &progress, &e);
    if (e.code == ERR_NONE || check->round->is_last) {
        check_tell(check, &progress, e.code == ERR_NONE ? NULL : &e);
        return;
    }
    check_note(check, &progress);
    if (progress.have == 0) {
        round_free(check->round);
        check->round = NULL;
    }
    int64_t left = check->deadline_ms - clock_engine_ms();
    int64_t interval = check_interval(check);
    int64_t pause = left < interval ? left : interval;
    timers_set(&check->p->timers, &check->timer, clock_monotonic_ms() + (pause > 0 ? pause : 0));
}

static void check_question_ended(struct check *check)
{
    if (--check->round->pending == 0)
        check_round_ended(check);
}

static void probe_answered(void *context, enum dns_outcome outcome, const struct dns_answer *answer)
{
    struct probe_question *question = context;
    struct check *check = question->check;
    struct probe *probe = question->probe;
    free(question);
    if (outcome == DNS_CLOSED)
        return;
    probe_file(probe, outcome, answer, check_value(check), check->matches,
               !check->p->resolvers_only);
    check_question_ended(check);
}

static void check_ask(struct check *check, struct probe *probe)
{
    struct probe_question *question = mem_new(1, sizeof *question);
    question->check = check;
    question->probe = probe;
    check->round->pending++;
    dns_client_ask(check->p->client, &probe->address, check->round->name, DNS_TXT,
                   check->p->resolvers_only, probe_answered, question);
}

static void check_ask_servers(struct check *check)
{
    struct probed_servers *servers = &check->round->servers;
    check->round->pending++; /* until all are asked, should there be none to ask */
    for (size_t i = 0; i < servers->count; i++) {
        struct probed_server *server = &servers->list[i];
        for (size_t k = 0; k < server->probe_count; k++)
            if (server->probes[k].reply != PROBE_HAS)
                check_ask(check, &server->probes[k]);
    }
    check_question_ended(check);
}

static void check_servers_found(void *context, struct dns_authority *authorities, size_t count,
                                const struct err *e)
{
    struct check *check = context;
    if (e && e->code == ERR_SHUTDOWN)
        return;
    if (e) {
        check_fail(check, e);
        check_question_ended(check);
        return;
    }
    probed_servers_from_authorities(authorities, count, &check->round->servers);
    check_ask_servers(check);
    check_question_ended(check);
}

static void check_zone_found(void *context, const char *zone, const char *name, const struct err *e)
{
    struct check *check = context;
    struct propagation *p = check->p;
    struct propagation_zone accepted;
    struct err refusal;
    if (e && e->code == ERR_SHUTDOWN)
        return;
    if (e) {
        check_fail(check, e);
        check_question_ended(check);
        return;
    }
    check->round->name = mem_strdup(name);
    if (p->resolvers_only) {
        probed_servers_from_resolvers(p->resolvers, p->resolver_count, &check->round->servers);
        check_ask_servers(check);
        check_question_ended(check);
    } else if (zone_accept(p, zone, name, check->text + check->hint_at, &accepted, &refusal)) {
        check_fail(check, &refusal);
        check_question_ended(check);
    } else {
        dns_authorities_find(p->lookup, accepted.zone, p->authority_port, check_servers_found,
                             check);
    }
}

static void check_round(struct check *check)
{
    struct propagation *p = check->p;
    if (check_is_forgotten(check)) {
        check_end(check);
        return;
    }
    p->rounds++;
    bool knows_servers = check->round;
    if (!knows_servers)
        check->round = mem_new(1, sizeof *check->round);
    check->round->is_last = clock_engine_ms() >= check->deadline_ms;
    if (knows_servers) {
        check_ask_servers(check);
        return;
    }
    check->round->pending++;
    dns_zone_find(p->lookup, check->text + check->fqdn_at, check_zone_found, check);
}

static void check_is_due(void *context)
{
    struct check *check = context;
    struct propagation *p = check->p;
    check->next_due = NULL;
    *p->due_end = check;
    p->due_end = &check->next_due;
}

void checks_go_on(struct propagation *p)
{
    while (p->due && p->rounds < p->walks_max) {
        struct check *check = p->due;
        p->due = check->next_due;
        if (!p->due)
            p->due_end = &p->due;
        check_round(check);
    }
}

static bool is_equal(const char *record, const char *value)
{
    return !strcmp(record, value);
}

struct check *check_create(struct propagation *p, const struct propagation_check *wanted,
                           propagation_callback *callback, void *context, struct err *e)
{
    char fqdn[DNS_NAME_SIZE], hint[DNS_NAME_SIZE];
    if (!dns_name_read(wanted->fqdn, fqdn) || !hint_read(wanted->zone_hint, hint)) {
        err_set(e, ERR_INVALID, "this is no DNS name that could be looked up");
        return NULL;
    }
    size_t id_size = strlen(wanted->id) + 1, fqdn_size = strlen(fqdn) + 1;
    size_t hint_size = strlen(hint) + 1, value_size = strlen(wanted->value) + 1;
    size_t size = id_size + fqdn_size + hint_size + value_size;
    pthread_mutex_lock(&p->lock);
    struct check *check = pool_take(&p->checks_pool);
    pthread_mutex_unlock(&p->lock);
    check->text = size <= sizeof check->short_text ? check->short_text : mem_new(1, size);
    check->fqdn_at = (uint16_t)id_size;
    check->hint_at = (uint16_t)(id_size + fqdn_size);
    check->value_at = (uint16_t)(id_size + fqdn_size + hint_size);
    memcpy(check->text, wanted->id, id_size);
    memcpy(check->text + check->fqdn_at, fqdn, fqdn_size);
    memcpy(check->text + check->hint_at, hint, hint_size);
    memcpy(check->text + check->value_at, wanted->value, value_size);
    check->p = p;
    check->matches = wanted->matches ? wanted->matches : is_equal;
    check->deadline_ms = wanted->deadline_ms;
    check->begun_ms =
        clock_monotonic_ms() + (wanted->first_delay_ms > 0 ? wanted->first_delay_ms : 0);
    check->interval_ms = wanted->interval_ms > 0 ? wanted->interval_ms : DEFAULT_INTERVAL_MS;
    check->callback = callback;
    check->context = context;
    check->timer.fire = check_is_due;
    check->timer.context = check;
    return check;
}

void check_begin(struct check *check)
{
    struct propagation *p = check->p;
    check->link = &p->checks;
    check->next = p->checks;
    if (check->next)
        check->next->link = &check->next;
    p->checks = check;
    timers_set(&p->timers, &check->timer, check->begun_ms);
}
