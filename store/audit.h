/*
 * The audit trail: who did what, from where, with which result. Entries are only ever appended;
 * the database itself refuses to change one, and to delete any but the oldest, which the sweep
 * does.
 *
 * They form a chain: each holds the hash of the one before it, so that whoever has kept the hash of
 * a later entry elsewhere sees whether an earlier one was changed or cut out.
 */
#ifndef CERTWRIGHT_STORE_AUDIT_H
#define CERTWRIGHT_STORE_AUDIT_H

#include "acme/base/ulid.h"
#include "store/store.h"

enum { AUDIT_HASH_SIZE = 65 }; /* SHA-256, hexadecimal, with the NUL */

/* What is told of a request; texts are borrowed, NULL where there is nothing to tell. */
struct audit_note {
    const char *request;   /* the request's id */
    const char *principal; /* "token:admin"; NULL: nobody that is known */
    const char *address;   /* "192.0.2.1", "unix" */
    const char *method;
    const char *route;    /* the path's template */
    const char *resource; /* "/certificates/www.example.com" */
    const char *job;      /* that it made or touched */
    int status;           /* of the answer */
    const char *code;     /* of the problem */
    int64_t at;           /* ms UTC; of the first one */
    int64_t count;        /* so many alike */
};

struct audit_entry {
    int64_t n; /* from 1, without gaps */
    int64_t at;
    char *request, *principal, *address, *method, *route, *resource, *job, *code;
    int status;
    int64_t count;
    char previous[AUDIT_HASH_SIZE]; /* of entry n - 1; 64 zeros before the first */
    /*
     * SHA-256 over previous, n, at (RFC 3339), request, principal, address, method, route,
     * resource, job, status, code and count, in this order, each followed by a line feed; what is
     * NULL is empty.
     */
    char hash[AUDIT_HASH_SIZE];
};

void audit_entry_finish(struct audit_entry *entry);

/* Appends one. */
int audit_add(struct store_tx *tx, const struct audit_note *note, struct err *e);

struct audit_filter {
    const char *principal; /* NULL: any */
    const char *resource;  /* and what is below that path; NULL: any */
    int64_t since;         /* ms UTC; 0: any */
};

/* Newest first, those with an n below before: at most limit. The caller finishes each, frees *out.
 */
int audit_list(struct db *db, const struct audit_filter *filter, int64_t before, size_t limit,
               struct audit_entry **out, size_t *count, struct err *e);

/* Deletes some of the oldest, as far as all of them are from before that time; swept gets how
   many, 0: there are none left. What remains is a chain still. */
int audit_sweep(struct store_tx *tx, int64_t before, int64_t *swept, struct err *e);

#endif
