/* /targets */
#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "server/api/allowed.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/api/canonical.h"
#include "server/api/check.h"
#include "server/api/named.h"
#include "server/api/peek.h"
#include "server/api/resource.h"
#include "server/api/show.h"
#include "server/api/target_folders.h"
#include "server/api/target_items.h"
#include "server/engine/intake.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

struct json_object *target_show(const struct target *target)
{
    static const char *const members[] = {
        "endpoint", "region", "allow_test", "domains", "group_id", "directory", "path",    "files",
        "mode",     "owner",  "group",      "pkcs12",  "reload",   "url",       "command",
    };
    struct json_object *json = json_object_new_object();
    struct json_object *settings = show_stored(target->settings);
    show_add_text(json, "name", target->name);
    show_add_text(json, "type", target->type);
    show_add_text(json, "credential", target->credential);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        json_object_object_add(json, members[i],
                               json_object_get(json_object_object_get(settings, members[i])));
    if (spec_target_is_cloud(target->type) && !json_object_object_get(settings, "allow_test"))
        show_add_bool(json, "allow_test", false);
    show_add_text(json, "managed_by", origin_name(target->origin));
    show_add_time(json, "created_at", target->created_at);
    show_add_time(json, "updated_at", target->updated_at);
    json_object_put(settings);
    return json;
}

/* ---- reading ---- */

static int load_row(struct db *db, const char *name, void *row, struct err *e)
{
    return target_load(db, name, row, e);
}

static int list_rows(struct db *db, const char *after, size_t limit, void *rows, size_t *count,
                     struct err *e)
{
    return target_list(db, after, limit, rows, count, e);
}

static struct json_object *show_row(const void *row)
{
    return target_show(row);
}

static char *key_of(const void *row)
{
    const struct target *target = row;
    return mem_strdup(target->name);
}

static enum origin origin_of(const void *row)
{
    const struct target *target = row;
    return target->origin;
}

static void finish_row(void *row)
{
    target_finish(row);
}

static const struct named targets = {
    .what = "target",
    .path = "/targets",
    .row_size = sizeof(struct target),
    .load = load_row,
    .list = list_rows,
    .show = show_row,
    .key = key_of,
    .origin = origin_of,
    .finish = finish_row,
};

static void list(struct http_exchange *x, void *context)
{
    named_list(context, x, &targets);
}

static void get(struct http_exchange *x, void *context)
{
    named_get(context, x, &targets);
}

/* ---- changing ---- */

int target_check(struct db *db, struct json_object *body, struct fields *errors, struct err *e)
{
    const char *type = peek_text(body, "type");
    const char *credential = type ? spec_target_credential_type(type) : NULL;
    return credential ? credential_check(db, body, credential, errors, e) : 0;
}

static bool is_same(const struct target *row, const struct spec_target *spec)
{
    return mem_same_text(row->credential, spec->credential) && !strcmp(row->type, spec->type) &&
           !strcmp(row->settings, spec->settings);
}

/* What a type remembers of its deployments means nothing to another. */
static int check_type(struct db *db, const struct target *row, const struct spec_target *spec,
                      struct err *e)
{
    if (!strcmp(row->type, spec->type) || target_check_unused(db, row->name, e) == 0)
        return 0;
    return e->code == ERR_IN_USE ? err_prefix(e, "Its type cannot change. ") : -1;
}

static int put_row(struct store_tx *tx, const char *name, const struct spec_target *spec,
                   enum origin origin, bool *created, struct err *e)
{
    struct target wanted = {
        .name = (char *)name,
        .type = spec->type,
        .credential = spec->credential,
        .settings = spec->settings,
        .origin = origin,
    };
    if (target_put(tx, &wanted, created, e) < 0)
        return -1;
    return *created ? 0 : intake_target_deploy_all(tx, name, e);
}

int target_apply(struct store_tx *tx, const char *name, const struct spec_target *spec,
                 enum origin origin, bool *created, struct err *e)
{
    struct target row;
    *created = false;
    if (target_load(store_tx_db(tx), name, &row, e) < 0)
        return e->code == ERR_NOT_FOUND ? put_row(tx, name, spec, origin, created, e) : -1;
    int rc = check_type(store_tx_db(tx), &row, spec, e);
    if (rc == 0 && !is_same(&row, spec))
        rc = put_row(tx, name, spec, origin, created, e);
    else if (rc == 0 && row.origin != origin)
        rc = owner_set(tx, OWNED_TARGET, name, origin, e);
    target_finish(&row);
    return rc;
}

/* One page of all targets; *last gets the name of its last one, NULL once there are no more. */
static int deploy_page(struct store_tx *tx, const char *credential, const char *after, char **last,
                       struct err *e)
{
    enum { PAGE = 100 };
    struct target *rows;
    size_t count;
    int rc = 0;
    if (target_list(store_tx_db(tx), after, PAGE, &rows, &count, e) < 0)
        return -1;
    for (size_t i = 0; i < count && rc == 0; i++)
        if (rows[i].credential && !strcmp(rows[i].credential, credential))
            rc = intake_target_deploy_all(tx, rows[i].name, e);
    *last = count == PAGE ? mem_strdup(rows[count - 1].name) : NULL;
    for (size_t i = 0; i < count; i++)
        target_finish(&rows[i]);
    free(rows);
    return rc;
}

int credential_deploy_all(struct store_tx *tx, const char *credential, struct err *e)
{
    char *after = NULL;
    int rc;
    do {
        char *last = NULL;
        rc = deploy_page(tx, credential, after, &last, e);
        free(after);
        after = last;
    } while (rc == 0 && after);
    free(after);
    return rc;
}

static int apply_put(struct call *call, struct store_tx *tx, struct err *e)
{
    const char *name = http_param(call->x, "name");
    bool created;
    if (named_check_change(call, store_tx_db(tx), &targets, false, e) < 0 ||
        target_apply(tx, name, call->spec, ORIGIN_API, &created, e) < 0)
        return -1;
    if (!created && target_folders_check_target(store_tx_db(tx), name, &call->errors, e) < 0)
        return -1;
    return named_answer(call, store_tx_db(tx), &targets, created, e);
}

static void destroy_spec(void *spec)
{
    spec_target_finish(spec);
    free(spec);
}

/* The spec of the body, with every complaint; NULL: x is answered. */
static struct spec_target *read_body(struct api *api, struct http_exchange *x)
{
    struct fields errors = {0};
    struct err e;
    struct db *db;
    struct json_object *body = call_body_with_reader(api, x, &db);
    if (!body)
        return NULL;
    struct spec_target *spec = mem_new(1, sizeof *spec);
    call_check_name(http_param(x, "name"), &errors);
    spec_target_read(body, &errors, spec);
    allowed_check_target(api->options.config, body, &errors);
    int rc = target_check(db, body, &errors, &e);
    body_destroy(body);
    if (call_rejected(x, rc, &e, &errors)) {
        destroy_spec(spec);
        return NULL;
    }
    return spec;
}

static void put(struct http_exchange *x, void *context)
{
    struct spec_target *spec = read_body(context, x);
    if (spec)
        call_write(context, x, apply_put, spec, destroy_spec);
}

static int apply_delete(struct call *call, struct store_tx *tx, struct err *e)
{
    if (named_check_change(call, store_tx_db(tx), &targets, true, e) < 0)
        return -1;
    return target_delete(tx, http_param(call->x, "name"), e);
}

static void delete(struct http_exchange *x, void *context)
{
    call_write(context, x, apply_delete, NULL, NULL);
}

/* ---- rehearsing ---- */

struct rehearsal {
    char *certificate; /* name; NULL */
    struct json_object *parameters;
};

static void destroy_rehearsal(void *spec)
{
    struct rehearsal *rehearsal = spec;
    free(rehearsal->certificate);
    json_object_put(rehearsal->parameters);
    free(rehearsal);
}

static int check_rehearsal(struct call *call, struct db *db, struct err *e)
{
    const struct rehearsal *rehearsal = call->spec;
    const struct target_use use = {0};
    struct target target;
    struct certificate certificate;
    if (target_load(db, http_param(call->x, "name"), &target, e) < 0)
        return -1;
    target_parameters_check(&target, rehearsal->parameters, &use, "", &call->errors);
    target_finish(&target);
    if (rehearsal->certificate) {
        if (certificate_load(db, rehearsal->certificate, &certificate, e) == 0)
            certificate_finish(&certificate);
        else if (e->code == ERR_NOT_FOUND)
            fields_add(&call->errors, "/certificate", "there is no certificate \"%s\"",
                       rehearsal->certificate);
        else
            return -1;
    }
    return fields_verdict(&call->errors, e);
}

static int apply_test(struct call *call, struct store_tx *tx, struct err *e)
{
    const struct rehearsal *rehearsal = call->spec;
    if (check_rehearsal(call, store_tx_db(tx), e) < 0)
        return -1;
    char *parameters = canonical_json(rehearsal->parameters);
    int rc = intake_target_test(tx, http_param(call->x, "name"), rehearsal->certificate, parameters,
                                call->out.job, e);
    free(parameters);
    return rc;
}

static void test(struct http_exchange *x, void *context)
{
    static const char *const names[] = {"certificate", "domains", "group_id", "path", NULL};
    struct fields errors = {0};
    struct json_object *body = call_body(x);
    if (!body)
        return;
    struct members m = members_of_body(body, &errors);
    struct rehearsal *spec = mem_new(1, sizeof *spec);
    members_only(&m, names);
    spec->certificate =
        mem_strdup(members_checked(&m, "certificate", MEMBERS_OPTIONAL, check_name));
    spec->parameters = spec_target_parameters_read(&m);
    body_destroy(body);
    if (call_refused(x, &errors))
        destroy_rehearsal(spec);
    else
        call_post(context, x, apply_test, spec, destroy_rehearsal);
}

const struct http_route targets_routes[] = {
    {HTTP_GET, "/targets", list, HTTP_ROUTE_QUERY, SCOPE_TARGETS_READ},
    {HTTP_GET, "/targets/{name}", get, 0, SCOPE_TARGETS_READ},
    {HTTP_PUT, "/targets/{name}", put, 0, SCOPE_TARGETS_WRITE},
    {HTTP_DELETE, "/targets/{name}", delete, 0, SCOPE_TARGETS_WRITE},
    {HTTP_POST, "/targets/{name}/test", test, HTTP_ROUTE_NO_BODY, SCOPE_TARGETS_WRITE},
    {0},
};
