/*
 * "certificate.issue": from a certificate's row to its next version.
 *
 *   prepare ──► order ──► authorize ──┬──► present ──► propagate ──┬──► respond ──► validate
 *   key, CSR    newOrder  what the CA │    TXT or     wait: seen   │    "look"      wait: valid
 *               │         asks of us  │    token      everywhere   │                   │
 *               │                     │                            └─ no record        │
 *               │                     └──► all valid already ─────────────┐            │
 *               ▼                                                         ▼            ▼
 *               └── an order that is ready ─────────────────────────► finalize ◄───────┘
 *                                                                         │
 *   done ◄── download ◄── collect (wait: issued) ◄────────────────────────┘
 *
 * A CA that has an error to tell and has not given up yet (a challenge that is pending with an
 * error) is answered again: validate goes back to respond.
 *
 * What the CA refuses may lead on in another way (remedy.h, issue_remedy.c): to order, where this
 * one is of no use any more, even from finalize on; to rekey and back to finalize, where the CSR is
 * refused.
 *
 * authorize, present and respond handle one authorization after the other; each has a row and a
 * state of its own. If the CA looked while the service was down, validate goes back to order, once
 * after each start. The job waits in propagate, validate and collect, and in present for a zone
 * look-up or for a person (manual); waiting holds no thread. Up to validate a cancel is honoured.
 *
 * What is committed together: prepare to the first present, for the key has to be there before
 * finalize only, and an order that is lost is one that stays pending; respond with validate;
 * finalize with collect and download.
 */
#include "server/engine/issue.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/engine/authorization_job.h"
#include "server/engine/cleanup.h"
#include "server/engine/engine_private.h"
#include "server/engine/intake.h"
#include "server/engine/renewal.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void issue_set(char **text, const char *value)
{
    char *copy = mem_strdup(value);
    free(*text);
    *text = copy;
}

ptrdiff_t issue_find(const struct step_context *c, enum authorization_step step, size_t from)
{
    for (size_t i = from; i < c->authorization_count; i++)
        if (c->authorizations[i].step == step)
            return (ptrdiff_t)i;
    return -1;
}

size_t issue_count_from(const struct step_context *c, enum authorization_step step)
{
    size_t n = 0;
    for (size_t i = 0; i < c->authorization_count; i++)
        n += c->authorizations[i].step >= step;
    return n;
}

int issue_read_identifiers(const char *json, struct identifier **out, size_t *count, struct err *e)
{
    struct json_object *array = json_tokener_parse(json);
    size_t n = array ? json_object_array_length(array) : 0;
    struct identifier *ids = mem_new(n, sizeof *ids);
    int rc = n ? 0 : err_set(e, ERR_INTERNAL, "The certificate's row has no identifiers.");
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = identifier_parse(json_object_get_string(json_object_array_get_idx(array, i)), &ids[i],
                              e);
    json_object_put(array);
    if (rc < 0) {
        free(ids);
        return -1;
    }
    *out = ids;
    *count = identifiers_sort(ids, n);
    return 0;
}

static int load_order(struct step_context *c, struct err *e)
{
    struct err missing;
    if (order_load_of_job(c->db, c->job.id, &c->order, &missing) < 0) {
        return missing.code == ERR_NOT_FOUND ? 0 : context_fail(e, &missing);
    }
    return authorization_list(c->db, c->order.id, &c->authorizations, &c->authorization_count, e);
}

static int load(struct step_context *c, struct err *e)
{
    struct err missing;
    if (load_order(c, e) < 0)
        return -1;
    if (certificate_load_by_id(c->db, c->job.resource_id, &c->certificate, &missing) < 0) {
        c->gone = missing.code == ERR_NOT_FOUND;
        return c->gone ? 0 : context_fail(e, &missing);
    }
    if (account_load_by_id(c->db, c->certificate.account_id, &c->account, e) < 0)
        return -1;
    return authority_load(c->db, c->account.authority, &c->authority, e);
}

/* A version that will never be issued has no use for its key. */
static int drop_version(struct store_tx *tx, const struct step_context *c, struct err *e)
{
    struct version version;
    struct err missing;
    int64_t id = c->certificate.id, n = c->order.version;
    if (version_load(store_tx_db(tx), id, n, &version, &missing) < 0) {
        return missing.code == ERR_NOT_FOUND ? 0 : context_fail(e, &missing);
    }
    bool prepared = version.state == VERSION_PREPARED;
    version_finish(&version);
    return prepared ? version_fail(tx, id, n, e) : 0;
}

int issue_hand_over(struct store_tx *tx, const struct step_context *c, const char *last_error,
                    struct err *e)
{
    char other[ULID_SIZE];
    if (job_other(store_tx_db(tx), &c->job, other, e) < 0)
        return -1;
    return certificate_set_job(tx, c->job.resource_id, other[0] ? other : NULL, last_error, e);
}

/* A CA that was at work on this job is known to have renewal information, or to have none. */
static int plan_next(struct store_tx *tx, const struct step_context *c,
                     const struct certificate *certificate, struct err *e)
{
    bool tells = !c->client.ca || acme_ca_has_renewal_info(c->client.ca);
    return tells && certificate->renew_ari ? renewal_plan(tx, certificate, e)
                                           : renewal_plan_alone(tx, certificate, e);
}

static int end(struct store_tx *tx, struct step_context *c, enum job_state state, const char *error,
               struct err *e)
{
    bool has_order = c->order.id[0];
    if (has_order && (cleanup_plan(tx, c, "order", c->order.id, e) < 0 ||
                      authorization_deactivate_plan(tx, c->job.id, e) < 0))
        return -1;
    struct certificate now;
    struct err missing;
    if (certificate_load_by_id(store_tx_db(tx), c->job.resource_id, &now, &missing) < 0) {
        return missing.code == ERR_NOT_FOUND ? 0 : context_fail(e, &missing);
    }
    /* A cancelled job may have a successor already. */
    bool active = now.active_job && !strcmp(now.active_job, c->job.id);
    int rc = state == JOB_SUCCEEDED ? intake_certificate_deploy_all(tx, &now, e) : 0;
    if (rc == 0)
        rc = plan_next(tx, c, &now, e);
    certificate_finish(&now);
    if (rc < 0 || (state != JOB_SUCCEEDED && has_order && drop_version(tx, c, e) < 0))
        return -1;
    if (!active)
        return 0;
    /* A cancelled renewal says nothing about the certificate: what was known of it stays. */
    const char *last_error = state == JOB_CANCELLED ? c->certificate.last_error : error;
    return issue_hand_over(tx, c, last_error, e);
}

static const struct step steps[] = {
    {"prepare", issue_prepare, issue_prepare_lane, false, {"order"}},
    {"order", issue_order, lane_of_authority, false, {"authorize", "finalize"}},
    {"authorize", issue_authorize, lane_of_authority, false, {"order", "present", "finalize"}},
    {"present", issue_present, issue_present_lane, false, {"propagate", "respond"}},
    {"propagate", issue_propagate, lane_local, false, {"respond"}},
    {"respond", issue_respond, lane_of_authority, false, {"order", "validate"}},
    {"validate", issue_validate, lane_of_authority, false, {"order", "respond", "finalize"}},
    {"finalize",
     issue_finalize,
     lane_of_authority,
     true,
     {"order", "rekey", "collect", "download"}},
    {"rekey", issue_rekey, issue_rekey_lane, true, {"finalize"}},
    {"collect", issue_collect, lane_of_authority, true, {"order", "finalize", "download"}},
    {"download", issue_download, lane_of_authority, true, {"order"}},
};

static const struct step_join joins[] = {
    {"validate", "validate"}, {"collect", "collect"},   {"prepare", "order"},
    {"order", "authorize"},   {"authorize", "present"}, {"respond", "validate"},
    {"finalize", "collect"},  {"finalize", "download"}, {"collect", "download"},
};

const struct job_kind certificate_issue_kind = {
    .name = "certificate.issue",
    .steps = steps,
    .step_count = sizeof steps / sizeof *steps,
    .joins = joins,
    .join_count = sizeof joins / sizeof *joins,
    .load = load,
    .remedy = issue_remedy,
    .end = end,
};
