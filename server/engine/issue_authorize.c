/* What the CA asks for each name, and who is to answer it. */
#include "acme/base/buffer.h"
#include "acme/base/memory.h"
#include "acme/challenge.h"
#include "acme/json.h"
#include "server/engine/engine_private.h"
#include "server/engine/issue.h"
#include "server/engine/responders.h"
#include "store/solver.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { AUTHORIZATIONS_A_STEP = 16 };

static const char *const challenge_types[] = {"http-01", "tls-alpn-01", "dns-01", "dns-account-01",
                                              "dns-persist-01"};

/* The constant of that name; NULL if it is none of ours. */
static const char *known_type(const char *name)
{
    for (size_t i = 0; name && i < sizeof challenge_types / sizeof *challenge_types; i++)
        if (!strcmp(challenge_types[i], name))
            return challenge_types[i];
    return NULL;
}

static const struct acme_challenge *offered(const struct acme_authorization *a, const char *type)
{
    bool has_token = strcmp(type, "dns-persist-01") != 0;
    for (size_t i = 0; i < a->challenge_count; i++)
        if (!strcmp(a->challenges[i].type, type) && (a->challenges[i].token || !has_token))
            return &a->challenges[i];
    return NULL;
}

/* Answered by ourselves: over HTTP, unless the CA looks by TLS alone and we listen for that. */
static void choose_responder(struct step_context *c, const struct acme_authorization *a,
                             struct issue_choice *choice)
{
    bool tls = !offered(a, "http-01") && offered(a, "tls-alpn-01") && c->engine->options.tls_alpn01;
    choice->type = tls ? "tls-alpn-01" : "http-01";
    choice->solver = mem_strdup(choice->type);
}

/* What a solver does; dns_type is what its records are for. */
static void choose_of_solver(const struct solver *solver, const char *dns_type,
                             struct issue_choice *choice)
{
    choice->type = responders_do(solver->type) ? known_type(solver->type) : dns_type;
    choice->solver = mem_strdup(solver->name);
}

/* By the longest matching zone. dns_type NULL: of any kind, and where no solver has a zone a
   responder of ours if the name can do with that. */
static int choose_by_zone(struct step_context *c, const struct acme_authorization *a,
                          const char *dns_type, struct issue_choice *choice, struct err *e)
{
    struct solver solver;
    bool needs_records = dns_type || a->wildcard;
    bool found = strcmp(a->identifier_type, "ip") != 0 &&
                 solver_for_name(c->db, a->identifier_value, needs_records, &solver, e) == 0;
    if (!found && strcmp(a->identifier_type, "ip") != 0 && e->code != ERR_SOLVER_MISSING)
        return -1;
    if (found) {
        choose_of_solver(&solver, dns_type ? dns_type : "dns-01", choice);
        solver_finish(&solver);
        return 0;
    }
    if (dns_type && !strcmp(dns_type, "dns-persist-01")) {
        choice->type = dns_type;
        return 0;
    }
    if (needs_records)
        return err_set(e, ERR_SOLVER_MISSING, "%s%s needs %s, and no solver's zones hold it.",
                       a->wildcard ? "*." : "", a->identifier_value,
                       dns_type ? dns_type : "dns-01 (RFC 8555 section 8.4)");
    choose_responder(c, a, choice);
    return 0;
}

int issue_choose(struct step_context *c, const struct acme_authorization *a,
                 struct issue_choice *choice, struct err *e)
{
    struct json_object *wish =
        c->certificate.challenge ? json_tokener_parse(c->certificate.challenge) : NULL;
    const char *type = known_type(json_text_of(wish, "type"));
    const char *name = json_text_of(wish, "solver");
    int rc = 0;
    if (name) {
        struct solver solver;
        rc = solver_load(c->db, name, &solver, e);
        if (rc == 0) {
            choose_of_solver(&solver, type ? type : "dns-01", choice);
            solver_finish(&solver);
        }
    } else if (responders_do(type)) {
        choice->type = type;
        choice->solver = mem_strdup(type);
    } else {
        rc = choose_by_zone(c, a, type, choice, e);
    }
    json_object_put(wish);
    return rc;
}

static void choose_record(struct step_context *c, struct authorization *row,
                          const struct acme_authorization *a, const char *key_authorization)
{
    char name[CHALLENGE_DNS_ACCOUNT01_NAME_SIZE], value[CHALLENGE_DNS01_VALUE_SIZE];
    if (!strcmp(row->challenge_type, "dns-account-01"))
        challenge_dns_account01_name(c->account.url, a->identifier_value, name);
    else
        challenge_dns01_name(a->identifier_value, name);
    challenge_dns01_value(key_authorization, value);
    issue_set(&row->record_name, name);
    issue_set(&row->record_value, value);
}

/* Of the CA's words none but those that are known. */
static int refuse_offer(const struct acme_authorization *a, const char *type, struct err *e)
{
    struct buf others = {0};
    for (size_t i = 0; i < sizeof challenge_types / sizeof *challenge_types; i++)
        if (offered(a, challenge_types[i]))
            buf_printf(&others, "%s%s", others.size ? ", " : ", but: ", challenge_types[i]);
    err_set(e, ERR_NO_CHALLENGE, "The CA offers no %s challenge for %s%s%s", type,
            a->wildcard ? "*." : "", a->identifier_value, others.size ? buf_string(&others) : ".");
    buf_finish(&others);
    return -1;
}

static int take_challenge(struct step_context *c, struct authorization *row,
                          const struct acme_authorization *a, const struct issue_choice *choice,
                          struct err *e)
{
    const struct acme_challenge *challenge = offered(a, choice->type);
    char *key_authorization = NULL;
    if (!challenge)
        return refuse_offer(a, choice->type, e);
    issue_set(&row->challenge_type, choice->type);
    issue_set(&row->challenge_url, challenge->url);
    issue_set(&row->solver, choice->solver);
    if (issue_is_persist(row)) {
        if (issue_persist_choose(c, row, a, challenge, e) < 0)
            return -1;
    } else {
        if (challenge_key_authorization(challenge->token, c->account_key, &key_authorization, e) <
            0)
            return -1;
        issue_set(&row->token, challenge->token);
        if (!responders_do(choice->type))
            choose_record(c, row, a, key_authorization);
    }
    free(row->key_authorization);
    row->key_authorization = key_authorization;
    row->step = AUTHORIZATION_CHOSEN;
    return 0;
}

const char *issue_authorization_status_name(enum acme_authorization_status status)
{
    static const char *const names[] = {"pending",     "valid",   "invalid",
                                        "deactivated", "expired", "revoked"};
    return names[status];
}

static void describe(struct authorization *row, const struct acme_authorization *a)
{
    issue_set(&row->status, issue_authorization_status_name(a->status));
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
    struct issue_choice choice = {0};
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
        rc = issue_choose(c, &answer, &choice, e);
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
