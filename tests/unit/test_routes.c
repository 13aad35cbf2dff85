/* The contract and the route tables are the same set, and say the same of who may call what. */
#include "acme/base/buffer.h"
#include "api-spec/openapi.h"
#include "server/access/scope.h"
#include "server/api/api.h"
#include "tests/unit/unit.h"

#include <json-c/json.h>
#include <string.h>

static const char *const methods[HTTP_METHOD_COUNT] = {
    [HTTP_GET] = "get",     [HTTP_POST] = "post",     [HTTP_PUT] = "put",
    [HTTP_PATCH] = "patch", [HTTP_DELETE] = "delete",
};

static int load(void **state)
{
    *state = json_tokener_parse(openapi_json);
    return *state ? 0 : -1;
}

static int unload(void **state)
{
    json_object_put(*state);
    return 0;
}

static const struct http_route *find_route(const char *method, const char *path)
{
    for (const struct http_route *const *table = api_routes; *table; table++)
        for (const struct http_route *route = *table; route->path; route++)
            if (!strcmp(methods[route->method], method) && !strcmp(route->path, path))
                return route;
    return NULL;
}

/* Whether the operation or its path has parameters in the query; shared ones are references. */
static bool has_query(struct json_object *contract, struct json_object *operation)
{
    struct json_object *list = json_object_object_get(operation, "parameters");
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *parameter = json_object_array_get_idx(list, i);
        struct json_object *reference = json_object_object_get(parameter, "$ref");
        if (reference &&
            json_pointer_get(contract, json_object_get_string(reference) + 1, &parameter) < 0)
            fail_msg("%s leads nowhere", json_object_get_string(reference));
        if (!strcmp(json_object_get_string(json_object_object_get(parameter, "in")), "query"))
            return true;
    }
    return false;
}

/* `security` is [] for what is open, else [{"bearer": [scopes]}]. */
static void compare(const char *path, const char *method, struct json_object *operation,
                    const struct http_route *route)
{
    struct json_object *security = json_object_object_get(operation, "security");
    bool is_open = route->flags & HTTP_ROUTE_OPEN;
    if (!security)
        fail_msg("%s %s: the contract names no scope", method, path);
    if (is_open != (json_object_array_length(security) == 0))
        fail_msg("%s %s: open on one side only", method, path);
    uint32_t scopes = 0;
    for (size_t i = 0; i < json_object_array_length(security); i++) {
        struct json_object *way = json_object_array_get_idx(security, i);
        struct json_object *list = json_object_object_get(way, "bearer");
        for (size_t k = 0; k < json_object_array_length(list); k++) {
            const char *name = json_object_get_string(json_object_array_get_idx(list, k));
            if (!scope_by_name(name))
                fail_msg("%s %s: there is no scope %s", method, path, name);
            scopes |= scope_by_name(name);
        }
    }
    if (scopes != route->scopes)
        fail_msg("%s %s: the contract and the route name other scopes", method, path);
    if (!is_open && !scopes)
        fail_msg("%s %s: everybody with a token may call it", method, path);
}

static void test_each_operation_is_a_route(void **state)
{
    struct json_object *paths = json_object_object_get(*state, "paths");
    json_object_object_foreach(paths, path, item)
    {
        json_object_object_foreach(item, method, operation)
        {
            if (!strcmp(method, "parameters"))
                continue;
            const struct http_route *route = find_route(method, path);
            if (!route)
                fail_msg("no route serves %s %s", method, path);
            compare(path, method, operation, route);
            if (has_query(*state, operation) != !!(route->flags & HTTP_ROUTE_QUERY))
                fail_msg("%s %s: a query on one side only", method, path);
        }
    }
}

static void test_each_route_is_an_operation(void **state)
{
    struct json_object *paths = json_object_object_get(*state, "paths");
    for (const struct http_route *const *table = api_routes; *table; table++)
        for (const struct http_route *route = *table; route->path; route++) {
            struct json_object *item = json_object_object_get(paths, route->path);
            if (!item || !json_object_object_get(item, methods[route->method]))
                fail_msg("the contract lacks %s %s", methods[route->method], route->path);
        }
}

static void test_the_contract_has_the_same_scopes(void **state)
{
    static const char *const path[] = {"components", "schemas", "Scope", "enum"};
    struct json_object *names = *state;
    for (size_t i = 0; i < sizeof path / sizeof *path; i++)
        names = json_object_object_get(names, path[i]);
    assert_int_equal(json_object_array_length(names), SCOPE_COUNT + 1);
    assert_string_equal(json_object_get_string(json_object_array_get_idx(names, 0)), "admin");
    for (int i = 0; i < SCOPE_COUNT; i++) {
        struct json_object *name = json_object_array_get_idx(names, (size_t)i + 1);
        assert_string_equal(json_object_get_string(name), scope_name(i));
    }
}

static void test_scopes_have_names(void **state)
{
    struct buf text = {0};
    (void)state;
    for (int i = 0; i < SCOPE_COUNT; i++)
        assert_int_equal(scope_by_name(scope_name(i)), UINT32_C(1) << i);
    assert_int_equal(scope_by_name("admin"), SCOPE_ALL);
    assert_int_equal(scope_by_name("certificates"), 0);
    assert_int_equal(scope_by_name(""), 0);
    assert_int_equal(scope_by_name("keys:read"), SCOPE_KEYS_READ);
    assert_int_equal(scope_by_name("metrics:read"), SCOPE_METRICS_READ);
    scope_list(SCOPE_KEYS_READ | SCOPE_JOBS_READ, &text);
    assert_string_equal(buf_string(&text), "keys:read, jobs:read");
    buf_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_operation_is_a_route),
        cmocka_unit_test(test_each_route_is_an_operation),
        cmocka_unit_test(test_the_contract_has_the_same_scopes),
        cmocka_unit_test(test_scopes_have_names),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
