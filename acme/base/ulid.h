/*
 * ULIDs: 26 characters of Crockford base32, 48 bits of time and 80 random bits. They name jobs and
 * orders; they order nothing (the feed's seq does).
 */
#ifndef CERTWRIGHT_ACME_BASE_ULID_H
#define CERTWRIGHT_ACME_BASE_ULID_H

#include <stdbool.h>
#include <stdint.h>

enum { ULID_SIZE = 27 }; /* with the NUL */

void ulid_make(int64_t now_ms, char out[ULID_SIZE]);

/* Whether text has the shape of a ULID, in either case. */
bool ulid_is(const char *text);

#endif
