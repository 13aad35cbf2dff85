/* Counts of answered HTTP requests, for metrics. */
#ifndef CERTWRIGHT_SERVER_API_SERVED_H
#define CERTWRIGHT_SERVER_API_SERVED_H

#include "acme/base/buffer.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* Routes, methods and statuses are few; what comes after this many is not counted apart. */
enum { SERVED_MAX = 512 };

struct served_count {
    char method[16];
    char route[96]; /* the template; "" for what is not served */
    int status;
    uint64_t requests;
    uint64_t milliseconds;
};

struct served {
    pthread_mutex_t lock;
    struct served_count *counts;
    size_t count;
};

void served_init(struct served *served);
void served_finish(struct served *served);

void served_add(struct served *served, const char *method, const char *route, int status,
                int64_t duration_ms);

/* Appends them in Prometheus' text format. */
void served_write(struct served *served, struct buf *out);

#endif
