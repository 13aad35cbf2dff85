/* /authorities */
#include "acme/base/memory.h"
#include "acme/json.h"
#include "server/access/scope.h"
#include "server/api/allowed.h"
#include "server/api/authority.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/api/named.h"
#include "server/api/show.h"
#include "server/engine/intake.h"
#include "store/owner.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

struct json_object *authority_profiles(const struct authority *authority)
{
    if (!authority->directory)
        return NULL;
    struct json_object *directory = json_tokener_parse(authority->directory);
    struct json_object *listed = json_object_of(json_object_of(directory, "meta"), "profiles");
    struct json_object *profiles = json_object_new_object();
    if (listed) {
        json_object_object_foreach(listed, name, description)
        {
            if (json_object_is_type(description, json_type_string))
                json_object_object_add(profiles, name, json_object_get(description));
        }
    }
    json_object_put(directory);
    if (json_object_object_length(profiles) > 0)
        return profiles;
    json_object_put(profiles);
    return NULL;
}

struct json_object *authority_show(const struct authority *authority)
{
    struct json_object *json = json_object_new_object();
    show_add_text(json, "name", authority->name);
    show_add_text(json, "directory_url", authority->directory_url);
    show_add_text(json, "trust_bundle", authority->trust_bundle);
    show_add_bool(json, "test", authority->test);
    show_add_bool(json, "eab_required", authority->eab_required);
    json_object_object_add(json, "profiles", authority_profiles(authority));
    show_add_text(json, "managed_by", origin_name(authority->origin));
    show_add_time(json, "created_at", authority->created_at);
    show_add_time(json, "updated_at", authority->updated_at);
    return json;
}

/* ---- reading ---- */

static int load_row(struct db *db, const char *name, void *row, struct err *e)
{
    return authority_load(db, name, row, e);
}

static int list_rows(struct db *db, const char *after, size_t limit, void *rows, size_t *count,
                     struct err *e)
{
    return authority_list(db, after, limit, rows, count, e);
}

static struct json_object *show_row(const void *row)
{
    return authority_show(row);
}

static char *key_of(const void *row)
{
    const struct authority *authority = row;
    return mem_strdup(authority->name);
}

static enum origin origin_of(const void *row)
{
    const struct authority *authority = row;
    return authority->origin;
}

static void finish_row(void *row)
{
    authority_finish(row);
}

static const struct named authorities = {
    .what = "authority",
    .path = "/authorities",
    .row_size = sizeof(struct authority),
    .load = load_row,
    .list = list_rows,
    .show = show_row,
    .key = key_of,
    .origin = origin_of,
    .finish = finish_row,
};

static void list(struct http_exchange *x, void *context)
{
    named_list(context, x, &authorities);
}

static void get(struct http_exchange *x, void *context)
{
    named_get(context, x, &authorities);
}

/* The authority of the path; false: x is answered. */
static bool load(struct api *api, struct http_exchange *x, struct authority *out)
{
    struct err e;
    struct db *db = call_reader(api, x);
    if (!db)
        return false;
    if (authority_load(db, http_param(x, "name"), out, &e) < 0) {
        http_respond_error(x, &e, NULL, NULL);
        return false;
    }
    return true;
}

static void get_directory(struct http_exchange *x, void *context)
{
    struct authority authority;
    struct err e;
    if (!load(context, x, &authority))
        return;
    if (!authority.directory) {
        err_set(&e, ERR_NOT_FOUND, "The directory of \"%s\" was not fetched yet; POST …/refresh.",
                authority.name);
        http_respond_error(x, &e, NULL, NULL);
    } else {
        struct json_object *json = json_object_new_object();
        show_add_text(json, "directory_url", authority.directory_url);
        show_add_time(json, "fetched_at", authority.directory_fetched_at);
        json_object_object_add(json, "directory", show_stored(authority.directory));
        http_respond_json(x, 200, json);
    }
    authority_finish(&authority);
}

/* ---- changing ---- */

static bool is_same(const struct authority *row, const struct spec_authority *spec)
{
    return mem_same_text(row->directory_url, spec->directory_url) &&
           mem_same_text(row->trust_bundle, spec->trust_bundle) && row->test == spec->test &&
           row->eab_required == spec->eab_required;
}

int authority_apply(struct store_tx *tx, const char *name, const struct spec_authority *spec,
                    enum origin origin, bool *created, struct err *e)
{
    struct authority row;
    struct err missing;
    if (authority_load(store_tx_db(tx), name, &row, &missing) == 0) {
        bool same = is_same(&row, spec);
        enum origin owner = row.origin;
        authority_finish(&row);
        *created = false;
        if (same)
            return owner == origin ? 0 : owner_set(tx, OWNED_AUTHORITY, name, origin, e);
    } else if (missing.code != ERR_NOT_FOUND) {
        *e = missing;
        return -1;
    }
    struct authority wanted = {
        .name = (char *)name,
        .directory_url = spec->directory_url,
        .trust_bundle = spec->trust_bundle,
        .test = spec->test,
        .eab_required = spec->eab_required,
        .origin = origin,
    };
    return authority_put(tx, &wanted, created, e);
}

static int apply_put(struct call *call, struct store_tx *tx, struct err *e)
{
    const char *name = http_param(call->x, "name");
    bool created;
    if (named_check_change(call, store_tx_db(tx), &authorities, false, e) < 0 ||
        authority_apply(tx, name, call->spec, ORIGIN_API, &created, e) < 0)
        return -1;
    return named_answer(call, store_tx_db(tx), &authorities, created, e);
}

static void destroy_spec(void *spec)
{
    spec_authority_finish(spec);
    free(spec);
}

static void put(struct http_exchange *x, void *context)
{
    struct fields errors = {0};
    struct json_object *body = call_body(x);
    if (!body)
        return;
    struct spec_authority *spec = mem_new(1, sizeof *spec);
    call_check_name(http_param(x, "name"), &errors);
    spec_authority_read(body, &errors, spec);
    allowed_check_authority(((struct api *)context)->options.config, body, &errors);
    body_destroy(body);
    if (call_refused(x, &errors))
        destroy_spec(spec);
    else
        call_write(context, x, apply_put, spec, destroy_spec);
}

static int apply_delete(struct call *call, struct store_tx *tx, struct err *e)
{
    if (named_check_change(call, store_tx_db(tx), &authorities, true, e) < 0)
        return -1;
    return authority_delete(tx, http_param(call->x, "name"), e);
}

static void delete(struct http_exchange *x, void *context)
{
    call_write(context, x, apply_delete, NULL, NULL);
}

static int apply_refresh(struct call *call, struct store_tx *tx, struct err *e)
{
    const char *name = http_param(call->x, "name");
    struct authority row;
    bool existing;
    if (authority_load(store_tx_db(tx), name, &row, e) < 0)
        return -1;
    authority_finish(&row);
    return intake_authority_refresh(tx, name, call->out.job, &existing, e);
}

static void refresh(struct http_exchange *x, void *context)
{
    if (call_empty_body(x))
        call_post(context, x, apply_refresh, NULL, NULL);
}

const struct http_route authorities_routes[] = {
    {HTTP_GET, "/authorities", list, HTTP_ROUTE_QUERY, SCOPE_AUTHORITIES_READ},
    {HTTP_GET, "/authorities/{name}", get, 0, SCOPE_AUTHORITIES_READ},
    {HTTP_PUT, "/authorities/{name}", put, 0, SCOPE_AUTHORITIES_WRITE},
    {HTTP_DELETE, "/authorities/{name}", delete, 0, SCOPE_AUTHORITIES_WRITE},
    {HTTP_GET, "/authorities/{name}/directory", get_directory, 0, SCOPE_AUTHORITIES_READ},
    {HTTP_POST, "/authorities/{name}/refresh", refresh, HTTP_ROUTE_NO_BODY,
     SCOPE_AUTHORITIES_WRITE},
    {0},
};
