/* /solvers */
#include "acme/base/memory.h"
#include "acme/identifier.h"
#include "server/access/scope.h"
#include "server/api/allowed.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/api/named.h"
#include "server/api/peek.h"
#include "server/api/resource.h"
#include "server/api/show.h"
#include "server/engine/intake.h"
#include "server/solver/solver.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_TEXT_MAX = 1024 };

/* A setting, or what stands where it was not given. */
static void show_setting(struct json_object *json, struct json_object *settings, const char *name,
                         struct json_object *otherwise)
{
    struct json_object *value = NULL;
    if (json_object_object_get_ex(settings, name, &value)) {
        json_object_object_add(json, name, json_object_get(value));
        json_object_put(otherwise);
    } else {
        json_object_object_add(json, name, otherwise);
    }
}

struct json_object *solver_show(const struct solver *solver)
{
    struct json_object *json = json_object_new_object();
    struct json_object *settings = show_stored(solver->settings);
    bool is_dns = strcmp(solver->type, "http-01") != 0 && strcmp(solver->type, "tls-alpn-01") != 0;
    bool has_ttl = !strcmp(solver->type, "alidns");
    show_add_text(json, "name", solver->name);
    show_add_text(json, "type", solver->type);
    json_object_object_add(json, "zones", show_stored(solver->zones));
    show_add_text(json, "credential", solver->credential);
    show_setting(json, settings, "command", NULL);
    show_setting(json, settings, "endpoint", NULL);
    show_setting(json, settings, "region", NULL);
    show_setting(json, settings, "ttl_seconds",
                 has_ttl ? json_object_new_int(SOLVER_DEFAULT_TTL_SECONDS) : NULL);
    show_setting(json, settings, "propagation", is_dns ? json_object_new_boolean(true) : NULL);
    show_setting(json, settings, "propagation_timeout_seconds",
                 is_dns ? json_object_new_int(SOLVER_DEFAULT_PROPAGATION_TIMEOUT_SECONDS) : NULL);
    show_add_text(json, "managed_by", origin_name(solver->origin));
    show_add_time(json, "created_at", solver->created_at);
    show_add_time(json, "updated_at", solver->updated_at);
    json_object_put(settings);
    return json;
}

/* ---- reading ---- */

static int load_row(struct db *db, const char *name, void *row, struct err *e)
{
    return solver_load(db, name, row, e);
}

static int list_rows(struct db *db, const char *after, size_t limit, void *rows, size_t *count,
                     struct err *e)
{
    return solver_list(db, after, limit, rows, count, e);
}

static struct json_object *show_row(const void *row)
{
    return solver_show(row);
}

static char *key_of(const void *row)
{
    const struct solver *solver = row;
    return mem_strdup(solver->name);
}

static enum origin origin_of(const void *row)
{
    const struct solver *solver = row;
    return solver->origin;
}

static void finish_row(void *row)
{
    solver_finish(row);
}

static const struct named solvers = {
    .what = "solver",
    .path = "/solvers",
    .row_size = sizeof(struct solver),
    .load = load_row,
    .list = list_rows,
    .show = show_row,
    .key = key_of,
    .origin = origin_of,
    .finish = finish_row,
};

static void list(struct http_exchange *x, void *context)
{
    named_list(context, x, &solvers);
}

static void get(struct http_exchange *x, void *context)
{
    named_get(context, x, &solvers);
}

/* ---- changing ---- */

int solver_check(struct db *db, struct json_object *body, struct fields *errors, struct err *e)
{
    const char *type = peek_text(body, "type");
    return type ? credential_check(db, body, spec_solver_credential_type(type), errors, e) : 0;
}

static bool is_same(const struct solver *row, const struct spec_solver *spec)
{
    return mem_same_text(row->credential, spec->credential) && !strcmp(row->type, spec->type) &&
           !strcmp(row->zones, spec->zones) && !strcmp(row->settings, spec->settings);
}

/*
 * What placed a record has to take it back: another type cannot, nor the same one without its
 * credential. Another credential may be the one that mends it, and with a manual solver a person
 * sees to the records. The config's solvers are told by their jobs: the service starts all the
 * same.
 */
static int check_records(struct db *db, const struct solver *row, const struct spec_solver *spec,
                         enum origin origin, struct err *e)
{
    bool able = !strcmp(row->type, spec->type) && (!row->credential || spec->credential);
    if (able || origin == ORIGIN_CONFIG || !strcmp(spec->type, "manual"))
        return 0;
    return solver_expect_no_records(db, row->name, e);
}

int solver_apply(struct store_tx *tx, const char *name, const struct spec_solver *spec,
                 enum origin origin, bool *created, struct err *e)
{
    struct solver row;
    struct err missing;
    *created = false;
    if (solver_load(store_tx_db(tx), name, &row, &missing) == 0) {
        bool same = is_same(&row, spec);
        enum origin owner = row.origin;
        int rc = same ? 0 : check_records(store_tx_db(tx), &row, spec, origin, e);
        solver_finish(&row);
        if (same)
            return owner == origin ? 0 : owner_set(tx, OWNED_SOLVER, name, origin, e);
        if (rc < 0)
            return -1;
    } else if (missing.code != ERR_NOT_FOUND) {
        *e = missing;
        return -1;
    }
    struct solver wanted = {
        .name = (char *)name,
        .type = spec->type,
        .zones = spec->zones,
        .credential = spec->credential,
        .settings = spec->settings,
        .origin = origin,
    };
    return solver_put(tx, &wanted, created, e);
}

static int apply_put(struct call *call, struct store_tx *tx, struct err *e)
{
    const char *name = http_param(call->x, "name");
    bool created;
    if (named_check_change(call, store_tx_db(tx), &solvers, false, e) < 0 ||
        solver_apply(tx, name, call->spec, ORIGIN_API, &created, e) < 0)
        return -1;
    return named_answer(call, store_tx_db(tx), &solvers, created, e);
}

static void destroy_spec(void *spec)
{
    spec_solver_finish(spec);
    free(spec);
}

/* The spec of the body, with every complaint; NULL: x is answered. */
static struct spec_solver *read_body(struct api *api, struct http_exchange *x)
{
    struct fields errors = {0};
    struct err e;
    struct db *db;
    struct json_object *body = call_body_with_reader(api, x, &db);
    if (!body)
        return NULL;
    struct spec_solver *spec = mem_new(1, sizeof *spec);
    call_check_name(http_param(x, "name"), &errors);
    spec_solver_read(body, &errors, spec);
    allowed_check_solver(api->options.config, body, &errors);
    int rc = solver_check(db, body, &errors, &e);
    body_destroy(body);
    if (call_rejected(x, rc, &e, &errors)) {
        destroy_spec(spec);
        return NULL;
    }
    return spec;
}

static void put(struct http_exchange *x, void *context)
{
    struct spec_solver *spec = read_body(context, x);
    if (spec)
        call_write(context, x, apply_put, spec, destroy_spec);
}

static int apply_delete(struct call *call, struct store_tx *tx, struct err *e)
{
    if (named_check_change(call, store_tx_db(tx), &solvers, true, e) < 0)
        return -1;
    return solver_delete(tx, http_param(call->x, "name"), e);
}

static void delete(struct http_exchange *x, void *context)
{
    call_write(context, x, apply_delete, NULL, NULL);
}

/* ---- test ---- */

/* The name that is to be proved, as A-labels: the given one, or the first zone. NULL: complained.
 */
static char *name_to_prove(const struct members *m, const struct solver *solver)
{
    const char *text = members_text(m, "name", MEMBERS_OPTIONAL, NAME_TEXT_MAX);
    struct json_object *zones = show_stored(solver->zones);
    struct identifier id;
    struct err wrong;
    char *name = NULL;
    if (!members_has(m, "name") && json_object_array_length(zones) > 0)
        text = json_object_get_string(json_object_array_get_idx(zones, 0));
    else if (!members_has(m, "name"))
        members_wrong(m, "name", "is required, since the solver has no zones");
    if (text && identifier_parse(text, &id, &wrong) < 0)
        members_wrong(m, "name", "%s", wrong.detail);
    else if (text && id.type != IDENTIFIER_DNS)
        members_wrong(m, "name", "must be a DNS name");
    else if (text)
        name = mem_strdup(identifier_base(&id));
    json_object_put(zones);
    return name;
}

static int apply_test(struct call *call, struct store_tx *tx, struct err *e)
{
    return intake_solver_test(tx, http_param(call->x, "name"), call->spec, call->out.job, e);
}

static void test(struct http_exchange *x, void *context)
{
    static const char *const names[] = {"name", NULL};
    struct fields errors = {0};
    struct solver solver;
    struct err e;
    struct db *db;
    struct json_object *body = call_body_with_reader(context, x, &db);
    if (!body)
        return;
    if (solver_load(db, http_param(x, "name"), &solver, &e) < 0) {
        body_destroy(body);
        http_respond_error(x, &e, NULL, NULL);
        return;
    }
    struct members m = members_of_body(body, &errors);
    members_only(&m, names);
    char *name = name_to_prove(&m, &solver);
    solver_finish(&solver);
    body_destroy(body);
    if (call_refused(x, &errors))
        free(name);
    else
        call_post(context, x, apply_test, name, free);
}

const struct http_route solvers_routes[] = {
    {HTTP_GET, "/solvers", list, HTTP_ROUTE_QUERY, SCOPE_SOLVERS_READ},
    {HTTP_GET, "/solvers/{name}", get, 0, SCOPE_SOLVERS_READ},
    {HTTP_PUT, "/solvers/{name}", put, 0, SCOPE_SOLVERS_WRITE},
    {HTTP_DELETE, "/solvers/{name}", delete, 0, SCOPE_SOLVERS_WRITE},
    {HTTP_POST, "/solvers/{name}/test", test, HTTP_ROUTE_NO_BODY, SCOPE_SOLVERS_WRITE},
    {0},
};
