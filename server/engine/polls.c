#include "server/engine/polls.h"

#include "server/engine/retry.h"

/* Then the first look comes after 6 seconds: what takes longer is looked at a few times. */
enum { LEFT_OUT_MAX = 8 };

int64_t polls_wait_ms(const struct polls *polls, int64_t n, int64_t retry_after_ms)
{
    int64_t left_out = atomic_load(&polls->left_out), ms = 0;
    if (retry_after_ms > 0)
        return retry_poll_ms(n, retry_after_ms);
    if (n > 0)
        return retry_poll_ms(left_out + n, 0);
    for (int64_t i = 0; i <= left_out; i++)
        ms += retry_poll_ms(i, 0);
    return ms;
}

/*
 * The first look may have come too late, the second has come as early as without all this, and
 * proves that the first was too soon. Two threads may learn at once: each step is of one look.
 */
void polls_learn(struct polls *polls, int64_t n)
{
    int left_out = atomic_load(&polls->left_out);
    int wanted = n == 0 ? left_out - 1 : n == 1 ? left_out : left_out + 1;
    if (wanted >= 0 && wanted <= LEFT_OUT_MAX)
        atomic_compare_exchange_strong(&polls->left_out, &left_out, wanted);
}
