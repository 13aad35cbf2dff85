/*
 * What a job has asked of its CA, for the job's history: bounded, since a job may ask for years.
 * Requests alike are one with a count ("polled 41 times"), and of many the oldest are dropped. Only
 * method, path and what came back are kept: no query, header or body, so no nonce, key or
 * signature.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_REQUESTS_H
#define CERTWRIGHT_SERVER_ENGINE_REQUESTS_H

#include <stddef.h>
#include <stdint.h>

enum { REQUESTS_MAX = 60 };

struct request {
    int64_t at;      /* engine time of the first one's end */
    int64_t last_at; /* of the last one's */
    int64_t count;
    int64_t duration_ms; /* of all together */
    char *method;
    int status; /* 0: no answer came */
    char *step;
    char *identifier; /* that the URL is about; NULL: none in particular */
    char *path;
};

/* All zeros is an empty log. */
struct requests {
    struct request items[REQUESTS_MAX];
    size_t count;
    int64_t omitted; /* requests that were dropped */
};

void requests_finish(struct requests *log);

/* Adds one; url is a whole URL, the texts are copied. */
void requests_add(struct requests *log, const struct request *request, const char *url);

/* The stored text (NULL: nothing) with those of log added; the caller frees. NULL if there are none
   to add. */
char *requests_append(const char *stored, const struct requests *log);

/* What is stored; lines that make no sense are passed over. */
void requests_read(const char *stored, struct requests *out);

#endif
