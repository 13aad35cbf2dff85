/*
 * Which addresses requests of ours may go to: decided on the resolved address before it is
 * connected to, so that no URL of a caller or a CA, and no name server, leads them into the network
 * around us. Addresses of the internet are open to all; others are where the operator says so. A
 * rule is immutable once it is filled, and may then be shared by threads.
 */
#ifndef CERTWRIGHT_ACME_OUTGOING_H
#define CERTWRIGHT_ACME_OUTGOING_H

#include "acme/base/error.h"

#include <stdbool.h>
#include <sys/socket.h>

/* Kinds of addresses, as bits. IPv4 inside IPv6 (mapped, NAT64, 6to4) is of the IPv4's kind. */
enum outgoing_kind {
    OUTGOING_PUBLIC = 1,
    OUTGOING_PRIVATE = 2, /* RFC 1918, RFC 6598, RFC 4193 */
    OUTGOING_LOOPBACK = 4,
    OUTGOING_SPECIAL = 8, /* link-local, metadata of clouds, multicast, reserved, … */
    OUTGOING_ANY = 15,
};

enum outgoing_kind outgoing_kind_of(const struct sockaddr *address);

/* Whether address lies in range, "10.0.0.0/8" or one address; false for what is no range. */
bool outgoing_in_range(const char *range, const struct sockaddr *address);

/* The address that a host of a URL is, in IPv4 or in [IPv6]; false if it is a name. */
bool outgoing_literal(const char *host, struct sockaddr_storage *out);

struct outgoing;

/* What is empty permits the internet. */
struct outgoing *outgoing_create(void);
void outgoing_destroy(struct outgoing *rule);

/* What is wrong with the text of a range ("10.0.0.0/8", "fd00::/8", "127.0.0.1"), or NULL. */
const char *outgoing_range_fault(const char *range);

/* Permits a range of addresses that has no fault. */
void outgoing_allow(struct outgoing *rule, const char *range);

/*
 * Trusts scheme, host and port of a URL that the operator has written. An address is then
 * permitted as it stands there, "localhost" leads to loopback, and a name to private addresses.
 */
void outgoing_trust(struct outgoing *rule, const char *url);

/* The kinds of addresses that requests to this URL may go to, listed ranges aside. NULL: any. */
unsigned outgoing_kinds(const struct outgoing *rule, const char *url);

/* kinds: of the request's URL. NULL permits everything. */
bool outgoing_permits(const struct outgoing *rule, unsigned kinds, const struct sockaddr *address);

/* Fills e with ERR_OUTGOING_REFUSED: what was refused, and how the config would allow it. */
int outgoing_refuse(const char *host, const struct sockaddr *address, struct err *e);

/* What can be said of a URL before its name is resolved: ERR_OUTGOING_REFUSED if its host is an
   address, or localhost, that would be refused. */
int outgoing_check_url(const struct outgoing *rule, const char *url, struct err *e);

#endif
