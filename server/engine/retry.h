/* What becomes of a job after a failed step: the one place that knows delays. */
#ifndef CERTWRIGHT_SERVER_ENGINE_RETRY_H
#define CERTWRIGHT_SERVER_ENGINE_RETRY_H

#include "acme/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct retry {
    bool again;       /* else the job fails */
    int64_t delay_ms; /* of this job */
    int64_t park_ms;  /* of the whole lane; 0: only the job waits */
};

/*
 * attempt counts from 0 the failures of this step before this one; left_ms is what is left of the
 * time to retry (INT64_MAX: for ever). What is not retryable fails at once; a delay that is longer
 * than what is left fails too. Delays grow by 3 from 5 seconds, with 20 % of jitter, to a day at
 * most; the remote side's Retry-After, clamped to 1 s … 1 day, is the least. A CA that answers 503
 * or cannot be reached (twice in a row) parks its lane.
 */
struct retry retry_decide(const struct err *e, int64_t attempt, int64_t left_ms);

/* The wait before poll number n (from 0) of an object that the CA is working on: early and then
   rarer, 40 ms … 30 s; a Retry-After (0: none) counts instead, clamped to 1 s … 1 h. */
int64_t retry_poll_ms(int64_t n, int64_t retry_after_ms);

#endif
