/*
 * Servers that have just been silent. One dead server of a zone with thousands of names would else
 * hold every socket for its whole time limit, over and over, while others wait.
 */
#ifndef CERTWRIGHT_SERVER_SOLVER_DNS_SILENCE_H
#define CERTWRIGHT_SERVER_SOLVER_DNS_SILENCE_H

#include "server/solver/dns_address.h"
#include "server/solver/timers.h"

/* All zeros but timers is none. */
struct dns_silence {
    struct timers *timers;
    void *root; /* of tsearch, by the address's text */
};

void dns_silence_finish(struct dns_silence *silence);

/* Remembers it for duration_ms from now. */
void dns_silence_note(struct dns_silence *silence, const struct dns_address *server,
                      int64_t duration_ms);
void dns_silence_forget(struct dns_silence *silence, const struct dns_address *server);
bool dns_silence_has(const struct dns_silence *silence, const struct dns_address *server);

#endif
