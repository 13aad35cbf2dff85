#include "server/solver/propagation.h"

#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/solver/propagation_private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    DEFAULT_TRY_TIMEOUT_MS = 2000,
    DEFAULT_TRIES = 2,
    DEFAULT_MAX_CACHE_MS = 5 * CLOCK_MINUTE_MS,
    DEFAULT_MAX_SOCKETS = 256,
    SOCKETS_PER_SURVEY = 64, /* it asks about thirty questions at a time (survey.c's WIDTH) */
    DNS_PORT = 53,
    EVENTS_MAX = 64,
};

struct zone_request {
    struct propagation *p;
    char *id;
    char *name;
    char *hint;
    propagation_zone_callback *callback;
    void *context;
    struct zone_request *next;
};

bool hint_read(const char *hint, char out[DNS_NAME_SIZE])
{
    if (hint && *hint && strcmp(hint, ".") != 0)
        return dns_name_read(hint, out);
    out[0] = '\0';
    return true;
}

int zone_accept(const struct propagation *p, const char *zone, const char *name, const char *hint,
                struct propagation_zone *out, struct err *e)
{
    bool hinted = hint[0] && dns_name_within(name, hint);
    if (!zone[0] && p->resolvers_only)
        zone = hinted ? hint : "";
    else if (!zone[0])
        return err_set(e, ERR_DNS_NO_ZONE, "no zone was found for %s: nothing above it has a SOA",
                       name);
    else if (!strchr(zone, '.') && strcmp(zone, hint) != 0)
        return err_set(e, ERR_DNS_NO_ZONE,
                       "%s is in no zone of its own: the closest that exists is \"%s\"", name,
                       zone);
    snprintf(out->zone, sizeof out->zone, "%s", zone);
    snprintf(out->fqdn, sizeof out->fqdn, "%s", name);
    return 0;
}

static void zone_request_free(struct zone_request *request)
{
    free(request->id);
    free(request->name);
    free(request->hint);
    free(request);
}

static void zone_request_found(void *context, const char *zone, const char *name,
                               const struct err *e)
{
    struct zone_request *request = context;
    struct propagation_zone found;
    struct err failure = {0};
    if (e)
        failure = *e;
    else
        zone_accept(request->p, zone, name, request->hint, &found, &failure);
    if (failure.code == ERR_NONE)
        request->callback(request->context, request->id, &found, NULL);
    else if (failure.code != ERR_SHUTDOWN)
        request->callback(request->context, request->id, NULL, &failure);
    request->p->zone_walks--;
    zone_request_free(request);
}

/* ---- the thread ---- */

void propagation_wake(struct propagation *p)
{
    const uint64_t one = 1;
    ssize_t written = write(p->wake, &one, sizeof one);
    (void)written; /* a full counter wakes as well */
}

/* The next zone to look for; NULL: none. */
static struct zone_request *zone_request_take(struct propagation *p)
{
    pthread_mutex_lock(&p->lock);
    struct zone_request *request = p->zone_inbox;
    if (request)
        p->zone_inbox = request->next;
    if (!p->zone_inbox)
        p->zone_inbox_end = &p->zone_inbox;
    pthread_mutex_unlock(&p->lock);
    return request;
}

static void zone_requests_go_on(struct propagation *p)
{
    struct zone_request *request;
    while (p->zone_walks < p->walks_max && (request = zone_request_take(p))) {
        p->zone_walks++;
        dns_zone_find(p->lookup, request->name, zone_request_found, request);
    }
}

/* Begins the checks that were handed in. False when it is time to stop. */
static bool inbox_empty(struct propagation *p)
{
    pthread_mutex_lock(&p->lock);
    bool stopping = p->stopping;
    struct check *check = stopping ? NULL : p->inbox;
    if (!stopping)
        p->inbox = NULL;
    pthread_mutex_unlock(&p->lock);
    while (check) {
        struct check *next = check->next;
        check_begin(check);
        check = next;
    }
    return !stopping;
}

static void events_handle(struct propagation *p)
{
    struct epoll_event events[EVENTS_MAX];
    int count =
        epoll_wait(p->epoll, events, EVENTS_MAX, timers_wait_ms(&p->timers, clock_monotonic_ms()));
    for (int i = 0; i < count; i++) {
        uint64_t counter;
        if (events[i].data.ptr)
            dns_client_event(p->client, events[i].data.ptr);
        else if (read(p->wake, &counter, sizeof counter) < 0 && errno != EAGAIN)
            log_error("the propagation thread cannot be woken", "error", strerror(errno), NULL);
    }
}

static void *propagation_run(void *argument)
{
    struct propagation *p = argument;
    while (inbox_empty(p)) {
        timers_run(&p->timers, clock_monotonic_ms());
        checks_go_on(p);
        zone_requests_go_on(p);
        survey_requests_go_on(p);
        events_handle(p);
    }
    return NULL;
}

/* With all signals blocked: they belong to the main thread. */
static int thread_start(struct propagation *p, struct err *e)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&p->thread, NULL, propagation_run, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc)
        return err_set(e, ERR_IO, "the propagation thread does not start: %s", strerror(rc));
    pthread_setname_np(p->thread, "propagation");
    return 0;
}

/* ---- life ---- */

/* Who has handed something in is not told: it is freed by the caller. */
static void propagation_close(struct propagation *p)
{
    if (p->epoll >= 0)
        close(p->epoll);
    if (p->wake >= 0)
        close(p->wake);
    dns_client_destroy(p->client);
    dns_lookup_destroy(p->lookup);
    timers_finish(&p->timers);
    free(p->resolvers);
}

static int wake_watch(struct propagation *p, struct err *e)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->epoll < 0 || p->wake < 0 || epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->wake, &event))
        return err_set(e, ERR_IO, "the propagation thread has no epoll: %s", strerror(errno));
    return 0;
}

static void client_start(struct propagation *p, const struct propagation_options *options)
{
    const struct dns_client_options client = {
        .epoll = p->epoll,
        .timers = &p->timers,
        .try_timeout_ms =
            options->try_timeout_ms > 0 ? options->try_timeout_ms : DEFAULT_TRY_TIMEOUT_MS,
        .tries = options->tries > 0 ? options->tries : DEFAULT_TRIES,
        .max_sockets = options->max_sockets > 0 ? options->max_sockets : DEFAULT_MAX_SOCKETS,
    };
    /* So many that no socket is idle while some have a pause; each costs more than one that waits.
     */
    p->walks_max = (size_t)client.max_sockets * 2;
    p->surveys_max = (size_t)client.max_sockets / SOCKETS_PER_SURVEY;
    if (!p->surveys_max)
        p->surveys_max = 1;
    p->client = dns_client_create(&client);
    const struct dns_lookup_options lookup = {
        .client = p->client,
        .timers = &p->timers,
        .resolvers = p->resolvers,
        .resolver_count = p->resolver_count,
        .max_cache_ms = options->max_cache_ms > 0 ? options->max_cache_ms : DEFAULT_MAX_CACHE_MS,
    };
    p->lookup = dns_lookup_create(&lookup);
}

static void propagation_free(struct propagation *p)
{
    remarks_finish(&p->remarks);
    pool_finish(&p->checks_pool);
    free(p->by_id);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int propagation_create(const struct propagation_options *options, struct propagation **out,
                       struct err *e)
{
    struct propagation *p = mem_new(1, sizeof *p);
    p->epoll = p->wake = -1;
    p->resolvers_only = options->resolvers_only;
    p->authority_port = options->authority_port ? options->authority_port : DNS_PORT;
    p->zone_inbox_end = &p->zone_inbox;
    p->survey_inbox_end = &p->survey_inbox;
    p->due_end = &p->due;
    p->by_id = mem_new(CHECK_BUCKETS, sizeof *p->by_id);
    p->checks_pool.size = sizeof(struct check);
    pthread_mutex_init(&p->lock, NULL);
    if (dns_resolvers_read(options->resolvers, options->resolver_count, &p->resolvers,
                           &p->resolver_count, e) ||
        wake_watch(p, e)) {
        propagation_close(p);
        propagation_free(p);
        return -1;
    }
    client_start(p, options);
    if (thread_start(p, e)) {
        propagation_close(p);
        propagation_free(p);
        return -1;
    }
    *out = p;
    return 0;
}

void propagation_destroy(struct propagation *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_mutex_unlock(&p->lock);
    propagation_wake(p);
    pthread_join(p->thread, NULL);

    struct check *checks = p->checks, *inbox = p->inbox;
    struct zone_request *requests = p->zone_inbox;
    propagation_close(p); /* tells what is pending that it ends, so checks go last */
    for (struct check *next; checks; checks = next) {
        next = checks->next;
        check_free(checks);
    }
    for (struct check *next; inbox; inbox = next) {
        next = inbox->next;
        check_free(inbox);
    }
    for (struct zone_request *next; requests; requests = next) {
        next = requests->next;
        zone_request_free(requests);
    }
    survey_requests_finish(p);
    propagation_free(p);
}

/* ---- from any thread ---- */

int propagation_submit(struct propagation *p, const struct propagation_check *wanted,
                       propagation_callback *callback, void *context, struct err *e)
{
    struct check *check = check_create(p, wanted, callback, context, e);
    if (!check)
        return -1;
    pthread_mutex_lock(&p->lock);
    struct check *old = *check_place(p, check_id(check));
    if (old)
        check_forget(old);
    *check_place(p, check_id(check)) = check;
    check->next = p->inbox;
    p->inbox = check;
    pthread_mutex_unlock(&p->lock);
    propagation_wake(p);
    return 0;
}

void propagation_cancel(struct propagation *p, const char *id)
{
    pthread_mutex_lock(&p->lock);
    struct check *check = *check_place(p, id);
    if (check)
        check_forget(check);
    pthread_mutex_unlock(&p->lock);
}

bool propagation_progress(struct propagation *p, const char *id, struct propagation_progress *out)
{
    pthread_mutex_lock(&p->lock);
    const struct check *check = *check_place(p, id);
    if (check) {
        out->have = check->have;
        out->total = check->total;
        snprintf(out->text, sizeof out->text, "%s",
                 check->progress ? check->progress : "nobody was asked yet");
    }
    pthread_mutex_unlock(&p->lock);
    return check != NULL;
}

int propagation_find_zone(struct propagation *p, const char *id, const char *name, const char *hint,
                          propagation_zone_callback *callback, void *context, struct err *e)
{
    char read[DNS_NAME_SIZE], hint_of[DNS_NAME_SIZE];
    if (!dns_name_read(name, read) || !hint_read(hint, hint_of))
        return err_set(e, ERR_INVALID, "this is no DNS name that could be looked up");
    struct zone_request *request = mem_new(1, sizeof *request);
    request->p = p;
    request->name = mem_strdup(read);
    request->hint = mem_strdup(hint_of);
    request->callback = callback;
    request->context = context;
    request->id = mem_strdup(id);
    pthread_mutex_lock(&p->lock);
    *p->zone_inbox_end = request;
    p->zone_inbox_end = &request->next;
    pthread_mutex_unlock(&p->lock);
    propagation_wake(p);
    return 0;
}
