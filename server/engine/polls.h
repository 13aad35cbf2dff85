/*
 * When to look at what a CA is working on. The looks come early and then ever rarer
 * (retry_poll_ms); how many of the early ones came too soon is learned, for each CA and kind of
 * work, and those are left out the next time. The others stay where they are, so that nothing is
 * seen later than without that.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_POLLS_H
#define CERTWRIGHT_SERVER_ENGINE_POLLS_H

#include <stdatomic.h>
#include <stdint.h>

/* All zeros: nothing is known yet. Several threads may use it. */
struct polls {
    atomic_int left_out;
};

/* The wait before look number n, from 0. retry_after_ms: what the CA asks for; 0: nothing. */
int64_t polls_wait_ms(const struct polls *polls, int64_t n, int64_t retry_after_ms);

/* Look number n, from 0, has found the work done. */
void polls_learn(struct polls *polls, int64_t n);

#endif
