/* The order, and the list of what it wants proven. */
#include "acme/base/memory.h"
#include "server/engine/account_job.h"
#include "server/engine/engine_private.h"
#include "server/engine/issue.h"
#include "server/engine/retry.h"

#include <stdlib.h>
#include <string.h>

static const char *order_status_name(enum acme_order_status status)
{
    static const char *const names[] = {"pending", "ready", "processing", "valid", "invalid"};
    return names[status];
}

void issue_take_order(struct step_context *c, const struct acme_order *order)
{
    if (order->url)
        issue_set(&c->order.url, order->url);
    issue_set(&c->order.status, order_status_name(order->status));
    issue_set(&c->order.document, order->document);
    if (order->finalize)
        issue_set(&c->order.finalize_url, order->finalize);
    if (order->certificate)
        issue_set(&c->order.certificate_url, order->certificate);
    if (order->expires_ms)
        c->order.expires_at = order->expires_ms;
    c->order_changed = true;
}

/* One row for each authorization; what the CA's list holds beyond our cap is no order of ours. */
static int list_authorizations(struct step_context *c, const struct acme_order *order,
                               struct err *e)
{
    size_t n = order->authorization_count;
    if (!n || n > IDENTIFIER_MAX_COUNT)
        return err_set(e, ERR_CA_PROTOCOL, "The CA's order lists %zu authorizations.", n);
    c->authorizations = mem_new(n, sizeof *c->authorizations);
    c->authorization_count = n;
    for (size_t i = 0; i < n; i++) {
        struct authorization *a = &c->authorizations[i];
        memcpy(a->order, c->order.id, ULID_SIZE);
        a->index = (int64_t)i;
        a->url = mem_strdup(order->authorizations[i]);
        step_mark_authorization(c, i);
    }
    return 0;
}

int issue_order(struct step_context *c, struct err *e)
{
    struct identifier *ids;
    size_t count;
    bool rolls_over;
    if (c->order.url)
        return step_next(c, "authorize", NULL);
    if (account_rolls_over(c->db, &c->account, &rolls_over, e) < 0)
        return -1;
    if (rolls_over)
        return step_wait(c, NULL, c->now + retry_poll_ms(step_polls(c), 0),
                         step_polls(c) ? NULL : "waits for the account's new key");
    if (context_client(c, e) < 0 ||
        issue_read_identifiers(c->certificate.identifiers, &ids, &count, e) < 0)
        return -1;
    struct acme_order_request request = {
        .ids = ids, .count = count, .profile = c->certificate.profile};
    struct acme_order order;
    int rc = acme_order_new(&c->client, &request, &order, e);
    free(ids);
    if (rc < 0)
        return -1;
    issue_take_order(c, &order);
    rc = list_authorizations(c, &order, e);
    if (rc == 0 && order.status == ACME_ORDER_READY)
        rc = step_next(c, "finalize", "the order is ready: all names are proven already");
    else if (rc == 0)
        rc = step_next(c, "authorize", "ordered: %s", order.url);
    acme_order_finish(&order);
    return rc;
}
