/*
 * "revocation.send" (RFC 8555 section 7.6): revokes a certificate that is no resource here, by its
 * own key or by an account. What it needs of both is kept until the job ends, however that is.
 */
#include "acme/base/memory.h"
#include "acme/cert.h"
#include "server/engine/account_recovery.h"
#include "server/engine/engine_private.h"
#include "server/engine/step.h"
#include "store/revocation.h"

#include <stdlib.h>
#include <string.h>

/* 0, also where it is gone. */
static int look(struct step_context *c, int rc, const struct err *missing, struct err *e)
{
    if (rc == 0)
        return 0;
    c->gone = missing->code == ERR_NOT_FOUND;
    return c->gone ? 0 : context_fail(e, missing);
}

static int load(struct step_context *c, struct err *e)
{
    struct revocation revocation;
    struct err missing;
    int rc = revocation_load(c->db, c->job.resource_id, &revocation, &missing);
    if (rc < 0)
        return look(c, rc, &missing, e);
    if (revocation.account_id)
        rc = account_load_by_id(c->db, revocation.account_id, &c->account, &missing);
    if (rc == 0)
        rc = authority_load(c->db, revocation.authority, &c->authority, &missing);
    revocation_finish(&revocation);
    return look(c, rc, &missing, e);
}

/* ---- what the commit writes ---- */

struct draft {
    struct revocation revocation;
    char spki_sha256[KEY_SPKI_SHA256_SIZE];
};

static void draft_free(void *saved)
{
    struct draft *draft = saved;
    if (!draft)
        return;
    revocation_finish(&draft->revocation);
    free(draft);
}

/* It may be one of ours after all, by another way. */
static int save(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct draft *draft = c->saved;
    return revocation_note(tx, draft->revocation.leaf, draft->spki_sha256, draft->revocation.reason,
                           e);
}

static int expect_draft(struct step_context *c, struct err *e)
{
    struct draft *draft = mem_new(1, sizeof *draft);
    struct buf leaf = {0}, chain = {0};
    struct cert_info info;
    c->saved = draft;
    c->saved_free = draft_free;
    if (revocation_load(c->db, c->job.resource_id, &draft->revocation, e) < 0)
        return -1;
    const char *pem = draft->revocation.leaf;
    int rc = cert_chain_read(pem, strlen(pem), &leaf, &chain, &info, e);
    if (rc == 0) {
        memcpy(draft->spki_sha256, info.spki_sha256, sizeof draft->spki_sha256);
        cert_info_finish(&info);
    }
    buf_finish(&leaf);
    buf_finish(&chain);
    return rc;
}

/* ---- revoke ---- */

static int send(struct step_context *c, const struct revocation *revocation, struct err *e)
{
    struct buf der = {0};
    int rc = cert_to_der(revocation->leaf, strlen(revocation->leaf), &der, e);
    if (rc == 0)
        rc = acme_certificate_revoke(&c->client, der.data, der.size, revocation->reason, e);
    buf_finish(&der);
    return rc;
}

static int by_key(struct step_context *c, const struct revocation *revocation, struct err *e)
{
    struct key *key;
    if (context_anonymous_client(c, e) < 0 || context_directory(c, e) < 0 ||
        revocation_open_key(c->db, revocation->id, &key, e) < 0)
        return -1;
    c->client.key = key;
    int rc = send(c, revocation, e);
    c->client.key = NULL;
    key_destroy(key);
    return rc;
}

static int revoke(struct step_context *c, struct err *e)
{
    bool ready = true;
    if (c->account.id && account_expect_valid(c, &ready, e) < 0)
        return -1;
    if (!ready)
        return 0;
    if (expect_draft(c, e) < 0)
        return -1;
    const struct draft *draft = c->saved;
    int rc = !c->account.id             ? by_key(c, &draft->revocation, e)
             : context_client(c, e) < 0 ? -1
                                        : send(c, &draft->revocation, e);
    if (rc < 0)
        return -1;
    c->save = save;
    return step_done(c, "the certificate is revoked");
}

/* RFC 8555 section 7.6: alreadyRevoked. What was read of it is there still. */
static int remedy(struct step_context *c, enum remedy remedy, struct err *e)
{
    if (remedy != REMEDY_SUCCESS)
        return account_recovery_remedy(c, remedy, e);
    c->save = save;
    return step_done(c, "the certificate was revoked already");
}

static int end(struct store_tx *tx, struct step_context *c, enum job_state state, const char *error,
               struct err *e)
{
    (void)state, (void)error;
    return revocation_delete(tx, c->job.resource_id, e);
}

static const struct step steps[] = {
    {"revoke", revoke, lane_of_authority, false, {NULL}},
};

const struct job_kind revocation_send_kind = {
    .name = "revocation.send",
    .steps = steps,
    .step_count = 1,
    .load = load,
    .remedy = remedy,
    .end = end,
};
