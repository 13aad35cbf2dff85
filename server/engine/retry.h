/* What becomes of a job after a failed step: the one place that knows delays. */
#ifndef CERTWRIGHT_SERVER_ENGINE_RETRY_H
#define CERTWRIGHT_SERVER_ENGINE_RETRY_H

#include "acme/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct retry {
    bool again;       /* else the job fails */
    bool person;      /* not before somebody says so: due_at is INT64_MAX */
    int64_t delay_ms; /* of this job */
    int64_t park_ms;  /* of the whole lane; 0: only the job waits */
};

/*
 * For an error that its job's kind had no remedy for; remedy.h tells what kind of delay it is.
 * attempt counts from 0 the failures of this step before this one; left_ms is what is left of the
 * time to retry (INT64_MAX: for ever), and a longer delay fails at once. A back-off grows by 3 from
 * 5 seconds to a day at most; the remote side's Retry-After, clamped to 1 s … 1 day, is the least.
 * A wait lasts as long as that, or without it for 1, 10, 100 minutes, then a day. What nobody
 * asked for has 20 % of jitter, and is most_ms before that at the longest. A CA that answers 503 or
 * cannot be reached (twice in a row) parks its lane: for as long as it says, or at most 10 minutes,
 * then one job looks. Waiting for a person has no end.
 */
struct retry retry_decide(const struct err *e, int64_t attempt, int64_t left_ms, int64_t most_ms);

/* A rate limit may take longer than the job may: then it is not tried at all, which e is to tell.
 */
void retry_tell_why_not(const struct retry *retry, int64_t left_ms, struct err *e);

/* Whether the error is that there was no answer. */
bool retry_is_silence(const struct err *e);

/* How long a CA's lane is parked that gave no answer for the n-th time in a row (from 0), whichever
   jobs asked: 0 the first time, then 5 s, 15 s, … 10 minutes. */
int64_t retry_silence_ms(int64_t n);

/*
 * The most_ms of what renews a certificate that has so much of its life left: a twentieth of that,
 * at least a minute. An hour once it has expired: then nothing is left to be in time for.
 */
int64_t retry_patience_ms(int64_t life_left_ms);

/* What Let's Encrypt suggests after failure number n (from 0) to those whom it does not tell: 1, 10
   and 100 minutes, then a day. */
enum { RETRY_UNTOLD_STEPS = 4 };
int64_t retry_untold_ms(int64_t n);

/* A random part of a tenth of that, for those who wait for the same moment; 5 minutes at most. */
int64_t retry_spread_ms(int64_t ms);

/* The wait before poll number n (from 0) of an object that the CA is working on: early and then
   rarer, 15 ms … 30 s; a Retry-After (0: none) counts instead, clamped to 1 s … 1 h. */
int64_t retry_poll_ms(int64_t n, int64_t retry_after_ms);

#endif
