/*
 * What a name's zone is, and who is authoritative for it: the two walks through the resolvers that
 * come before any question to an authoritative server.
 */
#ifndef CERTWRIGHT_SERVER_SOLVER_DNS_ZONE_H
#define CERTWRIGHT_SERVER_SOLVER_DNS_ZONE_H

#include "acme/base/error.h"
#include "server/solver/dns_lookup.h"

/* zone is "" if no SOA was found; name is the end of the CNAME chain. e is NULL on success,
   ERR_SHUTDOWN if everything is being closed. All of it borrowed. */
typedef void dns_zone_done(void *context, const char *zone, const char *name, const struct err *e);

/*
 * Follows CNAMEs, then walks up from the name until a SOA tells the zone. ERR_DNS_TIMEOUT,
 * ERR_DNS_SERVFAIL, ERR_DNS_NO_ZONE (a loop of CNAMEs). Calls done once, later.
 */
void dns_zone_find(struct dns_lookup *lookup, const char *name, dns_zone_done *done, void *context);

/* A name server of a zone. */
struct dns_authority {
    char name[DNS_NAME_SIZE];
    struct dns_address *addresses; /* none, and not failed: the name has no address at all */
    size_t address_count;
    bool failed; /* an address could not be looked up */
};

/* The authorities belong to who is called, to be freed by dns_authorities_free. */
typedef void dns_authorities_done(void *context, struct dns_authority *authorities, size_t count,
                                  const struct err *e);

/*
 * The zone's name servers with their addresses at that port. ERR_DNS_TIMEOUT, ERR_DNS_SERVFAIL,
 * ERR_DNS_NO_ZONE (nobody serves it), ERR_SHUTDOWN. Calls done once, later.
 */
void dns_authorities_find(struct dns_lookup *lookup, const char *zone, uint16_t port,
                          dns_authorities_done *done, void *context);
void dns_authorities_free(struct dns_authority *authorities, size_t count);

#endif
