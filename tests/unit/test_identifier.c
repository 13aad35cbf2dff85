#include "acme/identifier.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void takes_names_into_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum identifier_type type;
        const char *value;
    } rows[] = {
        {"example.com", IDENTIFIER_DNS, "example.com"},
        {"WWW.Example.COM", IDENTIFIER_DNS, "www.example.com"},
        {"example.com.", IDENTIFIER_DNS, "example.com"},
        {"*.example.com", IDENTIFIER_DNS, "*.example.com"},
        {"*.Example.com.", IDENTIFIER_DNS, "*.example.com"},
        {"*.com", IDENTIFIER_DNS, "*.com"},
        {"*.co.uk", IDENTIFIER_DNS, "*.co.uk"},
        {"1.example", IDENTIFIER_DNS, "1.example"},
        {"a--b.example", IDENTIFIER_DNS, "a--b.example"},
        {"4.3.2.1.in-addr.arpa", IDENTIFIER_DNS, "4.3.2.1.in-addr.arpa"},
        {"münchen.de", IDENTIFIER_DNS, "xn--mnchen-3ya.de"},
        {"MÜNCHEN.de", IDENTIFIER_DNS, "xn--mnchen-3ya.de"},
        {"mu\xcc\x88nchen.de", IDENTIFIER_DNS, "xn--mnchen-3ya.de"},
        {"*.münchen.de", IDENTIFIER_DNS, "*.xn--mnchen-3ya.de"},
        {"straße.de", IDENTIFIER_DNS, "xn--strae-oqa.de"},
        {"例え。テスト", IDENTIFIER_DNS, "xn--r8jz45g.xn--zckzah"},
        {"XN--MNCHEN-3YA.de", IDENTIFIER_DNS, "xn--mnchen-3ya.de"},
        {"xn--ls8h.la", IDENTIFIER_DNS, "xn--ls8h.la"},
        {"192.0.2.1", IDENTIFIER_IP, "192.0.2.1"},
        {"2001:DB8:0:0:0:0:0:1", IDENTIFIER_IP, "2001:db8::1"},
        {"2001:db8:0:1:0:0:0:1", IDENTIFIER_IP, "2001:db8:0:1::1"},
        {"2001:db8:0:0:1:0:0:1", IDENTIFIER_IP, "2001:db8::1:0:0:1"},
        {"2001:db8:0:1:1:1:1:1", IDENTIFIER_IP, "2001:db8:0:1:1:1:1:1"},
        {"::1", IDENTIFIER_IP, "::1"},
        {"64:ff9b::192.0.2.33", IDENTIFIER_IP, "64:ff9b::c000:221"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct identifier id = {0};
        struct err e = {0};
        if (identifier_parse(rows[i].text, &id, &e) < 0)
            fail_msg("%s: %s", rows[i].text, e.detail);
        assert_string_equal(id.value, rows[i].value);
        assert_int_equal(id.type, rows[i].type);
        struct identifier again;
        assert_int_equal(identifier_parse(id.value, &again, &e), 0);
        assert_int_equal(identifier_compare(&id, &again), 0);
    }
}

static void refuses_what_no_certificate_is_for(void **state)
{
    (void)state;
    /* input, and a word that the detail has to hold */
    static const char *const rows[][2] = {
        {"", "empty"},
        {"localhost", "single label"},
        {"com.", "single label"},
        {".", "empty label"},
        {".example.com", "empty label"},
        {"a..example.com", "empty label"},
        {"example.com..", "empty label"},
        {"*", "wildcard"},
        {"*.", "empty label"},
        {"*example.com", "wildcard"},
        {"*.*.example.com", "wildcard"},
        {"a.*.example.com", "wildcard"},
        {"www*.example.com", "wildcard"},
        {"*.192.0.2.1", "wildcard of an IP"},
        {"*.2001:db8::1", "wildcard of an IP"},
        {"_acme.example.com", "underscore"},
        {"a_b.example.com", "underscore"},
        {"a_b.münchen.de", "underscore"},
        {"-a.example.com", "hyphen"},
        {"a-.example.com", "hyphen"},
        {"-ü.example.com", "internationalized"},
        {"a b.example.com", "white space"},
        {" example.com", "white space"},
        {"example.com\n", "white space"},
        {"exa\x7fmple.com", "control"},
        {"https://example.com", "URL"},
        {"example.com/path", "slash"},
        {"192.0.2.0/24", "slash"},
        {"example.com:443", "port"},
        {"[2001:db8::1]", "brackets"},
        {"2001:db8::1::2", "neither"},
        {"fe80::1%eth0", "neither"},
        {"someone@example.com", "mail"},
        {"192.0.2", "number"},
        {"192.0.2.256", "number"},
        {"192.0.02.1", "number"},
        {"example.123", "number"},
        {"::ffff:192.0.2.1", "IPv4"},
        {"::ffff:c000:201", "IPv4"},
        {"::192.0.2.1", "IPv4"},
        {"ex!ample.com", "'!'"},
        {"exam\xffple.com", "internationalized"},
        {"\xf0\x9f\x92\xa9.la", "internationalized"},
        {"xn--999999999.com", "A-label"},
        {"xn--example-.com", "hyphen"},
        {"xn--zz.com", "A-label"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct identifier id = {.value = "untouched"};
        struct err e = {0};
        if (identifier_parse(rows[i][0], &id, &e) == 0)
            fail_msg("'%s' was taken as %s", rows[i][0], id.value);
        assert_int_equal(e.code, ERR_INVALID);
        if (!strstr(e.detail, rows[i][1]))
            fail_msg("'%s': \"%s\" does not speak of \"%s\"", rows[i][0], e.detail, rows[i][1]);
        assert_string_equal(id.value, "untouched");
    }
}

static void knows_the_limits_of_length(void **state)
{
    (void)state;
    struct identifier id;
    struct err e = {0};
    char label[70], name[2000];
    memset(label, 'a', sizeof label);
    snprintf(name, sizeof name, "%.63s.example", label);
    assert_int_equal(identifier_parse(name, &id, &e), 0);
    snprintf(name, sizeof name, "%.64s.example", label);
    assert_int_equal(identifier_parse(name, &id, &e), -1);

    /* 3 * 64 + 61 = 253 */
    snprintf(name, sizeof name, "%.63s.%.63s.%.63s.%.61s", label, label, label, label);
    assert_int_equal(strlen(name), 253);
    assert_int_equal(identifier_parse(name, &id, &e), 0);
    assert_string_equal(id.value, name);
    snprintf(name, sizeof name, "%.63s.%.63s.%.63s.%.62s", label, label, label, label);
    assert_int_equal(identifier_parse(name, &id, &e), -1);
    snprintf(name, sizeof name, "*.%.63s.%.63s.%.63s.%.60s", label, label, label, label);
    assert_int_equal(identifier_parse(name, &id, &e), -1);
    snprintf(name, sizeof name, "*.%.63s.%.63s.%.63s.%.59s", label, label, label, label);
    assert_int_equal(identifier_parse(name, &id, &e), 0);

    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(identifier_parse(name, &id, &e), -1);
}

static struct identifier parsed(const char *text)
{
    struct identifier id;
    struct err e;
    assert_int_equal(identifier_parse(text, &id, &e), 0);
    return id;
}

static void knows_wildcards(void **state)
{
    (void)state;
    struct identifier wild = parsed("*.example.com"), plain = parsed("example.com");
    struct identifier ip = parsed("192.0.2.1");
    assert_true(identifier_is_wildcard(&wild));
    assert_false(identifier_is_wildcard(&plain));
    assert_string_equal(identifier_base(&wild), "example.com");
    assert_string_equal(identifier_base(&plain), "example.com");
    assert_string_equal(identifier_base(&ip), "192.0.2.1");
    assert_string_equal(identifier_type_name(wild.type), "dns");
    assert_string_equal(identifier_type_name(ip.type), "ip");
}

static void sorts_and_compares_sets(void **state)
{
    (void)state;
    struct identifier a[] = {parsed("b.example"), parsed("192.0.2.1"), parsed("a.example"),
                             parsed("B.example"), parsed("*.a.example")};
    struct identifier b[] = {parsed("*.a.example"), parsed("a.example"), parsed("b.example"),
                             parsed("192.0.2.1")};
    size_t n = identifiers_sort(a, 5);
    assert_int_equal(n, 4);
    assert_string_equal(a[0].value, "*.a.example");
    assert_string_equal(a[3].value, "192.0.2.1");
    assert_true(identifiers_equal(a, n, b, 4));
    assert_false(identifiers_equal(a, n, b, 3));
    b[1] = parsed("c.example");
    assert_false(identifiers_equal(a, n, b, 4));
    assert_int_equal(identifiers_sort(a, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_names_into_one_form),
        cmocka_unit_test(refuses_what_no_certificate_is_for),
        cmocka_unit_test(knows_the_limits_of_length),
        cmocka_unit_test(knows_wildcards),
        cmocka_unit_test(sorts_and_compares_sets),
    };
    return cmocka_run_group_tests_name("identifier", tests, NULL, NULL);
}
