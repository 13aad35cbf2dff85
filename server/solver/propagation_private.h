/* The propagation thread's own: shared by its files only. */
#ifndef CERTWRIGHT_SERVER_SOLVER_PROPAGATION_PRIVATE_H
#define CERTWRIGHT_SERVER_SOLVER_PROPAGATION_PRIVATE_H

#include "acme/base/pool.h"
#include "server/solver/propagation.h"
#include "server/solver/propagation_probe.h"
#include "server/solver/remarks.h"

#include <pthread.h>

struct check;
struct survey_request;
struct zone_request;

struct propagation {
    /* const once the thread runs */
    bool resolvers_only;
    uint16_t authority_port;
    struct dns_address *resolvers;
    size_t resolver_count;
    size_t walks_max;   /* rounds at a time, and zones that are looked for */
    size_t surveys_max; /* at a time: their questions leave half of the sockets to the others */
    int epoll;
    int wake; /* eventfd: something is in an inbox, or stopping */
    pthread_t thread;

    /* the thread's */
    struct timers timers;
    struct dns_client *client;
    struct dns_lookup *lookup;
    struct check *checks;               /* all that were begun, for the end */
    struct check *due, **due_end;       /* whose next round may begin once there is room */
    size_t rounds, zone_walks, surveys; /* that are under way */

    pthread_mutex_t lock; /* for what follows, and what struct check says */
    bool stopping;
    struct check **by_id; /* CHECK_BUCKETS lists of the checks that nobody forgot */
    struct pool checks_pool;
    struct remarks remarks;
    struct check *inbox;
    struct zone_request *zone_inbox, **zone_inbox_end;
    struct survey_request *survey_inbox, **survey_inbox_end;
};

/* Something is in an inbox. Any thread. */
void propagation_wake(struct propagation *p);

/* On the thread: begins surveys, as many as there is room for. */
void survey_requests_go_on(struct propagation *p);
/* After the thread: frees those that have not begun. */
void survey_requests_finish(struct propagation *p);

/* None, "" and "." are no hint. False if it is no name. */
bool hint_read(const char *hint, char out[DNS_NAME_SIZE]);

/*
 * Judges what dns_zone_find found: whether that zone may be used for name. Fills out or e.
 * ERR_DNS_NO_ZONE.
 */
int zone_accept(const struct propagation *p, const char *zone, const char *name, const char *hint,
                struct propagation_zone *out, struct err *e);

/* What a check knows of a round, and between two only if some servers have the value already. */
struct round {
    char *name; /* after CNAMEs; with servers */
    struct probed_servers servers;
    size_t pending;    /* questions */
    bool is_last;      /* it began at the deadline or after */
    struct err *error; /* of its look-ups; NULL: none */
};

/* Most ids, names, hints and values together. */
enum { CHECK_SHORT_TEXT = 168, CHECK_BUCKETS = 1024 };

/*
 * One check, from submit to its verdict. Thousands wait at a time, so that each is one small piece
 * of memory, and what many would say alike is there once.
 */
struct check {
    struct propagation *p;
    propagation_match *matches;
    int64_t deadline_ms; /* engine time */
    int64_t begun_ms;
    int64_t interval_ms;
    propagation_callback *callback;
    void *context;

    /* the thread's */
    struct round *round; /* NULL: none, and nothing is known of one */
    struct timer timer;
    struct check *next, **link; /* of the inbox, then of the thread's list */
    struct check *next_due;
    struct check *next_of_id; /* in its bucket; under the lock */

    /* under the lock */
    const char *progress; /* of the remarks; NULL: nobody was asked yet */
    int have, total;
    bool forgotten; /* cancelled or replaced: no verdict */

    /* const: where in text they begin; the id does so at its start */
    uint16_t fqdn_at, hint_at, value_at;
    char *text; /* `short_text`, or its own piece of memory */
    char short_text[CHECK_SHORT_TEXT];
};

static inline const char *check_id(const struct check *check)
{
    return check->text;
}

/* NULL, with e filled, if a name is none. */
struct check *check_create(struct propagation *p, const struct propagation_check *wanted,
                           propagation_callback *callback, void *context, struct err *e);

/* Where in its bucket that id is, or its end. With the lock, as the next one. */
struct check **check_place(const struct propagation *p, const char *id);
void check_forget(struct check *check);

/* On the thread: puts it into the thread's list and schedules the first round. */
void check_begin(struct check *check);

/* On the thread: begins rounds that are due, as many as there is room for. */
void checks_go_on(struct propagation *p);

/* Under the lock, with the client and the look-ups gone, or before check_begin. */
void check_free(struct check *check);

#endif
