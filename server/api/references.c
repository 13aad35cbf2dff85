#include "server/api/references.h"

#include "acme/base/buffer.h"
#include "acme/base/memory.h"
#include "server/api/authority.h"
#include "store/account.h"
#include "store/authority.h"
#include "store/solver.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static int check_account(struct db *db, const char *name, const char *pointer, enum origin origin,
                         struct fields *errors, char **out, struct err *e)
{
    struct account account;
    if (account_load(db, name, &account, e) < 0) {
        if (e->code != ERR_NOT_FOUND)
            return -1;
        fields_add(errors, pointer, "there is no account \"%s\"", name);
        return 0;
    }
    /* The config's certificates tell it by their jobs: the service starts all the same. */
    bool usable = origin == ORIGIN_CONFIG || !strcmp(account.status, "valid") ||
                  !strcmp(account.status, "pending");
    if (usable)
        *out = mem_strdup(name);
    else
        fields_add(errors, pointer, "the account \"%s\" is %s at its authority", name,
                   account.status);
    account_finish(&account);
    return 0;
}

static int only_account_of(struct db *db, const char *authority, enum origin origin,
                           struct fields *errors, char **out, struct err *e)
{
    struct authority row;
    char *names;
    size_t count;
    if (authority_load(db, authority, &row, e) < 0) {
        if (e->code != ERR_NOT_FOUND)
            return -1;
        fields_add(errors, "/authority", "there is no authority \"%s\"", authority);
        return 0;
    }
    authority_finish(&row);
    if (account_names_of(db, authority, &names, &count, e) < 0)
        return -1;
    int rc = 0;
    if (count == 1)
        rc = check_account(db, names, "/authority", origin, errors, out, e);
    else if (count == 0)
        fields_add(errors, "/authority", "there is no account at \"%s\" yet", authority);
    else
        fields_add(errors, "/authority", "there are several accounts, name one as account: %s",
                   names);
    free(names);
    return rc;
}

int references_account(struct db *db, const char *account, const char *authority,
                       const struct api_defaults *defaults, enum origin origin,
                       struct fields *errors, char **name, struct err *e)
{
    *name = NULL;
    if (account)
        return check_account(db, account, "/account", origin, errors, name, e);
    if (authority)
        return only_account_of(db, authority, origin, errors, name, e);
    if (defaults->account) {
        int rc = check_account(db, defaults->account, "/account", origin, errors, name, e);
        if (rc == 0 && !*name)
            fields_add(errors, "/account", "was not given, so that it is the config's default");
        return rc;
    }
    fields_add(errors, "/account", "is required (or authority): the config has no default account");
    return 0;
}

/* profiles: those there are; NULL: none. */
static void check_profile(struct json_object *profiles, const char *profile, const char *authority,
                          struct fields *errors)
{
    struct buf names = {0};
    if (!profiles) {
        fields_add(errors, "/profile", "the authority \"%s\" has no profiles", authority);
        return;
    }
    if (json_object_object_get_ex(profiles, profile, NULL))
        return;
    json_object_object_foreach(profiles, name, description)
    {
        (void)description;
        buf_printf(&names, "%s%.128s", names.size ? ", " : "", name);
    }
    fields_add(errors, "/profile", "the authority \"%s\" has no such profile, but: %s", authority,
               buf_string(&names));
    buf_finish(&names);
}

int references_profile(struct db *db, const char *account, const char *profile,
                       struct fields *errors, struct err *e)
{
    struct account row;
    struct authority authority;
    if (account_load(db, account, &row, e) < 0)
        return -1;
    int rc = authority_load(db, row.authority, &authority, e);
    account_finish(&row);
    if (rc < 0)
        return -1;
    if (authority.directory) {
        struct json_object *profiles = authority_profiles(&authority);
        check_profile(profiles, profile, authority.name, errors);
        json_object_put(profiles);
    }
    authority_finish(&authority);
    return 0;
}

/* What a solver of that type answers by itself; NULL if it places records. */
static const char *own_challenge(const char *solver_type)
{
    static const char *const types[] = {"http-01", "tls-alpn-01"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i], solver_type))
            return types[i];
    return NULL;
}

void references_listener(const char *challenge_type, const struct api_defaults *defaults,
                         const char *pointer, struct fields *errors)
{
    if (!strcmp(challenge_type, "tls-alpn-01") && !defaults->answers_tls_alpn01)
        fields_add(errors, pointer,
                   "tls-alpn-01 needs a listener: the config has no tls_alpn01_listen");
}

int references_solver(struct db *db, const char *solver, const char *challenge_type,
                      const struct api_defaults *defaults, struct fields *errors, struct err *e)
{
    static const char pointer[] = "/challenge/solver";
    struct solver row;
    if (solver_load(db, solver, &row, e) < 0) {
        if (e->code != ERR_NOT_FOUND)
            return -1;
        fields_add(errors, pointer, "there is no solver \"%s\"", solver);
        return 0;
    }
    const char *own = own_challenge(row.type);
    bool wants_own = challenge_type && own_challenge(challenge_type);
    if (challenge_type && (own ? strcmp(own, challenge_type) != 0 : wants_own))
        fields_add(errors, pointer, "the solver \"%s\" does %s", solver,
                   own ? own : "dns-01 and its like");
    else if (own)
        references_listener(own, defaults, pointer, errors);
    solver_finish(&row);
    return 0;
}

int references_zone(struct db *db, const struct identifier *id, bool needs_dns, const char *pointer,
                    struct fields *errors, struct err *e)
{
    struct solver row;
    if (id->type != IDENTIFIER_DNS || (!needs_dns && !identifier_is_wildcard(id)))
        return 0;
    if (solver_for_name(db, identifier_base(id), true, &row, e) == 0) {
        solver_finish(&row);
        return 0;
    }
    if (e->code != ERR_SOLVER_MISSING)
        return -1;
    fields_add(errors, pointer, "%s needs dns-01, and no solver for that has a zone that holds it",
               id->value);
    return 0;
}
