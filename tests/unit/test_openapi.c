/* The embedded contract: it parses, and its table of codes is the one of acme/base/error.c. */
#include "acme/base/error.h"
#include "api-spec/openapi.h"
#include "tests/unit/unit.h"

#include <json-c/json.h>
#include <string.h>

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

static struct json_object *codes(void **state)
{
    static const char *const path[] = {"components", "schemas", "ProblemCode", "oneOf"};
    struct json_object *value = *state;
    for (size_t i = 0; i < sizeof path / sizeof *path; i++)
        value = json_object_object_get(value, path[i]);
    assert_true(json_object_is_type(value, json_type_array));
    return value;
}

static const char *text(struct json_object *row, const char *member)
{
    return json_object_get_string(json_object_object_get(row, member));
}

static void test_size_is_that_of_the_text(void **state)
{
    (void)state;
    assert_int_equal(openapi_json_size, strlen(openapi_json));
}

static void test_every_row_is_a_code(void **state)
{
    struct json_object *table = codes(state);
    for (size_t i = 0; i < json_object_array_length(table); i++) {
        struct json_object *row = json_object_array_get_idx(table, i);
        enum err_code code = err_code_by_name(text(row, "const"));
        if (code == ERR_NONE)
            fail_msg("the code %s is only in the contract", text(row, "const"));
        const struct err_info *info = err_info(code);
        assert_string_equal(text(row, "title"), info->title);
        if (info->hint)
            assert_string_equal(text(row, "description"), info->hint);
        else
            assert_null(text(row, "description"));
        assert_int_equal(json_object_get_boolean(json_object_object_get(row, "x-retryable")),
                         info->retryable);
    }
}

static void test_every_code_is_a_row(void **state)
{
    struct json_object *table = codes(state);
    for (int code = ERR_NONE + 1; code < ERR_COUNT; code++) {
        const char *name = err_info((enum err_code)code)->name;
        size_t found = 0;
        for (size_t i = 0; i < json_object_array_length(table); i++)
            found += !strcmp(text(json_object_array_get_idx(table, i), "const"), name);
        if (found != 1)
            fail_msg("the contract has %zu rows for the code %s", found, name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size_is_that_of_the_text),
        cmocka_unit_test(test_every_row_is_a_code),
        cmocka_unit_test(test_every_code_is_a_row),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
