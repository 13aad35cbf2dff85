/* server/api/body: JSON of strangers; canonical: one text a value. */
#include "acme/base/buffer.h"
#include "server/api/body.h"
#include "server/api/canonical.h"
#include "tests/unit/unit.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static void refused(const char *text, size_t size, enum err_code code, const char *words)
{
    struct json_object *body = NULL;
    struct err e = {0};
    if (body_parse(text, size, &body, &e) == 0)
        fail_msg("taken: %s", text);
    assert_null(body);
    assert_int_equal(e.code, code);
    if (!strstr(e.detail, words))
        fail_msg("'%s' does not say '%s' of %s", e.detail, words, text);
}

static void malformed(const char *text, const char *words)
{
    refused(text, strlen(text), ERR_MALFORMED, words);
}

static void taken(const char *text, const char *canonical)
{
    struct json_object *body = NULL;
    struct err e = {0};
    if (body_parse(text, strlen(text), &body, &e) < 0)
        fail_msg("refused: %s: %s", text, e.detail);
    char *written = canonical_json(body);
    assert_string_equal(written, canonical);
    free(written);
    body_destroy(body);
}

static void test_objects_are_read(void **state)
{
    (void)state;
    taken("{}", "{}");
    taken(" \r\n{ } \t\n", "{}");
    taken("{\"b\":[1,true,null,\"x:y\\\":\\\\\"],\"a\":{\"d\":1,\"c\":-2}}",
          "{\"a\":{\"c\":-2,\"d\":1},\"b\":[1,true,null,\"x:y\\\":\\\\\"]}");
    taken("{\"a\":[-0,12,1.5,2e3]}", "{\"a\":[0,12,1.5,2e3]}");
    taken("{\"a\":{\"x\":1},\"b\":{\"x\":2}}", "{\"a\":{\"x\":1},\"b\":{\"x\":2}}");
    taken("{\"\xc3\xbc/\":\"\\u00fc\"}", "{\"\xc3\xbc/\":\"\xc3\xbc\"}");
}

static void test_what_is_no_object_is_refused(void **state)
{
    (void)state;
    malformed("", "empty");
    malformed(" \n", "empty");
    refused("[]", 2, ERR_INVALID, "JSON object");
    refused("\"text\"", 6, ERR_INVALID, "JSON object");
    malformed("null", "ends in the middle");
}

static void test_what_is_no_json_is_refused(void **state)
{
    (void)state;
    malformed("{", "ends in the middle");
    malformed("{\"a\":1", "ends in the middle");
    malformed("{a:1}", "not JSON");
    malformed("{'a':1}", "not JSON");
    malformed("{\"a\":1,}", "not JSON");
    malformed("{\"a\":01}", "not JSON");
    malformed("{\"a\":[9.]}", "not JSON, at byte 6");
    malformed("{\"a\":-.5}", "not JSON, at byte 5");
    malformed("{\"a\":00}", "not JSON, at byte 5");
    malformed("{\"a\":1}//", "not JSON");
    malformed("{/* c */}", "not JSON");
    malformed("{}{}", "not JSON");
    malformed("{\"a\":\"\xff\"}", "not UTF-8");
    malformed("{\"a\":\"\xc0\xaf\"}", "not UTF-8");
    malformed("{\"a\":NaN}", "not JSON");
    malformed("{\"a\":Infinity}", "not JSON");
    malformed("{\"a\":\"tab\there\"}", "not JSON");
    refused("{}\0{}", 5, ERR_MALFORMED, "not JSON, at byte 2");
    refused("{\0}", 3, ERR_MALFORMED, "not JSON, at byte 1");
}

static void test_members_given_twice_are_refused(void **state)
{
    (void)state;
    malformed("{\"a\":1,\"a\":2}", "twice");
    malformed("{\"a\":1,\"\\u0061\":2}", "twice");
    malformed("{\"x\":[{\"deep\":{\"a\":1,\"a\":1}}]}", "twice");
}

/* Arrays, levels of them within each other, the object around them included. */
static void nested(int levels, struct buf *out)
{
    buf_add_string(out, "{\"a\":");
    for (int i = 1; i < levels; i++)
        buf_add_char(out, '[');
    buf_add_string(out, "1");
    for (int i = 1; i < levels; i++)
        buf_add_char(out, ']');
    buf_add_char(out, '}');
}

static void test_depth_has_a_limit(void **state)
{
    (void)state;
    struct buf text = {0};
    struct json_object *body = NULL;
    struct err e = {0};
    nested(BODY_MAX_DEPTH, &text);
    assert_int_equal(body_parse(text.data, text.size, &body, &e), 0);
    body_destroy(body);
    buf_clear(&text);
    nested(BODY_MAX_DEPTH + 1, &text);
    refused(text.data, text.size, ERR_MALFORMED, "deeper than 32");
    buf_clear(&text);
    nested(100000, &text);
    refused(text.data, text.size, ERR_MALFORMED, "deeper than 32");
    buf_finish(&text);
}

static void test_size_has_a_limit(void **state)
{
    (void)state;
    struct buf text = {0};
    buf_add_string(&text, "{}");
    while (text.size < BODY_MAX_BYTES)
        buf_add_char(&text, ' ');
    struct json_object *body = NULL;
    struct err e = {0};
    assert_int_equal(body_parse(text.data, text.size, &body, &e), 0);
    body_destroy(body);
    buf_add_char(&text, ' ');
    refused(text.data, text.size, ERR_TOO_LARGE, "larger than");
    buf_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects_are_read),
        cmocka_unit_test(test_what_is_no_object_is_refused),
        cmocka_unit_test(test_what_is_no_json_is_refused),
        cmocka_unit_test(test_members_given_twice_are_refused),
        cmocka_unit_test(test_depth_has_a_limit),
        cmocka_unit_test(test_size_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
