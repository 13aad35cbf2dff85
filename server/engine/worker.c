#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/engine/engine_private.h"
#include "server/engine/step.h"

#include <stdlib.h>
#include <string.h>

static void take_note(void *context, const struct acme_http_trace *trace)
{
    const struct worker *worker = context;
    struct engine *engine = worker->engine;
    int class = trace->status / 100;
    if (class < 0 || class >= ENGINE_STATUS_CLASSES)
        class = 0;
    atomic_fetch_add(&engine->counters.acme_requests[class], 1);
    atomic_fetch_add(&engine->counters.acme_milliseconds, (unsigned long)trace->duration_ms);
    if (worker->running)
        context_take_request(worker->running, trace);
}

static void close_client(struct engine *engine, struct worker_client *client)
{
    acme_http_destroy(client->http);
    ca_registry_release(engine->cas, client->ca);
    free(client->authority);
    *client = (struct worker_client){0};
}

/* The slot of that authority, or the one to use for it: a free one, or the longest unused. */
static struct worker_client *slot_for(struct worker *worker, const char *authority)
{
    struct worker_client *oldest = &worker->clients[0];
    for (size_t i = 0; i < WORKER_CLIENTS; i++) {
        struct worker_client *client = &worker->clients[i];
        if (client->authority && !strcmp(client->authority, authority))
            return client;
        if (client->used < oldest->used)
            oldest = client;
    }
    return oldest;
}

int worker_client(struct worker *worker, const struct authority *authority,
                  struct worker_client **out, struct err *e)
{
    struct engine *engine = worker->engine;
    struct ca *ca;
    if (ca_registry_get(engine->cas, authority, clock_engine_ms(), &ca, e) < 0)
        return -1;
    struct worker_client *slot = slot_for(worker, authority->name);
    if (slot->ca == ca) {
        ca_registry_release(engine->cas, ca);
        slot->used = ++worker->turn;
        *out = slot;
        return 0;
    }
    struct acme_http_options options = {
        .user_agent = engine->options.user_agent,
        .accept_language = engine->options.language,
        .trust = ca->trust,
        .outgoing = engine->options.outgoing,
        .abort = &engine->abort,
        .traced = take_note,
        .trace_context = worker,
    };
    close_client(engine, slot);
    *slot = (struct worker_client){mem_strdup(authority->name), ca, acme_http_create(&options),
                                   ++worker->turn};
    *out = slot;
    return 0;
}

int worker_solver_http(struct worker *worker, struct acme_http **out, struct err *e)
{
    if (!worker->solver_http) {
        struct acme_trust *trust;
        if (acme_trust_system(&trust, e) < 0)
            return -1;
        struct acme_http_options options = {
            .user_agent = worker->engine->options.user_agent,
            .trust = trust,
            .abort = &worker->engine->abort,
            .allow_http = true,
            .outgoing = worker->engine->options.outgoing,
        };
        worker->solver_http = acme_http_create(&options);
        acme_trust_release(trust);
    }
    *out = worker->solver_http;
    return 0;
}

void worker_finish(struct worker *worker)
{
    for (size_t i = 0; i < WORKER_CLIENTS; i++)
        close_client(worker->engine, &worker->clients[i]);
    acme_http_destroy(worker->solver_http);
    worker->solver_http = NULL;
}
