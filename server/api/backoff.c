#include "server/api/backoff.h"

#include "acme/base/clock.h"

#include <stdlib.h>

static const int64_t delays[] = {CLOCK_MINUTE_MS, 10 * CLOCK_MINUTE_MS, 100 * CLOCK_MINUTE_MS,
                                 CLOCK_DAY_MS};

enum { DELAYS = sizeof delays / sizeof *delays };

int backoff_until(struct db *db, const char *kind, const char *resource_type, const char *name,
                  int64_t *until, struct err *e)
{
    struct job_filter filter = {
        .kind = kind, .state = -1, .resource_type = resource_type, .resource_name = name};
    struct job *jobs;
    size_t count;
    size_t failures = 0;
    int64_t last = 0;
    if (job_list(db, &filter, NULL, DELAYS, &jobs, &count, e) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (failures == i && jobs[i].state == JOB_FAILED)
            failures++;
        if (i == 0)
            last = jobs[i].finished_at;
        job_finish(&jobs[i]);
    }
    free(jobs);
    *until = failures ? last + delays[failures - 1] : 0;
    return 0;
}
