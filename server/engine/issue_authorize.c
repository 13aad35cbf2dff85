/* What the CA asks for each name, and who is to answer it. */
#include "acme/base/memory.h"
#include "acme/challenge.h"
#include "server/engine/engine_private.h"
#include "server/engine/issue.h"
#include "store/solver.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { AUTHORIZATIONS_A_STEP = 16 };

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
