/* "certificate.revoke" (RFC 8555 section 7.6), by the account that ordered it, or by the key of the
   certificate itself. */
#include "acme/cert.h"
#include "server/engine/account_job.h"
#include "server/engine/account_recovery.h"
#include "server/engine/engine_private.h"
#include "server/engine/intake.h"
#include "server/engine/issue.h"
#include "server/engine/renewal.h"
#include "server/engine/step.h"

#include <inttypes.h>
#include <string.h>

static int load(struct step_context *c, struct err *e)
{
    struct err missing;
    if (certificate_load_by_id(c->db, c->job.resource_id, &c->certificate, &missing) < 0) {
        c->gone = missing.code == ERR_NOT_FOUND;
        return c->gone ? 0 : context_fail(e, &missing);
    }
    if (account_load_by_id(c->db, c->certificate.account_id, &c->account, e) < 0)
        return -1;
    return authority_load(c->db, c->account.authority, &c->authority, e);
}

static int save(struct store_tx *tx, struct step_context *c, struct err *e)
{
    int64_t id = c->certificate.id;
    if (renewal_wake(tx, &c->certificate, e) < 0)
        return -1;
    if (context_arg_int(c, "then_delete", 0))
        return certificate_delete(tx, id, e);
    return version_revoke(tx, id, context_arg_int(c, "version", 0),
                          (int)context_arg_int(c, "reason", -1), e);
}

static int send(struct step_context *c, const struct buf *der, struct err *e)
{
    return acme_certificate_revoke(&c->client, der->data, der->size,
                                   (int)context_arg_int(c, "reason", -1), e);
}

static int by_certificate_key(struct step_context *c, int64_t n, const struct buf *der,
                              struct err *e)
{
    struct key *key;
    if (version_open_key(c->db, c->certificate.id, n, &key, e) < 0)
        return -1;
    c->client.key = key;
    c->client.kid = NULL;
    int rc = send(c, der, e);
    c->client.key = c->account_key;
    c->client.kid = c->account.url;
    key_destroy(key);
    return rc;
}

/* Whether the account is not the one that may do it, as far as the CA says. */
static bool is_not_its_own(const struct err *e)
{
    return e->code == ERR_CA_UNAUTHORIZED || e->code == ERR_CA_ACCOUNT_MISSING;
}

static bool key_comes_first(const struct step_context *c, const struct version *version)
{
    int64_t by = context_arg_int(c, "by", INTAKE_SIGNER_ANY);
    bool usable = c->account.url && !strcmp(c->account.status, "valid");
    return by == INTAKE_SIGNER_CERTIFICATE_KEY ||
           (by == INTAKE_SIGNER_ANY && !usable && version->has_key);
}

/* A request that the CA refused had no effect: the second one is the first that has. */
static int by_whoever_may(struct step_context *c, const struct version *version,
                          const struct buf *der, struct err *e)
{
    int64_t by = context_arg_int(c, "by", INTAKE_SIGNER_ANY);
    if (key_comes_first(c, version))
        return by_certificate_key(c, version->n, der, e);
    if (send(c, der, e) == 0)
        return 0;
    /* A key that has just changed is no reason: the step is run again with the new one. */
    if (by != INTAKE_SIGNER_ANY || !version->has_key || !is_not_its_own(e) ||
        account_key_has_moved(c, e))
        return -1;
    return by_certificate_key(c, version->n, der, e);
}

static int revoke_version(struct step_context *c, const struct version *version, struct err *e)
{
    struct buf der = {0};
    int rc = version->leaf ? cert_to_der(version->leaf, strlen(version->leaf), &der, e)
                           : err_set(e, ERR_CONFLICT, "Version %" PRId64 " holds no certificate.",
                                     version->n);
    if (rc == 0)
        rc = by_whoever_may(c, version, &der, e);
    buf_finish(&der);
    return rc;
}

static int revoke(struct step_context *c, struct err *e)
{
    struct version version;
    int64_t n = context_arg_int(c, "version", 0);
    bool ready = true;
    if (version_load(c->db, c->certificate.id, n, &version, e) < 0)
        return -1;
    int rc = key_comes_first(c, &version) ? 0 : account_expect_known(c, &ready, e);
    if (rc == 0 && ready)
        rc = context_client(c, e);
    if (rc == 0 && ready)
        rc = revoke_version(c, &version, e);
    version_finish(&version);
    if (rc < 0 || !ready)
        return rc;
    c->save = save;
    return step_done(c, "version %" PRId64 " is revoked", n);
}

/* Who wanted it deleted has to know that it is there still, and what to do. */
static int tell_way_out(const struct step_context *c, struct err *e)
{
    struct err told = *e;
    if (!context_arg_int(c, "then_delete", 0) || err_info(e->code)->retryable)
        return -1;
    err_set(e, told.code, "%.400s (The certificate is kept; DELETE without revoke deletes it.)",
            told.detail);
    e->http_status = told.http_status;
    e->retry_after_ms = told.retry_after_ms;
    return -1;
}

static int remedy(struct step_context *c, enum remedy remedy, struct err *e)
{
    int64_t n = context_arg_int(c, "version", 0);
    /* What the CA does not have is no use to anybody: it need not be kept for that. */
    bool vanished = remedy == REMEDY_NEW_ORDER && context_arg_int(c, "then_delete", 0);
    if (remedy == REMEDY_REGISTER && account_recovery_remedy(c, remedy, e) == 0)
        return 0;
    if (remedy != REMEDY_SUCCESS && !vanished)
        return tell_way_out(c, e);
    c->save = save;
    return vanished ? step_done(c, "the CA knows nothing of version %" PRId64, n)
                    : step_done(c, "version %" PRId64 " was revoked already", n);
}

static int end(struct store_tx *tx, struct step_context *c, enum job_state state, const char *error,
               struct err *e)
{
    struct certificate now;
    struct err missing;
    if (certificate_load_by_id(store_tx_db(tx), c->job.resource_id, &now, &missing) < 0) {
        return missing.code == ERR_NOT_FOUND ? 0 : context_fail(e, &missing);
    }
    /* An issue that runs beside is the active one. */
    int rc = 0;
    if (now.active_job && !strcmp(now.active_job, c->job.id))
        rc = issue_hand_over(tx, c, state == JOB_FAILED ? error : now.last_error, e);
    certificate_finish(&now);
    return rc;
}

static const struct step steps[] = {
    {"revoke", revoke, lane_of_authority, false, {NULL}},
};

const struct job_kind certificate_revoke_kind = {
    .name = "certificate.revoke",
    .steps = steps,
    .step_count = 1,
    .load = load,
    .remedy = remedy,
    .end = end,
};
