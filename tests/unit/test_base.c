/* acme/base: errors, base64url, clocks, buffers, ULIDs. */
#include "acme/base/base64url.h"
#include "acme/base/buffer.h"
#include "acme/base/clock.h"
#include "acme/base/error.h"
#include "acme/base/memory.h"
#include "acme/base/ulid.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static void every_code_has_a_unique_name(void **state)
{
    (void)state;
    for (int i = ERR_NONE; i < ERR_COUNT; i++) {
        const struct err_info *info = err_info((enum err_code)i);
        assert_non_null(info->name);
        assert_non_null(info->title);
        for (const char *p = info->name; *p; p++)
            assert_true(strchr("abcdefghijklmnopqrstuvwxyz0123456789._", *p));
        for (int j = ERR_NONE; j < i; j++)
            assert_string_not_equal(info->name, err_info((enum err_code)j)->name);
        assert_int_equal(err_code_by_name(info->name), i);
    }
    assert_int_equal(err_code_by_name("no.such.code"), ERR_NONE);
}

static void details_are_one_line_of_utf8(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(err_set(&e, ERR_INVALID, "a\nb\x1b[31m \xc3\xbc \xff \xed\xa0\x80 %s", "\xc3"),
                     -1);
    assert_string_equal(e.detail, "a b [31m \xc3\xbc ? ??? ?");
    assert_int_equal(e.code, ERR_INVALID);

    /* U+009B is what terminals take for ESC [ */
    err_set(&e, ERR_INVALID, "a\xc2\x9b%s\xc2\x80z\xc2\xa0", "31m");
    assert_string_equal(e.detail, "a  31m  z\xc2\xa0");

    /* two bytes a character, so that the cut falls into the middle of one */
    char umlauts[ERR_DETAIL_MAX + 100] = "";
    for (size_t i = 0; i + 2 < sizeof umlauts; i += 2)
        memcpy(umlauts + i, "\xc3\xbc", 3);
    err_set(&e, ERR_INVALID, "%s", umlauts);
    size_t size = strlen(e.detail);
    assert_int_equal(size, ERR_DETAIL_MAX - 1);
    assert_int_equal(e.detail[size - 1], '?');
    err_prefix(&e, "x: ");
    assert_memory_equal(e.detail, "x: \xc3\xbc", 5);
    assert_int_equal(strlen(e.detail), ERR_DETAIL_MAX - 1);
}

/* RFC 4648 section 10, in the alphabet of its section 5, without padding */
static void base64url_vectors(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbe", "-_--"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        char *text = base64url_string(vectors[i][0], strlen(vectors[i][0]));
        assert_string_equal(text, vectors[i][1]);
        struct buf back = {0};
        struct err e;
        assert_int_equal(base64url_decode(text, strlen(text), &back, &e), 0);
        assert_string_equal(buf_string(&back), vectors[i][0]);
        buf_finish(&back);
        free(text);
    }
}

static void check_base64(const char *text, const char *wanted)
{
    struct buf out = {0};
    struct err e;
    int rc = base64_decode(text, strlen(text), &out, &e);
    assert_int_equal(rc, wanted ? 0 : -1);
    if (wanted)
        assert_string_equal(buf_string(&out), wanted);
    else
        assert_int_equal(e.code, ERR_MALFORMED);
    assert_int_equal(out.size, wanted ? strlen(wanted) : 0);
    buf_finish(&out);
}

static void base64_is_read_as_it_is_written(void **state)
{
    (void)state;
    check_base64("", "");
    check_base64("Zm9vYg==", "foob");
    check_base64("Zm9vYg", "foob");
    check_base64("Zm9v\r\nYmE=\n", "fooba");
    check_base64(" Zm 9v\tYmFy ", "foobar");
    check_base64("+/+/", "\xfb\xff\xbf");
    static const char *const bad[] = {
        "-_-_",     "Zm9vYg=", "Zm9vYg===", "Zg==Zg==", "Zm9v====", "Z",
        "Zm9vYh==", "Zm9v.",   "=",         "====",     "Zm\x01v"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_base64(bad[i], NULL);
}

static void base64url_is_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {"Z",    "Zg==", "Zm9v\n", "Zm 9v",
                                      "Zm9+", "Zm9/", "Zh",     "Zm9vYh"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf out = {0};
        struct err e = {0};
        assert_int_equal(base64url_decode(bad[i], strlen(bad[i]), &out, &e), -1);
        assert_int_equal(e.code, ERR_MALFORMED);
        assert_int_equal(out.size, 0);
        buf_finish(&out);
    }
    assert_true(base64url_is("abc-_09"));
    assert_false(base64url_is(""));
    assert_false(base64url_is("a.b"));
    assert_false(base64url_is("a="));
}

static void reads_rfc3339(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-21T09:41:50.123Z", 1795254110123},
        {"2026-11-21T09:41:50.123456789Z", 1795254110123},
        {"2026-11-21t11:41:50.1+02:00", 1795254110100},
        {"2026-11-21T04:11:50-05:30", 1795254110000},
        {"2016-12-31T23:59:60Z", 1483228800000},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t ms = -1;
        assert_int_equal(clock_parse_rfc3339(good[i].text, &ms), 0);
        assert_int_equal(ms, good[i].ms);
    }
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11-21",
        "2026-11-21T09:41:50",
        "2026-11-21T09:41Z",
        "2026-13-21T09:41:50Z",
        "2026-11-00T09:41:50Z",
        "2026-11-21T24:41:50Z",
        "2026-11-21T09:41:50.Z",
        "2026-11-21T09:41:50Zx",
        "2026-11-21T09:41:50+0200",
        "2026-1-21T09:41:50Z",
        "26-11-21T09:41:50Z",
        " 2026-11-21T09:41:50Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t ms = 42;
        assert_int_equal(clock_parse_rfc3339(bad[i], &ms), -1);
        assert_int_equal(ms, 42);
    }
}

static void writes_rfc3339(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},         {1795254110123, "2026-11-21T09:41:50.123Z"},
        {-1, "1969-12-31T23:59:59.999Z"},        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[CLOCK_RFC3339_SIZE];
        clock_rfc3339(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void reads_http_dates(void **state)
{
    (void)state;
    int64_t ms = -1;
    assert_int_equal(clock_parse_http_date("Sat, 21 Nov 2026 09:41:50 GMT", &ms), 0);
    assert_int_equal(ms, 1795254110000);
    static const char *const bad[] = {
        "",
        "120",
        "Sat, 21 Nov 2026 09:41:50 UTC",
        "Sat, 21 Nov 2026 09:41:50",
        "Saturday, 21-Nov-26 09:41:50 GMT",
        "Sat, 21 Nov 2026 9:41:50 GMT.",
        "Sat, 21 ovD 2026 09:41:50 GMT",
        "Sat Nov 21 09:41:50 2026",
        "Sat, 32 Nov 2026 09:41:50 GMT",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(clock_parse_http_date(bad[i], &ms), -1);
}

static void buffers_grow_and_end_in_nul(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_string_equal(buf_string(&b), "");
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%03d,", i);
    assert_int_equal(b.size, 4000);
    assert_int_equal(strlen(b.data), 4000);
    assert_memory_equal(b.data + 3996, "999,", 5);
    buf_clear(&b);
    assert_string_equal(buf_string(&b), "");
    buf_add(&b, "a\0b", 3);
    assert_int_equal(b.size, 3);
    char *taken = buf_take(&b);
    assert_memory_equal(taken, "a\0b", 4);
    assert_null(b.data);
    free(taken);
    buf_finish(&b);
}

static void ulids_have_their_shape(void **state)
{
    (void)state;
    char a[ULID_SIZE], b[ULID_SIZE];
    ulid_make(1469918176385, a);
    ulid_make(1469918176385, b);
    assert_memory_equal(a, "01ARYZ6S41", 10);
    assert_string_not_equal(a, b);
    assert_true(ulid_is(a));
    assert_true(ulid_is("01ARZ3NDEKTSV4RRFFQ69G5FAV"));
    assert_true(ulid_is("01arz3ndektsv4rrffq69g5fav"));
    assert_false(ulid_is("81ARZ3NDEKTSV4RRFFQ69G5FAV"));
    assert_false(ulid_is("01ARZ3NDEKTSV4RRFFQ69G5FA"));
    assert_false(ulid_is("01ARZ3NDEKTSV4RRFFQ69G5FAU"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_unique_name),
        cmocka_unit_test(details_are_one_line_of_utf8),
        cmocka_unit_test(base64url_vectors),
        cmocka_unit_test(base64url_is_strict),
        cmocka_unit_test(base64_is_read_as_it_is_written),
        cmocka_unit_test(reads_rfc3339),
        cmocka_unit_test(writes_rfc3339),
        cmocka_unit_test(reads_http_dates),
        cmocka_unit_test(buffers_grow_and_end_in_nul),
        cmocka_unit_test(ulids_have_their_shape),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
