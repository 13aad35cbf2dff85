/*
 * How fast renewals may begin at one authority: when ten thousand fall due at once, after a long
 * downtime or a jump of the clock, they are spread. And whether it is worthwhile to ask it for
 * renewal information: where that hangs, each question would keep a worker from orders. In memory
 * alone; no threads, no clock.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_PACE_H
#define CERTWRIGHT_SERVER_ENGINE_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum { PACE_BURST = 20, PACE_INTERVAL_MS = 1000, PACE_SILENCE_MS = 5 * 60 * 1000 };

struct pace;

struct pace *pace_create(void);
void pace_destroy(struct pace *pace);

/* When the next one may begin, in the time of now: at once for the first PACE_BURST, then one each
   PACE_INTERVAL_MS. Each answer is a place of its own, and taken by the one who asked. */
int64_t pace_take(struct pace *pace, const char *authority, int64_t now);

/* A question had no answer: for PACE_SILENCE_MS no other is asked. */
void pace_silence(struct pace *pace, const char *authority, int64_t now);
bool pace_is_silent(struct pace *pace, const char *authority, int64_t now);

#endif
