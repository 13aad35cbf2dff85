#include "acme/base/strict_json.h"
#include "tests/unit/unit.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

static struct json_object *parse(const char *text, enum json_tokener_error *error, size_t *end)
{
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *json = strict_json_parse(tokener, text, strlen(text), end);
    *error = json_tokener_get_error(tokener);
    json_tokener_free(tokener);
    return json;
}

static void utf8_arrives_as_it_was(void **state)
{
    (void)state;
    static const char *const texts[] = {"plain",  "Bücher",      "½",
                                        "日本語", "😀 and \x7f", "\xc2\x80\xef\xbf\xbf"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[64];
        enum json_tokener_error error;
        size_t end;
        snprintf(text, sizeof text, "[\"%s\"]", texts[i]);
        struct json_object *json = parse(text, &error, &end);
        assert_int_equal(error, json_tokener_success);
        assert_int_equal(end, strlen(text));
        assert_string_equal(json_object_get_string(json_object_array_get_idx(json, 0)), texts[i]);
        json_object_put(json);
    }
}

static void escapes_stay_escapes(void **state)
{
    (void)state;
    enum json_tokener_error error;
    struct json_object *json = parse("\"ü\\\\ü\\u00fc\\n\"", &error, NULL);
    assert_int_equal(error, json_tokener_success);
    assert_string_equal(json_object_get_string(json), "ü\\üü\n");
    json_object_put(json);
}

static void what_is_no_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t end;
    } bad[] = {
        {"{\"ü\": 1, ü}", 10},
        {"[\"ü\", 'a']", 7},
        {"[\"\\ü\"]", 3},
        {"[\"ü\", 1,]", 9},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        enum json_tokener_error error;
        size_t end;
        assert_null(parse(bad[i].text, &error, &end));
        assert_int_not_equal(error, json_tokener_success);
        assert_int_not_equal(error, json_tokener_continue);
        assert_int_equal(end, bad[i].end);
    }
}

static void numbers_are_those_of_the_rfc(void **state)
{
    (void)state;
    static const char *const good[] = {"0",   "-0",   "7",       "120",  "-1.50",
                                       "1e5", "1E+5", "0.0e-00", "9.5e1"};
    static const char *const bad[] = {"",   "-",  "00",  "01",  "-01",  "9.",    "-.5", ".5", "+1",
                                      "1e", "1-", "1e+", "1ee", "1.e5", "1.2.3", "--1", "e1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s,1", good[i]);
        assert_int_equal(strict_json_number_size(text, strlen(text)), strlen(good[i]));
        assert_int_equal(strict_json_number_size(good[i], strlen(good[i])), strlen(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(strict_json_number_size(bad[i], strlen(bad[i])), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_arrives_as_it_was),
        cmocka_unit_test(escapes_stay_escapes),
        cmocka_unit_test(what_is_no_json_is_refused_with_its_place),
        cmocka_unit_test(numbers_are_those_of_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
