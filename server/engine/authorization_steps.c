/*
 * "authorization.deactivate" (RFC 8555 section 7.5.2): what an order that came to nothing has left
 * pending at the CA is given up there, one authorization a step. What is valid meanwhile is kept
 * for the next order, and what another order of ours waits for is left to that one. Nothing depends
 * on it, so that it gives up soon.
 */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/engine/authorization_job.h"
#include "server/engine/engine_private.h"
#include "server/engine/issue.h"

#include <stdio.h>
#include <string.h>

static int load(struct step_context *c, struct err *e)
{
    struct err missing;
    if (order_load(c->db, c->job.resource_name, &c->order, &missing) < 0 ||
        account_load(c->db, c->order.account, &c->account, &missing) < 0) {
        c->gone = missing.code == ERR_NOT_FOUND;
        return c->gone ? 0 : context_fail(e, &missing);
    }
    if (authority_load(c->db, c->account.authority, &c->authority, e) < 0)
        return -1;
    return authorization_list(c->db, c->order.id, &c->authorizations, &c->authorization_count, e);
}

static bool may_be_pending(const struct authorization *a)
{
    return a->step != AUTHORIZATION_VALID && a->step != AUTHORIZATION_INVALID &&
           (!a->status || !strcmp(a->status, "pending"));
}

/* The next one that may be pending and is nobody else's, from *i on; *i the count: there is none.
 */
static int find(const struct step_context *c, size_t *i, struct err *e)
{
    for (bool shared; *i < c->authorization_count; ++*i) {
        if (!may_be_pending(&c->authorizations[*i]))
            continue;
        if (authorization_is_shared(c->db, &c->authorizations[*i], &shared, e) < 0)
            return -1;
        if (!shared)
            break;
    }
    return 0;
}

/* A new job for the certificate may be handed the very authorizations of this order: CAs reuse. */
static int is_wanted_again(const struct step_context *c, bool *wanted, struct err *e)
{
    return job_is_active(c->db, certificate_issue_kind.name, "certificate", c->order.certificate,
                         c->order.certificate_id, wanted, e);
}

static int give_up(struct step_context *c, struct authorization *row, struct err *e)
{
    struct acme_authorization now;
    if (acme_authorization_get(&c->client, row->url, &now, e) < 0)
        return -1;
    bool pending = now.status == ACME_AUTHORIZATION_PENDING;
    if (!pending) {
        issue_set(&row->status, issue_authorization_status_name(now.status));
        issue_set(&row->document, now.document);
    }
    acme_authorization_finish(&now);
    if (pending && acme_authorization_deactivate(&c->client, row->url, e) < 0)
        return -1;
    if (pending)
        issue_set(&row->status, "deactivated");
    return 0;
}

static int run(struct step_context *c, struct err *e)
{
    size_t i = 0;
    bool wanted;
    if (strcmp(c->account.status, "valid") != 0)
        return step_done(c, "the account is %s", c->account.status);
    if (is_wanted_again(c, &wanted, e) < 0 || find(c, &i, e) < 0)
        return -1;
    if (wanted)
        return step_done(c, "a new order is on its way: it may need them");
    if (i == c->authorization_count)
        return step_done(c, "nothing is left pending");
    struct authorization *row = &c->authorizations[i];
    if (context_client(c, e) < 0 || give_up(c, row, e) < 0)
        return -1;
    step_mark_authorization(c, i);
    return step_next(c, NULL, "%s%s: %s", row->wildcard ? "*." : "",
                     row->identifier_value ? row->identifier_value : row->url, row->status);
}

static int end(struct store_tx *tx, struct step_context *c, enum job_state state, const char *error,
               struct err *e)
{
    (void)tx, (void)c, (void)state, (void)error, (void)e;
    return 0;
}

static const struct step steps[] = {
    {"deactivate", run, lane_of_authority, false, {NULL}},
};

const struct job_kind authorization_deactivate_kind = {
    .name = "authorization.deactivate",
    .steps = steps,
    .step_count = 1,
    .load = load,
    .end = end,
};

int authorization_deactivate_again(struct store_tx *tx, const char *id_of_order, char id[ULID_SIZE],
                                   bool *existing, struct err *e)
{
    struct order order;
    char lane[LANE_NAME_SIZE];
    if (order_load(store_tx_db(tx), id_of_order, &order, e) < 0)
        return -1;
    lane_name_of_authority(order.authority, lane);
    order_finish(&order);
    struct job_new job = {
        .kind = authorization_deactivate_kind.name,
        .step = "deactivate",
        .lane = lane,
        .due_at = store_tx_now(tx),
        .resource_type = "order",
        .resource_name = id_of_order,
        .deadline_at = store_tx_now(tx) + CLOCK_HOUR_MS,
        .exclusive = true,
    };
    return job_insert(tx, &job, id, existing, e);
}

static int plan_order(void *context, const char *order, struct err *e)
{
    char id[ULID_SIZE];
    bool existing;
    return authorization_deactivate_again(context, order, id, &existing, e);
}

int authorization_deactivate_plan(struct store_tx *tx, const char *job, struct err *e)
{
    return authorization_pending_orders(store_tx_db(tx), job, plan_order, tx, e);
}
