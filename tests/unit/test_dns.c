/* DNS messages as bytes, names, addresses, and the timers under them. */
#include "server/solver/dns_address.h"
#include "server/solver/dns_message.h"
#include "server/solver/timers.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct dns_question question = {
    .name = "_acme-challenge.example.org", .type = DNS_TXT, .recursive = true, .id = 0xabcd};

/* ---- questions ---- */

static const unsigned char question_wire[] = {
    0xab, 0xcd, 0x01, 0x00, 0,   1,   0,   0,   0,   0,   0,   0,   15,  '_', 'a',
    'c',  'm',  'e',  '-',  'c', 'h', 'a', 'l', 'l', 'e', 'n', 'g', 'e', 7,   'e',
    'x',  'a',  'm',  'p',  'l', 'e', 3,   'o', 'r', 'g', 0,   0,   16,  0,   1};

static void questions_are_written(void **state)
{
    (void)state;
    struct buf wire = {0};
    assert_true(dns_question_write(&question, &wire));
    assert_int_equal(wire.size, sizeof question_wire);
    assert_memory_equal(wire.data, question_wire, sizeof question_wire);
    buf_finish(&wire);
}

/* ---- answers ---- */

/* The question's bytes with other flags and counts, then records; owner C0 0C is its name. */
static size_t answer_write(unsigned char *out, unsigned flags, unsigned answers,
                           unsigned authorities, const void *records, size_t size)
{
    memcpy(out, question_wire, sizeof question_wire);
    out[2] = (unsigned char)(flags >> 8);
    out[3] = (unsigned char)flags;
    out[7] = (unsigned char)answers;
    out[9] = (unsigned char)authorities;
    memcpy(out + sizeof question_wire, records, size);
    return sizeof question_wire + size;
}

static const unsigned char txt_records[] = {
    0xc0, 12, 0, 16, 0, 1, 0, 0, 1, 44, 0, 6, 2, 'a', 'b', 2, 'c', 'd', /* "ab" "cd", 300 s */
    0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, 1, 0,                        /* "", 60 s */
    0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, 3, 2, 'x', 0,                /* has a NUL */
    0xc0, 28, 0, 16, 0, 1, 0, 0, 0, 9,  0, 2, 1, 'z',                   /* of example.org */
};

static void txt_strings_are_joined(void **state)
{
    (void)state;
    unsigned char wire[512];
    struct dns_answer answer;
    size_t size = answer_write(wire, 0x8400, 4, 0, txt_records, sizeof txt_records);
    assert_true(dns_answer_read(wire, size, &question, &answer));
    assert_int_equal(answer.rcode, DNS_NOERROR);
    assert_true(answer.authoritative);
    assert_false(answer.alias);
    assert_int_equal(answer.value_count, 2);
    assert_string_equal(answer.values[0], "abcd");
    assert_string_equal(answer.values[1], "");
    assert_int_equal(answer.ttl_seconds, 60);
    dns_answer_finish(&answer);
}

static const unsigned char caa_records[] = {
    0xc0, 12,  1,    1,  0, 1, 0, 0, 0, 60, 0, 11, 0, 5, 'i', 's', 's', 'u', 'e',  'a', '.',
    'b',  ';', 0xc0, 12, 1, 1, 0, 1, 0, 0,  0, 60, 0, 5, 128, 1,   'x', 0,   '\n', /* a NUL and a
                                                                                      line's end */
};

static void caa_records_are_text(void **state)
{
    (void)state;
    unsigned char wire[512];
    struct dns_answer answer;
    struct dns_question caa = question;
    caa.type = DNS_CAA;
    size_t size = answer_write(wire, 0x8400, 2, 0, caa_records, sizeof caa_records);
    wire[sizeof question_wire - 4] = 1; /* the question's type: 257 */
    wire[sizeof question_wire - 3] = 1;
    assert_true(dns_answer_read(wire, size, &caa, &answer));
    assert_int_equal(answer.value_count, 2);
    assert_string_equal(answer.values[0], "0 issue a.b;");
    assert_string_equal(answer.values[1], "128 x ??");
    dns_answer_finish(&answer);
}

static const unsigned char denial[] = {
    0xc0, 28, 0,    6,  0, 1, 0, 0, 14, 16, 0, 24, /* example.org SOA, 3600 s */
    0xc0, 28, 0xc0, 28, 0, 0, 0, 1, 0,  0,  0, 2,  0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 1, 44};

static void denials_tell_the_zone(void **state)
{
    (void)state;
    unsigned char wire[512];
    struct dns_answer answer;
    size_t size = answer_write(wire, 0x8183, 0, 1, denial, sizeof denial);
    assert_true(dns_answer_read(wire, size, &question, &answer));
    assert_int_equal(answer.rcode, DNS_NXDOMAIN);
    assert_string_equal(answer.zone, "example.org");
    assert_int_equal(answer.ttl_seconds, 300); /* the SOA's minimum: RFC 2308 section 5 */
    assert_false(answer.authoritative);
    dns_answer_finish(&answer);
}

/* A zone that the name is not in says nothing about it. */
static void foreign_zones_are_ignored(void **state)
{
    (void)state;
    unsigned char wire[512], foreign[sizeof denial + 8] = {4, 'e', 'v', 'i', 'l', 0};
    struct dns_answer answer;
    memcpy(foreign + 6, denial + 2, sizeof denial - 2);
    size_t size = answer_write(wire, 0x8183, 0, 1, foreign, sizeof denial + 4);
    assert_true(dns_answer_read(wire, size, &question, &answer));
    assert_string_equal(answer.zone, "");
    dns_answer_finish(&answer);
}

static void truncation_shows(void **state)
{
    (void)state;
    unsigned char wire[512];
    struct dns_answer answer;
    size_t size = answer_write(wire, 0x8600, 0, 0, "", 0);
    assert_true(dns_answer_read(wire, size, &question, &answer));
    assert_true(answer.truncated);
    dns_answer_finish(&answer);
}

static const unsigned char bad_alias[] = {0xc0, 12, 0, 5, 0,   1,   0,   0,   0,
                                          9,    0,  6, 4, '$', '(', 'i', ')', 0}; /* CNAME $(i) */
static const unsigned char circle[] = {
    0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 28,  /* CNAME example.org */
    0xc0, 28, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 12}; /* and back */

static void aliases_are_followed_with_care(void **state)
{
    (void)state;
    unsigned char wire[512];
    struct dns_answer answer;
    size_t size = answer_write(wire, 0x8400, 1, 0, bad_alias, sizeof bad_alias);
    assert_true(dns_answer_read(wire, size, &question, &answer));
    assert_int_equal(answer.rcode, DNS_FORMERR);
    dns_answer_finish(&answer);

    size = answer_write(wire, 0x8400, 2, 0, circle, sizeof circle);
    assert_true(dns_answer_read(wire, size, &question, &answer));
    assert_true(answer.alias);
    assert_int_equal(answer.value_count, 0);
    dns_answer_finish(&answer);
}

static void what_is_no_answer_is_refused(void **state)
{
    (void)state;
    unsigned char wire[512];
    struct dns_answer answer;
    struct dns_question other = question;
    size_t size = answer_write(wire, 0x8400, 4, 0, txt_records, sizeof txt_records);
    assert_false(dns_answer_read(question_wire, sizeof question_wire, &question, &answer));
    assert_false(dns_answer_read(wire, 0, &question, &answer));
    for (size_t cut = 1; cut < size; cut++)
        assert_false(dns_answer_read(wire, cut, &question, &answer));
    other.id++;
    assert_false(dns_answer_read(wire, size, &other, &answer));
    other = question;
    other.type = DNS_A;
    assert_false(dns_answer_read(wire, size, &other, &answer));
    other = question;
    other.name[0] = 'x';
    assert_false(dns_answer_read(wire, size, &other, &answer));
    wire[2] |= 0x20; /* opcode 4 */
    assert_false(dns_answer_read(wire, size, &question, &answer));
}

/* Thousands of damaged packets; sanitizers watch, and what is read is still well formed. */
static void damaged_packets_do_no_harm(void **state)
{
    (void)state;
    unsigned char wire[512];
    char name[DNS_NAME_SIZE];
    unsigned random = 1;
    int read = 0;
    for (int i = 0; i < 50000; i++) {
        struct dns_answer answer;
        size_t size = i % 2 ? answer_write(wire, 0x8400, 4, 0, txt_records, sizeof txt_records)
                            : answer_write(wire, 0x8183, 0, 1, denial, sizeof denial);
        for (int k = 0; k <= i % 4; k++) {
            random = random * 1103515245U + 12345U;
            wire[(random >> 8) % size] = (unsigned char)(random >> 24);
        }
        if (!dns_answer_read(wire, size, &question, &answer))
            continue;
        read++;
        assert_true(dns_name_read(answer.name, name));
        assert_true(!answer.zone[0] || dns_name_within(answer.name, answer.zone));
        dns_answer_finish(&answer);
    }
    assert_true(read > 1000);
}

/* ---- names and addresses ---- */

static void names_are_canonical(void **state)
{
    (void)state;
    static const char long_label[] = "x234567890123456789012345678901234567890123456789012345678"
                                     "90123456.org";
    static const char *const bad[] = {"",      ".",    "..",  ".a",   "a..b", "a b",
                                      "a\\.b", "a\nb", "a/b", "\377", "$x",   long_label};
    char name[DNS_NAME_SIZE];
    assert_true(dns_name_read("*.WWW.Example-1.org.", name));
    assert_string_equal(name, "*.www.example-1.org");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(dns_name_read(bad[i], name));
    assert_true(dns_name_within("a.b", "b"));
    assert_true(dns_name_within("b", "b"));
    assert_false(dns_name_within("ab", "b"));
    assert_false(dns_name_within("b", "a.b"));
    assert_false(dns_name_within("b", ""));
}

static void addresses_are_read(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"192.0.2.1", "192.0.2.1"},           {"192.0.2.1:53", "192.0.2.1"},
        {"192.0.2.1:5353", "192.0.2.1:5353"}, {"2001:db8::1", "2001:db8::1"},
        {"[2001:db8::1]", "2001:db8::1"},     {"[2001:db8::1]:5353", "[2001:db8::1]:5353"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct dns_address address;
        struct err e = {0};
        assert_int_equal(dns_address_parse(texts[i][0], &address, &e), 0);
        assert_string_equal(address.text, texts[i][1]);
        assert_int_equal(dns_address_is_ipv6(&address), i >= 3);
    }
}

/* ---- timers ---- */

enum { TIMERS = 500 };

struct counted {
    struct timer timer;
    int64_t *last;
    int fired;
};

static void count_fire(void *context)
{
    struct counted *counted = context;
    counted->fired++;
    assert_true(*counted->last <= counted->timer.due_ms);
    *counted->last = counted->timer.due_ms;
}

static void timers_fire_in_order(void **state)
{
    (void)state;
    struct timers timers = {0};
    int64_t last = 0;
    struct counted *list = calloc(TIMERS, sizeof *list);
    assert_non_null(list);
    for (int i = 0; i < TIMERS; i++) {
        list[i] = (struct counted){.timer = {.fire = count_fire}, .last = &last};
        list[i].timer.context = &list[i];
        timers_set(&timers, &list[i].timer, 1 + (i * 7919) % 1000);
    }
    for (int i = 0; i < TIMERS; i += 3)
        timers_set(&timers, &list[i].timer, 1 + (i * 104729) % 1000); /* anew */
    for (int i = 0; i < TIMERS; i += 5)
        timers_unset(&timers, &list[i].timer);
    timers_run(&timers, 500);
    assert_true(last <= 500);
    assert_true(timers_wait_ms(&timers, 500) > 0);
    timers_run(&timers, 1000);
    for (int i = 0; i < TIMERS; i++)
        assert_int_equal(list[i].fired, i % 5 != 0);
    assert_int_equal(timers_wait_ms(&timers, 1000), -1);
    timers_finish(&timers);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_are_written),
        cmocka_unit_test(txt_strings_are_joined),
        cmocka_unit_test(caa_records_are_text),
        cmocka_unit_test(denials_tell_the_zone),
        cmocka_unit_test(foreign_zones_are_ignored),
        cmocka_unit_test(truncation_shows),
        cmocka_unit_test(aliases_are_followed_with_care),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(damaged_packets_do_no_harm),
        cmocka_unit_test(names_are_canonical),
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(timers_fire_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
