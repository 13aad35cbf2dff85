#include "server/engine/retry.h"

#include "acme/base/clock.h"
#include "server/engine/remedy.h"

#include <inttypes.h>
#include <openssl/rand.h>

/* Of a CA that does not say for how long. */
enum { PARK_MAX_MS = 10 * CLOCK_MINUTE_MS };

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* From 0 to 1; without randomness the middle. */
static double chance(void)
{
    uint32_t random = 0;
    if (RAND_bytes((unsigned char *)&random, sizeof random) != 1)
        return 0.5;
    return (double)random / (double)UINT32_MAX;
}

/* 80 % … 120 %: hosts that restart at the same time must not call at the same time. */
static int64_t jitter(int64_t ms)
{
    return ms * 4 / 5 + (int64_t)((double)ms * 0.4 * chance());
}

int64_t retry_spread_ms(int64_t ms)
{
    return (int64_t)((double)clamp(ms / 10, 0, 5 * CLOCK_MINUTE_MS) * chance());
}

static int64_t backoff(int64_t attempt, int64_t most_ms)
{
    int64_t ms = 5 * CLOCK_SECOND_MS;
    for (; attempt > 0 && ms < CLOCK_DAY_MS; attempt--)
        ms *= 3;
    return clamp(jitter(ms < most_ms ? ms : most_ms), 1, CLOCK_DAY_MS);
}

int64_t retry_untold_ms(int64_t n)
{
    static const int64_t waits[RETRY_UNTOLD_STEPS] = {CLOCK_MINUTE_MS, 10 * CLOCK_MINUTE_MS,
                                                      100 * CLOCK_MINUTE_MS, CLOCK_DAY_MS};
    return waits[clamp(n, 0, RETRY_UNTOLD_STEPS - 1)];
}

static int64_t untold_wait(int64_t attempt, int64_t most_ms)
{
    int64_t ms = retry_untold_ms(attempt);
    return clamp(jitter(ms < most_ms ? ms : most_ms), 1, CLOCK_DAY_MS);
}

static int64_t delay(const struct err *e, bool waits, int64_t attempt, int64_t most_ms)
{
    int64_t own = waits ? untold_wait(attempt, most_ms) : backoff(attempt, most_ms);
    if (e->retry_after_ms <= 0)
        return own;
    int64_t asked = clamp(e->retry_after_ms, CLOCK_SECOND_MS, CLOCK_DAY_MS);
    return waits || e->http_status == 503 || asked > own ? asked : own;
}

void retry_tell_why_not(const struct retry *retry, int64_t left_ms, struct err *e)
{
    if (!retry->again && e->retry_after_ms > 0 && retry->delay_ms > left_ms && left_ms > 0)
        err_prefix(e, "The time to retry ends before the %" PRId64 " s that the CA wants: ",
                   e->retry_after_ms / CLOCK_SECOND_MS);
}

bool retry_is_silence(const struct err *e)
{
    return e->code == ERR_CA_UNREACHABLE || e->code == ERR_CA_TIMEOUT || e->code == ERR_CA_TLS;
}

int64_t retry_silence_ms(int64_t n)
{
    return n > 0 ? backoff(n - 1, PARK_MAX_MS) : 0;
}

/* Nobody asked for it: a job that may wait for a day is no reason for all others to. */
static int64_t park(const struct err *e, int64_t delay_ms)
{
    return e->retry_after_ms > 0 ? delay_ms : clamp(delay_ms, 1, PARK_MAX_MS);
}

int64_t retry_patience_ms(int64_t life_left_ms)
{
    return life_left_ms <= 0 ? CLOCK_HOUR_MS : clamp(life_left_ms / 20, CLOCK_MINUTE_MS, INT64_MAX);
}

struct retry retry_decide(const struct err *e, int64_t attempt, int64_t left_ms, int64_t most_ms)
{
    struct retry retry = {0};
    enum remedy remedy = remedy_for(e).otherwise;
    if (remedy == REMEDY_FAIL)
        return retry;
    if (remedy == REMEDY_ASK_PERSON) {
        retry.again = retry.person = true;
        return retry;
    }
    retry.delay_ms = delay(e, remedy == REMEDY_WAIT, attempt, most_ms);
    if (e->http_status == 503 || (retry_is_silence(e) && attempt > 0))
        retry.park_ms = park(e, retry.delay_ms);
    retry.again = retry.delay_ms <= left_ms;
    return retry;
}

int64_t retry_poll_ms(int64_t n, int64_t retry_after_ms)
{
    static const int64_t schedule[] = {15,  25,   60,   100,  200,   400,
                                       800, 1500, 3000, 5000, 10000, 20000};
    static const int64_t entries = sizeof schedule / sizeof *schedule;
    if (retry_after_ms > 0)
        return clamp(retry_after_ms, CLOCK_SECOND_MS, CLOCK_HOUR_MS);
    return n < entries ? schedule[n] : 30 * CLOCK_SECOND_MS;
}
