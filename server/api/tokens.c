/* /tokens */
#include "acme/base/memory.h"
#include "server/access/grant.h"
#include "server/access/principal.h"
#include "server/access/scope.h"
#include "server/access/secret.h"
#include "server/api/audit.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/api/named.h"
#include "server/api/show.h"
#include "server/api/spec_token.h"
#include "server/api/token_set.h"

#include <json-c/json.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static struct json_object *token_show(const struct token *token)
{
    static const char *const names[] = {"identifiers", "labels", "addresses", NULL};
    struct json_object *json = json_object_new_object();
    struct json_object *restrictions = show_stored(token->restrictions);
    show_add_text(json, "name", token->name);
    json_object_object_add(json, "scopes", show_stored(token->scopes));
    for (size_t i = 0; names[i]; i++)
        json_object_object_add(json, names[i],
                               json_object_get(json_object_object_get(restrictions, names[i])));
    show_add_time(json, "not_before", token->not_before);
    show_add_time(json, "expires_at", token->expires_at);
    show_add_text(json, "created_by", token->created_by);
    show_add_time(json, "created_at", token->created_at);
    show_add_time(json, "last_used_at", token->last_used_at);
    json_object_put(restrictions);
    return json;
}

/* ---- reading ---- */

static int load_row(struct db *db, const char *name, void *row, struct err *e)
{
    return token_load(db, name, row, e);
}

static int list_rows(struct db *db, const char *after, size_t limit, void *rows, size_t *count,
                     struct err *e)
{
    return token_page(db, after, limit, rows, count, e);
}

static struct json_object *show_row(const void *row)
{
    return token_show(row);
}

static char *key_of(const void *row)
{
    const struct token *token = row;
    return mem_strdup(token->name);
}

static void finish_row(void *row)
{
    token_finish(row);
}

static const struct named tokens = {
    .what = "token",
    .path = "/tokens",
    .row_size = sizeof(struct token),
    .load = load_row,
    .list = list_rows,
    .show = show_row,
    .key = key_of,
    .finish = finish_row,
};

static void list(struct http_exchange *x, void *context)
{
    named_list(context, x, &tokens);
}

static void get(struct http_exchange *x, void *context)
{
    named_get(context, x, &tokens);
}

/* ---- POST ---- */

struct new_token {
    struct spec_token spec;
    char secret[SECRET_SIZE];
    unsigned char hash[SECRET_HASH_SIZE];
};

static void destroy_new(void *spec)
{
    struct new_token *token = spec;
    spec_token_finish(&token->spec);
    OPENSSL_cleanse(token, sizeof *token);
    free(token);
}

/* Who makes a token gives of what it has itself, or it would be no limit to it. */
static int check_own(const struct http_exchange *x, const struct spec_token *spec, struct err *e)
{
    const struct principal *who = http_rights(x);
    struct buf missing = {0};
    int rc = 0;
    scope_list(spec->scopes & ~who->scopes, &missing);
    if (missing.size > 0)
        rc = err_set(e, ERR_FORBIDDEN, "%s cannot give scopes that it has not itself: %s.",
                     who->name, buf_string(&missing));
    else if (!grant_covers(who->grant, spec->grant))
        rc = err_set(e, ERR_FORBIDDEN,
                     "%s cannot make a token for other addresses or another time than its own.",
                     who->name);
    buf_finish(&missing);
    return rc;
}

/* The token by which the call comes; NULL: it comes by no token. */
static const char *maker_of(const struct call *call)
{
    static const char scheme[] = "token:";
    const char *principal = http_principal(call->x);
    bool is_token = !strncmp(principal, scheme, sizeof scheme - 1);
    return is_token ? principal + sizeof scheme - 1 : NULL;
}

/* The end of the maker may lie in the very same commit, before this: it reaches those who were let
   in after that only. */
static int check_maker(const struct call *call, struct db *db, struct err *e)
{
    const char *maker = maker_of(call);
    struct token row;
    if (!maker)
        return 0;
    bool is_there = token_load(db, maker, &row, e) == 0;
    if (!is_there && e->code != ERR_NOT_FOUND)
        return -1;
    if (is_there) {
        is_there = token_set_gave(call->api->tokens, row.hash, http_rights(call->x)->grant);
        token_finish(&row);
    }
    return is_there ? 0 : err_set(e, ERR_UNAUTHENTICATED, "This token was revoked.");
}

static int apply_post(struct call *call, struct store_tx *tx, struct err *e)
{
    const struct new_token *token = call->spec;
    const struct spec_token *spec = &token->spec;
    struct token row = {
        .name = spec->name,
        .scopes = spec->scope_names,
        .restrictions = spec->restrictions,
        .not_before = spec->not_before,
        .expires_at = spec->expires_at,
        .created_by = (char *)http_principal(call->x),
        .made_by = (char *)maker_of(call),
    };
    memcpy(row.hash, token->hash, sizeof row.hash);
    struct token stored;
    if (check_maker(call, store_tx_db(tx), e) < 0 || token_insert(tx, &row, e) < 0 ||
        token_load(store_tx_db(tx), row.name, &stored, e) < 0)
        return -1;
    struct json_object *json = token_show(&stored);
    show_add_text(json, "token", token->secret);
    call_answer(call, 201, json);
    call->out.is_secret = true;
    call->out.location = mem_printf("/tokens/%s", row.name);
    token_finish(&stored);
    return 0;
}

static void add_to_set(struct call *call)
{
    const struct new_token *token = call->spec;
    token_set_add(call->api->tokens, token->spec.name, token->hash, token->spec.scopes,
                  token->spec.grant);
}

/* The spec of the body, with every complaint; NULL: x is answered. */
static struct new_token *read_body(struct http_exchange *x)
{
    struct fields errors = {0};
    struct json_object *body = call_body(x);
    if (!body)
        return NULL;
    struct new_token *token = mem_new(1, sizeof *token);
    spec_token_read(body, &errors, &token->spec);
    body_destroy(body);
    if (!call_refused(x, &errors))
        return token;
    destroy_new(token);
    return NULL;
}

static void post(struct http_exchange *x, void *context)
{
    struct new_token *token = read_body(x);
    struct err e;
    if (!token)
        return;
    if (check_own(x, &token->spec, &e) < 0 || secret_make(token->secret, &e) < 0) {
        destroy_new(token);
        http_respond_error(x, &e, NULL, NULL);
        return;
    }
    secret_hash(token->secret, token->hash);
    call_write_then(context, x, apply_post, add_to_set, token, destroy_new);
}

/* ---- DELETE ---- */

/* Who has less than a token must not end it. */
static int check_ending(const struct http_exchange *x, const struct token *row, struct err *e)
{
    uint32_t scopes;
    struct grant *grant;
    if (!strcmp(row->name, token_admin))
        return err_set(e, ERR_MANAGED,
                       "The admin token is the one in its file: write another one there and "
                       "restart.");
    if (spec_token_restore(row, &scopes, &grant, e) < 0)
        return -1;
    grant_release(grant);
    return http_require(x, scopes, e);
}

/* It, and what ends with it. */
struct ending {
    char **names;
    size_t count;
};

static void reset_ending(struct ending *ending)
{
    token_names_finish(ending->names, ending->count);
    *ending = (struct ending){0};
}

static void destroy_ending(void *spec)
{
    reset_ending(spec);
    free(spec);
}

/* The call itself is told of as any write is. */
static int tell_of_others(const struct call *call, struct store_tx *tx, const struct ending *ending,
                          struct err *e)
{
    int rc = 0;
    for (size_t i = 1; i < ending->count && rc == 0; i++) {
        char *path = mem_printf("/tokens/%s", ending->names[i]);
        rc = audit_note_success(tx, call->x, 204, path, NULL, e);
        free(path);
    }
    return rc;
}

static int apply_delete(struct call *call, struct store_tx *tx, struct err *e)
{
    const char *name = http_param(call->x, "name");
    struct ending *ending = call->spec;
    struct token row;
    reset_ending(ending);
    if (token_load(store_tx_db(tx), name, &row, e) < 0)
        return -1;
    int rc = check_ending(call->x, &row, e);
    token_finish(&row);
    if (rc < 0 || named_check_change(call, store_tx_db(tx), &tokens, true, e) < 0)
        return -1;
    if (token_delete(tx, name, &ending->names, &ending->count, e) < 0)
        return -1;
    return tell_of_others(call, tx, ending, e);
}

static void remove_from_set(struct call *call)
{
    const struct api_options *options = &call->api->options;
    const struct ending *ending = call->spec;
    token_set_remove(call->api->tokens, ending->names, ending->count);
    options->wake(options->wake_context);
}

static void delete(struct http_exchange *x, void *context)
{
    struct ending *ending = mem_new(1, sizeof *ending);
    call_write_then(context, x, apply_delete, remove_from_set, ending, destroy_ending);
}

const struct http_route tokens_routes[] = {
    {HTTP_GET, "/tokens", list, HTTP_ROUTE_QUERY, SCOPE_TOKENS_READ},
    {HTTP_POST, "/tokens", post, 0, SCOPE_TOKENS_WRITE},
    {HTTP_GET, "/tokens/{name}", get, 0, SCOPE_TOKENS_READ},
    {HTTP_DELETE, "/tokens/{name}", delete, 0, SCOPE_TOKENS_WRITE},
    {0},
};
