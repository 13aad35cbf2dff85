/* The rules of server/http that need no connection: targets, routes, negotiation, problems. */
#include "server/http/negotiate.h"
#include "server/http/problem.h"
#include "server/http/router.h"
#include "server/http/target.h"
#include "tests/unit/unit.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static void every_code_has_a_status(void **state)
{
    (void)state;
    for (int code = ERR_NONE; code < ERR_COUNT; code++) {
        int status = problem_status((enum err_code)code);
        if (status < 400 || status > 599)
            fail_msg("%s: status %d", err_info((enum err_code)code)->name, status);
    }
}

static void every_code_has_a_document(void **state)
{
    (void)state;
    for (int code = ERR_NONE + 1; code < ERR_COUNT; code++) {
        struct err e;
        err_set(&e, (enum err_code)code, "in the cellar");
        const struct err_info *info = err_info(e.code);
        struct json_object *json = problem_json(&e, NULL);
        const char *type = json_object_get_string(json_object_object_get(json, "type"));
        const char *detail = json_object_get_string(json_object_object_get(json, "detail"));
        assert_string_equal(type + strlen("urn:certwright:problem:"), info->name);
        assert_string_equal(json_object_get_string(json_object_object_get(json, "title")),
                            info->title);
        assert_int_equal(json_object_get_boolean(json_object_object_get(json, "retryable")),
                         info->retryable);
        assert_int_equal(!strstr(detail, "cellar"), problem_is_internal(e.code));
        assert_false(json_object_object_get_ex(json, "status", NULL));
        json_object_put(json);
    }
}

static void carries_the_cas_document(void **state)
{
    (void)state;
    struct err e;
    err_set(&e, ERR_CA_CAA, "caa forbids it");
    struct json_object *json = problem_json(&e, "{\"type\": \"x\", \"detail\": \"verbatim\"}");
    struct json_object *acme = json_object_object_get(json, "acme");
    assert_string_equal(json_object_get_string(json_object_object_get(acme, "detail")), "verbatim");
    json_object_put(json);
    static const char *const none[] = {"", "no JSON", "[1]", "\"text\""};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        json = problem_json(&e, none[i]);
        assert_false(json_object_object_get_ex(json, "acme", NULL));
        json_object_put(json);
    }
}

static void weighs_accept(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        const char *type;
        bool accepted;
    } cases[] = {
        {NULL, "application/json", true},
        {"", "application/json", true},
        {"application/json", "application/json", true},
        {"Application/JSON", "application/json", true},
        {"application/json;charset=utf-8", "application/json", true},
        {"application/*", "application/json", true},
        {"*/*", "application/json", true},
        {"text/html, */*;q=0.1", "application/json", true},
        {"text/html", "application/json", false},
        {"text/*", "application/json", false},
        {"application/jso", "application/json", false},
        {"application/json2", "application/json", false},
        {"app/*", "application/json", false},
        {"*/*;q=0", "application/json", false},
        {"*/*; q=0.000", "application/json", false},
        {"*/*;q=0.001", "application/json", true},
        {"application/json;q=0, */*", "application/json", false},
        {"*/*, application/json;q=0", "application/json", false},
        {"application/*;q=0, application/json", "application/json", true},
        {"*/*;q=0, application/*", "application/json", true},
        {"text/plain;x=\"a,application/json\"", "application/json", false},
        {",,", "application/json", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (negotiate_accepts(cases[i].accept, cases[i].type) != cases[i].accepted)
            fail_msg("%s", cases[i].accept);
}

static void reads_preferences(void **state)
{
    (void)state;
    static const struct {
        const char *prefer;
        int seconds;
    } cases[] = {
        {NULL, 0},           {"wait=10", 10},          {"respond-async, wait=10", 10},
        {"WAIT = \"7\"", 7}, {"wait=10; foo=bar", 10}, {"wait=3, wait=9", 3},
        {"wait=30", 30},     {"wait=31", 30},          {"wait=99999999999999999999", 30},
        {"wait=-1", 0},      {"wait=1.5", 0},          {"wait", 0},
        {"wait=", 0},        {"await=5", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (negotiate_wait_seconds(cases[i].prefer) != cases[i].seconds)
            fail_msg("%s", cases[i].prefer);
}

static void compares_entity_tags(void **state)
{
    (void)state;
    assert_true(negotiate_etag_listed("\"a\"", "\"a\"", true));
    assert_true(negotiate_etag_listed("\"b\", \"a\"", "\"a\"", false));
    assert_true(negotiate_etag_listed("W/\"a\"", "\"a\"", true));
    assert_true(negotiate_etag_listed("\"a\"", "W/\"a\"", true));
    assert_false(negotiate_etag_listed("W/\"a\"", "\"a\"", false));
    assert_false(negotiate_etag_listed("\"a\"", "W/\"a\"", false));
    assert_false(negotiate_etag_listed("\"a, b\"", "\"a\"", true));
    assert_false(negotiate_etag_listed("a", "\"a\"", true));
    assert_true(negotiate_etag_listed("*", "\"a\"", false));
    assert_false(negotiate_etag_listed("", "\"a\"", false));
}

static void handle(struct http_exchange *x, void *context)
{
    (void)x;
    (void)context;
}

static const struct http_route routes[] = {
    {HTTP_GET, "/", handle, 0, 0},
    {HTTP_GET, "/a/{name}", handle, 0, 0},
    {HTTP_PUT, "/a/{name}", handle, 0, 0},
    {HTTP_GET, "/a/special", handle, 0, 0},
    {HTTP_GET, "/{first}/b", handle, 0, 0},
    {HTTP_GET, "/a/{name}/versions/{n}", handle, 0, 0},
    {HTTP_GET, "/ops", handle, HTTP_ROUTE_OPS, 0},
    {0},
};

static void finds_the_most_literal_route(void **state)
{
    (void)state;
    static const struct http_route *const tables[] = {routes, NULL};
    static const struct {
        const char *target;
        const char *template; /* of GET; NULL: none */
    } cases[] = {
        {"/", "/"},
        {"/a", NULL},
        {"/a/", NULL},
        {"/a/x", "/a/{name}"},
        {"/a/special", "/a/special"},
        {"/a/b", "/a/{name}"},
        {"/c/b", "/{first}/b"},
        {"/a/x/versions/3", "/a/{name}/versions/{n}"},
        {"/a/x/versions/", NULL},
        {"/a/x/versions/3/4", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_target target;
        struct router_match match;
        struct err e;
        assert_int_equal(http_target_parse(cases[i].target, &target, &e), 0);
        bool found = router_find(tables, HTTP_LISTENER_API, &target, &match);
        assert_int_equal(found, cases[i].template != NULL);
        if (found)
            assert_string_equal(match.routes[HTTP_GET]->path, cases[i].template);
        http_target_finish(&target);
    }
}

static void finds_parameters(void **state)
{
    (void)state;
    struct http_target target;
    struct err e;
    assert_int_equal(http_target_parse("/a/x%3Ay/versions/3?z", &target, &e), 0);
    assert_string_equal(router_parameter(routes[5].path, &target, "name"), "x:y");
    assert_string_equal(router_parameter(routes[5].path, &target, "n"), "3");
    assert_null(router_parameter(routes[5].path, &target, "names"));
    assert_string_equal(http_target_parameter(&target, "z"), "");
    assert_null(http_target_parameter(&target, "y"));
    http_target_finish(&target);
}

static void leaves_a_target_untouched_on_failure(void **state)
{
    (void)state;
    struct http_target target = {.segment_count = 42};
    struct err e = {0};
    assert_int_equal(http_target_parse("/a/%00", &target, &e), -1);
    assert_int_equal(e.code, ERR_MALFORMED);
    assert_int_equal(http_target_parse("/a?x=%zz", &target, &e), -1);
    assert_int_equal(http_target_parse(NULL, &target, &e), -1);
    assert_int_equal(target.segment_count, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_status),
        cmocka_unit_test(every_code_has_a_document),
        cmocka_unit_test(carries_the_cas_document),
        cmocka_unit_test(weighs_accept),
        cmocka_unit_test(reads_preferences),
        cmocka_unit_test(compares_entity_tags),
        cmocka_unit_test(finds_the_most_literal_route),
        cmocka_unit_test(finds_parameters),
        cmocka_unit_test(leaves_a_target_untouched_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
