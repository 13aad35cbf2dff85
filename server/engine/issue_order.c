/* The order, and the list of what it wants proven. */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/cert.h"
#include "server/engine/account_job.h"
#include "server/engine/account_recovery.h"
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

/* One row for each authorization; what the CA's list holds beyond our cap is no order of ours. Of
   an order that is ready they are all valid (RFC 8555 section 7.1.6): none is asked for. */
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
        if (order->status == ACME_ORDER_READY)
            a->step = AUTHORIZATION_VALID;
        step_mark_authorization(c, i);
    }
    return 0;
}

/* ---- replaces (RFC 9773 section 5) ---- */

/* The version in use, as the CA knows it, for a CA that has renewal information; NULL: there is
   nothing to replace, or no way to say so. The caller frees. */
static char *find_replaced(struct step_context *c)
{
    struct version version;
    struct err ignored;
    char *id = NULL;
    if (!c->certificate.version || c->certificate.revoked ||
        !acme_ca_has_renewal_info(c->client.ca) ||
        version_load(c->db, c->certificate.id, c->certificate.version, &version, &ignored) < 0)
        return NULL;
    if (cert_renewal_id(version.leaf, strlen(version.leaf), &id, &ignored) < 0)
        id = NULL;
    version_finish(&version);
    return id;
}

/* Whether the CA refused for good, and perhaps only since it is to replace a certificate: that was
   replaced already, is another account's, or not of this CA. A server that fails over it a second
   time may do so for ever: Pebble does where the serial number begins with a zero byte. */
static bool may_be_about_replaces(const struct step_context *c, const struct err *e)
{
    if (remedy_for(e).first == REMEDY_NO_REPLACES)
        return true;
    switch (e->code) {
    case ERR_CA_MALFORMED:
    case ERR_CA_UNAUTHORIZED:
    case ERR_CA_CONFLICT:
    case ERR_CA_OTHER:
        return e->http_status / 100 == 4;
    case ERR_CA_SERVER_INTERNAL:
        return e->http_status == 500 && c->job.error && c->job.attempt > 0;
    default:
        return false;
    }
}

/* refused tells why the order could not be one that replaces; code ERR_NONE: it is, or had not to
   be. */
static int place(struct step_context *c, struct acme_order_request *request,
                 struct acme_order *order, struct err *refused, struct err *e)
{
    char *replaced = find_replaced(c);
    request->replaces = replaced;
    int rc = acme_order_new(&c->client, request, order, e);
    if (rc < 0 && replaced && may_be_about_replaces(c, e)) {
        *refused = *e;
        request->replaces = NULL;
        rc = acme_order_new(&c->client, request, order, e);
    }
    free(replaced);
    return rc;
}

static int follow(struct step_context *c, const struct acme_order *order, const struct err *refused)
{
    if (order->status == ACME_ORDER_READY)
        return step_next(c, "finalize", "the order is ready: all names are proven already");
    if (refused->code == ERR_NONE)
        return step_next(c, "authorize", "ordered: %s", order->url);
    return step_next(c, "authorize", "ordered, not as a replacement (%s): %s", refused->detail,
                     order->url);
}

int issue_order(struct step_context *c, struct err *e)
{
    struct identifier *ids;
    size_t count;
    bool ready, rolls_over;
    if (c->order.url)
        return step_next(c, "authorize", NULL);
    if (account_expect_valid(c, &ready, e) < 0)
        return -1;
    if (!ready)
        return 0;
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
    if (c->certificate.validity_ms)
        request.not_after_ms = context_wall_ms(c) + c->certificate.validity_ms;
    struct acme_order order;
    struct err refused = {.code = ERR_NONE};
    int rc = place(c, &request, &order, &refused, e);
    free(ids);
    if (rc < 0 && e->code == ERR_CA_MALFORMED && request.not_after_ms)
        err_prefix(e, "The CA may take no validity_seconds, as Let's Encrypt takes none: ");
    if (rc < 0)
        return -1;
    issue_take_order(c, &order);
    rc = list_authorizations(c, &order, e);
    if (rc == 0)
        rc = follow(c, &order, &refused);
    acme_order_finish(&order);
    return rc;
}
