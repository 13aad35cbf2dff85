/* What the tls-alpn-01 responder answers, and for whom. */
#include "server/solver/tls_alpn01.h"
#include "tests/unit/unit.h"

#include <openssl/x509v3.h>
#include <string.h>

static struct identifier id_of(const char *text)
{
    struct identifier id;
    struct err e;
    assert_int_equal(identifier_parse(text, &id, &e), 0);
    return id;
}

static struct tls_alpn01_table *table_of(void)
{
    struct tls_alpn01_table *table;
    struct err e;
    assert_int_equal(tls_alpn01_create(&table, &e), 0);
    return table;
}

static bool answers(struct tls_alpn01_table *table, const char *name)
{
    X509 *certificate = tls_alpn01_certificate(table, name);
    bool found = certificate != NULL;
    if (found)
        assert_int_equal(X509_check_private_key(certificate, tls_alpn01_key(table)), 1);
    X509_free(certificate);
    return found;
}

static void answers_by_server_name(void **state)
{
    (void)state;
    struct tls_alpn01_table *table = table_of();
    struct identifier dns = id_of("www.example.org"), ip = id_of("192.0.2.1");
    struct err e;
    assert_false(answers(table, "www.example.org"));
    assert_int_equal(tls_alpn01_add(table, "a", &dns, "token.print", &e), 0);
    assert_int_equal(tls_alpn01_add(table, "a", &ip, "token.print", &e), 0);
    assert_int_equal(tls_alpn01_count(table), 2);
    assert_true(answers(table, "www.example.org"));
    assert_true(answers(table, "WWW.Example.ORG"));
    assert_true(answers(table, "1.2.0.192.in-addr.arpa"));
    assert_false(answers(table, "192.0.2.1"));
    assert_false(answers(table, "example.org"));
    char longest[1000];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_false(answers(table, longest));
    tls_alpn01_destroy(table);
}

static void stays_until_its_last_owner(void **state)
{
    (void)state;
    struct tls_alpn01_table *table = table_of();
    struct identifier id = id_of("www.example.org");
    struct err e;
    assert_int_equal(tls_alpn01_add(table, "a", &id, "token.print", &e), 0);
    assert_int_equal(tls_alpn01_add(table, "a", &id, "token.print", &e), 0);
    assert_int_equal(tls_alpn01_add(table, "b", &id, "token.print", &e), 0);
    assert_int_equal(tls_alpn01_count(table), 1);
    tls_alpn01_remove(table, "a", &id, "token.print");
    tls_alpn01_remove(table, "c", &id, "token.print");
    assert_true(answers(table, "www.example.org"));
    tls_alpn01_remove(table, "b", &id, "other.print");
    assert_true(answers(table, "www.example.org"));
    tls_alpn01_remove(table, "b", &id, "token.print");
    assert_false(answers(table, "www.example.org"));
    tls_alpn01_remove(table, "b", &id, "token.print");
    assert_int_equal(tls_alpn01_count(table), 0);
    tls_alpn01_destroy(table);
}

static void has_one_answer_a_name(void **state)
{
    (void)state;
    struct tls_alpn01_table *table = table_of();
    struct identifier id = id_of("www.example.org"), wild = id_of("*.example.org");
    struct err e;
    assert_int_equal(tls_alpn01_add(table, "a", &id, "token.print", &e), 0);
    assert_int_equal(tls_alpn01_add(table, "b", &id, "other.print", &e), -1);
    assert_int_equal(e.code, ERR_CONFLICT);
    tls_alpn01_remove(table, "a", &id, "token.print");
    assert_int_equal(tls_alpn01_add(table, "b", &id, "other.print", &e), 0);
    assert_int_equal(tls_alpn01_add(table, "a", &wild, "token.print", &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    tls_alpn01_destroy(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_by_server_name),
        cmocka_unit_test(stays_until_its_last_owner),
        cmocka_unit_test(has_one_answer_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
