/* acme/base/utf8: the edges of RFC 3629. */
#include "acme/base/utf8.h"
#include "tests/unit/unit.h"

#include <string.h>

static void test_characters_have_their_size(void **state)
{
    (void)state;
    assert_int_equal(utf8_character_size("a", 1), 1);
    assert_int_equal(utf8_character_size("", 1), 1);
    assert_int_equal(utf8_character_size("\xc2\x80", 2), 2);
    assert_int_equal(utf8_character_size("\xe0\xa0\x80", 3), 3);
    assert_int_equal(utf8_character_size("\xed\x9f\xbf", 3), 3);
    assert_int_equal(utf8_character_size("\xf0\x90\x80\x80", 4), 4);
    assert_int_equal(utf8_character_size("\xf4\x8f\xbf\xbf", 4), 4);
}

static void test_what_is_no_character_has_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",         "\xbf",         "\xc0\xaf",         "\xc1\xbf",         "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff",         "\xc3(",        "\xe2\x82(",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(utf8_character_size(bad[i], strlen(bad[i])), 0);
    assert_int_equal(utf8_character_size("a", 0), 0);
    assert_int_equal(utf8_character_size("\xe2\x82\xac", 2), 0);
}

static void test_whole_texts(void **state)
{
    (void)state;
    assert_true(utf8_is("", 0));
    assert_true(utf8_is("a\0b", 3));
    assert_true(utf8_is("b\xc3\xbc\x63her \xe2\x82\xac", 11));
    assert_false(utf8_is("b\xc3\xbc\x63her \xe2\x82\xac", 10));
    assert_false(utf8_is("a\xff", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters_have_their_size),
        cmocka_unit_test(test_what_is_no_character_has_none),
        cmocka_unit_test(test_whole_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
