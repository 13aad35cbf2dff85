#include "server/engine/renewal.h"

#include "acme/base/clock.h"
#include "server/engine/backoff.h"
#include "server/engine/renewal_time.h"
#include "server/engine/step.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

enum { MISSING_AT_ONCE = 200 };

/* Beside all other jobs of the certificate, none of which it is a part of. */
static const int64_t RENEWAL_PART = -1;

bool renewal_is_wanted(const struct certificate *certificate)
{
    return certificate->renew && certificate->account_id && certificate->version &&
           !certificate->renew_stopped && !certificate->revoked;
}

int64_t renewal_due_at(const struct certificate *certificate, const struct renewal_memory *memory)
{
    struct renewal_terms terms = {
        .serial = certificate->serial ? certificate->serial : "",
        .not_before = certificate->not_before,
        .not_after = certificate->not_after,
        .before_ms = certificate->renew_before_ms,
    };
    if (certificate->renew_ari) {
        terms.window_start = memory->window_start;
        terms.window_end = memory->window_end;
    }
    return renewal_time(&terms);
}

int64_t renewal_jitter(int64_t ms)
{
    uint32_t random = 0;
    (void)RAND_bytes((unsigned char *)&random, sizeof random);
    return ms - (int64_t)((double)ms * 0.1 * ((double)random / (double)UINT32_MAX));
}

/* Somebody did not want it now. */
static int hold_cancelled(struct db *db, const struct certificate *certificate, int64_t *until,
                          struct err *e)
{
    struct job_filter filter = {.kind = certificate_issue_kind.name,
                                .state = -1,
                                .resource_type = "certificate",
                                .resource_name = certificate->name};
    struct job *jobs;
    size_t count;
    if (job_list(db, &filter, NULL, 1, &jobs, &count, e) < 0)
        return -1;
    *until = 0;
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].state == JOB_CANCELLED)
            *until = jobs[i].finished_at + CLOCK_DAY_MS;
        job_finish(&jobs[i]);
    }
    free(jobs);
    return 0;
}

int renewal_held_until(struct db *db, const struct certificate *certificate, int64_t now,
                       int64_t *until, struct err *e)
{
    int64_t failed, cancelled;
    int64_t ends_at = certificate->not_after - clock_shifted_ms();
    if (backoff_until(db, certificate_issue_kind.name, "certificate", certificate->name, ends_at,
                      &failed, e) < 0 ||
        hold_cancelled(db, certificate, &cancelled, e) < 0)
        return -1;
    int64_t held = failed > cancelled ? failed : cancelled;
    /* After a clock that was set back between two starts. */
    int64_t most = now + CLOCK_DAY_MS + CLOCK_DAY_MS / 10;
    *until = held <= now ? 0 : held < most ? held : most;
    return 0;
}

/* *at: when, in wall time. The job that fails leaves the plan as it is until it is computed anew.
 */
static int show_plan(struct store_tx *tx, const struct certificate *certificate, int64_t *at,
                     struct err *e)
{
    struct renewal_memory memory;
    int64_t held, now = store_tx_now(tx);
    if (renewal_held_until(store_tx_db(tx), certificate, now, &held, e) < 0)
        return -1;
    renewal_memory_read(certificate->renewal, certificate->version, &memory);
    *at = renewal_due_at(certificate, &memory);
    renewal_memory_finish(&memory);
    int64_t held_wall = held ? clock_wall_ms() + held - now : 0;
    *at = *at > held_wall ? *at : held_wall;
    return certificate_set_renewal(tx, certificate->id, certificate->version, *at,
                                   certificate->renewal, e);
}

/* waits: as in job_new. */
static int insert_job(struct store_tx *tx, const struct certificate *certificate, int64_t after_ms,
                      const char *waits, struct err *e)
{
    char id[ULID_SIZE];
    bool existing;
    struct job_new job = {
        .kind = certificate_renew_kind.name,
        .step = "plan",
        .lane = "local",
        .due_at = store_tx_now(tx) + after_ms,
        .resource_type = "certificate",
        .resource_name = certificate->name,
        .resource_id = certificate->id,
        .part = RENEWAL_PART,
        .deadline_at = INT64_MAX,
        .waits = waits,
        .exclusive = true,
    };
    if (job_insert(tx, &job, id, &existing, e) < 0)
        return -1;
    return existing ? renewal_wake(tx, certificate, e) : 0;
}

int renewal_plan_later(struct store_tx *tx, const struct certificate *certificate, int64_t after_ms,
                       struct err *e)
{
    int64_t at;
    if (!renewal_is_wanted(certificate))
        return renewal_wake(tx, certificate, e);
    if (show_plan(tx, certificate, &at, e) < 0)
        return -1;
    return insert_job(tx, certificate, after_ms, NULL, e);
}

int renewal_plan(struct store_tx *tx, const struct certificate *certificate, struct err *e)
{
    return renewal_plan_later(tx, certificate, 0, e);
}

int renewal_plan_alone(struct store_tx *tx, const struct certificate *certificate, struct err *e)
{
    char waits[64], text[CLOCK_RFC3339_SIZE];
    int64_t at, wall = clock_wall_ms();
    if (!renewal_is_wanted(certificate))
        return renewal_wake(tx, certificate, e);
    if (show_plan(tx, certificate, &at, e) < 0)
        return -1;
    if (at <= wall)
        return insert_job(tx, certificate, 0, NULL, e);
    clock_rfc3339(at, text);
    snprintf(waits, sizeof waits, "the renewal is planned for %s", text);
    int64_t look = wall + renewal_jitter(RENEWAL_LOOK_MS);
    return insert_job(tx, certificate, (at < look ? at : look) - wall, waits, e);
}

int renewal_wake(struct store_tx *tx, const struct certificate *certificate, struct err *e)
{
    return job_hasten_of(tx, certificate_renew_kind.name, "certificate", certificate->name,
                         certificate->id, e);
}

/* *arg gets how many there were. */
static int plan_some(struct store_tx *tx, void *arg, struct err *e)
{
    size_t *count = arg;
    struct certificate *list;
    if (certificate_list_unplanned(store_tx_db(tx), MISSING_AT_ONCE, &list, count, e) < 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; i < *count; i++) {
        if (rc == 0)
            rc = renewal_plan(tx, &list[i], e);
        certificate_finish(&list[i]);
    }
    free(list);
    return rc;
}

int renewal_plan_missing(struct store *store, struct err *e)
{
    size_t count;
    do {
        if (store_write_wait(store, plan_some, &count, e) < 0)
            return -1;
    } while (count == MISSING_AT_ONCE);
    return 0;
}
