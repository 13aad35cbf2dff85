#include "server/engine/account_recovery.h"

#include "server/engine/account_job.h"
#include "server/engine/intake.h"
#include "server/engine/retry.h"

#include <stdlib.h>
#include <string.h>

/* Whether this job has seen the account registered again, to no avail. */
static int was_registered(struct step_context *c, bool *was, struct err *e)
{
    struct job_filter filter = {.kind = account_create_kind.name,
                                .state = -1,
                                .resource_type = "account",
                                .resource_name = c->account.name};
    struct job *jobs;
    size_t count;
    if (job_list(c->db, &filter, NULL, 1, &jobs, &count, e) < 0)
        return -1;
    *was = count && jobs[0].created_at >= c->job.created_at;
    for (size_t i = 0; i < count; i++)
        job_finish(&jobs[i]);
    free(jobs);
    return 0;
}

/* Another job may have done it since this step began. */
int account_recovery_save(struct store_tx *tx, struct step_context *c, struct err *e)
{
    struct account now;
    char id[ULID_SIZE];
    bool existing;
    if (account_load_by_id(store_tx_db(tx), c->account.id, &now, e) < 0)
        return -1;
    bool open = !strcmp(now.status, "valid") || !strcmp(now.status, "pending");
    bool same = open && now.url && !strcmp(now.url, c->account.url);
    struct account_registration lost = {.status = "pending",
                                        .ca_object = now.ca_object ? now.ca_object : "{}"};
    int64_t left =
        c->job.deadline_at == INT64_MAX ? INTAKE_FOREVER : c->job.deadline_at - store_tx_now(tx);
    int rc = 0;
    if (same)
        rc = account_set_registration(tx, now.id, &lost, e);
    if (same && rc == 0)
        rc = intake_account_create(tx, &now, left > 0 ? left : 0, id, &existing, e);
    account_finish(&now);
    return rc;
}

int account_recover(struct step_context *c, const char *step,
                    int (*save)(struct store_tx *tx, struct step_context *c, struct err *e),
                    struct err *e)
{
    struct err trouble;
    bool was;
    /* What we say ourselves of an account that was never registered has no status. */
    if (!e->http_status || !c->account.url)
        return -1;
    if (was_registered(c, &was, &trouble) < 0)
        return context_fail(e, &trouble);
    if (was)
        return -1;
    context_discard(c);
    c->save = save;
    return step_next(c, step, "the CA does not know the account \"%s\" any more", c->account.name);
}

int account_recovery_remedy(struct step_context *c, enum remedy remedy, struct err *e)
{
    return remedy == REMEDY_REGISTER ? account_recover(c, c->step->name, account_recovery_save, e)
                                     : -1;
}

static int wait(struct step_context *c)
{
    return step_wait(c, NULL, c->now + retry_poll_ms(step_polls(c), 0),
                     step_polls(c) ? NULL : "waits for the account \"%s\"", c->account.name);
}

/* The account may be on its way: it was made in the same breath as the certificate. */
int account_expect_valid(struct step_context *c, bool *ready, struct err *e)
{
    const struct account *account = &c->account;
    *ready = account->url && !strcmp(account->status, "valid");
    if (*ready)
        return 0;
    bool pending = !strcmp(account->status, "pending");
    if (account->url && !pending)
        return err_set(e, ERR_CA_UNAUTHORIZED,
                       "The account \"%s\" is %s: it orders no certificates any more.",
                       account->name, account->status);
    if (!account->active_job)
        return err_set(e, ERR_CA_ACCOUNT_MISSING,
                       "The account \"%s\" is not registered at its CA; its last_error says why.",
                       account->name);
    return wait(c);
}

int account_expect_known(struct step_context *c, bool *ready, struct err *e)
{
    const struct account *account = &c->account;
    bool busy = false;
    *ready = false;
    if (account_job_expect_registered(c, e) < 0)
        return -1;
    if (!strcmp(account->status, "pending") &&
        job_is_active(c->db, account_create_kind.name, "account", account->name, account->id, &busy,
                      e) < 0)
        return -1;
    *ready = !busy;
    return busy ? wait(c) : 0;
}
