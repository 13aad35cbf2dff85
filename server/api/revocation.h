/* Reasons of revocations, RFC 5280 section 5.3.1. */
#ifndef CERTWRIGHT_SERVER_API_REVOCATION_H
#define CERTWRIGHT_SERVER_API_REVOCATION_H

#include <stdint.h>

/* "superseded" for 4; NULL if there is no such reason. */
const char *revocation_reason_name(int64_t reason);

#endif
