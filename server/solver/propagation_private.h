/* The propagation thread's own: shared by its files only. */
#ifndef CERTWRIGHT_SERVER_SOLVER_PROPAGATION_PRIVATE_H
#define CERTWRIGHT_SERVER_SOLVER_PROPAGATION_PRIVATE_H

#include "server/solver/propagation.h"
#include "server/solver/propagation_probe.h"

#include <pthread.h>

struct check;
struct zone_request;

struct propagation {
    /* const once the thread runs */
    bool resolvers_only;
    uint16_t authority_port;
    struct dns_address *resolvers;
    size_t resolver_count;
    int epoll;
    int wake; /* eventfd: something is in an inbox, or stopping */
    pthread_t thread;

    /* the thread's */
    struct timers timers;
    struct dns_client *client;
    struct dns_lookup *lookup;
    struct check *checks; /* all that were begun, for the end */

    pthread_mutex_t lock; /* for what follows, and what struct check says */
    bool stopping;
    void *by_id; /* tree of checks that nobody forgot */
    struct check *inbox;
    struct zone_request *zone_inbox, **zone_inbox_end;
};

/* None, "" and "." are no hint. False if it is no name. */
bool hint_read(const char *hint, char out[DNS_NAME_SIZE]);

/*
 * Judges what dns_zone_find found: whether that zone may be used for name. Fills out or e.
 * ERR_DNS_NO_ZONE.
 */
int zone_accept(const struct propagation *p, const char *zone, const char *name, const char *hint,
                struct propagation_zone *out, struct err *e);

/*
 * One check, from submit to its verdict. Thousands wait at a time: texts are as long as they are,
 * and between two rounds there is only what the next one needs.
 */
struct check {
    struct propagation *p;
    char *id;
    char *fqdn; /* as given */
    char *hint;
    char *value;
    propagation_match *matches;
    int64_t deadline_ms; /* engine time */
    int64_t first_delay_ms;
    int64_t interval_ms;
    propagation_callback *callback;
    void *context;

    /* the thread's */
    int64_t begun_ms;
    char *name;                    /* after CNAMEs; with servers */
    struct probed_servers servers; /* none, unless one of them has the value */
    size_t pending;                /* questions of this round */
    bool last_round;               /* it began at the deadline or after */
    struct err *error;             /* of this round's look-ups; NULL: none */
    struct timer timer;
    struct check *next, **link; /* of the inbox, then of the thread's list */

    /* under the lock */
    bool forgotten; /* cancelled or replaced: no verdict */
    int have, total;
    char *progress; /* NULL: nobody was asked yet */
};

/* NULL, with e filled, if a name is none. */
struct check *check_create(struct propagation *p, const struct propagation_check *wanted,
                           propagation_callback *callback, void *context, struct err *e);

/* Of checks by id, for tsearch. */
int check_compare(const void *a, const void *b);

/* On the thread: puts it into the thread's list and schedules the first round. */
void check_begin(struct check *check);

/* With the client and the look-ups gone, or before check_begin. */
void check_free(struct check *check);

#endif
