/*
 * The engine: workers that step durable jobs. It never sees HTTP requests; it learns of new work
 * from the store's feed.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_ENGINE_H
#define CERTWRIGHT_SERVER_ENGINE_ENGINE_H

#include "acme/base/error.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct commands;
struct http01_table;
struct tls_alpn01_table;
struct propagation;
struct target_pidfile;
struct outgoing;
struct engine;

/* All borrowed for the engine's life. */
struct engine_options {
    struct store *store;
    struct commands *commands;
    struct http01_table *http01;
    struct tls_alpn01_table *tls_alpn01; /* NULL: there is no listener for it */
    struct propagation *propagation;
    const char *user_agent;
    const char *language; /* NULL: no Accept-Language */
    int workers;
    const struct outgoing *outgoing; /* where requests may go; NULL: anywhere */

    /* for targets */
    const char *const *file_roots; /* absolute; ends with NULL */
    const struct target_pidfile *pidfiles;
    size_t pidfile_count;
    const char *scratch; /* a folder for what commands are to read; absolute */
};

/* Subscribes to the store's feed, so before the store's first write. */
int engine_create(const struct engine_options *options, struct engine **out, struct err *e);

/* Takes up every unfinished job and starts the workers. */
int engine_start(struct engine *engine, struct err *e);

/* Aborts calls under way (their jobs take them up at the next start), joins the workers. */
void engine_stop(struct engine *engine);
void engine_destroy(struct engine *engine);

/* Counters since the start, for metrics. */
enum { ENGINE_STATUS_CLASSES = 6 }; /* 0: no answer, 1 … 5: 1xx … 5xx */
struct engine_counters {
    atomic_ulong acme_requests[ENGINE_STATUS_CLASSES];
    atomic_ulong acme_milliseconds;
    atomic_ulong steps;
    atomic_ulong step_failures;
};
const struct engine_counters *engine_counters(const struct engine *engine);

#endif
