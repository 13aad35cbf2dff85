/* A thread that attends to an HTTP server, as the program's main thread does. */
#ifndef CERTWRIGHT_TESTS_UNIT_HTTP_ATTENDANT_H
#define CERTWRIGHT_TESTS_UNIT_HTTP_ATTENDANT_H

#include "acme/base/clock.h"
#include "server/http/server.h"
#include "tests/unit/unit.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { ATTENDANTS_MAX = 4, ATTENDANT_LOOK_MS = 20 };

struct attendant {
    struct http_server *server; /* NULL: this one is free */
    pthread_t thread;
    atomic_bool ends;
};

static struct attendant attendants[ATTENDANTS_MAX];

static inline void *attend(void *argument)
{
    struct attendant *a = argument;
    while (!a->ends) {
        struct pollfd polled = {.fd = http_server_wake_fd(a->server), .events = POLLIN};
        int64_t left = http_server_attend(a->server) - clock_monotonic_ms();
        poll(&polled, 1, left > ATTENDANT_LOOK_MS ? ATTENDANT_LOOK_MS : left < 0 ? 0 : (int)left);
    }
    return NULL;
}

static inline struct attendant *attendant_of(const struct http_server *server)
{
    for (int i = 0; i < ATTENDANTS_MAX; i++)
        if (attendants[i].server == server)
            return &attendants[i];
    fail_msg("more servers than attendants");
    abort();
}

static inline int attended_create(const struct http_server_options *options,
                                  struct http_server **out, struct err *e)
{
    if (http_server_create(options, out, e) < 0)
        return -1;
    struct attendant *a = attendant_of(NULL);
    a->server = *out;
    a->ends = false;
    assert_int_equal(pthread_create(&a->thread, NULL, attend, a), 0);
    return 0;
}

static inline void attended_destroy(struct http_server *server)
{
    struct attendant *a = attendant_of(server);
    a->ends = true;
    pthread_join(a->thread, NULL);
    a->server = NULL;
    http_server_destroy(server);
}

#endif
