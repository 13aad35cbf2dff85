/* /credentials */
#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/api/named.h"
#include "server/api/peek.h"
#include "server/api/resource.h"
#include "server/api/show.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* Whether a JSON array of texts holds one. */
static bool holds(struct json_object *array, const char *text)
{
    for (size_t i = 0; i < json_object_array_length(array); i++)
        if (!strcmp(json_object_get_string(json_object_array_get_idx(array, i)), text))
            return true;
    return false;
}

struct json_object *credential_show(const struct credential *credential)
{
    struct json_object *json = json_object_new_object();
    struct json_object *settings = show_stored(credential->settings);
    struct json_object *set = show_stored(credential->secrets_set);
    show_add_text(json, "name", credential->name);
    show_add_text(json, "type", credential->type);
    json_object_object_foreach(settings, member, value)
    {
        json_object_object_add(json, member, json_object_get(value));
    }
    const char *const *secrets = spec_credential_secrets_of(credential->type);
    for (; secrets && *secrets; secrets++) {
        struct json_object *shown = json_object_new_object();
        show_add_bool(shown, "set", holds(set, *secrets));
        json_object_object_add(json, *secrets, shown);
    }
    show_add_text(json, "managed_by", origin_name(credential->origin));
    show_add_time(json, "created_at", credential->created_at);
    show_add_time(json, "updated_at", credential->updated_at);
    json_object_put(settings);
    json_object_put(set);
    return json;
}

/* ---- reading ---- */

static int load_row(struct db *db, const char *name, void *row, struct err *e)
{
    return credential_load(db, name, row, e);
}

static int list_rows(struct db *db, const char *after, size_t limit, void *rows, size_t *count,
                     struct err *e)
{
    return credential_list(db, after, limit, rows, count, e);
}

static struct json_object *show_row(const void *row)
{
    return credential_show(row);
}

static char *key_of(const void *row)
{
    const struct credential *credential = row;
    return mem_strdup(credential->name);
}

static enum origin origin_of(const void *row)
{
    const struct credential *credential = row;
    return credential->origin;
}

static void finish_row(void *row)
{
    credential_finish(row);
}

static const struct named credentials = {
    .what = "credential",
    .path = "/credentials",
    .row_size = sizeof(struct credential),
    .load = load_row,
    .list = list_rows,
    .show = show_row,
    .key = key_of,
    .origin = origin_of,
    .finish = finish_row,
};

static void list(struct http_exchange *x, void *context)
{
    named_list(context, x, &credentials);
}

static void get(struct http_exchange *x, void *context)
{
    named_get(context, x, &credentials);
}

/* ---- changing ---- */

int credential_check(struct db *db, struct json_object *body, const char *type,
                     struct fields *errors, struct err *e)
{
    struct credential credential;
    const char *name = peek_name(body, "credential");
    if (!name)
        return 0;
    if (credential_load(db, name, &credential, e) < 0) {
        if (e->code != ERR_NOT_FOUND)
            return -1;
        fields_add(errors, "/credential", "there is no credential \"%s\"", name);
        return 0;
    }
    if (type && strcmp(credential.type, type) != 0)
        fields_add(errors, "/credential", "is of type %s; %s is needed", credential.type, type);
    credential_finish(&credential);
    return 0;
}

/* What is sealed cannot be compared without opening it, so it is opened. */
static int is_same(struct store_tx *tx, const struct credential *row,
                   const struct spec_credential *spec, bool *same, struct err *e)
{
    struct buf sealed = {0};
    *same = false;
    if (strcmp(row->type, spec->type) != 0)
        return 0;
    if (credential_open(store_tx_db(tx), row->name, &sealed, e) < 0)
        return -1;
    *same = !strcmp(buf_string(&sealed), spec->sealed);
    buf_finish_secret(&sealed);
    return 0;
}

/* Those who refer to it need what its type has. */
static int check_type(struct db *db, const struct credential *row,
                      const struct spec_credential *spec, struct err *e)
{
    if (!strcmp(row->type, spec->type) || credential_check_unused(db, row->name, e) == 0)
        return 0;
    return e->code == ERR_IN_USE ? err_prefix(e, "Its type cannot change. ") : -1;
}

int credential_apply(struct store_tx *tx, const char *name, const struct spec_credential *spec,
                     enum origin origin, bool *created, struct err *e)
{
    struct credential row;
    struct err missing;
    *created = false;
    if (credential_load(store_tx_db(tx), name, &row, &missing) == 0) {
        bool same = false;
        int rc = check_type(store_tx_db(tx), &row, spec, e);
        if (rc == 0)
            rc = is_same(tx, &row, spec, &same, e);
        enum origin owner = row.origin;
        credential_finish(&row);
        if (rc < 0)
            return -1;
        if (same)
            return owner == origin ? 0 : owner_set(tx, OWNED_CREDENTIAL, name, origin, e);
    } else if (missing.code != ERR_NOT_FOUND) {
        *e = missing;
        return -1;
    }
    struct credential wanted = {
        .name = (char *)name,
        .type = spec->type,
        .settings = spec->settings,
        .secrets_set = spec->secrets_set,
        .origin = origin,
    };
    if (credential_put(tx, &wanted, spec->sealed, created, e) < 0)
        return -1;
    return *created ? 0 : credential_deploy_all(tx, name, e);
}

static int apply_put(struct call *call, struct store_tx *tx, struct err *e)
{
    const char *name = http_param(call->x, "name");
    bool created;
    if (named_check_change(call, store_tx_db(tx), &credentials, false, e) < 0 ||
        credential_apply(tx, name, call->spec, ORIGIN_API, &created, e) < 0)
        return -1;
    return named_answer(call, store_tx_db(tx), &credentials, created, e);
}

static void destroy_spec(void *spec)
{
    spec_credential_finish(spec);
    free(spec);
}

static void put(struct http_exchange *x, void *context)
{
    struct fields errors = {0};
    struct json_object *body = call_body(x);
    if (!body)
        return;
    struct spec_credential *spec = mem_new(1, sizeof *spec);
    call_check_name(http_param(x, "name"), &errors);
    spec_credential_read(body, &errors, spec);
    body_destroy(body);
    if (call_refused(x, &errors))
        destroy_spec(spec);
    else
        call_write(context, x, apply_put, spec, destroy_spec);
}

static int apply_delete(struct call *call, struct store_tx *tx, struct err *e)
{
    if (named_check_change(call, store_tx_db(tx), &credentials, true, e) < 0)
        return -1;
    return credential_delete(tx, http_param(call->x, "name"), e);
}

static void delete(struct http_exchange *x, void *context)
{
    call_write(context, x, apply_delete, NULL, NULL);
}

const struct http_route credentials_routes[] = {
    {HTTP_GET, "/credentials", list, HTTP_ROUTE_QUERY, SCOPE_CREDENTIALS_READ},
    {HTTP_GET, "/credentials/{name}", get, 0, SCOPE_CREDENTIALS_READ},
    {HTTP_PUT, "/credentials/{name}", put, 0, SCOPE_CREDENTIALS_WRITE},
    {HTTP_DELETE, "/credentials/{name}", delete, 0, SCOPE_CREDENTIALS_WRITE},
    {0},
};
