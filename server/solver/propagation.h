/*
 * Whether a TXT record is to be seen at every authoritative name server of its zone.
 *
 * One thread with non-blocking sockets serves any number of checks; libldns builds and reads the
 * packets and nothing else. Through the resolvers it follows CNAMEs, finds the zone (SOA), its name
 * servers and their addresses; then it asks each of these for the TXT itself, RD=0, until all have
 * it or the deadline is over. Look-ups through the resolvers are cached, failures briefly too.
 *
 * Names are given and returned without the final dot, and returned in lower case.
 */
#ifndef CERTWRIGHT_SERVER_SOLVER_PROPAGATION_H
#define CERTWRIGHT_SERVER_SOLVER_PROPAGATION_H

#include "acme/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROPAGATION_ID_SIZE = 64, PROPAGATION_NAME_SIZE = 256 };

struct propagation_options {
    /* "IP", "IP:PORT", "[v6]:PORT" or "HOST:PORT" (looked up once); none: /etc/resolv.conf */
    const char *const *resolvers;
    size_t resolver_count;
    /*
     * Ask the resolvers for the TXT, and no authoritative server. For networks with split horizon
     * or without a way to the outside; negative answers that a resolver keeps delay the verdict.
     * A resolver that is silent is passed over if another answers.
     */
    bool resolvers_only;
    uint16_t authority_port; /* where authoritative servers listen; 0: 53 */
    int try_timeout_ms;      /* what a server has to answer one try; 0: 2000 */
    int tries;               /* at one server; 0: 2 */
    int max_cache_ms;        /* cap on the life of look-ups; 0: 300000, failed ones 30000 at most */
    int max_sockets;         /* open at a time; what is above waits; 0: 256 */
};

struct propagation;

/* Starts the thread. ERR_CONFIG if a resolver cannot be read or found, ERR_IO. */
int propagation_create(const struct propagation_options *options, struct propagation **out,
                       struct err *e);

/* Ends the thread. Unanswered checks get no verdict; no callback runs after this. */
void propagation_destroy(struct propagation *p);

/* Whether a TXT record's text is what is looked for; on the propagation thread. */
typedef bool propagation_match(const char *record, const char *value);

struct propagation_check {
    char id[PROPAGATION_ID_SIZE]; /* the caller's name for it */
    const char *fqdn;             /* copied; CNAMEs are followed */
    const char *value;            /* copied */
    propagation_match *matches;   /* whether a record is the one; NULL: it has that very value */
    const char *zone_hint;        /* copied; see propagation_find_zone; may be NULL */
    int64_t deadline_ms;          /* engine time */
    int64_t first_delay_ms;       /* before the first question */
    int64_t interval_ms;          /* between rounds, at first; 0: 5000 */
};

struct propagation_verdict {
    bool found;       /* every server has the value */
    int have;         /* servers that have it */
    int total;        /* servers of the zone; 0: not known yet */
    struct err error; /* !found: dns.nxdomain, dns.servfail, dns.timeout, dns.no_zone or
                         dns.not_propagated, with a sentence that names each lagging server */
};

/* On the propagation thread; must be quick. It may call submit, cancel and find_zone. */
typedef void propagation_callback(void *context, const char *id,
                                  const struct propagation_verdict *verdict);

/*
 * Queues a check; exactly one verdict comes for it, unless it is cancelled or p is destroyed. A
 * check of the same id is replaced. A deadline that has passed gets one round. ERR_INVALID for
 * names that are none.
 */
int propagation_submit(struct propagation *p, const struct propagation_check *check,
                       propagation_callback *callback, void *context, struct err *e);

/* Forgets the check, if there is one. A verdict that is being delivered still arrives. */
void propagation_cancel(struct propagation *p, const char *id);

struct propagation_progress {
    int have;
    int total;
    char text[ERR_DETAIL_MAX]; /* "2 of 3 name servers have it; ns3.example.net answers NXDOMAIN" */
};

/* How far a check is. False if there is none of that id. Any thread. */
bool propagation_progress(struct propagation *p, const char *id, struct propagation_progress *out);

struct propagation_zone {
    char zone[PROPAGATION_NAME_SIZE]; /* "" only with resolvers_only, see below */
    char fqdn[PROPAGATION_NAME_SIZE]; /* the name after CNAMEs */
};

/* zone is NULL on failure: dns.no_zone, dns.servfail or dns.timeout. On the propagation thread. */
typedef void propagation_zone_callback(void *context, const char *id,
                                       const struct propagation_zone *zone, const struct err *e);

/*
 * Where a TXT of that name has to go: the end of its CNAME chain, and the zone that is in. hint is
 * the zone the solver is configured for, or NULL. A zone of a single label (a public suffix, that
 * is: nothing is delegated) is refused unless it is the hint. With resolvers_only, if no SOA is to
 * be found, zone is the hint if the name is in it, else "". ERR_INVALID if name is none; then there
 * is no callback. Any thread.
 */
int propagation_find_zone(struct propagation *p, const char *id, const char *name, const char *hint,
                          propagation_zone_callback *callback, void *context, struct err *e);

#endif
