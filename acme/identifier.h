/*
 * Identifiers: the names a certificate is for (RFC 8555 section 7.1.4, RFC 8738), in one canonical
 * form, so that comparing bytes compares names.
 */
#ifndef CERTWRIGHT_ACME_IDENTIFIER_H
#define CERTWRIGHT_ACME_IDENTIFIER_H

#include "acme/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum identifier_type { IDENTIFIER_DNS, IDENTIFIER_IP };

enum { IDENTIFIER_VALUE_SIZE = 256, IDENTIFIER_MAX_COUNT = 1000 };

struct identifier {
    enum identifier_type type;
    /* DNS: A-labels in lower case, no final dot, a wildcard keeps its leading "*.".
       IP: dotted IPv4, or RFC 5952 text for IPv6. */
    char value[IDENTIFIER_VALUE_SIZE];
};

/*
 * Reads what a person writes: a DNS name as Unicode (IDNA 2008, UTS 46) or A-labels, a wildcard of
 * one leading "*." label, or an IP address. ERR_INVALID says what is wrong with it; a single label
 * is refused, as is anything that cannot be a host name (underscores, empty or too long labels).
 */
int identifier_parse(const char *text, struct identifier *out, struct err *e);

/* "dns" or "ip": the type's name in ACME. */
const char *identifier_type_name(enum identifier_type type);

bool identifier_is_wildcard(const struct identifier *id);

/* The DNS name without "*.": what the CA puts into the authorization. Borrowed from id. */
const char *identifier_base(const struct identifier *id);

/* Order by type, then bytes: < 0, 0, > 0. */
int identifier_compare(const struct identifier *a, const struct identifier *b);

/* Sorts in place and drops duplicates; returns how many are left. */
size_t identifiers_sort(struct identifier *ids, size_t count);

/* Whether two sorted sets hold the same names. */
bool identifiers_equal(const struct identifier *a, size_t a_count, const struct identifier *b,
                       size_t b_count);

#endif
