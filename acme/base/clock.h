/*
 * Time. All times are int64_t milliseconds; points in time are since 1970-01-01 UTC.
 *
 * Engine time is the wall clock read once at the start of the process and carried on by the
 * monotonic clock: protocol waits use it, so that a clock that is set backwards or forwards
 * neither stalls nor rushes a job. Time that the machine was suspended for counts (CLOCK_BOOTTIME):
 * a CA's Retry-After has gone by meanwhile. Wall time is for what is compared with dates from
 * outside: certificates' validity and renewals.
 */
#ifndef CERTWRIGHT_ACME_BASE_CLOCK_H
#define CERTWRIGHT_ACME_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

enum {
    CLOCK_SECOND_MS = 1000,
    CLOCK_MINUTE_MS = 60 * 1000,
    CLOCK_HOUR_MS = 60 * 60 * 1000,
    CLOCK_DAY_MS = 24 * 60 * 60 * 1000,
};

int64_t clock_engine_ms(void);
int64_t clock_wall_ms(void);
int64_t clock_monotonic_ms(void);

/* How far the wall clock was set forward (or back: negative) since the start of the process. */
int64_t clock_shifted_ms(void);

/* "2026-11-21T09:41:50.123Z" (RFC 3339, UTC); TIMES before year 0 or after 9999 are clamped. */
enum { CLOCK_RFC3339_SIZE = 25 };
void clock_rfc3339(int64_t ms, char out[CLOCK_RFC3339_SIZE]);

/* Reads RFC 3339 with any offset and fraction. Returns 0, or -1 if it is none. */
int clock_parse_rfc3339(const char *text, int64_t *ms);

/* Reads an HTTP-date in its IMF-fixdate form (RFC 9110 section 5.6.7). 0 or -1. */
int clock_parse_http_date(const char *text, int64_t *ms);

#endif
