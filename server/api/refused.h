/*
 * What was refused, on its way to the audit trail: writes that failed, and whoever was turned away.
 * A stranger can bring about any number of these, so they are gathered: those alike are one entry
 * with a count, written at once for the first and then at most every ten minutes; what differs
 * from more than a few others goes into one that says so by having no address. Of those that differ
 * in the resource alone, a few are told apart, so that whoever tries names takes no other's place.
 */
#ifndef CERTWRIGHT_SERVER_API_REFUSED_H
#define CERTWRIGHT_SERVER_API_REFUSED_H

#include "store/store.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct http_served;

/* Kinds that are told apart; with the one for all others. */
enum { REFUSED_KINDS = 64 };

/* A resource's path: two names of 200 characters, and what is around them. */
enum { REFUSED_RESOURCE_SIZE = 512 };

struct refused_kind {
    char principal[256];
    char address[64];
    char resource[REFUSED_RESOURCE_SIZE]; /* that was asked for; "": none, or several */
    const char *method;
    const char *route;
    const char *code;
    int status;
    int64_t first_at;   /* of those that are not written down yet; ms UTC */
    int64_t count;      /* of them */
    int64_t written_at; /* engine time of the last entry, 0: none */
};

struct refused {
    pthread_mutex_t lock;
    struct refused_kind kinds[REFUSED_KINDS];
};

void refused_init(struct refused *refused);
void refused_finish(struct refused *refused);

/* Any thread, quick. Takes what it needs of the request, which may be none of these. */
void refused_add(struct refused *refused, const struct http_served *request);

/* Writes down what is due, at the end everything; waits for that. What the store does not take is
   kept for the next time. */
void refused_write(struct refused *refused, struct store *store, bool is_end);

#endif
