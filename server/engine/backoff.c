#include "server/engine/backoff.h"

#include "acme/base/clock.h"
#include "acme/base/hash.h"
#include "server/engine/retry.h"
#include "store/failure.h"

#include <stdlib.h>

enum { JITTER_STEPS = 1000 };

/* What failed together is not to be tried again together. */
static int64_t jitter(const struct job *job, int64_t delay)
{
    return delay / 10 * (int64_t)(hash_text(job->id, 0) % JITTER_STEPS) / JITTER_STEPS;
}

/* Of the error that the job ended with. */
static int64_t asked_to_wait(const struct job *job)
{
    struct err error;
    char *document;
    if (!job->error)
        return 0;
    failure_read(job->error, &error, &document);
    free(document);
    return error.retry_after_ms < CLOCK_DAY_MS ? error.retry_after_ms : CLOCK_DAY_MS;
}

static int64_t hold(const struct job *last, size_t failures, int64_t ends_at)
{
    int64_t delay = retry_untold_ms((int64_t)failures - 1);
    int64_t most =
        ends_at == INT64_MAX ? INT64_MAX : retry_patience_ms(ends_at - last->finished_at);
    delay = delay < most ? delay : most;
    int64_t asked = asked_to_wait(last);
    delay += jitter(last, delay);
    return last->finished_at + (asked > delay ? asked : delay);
}

int backoff_until(struct db *db, const char *kind, const char *resource_type, const char *name,
                  int64_t ends_at, int64_t *until, struct err *e)
{
    struct job_filter filter = {
        .kind = kind, .state = -1, .resource_type = resource_type, .resource_name = name};
    struct job *jobs;
    size_t count;
    size_t failures = 0;
    if (job_list(db, &filter, NULL, RETRY_UNTOLD_STEPS, &jobs, &count, e) < 0)
        return -1;
    while (failures < count && jobs[failures].state == JOB_FAILED)
        failures++;
    *until = failures ? hold(&jobs[0], failures, ends_at) : 0;
    for (size_t i = 0; i < count; i++)
        job_finish(&jobs[i]);
    free(jobs);
    return 0;
}
