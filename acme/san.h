/* subjectAltName (RFC 5280 section 4.2.1.6) and identifiers, both ways. Private to acme. */
#ifndef CERTWRIGHT_ACME_SAN_H
#define CERTWRIGHT_ACME_SAN_H

#include "acme/base/error.h"
#include "acme/identifier.h"

#include <openssl/x509v3.h>

/* The caller frees with GENERAL_NAMES_free. */
GENERAL_NAMES *san_make(const struct identifier *ids, size_t count);

/*
 * The DNS names (lower-case, otherwise as they are) and addresses of names, sorted and unique;
 * *other tells whether names of other kinds are there too. The caller frees *ids. ERR_CERT_INVALID
 * for a name that is damaged.
 */
int san_read(const GENERAL_NAMES *names, struct identifier **ids, size_t *count, bool *other,
             struct err *e);

#endif
