/*
 * Look-ups through the resolvers, with a cache. Several questions for one thing become one; a
 * resolver that is silent or fails is passed over for the next, and a silent one comes last for a
 * minute: it may be one name only that it cannot tell.
 */
#ifndef CERTWRIGHT_SERVER_SOLVER_DNS_LOOKUP_H
#define CERTWRIGHT_SERVER_SOLVER_DNS_LOOKUP_H

#include "server/solver/dns_client.h"

struct dns_lookup_options {
    struct dns_client *client; /* ends first, so that no answer comes for what is gone */
    struct timers *timers;
    const struct dns_address *resolvers; /* borrowed; at least one */
    size_t resolver_count;
    int max_cache_ms;
};

struct dns_lookup;

struct dns_lookup *dns_lookup_create(const struct dns_lookup_options *options);

/* After the client's end. Tells those who still wait DNS_CLOSED. */
void dns_lookup_destroy(struct dns_lookup *lookup);

/*
 * Calls done once, later, never from here. An answer may be NXDOMAIN or, if every resolver fails,
 * whatever rcode the last that said anything gave. name is a name as dns_name_read makes them.
 */
void dns_lookup_ask(struct dns_lookup *lookup, const char *name, enum dns_type type, dns_done *done,
                    void *context);

#endif
