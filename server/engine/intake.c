#include "server/engine/intake.h"

#include "acme/base/memory.h"
#include "server/engine/authorization_job.h"
#include "server/engine/intake_deploy.h"
#include "server/engine/issue.h"
#include "server/engine/lanes.h"
#include "server/engine/preflight.h"
#include "server/engine/step.h"
#include "store/order.h"
#include "store/solver.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t deadline(const struct store_tx *tx, int64_t retry_for_ms)
{
    return retry_for_ms == INTAKE_FOREVER ? INT64_MAX : store_tx_now(tx) + retry_for_ms;
}

/* ---- accounts ---- */

static int insert_account_job(struct store_tx *tx, const struct account *account,
                              struct job_new *job, char id[ULID_SIZE], bool *existing,
                              struct err *e)
{
    job->due_at = store_tx_now(tx);
    job->resource_type = "account";
    job->resource_name = account->name;
    job->resource_id = account->id;
    job->exclusive = true;
    if (job_insert(tx, job, id, existing, e) < 0)
        return -1;
    return *existing ? 0 : account_set_job(tx, account->id, id, account->last_error, e);
}

int intake_account_create(struct store_tx *tx, const struct account *account, int64_t retry_for_ms,
                          char id[ULID_SIZE], bool *existing, struct err *e)
{
    struct job_new job = {
        .kind = account_create_kind.name,
        .step = "keygen",
        .lane = account->has_key ? "local" : lane_name_for_key(account->key_type),
        .deadline_at = deadline(tx, retry_for_ms),
    };
    return insert_account_job(tx, account, &job, id, existing, e);
}

int intake_account_update(struct store_tx *tx, const struct account *account, int64_t retry_for_ms,
                          char id[ULID_SIZE], bool *existing, struct err *e)
{
    char lane[LANE_NAME_SIZE];
    lane_name_of_authority(account->authority, lane);
    struct job_new job = {
        .kind = account_update_kind.name,
        .step = "update",
        .lane = lane,
        .deadline_at = deadline(tx, retry_for_ms),
    };
    return insert_account_job(tx, account, &job, id, existing, e);
}

int intake_account_refresh(struct store_tx *tx, const struct account *account, char id[ULID_SIZE],
                           bool *existing, struct err *e)
{
    char lane[LANE_NAME_SIZE];
    lane_name_of_authority(account->authority, lane);
    struct job_new job = {
        .kind = account_refresh_kind.name,
        .step = "fetch",
        .lane = lane,
        .deadline_at = deadline(tx, INTAKE_RETRY_DEFAULT_MS),
    };
    return insert_account_job(tx, account, &job, id, existing, e);
}

/* A next key that a former job has left is one that the CA may have. */
int intake_account_rollover(struct store_tx *tx, const struct account *account, enum key_type type,
                            bool brought, char id[ULID_SIZE], bool *existing, struct err *e)
{
    char args[128];
    snprintf(args, sizeof args, "{\"type\":\"%s\",\"brought\":%d,\"observe\":%d}",
             key_type_name(type), brought, account->next_spki_sha256 != NULL);
    struct job_new job = {
        .kind = account_rollover_kind.name,
        .step = "keygen",
        .lane = "local",
        .args = args,
        .deadline_at = deadline(tx, INTAKE_FOREVER),
    };
    return insert_account_job(tx, account, &job, id, existing, e);
}

int intake_account_deactivate(struct store_tx *tx, const struct account *account,
                              char id[ULID_SIZE], bool *existing, struct err *e)
{
    char lane[LANE_NAME_SIZE];
    lane_name_of_authority(account->authority, lane);
    struct job_new job = {
        .kind = account_deactivate_kind.name,
        .step = "deactivate",
        .lane = lane,
        .deadline_at = deadline(tx, INTAKE_RETRY_DEFAULT_MS),
    };
    return insert_account_job(tx, account, &job, id, existing, e);
}

/* ---- certificates ---- */

/* Of several jobs the one that makes a version is the active one: a change has to call it back. */
static int insert_certificate_job(struct store_tx *tx, const struct certificate *certificate,
                                  struct job_new *job, char id[ULID_SIZE], bool *existing,
                                  struct err *e)
{
    job->due_at = store_tx_now(tx);
    job->resource_type = "certificate";
    job->resource_name = certificate->name;
    job->resource_id = certificate->id;
    job->exclusive = true;
    if (job_insert(tx, job, id, existing, e) < 0)
        return -1;
    bool issues = !strcmp(job->kind, certificate_issue_kind.name);
    if (*existing || (certificate->active_job && !issues))
        return 0;
    return certificate_set_job(tx, certificate->id, id, certificate->last_error, e);
}

int intake_certificate_issue(struct store_tx *tx, const struct certificate *certificate,
                             int64_t retry_for_ms, char id[ULID_SIZE], bool *existing,
                             struct err *e)
{
    bool makes_key = !certificate->has_given_csr && !certificate->has_given_key;
    struct job_new job = {
        .kind = certificate_issue_kind.name,
        .step = "prepare",
        .lane = makes_key ? lane_name_for_key(certificate->key_type) : "local",
        .deadline_at = deadline(tx, retry_for_ms),
    };
    return insert_certificate_job(tx, certificate, &job, id, existing, e);
}

int intake_certificate_renewal(struct store_tx *tx, const struct certificate *certificate,
                               char id[ULID_SIZE], bool *existing, struct err *e)
{
    return intake_certificate_issue(tx, certificate, INTAKE_RETRY_DEFAULT_MS, id, existing, e);
}

int intake_certificate_revoke(struct store_tx *tx, const struct certificate *certificate,
                              int64_t version, int reason, enum intake_signer by, bool then_delete,
                              char id[ULID_SIZE], bool *existing, struct err *e)
{
    char lane[LANE_NAME_SIZE], args[128];
    lane_name_of_authority(certificate->authority, lane);
    snprintf(args, sizeof args,
             "{\"version\":%" PRId64 ",\"reason\":%d,\"by\":%d,\"then_delete\":%d}",
             version ? version : certificate->version, reason, (int)by, then_delete);
    struct job_new job = {
        .kind = certificate_revoke_kind.name,
        .step = "revoke",
        .lane = lane,
        .args = args,
        .deadline_at = deadline(tx, INTAKE_RETRY_DEFAULT_MS),
    };
    return insert_certificate_job(tx, certificate, &job, id, existing, e);
}

/* ---- authorities ---- */

int intake_authority_refresh(struct store_tx *tx, const char *authority, char id[ULID_SIZE],
                             bool *existing, struct err *e)
{
    char lane[LANE_NAME_SIZE];
    lane_name_of_authority(authority, lane);
    struct job_new job = {
        .kind = authority_refresh_kind.name,
        .step = "fetch",
        .lane = lane,
        .due_at = store_tx_now(tx),
        .resource_type = "authority",
        .resource_name = authority,
        .deadline_at = deadline(tx, INTAKE_RETRY_DEFAULT_MS),
        .exclusive = true,
    };
    return job_insert(tx, &job, id, existing, e);
}

/* ---- jobs ---- */

static int check_cancel(const struct job *job, struct err *e)
{
    const struct job_kind *kind = job_kind_by_name(job->kind);
    const struct step *step = kind ? job_kind_step(kind, job->step) : NULL;
    if (!strcmp(job->kind, certificate_renew_kind.name))
        return err_set(e, ERR_CONFLICT,
                       "The job plans the certificate's renewal; to switch that off, PATCH the"
                       " certificate with {\"renew\": {\"enabled\": false}}.");
    if (job_state_is_final(job->state))
        return err_set(e, ERR_CONFLICT, "The job has ended: it is %s.", job_state_name(job->state));
    if (step && step->committed)
        return err_set(e, ERR_CONFLICT,
                       "The job has come to \"%s\", from where it cannot be called back.",
                       job->step);
    return 0;
}

int intake_cancel(struct store_tx *tx, const char *id, struct err *e)
{
    struct job job;
    if (job_load(store_tx_db(tx), id, &job, e) < 0)
        return -1;
    int rc = check_cancel(&job, e);
    job_finish(&job);
    return rc < 0 ? -1 : job_request_cancel(tx, id, e);
}

static int64_t retry_for(const struct job *job)
{
    return job->deadline_at == INT64_MAX ? INTAKE_FOREVER : job->deadline_at - job->created_at;
}

/* A key that was brought is not kept once the CA has refused it. */
static int again_rollover(struct store_tx *tx, const struct job *job, const struct account *account,
                          char id[ULID_SIZE], bool *existing, struct err *e)
{
    enum key_type type = account->key_type;
    struct json_object *args = json_tokener_parse(job->args);
    bool brought = json_object_get_int(json_object_object_get(args, "brought"));
    const char *name = json_object_get_string(json_object_object_get(args, "type"));
    if (name)
        key_type_by_name(name, &type);
    json_object_put(args);
    if (brought && !account->next_spki_sha256)
        return err_set(e, ERR_CONFLICT,
                       "The key that was brought is gone: ask for the rollover again.");
    return intake_account_rollover(tx, account, type, brought, id, existing, e);
}

static int again_account(struct store_tx *tx, const struct job *job, char id[ULID_SIZE],
                         bool *existing, struct err *e)
{
    struct account account;
    if (account_load_by_id(store_tx_db(tx), job->resource_id, &account, e) < 0)
        return -1;
    int rc;
    if (!strcmp(job->kind, account_create_kind.name))
        rc = intake_account_create(tx, &account, retry_for(job), id, existing, e);
    else if (!strcmp(job->kind, account_update_kind.name))
        rc = intake_account_update(tx, &account, retry_for(job), id, existing, e);
    else if (!strcmp(job->kind, account_rollover_kind.name))
        rc = again_rollover(tx, job, &account, id, existing, e);
    else if (!strcmp(job->kind, account_deactivate_kind.name))
        rc = intake_account_deactivate(tx, &account, id, existing, e);
    else
        rc = intake_account_refresh(tx, &account, id, existing, e);
    account_finish(&account);
    return rc;
}

static int again_revoke(struct store_tx *tx, const struct job *job,
                        const struct certificate *certificate, char id[ULID_SIZE], bool *existing,
                        struct err *e)
{
    char lane[LANE_NAME_SIZE];
    lane_name_of_authority(certificate->authority, lane);
    struct job_new again = {
        .kind = job->kind,
        .step = "revoke",
        .lane = lane,
        .args = job->args,
        .deadline_at = deadline(tx, INTAKE_RETRY_DEFAULT_MS),
    };
    return insert_certificate_job(tx, certificate, &again, id, existing, e);
}

static int again_certificate(struct store_tx *tx, const struct job *job, char id[ULID_SIZE],
                             bool *existing, struct err *e)
{
    struct certificate certificate;
    if (certificate_load_by_id(store_tx_db(tx), job->resource_id, &certificate, e) < 0)
        return -1;
    int rc;
    if (!strcmp(job->kind, certificate_issue_kind.name))
        rc = intake_certificate_issue(tx, &certificate, retry_for(job), id, existing, e);
    else if (!strcmp(job->kind, certificate_revoke_kind.name))
        rc = again_revoke(tx, job, &certificate, id, existing, e);
    else
        rc = err_set(e, ERR_CONFLICT, "Another job plans the certificate's renewal by now.");
    certificate_finish(&certificate);
    return rc;
}

static int again_cleanup(struct store_tx *tx, const struct job *job, char id[ULID_SIZE],
                         bool *existing, struct err *e)
{
    struct job_new again = {
        .kind = job->kind,
        .step = "sweep",
        .lane = "local",
        .due_at = store_tx_now(tx),
        .resource_type = job->resource_type,
        .resource_name = job->resource_name,
        .deadline_at = deadline(tx, retry_for(job)),
        .exclusive = true,
    };
    return job_insert(tx, &again, id, existing, e);
}

static int again(struct store_tx *tx, const struct job *job, char id[ULID_SIZE], struct err *e)
{
    bool existing;
    if (job->state == JOB_WAITING || job->state == JOB_QUEUED) {
        memcpy(id, job->id, ULID_SIZE);
        if (job->state == JOB_WAITING && job_hasten(tx, job->id, e) < 0)
            return -1;
        job_insist(tx, job);
        return 0;
    }
    if (job->state != JOB_FAILED && job->state != JOB_CANCELLED)
        return err_set(e, ERR_CONFLICT, "The job is %s: there is nothing to try again.",
                       job_state_name(job->state));
    if (!strcmp(job->resource_type, "account"))
        return again_account(tx, job, id, &existing, e);
    if (!strcmp(job->kind, certificate_deploy_kind.name))
        return intake_deploy_again(tx, job, id, e);
    if (!strcmp(job->kind, target_test_kind.name) || !strcmp(job->kind, solver_test_kind.name))
        return intake_test_again(tx, job, id, e);
    if (!strcmp(job->kind, preflight_kind.name))
        return preflight_again(tx, job, id, e);
    if (!strcmp(job->resource_type, "certificate"))
        return again_certificate(tx, job, id, &existing, e);
    if (!strcmp(job->kind, revocation_send_kind.name))
        return err_set(e, ERR_CONFLICT,
                       "What the job was to revoke is kept no longer: POST it again.");
    if (!strcmp(job->resource_type, "authority"))
        return intake_authority_refresh(tx, job->resource_name, id, &existing, e);
    if (!strcmp(job->kind, authorization_deactivate_kind.name))
        return authorization_deactivate_again(tx, job->resource_name, id, &existing, e);
    return again_cleanup(tx, job, id, &existing, e);
}

int intake_retry(struct store_tx *tx, const char *job_id, char id[ULID_SIZE], struct err *e)
{
    struct job job;
    if (job_load(store_tx_db(tx), job_id, &job, e) < 0)
        return -1;
    int rc = again(tx, &job, id, e);
    job_finish(&job);
    return rc;
}

/* ---- continue ---- */

static int is_manual(struct db *db, const struct authorization *a, bool *manual, struct err *e)
{
    struct solver solver;
    *manual = a->step == AUTHORIZATION_ANNOUNCED && !a->solver;
    if (a->step != AUTHORIZATION_ANNOUNCED || !a->solver)
        return 0;
    if (solver_load(db, a->solver, &solver, e) < 0)
        return e->code == ERR_NOT_FOUND ? 0 : -1;
    *manual = !strcmp(solver.type, "manual");
    solver_finish(&solver);
    return 0;
}

static int mark_placed(struct store_tx *tx, struct authorization *a, struct err *e)
{
    a->step = AUTHORIZATION_PRESENTED;
    free(a->detail);
    a->detail = NULL;
    return authorization_put(tx, a, e);
}

static int place_manual(struct store_tx *tx, const char *job, size_t *placed, struct err *e)
{
    struct order order;
    struct authorization *list;
    size_t count;
    if (order_load_of_job(store_tx_db(tx), job, &order, e) < 0)
        return -1;
    int rc = authorization_list(store_tx_db(tx), order.id, &list, &count, e);
    order_finish(&order);
    if (rc < 0)
        return -1;
    *placed = 0;
    for (size_t i = 0; i < count; i++) {
        bool manual = false;
        if (rc == 0)
            rc = is_manual(store_tx_db(tx), &list[i], &manual, e);
        if (rc == 0 && manual) {
            if (!issue_is_persist(&list[i])) /* that one is looked for until it is there */
                rc = mark_placed(tx, &list[i], e);
            ++*placed;
        }
        authorization_finish(&list[i]);
    }
    free(list);
    return rc;
}

int intake_continue(struct store_tx *tx, const char *job_id, struct err *e)
{
    struct job job;
    size_t placed = 0;
    if (job_load(store_tx_db(tx), job_id, &job, e) < 0)
        return -1;
    bool after_error = job.state == JOB_WAITING && job.due_at == INT64_MAX && job.error;
    bool waits = job.state == JOB_WAITING && !strcmp(job.step, "present") &&
                 !strcmp(job.kind, certificate_issue_kind.name);
    job_finish(&job);
    if (waits && place_manual(tx, job_id, &placed, e) < 0)
        return -1;
    if (!placed && !after_error)
        return err_set(e, ERR_CONFLICT, "The job does not wait for a person.");
    return job_hasten(tx, job_id, e);
}
