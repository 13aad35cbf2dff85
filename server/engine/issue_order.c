/* The first steps of an issue: key and CSR; the order; what the CA asks for each name. */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/challenge.h"
#include "acme/csr.h"
#include "server/engine/engine_private.h"
#include "server/engine/issue.h"
#include "server/engine/retry.h"
#include "store/solver.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AUTHORIZATIONS_A_STEP = 16 };

/* ---- prepare ---- */

struct prepared {
    struct key *key; /* NULL: the CSR is the caller's */
    char spki_sha256[KEY_SPKI_SHA256_SIZE];
    enum key_type key_type;
    struct buf csr;
};

static void prepared_free(void *saved)
{
    struct prepared *p = saved;
    if (!p)
        return;
    key_destroy(p->key);
    buf_finish(&p->csr);
    free(p);
}

static bool reuses_key(const struct certificate *certificate)
{
    return certificate->key_reuse && certificate->version &&
           certificate->version_key_type == certificate->key_type;
}

void issue_prepare_lane(const struct step_context *c, char out[LANE_NAME_SIZE])
{
    const struct certificate *wanted = &c->certificate;
    bool makes = !wanted->has_given_csr && !wanted->has_given_key && !reuses_key(wanted);
    snprintf(out, LANE_NAME_SIZE, "%s", makes ? lane_name_for_key(wanted->key_type) : "local");
}

static int choose_key(struct step_context *c, struct key **out, struct err *e)
{
    const struct certificate *wanted = &c->certificate;
    if (wanted->has_given_key)
        return certificate_open_given_key(c->db, wanted->id, out, e);
    if (reuses_key(wanted))
        return version_open_key(c->db, wanted->id, wanted->version, out, e);
    return key_generate(wanted->key_type, out, e);
}

static int take_given_csr(struct step_context *c, struct prepared *p, struct err *e)
{
    struct buf pem = {0}, again = {0};
    struct csr_info info;
    int rc = certificate_given_csr(c->db, c->certificate.id, &p->csr, e);
    if (rc == 0)
        rc = csr_to_pem(p->csr.data, p->csr.size, &pem, e);
    if (rc == 0)
        rc = csr_from_pem(pem.data, pem.size, &again, &info, e);
    if (rc == 0) {
        memcpy(p->spki_sha256, info.spki_sha256, sizeof p->spki_sha256);
        p->key_type = info.key_type;
        csr_info_finish(&info);
    }
    buf_finish(&pem);
    buf_finish(&again);
    return rc;
}

static int make_csr(struct step_context *c, struct prepared *p, struct err *e)
{
    struct identifier *ids;
    size_t count;
    if (choose_key(c, &p->key, e) < 0)
        return -1;
    p->key_type = key_type_of(p->key);
    if (key_spki_sha256(p->key, p->spki_sha256, e) < 0 ||
        issue_read_identifiers(c->certificate.identifiers, &ids, &count, e) < 0)
        return -1;
    int rc = csr_make(p->key, ids, count, c->certificate.email, &p->csr, e);
    free(ids);
    return rc;
}

static int save_prepared(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct prepared *p = c->saved;
    struct order order = {
        .job = c->job.id,
        .certificate_id = c->certificate.id,
        .certificate = c->certificate.name,
        .account = c->account.name,
        .authority = c->authority.name,
        .status = (char[]){"new"},
    };
    if (version_prepare(tx, c->certificate.id, p->key, p->spki_sha256, p->key_type, p->csr.data,
                        p->csr.size, &order.version, e) < 0)
        return -1;
    return order_insert(tx, &order, e);
}

/* The account may be on its way: it was made in the same breath as the certificate. */
static int account_is_ready(struct step_context *c, bool *ready, struct err *e)
{
    const struct account *account = &c->account;
    *ready = account->url && !strcmp(account->status, "valid");
    if (*ready)
        return 0;
    if (account->url)
        return err_set(e, ERR_CA_UNAUTHORIZED,
                       "The account \"%s\" is %s: it orders no certificates any more.",
                       account->name, account->status);
    if (!account->active_job)
        return err_set(e, ERR_CA_ACCOUNT_MISSING,
                       "The account \"%s\" is not registered at its CA; its last_error says why.",
                       account->name);
    return 0;
}

int issue_prepare(struct step_context *c, struct err *e)
{
    bool ready;
    if (account_is_ready(c, &ready, e) < 0)
        return -1;
    if (!ready)
        return step_wait(c, NULL, c->now + retry_poll_ms(step_polls(c), 0),
                         step_polls(c) ? NULL : "waits for the account \"%s\"", c->account.name);
    struct prepared *p = mem_new(1, sizeof *p);
    c->saved = p;
    c->saved_free = prepared_free;
    int rc = c->certificate.has_given_csr ? take_given_csr(c, p, e) : make_csr(c, p, e);
    if (rc < 0)
        return -1;
    c->save = save_prepared;
    return step_next(c, "order",
                     c->certificate.has_given_csr ? "the caller's CSR is taken"
                                                  : "key and CSR are made");
}

/* ---- order ---- */

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
    if (c->order.url)
        return step_next(c, "authorize", NULL);
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

/* ---- authorize ---- */

struct choice {
    const char *type; /* "http-01" or "dns-01" */
    char *solver;
};

static const char *challenge_type_for(const char *solver_type)
{
    return strcmp(solver_type, "http-01") ? "dns-01" : "http-01";
}

static const char *text_member(struct json_object *json, const char *name)
{
    struct json_object *value = NULL;
    return json && json_object_object_get_ex(json, name, &value) ? json_object_get_string(value)
                                                                 : NULL;
}

/* By the longest matching zone; http-01 where no solver has one and the name can do that. */
static int choose_by_zone(struct step_context *c, const struct acme_authorization *a, bool only_dns,
                          struct choice *choice, struct err *e)
{
    struct solver solver;
    bool is_ip = !strcmp(a->identifier_type, "ip");
    if (!is_ip && solver_for_name(c->db, a->identifier_value, &solver, e) == 0) {
        choice->type = challenge_type_for(solver.type);
        choice->solver = mem_strdup(solver.name);
        solver_finish(&solver);
        return 0;
    }
    if (!is_ip && e->code != ERR_SOLVER_MISSING)
        return -1;
    if (a->wildcard || only_dns)
        return err_set(e, ERR_SOLVER_MISSING,
                       "%s%s needs dns-01 (RFC 8555 section 8.4), and no solver's zones hold it.",
                       a->wildcard ? "*." : "", a->identifier_value);
    choice->type = "http-01";
    choice->solver = mem_strdup("http-01");
    return 0;
}

static int choose_solver(struct step_context *c, const struct acme_authorization *a,
                         struct choice *choice, struct err *e)
{
    struct json_object *wish =
        c->certificate.challenge ? json_tokener_parse(c->certificate.challenge) : NULL;
    const char *type = text_member(wish, "type");
    const char *name = text_member(wish, "solver");
    int rc = 0;
    if (name) {
        struct solver solver;
        rc = solver_load(c->db, name, &solver, e);
        if (rc == 0) {
            choice->type = challenge_type_for(solver.type);
            choice->solver = mem_strdup(solver.name);
            solver_finish(&solver);
        }
    } else if (type && !strcmp(type, "http-01")) {
        choice->type = "http-01";
        choice->solver = mem_strdup("http-01");
    } else {
        rc = choose_by_zone(c, a, type != NULL, choice, e);
    }
    json_object_put(wish);
    return rc;
}

static const struct acme_challenge *offered(const struct acme_authorization *a, const char *type)
{
    for (size_t i = 0; i < a->challenge_count; i++)
        if (!strcmp(a->challenges[i].type, type) && a->challenges[i].token)
            return &a->challenges[i];
    return NULL;
}

static int take_challenge(struct step_context *c, struct authorization *row,
                          const struct acme_authorization *a, const struct choice *choice,
                          struct err *e)
{
    const struct acme_challenge *challenge = offered(a, choice->type);
    if (!challenge)
        return err_set(e, ERR_NO_CHALLENGE, "The CA offers no %s challenge for %s%s.", choice->type,
                       a->wildcard ? "*." : "", a->identifier_value);
    char *key_authorization;
    if (challenge_key_authorization(challenge->token, c->account_key, &key_authorization, e) < 0)
        return -1;
    issue_set(&row->challenge_type, choice->type);
    issue_set(&row->challenge_url, challenge->url);
    issue_set(&row->token, challenge->token);
    issue_set(&row->solver, choice->solver);
    if (!strcmp(choice->type, "dns-01")) {
        char name[CHALLENGE_DNS01_NAME_SIZE], value[CHALLENGE_DNS01_VALUE_SIZE];
        challenge_dns01_name(a->identifier_value, name);
        challenge_dns01_value(key_authorization, value);
        issue_set(&row->record_name, name);
        issue_set(&row->record_value, value);
    }
    free(row->key_authorization);
    row->key_authorization = key_authorization;
    row->step = AUTHORIZATION_CHOSEN;
    return 0;
}

static const char *authorization_status_name(enum acme_authorization_status status)
{
    static const char *const names[] = {"pending",     "valid",   "invalid",
                                        "deactivated", "expired", "revoked"};
    return names[status];
}

static void describe(struct authorization *row, const struct acme_authorization *a)
{
    issue_set(&row->status, authorization_status_name(a->status));
    issue_set(&row->document, a->document);
    issue_set(&row->identifier_type, a->identifier_type);
    issue_set(&row->identifier_value, a->identifier_value);
    row->wildcard = a->wildcard;
}

/*
 * What is proven is what was ordered: a CA that names something else would have us change records
 * of its choice. The wildcard's mark is the CA's to set, so only the names are compared.
 */
static int check_ordered(struct step_context *c, const struct acme_authorization *a, struct err *e)
{
    struct identifier asked, *ids;
    struct err ignored;
    size_t count;
    bool found = false;
    if (identifier_parse(a->identifier_value, &asked, &ignored) < 0)
        return err_set(e, ERR_CA_PROTOCOL,
                       "The CA wants something proven that is neither a name nor an address.");
    if (issue_read_identifiers(c->certificate.identifiers, &ids, &count, e) < 0)
        return -1;
    for (size_t i = 0; i < count && !found; i++)
        found = !strcmp(identifier_base(&ids[i]), identifier_base(&asked)) &&
                !strcmp(identifier_type_name(ids[i].type), a->identifier_type);
    free(ids);
    return found ? 0
                 : err_set(e, ERR_CA_PROTOCOL, "The CA wants %s proven, which was not ordered.",
                           asked.value);
}

static int authorize_one(struct step_context *c, size_t i, struct err *e)
{
    struct authorization *row = &c->authorizations[i];
    struct acme_authorization answer;
    struct choice choice = {0};
    if (acme_authorization_get(&c->client, row->url, &answer, e) < 0)
        return -1;
    if (check_ordered(c, &answer, e) < 0) {
        acme_authorization_finish(&answer);
        return -1;
    }
    describe(row, &answer);
    step_mark_authorization(c, i);
    int rc = 0;
    if (answer.status == ACME_AUTHORIZATION_VALID) {
        row->step = AUTHORIZATION_VALID;
    } else if (answer.status != ACME_AUTHORIZATION_PENDING) {
        rc = issue_authorization_failed(c, i, &answer, e);
    } else {
        rc = choose_solver(c, &answer, &choice, e);
        if (rc == 0)
            rc = take_challenge(c, row, &answer, &choice, e);
        free(choice.solver);
    }
    acme_authorization_finish(&answer);
    return rc;
}

int issue_authorize(struct step_context *c, struct err *e)
{
    if (context_client(c, e) < 0)
        return -1;
    ptrdiff_t i = -1;
    for (int n = 0; n < AUTHORIZATIONS_A_STEP; n++) {
        i = issue_find(c, AUTHORIZATION_NEW, 0);
        if (i < 0)
            break;
        if (authorize_one(c, (size_t)i, e) < 0)
            return -1;
    }
    if (issue_find(c, AUTHORIZATION_NEW, 0) >= 0)
        return step_next(c, "authorize", NULL);
    size_t valid = issue_count_from(c, AUTHORIZATION_VALID);
    if (valid == c->authorization_count)
        return step_next(c, "finalize", "all names are proven already");
    return step_next(c, "present", "%zu of %zu names are to be proven",
                     c->authorization_count - valid, c->authorization_count);
}
