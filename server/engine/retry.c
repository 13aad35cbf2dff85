#include "server/engine/retry.h"

#include "acme/base/clock.h"

#include <openssl/rand.h>

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* 80 % … 120 %: hosts that restart at the same time must not call at the same time. */
static int64_t jitter(int64_t ms)
{
    uint32_t random = 0;
    if (RAND_bytes((unsigned char *)&random, sizeof random) != 1)
        return ms;
    return ms * 4 / 5 + (int64_t)((double)ms * 0.4 * ((double)random / (double)UINT32_MAX));
}

static int64_t backoff(int64_t attempt)
{
    int64_t ms = 5 * CLOCK_SECOND_MS;
    for (; attempt > 0 && ms < CLOCK_DAY_MS; attempt--)
        ms *= 3;
    return clamp(jitter(ms), 1, CLOCK_DAY_MS);
}

static bool is_transport(enum err_code code)
{
    return code == ERR_CA_UNREACHABLE || code == ERR_CA_TIMEOUT || code == ERR_CA_TLS;
}

struct retry retry_decide(const struct err *e, int64_t attempt, int64_t left_ms)
{
    struct retry retry = {0};
    if (!err_info(e->code)->retryable)
        return retry;
    retry.delay_ms = backoff(attempt);
    if (e->retry_after_ms > 0) {
        int64_t asked = clamp(e->retry_after_ms, CLOCK_SECOND_MS, CLOCK_DAY_MS);
        if (asked > retry.delay_ms || e->code == ERR_CA_RATE_LIMITED || e->http_status == 503)
            retry.delay_ms = asked;
    }
    if (e->http_status == 503 || (is_transport(e->code) && attempt > 0))
        retry.park_ms = retry.delay_ms;
    retry.again = retry.delay_ms <= left_ms;
    return retry;
}

int64_t retry_poll_ms(int64_t n, int64_t retry_after_ms)
{
    static const int64_t schedule[] = {40, 60, 100, 200, 400, 800, 1500, 3000, 5000, 10000, 20000};
    static const int64_t entries = sizeof schedule / sizeof *schedule;
    if (retry_after_ms > 0)
        return clamp(retry_after_ms, CLOCK_SECOND_MS, CLOCK_HOUR_MS);
    return n < entries ? schedule[n] : 30 * CLOCK_SECOND_MS;
}
