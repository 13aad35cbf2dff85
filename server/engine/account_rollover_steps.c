/*
 * "account.rollover": another key for an account (RFC 8555 section 7.3.5).
 *
 *   keygen ──► quiet ──────────────► change      both keys are durable before keyChange is sent
 *              wait: no challenge
 *              is under way
 *
 * The response to a challenge holds the thumbprint of the account's key, so quiet lets those that
 * were presented under the old key come to their end; new orders wait meanwhile. What takes too
 * long (a person has to act) is left behind, and takes a second order when it sees the new key.
 *
 * From change on the CA may have either key. After a crash or a lost answer it is asked for the
 * account by the new key, then by the old one; this goes on until the CA has told.
 */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/engine/account_job.h"
#include "server/engine/account_recovery.h"
#include "server/engine/engine_private.h"
#include "server/engine/retry.h"
#include "store/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 10 * CLOCK_MINUTE_MS };

struct rollover {
    struct key *next;
    bool refused; /* the CA has not taken the next key, and never will */
};

static void rollover_free(void *saved)
{
    struct rollover *rollover = saved;
    if (!rollover)
        return;
    key_destroy(rollover->next);
    free(rollover);
}

static struct rollover *expect(struct step_context *c)
{
    struct rollover *rollover = mem_new(1, sizeof *rollover);
    c->saved = rollover;
    c->saved_free = rollover_free;
    return rollover;
}

/* ---- keygen ---- */

static enum key_type wanted_type(const struct step_context *c)
{
    const char *name = context_arg(c, "type");
    enum key_type type;
    return name && key_type_by_name(name, &type) == 0 ? type : c->account.key_type;
}

static void keygen_lane(const struct step_context *c, char out[LANE_NAME_SIZE])
{
    snprintf(out, LANE_NAME_SIZE, "%s",
             c->account.next_spki_sha256 ? "local" : lane_name_for_key(wanted_type(c)));
}

static int save_next(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct rollover *rollover = c->saved;
    return account_set_next_key(tx, c->account.id, rollover->next, e);
}

static int keygen(struct step_context *c, struct err *e)
{
    if (c->account.next_spki_sha256)
        return step_next(c, "quiet", NULL);
    if (key_generate(wanted_type(c), &expect(c)->next, e) < 0)
        return -1;
    c->save = save_next;
    return step_next(c, "quiet", "the new key is made");
}

/* ---- quiet ---- */

static int expect_key_change(struct step_context *c, struct err *e)
{
    struct acme_directory directory;
    if (account_job_expect_registered(c, e) < 0 || context_client(c, e) < 0)
        return -1;
    char *document = acme_ca_directory_document(c->client.ca);
    int rc = acme_directory_read(document, c->authority.directory_url, &directory, e);
    free(document);
    if (rc < 0)
        return -1;
    if (!directory.key_change)
        rc = err_set(e, ERR_CONFLICT, "The CA changes no keys: its directory has no keyChange.");
    acme_directory_finish(&directory);
    return rc;
}

static int quiet(struct step_context *c, struct err *e)
{
    bool busy;
    if (expect_key_change(c, e) < 0 ||
        order_account_has_challenges(c->db, c->account.name, &busy, e) < 0)
        return -1;
    if (busy && c->now < c->job.created_at + PATIENCE_MS)
        return step_wait(c, NULL, c->now + retry_poll_ms(step_polls(c), 0),
                         step_polls(c) ? NULL : "waits for the challenges that are under way");
    return step_next(c, "change", NULL);
}

/* ---- change ---- */

/* The account that the CA has for the key is ours, another one (ERR_CA_CONFLICT), or none. */
static int find(struct step_context *c, const struct key *key, bool *found, struct err *e)
{
    struct acme_account_request request = {.only_existing = true};
    struct acme_account account;
    struct err missing;
    c->client.key = key;
    c->client.kid = NULL;
    int rc = acme_account_new(&c->client, &request, &account, &missing);
    c->client.key = c->account_key;
    c->client.kid = c->account.url;
    *found = false;
    if (rc < 0)
        return missing.code == ERR_CA_ACCOUNT_MISSING ? 0 : context_fail(e, &missing);
    *found = !strcmp(account.url, c->account.url);
    if (!*found)
        err_set(e, ERR_CA_CONFLICT, "The key is that of another account at the CA: %s.",
                account.url);
    acme_account_finish(&account);
    return *found ? 0 : -1;
}

/* Which of the two keys the account has. */
static int observe(struct step_context *c, struct rollover *rollover, bool *changed, struct err *e)
{
    bool unchanged = false;
    if (find(c, rollover->next, changed, e) < 0) {
        rollover->refused = e->code == ERR_CA_CONFLICT;
        return -1;
    }
    if (*changed)
        return 0;
    if (find(c, c->account_key, &unchanged, e) < 0)
        return -1;
    return unchanged ? 0
                     : err_set(e, ERR_CA_ACCOUNT_MISSING,
                               "The CA knows the account by neither its old nor its new key.");
}

/* Whether an earlier request may be out there still, and have come since the CA was asked. */
static bool may_be_out(const struct step_context *c)
{
    return c->resumed || context_arg_int(c, "observe", 0);
}

static int send(struct step_context *c, struct rollover *rollover, struct err *e)
{
    struct err refusal;
    bool changed = false;
    if (acme_account_key_change(&c->client, rollover->next, &refusal) == 0)
        return 0;
    bool final = refusal.http_status / 100 == 4 && !err_info(refusal.code)->retryable;
    if (final && may_be_out(c) && find(c, rollover->next, &changed, e) < 0)
        return -1;
    if (changed)
        return 0;
    rollover->refused = final;
    if (refusal.code == ERR_CA_CONFLICT)
        err_prefix(&refusal, "The new key is that of another account at the CA: ");
    return context_fail(e, &refusal);
}

static int save_change(struct store_tx *tx, struct step_context *c, struct err *e)
{
    return account_take_next_key(tx, c->account.id, e);
}

static int change(struct step_context *c, struct err *e)
{
    struct rollover *rollover = expect(c);
    bool changed = false, ready;
    if (account_expect_known(c, &ready, e) < 0)
        return -1;
    if (!ready)
        return 0;
    if (context_client(c, e) < 0 ||
        account_open_next_key(c->db, c->account.id, &rollover->next, e) < 0)
        return -1;
    if (may_be_out(c) && observe(c, rollover, &changed, e) < 0)
        return -1;
    if (!changed && send(c, rollover, e) < 0)
        return -1;
    c->save = save_change;
    return step_done(c, changed ? "the CA has the new key already" : "the CA has the new key");
}

/* ---- the end ---- */

/* Whether the CA is sure not to have the next key: it was never sent, or refused. */
static bool is_unused(const struct step_context *c)
{
    const struct rollover *rollover = c->saved;
    if (!strcmp(c->step->name, "change"))
        return rollover && rollover->refused;
    return !context_arg_int(c, "observe", 0);
}

static int end(struct store_tx *tx, struct step_context *c, enum job_state state, const char *error,
               struct err *e)
{
    if (state != JOB_SUCCEEDED && !c->gone && is_unused(c) &&
        account_drop_next_key(tx, c->account.id, e) < 0)
        return -1;
    return account_job_end(tx, c, state, error, e);
}

static const struct step steps[] = {
    {"keygen", keygen, keygen_lane, false, {"quiet"}},
    {"quiet", quiet, lane_of_authority, false, {"change"}},
    {"change", change, lane_of_authority, true, {NULL}},
};

const struct job_kind account_rollover_kind = {
    .name = "account.rollover",
    .steps = steps,
    .step_count = sizeof steps / sizeof *steps,
    .load = account_job_load,
    .remedy = account_recovery_remedy,
    .end = end,
};

/* ---- for the other jobs of the account ---- */

int account_rolls_over(struct db *db, const struct account *account, bool *under_way, struct err *e)
{
    *under_way = false;
    /* One that waits for a person could take for ever; who goes on meanwhile takes a second order
       when the key has changed. */
    if (!account->next_spki_sha256 || account->person_error)
        return 0;
    return job_is_active(db, account_rollover_kind.name, "account", account->name, account->id,
                         under_way, e);
}

/* What CAs call a signature by a key that they do not know the account by. */
static bool is_refused_signature(const struct err *error)
{
    return error->code == ERR_CA_MALFORMED || error->code == ERR_CA_UNAUTHORIZED ||
           error->code == ERR_CA_ACCOUNT_MISSING || error->code == ERR_CA_BAD_PUBLIC_KEY ||
           error->code == ERR_CA_BAD_SIGNATURE_ALGORITHM;
}

/* An authorization or order that the CA gave up for what it saw tells so in the same words. */
static bool is_verdict(const struct step_context *c)
{
    for (size_t i = 0; i < c->authorization_count; i++)
        if (c->authorizations[i].step == AUTHORIZATION_INVALID)
            return true;
    return c->order.status && !strcmp(c->order.status, "invalid");
}

bool account_key_has_moved(struct step_context *c, const struct err *error)
{
    struct account now;
    struct err ignored;
    bool moved = false;
    if (!is_refused_signature(error) || is_verdict(c) || !c->account_key ||
        !c->account.spki_sha256 || c->kind == &account_rollover_kind ||
        account_load_by_id(c->db, c->account.id, &now, &ignored) < 0)
        return false;
    bool has_new = now.spki_sha256 && strcmp(now.spki_sha256, c->account.spki_sha256) != 0;
    if (!has_new && account_rolls_over(c->db, &now, &moved, &ignored) < 0)
        moved = false;
    account_finish(&now);
    if (!has_new && !moved)
        return false;
    c->order_changed = false;
    memset(c->authorizations_changed, 0, sizeof c->authorizations_changed);
    c->save = NULL;
    c->ready = NULL;
    step_wait(c, NULL, c->now + (has_new ? 0 : retry_poll_ms(step_polls(c), 0)),
              "the account's key changed meanwhile");
    return true;
}
