/* Reasons of revocations, RFC 5280 section 5.3.1. */
#ifndef CERTWRIGHT_SERVER_API_REVOCATION_H
#define CERTWRIGHT_SERVER_API_REVOCATION_H

#include "server/api/fields.h"

#include <stdint.h>

/* "superseded" for 4; NULL if there is no such reason. */
const char *revocation_reason_name(int64_t reason);

/* The member `reason`, a number or a name; 0 (unspecified) unless it is there. */
int revocation_reason_read(const struct members *m);

#endif
