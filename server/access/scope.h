/*
 * Scopes: what a caller may do, by resource and verb. A set of them is an uint32_t with their bits;
 * each route names those that it takes, all of them.
 */
#ifndef CERTWRIGHT_SERVER_ACCESS_SCOPE_H
#define CERTWRIGHT_SERVER_ACCESS_SCOPE_H

#include "acme/base/buffer.h"

#include <stdint.h>

enum scope {
    SCOPE_CERTIFICATES_READ = 1 << 0, /* and what is public of them: chains, CSRs */
    SCOPE_CERTIFICATES_ISSUE = 1 << 1,
    SCOPE_CERTIFICATES_REVOKE = 1 << 2,
    SCOPE_CERTIFICATES_DELETE = 1 << 3,
    SCOPE_KEYS_READ = 1 << 4, /* private keys, of certificates and accounts */
    SCOPE_ACCOUNTS_READ = 1 << 5,
    SCOPE_ACCOUNTS_WRITE = 1 << 6,
    SCOPE_AUTHORITIES_READ = 1 << 7,
    SCOPE_AUTHORITIES_WRITE = 1 << 8,
    SCOPE_CREDENTIALS_READ = 1 << 9,
    SCOPE_CREDENTIALS_WRITE = 1 << 10,
    SCOPE_SOLVERS_READ = 1 << 11,
    SCOPE_SOLVERS_WRITE = 1 << 12,
    SCOPE_TARGETS_READ = 1 << 13,
    SCOPE_TARGETS_WRITE = 1 << 14,
    SCOPE_JOBS_READ = 1 << 15, /* with orders and events */
    SCOPE_JOBS_WRITE = 1 << 16,
    SCOPE_TOKENS_READ = 1 << 17,
    SCOPE_TOKENS_WRITE = 1 << 18,
    SCOPE_AUDIT_READ = 1 << 19,
    SCOPE_METRICS_READ = 1 << 20,
};

enum { SCOPE_COUNT = 21, SCOPE_ALL = (1 << SCOPE_COUNT) - 1 };

/* "certificates:read" of the scope with that number, from 0 to SCOPE_COUNT - 1. */
const char *scope_name(int number);

/* Its bit; SCOPE_ALL for "admin", 0 if there is none of that name. */
uint32_t scope_by_name(const char *name);

/* Appends "certificates:read, keys:read". */
void scope_list(uint32_t scopes, struct buf *out);

#endif
