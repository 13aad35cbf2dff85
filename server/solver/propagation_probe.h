/* What the servers of a zone answered in a check, and what that means. Private to propagation. */
#ifndef CERTWRIGHT_SERVER_SOLVER_PROPAGATION_PROBE_H
#define CERTWRIGHT_SERVER_SOLVER_PROPAGATION_PROBE_H

#include "server/solver/dns_zone.h"
#include "server/solver/propagation.h"

enum probe_reply {
    PROBE_NONE, /* not asked yet */
    PROBE_HAS,
    PROBE_OTHER, /* TXT records, none of them with the value */
    PROBE_EMPTY, /* the name exists without TXT */
    PROBE_NXDOMAIN,
    PROBE_LAME, /* it does not serve the zone */
    PROBE_ERROR,
    PROBE_SILENT,
    PROBE_UNREACHABLE,
    PROBE_NO_ADDRESS, /* of a server, not of one of its addresses */
};

/* One address of a server. */
struct probe {
    struct dns_address address;
    enum probe_reply reply;
    int rcode; /* with PROBE_ERROR */
};

struct probed_server {
    char *name;
    struct probe *probes;
    size_t probe_count;
    bool failed; /* its addresses could not be looked up, all or some */
};

struct probed_servers {
    struct probed_server *list;
    size_t count;
    const char *noun;      /* "name servers" or "resolvers" */
    bool pass_over_silent; /* no CA will ask them, so silence tells nothing of the zone */
};

/* Takes over authorities. */
void probed_servers_from_authorities(struct dns_authority *authorities, size_t count,
                                     struct probed_servers *out);
void probed_servers_from_resolvers(const struct dns_address *resolvers, size_t count,
                                   struct probed_servers *out);
void probed_servers_finish(struct probed_servers *servers);

/* Files a server's answer to the question for TXT. */
void probe_file(struct probe *probe, enum dns_outcome outcome, const struct dns_answer *answer,
                const char *value, propagation_match *matches, bool authority);

/*
 * Counts, and says it in words. A silent IPv6 address is passed over if an IPv4 address of that
 * server answered; a server that nobody could reach by what DNS tells is passed over if others can
 * be reached; so is a silent resolver, if another answers. Returns ERR_NONE if all have the value,
 * else the code for what is wrong.
 */
enum err_code probed_servers_judge(const struct probed_servers *servers,
                                   struct propagation_progress *out);

#endif
