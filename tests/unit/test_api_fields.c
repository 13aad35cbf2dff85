/* server/api/fields and check: every mistake, each at its pointer. */
#include "acme/base/buffer.h"
#include "server/api/check.h"
#include "server/api/fields.h"
#include "server/api/labels.h"
#include "tests/unit/unit.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct json_object *body;
    struct fields errors;
    struct members m;
};

static void start(struct fixture *f, const char *json)
{
    *f = (struct fixture){.body = json_tokener_parse(json)};
    f->m = members_of_body(f->body, &f->errors);
}

/* The complaints are these, as "POINTER DETAIL\n" each. */
static void end(struct fixture *f, const char *expected)
{
    struct buf told = {0};
    for (size_t i = 0; i < f->errors.count; i++)
        buf_printf(&told, "%s %s\n", f->errors.items[i].pointer, f->errors.items[i].detail);
    assert_string_equal(buf_string(&told), expected);
    buf_finish(&told);
    fields_finish(&f->errors);
    json_object_put(f->body);
}

static void test_unknown_members_are_told(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, "{\"a\":1,\"b\":2,\"x/y~z\":null}");
    members_only(&f.m, (const char *const[]){"a", NULL});
    end(&f, "/b is not known here\n/x~1y~0z is not known here\n");
}

static void test_texts(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, "{\"ok\":\"x\",\"empty\":\"\",\"long\":\"abc\",\"control\":\"a\\n\",\"null\":null,"
              "\"nul\":\"a\\u0000b\",\"number\":1}");
    assert_string_equal(members_text(&f.m, "ok", MEMBERS_REQUIRED, 1), "x");
    assert_string_equal(members_block(&f.m, "control", MEMBERS_REQUIRED, 2), "a\n");
    assert_null(members_text(&f.m, "absent", MEMBERS_OPTIONAL, 1));
    assert_null(members_text(&f.m, "absent", MEMBERS_REQUIRED, 1));
    assert_null(members_text(&f.m, "empty", MEMBERS_OPTIONAL, 1));
    assert_null(members_text(&f.m, "long", MEMBERS_OPTIONAL, 2));
    assert_null(members_text(&f.m, "control", MEMBERS_OPTIONAL, 9));
    assert_null(members_text(&f.m, "null", MEMBERS_OPTIONAL, 9));
    assert_null(members_block(&f.m, "nul", MEMBERS_OPTIONAL, 9));
    assert_null(members_text(&f.m, "number", MEMBERS_OPTIONAL, 9));
    end(&f, "/absent is required\n"
            "/empty must not be empty\n"
            "/long is too long\n"
            "/control must not hold control characters\n"
            "/null must be a string\n"
            "/nul must not hold control characters\n"
            "/number must be a string\n");
}

static void test_numbers_and_truths(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, "{\"n\":5,\"big\":99999999999999999999,\"real\":1.5,\"text\":\"5\",\"t\":true}");
    assert_int_equal(members_int(&f.m, "n", 1, 5, 0), 5);
    assert_int_equal(members_int(&f.m, "absent", 1, 5, -1), -1);
    assert_int_equal(members_int(&f.m, "n", 6, 9, 7), 7);
    assert_int_equal(members_int(&f.m, "big", 0, 9, 7), 7);
    assert_int_equal(members_int(&f.m, "real", 0, 9, 7), 7);
    assert_int_equal(members_int(&f.m, "text", 0, 9, 7), 7);
    assert_true(members_bool(&f.m, "t", false));
    assert_true(members_bool(&f.m, "absent", true));
    assert_false(members_bool(&f.m, "n", false));
    end(&f, "/n must be from 6 to 9\n"
            "/big must be from 0 to 9\n"
            "/real must be a whole number\n"
            "/text must be a whole number\n"
            "/n must be true or false\n");
}

static void test_objects_and_choices(void **state)
{
    (void)state;
    static const char *const choices[] = {"one", "two", NULL};
    struct fixture f;
    start(&f, "{\"key\":{\"type\":\"two\",\"other\":\"three\"},\"wrong\":[]}");
    struct members key;
    assert_true(members_object(&f.m, "key", MEMBERS_OPTIONAL, &key));
    assert_int_equal(members_choice(&key, "type", MEMBERS_REQUIRED, choices), 1);
    assert_int_equal(members_choice(&key, "other", MEMBERS_REQUIRED, choices), -1);
    assert_int_equal(members_choice(&key, "absent", MEMBERS_OPTIONAL, choices), -1);
    assert_false(members_object(&f.m, "wrong", MEMBERS_OPTIONAL, &key));
    assert_false(members_object(&f.m, "absent", MEMBERS_OPTIONAL, &key));
    end(&f, "/key/other must be one of: one, two\n/wrong must be an object\n");
}

static void test_arrays(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, "{\"a\":[\"x\",1,\"\"],\"empty\":[],\"no\":\"x\"}");
    struct texts texts = members_texts(&f.m, "a", MEMBERS_REQUIRED, 3, 9);
    assert_int_equal(texts.count, 3);
    assert_string_equal(texts.items[0], "x");
    assert_null(texts.items[1]);
    assert_null(texts.items[2]);
    free(texts.items);
    assert_int_equal(members_texts(&f.m, "a", MEMBERS_REQUIRED, 2, 9).count, 0);
    assert_int_equal(members_texts(&f.m, "empty", MEMBERS_REQUIRED, 2, 9).count, 0);
    assert_int_equal(members_texts(&f.m, "no", MEMBERS_REQUIRED, 2, 9).count, 0);
    end(&f, "/a/1 must be a string\n"
            "/a/2 must not be empty\n"
            "/a must have at most 2 items\n"
            "/no must be an array\n");
}

static void test_a_wrong_body_is_one_complaint(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, "[]");
    members_only(&f.m, (const char *const[]){NULL});
    assert_null(members_text(&f.m, "a", MEMBERS_REQUIRED, 9));
    end(&f, " must be an object\n");
}

static void test_verdict_and_json(void **state)
{
    (void)state;
    struct fields errors = {0};
    struct err e = {0};
    assert_int_equal(fields_verdict(&errors, &e), 0);
    fields_add(&errors, "/a", "is %d", 1);
    assert_int_equal(fields_verdict(&errors, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_string_equal(e.detail, "/a: is 1");
    for (int i = 0; i < 2 * FIELDS_MAX; i++)
        fields_add(&errors, "", "again");
    assert_int_equal(fields_verdict(&errors, &e), -1);
    assert_string_equal(e.detail, "/a: is 1 (and 99 more)");
    struct json_object *json = fields_json(&errors);
    assert_int_equal(json_object_array_length(json), FIELDS_MAX);
    assert_string_equal(
        json_object_to_json_string_ext(json_object_array_get_idx(json, 0),
                                       JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
        "{\"pointer\":\"/a\",\"detail\":\"is 1\"}");
    json_object_put(json);
    fields_finish(&errors);
    fields_add_outside(&errors, "The name in the URL %s", "is none");
    assert_int_equal(fields_verdict(&errors, &e), -1);
    assert_string_equal(e.detail, "The name in the URL is none");
    fields_finish(&errors);
}

static void test_labels(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, "{\"labels\":{\"z\":\"\",\"example.com/team\":\"w\xc3\xab"
              "b\"}}");
    char *labels = labels_read(&f.m, MEMBERS_REQUIRED);
    assert_string_equal(labels, "{\"example.com/team\":\"w\xc3\xab"
                                "b\",\"z\":\"\"}");
    free(labels);
    end(&f, "");
    start(&f, "{\"labels\":{\"-a\":\"x\",\"n\":1,\"c\":\"a\\tb\"}}");
    free(labels_read(&f.m, MEMBERS_REQUIRED));
    end(&f, "/labels must have keys of 1 to 63 characters of A-Z, a-z, 0-9, '.', '_', '/' and '-' "
            "that begin with a letter or digit\n"
            "/labels/n must be a string of at most 255 bytes without control characters\n"
            "/labels/c must be a string of at most 255 bytes without control characters\n");
    start(&f, "{}");
    labels = labels_read(&f.m, MEMBERS_OPTIONAL);
    assert_string_equal(labels, "{}");
    free(labels);
    free(labels_read(&f.m, MEMBERS_REQUIRED));
    end(&f, "/labels is required\n");
}

static void good(const char *(*check)(const char *), const char *text)
{
    if (check(text))
        fail_msg("'%s' %s", text, check(text));
}

static void bad(const char *(*check)(const char *), const char *text)
{
    if (!check(text))
        fail_msg("'%s' was taken", text);
}

static void test_names(void **state)
{
    (void)state;
    char longest[CHECK_NAME_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[CHECK_NAME_MAX] = '\0';
    good(check_name, longest);
    good(check_name, "a");
    good(check_name, "0.9_x-y");
    good(check_name, "wildcard.xn--bcher-kva.example");
    longest[CHECK_NAME_MAX] = 'a';
    longest[CHECK_NAME_MAX + 1] = '\0';
    bad(check_name, longest);
    bad(check_name, "");
    bad(check_name, ".a");
    bad(check_name, "-a");
    bad(check_name, "A");
    bad(check_name, "a/b");
    bad(check_name, "a b");
    bad(check_name, "b\xc3\xbc");
    bad(check_name, "01kajx4fzz8n3c5d7f9h1k3m5p");
}

static void test_urls(void **state)
{
    (void)state;
    good(check_url, "https://ca.example/directory");
    good(check_url, "http://127.0.0.1:14000/dir?x=%20");
    good(check_url, "https://[2001:db8::1]:443/dir");
    good(check_url, "https://ca.example");
    bad(check_url, "ca.example/directory");
    bad(check_url, "ftp://ca.example/");
    bad(check_url, "https://");
    bad(check_url, "https:///dir");
    bad(check_url, "https://user@ca.example/");
    bad(check_url, "https://ca.example/#top");
    bad(check_url, "https://ca.example:0/");
    bad(check_url, "https://ca.example:65536/");
    bad(check_url, "https://ca.example:/");
    bad(check_url, "https://ca.example:443x/");
    bad(check_url, "https://[2001:db8::1/dir");
    bad(check_url, "https://[xyz]/dir");
    bad(check_url, "https://ca.example/a b");
    bad(check_url, "https://ca.example/\xc3\xbc");
}

static void test_addresses(void **state)
{
    (void)state;
    good(check_email, "a@example.com");
    good(check_email, "first.last+tag@mail.example.com");
    bad(check_email, "a");
    bad(check_email, "@example.com");
    bad(check_email, "a@");
    bad(check_email, "a@b@c");
    bad(check_email, ".a@example.com");
    bad(check_email, "a..b@example.com");
    bad(check_email, "a b@example.com");
    bad(check_email, "a@-example.com");
    bad(check_email, "a@example..com");
    bad(check_email, "a@example.com.");
    good(check_contact, "mailto:a@example.com");
    bad(check_contact, "a@example.com");
    bad(check_contact, "tel:+431234");
    bad(check_contact, "mailto:a@example.com?subject=x");
    bad(check_contact, "mailto:a@example.com,b@example.com");
    bad(check_contact, "mailto:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_members_are_told),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_numbers_and_truths),
        cmocka_unit_test(test_objects_and_choices),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_a_wrong_body_is_one_complaint),
        cmocka_unit_test(test_verdict_and_json),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
