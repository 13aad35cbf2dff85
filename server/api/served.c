#include "server/api/served.h"

#include "acme/base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void served_init(struct served *served)
{
    *served = (struct served){.counts = mem_new(SERVED_MAX, sizeof *served->counts)};
    pthread_mutex_init(&served->lock, NULL);
}

void served_finish(struct served *served)
{
    pthread_mutex_destroy(&served->lock);
    free(served->counts);
}

/* A method of the caller's making must not become a label of its own. */
static const char *known_method(const char *method)
{
    static const char *const known[] = {"GET",    "HEAD",    "POST",  "PUT",
                                        "DELETE", "OPTIONS", "PATCH", NULL};
    for (size_t i = 0; known[i]; i++)
        if (!strcmp(known[i], method))
            return method;
    return "other";
}

static struct served_count *find(struct served *served, const char *method, const char *route,
                                 int status)
{
    for (size_t i = 0; i < served->count; i++) {
        struct served_count *c = &served->counts[i];
        if (c->status == status && !strcmp(c->method, method) && !strcmp(c->route, route))
            return c;
    }
    if (served->count == SERVED_MAX)
        return NULL;
    struct served_count *c = &served->counts[served->count++];
    snprintf(c->method, sizeof c->method, "%s", method);
    snprintf(c->route, sizeof c->route, "%s", route);
    c->status = status;
    return c;
}

void served_add(struct served *served, const char *method, const char *route, int status,
                int64_t duration_ms)
{
    pthread_mutex_lock(&served->lock);
    struct served_count *c = find(served, known_method(method), route, status);
    if (c) {
        c->requests++;
        c->milliseconds += duration_ms > 0 ? (uint64_t)duration_ms : 0;
    }
    pthread_mutex_unlock(&served->lock);
}

static void write_labels(const struct served_count *c, struct buf *out)
{
    buf_printf(out, "{method=\"%s\",route=\"%s\",status=\"%d\"}", c->method, c->route, c->status);
}

void served_write(struct served *served, struct buf *out)
{
    pthread_mutex_lock(&served->lock);
    buf_add_string(out, "# HELP certwright_http_requests_total Requests answered.\n"
                        "# TYPE certwright_http_requests_total counter\n");
    for (size_t i = 0; i < served->count; i++) {
        buf_add_string(out, "certwright_http_requests_total");
        write_labels(&served->counts[i], out);
        buf_printf(out, " %" PRIu64 "\n", served->counts[i].requests);
    }
    buf_add_string(out, "# HELP certwright_http_request_seconds_total Time taken to answer them.\n"
                        "# TYPE certwright_http_request_seconds_total counter\n");
    for (size_t i = 0; i < served->count; i++) {
        buf_add_string(out, "certwright_http_request_seconds_total");
        write_labels(&served->counts[i], out);
        buf_printf(out, " %.3f\n", (double)served->counts[i].milliseconds / 1000);
    }
    pthread_mutex_unlock(&served->lock);
}
