/* From a ready order to a checked certificate. */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/cert.h"
#include "server/engine/engine_private.h"
#include "server/engine/issue.h"
#include "server/engine/retry.h"
#include "store/failure.h"

#include <stdlib.h>
#include <string.h>

static int order_is_dead(struct step_context *c, const struct acme_order *order, struct err *e)
{
    if (order->error.code != ERR_NONE) {
        *e = order->error;
        acme_problem_finish(&c->client.problem);
        c->client.problem.document = mem_strdup(order->problem.document);
    } else if (order->expires_ms && order->expires_ms <= context_wall_ms(c)) {
        err_set(e, ERR_ORDER_EXPIRED, "The CA's order has expired.");
    } else {
        err_set(e, ERR_ORDER_INVALID, "The CA calls the order invalid, without a reason.");
    }
    free(c->order.error);
    c->order.error = failure_write(e, &c->client.problem);
    return -1;
}

/* Finalize comes before the first look at an order that is processing, collect is one. */
static bool is_look(const struct step_context *c)
{
    return !strcmp(c->step->name, "collect");
}

static int64_t look_again_ms(const struct step_context *c, int64_t retry_after_ms)
{
    int64_t n = is_look(c) ? step_polls(c) + 1 : 0;
    return polls_wait_ms(&c->ca->issuance, n, retry_after_ms);
}

int issue_follow_order(struct step_context *c, const struct acme_order *order, struct err *e)
{
    issue_take_order(c, order);
    switch (order->status) {
    case ACME_ORDER_VALID:
        if (!c->order.certificate_url)
            return err_set(e, ERR_CA_PROTOCOL, "The CA's valid order has no certificate URL.");
        if (is_look(c) && !c->job.error)
            polls_learn(&c->ca->issuance, step_polls(c));
        return step_next(c, "download", "the certificate is issued");
    case ACME_ORDER_PROCESSING:
        return step_wait(c, "collect", c->now + look_again_ms(c, order->retry_after_ms), NULL);
    case ACME_ORDER_READY:
        return step_wait(c, "finalize",
                         c->now + retry_poll_ms(step_polls(c), order->retry_after_ms), NULL);
    case ACME_ORDER_PENDING:
        return err_set(e, ERR_CA_ORDER_NOT_READY,
                       "All authorizations are valid, but the CA keeps the order pending.");
    case ACME_ORDER_INVALID:
    default:
        return order_is_dead(c, order, e);
    }
}

int issue_observe(struct step_context *c, struct err *e)
{
    struct acme_order order;
    if (acme_order_get(&c->client, c->order.url, &order, e) < 0)
        return -1;
    int rc = issue_follow_order(c, &order, e);
    acme_order_finish(&order);
    return rc;
}

static int send_csr(struct step_context *c, struct err *e)
{
    struct version version;
    struct acme_order order;
    if (version_load(c->db, c->certificate.id, c->order.version, &version, e) < 0)
        return -1;
    int rc = acme_order_finalize(&c->client, c->order.finalize_url, c->order.url, version.csr,
                                 version.csr_size, &order, e);
    version_finish(&version);
    if (rc < 0)
        return -1;
    rc = issue_follow_order(c, &order, e);
    acme_order_finish(&order);
    return rc;
}

int issue_finalize(struct step_context *c, struct err *e)
{
    if (context_client(c, e) < 0)
        return -1;
    if (c->resumed) {
        struct acme_order order;
        if (acme_order_get(&c->client, c->order.url, &order, e) < 0)
            return -1;
        bool waits_for_csr = order.status == ACME_ORDER_READY;
        int rc = waits_for_csr ? 0 : issue_follow_order(c, &order, e);
        acme_order_finish(&order);
        if (!waits_for_csr)
            return rc;
    }
    /* Refused as not ready, the order's own status tells why: issue_remedy.c follows it. */
    return send_csr(c, e);
}

int issue_collect(struct step_context *c, struct err *e)
{
    if (context_client(c, e) < 0)
        return -1;
    return issue_observe(c, e);
}

/* ---- download ---- */

struct issued {
    struct buf leaf;
    struct buf chain;
    struct cert_info info;
};

static void issued_free(void *saved)
{
    struct issued *issued = saved;
    if (!issued)
        return;
    buf_finish(&issued->leaf);
    buf_finish(&issued->chain);
    cert_info_finish(&issued->info);
    free(issued);
}

static int save_issued(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct issued *issued = c->saved;
    struct version_issued version = {
        .leaf = buf_string(&issued->leaf),
        .chain = buf_string(&issued->chain),
        .serial = issued->info.serial,
        .issuer = issued->info.issuer,
        .not_before = issued->info.not_before_ms,
        .not_after = issued->info.not_after_ms,
    };
    return version_issue(tx, c->certificate.id, c->order.version, &version, e);
}

/* What counts is what was ordered: the CSR's key, the row's names. */
static int check(struct step_context *c, const struct cert_info *info, struct err *e)
{
    struct version version;
    if (version_load(c->db, c->certificate.id, c->order.version, &version, e) < 0)
        return -1;
    struct identifier *ids;
    size_t count;
    int rc = issue_read_identifiers(c->certificate.identifiers, &ids, &count, e);
    if (rc == 0) {
        rc = cert_check(info, version.spki_sha256, ids, count, clock_wall_ms(), e);
        /* Either clock may be the wrong one, the Date of the CA's web server too. */
        if (rc < 0 && e->code == ERR_CERT_VALIDITY)
            rc = cert_check(info, version.spki_sha256, ids, count, context_wall_ms(c), e);
        free(ids);
    }
    version_finish(&version);
    return rc;
}

/* What a person should know of a chain that is good enough. */
static void tell_flaws(const struct step_context *c, const struct issued *issued, struct buf *out)
{
    const char *wanted = c->certificate.preferred_chain;
    if (issued->info.chain_break)
        buf_printf(out, "; but certificate %d of its chain does not certify the one before it",
                   issued->info.chain_break);
    if (wanted && !cert_chain_has_issuer(buf_string(&issued->leaf), issued->leaf.size, wanted) &&
        !cert_chain_has_issuer(buf_string(&issued->chain), issued->chain.size, wanted))
        buf_printf(out, "; but the CA offers no chain of \"%s\": this is its usual one", wanted);
}

int issue_download(struct step_context *c, struct err *e)
{
    struct buf pem = {0};
    if (context_client(c, e) < 0 ||
        acme_certificate_download(&c->client, c->order.certificate_url,
                                  c->certificate.preferred_chain, &pem, e) < 0)
        return -1;
    struct issued *issued = mem_new(1, sizeof *issued);
    c->saved = issued;
    c->saved_free = issued_free;
    int rc = cert_chain_read(pem.data, pem.size, &issued->leaf, &issued->chain, &issued->info, e);
    buf_finish(&pem);
    if (rc < 0 || check(c, &issued->info, e) < 0)
        return -1;
    c->save = save_issued;
    struct buf flaws = {0};
    tell_flaws(c, issued, &flaws);
    char until[CLOCK_RFC3339_SIZE];
    clock_rfc3339(issued->info.not_after_ms, until);
    rc =
        step_done(c, "valid until %s, serial %s%s", until, issued->info.serial, buf_string(&flaws));
    buf_finish(&flaws);
    return rc;
}
