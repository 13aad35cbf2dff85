/* What an issue does about an error, beyond waiting (remedy.h). */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/json.h"
#include "server/engine/account_recovery.h"
#include "server/engine/cleanup.h"
#include "server/engine/engine_private.h"
#include "server/engine/issue.h"
#include "server/engine/retry.h"
#include "store/failure.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* A job places no more than so many: what a fourth one would change is for a person to say. */
enum { ORDERS_MAX = 4 };

static void show(struct step_context *c, const struct err *e)
{
    free(c->shown);
    c->shown = failure_write(e, &c->client.problem);
}

/* ---- another order ---- */

static int save_order(struct store_tx *tx, struct step_context *c, struct err *e)
{
    struct order order = {
        .job = c->job.id,
        .certificate_id = c->certificate.id,
        .certificate = c->certificate.name,
        .version = c->order.version,
        .account = c->account.name,
        .authority = c->authority.name,
        .status = (char[]){"new"},
    };
    if (cleanup_plan(tx, c, "order", c->order.id, e) < 0)
        return -1;
    return order_insert(tx, &order, e);
}

int issue_order_again(struct step_context *c, const char *reason)
{
    context_discard(c);
    c->save = save_order;
    return step_next(c, "order", "%s: another order", reason);
}

/* Whether there may be one more; *count tells how many there are. */
static int may_order(struct step_context *c, bool *may, int64_t *count, struct err *e)
{
    if (order_count_of_job(c->db, c->job.id, count, e) < 0)
        return -1;
    *may = c->order.url && step_may_follow(c->step, "order") && *count < ORDERS_MAX;
    return 0;
}

static int new_order(struct step_context *c, int64_t delay_ms, struct err *e)
{
    struct err trouble;
    int64_t count;
    bool may;
    if (may_order(c, &may, &count, &trouble) < 0)
        return context_fail(e, &trouble);
    if (!may)
        return -1;
    if (!delay_ms)
        return issue_order_again(c, e->detail);
    context_discard(c);
    c->save = save_order;
    show(c, e);
    return step_wait(c, "order", c->now + delay_ms, "%s: another order", e->detail);
}

/* A certificate that is not there yet may be on its way to the server that was asked. */
static int vanished(struct step_context *c, struct err *e)
{
    int64_t age = c->now - c->order.updated_at;
    if (strcmp(c->step->name, "download") != 0 || age > 10 * CLOCK_MINUTE_MS)
        return new_order(c, 0, e);
    show(c, e);
    return step_wait(c, NULL, c->now + 2 * CLOCK_SECOND_MS + age / 2, "%s", e->detail);
}

static bool is_dead(const struct step_context *c)
{
    return (c->order.status && !strcmp(c->order.status, "invalid")) ||
           issue_find(c, AUTHORIZATION_INVALID, 0) >= 0;
}

/* What would pass with time, had it not taken the order with it. */
static int again_when_dead(struct step_context *c, struct err *e)
{
    struct err trouble;
    int64_t count, left = context_left_ms(c, c->now);
    bool may;
    if (!is_dead(c))
        return -1;
    if (may_order(c, &may, &count, &trouble) < 0)
        return context_fail(e, &trouble);
    struct retry retry = retry_decide(e, count - 1, left, context_patience_ms(c));
    if (!may || !retry.again || retry.person) {
        e->code = ERR_ORDER_INVALID;
        return -1;
    }
    return new_order(c, retry.delay_ms, e);
}

/* ---- the order's own word ---- */

enum { PENDING_POLLS = 3 };

/* With e->http_status 0 it has been followed already: all is proven, and yet it is pending. */
static int follow(struct step_context *c, struct err *e)
{
    if (strcmp(c->step->name, "finalize") != 0 && strcmp(c->step->name, "collect") != 0)
        return -1;
    if (e->http_status)
        return issue_observe(c, e);
    return c->job.error && c->job.attempt >= PENDING_POLLS ? new_order(c, 0, e) : -1;
}

/* ---- another CSR ---- */

static int new_csr(struct step_context *c, struct err *e)
{
    struct err trouble;
    size_t before;
    if (strcmp(c->step->name, "finalize") != 0 || !issue_makes_key(c))
        return -1;
    if (context_events(c, "rekey", &before, &trouble) < 0)
        return context_fail(e, &trouble);
    return before ? -1 : step_next(c, "rekey", "the CSR is refused: %s", e->detail);
}

/* ---- the account is not there ---- */

static int save_registration(struct store_tx *tx, struct step_context *c, struct err *e)
{
    if (account_recovery_save(tx, c, e) < 0)
        return -1;
    return c->order.url ? save_order(tx, c, e) : 0;
}

static int register_again(struct step_context *c, struct err *e)
{
    return step_may_follow(c->step, "order") ? account_recover(c, "order", save_registration, e)
                                             : -1;
}

/* ---- the profiles ---- */

static void add_profiles(const char *document, struct err *e)
{
    struct json_object *json = json_tokener_parse(document), *meta, *profiles;
    struct buf names = {0};
    if (json_object_object_get_ex(json, "meta", &meta) &&
        json_object_object_get_ex(meta, "profiles", &profiles) &&
        json_object_is_type(profiles, json_type_object)) {
        json_object_object_foreach(profiles, name, description)
        {
            (void)description;
            if (names.size < ERR_DETAIL_MAX)
                buf_printf(&names, "%s%s", names.size ? ", " : "", name);
        }
    }
    struct err told = *e;
    err_set(e, told.code, "%s The CA has %s%s.", told.detail,
            names.size ? "these profiles: " : "no profiles", names.size ? names.data : "");
    e->http_status = told.http_status;
    buf_finish(&names);
    json_object_put(json);
}

/* The CA's answer stays the job's error, whatever comes of the question. */
static int list_profiles(struct step_context *c, struct err *e)
{
    struct acme_directory directory;
    struct err ignored;
    if (acme_directory_fetch(c->client.http, c->authority.directory_url, &directory, &ignored) < 0)
        return -1;
    if (acme_ca_set_directory(c->client.ca, directory.document, &ignored) == 0) {
        free(c->directory);
        c->directory = mem_strdup(directory.document);
        add_profiles(directory.document, e);
    }
    acme_directory_finish(&directory);
    return -1;
}

/* ---- the CAA records (RFC 8659, RFC 8657) ---- */

static void add_issuers(const char *document, struct buf *out)
{
    enum { ISSUERS_MAX = 4 };
    static const char host[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    struct json_object *json = document ? json_tokener_parse(document) : NULL;
    struct json_object *list = json_array_of(json_object_of(json, "meta"), "caaIdentities");
    size_t count = list ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < count && i < ISSUERS_MAX; i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(list, i));
        if (name && *name && strlen(name) < 254 && !name[strspn(name, host)])
            buf_printf(out, "%s\"%s\"", out->size ? " or " : "", name);
    }
    json_object_put(json);
}

/* A CA that does not say who it is leaves its own words. */
static int name_issuers(struct step_context *c, struct err *e)
{
    struct buf issuers = {0};
    char *document = c->client.ca ? acme_ca_directory_document(c->client.ca) : NULL;
    add_issuers(document, &issuers);
    struct err told = *e;
    if (issuers.size) {
        err_set(
            e, told.code,
            "%.300s (A CAA record \"issue\", or \"issuewild\" for a wildcard, with %s lets this "
            "CA in; with \"; accounturi=%s\" after it, this account alone.)",
            told.detail, issuers.data, c->account.url ? c->account.url : "");
        e->http_status = told.http_status;
        e->retry_after_ms = told.retry_after_ms;
    }
    buf_finish(&issuers);
    free(document);
    return -1;
}

int issue_remedy(struct step_context *c, enum remedy remedy, struct err *e)
{
    switch (remedy) {
    case REMEDY_FOLLOW_ORDER:
        return follow(c, e);
    case REMEDY_NEW_ORDER:
        return vanished(c, e);
    case REMEDY_NEW_CSR:
        return new_csr(c, e);
    case REMEDY_REGISTER:
        return register_again(c, e);
    case REMEDY_LIST_PROFILES:
        return list_profiles(c, e);
    case REMEDY_NAME_ISSUERS:
        return name_issuers(c, e);
    case REMEDY_BACK_OFF:
    case REMEDY_WAIT:
        return again_when_dead(c, e);
    default:
        return -1;
    }
}
