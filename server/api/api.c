#include "server/api/api.h"

#include "acme/base/memory.h"
#include "server/access/identity.h"
#include "server/access/principal.h"
#include "server/access/scope.h"
#include "server/api/api_private.h"
#include "server/api/check.h"
#include "server/api/fields.h"
#include "server/api/rights.h"
#include "server/api/spec_common.h"
#include "server/api/token_set.h"
#include "server/http/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct http_route *const api_routes[] = {
    authorities_routes,
    accounts_routes,
    account_actions_routes,
    certificates_routes,
    certificate_files_routes,
    certificate_pkcs12_routes,
    certificate_actions_routes,
    imports_routes,
    revocations_routes,
    preflight_routes,
    credentials_routes,
    solvers_routes,
    targets_routes,
    orders_routes,
    jobs_routes,
    tokens_routes,
    audit_routes,
    rekey_routes,
    events_routes,
    service_routes,
    NULL,
};

static void read_default_key(const struct members *m, struct api_defaults *out)
{
    struct spec_key key;
    struct members members;
    spec_key_read(m, NULL, &key, &members);
    if (members_has(&members, "pem"))
        members_wrong(&members, "pem", "must not be a default: keys are not shared");
    out->key_type = key.type;
    spec_key_finish(&key);
}

int api_defaults_read(struct json_object *json, struct fields *errors, struct api_defaults *out)
{
    static const char *const names[] = {"account", "key", "targets", "renew", NULL};
    struct api_defaults defaults = {.key_type = KEY_EC_P256,
                                    .renew = {.enabled = true, .use_ari = true}};
    size_t before = errors->count;
    if (json) {
        struct members m = members_at(json, "/defaults", errors);
        members_only(&m, names);
        defaults.account = mem_strdup(members_checked(&m, "account", MEMBERS_OPTIONAL, check_name));
        read_default_key(&m, &defaults);
        target_items_read(&m, &defaults.targets);
        spec_renew_read(&m, &defaults.renew);
    }
    if (errors->count > before) {
        api_defaults_finish(&defaults);
        return -1;
    }
    *out = defaults;
    return 0;
}

void api_defaults_finish(struct api_defaults *defaults)
{
    free(defaults->account);
    target_items_finish(&defaults->targets);
    *defaults = (struct api_defaults){0};
}

int api_create(const struct api_options *options, struct api **out, struct err *e)
{
    struct db *db;
    struct token_set *tokens;
    if (store_reader(options->store, &db, e) < 0 || token_set_create(db, &tokens, e) < 0)
        return -1;
    struct api *api = mem_new(1, sizeof *api);
    api->options = *options;
    api->tokens = tokens;
    served_init(&api->served);
    refused_init(&api->refused);
    api->news = event_news_create();
    *out = api;
    return 0;
}

void api_destroy(struct api *api)
{
    if (!api)
        return;
    token_set_destroy(api->tokens);
    served_finish(&api->served);
    refused_finish(&api->refused);
    event_news_destroy(api->news);
    free(api);
}

void api_set_ready(struct api *api, bool ready)
{
    atomic_store(&api->ready, ready);
}

/* On a Unix socket, our own user and root could read the database anyway; whom the config names in
   an identity has what that grants. */
static int authenticate_peer(const struct http_caller *caller, struct principal *principal,
                             struct err *e)
{
    bool is_own = !caller->address && (caller->uid == 0 || caller->uid == geteuid());
    if (!is_own && !caller->identity)
        return err_set(e, ERR_UNAUTHENTICATED, "This request carries no token.");
    if (caller->address)
        snprintf(principal->name, sizeof principal->name, "cert:%s", caller->identity->name);
    else
        snprintf(principal->name, sizeof principal->name, "uid:%lld", (long long)caller->uid);
    principal->scopes = is_own ? SCOPE_ALL : caller->identity->scopes;
    return 0;
}

int api_authenticate(void *context, const struct http_caller *caller, struct principal *principal,
                     struct err *e)
{
    const struct api *api = context;
    if (!caller->token)
        return authenticate_peer(caller, principal, e);
    return token_set_admit(api->tokens, api->options.store, caller, principal, e);
}

int api_permit(void *context, const struct http_exchange *x, struct err *e)
{
    const struct api *api = context;
    struct db *db;
    if (!rights_are_narrow(x))
        return 0;
    return store_reader(api->options.store, &db, e) < 0 ? -1 : rights_permit(db, x, e);
}

void api_served(void *context, const struct http_served *request)
{
    struct api *api = context;
    served_add(&api->served, request->method, request->route, request->status,
               request->duration_ms);
    refused_add(&api->refused, request);
}

void api_tend(struct api *api, bool is_end)
{
    refused_write(&api->refused, api->options.store, is_end);
}
