/*
 * Questions to DNS servers over non-blocking sockets: UDP with tries, TCP when the answer is
 * truncated. One thread, which owns the epoll instance and the timers, makes all calls.
 *
 * Each question has a socket of its own, connected to the server: the kernel drops what comes from
 * elsewhere, and port and id are both random.
 */
#ifndef CERTWRIGHT_SERVER_SOLVER_DNS_CLIENT_H
#define CERTWRIGHT_SERVER_SOLVER_DNS_CLIENT_H

#include "server/solver/dns_address.h"
#include "server/solver/dns_message.h"
#include "server/solver/timers.h"

struct dns_client_options {
    int epoll;             /* events' data.ptr is what dns_client_event takes */
    struct timers *timers; /* both outlive the client */
    int try_timeout_ms;
    int tries;
    int max_sockets; /* questions above this number wait */
};

enum dns_outcome {
    DNS_ANSWERED,
    DNS_SILENT,      /* nothing that answers the question came in time */
    DNS_UNREACHABLE, /* refused, or no route there */
    DNS_CLOSED,      /* the client is being closed: clean up, ask nothing */
};

/* answer is NULL unless outcome is DNS_ANSWERED; borrowed. */
typedef void dns_done(void *context, enum dns_outcome outcome, const struct dns_answer *answer);

struct dns_client;

struct dns_client *dns_client_create(const struct dns_client_options *options);

/* Tells every open question DNS_CLOSED. */
void dns_client_destroy(struct dns_client *client);

/*
 * Calls done once, later, never from here. name is a name as dns_name_read makes them. A server
 * that was silent just now counts as silent for as long again, unless it is a resolver.
 */
void dns_client_ask(struct dns_client *client, const struct dns_address *server, const char *name,
                    enum dns_type type, bool recursive, dns_done *done, void *context);

/* For an epoll event with the pointer that was registered. */
void dns_client_event(struct dns_client *client, void *pointer);

#endif
