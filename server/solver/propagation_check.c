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
#include "acme/base/memory.h"
#include "server/solver/propagation_private.h"

#include <search.h>
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

int check_compare(const void *a, const void *b)
{
    const struct check *x = a, *y = b;
    return strcmp(x->id, y->id);
}

void check_free(struct check *check)
{
    probed_servers_finish(&check->servers);
    free(check->id);
    free(check->fqdn);
    free(check->hint);
    free(check->value);
    free(check->name);
    free(check->error);
    free(check->progress);
    free(check);
}

/* Takes it off the thread's list first. */
static void check_end(struct check *check)
{
    if (check->next)
        check->next->link = check->link;
    *check->link = check->next;
    check_free(check);
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
        tdelete(check, &check->p->by_id, check_compare);
    pthread_mutex_unlock(&check->p->lock);
    if (!forgotten) {
        struct propagation_verdict verdict = {
            .found = e == NULL,
            .have = progress->have,
            .total = progress->total,
        };
        if (e)
            verdict.error = *e;
        check->callback(check->context, check->id, &verdict);
    }
    check_end(check);
}

static void check_fail(struct check *check, const struct err *e)
{
    if (!check->error)
        check->error = mem_new(1, sizeof *check->error);
    *check->error = *e;
}

static void check_forget_servers(struct check *check)
{
    probed_servers_finish(&check->servers);
    free(check->name);
    check->name = NULL;
}

/* Most of what is told has been told before. */
static void check_note(struct check *check, const struct propagation_progress *progress)
{
    pthread_mutex_lock(&check->p->lock);
    check->have = progress->have;
    check->total = progress->total;
    if (!check->progress || strcmp(check->progress, progress->text) != 0) {
        free(check->progress);
        check->progress = mem_strdup(progress->text);
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

static void check_round_ended(struct check *check)
{
    struct propagation_progress progress = {0};
    struct err e = {0};
    if (!check->error) {
        enum err_code code = probed_servers_judge(&check->servers, &progress);
        if (code == ERR_NONE) {
            check_tell(check, &progress, NULL);
            return;
        }
        err_set(&e, code, "TXT at %s: %s", check->name, progress.text);
    } else {
        e = *check->error;
        free(check->error);
        check->error = NULL;
        snprintf(progress.text, sizeof progress.text, "%s", e.detail);
    }
    if (check->last_round) {
        check_tell(check, &progress, &e);
        return;
    }
    check_note(check, &progress);
    if (progress.have == 0)
        check_forget_servers(check);
    int64_t left = check->deadline_ms - clock_engine_ms();
    int64_t interval = check_interval(check);
    int64_t pause = left < interval ? left : interval;
    timers_set(&check->p->timers, &check->timer, clock_monotonic_ms() + (pause > 0 ? pause : 0));
}

static void check_question_ended(struct check *check)
{
    if (--check->pending == 0)
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
    probe_file(probe, outcome, answer, check->value, check->matches, !check->p->resolvers_only);
    check_question_ended(check);
}

static void check_ask_servers(struct check *check)
{
    check->pending++; /* until all are asked, should there be none to ask */
    for (size_t i = 0; i < check->servers.count; i++) {
        struct probed_server *server = &check->servers.list[i];
        for (size_t k = 0; k < server->probe_count; k++) {
            if (server->probes[k].reply == PROBE_HAS)
                continue;
            struct probe_question *question = mem_new(1, sizeof *question);
            question->check = check;
            question->probe = &server->probes[k];
            check->pending++;
            dns_client_ask(check->p->client, &question->probe->address, check->name, DNS_TXT,
                           check->p->resolvers_only, probe_answered, question);
        }
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
    probed_servers_from_authorities(authorities, count, &check->servers);
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
    check->name = mem_strdup(name);
    if (p->resolvers_only) {
        probed_servers_from_resolvers(p->resolvers, p->resolver_count, &check->servers);
        check_ask_servers(check);
        check_question_ended(check);
    } else if (zone_accept(p, zone, name, check->hint, &accepted, &refusal)) {
        check_fail(check, &refusal);
        check_question_ended(check);
    } else {
        dns_authorities_find(p->lookup, accepted.zone, p->authority_port, check_servers_found,
                             check);
    }
}

static void check_round(void *context)
{
    struct check *check = context;
    if (check_is_forgotten(check)) {
        check_end(check);
        return;
    }
    check->last_round = clock_engine_ms() >= check->deadline_ms;
    if (check->servers.count > 0) {
        check_ask_servers(check);
        return;
    }
    check_forget_servers(check);
    check->pending++;
    dns_zone_find(check->p->lookup, check->fqdn, check_zone_found, check);
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
    struct check *check = mem_new(1, sizeof *check);
    check->p = p;
    check->id = mem_strdup(wanted->id);
    check->fqdn = mem_strdup(fqdn);
    check->hint = mem_strdup(hint);
    check->value = mem_strdup(wanted->value);
    check->matches = wanted->matches ? wanted->matches : is_equal;
    check->deadline_ms = wanted->deadline_ms;
    check->first_delay_ms = wanted->first_delay_ms;
    check->interval_ms = wanted->interval_ms > 0 ? wanted->interval_ms : DEFAULT_INTERVAL_MS;
    check->callback = callback;
    check->context = context;
    check->timer.fire = check_round;
    check->timer.context = check;
    return check;
}

void check_begin(struct check *check)
{
    struct propagation *p = check->p;
    int64_t delay = check->first_delay_ms > 0 ? check->first_delay_ms : 0;
    check->link = &p->checks;
    check->next = p->checks;
    if (check->next)
        check->next->link = &check->next;
    p->checks = check;
    check->begun_ms = clock_monotonic_ms() + delay;
    timers_set(&p->timers, &check->timer, check->begun_ms);
}
