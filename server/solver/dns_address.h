/* Where a DNS server listens. */
#ifndef CERTWRIGHT_SERVER_SOLVER_DNS_ADDRESS_H
#define CERTWRIGHT_SERVER_SOLVER_DNS_ADDRESS_H

#include "acme/base/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct dns_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } socket;
    socklen_t size;
    char text[72]; /* as a person would write it: "192.0.2.1", "[2001:db8::1]:5353" */
};

bool dns_address_is_ipv6(const struct dns_address *address);

/* An IP in text and a port. False if it is none. */
bool dns_address_from_ip(const char *ip, uint16_t port, struct dns_address *out);

/* "IP", "IP:PORT", "[v6]:PORT", "HOST", "HOST:PORT"; a host is looked up, which blocks.
   ERR_CONFIG. */
int dns_address_parse(const char *text, struct dns_address *out, struct err *e);

/*
 * The resolvers of these texts or, if there are none, of /etc/resolv.conf; if it has none either,
 * the one on this machine. The caller frees the array. ERR_CONFIG.
 */
int dns_resolvers_read(const char *const *texts, size_t count, struct dns_address **out,
                       size_t *out_count, struct err *e);

#endif
