#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/engine/engine_private.h"
#include "server/engine/open_keys.h"
#include "server/engine/retry.h"
#include "server/engine/step.h"
#include "store/event.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_message(struct step_context *c, const char *format, va_list args)
{
    c->message[0] = '\0';
    if (format)
        vsnprintf(c->message, sizeof c->message, format, args);
}

int step_next(struct step_context *c, const char *next, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_message(c, format, args);
    va_end(args);
    c->outcome = STEP_NEXT;
    c->next = next;
    c->due = c->now;
    return 0;
}

int step_wait(struct step_context *c, const char *next, int64_t due, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_message(c, format, args);
    va_end(args);
    c->outcome = STEP_WAIT;
    c->next = next;
    c->due = due;
    return 0;
}

int step_done(struct step_context *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_message(c, format, args);
    va_end(args);
    c->outcome = STEP_DONE;
    return 0;
}

int64_t step_polls(const struct step_context *c)
{
    return c->job.error ? 0 : c->job.attempt;
}

void step_mark_authorization(struct step_context *c, size_t i)
{
    assert(i < c->authorization_count && i < IDENTIFIER_MAX_COUNT);
    c->authorizations_changed[i / 64] |= UINT64_C(1) << i % 64;
}

void step_about(struct step_context *c, size_t i)
{
    const struct authorization *row = &c->authorizations[i];
    free(c->about);
    c->about = mem_printf("%s%s", row->wildcard ? "*." : "", row->identifier_value);
}

/* The authorization that the URL is of; NULL if there is none. */
static const struct authorization *authorization_at(const struct step_context *c, const char *url)
{
    for (size_t i = 0; i < c->authorization_count; i++) {
        const struct authorization *row = &c->authorizations[i];
        if (row->identifier_value &&
            (!strcmp(row->url, url) || (row->challenge_url && !strcmp(row->challenge_url, url))))
            return row;
    }
    return NULL;
}

void context_take_request(struct step_context *c, const struct acme_http_trace *trace)
{
    const struct authorization *row = authorization_at(c, trace->url);
    char *method = mem_strdup(trace->method), *step = mem_strdup(c->step->name);
    char *identifier =
        row ? mem_printf("%s%s", row->wildcard ? "*." : "", row->identifier_value) : NULL;
    int64_t now = clock_engine_ms();
    const struct request request = {.at = now,
                                    .last_at = now,
                                    .count = 1,
                                    .duration_ms = trace->duration_ms,
                                    .method = method,
                                    .status = trace->status,
                                    .step = step,
                                    .identifier = identifier};
    requests_add(&c->requests, &request, trace->url);
    free(method);
    free(step);
    free(identifier);
}

void context_finish(struct step_context *c)
{
    requests_finish(&c->requests);
    free(c->about);
    acme_client_finish(&c->client);
    if (c->engine)
        open_keys_leave(c->engine->open_keys, c->account_key);
    for (size_t i = 0; i < c->authorization_count; i++)
        authorization_finish(&c->authorizations[i]);
    free(c->authorizations);
    order_finish(&c->order);
    certificate_finish(&c->certificate);
    account_finish(&c->account);
    authority_finish(&c->authority);
    if (c->saved_free)
        c->saved_free(c->saved);
    free(c->directory);
    free(c->shown);
    json_object_put(c->args);
    job_finish(&c->job);
}

void context_discard(struct step_context *c)
{
    if (c->saved_free)
        c->saved_free(c->saved);
    c->saved = NULL;
    c->saved_free = NULL;
    c->save = NULL;
    c->ready = NULL;
}

int64_t context_wall_ms(const struct step_context *c)
{
    int64_t ahead, wall = clock_wall_ms();
    bool known = c->client.ca && acme_ca_clock_ahead(c->client.ca, CLOCK_HOUR_MS, &ahead);
    return known && llabs(ahead) > CLOCK_HOUR_MS ? wall - ahead : wall;
}

int64_t context_deadline(const struct step_context *c)
{
    int64_t deadline = c->job.deadline_at, least = c->engine->started_at + CLOCK_HOUR_MS;
    bool is_older = c->job.created_at < c->engine->started_at;
    return is_older && deadline > c->job.created_at && deadline < least ? least : deadline;
}

int64_t context_left_ms(const struct step_context *c, int64_t now)
{
    int64_t deadline = context_deadline(c);
    return deadline == INT64_MAX ? INT64_MAX : deadline - now;
}

bool context_is_at_authority(const struct step_context *c)
{
    char lane[LANE_NAME_SIZE];
    if (!c->authority.name)
        return false;
    lane_of_authority(c, lane);
    return !strcmp(c->job.lane, lane);
}

int64_t context_silence_ms(struct step_context *c, bool at_authority, const struct err *error)
{
    if (!c->ca || !at_authority)
        return 0;
    if (error && retry_is_silence(error))
        return retry_silence_ms(atomic_fetch_add(&c->ca->silences, 1));
    atomic_store(&c->ca->silences, 0);
    return 0;
}

int64_t context_patience_ms(const struct step_context *c)
{
    bool renews = c->kind == &certificate_issue_kind || c->kind == &certificate_renew_kind;
    if (!renews || !c->certificate.version)
        return INT64_MAX;
    return retry_patience_ms(c->certificate.not_after - clock_wall_ms());
}

int context_events(struct step_context *c, const char *step, size_t *count, struct err *e)
{
    enum { NEWEST = 500 };
    struct event *events;
    size_t n, found = 0;
    if (event_list(c->db, c->job.id, NEWEST, &events, &n, e) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        found += !strcmp(events[i].step, step);
        event_finish(&events[i]);
    }
    free(events);
    *count = found;
    return 0;
}

int context_anonymous_client(struct step_context *c, struct err *e)
{
    struct worker_client *client;
    if (worker_client(c->worker, &c->authority, &client, e) < 0)
        return -1;
    c->client.http = client->http;
    c->client.ca = client->ca->acme;
    c->ca = client->ca;
    return 0;
}

/* A directory that is younger is not doubted: what it led to is the CA's last word. */
enum { DOUBT_MS = 2 * CLOCK_SECOND_MS };

static char *terms_of(const char *document, const char *url)
{
    struct acme_directory directory;
    struct err ignored;
    if (!document || acme_directory_read(document, url, &directory, &ignored) < 0)
        return NULL;
    char *terms = mem_strdup(directory.terms_of_service);
    acme_directory_finish(&directory);
    return terms;
}

char *context_terms(struct step_context *c)
{
    char *document = acme_ca_directory_document(c->client.ca);
    char *terms = terms_of(document, c->authority.directory_url);
    free(document);
    return terms;
}

void context_take_directory(struct step_context *c)
{
    free(c->directory);
    c->directory = acme_ca_directory_document(c->client.ca);
    atomic_store(&c->ca->directory_at, c->now);
    char *before = terms_of(c->authority.directory, c->authority.directory_url);
    char *now = terms_of(c->directory, c->authority.directory_url);
    if (before && now && strcmp(before, now) != 0)
        log_warn("the CA's terms of service have changed; PATCH its accounts to agree", "authority",
                 c->authority.name, "former", before, "terms", now, NULL);
    free(before);
    free(now);
}

/* One worker at a time fetches what the others go on using meanwhile. */
static bool is_directory_due(struct step_context *c)
{
    struct ca *ca = c->ca;
    long long at = atomic_load(&ca->directory_at);
    long long age = c->now - at;
    bool doubted = age >= DOUBT_MS && atomic_load(&ca->directory_doubt);
    if (age < CLOCK_DAY_MS && !doubted)
        return false;
    /* If it cannot be fetched, that is tried again in an hour. */
    long long claim = c->now - CLOCK_DAY_MS + CLOCK_HOUR_MS;
    if (!atomic_compare_exchange_strong(&ca->directory_at, &at, claim))
        return false;
    atomic_store(&ca->directory_doubt, false);
    return true;
}

static void refresh_directory(struct step_context *c)
{
    struct acme_directory fresh;
    struct err error;
    int rc = acme_directory_fetch(c->client.http, c->authority.directory_url, &fresh, &error);
    if (rc == 0) {
        rc = acme_ca_set_directory(c->client.ca, fresh.document, &error);
        acme_directory_finish(&fresh);
    }
    if (rc == 0)
        context_take_directory(c);
    else
        log_warn("the directory cannot be fetched again: the former one is used", "authority",
                 c->authority.name, "detail", error.detail, NULL);
}

/* A directory that had to be fetched is kept for the next start, and shown by the API. */
int context_directory(struct step_context *c, struct err *e)
{
    char *before = acme_ca_directory_document(c->client.ca);
    bool known = before != NULL;
    free(before);
    if (known && is_directory_due(c))
        refresh_directory(c);
    if (known)
        return 0;
    if (acme_client_prepare(&c->client, e) < 0)
        return -1;
    context_take_directory(c);
    return 0;
}

void context_doubt_directory(struct step_context *c, const struct err *error)
{
    enum { NOT_FOUND = 404 };
    if (c->ca && (error->code == ERR_CA_INVALID_PROFILE || error->http_status == NOT_FOUND))
        atomic_store(&c->ca->directory_doubt, true);
}

static int open_account_key(struct step_context *c, struct err *e)
{
    struct open_keys *keys = c->engine->open_keys;
    struct key *key = open_keys_take(keys, c->account.thumbprint);
    if (!key) {
        if (account_open_key(c->db, c->account.id, &key, e) < 0)
            return -1;
        if (open_keys_share(keys, &key, e) < 0) {
            key_destroy(key);
            return -1;
        }
    }
    c->account_key = key;
    return 0;
}

int context_client(struct step_context *c, struct err *e)
{
    if (context_anonymous_client(c, e) < 0)
        return -1;
    if (!c->account_key && open_account_key(c, e) < 0)
        return -1;
    c->client.key = c->account_key;
    c->client.kid = c->account.url;
    return context_directory(c, e);
}

int context_fail(struct err *e, const struct err *error)
{
    *e = *error;
    return -1;
}

const char *context_arg(const struct step_context *c, const char *name)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(c->args, name, &value) || !value)
        return NULL;
    return json_object_get_string(value);
}

int64_t context_arg_int(const struct step_context *c, const char *name, int64_t fallback)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(c->args, name, &value) ||
        !json_object_is_type(value, json_type_int))
        return fallback;
    return json_object_get_int64(value);
}
