#include "server/engine/abandon.h"

#include "server/engine/refusals.h"
#include "store/certificate.h"
#include "store/event.h"
#include "store/failure.h"

#include <stdlib.h>
#include <string.h>

/* How much of the job's end is written with it: less, where the database refuses that, too. */
enum tidiness { ROW_ALONE, CERTIFICATE_TOO, ALL_OF_IT };

struct abandonment {
    struct step_context *c;
    const struct job *job;
    const struct err *why;
    char *error;
    enum tidiness tidiness;
};

static int let_certificate_go(struct store_tx *tx, const struct abandonment *a, struct err *e)
{
    struct certificate now;
    struct err missing;
    if (strcmp(a->job->resource_type ? a->job->resource_type : "", "certificate") != 0)
        return 0;
    if (certificate_load_by_id(store_tx_db(tx), a->job->resource_id, &now, &missing) < 0)
        return missing.code == ERR_NOT_FOUND ? 0 : context_fail(e, &missing);
    bool active = now.active_job && !strcmp(now.active_job, a->job->id);
    certificate_finish(&now);
    return active ? certificate_set_job(tx, a->job->resource_id, NULL, a->error, e) : 0;
}

static int write_end(struct store_tx *tx, void *arg, struct err *e)
{
    const struct abandonment *a = arg;
    const struct job_change change = {.state = JOB_FAILED, .due_at = INT64_MAX, .error = a->error};
    int64_t epoch;
    const struct event_new event = {a->job->id, JOB_FAILED, a->job->step, a->why->detail, NULL};
    if (job_commit(tx, a->job->id, a->job->epoch, &change, &epoch, e) < 0 ||
        event_add(tx, &event, e) < 0)
        return -1;
    if (a->tidiness == ALL_OF_IT)
        return a->c->kind->end(tx, a->c, JOB_FAILED, a->error, e);
    return a->tidiness == CERTIFICATE_TOO ? let_certificate_go(tx, a, e) : 0;
}

int abandon_job(struct store *store, struct step_context *c, const struct job *job,
                const struct err *why, struct err *e)
{
    struct abandonment a = {.c = c,
                            .job = job,
                            .why = why,
                            .error = failure_write(why, NULL),
                            .tidiness = c->loaded && !c->gone ? ALL_OF_IT : CERTIFICATE_TOO};
    int rc = store_write_wait(store, write_end, &a, e);
    while (rc < 0 && a.tidiness > ROW_ALONE && !refusals_may_pass(e->code)) {
        a.tidiness--;
        rc = store_write_wait(store, write_end, &a, e);
    }
    free(a.error);
    return rc;
}
