#include "server/api/refused.h"

#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/ulid.h"
#include "server/api/check.h"
#include "server/http/server.h"
#include "store/audit.h"

#include <stdio.h>
#include <string.h>

enum { WRITTEN_EVERY_MS = 10 * CLOCK_MINUTE_MS, RESOURCES_APART = 4 };

void refused_init(struct refused *refused)
{
    memset(refused->kinds, 0, sizeof refused->kinds);
    pthread_mutex_init(&refused->lock, NULL);
}

void refused_finish(struct refused *refused)
{
    pthread_mutex_destroy(&refused->lock);
}

/* Reads are told of only where somebody was turned away. */
static bool is_refusal(const struct http_served *request)
{
    bool is_read = !strcmp(request->method, "GET") || !strcmp(request->method, "HEAD") ||
                   !strcmp(request->method, "OPTIONS");
    if (!request->problem)
        return false;
    return request->status == 401 || request->status == 403 || (!is_read && *request->route);
}

/* ---- the resource ---- */

/* The length of the segment at text, which begins with its slash. */
static size_t segment_size(const char *text)
{
    return text[0] ? 1 + strcspn(text + 1, "/") : 0;
}

/* A name or an id, with nothing in it that would have to be cleaned: whatever else was put into a
   path may be a secret. */
static bool is_name(const char *segment, size_t size)
{
    char name[REFUSED_RESOURCE_SIZE];
    if (size < 2 || size > sizeof name)
        return false;
    snprintf(name, size, "%s", segment + 1);
    return !check_name(name) || ulid_is(name);
}

/* The path up to its last name: "/certificates/a.example" of a file of it. What is no name is left
   as the route has it. */
static void name_resource(const struct http_served *request, char out[REFUSED_RESOURCE_SIZE])
{
    const char *route = request->route, *path = request->path;
    size_t used = 0, end = 0;
    bool has_name = false;
    out[0] = '\0';
    while (*route) {
        size_t size = segment_size(route), given = segment_size(path);
        bool is_parameter = route[1] == '{';
        bool is_taken = is_parameter && is_name(path, given);
        const char *from = is_taken ? path : route;
        size_t length = is_taken ? given : size;
        if (used + length >= REFUSED_RESOURCE_SIZE)
            break;
        memcpy(out + used, from, length);
        used += length;
        if (is_parameter || !has_name)
            end = used;
        has_name = has_name || is_parameter;
        route += size;
        path += given;
    }
    out[end] = '\0';
}

/* ---- kinds ---- */

/* Whatever the resource. */
static bool is_like(const struct refused_kind *kind, const struct http_served *request)
{
    return kind->status == request->status && !strcmp(kind->code, request->problem) &&
           !strcmp(kind->method, request->method) && !strcmp(kind->route, request->route) &&
           !strcmp(kind->principal, request->principal) && !strcmp(kind->address, request->address);
}

static bool is_free(const struct refused_kind *kind, int64_t now)
{
    return !kind->count && (!kind->written_at || now - kind->written_at >= WRITTEN_EVERY_MS);
}

/* The last of them takes what finds no other. */
static struct refused_kind *find_kind(struct refused *refused, const struct http_served *request,
                                      int64_t now)
{
    char resource[REFUSED_RESOURCE_SIZE];
    struct refused_kind *unused = NULL, *several = NULL;
    int alike = 0;
    name_resource(request, resource);
    for (int i = 0; i < REFUSED_KINDS - 1; i++) {
        struct refused_kind *kind = &refused->kinds[i];
        bool is_alike = kind->code && is_like(kind, request);
        if (is_alike && !strcmp(kind->resource, resource))
            return kind;
        if (is_alike && !kind->resource[0])
            several = kind;
        alike += is_alike && !is_free(kind, now);
        if (!unused && is_free(kind, now))
            unused = kind;
    }
    if (alike >= RESOURCES_APART) {
        resource[0] = '\0';
        if (several)
            return several;
    }
    if (!unused)
        return &refused->kinds[REFUSED_KINDS - 1];
    *unused = (struct refused_kind){.method = request->method,
                                    .route = request->route,
                                    .code = request->problem,
                                    .status = request->status};
    snprintf(unused->principal, sizeof unused->principal, "%s", request->principal);
    snprintf(unused->address, sizeof unused->address, "%s", request->address);
    memcpy(unused->resource, resource, sizeof resource);
    return unused;
}

void refused_add(struct refused *refused, const struct http_served *request)
{
    if (!is_refusal(request))
        return;
    int64_t now = clock_engine_ms();
    pthread_mutex_lock(&refused->lock);
    struct refused_kind *kind = find_kind(refused, request, now);
    if (!kind->count++)
        kind->first_at = now;
    pthread_mutex_unlock(&refused->lock);
}

static const char *text_or_null(const char *text)
{
    return text && *text ? text : NULL;
}

static int write_kind(struct store_tx *tx, const struct refused_kind *kind, struct err *e)
{
    bool is_known = kind->code;
    const struct audit_note note = {
        .principal = text_or_null(kind->principal),
        .address = kind->address,
        .method = is_known ? kind->method : "",
        .route = text_or_null(kind->route),
        .resource = text_or_null(kind->resource),
        .status = kind->status,
        .code = is_known ? kind->code : "various",
        .at = kind->first_at,
        .count = kind->count,
    };
    return audit_add(tx, &note, e);
}

struct batch {
    struct refused_kind kinds[REFUSED_KINDS];
    int places[REFUSED_KINDS];
    int count;
};

static int write_batch(struct store_tx *tx, void *arg, struct err *e)
{
    const struct batch *batch = arg;
    for (int i = 0; i < batch->count; i++)
        if (write_kind(tx, &batch->kinds[i], e) < 0)
            return -1;
    return 0;
}

/* Copies, so that nobody waits for the disk. */
static void take_due(struct refused *refused, bool is_end, struct batch *out)
{
    int64_t now = clock_engine_ms();
    out->count = 0;
    pthread_mutex_lock(&refused->lock);
    for (int i = 0; i < REFUSED_KINDS; i++) {
        const struct refused_kind *kind = &refused->kinds[i];
        bool is_due = is_end || !kind->written_at || now - kind->written_at >= WRITTEN_EVERY_MS;
        if (kind->count && is_due) {
            out->places[out->count] = i;
            out->kinds[out->count++] = *kind;
        }
    }
    pthread_mutex_unlock(&refused->lock);
}

static void strike_off(struct refused *refused, const struct batch *batch)
{
    int64_t now = clock_engine_ms();
    pthread_mutex_lock(&refused->lock);
    for (int i = 0; i < batch->count; i++) {
        struct refused_kind *kind = &refused->kinds[batch->places[i]];
        kind->count -= batch->kinds[i].count;
        kind->first_at = now;
        kind->written_at = now;
    }
    pthread_mutex_unlock(&refused->lock);
}

void refused_write(struct refused *refused, struct store *store, bool is_end)
{
    struct batch batch;
    struct err e;
    take_due(refused, is_end, &batch);
    if (!batch.count)
        return;
    if (store_write_wait(store, write_batch, &batch, &e) < 0)
        log_warn("the audit trail cannot be written", "detail", e.detail, NULL);
    else
        strike_off(refused, &batch);
}
